//! Placing very many new servers at once: first which site for each, then host by host, then the reserves. No I/O.
//!
//! Server by server, every host opened early is a guess. Here a host is opened and filled with the sizes that suit
//! what is left of it, so that few hosts are needed and each is full. Fairness is kept by all or nothing: if anybody of
//! the batch is left over, everything is taken back and the queue goes server by server in its turn.
//!
//! 0. *Affinity groups* are placed whole, one by one: what they need on one host is more than any one server.
//! 1. *Sites*: the largest first, each server gets a pair of sites (`loads.rs`).
//! 2. *Scarce sizes first*: those that need more than half of the smallest host are placed whole, one by one, while
//!    whole hosts are free.
//! 3. *Residents*: per site, hosts by idle watts per core; each is filled by a pattern of sizes that leaves little (`pattern.rs`).
//! 4. *Reserves*: per pair of sites likewise, on hosts that hold reserves for other losses first: they share the room.
//! 5. *Leftovers* go server by server.

use crate::apart;
use crate::claim;
use crate::consolidate;
use crate::engine::Engine;
use crate::fits;
use crate::loads::{CALM, Loads, PHASES, Sites};
use crate::piles::Piles;
use crate::place::Wish;
use crate::reserves;
use crate::score;
use crate::world::{Amount, DIMS, World};

/// Below this many new servers the queue is quick enough and keeps the books simpler to follow.
pub(crate) const FEWEST: usize = 64;

/// Places all of `batch` (in turn order) but those that their group leaves no place, or nothing. Returns whether it placed
/// any.
///
/// Residents of unlike shape fill hosts best when all sizes share them; but large sizes then may find no whole host for
/// their reserve. So the phases from which on sizes share hosts are tried in turn, the most sharing first.
pub(crate) fn place_all(engine: &mut Engine<'_, '_>, batch: &[usize]) -> bool {
    let world = engine.world;
    let weights = weights(world);
    let (mut circles, mut rest): (Vec<usize>, Vec<usize>) =
        batch.iter().partition(|&&v| world.together(v).is_some());
    // Of what has to be stored, copies at many sites have the least choice of them.
    let turn = |&v: &usize| {
        let (class, size) = (world.class(v), weights[world.class_of(v)]);
        (!(class.copies > 2 && class.stores), std::cmp::Reverse(size), v)
    };
    rest.sort_by_cached_key(turn);
    circles.sort_by_cached_key(|v| (world.together(*v).map(|(circle, _)| circle), turn(v)));
    let mut done = Vec::new();
    // Even sites first; where that leads nowhere, whatever keeps the fullest emptiest.
    place_singly(engine, &circles, &mut done)
        && [CALM, 0].into_iter().any(|calm| with_sites(engine, &rest, calm))
        || undo(engine, done)
}

/// Places all of `order`, the largest first, or nothing.
fn with_sites(engine: &mut Engine<'_, '_>, order: &[usize], calm: i64) -> bool {
    let world = engine.world;
    let mut chosen: Vec<Option<Sites>> = vec![None; world.servers.len()];
    let mut loads = Loads::new(engine);
    for &server in order {
        chosen[server] = loads.choose(world, server, calm);
        if chosen[server].is_none() {
            return false;
        }
    }
    let mut phases: [Vec<usize>; PHASES] = Default::default();
    for &server in order {
        phases[loads.phase(world.class_of(server))].push(server);
    }
    (1..PHASES).any(|shared| attempt(engine, &phases, &chosen, shared))
        && order.iter().any(|&v| engine.books.slots[v].is_placed())
}

