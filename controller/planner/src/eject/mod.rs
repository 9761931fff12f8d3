//! Room that is there in pieces: one thing on a host goes elsewhere, so that one that waits finds a place. No I/O.
//!
//! Tried when nothing else would change and packing the reserves anew has not helped. What may go elsewhere: a reserve,
//! to another host at a site that holds a copy already; a server that is new in this plan, which does not run yet; and,
//! only where the platform team allows it, a running server of the same or a less important tier, to another host of its
//! own site. No data is copied, nobody loses a copy or a reserve, and everything is taken back unless the one that waits
//! gets in with all that its policy asks.
//!
//! *Planning again tries nothing new.* Which hosts and things are looked at depends on the books alone and is cut off before it is
//! asked what may move. What was new then runs now and may move less: the second plan tries a part of what the first tried
//! in vain.

mod elsewhere;

use crate::admit;
use crate::claim::{self, Claims};
use crate::engine::Engine;
use crate::fits;
use crate::place::Wish;
use crate::plan::MoveReason;
use crate::quota;
use crate::state::Slot;
use crate::together;
use crate::world::{Amount, DIMS};
use elsewhere::{move_near, rehome};

/// Most servers that room is looked for in one pass, first in turn first.
const SERVERS: usize = 8;
/// Most hosts that are looked at for each.
const HOSTS: usize = 6;
/// Most servers, and most reserves, that are looked at on each host.
const THINGS: usize = 4;
/// As `HOSTS` and `THINGS`, where a server that has to leave finds no host with room either.
const NEAR_HOSTS: usize = 3;
const NEAR_THINGS: usize = 2;

/// Where servers and reserves are, by host.
struct Map {
    primaries: Vec<Vec<usize>>,
    reserves: Vec<Vec<usize>>,
}

impl Map {
    /// `claimed` have no place: room is only kept for them, which is nobody's to move.
    fn of(engine: &Engine<'_, '_>, claimed: &[usize]) -> Self {
        let hosts = engine.world.hosts.len();
        let mut map = Self {
            primaries: vec![Vec::new(); hosts],
            reserves: vec![Vec::new(); hosts],
        };
        for (server, slot) in engine.books.slots.iter().enumerate() {
            if claimed.contains(&server) {
                continue;
            }
            if let Some(host) = slot.primary {
                map.primaries[host].push(server);
            }
            if let Some(host) = slot.backup {
                map.reserves[host].push(server);
            }
        }
        map
    }
}

/// One trial: what was touched and where it was, so that all of it can be taken back.
#[derive(Default)]
struct Trial(Vec<(usize, Slot)>);

impl Trial {
    /// Takes back what was done since the trial had this length.
    fn back(&mut self, engine: &mut Engine<'_, '_>, length: usize) {
        while self.0.len() > length {
            if let Some((server, slot)) = self.0.pop() {
                engine.books.lift(engine.world, server);
                engine.books.put(engine.world, server, &slot);
            }
        }
    }
}

/// Lets servers in for which one or two things on one host can go elsewhere. Returns whether anybody got in.
pub(crate) fn make_room(engine: &mut Engine<'_, '_>) -> bool {
    let world = engine.world;
    if engine.starving.is_empty() {
        return false;
    }
    let starving: Vec<usize> = engine.starving.iter().copied().take(SERVERS).collect();
    let mut used = admit::in_use(engine);
    let mut claims = Claims::new(world);
    let mut map = Map::of(engine, &claims.servers);
    let mut changed = false;
    for server in starving {
        let amounts = quota::of_server(&world.servers[server]);
        if used.check(world, world.servers[server].tenant, &amounts).is_err() {
            continue;
        }
        if room_for(engine, &map, server) {
            used.add(world.servers[server].tenant, &amounts);
            map = Map::of(engine, &claims.servers);
            changed = true;
        } else {
            // Who comes later must not take what becomes free for it.
            claims.keep(engine, &mut used, server);
        }
    }
    claims.release(engine);
    changed
}

