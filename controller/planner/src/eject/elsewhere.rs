//! Other hosts for what has to leave one: a reserve, or a server within its site. No I/O.

use super::Trial;
use crate::copies;
use crate::engine::Engine;
use crate::fits;
use crate::reserves;
use crate::score::{self, Standing};

/// Most hosts that a thing is tried on: the best refuse it only for what its reserve or its group asks.
const TARGETS: usize = 4;

/// Another host for a reserve that is on `host`, at a site that holds a copy already.
pub(super) fn rehome(engine: &mut Engine<'_, '_>, trial: &mut Trial, server: usize, host: usize) -> bool {
    let world = engine.world;
    let before = engine.books.slots[server].clone();
    let lost = before.primary.map(|primary| world.hosts[primary].site);
    let wanted = &world.servers[server];
    let (Some(lost), None, Some(at)) = (lost, world.together(server), before.backup) else {
        return false;
    };
    if at != host {
        return false;
    }
    engine.books.remove_backup(world, server);
    let mut targets: Vec<(bool, i64, usize)> = Vec::new();
    for &site in before
        .copies
        .iter()
        .filter(|&&site| world.sites[site].open && wanted.allows(site))
    {
        for &other in world.sites[site].hosts.iter().filter(|&&other| other != host) {
            if fits::backup(world, &engine.books, server, other, false).is_ok() {
                let reserved = engine.books.reserved[other * engine.books.scenarios + lost];
                let then = [0, 1].map(|d| reserved[d] + wanted.demand[d]);
                let score = Standing::of(world, &engine.books, other).backup(then, i64::MAX);
                targets.push((site != world.hosts[host].site, score, other));
            }
        }
    }
    targets.sort_unstable();
    let found = targets
        .into_iter()
        .take(TARGETS)
        .any(|(_, _, other)| reserves::put(engine, server, other));
    if found {
        trial.0.push((server, before));
    } else {
        engine.books.add_backup(world, server, host);
    }
    found
}

/// Another host of its own site for a server that runs, or would run, on `host`: with the reserve and the copies that it has.
pub(super) fn move_near(
    engine: &mut Engine<'_, '_>,
    trial: &mut Trial,
    server: usize,
    host: usize,
    onto: Option<usize>,
) -> bool {
    let world = engine.world;
    let before = engine.books.lift(world, server);
    let demand = world.servers[server].demand;
    let fits = |engine: &Engine<'_, '_>, other: usize| {
        other != host
            && copies::clear_of(world, server, world.hosts[other].zone, &before.copies)
            && fits::primary(world, &engine.books, server, other).is_ok()
    };
    let mut targets: Vec<(i64, usize)> = match onto {
        Some(onto) => vec![(0, onto)],
        None => world.sites[world.hosts[host].site]
            .hosts
            .iter()
            .map(|&other| (0, other))
            .collect(),
    };
    targets.retain(|&(_, other)| fits(engine, other));
    for target in &mut targets {
        target.0 = score::primary(world, &engine.books, demand, target.1);
    }
    targets.sort_unstable();
    // A reserve that must start at once needs its host to be on.
    let asleep = engine.books.warm[host] > 0 && !engine.books.is_on_now(world, host);
    for (_, other) in targets.into_iter().take(if asleep { 0 } else { TARGETS }) {
        engine.books.add_primary(world, server, other);
        let stands = before
            .backup
            .is_none_or(|backup| fits::backup(world, &engine.books, server, backup, true).is_ok());
        if stands {
            engine.books.set_copies(world, server, before.copies.clone());
            if let Some(backup) = before.backup {
                engine.books.add_backup(world, server, backup);
            }
            trial.0.push((server, before));
            return true;
        }
        engine.books.remove_primary(world, server);
    }
    engine.books.put(world, server, &before);
    false
}
