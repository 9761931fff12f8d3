//! What stands nearest between a server and its place, with its numbers. No I/O.

use std::collections::BTreeMap;

use crate::copies::{self, Short};
use crate::fits::{self, Against, RESOURCES};
use crate::fleet::Spread;
use crate::place::Wish;
use crate::reason::{Resource, WaitingOn};
use crate::scenario::Scenario;
use crate::state::Books;
use crate::world::{Apartness, DIMS, DenseScenario, World, count, watts_up};

pub(super) fn primary_text(
    world: &World<'_>,
    books: &Books,
    server: usize,
    against: Against,
    host: usize,
) -> WaitingOn {
    let (wanted, dense) = (&world.servers[server], &world.hosts[host]);
    match against {
        Against::Closed | Against::NotAllowed | Against::NoCopy | Against::Shares | Against::Asleep => {
            WaitingOn::UnknownInventory {
                hosts: count(world.hosts.len()),
            }
        }
        Against::TooSmall(resource) => {
            let d = usize::from(resource != Resource::Cpu);
            WaitingOn::HostFull {
                resource,
                asked: wanted.demand[d],
                free: dense.capacity[d],
            }
        }
        Against::Full(resource, free) => {
            let d = usize::from(resource != Resource::Cpu);
            WaitingOn::HostFull {
                resource,
                asked: wanted.demand[d],
                free,
            }
        }
        Against::Ceiling(_) => ceiling_text(world, books, server),
        Against::Watts { asked, left } => WaitingOn::RackWatts {
            rack: world.racks[dense.rack].name.clone(),
            asked: watts_up(asked),
            headroom: left.div_euclid(1000),
        },
        Against::Storage => storage_text(world, books, server),
        Against::Apart => apart_text(world, server),
        Against::Together => together_text(world, server),
    }
}

/// What speaks against reserving `host` for `server`, which runs, or would run, on `from`.
pub(crate) fn backup_text(
    world: &World<'_>,
    books: &Books,
    server: usize,
    against: Against,
    from: usize,
    host: usize,
) -> WaitingOn {
    let (wanted, demand) = (&world.servers[server], books.demand(world, server));
    let zone = books
        .primary_zone(world, server)
        .unwrap_or(world.hosts[from].zone);
    let lost = || match &world.scenarios[speaks_against(world, books, server, against, zone, host)] {
        DenseScenario::Site(site) => Scenario::Site(world.sites[*site].name.clone()),
        DenseScenario::Risk(risk) => Scenario::Risk(risk.clone()),
    };
    let reserve = |resource: Resource, asked: i64, free: i64| WaitingOn::ReserveForLoss {
        lost: lost(),
        resource,
        asked,
        free,
    };
    match against {
        Against::Full(resource, free) => {
            reserve(resource, demand[usize::from(resource != Resource::Cpu)], free)
        }
        Against::TooSmall(resource) => {
            let d = usize::from(resource != Resource::Cpu);
            reserve(resource, demand[d], world.hosts[host].capacity[d])
        }
        Against::Watts { asked, left } => reserve(Resource::Watts, watts_up(asked), left.div_euclid(1000)),
        Against::Asleep => {
            let off = |&&host: &&usize| world.hosts[host].open && !books.is_on_now(world, host);
            let sites = world.sites.iter().enumerate();
            let allowed = sites.filter(|(site, _)| wanted.allows(*site));
            let hosts = allowed.flat_map(|(_, site)| site.hosts.iter()).filter(off);
            WaitingOn::HostsAsleep {
                hosts: count(hosts.count()),
            }
        }
        Against::Apart => apart_text(world, server),
        Against::Together => together_text(world, server),
        Against::Storage => storage_text(world, books, server),
        Against::Closed | Against::NotAllowed | Against::NoCopy | Against::Shares | Against::Ceiling(_) => {
            copies_text(world, books, server)
        }
    }
}

/// The scenario in which `host` cannot take `server`, whose primary is, or would be, in `zone`, for this reason; the
/// site's own when it is the same in all.
fn speaks_against(
    world: &World<'_>,
    books: &Books,
    server: usize,
    against: Against,
    zone: usize,
    host: usize,
) -> usize {
    let (demand, dense) = (books.demand(world, server), &world.hosts[host]);
    let so = |f: usize| match against {
        Against::Full(resource, free) => {
            let d = usize::from(resource != Resource::Cpu);
            let reserved = books.reserved[host * books.scenarios + f][d];
            dense.capacity[d] - books.used[host][d] - reserved == free
        }
        Against::Watts { asked, left } => {
            let at = dense.rack * books.scenarios + f;
            let wakes = !books.is_on(world, host) && books.reserves[host * books.scenarios + f] == 0;
            let adds = dense.draw_mw(demand[0]) + if wakes { dense.idle_mw } else { 0 };
            let room = world.racks[dense.rack].capacity_mw - books.committed_mw[dense.rack];
            (asked, left) == (adds, room - books.added_mw[at])
        }
        _ => true,
    };
    let here = &world.zones[dense.zone].scenarios;
    let mut losses = world.zones[zone].scenarios.iter().copied();
    losses
        .find(|f| !here.contains(f) && so(*f))
        .unwrap_or(world.zones[zone].site)
}

