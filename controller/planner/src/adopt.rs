//! Taking over what is: every recorded place that still stands is kept before anything is decided anew. No I/O.

use crate::engine::Engine;
use crate::fits;
use crate::plan::MoveReason;
use crate::world::{CopySites, Was};

/// Puts everything recorded into the books, as far as it stands. What has lost its place goes to `homeless`; a reserve
/// that no longer holds is left out and found anew by `protect`.
pub(crate) fn adopt(engine: &mut Engine<'_, '_>) {
    let world = engine.world;
    let mut order: Vec<usize> = (0..world.servers.len())
        .filter(|&v| world.servers[v].was.is_some())
        .collect();
    order.sort_by_key(|&v| world.turn(v));

    for &server in &order {
        let Some(was) = &world.servers[server].was else {
            continue;
        };
        if world.servers[server].released {
            engine.homeless.push(server);
        } else if let Some(host) = was.host {
            engine.books.add_primary(world, server, host);
        } else if world.sites[was.site].held || was.host_set_aside {
            engine.books.hold(world, server, was.site);
        } else {
            engine.homeless.push(server);
        }
    }
    // A released server takes the host that was reserved for it before any reserve is looked at: this loss is what
    // the reserve was for, and reserves for other losses that share the room give way.
    let released = std::mem::take(&mut engine.homeless);
    for server in released {
        if !take_reserve(engine, server) {
            engine.homeless.push(server);
        }
    }
    for &server in &order {
        let Some(was) = &world.servers[server].was else {
            continue;
        };
        if engine.books.slots[server].is_placed() {
            adopt_copies(engine, server, was);
        } else {
            // Its data takes room while it waits for a place.
            let mut sites = was.copies.clone();
            sites.push(was.site);
            sites.sort_unstable();
            engine
                .books
                .set_copies(world, server, CopySites::from_slice(&sites));
        }
    }
}

/// Starts a released server on the host reserved for it.
fn take_reserve(engine: &mut Engine<'_, '_>, server: usize) -> bool {
    let world = engine.world;
    let Some(was) = &world.servers[server].was else {
        return false;
    };
    if !world.servers[server].released {
        return false;
    }
    let Some(host) = was.backup else { return false };
    let elsewhere = world.hosts[host].site != was.site || was.host != Some(host);
    if !elsewhere || fits::takeover(world, &engine.books, server, host).is_err() {
        return false;
    }
    engine.books.add_primary(world, server, host);
    engine.moved[server] = Some(MoveReason::Released);
    true
}

/// Adopts the copies and the reserve of a placed server, as far as they stand.
fn adopt_copies(engine: &mut Engine<'_, '_>, server: usize, was: &Was) {
    let world = engine.world;
    let wanted = &world.servers[server];
    if !wanted.is_protected() {
        return;
    }
    let (Some(at), Some(zone)) = (
        engine.books.primary_site(world, server),
        engine.books.primary_zone(world, server),
    ) else {
        return;
    };
    let backup = was.backup.filter(|&host| world.hosts[host].site != at);
    let first = backup.map(|host| world.hosts[host].site);
    // The site it has left keeps its data, unless that site is fenced.
    let left = (was.site != at && world.sites[was.site].keeps_copies).then_some(was.site);
    let mut sites: Vec<usize> = was
        .copies
        .iter()
        .copied()
        .chain(left)
        .filter(|&site| site != at)
        .collect();
    sites.sort_by_key(|&site| (Some(site) != first, !world.sites[site].keeps_copies, site));
    sites.dedup();
    let most = usize::try_from(wanted.copies - 1).unwrap_or(0);
    let mut kept = CopySites::new();
    let mut zones = vec![zone];
    for site in sites {
        let dense = &world.sites[site];
        // The backup's rack may share more than its site does.
        let its_zone = backup
            .filter(|_| first == Some(site))
            .map_or(dense.zone, |host| world.hosts[host].zone);
        let apart = zones
            .iter()
            .all(|&other| world.apart_enough(wanted.spread, other, its_zone));
        if kept.len() < most && apart && dense.keeps_copies {
            kept.push(site);
            zones.push(its_zone);
        }
    }
    kept.sort_unstable();
    let stands = backup.is_some_and(|host| {
        kept.contains(&world.hosts[host].site)
            && fits::backup(world, &engine.books, server, host, true).is_ok()
    });
    engine.books.set_copies(world, server, kept);
    if let (true, Some(host)) = (stands, backup) {
        engine.books.add_backup(world, server, host);
    }
}
