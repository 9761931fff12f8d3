//! Finding a place for one server: the pair of primary and backup that costs least. No I/O.
//!
//! Nothing here changes the books for good: a search puts the primary in, looks for a backup, and takes it out again.

use crate::copies;
use crate::fits;
use crate::score;
use crate::state::{Books, Slot};
use crate::world::{DIMS, World, count};

/// What a search may do.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// Sites for the primary in order of preference; all of one rank are weighed against each other.
    pub(crate) ranks: Vec<Vec<usize>>,
    /// Sites that hold the data already: preferred for copies.
    pub(crate) data: Vec<usize>,
    /// A primary alone will do when no backup can be had (it runs already, or must run).
    pub(crate) alone_will_do: bool,
    /// A copy may be put where no data is yet.
    pub(crate) new_copies: bool,
}

impl Wish {
    /// A new server: any site, everything that its policy asks.
    pub(crate) fn new(world: &World<'_>) -> Self {
        Self {
            ranks: vec![(0..world.sites.len()).collect()],
            data: Vec::new(),
            alone_will_do: false,
            new_copies: true,
        }
    }
}

/// How much a choice costs: the kind of the primary's host, the pressure it puts on sites and pairs, the finer scores.
type Cost = (i64, i64, i64);

/// The best place for `server`, which is not in the books, or `None`. The books are as before.
pub(crate) fn find(world: &World<'_>, books: &mut Books, server: usize, wish: &Wish) -> Option<Slot> {
    for rank in &wish.ranks {
        let mut best: Option<(Cost, Slot)> = None;
        for &site in rank {
            if !world.sites[site].open || !world.servers[server].allows(site) {
                continue;
            }
            if fits::ceiling(world, books, server, site).is_err() {
                continue;
            }
            for &zone in &world.sites[site].zones {
                let Some((score, host)) = best_primary(world, books, server, zone) else {
                    continue;
                };
                let Some((cost, slot)) = complete(world, books, server, host, score, wish) else {
                    continue;
                };
                if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                    best = Some((cost, slot));
                }
            }
        }
        if best.is_none() && wish.alone_will_do && world.servers[server].is_protected() {
            let alone = |site: &usize| {
                let zones = world.sites[*site].zones.iter();
                zones
                    .filter_map(|&zone| best_primary(world, books, server, zone))
                    .min()
            };
            best = rank.iter().filter_map(alone).min().map(|(score, host)| {
                (
                    (0, 0, score),
                    Slot {
                        primary: Some(host),
                        ..Slot::default()
                    },
                )
            });
        }
        if let Some((_, slot)) = best {
            return Some(slot);
        }
    }
    None
}

/// Adds a backup and copies to a primary on `host`.
fn complete(
    world: &World<'_>,
    books: &mut Books,
    server: usize,
    host: usize,
    score: i64,
    wish: &Wish,
) -> Option<(Cost, Slot)> {
    let kind = score / score::KIND;
    if !world.servers[server].is_protected() {
        let pressure = site_pressure(world, books, server, world.hosts[host].site);
        return Some((
            (kind, pressure, score),
            Slot {
                primary: Some(host),
                ..Slot::default()
            },
        ));
    }
    books.add_primary(world, server, host);
    let found = find_backup(world, books, server, wish);
    let result = found.map(|(pressure, backup_score, backup, copies)| {
        let cost = (kind, pressure, score + backup_score);
        (
            cost,
            Slot {
                primary: Some(host),
                held_at: None,
                backup: Some(backup),
                copies,
            },
        )
    });
    books.remove_primary(world, server);
    result
}

/// The best backup and copy sites for `server`, whose primary is in the books and whose backup is not: pressure,
/// score, host, copy sites.
pub(crate) fn find_backup(
    world: &World<'_>,
    books: &Books,
    server: usize,
    wish: &Wish,
) -> Option<(i64, i64, usize, Vec<usize>)> {
    let from = books.primary_site(world, server)?;
    let mut best: Option<(bool, bool, i64, i64, usize, Vec<usize>)> = None;
    for (site, dense) in world.sites.iter().enumerate() {
        let fresh = !wish.data.contains(&site);
        if site == from || !dense.open || fresh && !wish.new_copies {
            continue;
        }
        if !world.servers[server].allows(site) {
            continue;
        }
        if fresh && fits::storage(world, books, server, site).is_err() {
            continue;
        }
        for &zone in &dense.zones {
            let Some((score, host)) = best_backup(world, books, server, zone, from) else {
                continue;
            };
            let copies = match copies::choose(world, books, server, Some(host), wish) {
                Ok(copies) => copies,
                Err(_) if wish.alone_will_do => copies::partial(world, books, server, Some(host), wish),
                Err(_) => continue,
            };
            let pressure = pair_pressure(world, books, server, from, site);
            let incomplete = count(copies.len()) < world.servers[server].copies - 1;
            let candidate = (incomplete, fresh, pressure, score, host, copies);
            if best.as_ref().is_none_or(|least| candidate < *least) {
                best = Some(candidate);
            }
        }
    }
    best.map(|(_, _, pressure, score, host, copies)| (pressure, score, host, copies))
}

/// The cheapest host of a zone that can run `server`.
pub(crate) fn best_primary(
    world: &World<'_>,
    books: &Books,
    server: usize,
    zone: usize,
) -> Option<(i64, usize)> {
    let demand = world.servers[server].demand;
    let hosts = world.zones[zone].hosts.iter();
    hosts
        .filter(|&&host| fits::primary(world, books, server, host).is_ok())
        .map(|&host| (score::primary(world, books, demand, host), host))
        .min()
}

/// The cheapest host of a zone that can be reserved for `server`, whose primary is at site `from`.
pub(crate) fn best_backup(
    world: &World<'_>,
    books: &Books,
    server: usize,
    zone: usize,
    from: usize,
) -> Option<(i64, usize)> {
    let demand = world.servers[server].demand;
    let hosts = world.zones[zone].hosts.iter();
    hosts
        .filter(|&&host| fits::backup(world, books, server, host, false).is_ok())
        .map(|&host| (score::backup(world, books, demand, host, from), host))
        .min()
}

/// How full the site would be, in thousandths of its ceiling.
pub(crate) fn site_pressure(world: &World<'_>, books: &Books, server: usize, site: usize) -> i64 {
    let demand = world.servers[server].demand;
    (0..DIMS)
        .map(|d| permille(books.site_used[site][d] + demand[d], world.sites[site].ceiling[d]))
        .max()
        .unwrap_or(0)
}

/// How full the worse of the two sites would be: the one that is lost against its ceiling, the one that takes over
/// against its capacity.
fn pair_pressure(world: &World<'_>, books: &Books, server: usize, from: usize, to: usize) -> i64 {
    let demand = world.servers[server].demand;
    let pair = books.pair[from * world.sites.len() + to];
    let after = (0..DIMS).map(|d| {
        permille(
            books.site_used[to][d] + pair[d] + demand[d],
            world.sites[to].capacity[d],
        )
    });
    let before = permille_now(world, books, from);
    after.max().unwrap_or(0).max(before)
}

fn permille_now(world: &World<'_>, books: &Books, site: usize) -> i64 {
    (0..DIMS)
        .map(|d| permille(books.site_used[site][d], world.sites[site].ceiling[d]))
        .max()
        .unwrap_or(0)
}

fn permille(part: i64, whole: i64) -> i64 {
    if whole <= 0 {
        i64::MAX / 4
    } else {
        part.saturating_mul(1000) / whole
    }
}
