//! Mending what is wrong with the present, with the fewest moves: the homeless, the drained, the overloaded, the
//! members of a group that share what they must not. No I/O.

use crate::apart;
use crate::copies;
use crate::engine::Engine;
use crate::fits;
use crate::place::{self, Wish};
use crate::plan::MoveReason;
use crate::state::Slot;
use crate::together;
use crate::world::DIMS;

/// Where an existing server may go: its own site first, then where its data is, then anywhere.
fn wish_for(engine: &Engine<'_, '_>, server: usize, own_site: bool) -> Wish {
    let world = engine.world;
    let wanted = &world.servers[server];
    let slot = &engine.books.slots[server];
    let mut data = slot.copies.to_vec();
    let mut home = engine.books.primary_site(world, server);
    if let Some(was) = &wanted.was
        && !slot.is_placed()
    {
        data.extend(&was.copies);
        data.push(was.site);
        home = Some(was.site);
    }
    data.extend(home);
    data.sort_unstable();
    data.dedup();
    data.retain(|&site| world.sites[site].keeps_copies);
    let readable = home.is_none_or(|site| !world.sites[site].held) && (slot.is_placed() || !wanted.released);
    let mut ranks = Vec::new();
    if own_site && readable {
        ranks.push(home.into_iter().collect());
    }
    let elsewhere = |site: &usize| Some(*site) != home;
    ranks.push(data.iter().copied().filter(elsewhere).collect());
    if readable {
        ranks.push(
            (0..world.sites.len())
                .filter(|site| elsewhere(site) && !data.contains(site))
                .collect(),
        );
    }
    Wish {
        ranks,
        data,
        alone_will_do: false,
        new_copies: true,
    }
}

/// Finds places for servers that had one and lost it. Returns whether any found one.
pub(crate) fn rehouse(engine: &mut Engine<'_, '_>) -> bool {
    let homeless = std::mem::take(&mut engine.homeless);
    let mut changed = false;
    for server in homeless {
        let released = engine.world.servers[server].released;
        let reason = if released {
            MoveReason::Released
        } else {
            MoveReason::HostGone
        };
        let wish = wish_for(engine, server, true);
        let before = engine.books.lift(engine.world, server);
        let mut found = engine.find(server, &wish);
        if found.is_none() {
            let alone = Wish {
                alone_will_do: true,
                ..wish.clone()
            };
            found = engine.find(server, &alone);
        }
        if let Some(slot) = found {
            engine.books.put(engine.world, server, &slot);
        } else if !squeeze_in(engine, server, &wish) {
            engine.books.put(engine.world, server, &before);
            engine.homeless.push(server);
            continue;
        }
        keep_data(engine, server, &wish);
        engine.moved[server] = Some(reason);
        changed = true;
    }
    changed
}

/// A server that found a place without a reserve keeps the copies of its data that still count.
fn keep_data(engine: &mut Engine<'_, '_>, server: usize, wish: &Wish) {
    let (world, slot) = (engine.world, &engine.books.slots[server]);
    if slot.backup.is_none() && world.servers[server].is_protected() {
        let kept = copies::partial(world, &engine.books, server, None, wish);
        engine.books.set_copies(world, server, kept);
    }
}

/// Last resort for a server that is down: any host with the data that can physically run it, at the price of reserves
/// and ceilings. Reserves that no longer fit are dropped, to be found anew.
fn squeeze_in(engine: &mut Engine<'_, '_>, server: usize, wish: &Wish) -> bool {
    let world = engine.world;
    let backup = world.servers[server].was.as_ref().and_then(|was| was.backup);
    let fits = |host: &usize| fits::takeover(world, &engine.books, server, *host).is_ok();
    let own = backup.filter(|host| fits(host));
    let by_site = || {
        wish.data
            .iter()
            .flat_map(|&site| world.sites[site].hosts.iter().copied())
    };
    // The fewest reserves give way where the most is free beside them.
    let free = |host: usize| {
        let room = |d: usize| {
            (world.hosts[host].capacity[d] - engine.books.used[host][d] - engine.books.most_reserved[host][d])
                .saturating_mul(1000)
                / world.hosts[host].capacity[d].max(1)
        };
        (0..DIMS).map(room).min().unwrap_or(0)
    };
    let Some(host) = own.or_else(|| by_site().filter(fits).min_by_key(|&host| (-free(host), host))) else {
        return false;
    };
    engine.books.add_primary(world, server, host);
    drop_unfit_reserves(engine, server, host);
    true
}

