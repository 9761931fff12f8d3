//! Why a server finds no place: the constraint nearest to letting it in, with its numbers. No I/O.

use std::collections::BTreeMap;

use crate::copies::{self, Short};
use crate::fits::{self, Against, RESOURCES};
use crate::fleet::Spread;
use crate::place::Wish;
use crate::reason::{Considered, Resource, Waiting, WaitingOn};
use crate::scenario::Scenario;
use crate::state::Books;
use crate::world::{Amount, Apartness, DIMS, DenseScenario, World, count, watts_up};

impl Against {
    /// The condition reason that a host refused for this counts under.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Closed => "SitesClosed",
            Self::NotAllowed => "NotAllowedSite",
            Self::Shares => "SharedRisk",
            Self::TooSmall(Resource::Cpu) => "HostCores",
            Self::TooSmall(_) => "HostMemory",
            Self::Full(..) => "HostFull",
            Self::Ceiling(_) => "SiteCeiling",
            Self::Watts { .. } => "RackWatts",
            Self::Storage => "Storage",
            Self::Apart => "ApartGroup",
            Self::Together => "TogetherGroup",
            Self::Asleep => "Asleep",
        }
    }

    /// How far a host got before it was refused: the further, the nearer it is to fitting.
    fn depth(self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::NotAllowed => 1,
            Self::Shares => 2,
            Self::TooSmall(_) => 3,
            Self::Asleep | Self::Together => 4,
            Self::Full(..) => 5,
            Self::Ceiling(_) => 6,
            Self::Watts { .. } => 7,
            Self::Storage => 8,
            Self::Apart => 9,
        }
    }

    /// How much is missing, to find the nearest of one kind.
    /// In thousandths of what is asked, so that cores, MiB and watts compare.
    fn lack(self, demand: Amount) -> i64 {
        let missing = |asked: i64, free: i64| (asked - free).saturating_mul(1000) / asked.max(1);
        match self {
            Self::Full(resource, free) => missing(demand[usize::from(resource != Resource::Cpu)], free),
            Self::Watts { asked, left } => missing(asked, left),
            _ => 0,
        }
    }
}

/// Why `server`, which is not in the books, finds no place.
pub(crate) fn primary(world: &World<'_>, books: &mut Books, server: usize) -> Waiting {
    if let Some(on) = structural(world, books, server) {
        return Waiting::on(on);
    }
    let demand = world.servers[server].demand;
    let mut considered = Considered::default();
    let mut nearest: Option<(Against, usize)> = None;
    let mut fitting: BTreeMap<usize, (i64, usize)> = BTreeMap::new();
    for host in 0..world.hosts.len() {
        match fits::primary(world, books, server, host) {
            Ok(()) => {
                considered.fit += 1;
                let score = crate::score::primary(world, books, world.servers[server].demand, host);
                let best = fitting.entry(world.hosts[host].zone).or_insert((score, host));
                *best = (*best).min((score, host));
            }
            Err(against) => {
                *considered.refused.entry(against.reason().to_owned()).or_default() += 1;
                nearest = nearer(nearest, against, host, demand);
            }
        }
    }
    if fitting.is_empty() {
        let on = match nearest {
            Some((against, host)) => primary_text(world, books, server, against, host),
            None => WaitingOn::UnknownInventory { hosts: 0 },
        };
        return Waiting { on, considered };
    }
    let mut best: Option<(Against, usize, usize)> = None;
    let mut short = None;
    for (_, from) in fitting.into_values() {
        books.add_primary(world, server, from);
        match backup_against(world, books, server) {
            Ok(host) => {
                let wish = Wish::new(world);
                short = copies::choose(world, books, server, Some(host), &wish).err();
            }
            Err(Some((against, host))) => {
                let was = best.map(|(against, _, host)| (against, host));
                if nearer(was, against, host, demand) != was {
                    best = Some((against, from, host));
                }
            }
            Err(None) => {}
        }
        books.remove_primary(world, server);
    }
    let on = match best {
        Some((against, from, host)) if short.is_none() => {
            backup_text(world, books, server, against, from, host)
        }
        _ => copies_text(world, books, server),
    };
    Waiting { on, considered }
}