/// Places everything, or nothing; sizes of the phases from `shared` on share hosts.
fn attempt(
    engine: &mut Engine<'_, '_>,
    phases: &[Vec<usize>; PHASES],
    chosen: &[Option<Sites>],
    shared: usize,
) -> bool {
    let world = engine.world;
    let mut left = Vec::new();
    for (at, servers) in phases.iter().enumerate() {
        if at < shared {
            fill_residents(engine, servers, chosen);
        } else if at == shared {
            fill_residents(engine, &phases[shared..].concat(), chosen);
        }
        // Reserves come in phases, so that whole hosts go to those that need them.
        let wanted = servers.iter().filter_map(|&server| {
            let to = chosen[server]?.backup?;
            engine.books.slots[server].is_placed().then_some((server, to))
        });
        let wanted: Vec<(usize, usize)> = wanted.collect();
        reserves::pack(engine, &wanted);
        for &server in servers {
            let slot = &engine.books.slots[server];
            if !slot.is_placed() || slot.backup.is_none() && world.class(server).is_protected() {
                engine.books.lift(world, server);
                left.push(server);
            }
        }
    }
    if !place_singly(engine, &left, &mut Vec::new()) {
        return undo(engine, phases.concat());
    }
    consolidate::tighten(engine);
    true
}

/// Takes everything back: nobody was placed.
fn undo(engine: &mut Engine<'_, '_>, done: Vec<usize>) -> bool {
    for server in done {
        engine.books.lift(engine.world, server);
    }
    false
}

/// Places servers one by one; stops at the first that finds no place for want of room. One whose group leaves it no place
/// waits for its group: nobody can take from it what it cannot have.
fn place_singly(engine: &mut Engine<'_, '_>, servers: &[usize], done: &mut Vec<usize>) -> bool {
    let wish = Wish::new(engine.world);
    for &server in servers {
        match engine.find(server, &wish) {
            Some(slot) => {
                engine.books.put(engine.world, server, &slot);
                done.push(server);
            }
            None if claim::group_is_in_the_way(engine, server) && is_last_of_group(engine, server) => {}
            None => return false,
        }
    }
    true
}

/// Whether every member of its anti-affinity group that is new and has a place comes before it in turn.
fn is_last_of_group(engine: &Engine<'_, '_>, server: usize) -> bool {
    let world = engine.world;
    apart::others(world, server).all(|(other, _)| {
        !engine.books.slots[other].is_placed()
            || world.servers[other].was.is_some()
            || world.turn(other) < world.turn(server)
    })
}

/// Per class its size as a share of the largest host, so that cores and MiB can be added.
fn weights(world: &World<'_>) -> Vec<i64> {
    let largest = world.hosts.iter().fold([1; DIMS], |most: Amount, host| {
        [most[0].max(host.capacity[0]), most[1].max(host.capacity[1])]
    });
    let weight = |demand: Amount| (0..DIMS).map(|d| (demand[d] << 16) / largest[d]).sum();
    world.classes.iter().map(|class| weight(class.demand)).collect()
}

pub(crate) fn open_hosts(world: &World<'_>, site: usize) -> Vec<usize> {
    let hosts = world.sites[site].hosts.iter().copied();
    hosts.filter(|&host| world.hosts[host].open).collect()
}

fn fill_residents(engine: &mut Engine<'_, '_>, servers: &[usize], chosen: &[Option<Sites>]) {
    let world = engine.world;
    for site in 0..world.sites.len() {
        let here = |v: &usize| chosen[*v].is_some_and(|sites| sites.primary == site);
        let mut piles = Piles::new(world, servers.iter().copied().filter(here));
        let mut hosts = open_hosts(world, site);
        // Those that are on already cost nothing more; those with reserves had better stay asleep.
        hosts.sort_by_cached_key(|&host| {
            let on = engine.books.is_on(world, host);
            let reserved = engine.books.most_reserved[host] != [0; DIMS];
            (!on, reserved, score::inefficiency(world, host), host)
        });
        for host in hosts {
            if piles.is_empty() {
                break;
            }
            let capacity = world.hosts[host].capacity;
            piles.fill_well(
                capacity,
                engine,
                |engine| {
                    let (used, most) = (engine.books.used[host], engine.books.most_reserved[host]);
                    [capacity[0] - used[0] - most[0], capacity[1] - used[1] - most[1]]
                },
                |engine, server| {
                    let fits = fits::primary(world, &engine.books, server, host).is_ok();
                    if fits {
                        engine.books.add_primary(world, server, host);
                    }
                    fits
                },
            );
        }
    }
}