/// Drops the reserves that no longer fit since `server` runs on this host, the last in turn first: those on its rack, and
/// those of its group, which may have to keep away from the whole site.
fn drop_unfit_reserves(engine: &mut Engine<'_, '_>, server: usize, host: usize) {
    let world = engine.world;
    let rack = world.hosts[host].rack;
    let mut there: Vec<usize> = (0..world.servers.len())
        .filter(|&v| {
            engine.books.slots[v]
                .backup
                .is_some_and(|at| world.hosts[at].rack == rack)
        })
        .collect();
    let group = apart::others(world, server).map(|(other, _)| other);
    there.extend(group.filter(|&other| engine.books.slots[other].backup.is_some()));
    there.sort_unstable();
    there.dedup();
    there.sort_by_key(|&v| world.turn(v));
    let places: Vec<(usize, Option<usize>)> =
        there.iter().map(|&v| (v, engine.books.slots[v].backup)).collect();
    for &(v, _) in &places {
        engine.books.remove_backup(world, v);
    }
    for (v, place) in places {
        if let Some(place) = place
            && fits::backup(world, &engine.books, v, place, true).is_ok()
        {
            engine.books.add_backup(world, v, place);
        }
    }
}

/// Moves one placed server elsewhere with everything that its policy asks, or leaves it. Returns whether it moved. One of an affinity
/// group goes alone where the group's rule lets it, and only else takes the group with it.
fn relocate(engine: &mut Engine<'_, '_>, server: usize, reason: MoveReason, own_site: bool) -> bool {
    if engine.moves_left <= 0 {
        return false;
    }
    let unprotected = engine.books.slots[server].backup.is_none();
    let wish = Wish {
        alone_will_do: unprotected,
        ..wish_for(engine, server, own_site)
    };
    let before = engine.books.lift(engine.world, server);
    // Within its site the reserve may stay as it is: nothing else moves then.
    let found = stay_near(engine, server, &before, own_site)
        .or_else(|| engine.find(server, &wish))
        .filter(|slot| slot.primary != before.primary);
    engine
        .books
        .put(engine.world, server, found.as_ref().unwrap_or(&before));
    if found.is_some() {
        keep_data(engine, server, &wish);
        engine.say_moved(server, reason);
        engine.moves_left -= 1;
        return true;
    }
    together::has_company(engine.world, &engine.books, server) && relocate_circle(engine, server, reason)
}

