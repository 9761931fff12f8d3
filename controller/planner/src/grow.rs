//! Growing: a server that has a place and asks for more gets it where it is, in its turn among those that wait, or goes on
//! with what it has. No I/O.
//!
//! All of the larger size or nothing, and only within the quota and where everything fits: its host and what is reserved
//! there for others, the ceiling, the watts, the storage wherever its data is, and its own reserve, which may go to another
//! host with a copy of its data. It is not moved for it and no room is kept for it: it has a place already.

use crate::engine::Engine;
use crate::fits::{self, Against};
use crate::plan::MoveReason;
use crate::quota::{self, Use};
use crate::reason::{Growth, Resource, WaitingOn};
use crate::reserves;
use crate::score::Standing;
use crate::state::Slot;
use crate::why;
use crate::world::{Asked, DIMS, count, watts_up};

/// What speaks against a larger size.
enum No {
    /// Its place, or where its data is, takes nothing new.
    Closed,
    /// Its host.
    Host(usize, Against),
    /// The storage of this site.
    Storage(usize),
    /// The host nearest to being its reserve, and what speaks against that one.
    Reserve(usize, Against),
    /// It has not what its policy asks for as it is.
    Unprotected,
}

/// Whether the server asks for more than it has.
pub(crate) fn waits(engine: &Engine<'_, '_>, server: usize) -> bool {
    engine.world.servers[server].asked.is_some()
        && engine.books.slots[server].is_placed()
        && !engine.books.grown.contains(&server)
}

/// Grants the larger size if it is within the quota and fits. Returns whether it did.
pub(crate) fn admit(engine: &mut Engine<'_, '_>, used: &mut Use, server: usize) -> bool {
    let world = engine.world;
    let wanted = &world.servers[server];
    let Some(asked) = &wanted.asked else { return false };
    let amounts = quota::of_growth(wanted, asked);
    if wanted.malformed.is_some() || used.check(world, wanted.tenant, &amounts).is_err() {
        return false;
    }
    let before = lift(engine, server);
    if settle(engine, server, &before, asked).is_err() {
        take_back(engine, server, &before);
        return false;
    }
    if engine.books.slots[server].backup != before.backup {
        engine.say_backup_moved(server, MoveReason::ReserveInvalid);
    }
    used.add(wanted.tenant, &amounts);
    true
}

/// Why a larger size waits; `ahead` demands wait before it.
pub(crate) fn why(engine: &mut Engine<'_, '_>, used: &Use, server: usize, ahead: i64) -> Growth {
    let world = engine.world;
    let wanted = &world.servers[server];
    let on = |on: WaitingOn| Growth { on };
    let Some(asked) = &wanted.asked else {
        return on(WaitingOn::Queue { ahead });
    };
    if let Some(malformed) = &wanted.malformed {
        return on(WaitingOn::clone(malformed));
    }
    // More quota would not let in what no host can hold.
    if let Some(too_large) = too_large(engine, server, asked) {
        return on(too_large);
    }
    if let Err(quota) = used.check(world, wanted.tenant, &quota::of_growth(wanted, asked)) {
        return on(quota);
    }
    let before = lift(engine, server);
    let refused = settle(engine, server, &before, asked);
    let told = match refused {
        Ok(()) => Some(WaitingOn::Queue { ahead }),
        Err(no) => tell(engine, server, &before, asked, &no),
    };
    engine.books.lift(world, server);
    take_back(engine, server, &before);
    on(told.unwrap_or_else(|| why::protection(world, &mut engine.books, server).on))
}

/// Takes the server out of the books; from now on it counts with what it asks for.
fn lift(engine: &mut Engine<'_, '_>, server: usize) -> Slot {
    let before = engine.books.lift(engine.world, server);
    engine.books.grown.insert(server);
    before
}

/// Puts the server, which has no place, back with the size that it had.
fn take_back(engine: &mut Engine<'_, '_>, server: usize, before: &Slot) {
    engine.books.grown.remove(&server);
    engine.books.put(engine.world, server, before);
}

/// Puts the server, which counts with what it asks for, back where it was, or with its reserve elsewhere. When something
/// speaks against it, what was put so far is taken out again.
fn settle(engine: &mut Engine<'_, '_>, server: usize, before: &Slot, asked: &Asked) -> Result<(), No> {
    let world = engine.world;
    let wanted = &world.servers[server];
    let host = before.primary.ok_or(No::Closed)?;
    fits::growth(world, &engine.books, server, host).map_err(|against| No::Host(host, against))?;
    if asked.storage > wanted.storage {
        for &site in [world.hosts[host].site].iter().chain(&before.copies) {
            let dense = &world.sites[site];
            if !dense.open {
                return Err(No::Closed);
            }
            if dense
                .storage
                .is_some_and(|limit| engine.books.site_storage[site] + asked.storage > limit)
            {
                return Err(No::Storage(site));
            }
        }
    }
    if !wanted.is_protected() {
        engine.books.put(world, server, before);
        return Ok(());
    }
    let (Some(backup), true) = (before.backup, count(before.copies.len()) >= wanted.copies - 1) else {
        return Err(No::Unprotected);
    };
    engine.books.add_primary(world, server, host);
    engine.books.set_copies(world, server, before.copies.clone());
    let larger = (0..DIMS).any(|d| asked.demand[d] > wanted.demand[d]);
    if !larger || fits::backup(world, &engine.books, server, backup, false).is_ok() {
        engine.books.add_backup(world, server, backup);
        return Ok(());
    }
    if reserve_elsewhere(engine, server, before, host) {
        return Ok(());
    }
    let nearest = nearest_reserve(engine, server, before);
    engine.books.lift(world, server);
    Err(nearest.map_or(No::Unprotected, |(against, host)| No::Reserve(host, against)))
}