/// The ceiling that lacks the least.
fn ceiling_text(world: &World<'_>, books: &Books, server: usize) -> WaitingOn {
    let wanted = &world.servers[server];
    let mut best: Option<(i64, usize, usize)> = None;
    for (site, dense) in world.sites.iter().enumerate() {
        if !dense.open || !wanted.allows(site) {
            continue;
        }
        let lack = |d: usize| books.site_used[site][d] + wanted.demand[d] - dense.ceiling[d];
        let permille = |d: usize| lack(d).saturating_mul(1000) / dense.ceiling[d].max(1);
        if let Some(d) = (0..DIMS).max_by_key(|&d| (permille(d), d))
            && lack(d) > 0
        {
            let candidate = (permille(d), site, d);
            best = Some(best.map_or(candidate, |least| least.min(candidate)));
        }
    }
    match best {
        Some((_, site, d)) => WaitingOn::SiteCeiling {
            site: world.sites[site].name.clone(),
            resource: RESOURCES[d],
            used: books.site_used[site][d],
            limit: world.sites[site].ceiling[d],
            asked: wanted.demand[d],
        },
        None => WaitingOn::UnknownInventory {
            hosts: count(world.hosts.len()),
        },
    }
}

/// The site with the most storage left, of those that have too little.
fn storage_text(world: &World<'_>, books: &Books, server: usize) -> WaitingOn {
    let wanted = &world.servers[server];
    let sites = (0..world.sites.len()).filter(|&site| world.sites[site].open && wanted.allows(site));
    let short = sites.filter(|&site| fits::storage(world, books, server, site).is_err());
    let short = short.filter_map(|site| {
        let limit = world.sites[site].storage?;
        Some((limit - books.site_storage[site], site))
    });
    match short.max_by_key(|&(left, site)| (left, std::cmp::Reverse(site))) {
        Some((free, site)) => WaitingOn::Storage {
            site: world.sites[site].name.clone(),
            asked: wanted.storage,
            free,
        },
        None => copies_text(world, books, server),
    }
}

pub(super) fn together_text(world: &World<'_>, server: usize) -> WaitingOn {
    match world.together(server) {
        Some((circle, by)) => WaitingOn::TogetherGroup {
            group: world.circles[circle].name.clone(),
            by,
        },
        None => WaitingOn::UnknownInventory {
            hosts: count(world.hosts.len()),
        },
    }
}

pub(super) fn apart_text(world: &World<'_>, server: usize) -> WaitingOn {
    match world.apart(server) {
        Some(Apartness { group, by, .. }) => WaitingOn::ApartGroup {
            group: world.groups[group as usize].name.clone(),
            by,
        },
        None => WaitingOn::UnknownInventory {
            hosts: count(world.hosts.len()),
        },
    }
}

/// Too few sites, or a risk that too many of them share, or storage.
pub(super) fn copies_text(world: &World<'_>, books: &Books, server: usize) -> WaitingOn {
    let wanted = &world.servers[server];
    let placed = books.slots[server].is_placed();
    let sites: Vec<usize> = (0..world.sites.len())
        .filter(|&site| {
            let dense = &world.sites[site];
            let mine = placed && books.primary_site(world, server) == Some(site);
            mine || dense.open && wanted.allows(site)
        })
        .collect();
    let home = books.primary_site(world, server).filter(|_| placed);
    let sites = wanted.most_within(home.as_slice(), sites);
    let none = |sites: usize| WaitingOn::NoSecondSite {
        copies: wanted.copies,
        sites: count(sites),
    };
    if count(sites.len()) < wanted.copies {
        return none(sites.len());
    }
    let has_host = |&&site: &&usize| {
        let mine = placed && books.primary_site(world, server) == Some(site);
        mine || world.sites[site].hosts.iter().any(|&host| world.hosts[host].open)
    };
    let hosted = sites.iter().filter(has_host).count();
    if hosted < 2 {
        return none(hosted);
    }
    if placed {
        let wish = Wish {
            data: books.slots[server].copies.to_vec(),
            ..Wish::new(world)
        };
        let backup = books.slots[server].backup;
        if copies::choose(world, books, server, backup, &wish) == Err(Short::Storage) {
            return storage_text(world, books, server);
        }
    }
    // The risk that the most of its sites list.
    let mut listed: BTreeMap<usize, i64> = BTreeMap::new();
    for &site in sites.iter().filter(|_| wanted.spread == Spread::SharedRisk) {
        let dense = &world.sites[site];
        let zones = dense.zones.iter().chain([&dense.zone]);
        let mut risks: Vec<usize> = zones
            .flat_map(|&zone| world.zones[zone].scenarios.iter().copied())
            .collect();
        risks.sort_unstable();
        risks.dedup();
        for f in risks {
            *listed.entry(f).or_default() += 1;
        }
    }
    let shared = listed.into_iter().filter(|&(_, sites)| sites > 1);
    let worst = shared.max_by_key(|&(f, sites)| (sites, std::cmp::Reverse(f)));
    match worst.map(|(f, _)| &world.scenarios[f]) {
        Some(DenseScenario::Risk(risk)) => WaitingOn::SharedRisk {
            copies: wanted.copies,
            risk: risk.clone(),
        },
        _ => storage_text_or_sites(world, books, server, count(sites.len())),
    }
}

pub(super) fn storage_text_or_sites(
    world: &World<'_>,
    books: &Books,
    server: usize,
    sites: i64,
) -> WaitingOn {
    let wanted = &world.servers[server];
    let short = |site: usize| fits::storage(world, books, server, site).is_err();
    if (0..world.sites.len()).any(|site| world.sites[site].open && wanted.allows(site) && short(site)) {
        return storage_text(world, books, server);
    }
    WaitingOn::NoSecondSite {
        copies: wanted.copies,
        sites,
    }
}