/// Tries everything for one server that waits.
fn room_for(engine: &mut Engine<'_, '_>, map: &Map, server: usize) -> bool {
    for host in hosts_for(engine, server) {
        let mut trial = Trial::default();
        if clear(engine, map, &mut trial, server, host) {
            commit(engine, trial);
            return true;
        }
        trial.back(engine, 0);
    }
    false
}

/// Writes down why what has moved moved.
fn commit(engine: &mut Engine<'_, '_>, trial: Trial) {
    let world = engine.world;
    for (server, before) in trial.0 {
        if world.servers[server].was.is_none() {
            continue;
        }
        let now = &engine.books.slots[server];
        if now.primary != before.primary {
            engine.moved[server].get_or_insert(MoveReason::MakesRoom);
            engine.moves_left -= 1;
        } else if now.backup != before.backup {
            engine.backup_moved[server].get_or_insert(MoveReason::MakesRoom);
        }
    }
}

/// The hosts that lack the least for running the server, or for its reserve.
fn hosts_for(engine: &Engine<'_, '_>, server: usize) -> Vec<usize> {
    let world = engine.world;
    let hosts = || (0..world.hosts.len()).filter(|&host| claim::could(world, server, host));
    let mut lacking: Vec<(i64, usize)> = Vec::new();
    let mut zones: Vec<usize> = Vec::new();
    for host in hosts() {
        if fits::primary(world, &engine.books, server, host).is_ok() {
            zones.push(world.hosts[host].zone);
        } else {
            lacking.push((claim::lacks(engine, server, host), host));
        }
    }
    lacking.sort_unstable();
    lacking.truncate(HOSTS);
    zones.sort_unstable();
    zones.dedup();
    let mut found: Vec<usize> = Vec::new();
    if !zones.is_empty() && world.servers[server].is_protected() {
        let lack = |host: usize| {
            let lacks = zones
                .iter()
                .filter_map(|&zone| claim::reserve_lacks(engine, server, host, zone));
            lacks.min().map(|lack| (lack, host))
        };
        let mut reserves: Vec<(i64, usize)> =
            hosts().filter_map(lack).filter(|(lack, _)| *lack > 0).collect();
        reserves.sort_unstable();
        found.extend(reserves.into_iter().take(HOSTS).map(|(_, host)| host));
    }
    for (_, host) in lacking {
        if !found.contains(&host) {
            found.push(host);
        }
    }
    found
}

/// What a host lacks for a request beside all that is there.
fn missing(engine: &Engine<'_, '_>, demand: Amount, host: usize) -> Amount {
    let (books, dense) = (&engine.books, &engine.world.hosts[host]);
    let free = |d: usize| dense.capacity[d] - books.used[host][d] - books.most_reserved[host][d];
    [0, 1].map(|d| (demand[d] - free(d)).max(0))
}

/// The things on a host, those first that are enough by themselves, the smallest of them first; then the largest.
fn in_order(engine: &Engine<'_, '_>, things: &[usize], missing: Amount, most: usize) -> Vec<usize> {
    let world = engine.world;
    let mut order = things.to_vec();
    order.sort_by_cached_key(|&v| {
        let demand = world.servers[v].demand;
        let enough = (0..DIMS).all(|d| demand[d] >= missing[d]);
        let size = demand[1].saturating_mul(1000).saturating_add(demand[0]);
        (!enough, if enough { size } else { -size }, v)
    });
    order.truncate(most);
    order
}

/// Whether this server may go to another host of its site for the sake of `waits`.
fn may_move(engine: &Engine<'_, '_>, server: usize, waits: usize, trial: &Trial) -> bool {
    let world = engine.world;
    let wanted = &world.servers[server];
    let running = trial.0.iter().filter(|(v, _)| world.servers[*v].was.is_some());
    let spent = crate::world::count(running.count());
    let allowed = wanted.was.is_none()
        || engine.room_by_moves && engine.moves_left > spent && wanted.tier >= world.servers[waits].tier;
    let host = engine.books.slots[server].primary;
    allowed
        && host.is_some_and(|host| world.hosts[host].open)
        && !together::has_company(world, &engine.books, server)
        && !trial.0.iter().any(|(touched, _)| *touched == server)
}

