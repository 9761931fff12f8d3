//! Whether a host can take a server as its primary or its reserve, and if not, what speaks against it first. No I/O.

use crate::apart;
use crate::reason::Resource;
use crate::state::Books;
use crate::together;
use crate::world::{DIMS, Was, World};

/// What speaks against a host, in the order in which it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Against {
    /// The site, rack or host takes nothing new.
    Closed,
    /// The site is not among those it may use.
    NotAllowed,
    /// It lost its place, and the site has no copy that it could start from.
    NoCopy,
    /// Shares a site or risk with another copy.
    Shares,
    /// Too small even when empty.
    TooSmall(Resource),
    /// No room now; how much there is.
    Full(Resource, i64),
    /// The site's ceiling.
    Ceiling(Resource),
    /// The rack's watts: what it would add and what is left, in milliwatts.
    Watts { asked: i64, left: i64 },
    /// The site's storage.
    Storage,
    /// An anti-affinity group.
    Apart,
    /// An affinity group.
    Together,
    /// The host sleeps and the server must start at once.
    Asleep,
}

/// The measures in index order.
pub(crate) const RESOURCES: [Resource; DIMS] = [Resource::Cpu, Resource::Memory];

/// What speaks against running `server`, which is not in the books, on `host`.
pub(crate) fn primary(world: &World<'_>, books: &Books, server: usize, host: usize) -> Result<(), Against> {
    let (class, dense) = (world.class(server), &world.hosts[host]);
    let demand = books.demand(world, server);
    if !dense.open {
        return Err(Against::Closed);
    }
    if !class.reach.allows(dense.site) {
        return Err(Against::NotAllowed);
    }
    for (d, resource) in RESOURCES.into_iter().enumerate() {
        if demand[d] > dense.capacity[d] {
            return Err(Against::TooSmall(resource));
        }
    }
    for (d, resource) in RESOURCES.into_iter().enumerate() {
        let free = dense.capacity[d] - books.used[host][d] - books.most_reserved[host][d];
        if demand[d] > free {
            return Err(Against::Full(resource, free));
        }
    }
    ceiling(world, books, server, dense.site)?;
    primary_watts(world, books, server, host)?;
    storage(world, books, server, dense.site)?;
    if !apart::allows_primary(world, books, server, host) {
        return Err(Against::Apart);
    }
    if !together::allows_primary(world, books, server, host) {
        return Err(Against::Together);
    }
    Ok(())
}

/// What speaks against reserving `host` for `server`, whose primary is in the books and whose backup is not.
/// `kept` means that the reserve was there before: the host need not be open to new ones.
pub(crate) fn backup(
    world: &World<'_>,
    books: &Books,
    server: usize,
    host: usize,
    kept: bool,
) -> Result<(), Against> {
    match books.primary_zone(world, server) {
        Some(zone) => backup_for(world, books, server, host, kept, zone),
        None => Err(Against::Closed),
    }
}

/// As [`backup`], for a primary that is, or would be, in `zone`.
pub(crate) fn backup_for(
    world: &World<'_>,
    books: &Books,
    server: usize,
    host: usize,
    kept: bool,
    zone: usize,
) -> Result<(), Against> {
    let (class, dense) = (world.class(server), &world.hosts[host]);
    let demand = books.demand(world, server);
    if !(dense.open || kept && dense.keeps_reserves) {
        return Err(Against::Closed);
    }
    let reach = &class.reach;
    let may = || reach.allows(dense.site) && reach.spans(&[world.zones[zone].site, dense.site]);
    if !kept && !may() {
        return Err(Against::NotAllowed);
    }
    if !world.apart_enough(class.spread, zone, dense.zone) {
        return Err(Against::Shares);
    }
    for (d, resource) in RESOURCES.into_iter().enumerate() {
        if demand[d] > dense.capacity[d] {
            return Err(Against::TooSmall(resource));
        }
    }
    let on = books.is_on(world, host);
    if class.warm && !books.is_on_now(world, host) {
        return Err(Against::Asleep);
    }
    let draw = dense.draw_mw(demand[0]);
    let capacity = world.racks[dense.rack].capacity_mw - books.committed_mw[dense.rack];
    for &f in &world.zones[zone].scenarios {
        if world.zones[dense.zone].scenarios.contains(&f) {
            continue;
        }
        let at = host * books.scenarios + f;
        for (d, resource) in RESOURCES.into_iter().enumerate() {
            let free = dense.capacity[d] - books.used[host][d] - books.reserved[at][d];
            if demand[d] > free {
                return Err(Against::Full(resource, free));
            }
        }
        let wakes = if !on && books.reserves[at] == 0 {
            dense.idle_mw
        } else {
            0
        };
        let left = capacity - books.added_mw[dense.rack * books.scenarios + f];
        if draw + wakes > left {
            return Err(Against::Watts {
                asked: draw + wakes,
                left,
            });
        }
    }
    if !apart::allows_backup(world, books, server, host, zone) {
        return Err(Against::Apart);
    }
    if !together::allows_backup(world, books, server, host) {
        return Err(Against::Together);
    }
    Ok(())
}

