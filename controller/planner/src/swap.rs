//! Which hosts to empty onto a more efficient one that sleeps. No I/O.
//!
//! After thousands of comings and goings some of the best hosts sleep while worse ones are on, because whoever came went
//! where others were already. Two or three of those go whole onto one of the best: that needs no room elsewhere.

use std::cmp::Reverse;

use crate::engine::Engine;
use crate::score;
use crate::world::{Amount, DIMS, World};

/// Hosts looked at as the first to give, at most: those that free the most watts for the fewest moves.
const FIRST: usize = 128;

/// Hosts of a site that sleep and on which nothing is reserved, the most efficient first.
pub(crate) fn sleeping(engine: &Engine<'_, '_>, site: usize) -> Vec<usize> {
    let (world, books) = (engine.world, &engine.books);
    let sleeps = |&host: &usize| {
        let dense = &world.hosts[host];
        dense.open && !books.is_on(world, host) && books.most_reserved[host] == [0; DIMS]
    };
    let mut hosts: Vec<usize> = world.sites[site].hosts.iter().copied().filter(sleeps).collect();
    hosts.sort_by_key(|&host| (score::inefficiency(world, host), host));
    hosts
}

/// What sleeping hosts save when `target` takes over, in milliwatts.
pub(crate) fn saved_mw(world: &World<'_>, from: &[usize], target: usize) -> i64 {
    from.iter().map(|&host| world.hosts[host].idle_mw).sum::<i64>() - world.hosts[target].idle_mw
}

/// Of `donors`, those that together fit on `target` and save the most for each server that moves; `None` when none
/// save anything.
pub(crate) fn choose(engine: &Engine<'_, '_>, donors: &[usize], target: usize) -> Option<Vec<usize>> {
    let (world, books) = (engine.world, &engine.books);
    let fits = |host: usize, free: Amount| (0..DIMS).all(|d| books.used[host][d] <= free[d]);
    let mut order = donors.to_vec();
    order.sort_by_key(|&host| {
        let moves = i64::from(books.residents[host]).max(1);
        (Reverse(world.hosts[host].idle_mw / moves), host)
    });
    let mut best: Option<(i64, i64, Vec<usize>)> = None;
    for &first in order.iter().take(FIRST) {
        let mut free = world.hosts[target].capacity;
        let mut from = Vec::new();
        let mut next = Some(first);
        while let Some(host) = next.filter(|&host| fits(host, free)) {
            for (free, used) in free.iter_mut().zip(books.used[host]) {
                *free -= used;
            }
            from.push(host);
            next = order
                .iter()
                .copied()
                .find(|&host| !from.contains(&host) && fits(host, free));
        }
        let saved = saved_mw(world, &from, target);
        let moves: i64 = from.iter().map(|&host| i64::from(books.residents[host])).sum();
        if saved <= 0 {
            continue;
        }
        let better = best.as_ref().is_none_or(|(most, fewest, _)| {
            i128::from(saved) * i128::from(*fewest) > i128::from(*most) * i128::from(moves)
        });
        if better {
            best = Some((saved, moves, from));
        }
    }
    best.map(|(_, _, from)| from)
}