/// Why a running server has not the reserve or the copies that its policy asks for.
pub(crate) fn protection(world: &World<'_>, books: &mut Books, server: usize) -> Waiting {
    let slot = books.slots[server].clone();
    let Some(zone) = books.primary_zone(world, server) else {
        return Waiting::on(WaitingOn::UnknownInventory { hosts: 0 });
    };
    if slot.backup.is_some() {
        return Waiting::on(copies_text(world, books, server));
    }
    if let Some(site) = crate::protect::waits_for(world, server, &slot.copies) {
        return Waiting::on(WaitingOn::CopyUnreadable {
            site: world.sites[site].name.clone(),
        });
    }
    let enough = |site: usize| {
        let dense = &world.sites[site];
        dense.open
            && world.servers[server].allows(site)
            && world.apart_enough(world.servers[server].spread, zone, dense.zone)
    };
    if !(0..world.sites.len()).any(enough) {
        return Waiting::on(copies_text(world, books, server));
    }
    let mut considered = Considered::default();
    for host in 0..world.hosts.len() {
        match fits::backup(world, books, server, host, false) {
            Ok(()) => considered.fit += 1,
            Err(against) => *considered.refused.entry(against.reason().to_owned()).or_default() += 1,
        }
    }
    let on = match backup_against(world, books, server) {
        Err(Some((against, host))) => {
            backup_text(world, books, server, against, slot.primary.unwrap_or(host), host)
        }
        Ok(_) | Err(None) => copies_text(world, books, server),
    };
    Waiting { on, considered }
}

/// Why a server that had a place finds none.
pub(crate) fn homeless(world: &World<'_>, books: &mut Books, server: usize) -> Waiting {
    let wanted = &world.servers[server];
    match &wanted.was {
        Some(was) if wanted.released && was.copies.is_empty() => Waiting::on(WaitingOn::PlaceUnknown {
            site: world.sites[was.site].name.clone(),
        }),
        _ => primary(world, books, server),
    }
}

fn nearer(
    nearest: Option<(Against, usize)>,
    against: Against,
    host: usize,
    demand: Amount,
) -> Option<(Against, usize)> {
    let near = |against: Against| (against.depth(), -against.lack(demand));
    match nearest {
        Some((best, _)) if near(best) >= near(against) => nearest,
        _ => Some((against, host)),
    }
}

/// What no change in use could mend: the sites, and the size of the hosts.
pub(crate) fn structural(world: &World<'_>, books: &Books, server: usize) -> Option<WaitingOn> {
    let wanted = &world.servers[server];
    let asked = world
        .fleet
        .servers
        .get(&wanted.id)
        .and_then(|spec| spec.sites_allowed.as_ref());
    let allowed: Vec<usize> = (0..world.sites.len())
        .filter(|&site| wanted.allows(site))
        .collect();
    if allowed.is_empty() {
        return Some(match asked {
            Some(names) => WaitingOn::NotAllowedSite {
                allowed: names.iter().cloned().collect(),
            },
            None => WaitingOn::UnknownInventory { hosts: 0 },
        });
    }
    let open: Vec<usize> = allowed
        .iter()
        .copied()
        .filter(|&site| world.sites[site].open)
        .collect();
    if open.is_empty() {
        return Some(WaitingOn::SitesClosed {
            allowed: count(allowed.len()),
        });
    }
    let hosts = |site: &usize| world.sites[*site].hosts.iter();
    let usable: Vec<usize> = open
        .iter()
        .flat_map(hosts)
        .copied()
        .filter(|&host| world.hosts[host].open)
        .collect();
    if usable.is_empty() {
        let all: usize = allowed.iter().map(|&site| world.sites[site].hosts.len()).sum();
        return Some(WaitingOn::UnknownInventory { hosts: count(all) });
    }
    for (d, resource) in RESOURCES.into_iter().enumerate() {
        let largest = usable
            .iter()
            .map(|&host| world.hosts[host].capacity[d])
            .max()
            .unwrap_or(0);
        let asked = wanted.demand[d];
        if asked > largest {
            return Some(match resource {
                Resource::Cpu => WaitingOn::HostCores { asked, largest },
                _ => WaitingOn::HostMemory { asked, largest },
            });
        }
    }
    if wanted.is_protected() && count(open.len()) < wanted.copies {
        return Some(copies_text(world, books, server));
    }
    None
}

/// Why `server` is larger than every host that it may run on, if it is.
pub(crate) fn too_large(world: &World<'_>, books: &Books, server: usize) -> Option<WaitingOn> {
    structural(world, books, server)
        .filter(|on| matches!(on, WaitingOn::HostCores { .. } | WaitingOn::HostMemory { .. }))
}

