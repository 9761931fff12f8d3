//! Why a server finds no place: the constraint nearest to letting it in, with its numbers. No I/O.

mod text;

use std::collections::BTreeMap;

use crate::copies;
use crate::fits::{self, Against, RESOURCES};
use crate::place::Wish;
use crate::reason::{Considered, Resource, Waiting, WaitingOn};
use crate::state::Books;
use crate::world::{Amount, Was, World, count};
pub(crate) use text::backup_text;
use text::{copies_text, primary_text};

impl Against {
    /// The condition reason that a host refused for this counts under.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Closed => "SitesClosed",
            Self::NotAllowed => "NotAllowedSite",
            Self::NoCopy => "NoCopyThere",
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
            Self::NotAllowed | Self::NoCopy => 1,
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
    let reserve = best
        .filter(|_| short.is_none())
        .map(|(against, from, host)| backup_text(world, books, server, against, from, host));
    let few = copies_text(world, books, server);
    // Where it could run it can have no copies, and where it could have them it cannot run: then the sites are not too few.
    let place = nearest.map(|(against, host)| primary_text(world, books, server, against, host));
    let on = [reserve, Some(few.clone()), place]
        .into_iter()
        .flatten()
        .find(|on| !explains_nothing(on))
        .unwrap_or(few);
    Waiting { on, considered }
}

/// Whether it only says how many sites there are, and they are enough.
fn explains_nothing(on: &WaitingOn) -> bool {
    matches!(on, WaitingOn::NoSecondSite { copies, sites } if sites >= copies)
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
        Some(was) if wanted.released => where_copies_are(world, books, server, was),
        _ => primary(world, books, server),
    }
}

/// Why a released server finds no place: what it left may be stale, so only its copies and, where that takes servers
/// again, its old site will do. There it starts at the price of ceilings and reserves, so that only what is physically
/// short can hold it up.
fn where_copies_are(world: &World<'_>, books: &Books, server: usize, was: &Was) -> Waiting {
    let usable: Vec<usize> = (0..world.hosts.len())
        .filter(|&host| was.has_data(world.hosts[host].site) && world.hosts[host].takes_over())
        .collect();
    if let Some(on) = larger_than(world, server, &usable).filter(|_| !usable.is_empty()) {
        return Waiting::on(on);
    }
    let mut considered = Considered::default();
    let mut nearest: Option<(Against, usize)> = None;
    for host in 0..world.hosts.len() {
        match fits::again(world, books, server, was, host) {
            Ok(()) => considered.fit += 1,
            Err(against) => {
                *considered.refused.entry(against.reason().to_owned()).or_default() += 1;
                nearest = nearer(nearest, against, host, world.servers[server].demand);
            }
        }
    }
    let on = match nearest {
        Some((against, host)) if !usable.is_empty() => primary_text(world, books, server, against, host),
        _ if was.copies.is_empty() => WaitingOn::NoCopyElsewhere {
            site: world.sites[was.site].name.clone(),
        },
        _ => WaitingOn::CopySitesClosed {
            sites: was
                .copies
                .iter()
                .map(|&site| world.sites[site].name.clone())
                .collect(),
        },
    };
    Waiting { on, considered }
}

/// The nearer of what was nearest so far and of what speaks against one more host.
pub(crate) fn nearer(
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
        .get(&world.ids[server])
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
    if let Some(on) = larger_than(world, server, &usable) {
        return Some(on);
    }
    if wanted.is_protected() && count(wanted.most_within(&[], open).len()) < wanted.copies {
        return Some(copies_text(world, books, server));
    }
    None
}

/// In which measure `server` is larger than all of these hosts, if in any.
fn larger_than(world: &World<'_>, server: usize, hosts: &[usize]) -> Option<WaitingOn> {
    RESOURCES.into_iter().enumerate().find_map(|(d, resource)| {
        let most = hosts.iter().map(|&host| world.hosts[host].capacity[d]).max();
        let (asked, largest) = (world.servers[server].demand[d], most.unwrap_or(0));
        (asked > largest).then_some(match resource {
            Resource::Cpu => WaitingOn::HostCores { asked, largest },
            _ => WaitingOn::HostMemory { asked, largest },
        })
    })
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