/// Moves a server and of its affinity group whoever has to follow: all of them, or none.
fn relocate_circle(engine: &mut Engine<'_, '_>, server: usize, reason: MoveReason) -> bool {
    let world = engine.world;
    let Some((circle, _)) = world.together(server) else {
        return false;
    };
    let on_host = |&v: &usize| v != server && engine.books.slots[v].primary.is_some();
    let others = world.circles[circle].members.iter().copied().filter(on_host);
    // Whoever has to leave chooses first; the others follow, or stay where that is near enough.
    let members: Vec<usize> = std::iter::once(server).chain(others).collect();
    let wishes: Vec<Wish> = members
        .iter()
        .map(|&member| Wish {
            alone_will_do: engine.books.slots[member].backup.is_none(),
            ..wish_for(engine, member, true)
        })
        .collect();
    let before: Vec<Slot> = members
        .iter()
        .map(|&member| engine.books.lift(world, member))
        .collect();
    let mut moves = 0;
    let mut all = true;
    for ((&member, wish), slot) in members.iter().zip(&wishes).zip(&before) {
        let stays = member != server && may_stay(engine, member, slot);
        let found = if stays {
            Some(slot.clone())
        } else {
            engine.find(member, wish)
        };
        let new = found.filter(|new| member != server || new.primary != slot.primary);
        let Some(new) = new else {
            all = false;
            break;
        };
        moves += i64::from(new.primary != slot.primary);
        engine.books.put(world, member, &new);
    }
    if !all || moves > engine.moves_left {
        for &member in &members {
            engine.books.lift(world, member);
        }
        for (&member, slot) in members.iter().zip(&before) {
            engine.books.put(world, member, slot);
        }
        return false;
    }
    for ((&member, wish), slot) in members.iter().zip(&wishes).zip(&before) {
        if engine.books.slots[member] != *slot {
            keep_data(engine, member, wish);
        }
        if engine.books.slots[member].primary != slot.primary {
            engine.say_moved(member, reason);
            engine.moves_left -= 1;
        }
    }
    true
}

/// Whether a server that was lifted from this place can go back to it as it was, and need not leave it.
fn may_stay(engine: &mut Engine<'_, '_>, server: usize, slot: &Slot) -> bool {
    let world = engine.world;
    let Some(host) = slot.primary else { return false };
    if fits::primary(world, &engine.books, server, host).is_err() {
        return false;
    }
    let Some(backup) = slot.backup else { return true };
    engine.books.add_primary(world, server, host);
    let stands = fits::backup(world, &engine.books, server, backup, true).is_ok();
    engine.books.remove_primary(world, server);
    stands
}

/// Another host at the same site, with the reserve where it is.
fn stay_near(engine: &mut Engine<'_, '_>, server: usize, before: &Slot, own_site: bool) -> Option<Slot> {
    let world = engine.world;
    let backup = before.backup?;
    let site = before
        .primary
        .map(|host| world.hosts[host].site)
        .filter(|_| own_site)?;
    // Another rack of the site may share a risk with a copy that the old one did not share.
    let clear = |zone: &usize| copies::clear_of(world, server, *zone, &before.copies);
    let zones = world.sites[site].zones.iter();
    let (_, host) = zones
        .filter(|zone| clear(zone))
        .filter_map(|&zone| place::best_primary(world, &engine.books, &mut engine.index, server, zone))
        .min()?;
    engine.books.add_primary(world, server, host);
    let stands = fits::backup(world, &engine.books, server, backup, true).is_ok();
    engine.books.remove_primary(world, server);
    stands.then(|| Slot {
        primary: Some(host),
        ..before.clone()
    })
}

/// Servers in turn order, reversed: the least important moves first.
fn last_first(engine: &Engine<'_, '_>, mut servers: Vec<usize>) -> Vec<usize> {
    let world = engine.world;
    servers.sort_by_key(|&v| std::cmp::Reverse(world.turn(v)));
    servers
}

/// Moves servers away from what is being drained.
pub(crate) fn drain(engine: &mut Engine<'_, '_>) -> bool {
    let world = engine.world;
    let leaving = |host: Option<usize>| host.is_some_and(|host| world.hosts[host].draining);
    let there: Vec<usize> = (0..world.servers.len())
        .filter(|&v| leaving(engine.books.slots[v].primary))
        .collect();
    let mut changed = false;
    for server in last_first(engine, there).into_iter().rev() {
        let site = engine.books.primary_site(world, server);
        let own_site = site.is_some_and(|site| !world.sites[site].draining);
        changed |= relocate(engine, server, MoveReason::Draining, own_site);
    }
    changed
}

