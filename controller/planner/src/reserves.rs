//! Packing reserves host by host, for a bulk plan and anew when they lie scattered. No I/O.
//!
//! Reserves are found one by one as servers come, and after many have come and gone they block more hosts than they
//! need. To pack them anew moves no server and copies no data: only which hosts are kept free. It is done when
//! somebody waits, at most once per pass of the queue, and kept only when it lets somebody in.

use crate::bulk;
use crate::copies;
use crate::engine::Engine;
use crate::fits;
use crate::loads;
use crate::piles::Piles;
use crate::place::{self, Wish};
use crate::score;
use crate::state::Slot;
use crate::world::DIMS;

/// Finds hosts for the reserves of placed servers, each at its given site; those that fit nowhere stay without.
///
/// Per ordered pair of lost and surviving site: hosts that hold reserves for other losses first, for they share the
/// room; then sleeping ones, the least efficient first.
pub(crate) fn pack(engine: &mut Engine<'_, '_>, wanted: &[(usize, usize)]) {
    let world = engine.world;
    let sites = world.sites.len();
    let mut pairs: Vec<Vec<usize>> = vec![Vec::new(); sites * sites];
    for &(server, to) in wanted {
        if let Some(from) = engine.books.primary_site(world, server) {
            pairs[from * sites + to].push(server);
        }
    }
    for (pair, servers) in pairs
        .into_iter()
        .enumerate()
        .filter(|(_, servers)| !servers.is_empty())
    {
        let (from, to) = (pair / sites, pair % sites);
        let mut piles = Piles::new(world, servers.into_iter());
        let mut hosts = bulk::open_hosts(world, to);
        hosts.sort_by_cached_key(|&host| {
            let reserved = engine.books.most_reserved[host] != [0; DIMS];
            let on = engine.books.is_on(world, host);
            let inefficiency = std::cmp::Reverse(score::inefficiency(world, host));
            (!reserved, on, inefficiency, host)
        });
        for host in hosts {
            if piles.is_empty() {
                break;
            }
            let capacity = world.hosts[host].capacity;
            let at = host * engine.books.scenarios + from;
            piles.fill(
                capacity,
                engine,
                |engine| {
                    let (used, reserved) = (engine.books.used[host], engine.books.reserved[at]);
                    [
                        capacity[0] - used[0] - reserved[0],
                        capacity[1] - used[1] - reserved[1],
                    ]
                },
                |engine, server| put(engine, server, host),
            );
        }
    }
}

/// Reserves `host` for a placed server without a reserve, if it may; its copies stay where they are, or are chosen.
pub(crate) fn put(engine: &mut Engine<'_, '_>, server: usize, host: usize) -> bool {
    let world = engine.world;
    let site = world.hosts[host].site;
    // The choice of copies takes the reserve's site as given: whether it can store one is asked here.
    if fits::backup(world, &engine.books, server, host, false).is_err()
        || fits::storage(world, &engine.books, server, site).is_err()
    {
        return false;
    }
    let wish = Wish {
        data: engine.books.slots[server].copies.to_vec(),
        ranks: Vec::new(),
        alone_will_do: false,
        new_copies: true,
    };
    let Ok(copies) = copies::choose(world, &engine.books, server, Some(host), &wish) else {
        return false;
    };
    let had = &engine.books.slots[server].copies;
    if !had.is_empty() && *had != copies {
        return false;
    }
    engine.books.set_copies(world, server, copies);
    engine.books.add_backup(world, server, host);
    true
}

/// Takes out every reserve that may move within its site and packs them anew. Returns what was before, for
/// [`restore`]; `None` when not every server found a reserve again: the books are then as before.
pub(crate) fn repack(engine: &mut Engine<'_, '_>) -> Option<Vec<(usize, Slot)>> {
    let world = engine.world;
    let movable = |v: usize| {
        let (slot, dense) = (&engine.books.slots[v], &world.servers[v]);
        let may = slot.backup.is_some_and(|host| {
            let site = world.hosts[host].site;
            world.hosts[host].open && world.sites[site].open && dense.allows(site)
        });
        slot.primary.is_some() && may && world.together(v).is_none()
    };
    let servers: Vec<usize> = (0..world.servers.len()).filter(|&v| movable(v)).collect();
    let before: Vec<(usize, Slot)> = servers
        .into_iter()
        .map(|v| (v, engine.books.slots[v].clone()))
        .collect();
    for (v, _) in &before {
        engine.books.remove_backup(world, *v);
    }
    let of_class = loads::phases(world);
    let mut phases: [Vec<(usize, usize)>; loads::PHASES] = Default::default();
    for (v, slot) in &before {
        if let Some(host) = slot.backup {
            phases[of_class[world.class_of(*v)]].push((*v, world.hosts[host].site));
        }
    }
    for wanted in &phases {
        pack(engine, wanted);
        for &(server, _) in wanted {
            if engine.books.slots[server].backup.is_none() && !reserve_singly(engine, server) {
                restore(engine, &before);
                return None;
            }
        }
    }
    Some(before)
}

/// A reserve at any site that holds a copy of its data already.
fn reserve_singly(engine: &mut Engine<'_, '_>, server: usize) -> bool {
    let world = engine.world;
    let wish = Wish {
        ranks: Vec::new(),
        data: engine.books.slots[server].copies.to_vec(),
        alone_will_do: false,
        new_copies: false,
    };
    let found = place::find_backup(world, &engine.books, &mut engine.index, server, &wish);
    found.is_some_and(|found| put(engine, server, found.host))
}

/// Puts the reserves back where they were.
pub(crate) fn restore(engine: &mut Engine<'_, '_>, before: &[(usize, Slot)]) {
    let world = engine.world;
    for (v, _) in before {
        engine.books.remove_backup(world, *v);
    }
    for (v, slot) in before {
        engine.books.set_copies(world, *v, slot.copies.clone());
        if let Some(host) = slot.backup {
            engine.books.add_backup(world, *v, host);
        }
    }
}