/// Clears enough of a host for `server` to get in: reserves, then one server, then one server and more. Leaves the trial to
/// be taken back when it fails.
fn clear(engine: &mut Engine<'_, '_>, map: &Map, trial: &mut Trial, server: usize, host: usize) -> bool {
    let lack = missing(engine, engine.world.servers[server].demand, host);
    if clear_reserves(engine, map, trial, host, lack, THINGS, &mut |engine| {
        settle(engine, server)
    }) {
        return true;
    }
    trial.back(engine, 0);
    let residents = in_order(engine, &map.primaries[host], lack, THINGS);
    for (at, &resident) in residents.iter().enumerate() {
        if !may_move(engine, resident, server, trial) {
            continue;
        }
        if move_near(engine, trial, resident, host, None) {
            if settle(engine, server) {
                return true;
            }
            let alone = trial.0.len();
            if clear_reserves(engine, map, trial, host, lack, THINGS, &mut |engine| {
                settle(engine, server)
            }) {
                return true;
            }
            trial.back(engine, alone);
            for &other in &residents[at + 1..] {
                if may_move(engine, other, server, trial) && move_near(engine, trial, other, host, None) {
                    if settle(engine, server) {
                        return true;
                    }
                    trial.back(engine, alone);
                }
            }
        } else if push(engine, map, trial, server, resident, host) {
            return true;
        }
        trial.back(engine, 0);
    }
    false
}

/// A server that has to leave finds no host with room either: one thing on another host of its site goes elsewhere for it.
fn push(
    engine: &mut Engine<'_, '_>,
    map: &Map,
    trial: &mut Trial,
    server: usize,
    resident: usize,
    host: usize,
) -> bool {
    let world = engine.world;
    let demand = world.servers[resident].demand;
    let mut near: Vec<(i64, usize)> = world.sites[world.hosts[host].site]
        .hosts
        .iter()
        .filter(|&&other| other != host && claim::could(world, resident, other))
        .map(|&other| (claim::lacks(engine, resident, other), other))
        .collect();
    near.sort_unstable();
    for (_, onto) in near.into_iter().take(NEAR_HOSTS) {
        let lack = missing(engine, demand, onto);
        let follow = |engine: &mut Engine<'_, '_>, trial: &mut Trial| {
            move_near(engine, trial, resident, host, Some(onto)) && settle(engine, server)
        };
        let reserves = in_order(engine, &map.reserves[onto], lack, NEAR_THINGS);
        for reserve in reserves {
            if rehome(engine, trial, reserve, onto) && follow(engine, trial) {
                return true;
            }
            trial.back(engine, 0);
        }
        let residents = in_order(engine, &map.primaries[onto], lack, NEAR_THINGS);
        for other in residents {
            if may_move(engine, other, server, trial)
                && move_near(engine, trial, other, onto, None)
                && may_move(engine, resident, server, trial)
                && follow(engine, trial)
            {
                return true;
            }
            trial.back(engine, 0);
        }
    }
    false
}

/// Puts `server` where it now fits, if anywhere, with all that its policy asks.
fn settle(engine: &mut Engine<'_, '_>, server: usize) -> bool {
    let world = engine.world;
    let wish = Wish::new(world);
    match engine.find(server, &wish) {
        Some(slot) => {
            engine.books.put(world, server, &slot);
            true
        }
        None => false,
    }
}

/// Finds other hosts for reserves on `host`, one after the other, until `done` says that it is enough.
fn clear_reserves(
    engine: &mut Engine<'_, '_>,
    map: &Map,
    trial: &mut Trial,
    host: usize,
    lack: Amount,
    most: usize,
    done: &mut dyn FnMut(&mut Engine<'_, '_>) -> bool,
) -> bool {
    for reserve in in_order(engine, &map.reserves[host], lack, most) {
        if rehome(engine, trial, reserve, host) && done(engine) {
            return true;
        }
    }
    false
}