/// Moves servers off hosts and racks that carry more than they can.
pub(crate) fn relieve(engine: &mut Engine<'_, '_>) -> bool {
    let world = engine.world;
    let mut changed = false;
    for host in 0..world.hosts.len() {
        if world.hosts[host].held {
            continue;
        }
        for d in 0..DIMS {
            let excess = |engine: &Engine<'_, '_>| engine.books.used[host][d] - world.hosts[host].capacity[d];
            let weight = |_: &Engine<'_, '_>, server: usize| world.servers[server].demand[d];
            let on = |slot: &Slot| slot.primary == Some(host);
            changed |= shed(engine, &excess, &weight, &on);
        }
    }
    for rack in 0..world.racks.len() {
        let excess =
            |engine: &Engine<'_, '_>| engine.books.committed_mw[rack] - world.racks[rack].capacity_mw;
        if excess(engine) <= 0 {
            continue;
        }
        let weight = |engine: &Engine<'_, '_>, server: usize| relief_mw(engine, server);
        let on = |slot: &Slot| {
            slot.primary
                .is_some_and(|host| world.hosts[host].rack == rack && !world.hosts[host].held)
        };
        changed |= shed(engine, &excess, &weight, &on);
    }
    changed
}

/// What a rack draws less when a server leaves it, in milliwatts: its share of its own host, and its part of what the host draws idle
/// where that falls asleep behind the last.
fn relief_mw(engine: &Engine<'_, '_>, server: usize) -> i64 {
    let world = engine.world;
    engine.books.slots[server].primary.map_or(0, |host| {
        let dense = &world.hosts[host];
        let idle = if dense.powered { 0 } else { dense.idle_mw };
        let residents = i64::from(engine.books.residents[host].max(1));
        dense.draw_mw(world.servers[server].demand[0]) + idle / residents + i64::from(idle % residents > 0)
    })
}

/// Moves servers away until there is no excess: the smallest that covers what is left of it, else the largest, which
/// needs the fewest moves, and of equals the least important. Those that find no place are passed over. Nobody moves whose going
/// lessens nothing, nor anybody when all of them together lessen too little.
fn shed(
    engine: &mut Engine<'_, '_>,
    excess: &dyn Fn(&Engine<'_, '_>) -> i64,
    weight: &dyn Fn(&Engine<'_, '_>, usize) -> i64,
    on: &dyn Fn(&Slot) -> bool,
) -> bool {
    if excess(engine) <= 0 {
        return false;
    }
    let world = engine.world;
    let mut there: Vec<usize> = (0..world.servers.len())
        .filter(|&v| on(&engine.books.slots[v]) && weight(engine, v) > 0)
        .collect();
    let all: i64 = there.iter().map(|&v| weight(engine, v)).sum();
    if all < excess(engine) {
        return false;
    }
    let mut changed = false;
    while excess(engine) > 0 && engine.moves_left > 0 {
        let over = excess(engine);
        let least_important = |at: &usize| (std::cmp::Reverse(world.servers[there[*at]].tier), there[*at]);
        let weigh = |at: &usize| weight(engine, there[*at]);
        let covers = (0..there.len())
            .filter(|at| weigh(at) >= over)
            .min_by_key(|at| (weigh(at), least_important(at)));
        let largest = || (0..there.len()).min_by_key(|at| (-weigh(at), least_important(at)));
        let Some(at) = covers.or_else(largest) else {
            break;
        };
        let server = there.remove(at);
        changed |= relocate(engine, server, MoveReason::Overloaded, true);
    }
    changed
}

/// Moves members of a group that share what they must not; the later in turn moves.
pub(crate) fn separate(engine: &mut Engine<'_, '_>) -> bool {
    let world = engine.world;
    let mut changed = false;
    for group in &world.groups {
        for server in last_first(engine, group.members.clone()) {
            let Some(host) = engine.books.slots[server]
                .primary
                .filter(|&host| !world.hosts[host].held)
            else {
                continue;
            };
            let shares = apart::others(world, server).any(|(other, by)| {
                engine.books.slots[other]
                    .primary
                    .is_some_and(|place| apart::meet(world, by, place, host))
            });
            if shares {
                changed |= relocate(engine, server, MoveReason::KeepsApart, true);
            }
        }
    }
    changed
}