/// The best host to reserve, or what speaks against the nearest.
fn backup_against(
    world: &World<'_>,
    books: &Books,
    server: usize,
) -> Result<usize, Option<(Against, usize)>> {
    let demand = world.servers[server].demand;
    let mut nearest = None;
    for (site, dense) in world.sites.iter().enumerate() {
        let no_storage = fits::storage(world, books, server, site).is_err();
        for &host in &dense.hosts {
            match fits::backup(world, books, server, host, false) {
                Ok(()) if no_storage => nearest = nearer(nearest, Against::Storage, host, demand),
                Ok(()) => return Ok(host),
                Err(against) => nearest = nearer(nearest, against, host, demand),
            }
        }
    }
    Err(nearest)
}

fn primary_text(world: &World<'_>, books: &Books, server: usize, against: Against, host: usize) -> WaitingOn {
    let (wanted, dense) = (&world.servers[server], &world.hosts[host]);
    match against {
        Against::Closed | Against::NotAllowed | Against::Shares | Against::Asleep => {
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

fn backup_text(
    world: &World<'_>,
    books: &Books,
    server: usize,
    against: Against,
    from: usize,
    host: usize,
) -> WaitingOn {
    let wanted = &world.servers[server];
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
        Against::Full(resource, free) => reserve(
            resource,
            wanted.demand[usize::from(resource != Resource::Cpu)],
            free,
        ),
        Against::TooSmall(resource) => {
            let d = usize::from(resource != Resource::Cpu);
            reserve(resource, wanted.demand[d], world.hosts[host].capacity[d])
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
        Against::Closed | Against::NotAllowed | Against::Shares | Against::Ceiling(_) => {
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
    let (wanted, dense) = (&world.servers[server], &world.hosts[host]);
    let so = |f: usize| match against {
        Against::Full(resource, free) => {
            let d = usize::from(resource != Resource::Cpu);
            let reserved = books.reserved[host * books.scenarios + f][d];
            dense.capacity[d] - books.used[host][d] - reserved == free
        }
        Against::Watts { asked, left } => {
            let at = dense.rack * books.scenarios + f;
            let wakes = !books.is_on(world, host) && books.reserves[host * books.scenarios + f] == 0;
            let adds = dense.draw_mw(wanted.demand[0]) + if wakes { dense.idle_mw } else { 0 };
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
    let left = |site: usize| {
        world.sites[site]
            .storage
            .map(|limit| limit - books.site_storage[site])
    };
    let sites = (0..world.sites.len()).filter(|&site| world.sites[site].open && wanted.allows(site));
    let short = sites.filter_map(|site| {
        left(site)
            .filter(|&left| left < wanted.storage)
            .map(|left| (left, site))
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

fn together_text(world: &World<'_>, server: usize) -> WaitingOn {
    match world.servers[server].together {
        Some((circle, by)) => WaitingOn::TogetherGroup {
            group: world.circles[circle].name.clone(),
            by,
        },
        None => WaitingOn::UnknownInventory {
            hosts: count(world.hosts.len()),
        },
    }
}

fn apart_text(world: &World<'_>, server: usize) -> WaitingOn {
    match world.servers[server].apart {
        Some(Apartness { group, by, .. }) => WaitingOn::ApartGroup {
            group: world.groups[group].name.clone(),
            by,
        },
        None => WaitingOn::UnknownInventory {
            hosts: count(world.hosts.len()),
        },
    }
}

/// Too few sites, or a risk that too many of them share, or storage.
fn copies_text(world: &World<'_>, books: &Books, server: usize) -> WaitingOn {
    let wanted = &world.servers[server];
    let placed = books.slots[server].is_placed();
    let sites: Vec<usize> = (0..world.sites.len())
        .filter(|&site| {
            let dense = &world.sites[site];
            let mine = placed && books.primary_site(world, server) == Some(site);
            mine || dense.open && wanted.allows(site)
        })
        .collect();
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
            data: books.slots[server].copies.clone(),
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

fn storage_text_or_sites(world: &World<'_>, books: &Books, server: usize, sites: i64) -> WaitingOn {
    let wanted = &world.servers[server];
    let short = |site: usize| {
        world.sites[site]
            .storage
            .is_some_and(|limit| limit - books.site_storage[site] < wanted.storage)
    };
    if (0..world.sites.len()).any(|site| world.sites[site].open && wanted.allows(site) && short(site)) {
        return storage_text(world, books, server);
    }
    WaitingOn::NoSecondSite {
        copies: wanted.copies,
        sites,
    }
}