/// The hosts at the sites of its copies.
fn reserves<'a>(engine: &'a Engine<'_, '_>, before: &'a Slot) -> impl Iterator<Item = usize> + 'a {
    let sites = before.copies.iter();
    sites.flat_map(|&site| engine.world.sites[site].hosts.iter().copied())
}

/// Another host at a site of its copies, at the site of the reserve it had before others.
fn reserve_elsewhere(engine: &mut Engine<'_, '_>, server: usize, before: &Slot, primary: usize) -> bool {
    let (world, lost) = (engine.world, engine.world.hosts[primary].site);
    let had = before.backup.map(|host| world.hosts[host].site);
    let demand = engine.books.demand(world, server);
    let mut targets: Vec<(bool, i64, usize)> = reserves(engine, before)
        .filter(|&host| fits::backup(world, &engine.books, server, host, false).is_ok())
        .map(|host| {
            let reserved = engine.books.reserved[host * engine.books.scenarios + lost];
            let then = [0, 1].map(|d| reserved[d] + demand[d]);
            let score = Standing::of(world, &engine.books, host).backup(then, i64::MAX);
            (Some(world.hosts[host].site) != had, score, host)
        })
        .collect();
    targets.sort_unstable();
    targets
        .into_iter()
        .any(|(_, _, host)| reserves::put(engine, server, host))
}

/// What speaks against the host that lacks the least for its reserve.
fn nearest_reserve(engine: &Engine<'_, '_>, server: usize, before: &Slot) -> Option<(Against, usize)> {
    let (world, books) = (engine.world, &engine.books);
    let demand = books.demand(world, server);
    reserves(engine, before).fold(None, |nearest, host| {
        match fits::backup(world, books, server, host, false) {
            Ok(()) => nearest,
            Err(against) => why::nearer(nearest, against, host, demand),
        }
    })
}

/// In which measure it asks for more than any open host that it may run on has, if in any.
fn too_large(engine: &Engine<'_, '_>, server: usize, asked: &Asked) -> Option<WaitingOn> {
    let (world, wanted) = (engine.world, &engine.world.servers[server]);
    let usable = || {
        world
            .hosts
            .iter()
            .filter(|host| host.open && wanted.allows(host.site))
    };
    let largest = |d: usize| usable().map(|host| host.capacity[d]).max();
    let cores = largest(0).filter(|&largest| asked.demand[0] > largest.max(wanted.demand[0]));
    let memory = largest(1).filter(|&largest| asked.demand[1] > largest.max(wanted.demand[1]));
    match (cores, memory) {
        (Some(largest), _) => Some(WaitingOn::HostCores {
            asked: asked.demand[0],
            largest,
        }),
        (None, Some(largest)) => Some(WaitingOn::HostMemory {
            asked: asked.demand[1],
            largest,
        }),
        (None, None) => None,
    }
}

/// What speaks against the larger size, with its numbers: beside what the server has, which is out of the books. `None` when
/// that is what speaks against its protection as it is.
fn tell(
    engine: &mut Engine<'_, '_>,
    server: usize,
    before: &Slot,
    asked: &Asked,
    no: &No,
) -> Option<WaitingOn> {
    let world = engine.world;
    let (books, wanted) = (&engine.books, &world.servers[server]);
    let measure = |resource: Resource| usize::from(resource != Resource::Cpu);
    let more = |d: usize| asked.demand[d] - wanted.demand[d];
    let closed = Some(WaitingOn::SitesClosed { allowed: 1 });
    match *no {
        No::Unprotected => None,
        No::Storage(site) => Some(WaitingOn::Storage {
            site: world.sites[site].name.clone(),
            asked: asked.storage - wanted.storage,
            free: world.sites[site].storage.unwrap_or(i64::MAX) - books.site_storage[site] - wanted.storage,
        }),
        No::Host(_, Against::Full(resource, free)) => Some(WaitingOn::HostFull {
            resource,
            asked: more(measure(resource)),
            free: free - wanted.demand[measure(resource)],
        }),
        No::Host(host, Against::Ceiling(resource)) => {
            let (site, d) = (world.hosts[host].site, measure(resource));
            Some(WaitingOn::SiteCeiling {
                site: world.sites[site].name.clone(),
                resource,
                used: books.site_used[site][d] + wanted.demand[d],
                limit: world.sites[site].ceiling[d],
                asked: more(d),
            })
        }
        No::Host(host, Against::Watts { asked: whole, left }) => {
            let dense = &world.hosts[host];
            let more = dense.draw_mw(asked.demand[0]) - dense.draw_mw(wanted.demand[0]);
            Some(WaitingOn::RackWatts {
                rack: world.racks[dense.rack].name.clone(),
                asked: watts_up(more),
                headroom: (left - (whole - more)).div_euclid(1000),
            })
        }
        No::Closed
        | No::Host(..)
        | No::Reserve(_, Against::Closed | Against::NotAllowed | Against::Shares) => closed,
        No::Reserve(host, against) => {
            let from = before.primary?;
            engine.books.add_primary(world, server, from);
            engine.books.set_copies(world, server, before.copies.clone());
            Some(why::backup_text(
                world,
                &engine.books,
                server,
                against,
                from,
                host,
            ))
        }
    }
}