/// What speaks against the larger size of `server`, which is not in the books but counts with that size in them, on the host
/// that it runs on. Only measures in which it grows are asked: in the others it adds nothing to what may be too full already.
pub(crate) fn growth(world: &World<'_>, books: &Books, server: usize, host: usize) -> Result<(), Against> {
    let (dense, has) = (&world.hosts[host], world.servers[server].demand);
    let demand = books.demand(world, server);
    let grows = |d: &usize| demand[*d] > has[*d];
    if !(0..DIMS).any(|d| grows(&d)) {
        return Ok(());
    }
    if !dense.open {
        return Err(Against::Closed);
    }
    for d in (0..DIMS).filter(grows) {
        let free = dense.capacity[d] - books.used[host][d] - books.most_reserved[host][d];
        if demand[d] > free {
            return Err(Against::Full(RESOURCES[d], free));
        }
    }
    let site = &world.sites[dense.site];
    for d in (0..DIMS).filter(grows) {
        if books.site_used[dense.site][d] + demand[d] > site.ceiling[d] {
            return Err(Against::Ceiling(RESOURCES[d]));
        }
    }
    if grows(&0) {
        primary_watts(world, books, server, host)?;
    }
    Ok(())
}

/// What physically speaks against running `server`, which is not in the books, on `host`: capacity and power as they are
/// now, with no regard to ceilings and to what is reserved for others. For a server that would else stay down.
pub(crate) fn takeover(world: &World<'_>, books: &Books, server: usize, host: usize) -> Result<(), Against> {
    let (demand, dense) = (books.demand(world, server), &world.hosts[host]);
    if !dense.takes_over() {
        return Err(Against::Closed);
    }
    for (d, resource) in RESOURCES.into_iter().enumerate() {
        if demand[d] > dense.capacity[d] {
            return Err(Against::TooSmall(resource));
        }
    }
    for (d, resource) in RESOURCES.into_iter().enumerate() {
        let free = dense.capacity[d] - books.used[host][d];
        if demand[d] > free {
            return Err(Against::Full(resource, free));
        }
    }
    let wakes = if books.is_on(world, host) {
        0
    } else {
        dense.idle_mw
    };
    let asked = dense.draw_mw(demand[0]) + wakes;
    let left = world.racks[dense.rack].capacity_mw - books.committed_mw[dense.rack];
    if asked > left {
        return Err(Against::Watts { asked, left });
    }
    let meets = |(other, by): (usize, _)| {
        let place = books.slots[other].primary;
        place.is_some_and(|place| apart::meet(world, by, place, host))
    };
    if apart::others(world, server).any(meets) {
        return Err(Against::Apart);
    }
    if !together::allows_primary(world, books, server, host) {
        return Err(Against::Together);
    }
    Ok(())
}

/// What speaks against starting a released server again on `host`: it needs its data there.
pub(crate) fn again(
    world: &World<'_>,
    books: &Books,
    server: usize,
    was: &Was,
    host: usize,
) -> Result<(), Against> {
    if was.has_data(world.hosts[host].site) {
        takeover(world, books, server, host)
    } else {
        Err(Against::NoCopy)
    }
}

/// Whether the site may use that much more.
pub(crate) fn ceiling(world: &World<'_>, books: &Books, server: usize, site: usize) -> Result<(), Against> {
    let demand = books.demand(world, server);
    for (d, resource) in RESOURCES.into_iter().enumerate() {
        if books.site_used[site][d] + demand[d] > world.sites[site].ceiling[d] {
            return Err(Against::Ceiling(resource));
        }
    }
    Ok(())
}

/// Whether the site has the storage for the server's data, which takes no more where it lies already.
pub(crate) fn storage(world: &World<'_>, books: &Books, server: usize, site: usize) -> Result<(), Against> {
    let Some(limit) = world.sites[site].storage else {
        return Ok(());
    };
    let asked = books.storage(world, server);
    if asked == 0 || books.site_storage[site] + asked <= limit {
        return Ok(());
    }
    let recorded = |was: &Was| was.has_data(site);
    let was = world.servers[server].was.as_deref();
    let is_there = books.slots[server].copies.contains(&site) || was.is_some_and(recorded);
    if is_there { Ok(()) } else { Err(Against::Storage) }
}

fn primary_watts(world: &World<'_>, books: &Books, server: usize, host: usize) -> Result<(), Against> {
    let dense = &world.hosts[host];
    let draw = dense.draw_mw(books.demand(world, server)[0]);
    let wakes = if books.is_on(world, host) {
        0
    } else {
        dense.idle_mw
    };
    let room = world.racks[dense.rack].capacity_mw - books.committed_mw[dense.rack];
    let mut most = 0;
    for f in 0..books.scenarios {
        // A host that is on before a loss need not be woken by it.
        let woken = if books.reserves[host * books.scenarios + f] > 0 {
            wakes
        } else {
            0
        };
        most = most.max(books.added_mw[dense.rack * books.scenarios + f] - woken);
    }
    let asked = draw + wakes;
    if asked > room - most {
        Err(Against::Watts {
            asked,
            left: room - most,
        })
    } else {
        Ok(())
    }
}
