//! Finding reserves and copies for running servers that lack them, or whose reserve has to leave. No I/O.

use crate::copies;
use crate::engine::Engine;
use crate::fits;
use crate::place::{self, Wish};
use crate::plan::MoveReason;
use crate::world::{World, count};

/// Gives every placed server what its policy asks, as far as it can be had; one that is new and cannot have it waits again. Returns
/// whether anything changed.
pub(crate) fn protect(engine: &mut Engine<'_, '_>) -> bool {
    let world = engine.world;
    let mut changed = false;
    for server in in_want(engine) {
        changed |= protect_one(engine, server);
        // Let in with all that its policy asks, which another's takeover has needed since: it waits again.
        let (wanted, slot) = (&world.servers[server], &engine.books.slots[server]);
        if wanted.was.is_none() && (slot.backup.is_none() || count(slot.copies.len()) < wanted.copies - 1) {
            engine.books.lift(world, server);
            changed = true;
        }
    }
    changed
}

/// As [`protect`], where every server in the books runs: none of them waits again, whatever it lacks.
pub(crate) fn protect_running(engine: &mut Engine<'_, '_>) {
    for server in in_want(engine) {
        protect_one(engine, server);
    }
}

/// The servers that lack something, in turn.
fn in_want(engine: &Engine<'_, '_>) -> Vec<usize> {
    let servers = 0..engine.world.servers.len();
    let mut found: Vec<usize> = servers.filter(|&server| lacks(engine, server)).collect();
    found.sort_by_key(|&v| engine.world.turn(v));
    found
}

/// Whether a placed server lacks a copy or a reserve, or has one where it should not stay.
pub(crate) fn lacks(engine: &Engine<'_, '_>, server: usize) -> bool {
    let (world, slot) = (engine.world, &engine.books.slots[server]);
    let wanted = &world.servers[server];
    if !slot.is_placed() || !wanted.is_protected() {
        return false;
    }
    let Some(backup) = slot.backup else { return true };
    let asleep = wanted.warm && !engine.books.is_on(world, backup);
    world.hosts[backup].draining
        || asleep
        || count(slot.copies.len()) < wanted.copies - 1
        || slot.copies.iter().any(|&site| world.sites[site].draining)
}

/// The first site of a server's copies that cannot be read in part, when the copies are all there: its hosts may be back in minutes,
/// and to copy the data to yet another site takes hours of everybody's network and gives up a good copy. Until the platform team
/// drains or fences the site, only a host where data lies already is reserved.
pub(crate) fn waits_for(world: &World<'_>, server: usize, copies: &[usize]) -> Option<usize> {
    // Of a new server there is no data yet.
    world.servers[server].was.as_ref()?;
    let stays = |site: &&usize| !world.sites[**site].draining;
    let complete = count(copies.iter().filter(stays).count()) >= world.servers[server].copies - 1;
    let unreadable = |site: &usize| world.sites[*site].unreadable;
    copies.iter().copied().find(unreadable).filter(|_| complete)
}

fn protect_one(engine: &mut Engine<'_, '_>, server: usize) -> bool {
    let world = engine.world;
    let before = engine.books.slots[server].clone();
    engine.books.remove_backup(world, server);
    let stays = |site: &&usize| !world.sites[**site].draining;
    let data: Vec<usize> = before.copies.iter().filter(stays).copied().collect();
    let wish = Wish {
        ranks: Vec::new(),
        data,
        alone_will_do: true,
        new_copies: waits_for(world, server, &before.copies).is_none(),
    };
    let old = before.backup.filter(|&host| {
        let dense = &world.hosts[host];
        !dense.draining && fits::backup(world, &engine.books, server, host, true).is_ok()
    });
    let found = match old {
        Some(host) => copies::choose(world, &engine.books, server, Some(host), &wish)
            .ok()
            .map(|copies| (host, copies)),
        None => place::find_backup(world, &engine.books, &mut engine.index, server, &wish)
            .map(|found| (found.host, found.copies)),
    };
    // Copies without a host to start on are worth having: the data survives.
    let (backup, copies) = match found {
        Some((host, copies)) => (Some(host), copies),
        None => match before.backup {
            Some(host) if fits::backup(world, &engine.books, server, host, true).is_ok() => {
                (Some(host), before.copies.clone())
            }
            _ => {
                let keep = Wish {
                    data: before.copies.to_vec(),
                    ..wish
                };
                let copies = copies::choose(world, &engine.books, server, None, &keep)
                    .unwrap_or_else(|_| copies::partial(world, &engine.books, server, None, &keep));
                (None, copies)
            }
        },
    };
    engine.books.set_copies(world, server, copies);
    if let Some(host) = backup {
        engine.books.add_backup(world, server, host);
    }
    let changed = engine.books.slots[server] != before;
    if changed {
        let draining = before.backup.is_some_and(|host| world.hosts[host].draining);
        let had = world.servers[server]
            .was
            .as_ref()
            .is_some_and(|was| was.backup.is_some());
        let moved = engine.moved[server].is_some();
        let reason = match (draining, had && !moved) {
            (true, _) => MoveReason::Draining,
            (false, true) => MoveReason::ReserveInvalid,
            (false, false) => MoveReason::Protects,
        };
        engine.say_backup_moved(server, reason);
    }
    changed
}
