//! Finding a place for one server: the pair of primary and backup that costs least. No I/O.
//!
//! Nothing here changes the books. The hosts of a zone are asked through the index, best first.

use crate::copies;
use crate::fits;
use crate::index::{Index, Question};
use crate::score;
use crate::state::{Books, Slot};
use crate::together;
use crate::world::{Amount, CopySites, DIMS, World, count};

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

/// How much a choice costs: whether one risk takes both hosts, where the policy lets it; the kind of the primary's host;
/// how well both hosts suit and how full the sites get; the finer score of the reserve.
type Cost = (bool, i64, i64, i64);

/// From here on, in thousandths, a site counts as full and another is looked for even if its hosts suit less.
const FULL: i64 = 900;

/// What the fullness of the fuller site counts: little while there is room, much when it is nearly full.
fn pressure_cost(permille: i64) -> i64 {
    let permille = permille.min(1 << 20);
    2 * permille + 50 * (permille - FULL).max(0)
}

/// The best place for `server`, which is not in the books, or `None`.
pub(crate) fn find(
    world: &World<'_>,
    books: &Books,
    index: &mut Index,
    server: usize,
    wish: &Wish,
) -> Option<Slot> {
    for rank in &wish.ranks {
        let mut primaries = primaries(world, books, index, server, rank);
        // Where it could run alone, for when no reserve can be had.
        let alone = primaries
            .iter()
            .map(|primary| (primary.score, primary.host))
            .min();
        // The cheapest first: as soon as what a primary costs alone is more than a whole choice, the rest need not be
        // walked for a reserve. Of equals the first in the order of sites.
        primaries.sort_unstable_by_key(|primary| (primary.cost, primary.turn));
        let mut best: Option<(Cost, usize, Slot)> = None;
        for primary in primaries {
            if best.as_ref().is_some_and(|(least, ..)| primary.cost > *least) {
                break;
            }
            let Some((cost, slot)) = complete(world, books, index, server, &primary, wish) else {
                continue;
            };
            if best
                .as_ref()
                .is_none_or(|(least, turn, _)| (cost, primary.turn) < (*least, *turn))
            {
                best = Some((cost, primary.turn, slot));
            }
        }
        if let Some((.., slot)) = best {
            return Some(slot);
        }
        if let (true, Some((_, host))) = (wish.alone_will_do && world.servers[server].is_protected(), alone) {
            return Some(Slot {
                primary: Some(host),
                ..Slot::default()
            });
        }
    }
    None
}

/// The best host of a zone for the primary.
struct Primary {
    score: i64,
    host: usize,
    /// How full its site would be, in thousandths.
    pressure: i64,
    /// What it costs alone: whatever reserve comes to it, the choice costs no less.
    cost: Cost,
    /// Its place in the order of sites and zones.
    turn: usize,
}

/// The best host of each zone of these sites that can run `server`.
fn primaries(
    world: &World<'_>,
    books: &Books,
    index: &mut Index,
    server: usize,
    sites: &[usize],
) -> Vec<Primary> {
    let mut found = Vec::with_capacity(sites.len());
    for &site in sites {
        if !world.sites[site].open || !world.servers[server].allows(site) {
            continue;
        }
        if fits::ceiling(world, books, server, site).is_err() {
            continue;
        }
        for &zone in &world.sites[site].zones {
            let Some((score, host)) = best_primary(world, books, index, server, zone) else {
                continue;
            };
            let pressure = site_pressure(world, books, server, site);
            let suits = score % score::KIND + pressure_cost(pressure);
            found.push(Primary {
                score,
                host,
                pressure,
                cost: (false, score / score::KIND, suits, 0),
                turn: found.len(),
            });
        }
    }
    found
}

/// Adds a backup and copies to a primary.
fn complete(
    world: &World<'_>,
    books: &Books,
    index: &mut Index,
    server: usize,
    primary: &Primary,
    wish: &Wish,
) -> Option<(Cost, Slot)> {
    let (score, host) = (primary.score, primary.host);
    if !world.servers[server].is_protected() {
        return Some((
            primary.cost,
            Slot {
                primary: Some(host),
                ..Slot::default()
            },
        ));
    }
    let zone = world.hosts[host].zone;
    let found = find_backup_for(world, books, index, server, wish, zone, primary.pressure)?;
    let suits = score % score::KIND + score::backup_cost(found.score);
    let cost = (
        found.shares,
        score / score::KIND,
        suits + pressure_cost(found.pressure),
        found.score,
    );
    Some((
        cost,
        Slot {
            primary: Some(host),
            held_at: None,
            backup: Some(found.host),
            copies: found.copies,
        },
    ))
}

/// A host to reserve, and the sites of all copies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reserve {
    /// Not every copy can be had.
    incomplete: bool,
    /// The data has to be copied there first.
    fresh: bool,
    /// Some risk takes it with the primary: what has no reserve then may still have a copy, and would wait for a failover by
    /// hand.
    shares: bool,
    /// How full the worse of the two sites would be, in thousandths.
    pressure: i64,
    score: i64,
    pub(crate) host: usize,
    pub(crate) copies: CopySites,
}

/// The best backup and copy sites for `server`, whose primary is in the books and whose backup is not.
pub(crate) fn find_backup(
    world: &World<'_>,
    books: &Books,
    index: &mut Index,
    server: usize,
    wish: &Wish,
) -> Option<Reserve> {
    let zone = books.primary_zone(world, server)?;
    let pressure = permille_now(world, books, books.primary_site(world, server)?);
    find_backup_for(world, books, index, server, wish, zone, pressure)
}

/// As [`find_backup`], for a primary that is, or would be, in `zone`, whose site would be this full.
pub(crate) fn find_backup_for(
    world: &World<'_>,
    books: &Books,
    index: &mut Index,
    server: usize,
    wish: &Wish,
    zone: usize,
    pressure: i64,
) -> Option<Reserve> {
    let from = world.zones[zone].site;
    let wanted = &world.servers[server];
    let crowd = crowd(world, books, server);
    let mut best: Option<Reserve> = None;
    let mut sites: Vec<(bool, i64, usize)> = Vec::with_capacity(world.sites.len());
    for (site, dense) in world.sites.iter().enumerate() {
        let fresh = !wish.data.contains(&site);
        if site == from || !dense.open || fresh && !wish.new_copies {
            continue;
        }
        if !wanted.allows(site) {
            continue;
        }
        if fresh && fits::storage(world, books, server, site).is_err() {
            continue;
        }
        let pressure = pair_pressure(world, books, server, from, site).max(pressure);
        sites.push((fresh, pressure, site));
    }
    // The best first: what comes at a site after it can be no better than this.
    sites.sort_unstable();
    for (fresh, pressure, site) in sites {
        if best.as_ref().is_some_and(|best| {
            (false, fresh, false, pressure) > (best.incomplete, best.fresh, best.shares, best.pressure)
        }) {
            break;
        }
        for &to in &world.sites[site].zones {
            if !world.apart_enough(wanted.spread, zone, to) {
                continue;
            }
            let question = Question::Backup {
                demand: wanted.demand,
                lost: zone,
                warm: wanted.warm,
            };
            let good = |host: usize| fits::backup_for(world, books, server, host, false, zone).is_ok();
            let roomy = |host: usize| good(host) && crowd_fits(world, crowd, host, books.used[host]);
            let found = index.best(world, books, to, question, roomy);
            let alone = || index.best(world, books, to, question, good);
            let Some((score, host)) = found.or_else(|| (crowd != [0; DIMS]).then(alone).flatten()) else {
                continue;
            };
            let copies = match copies::choose_for(world, books, server, zone, Some(host), wish) {
                Ok(copies) => copies,
                Err(_) if wish.alone_will_do => copies::partial_for(world, server, zone, Some(host), wish),
                Err(_) => continue,
            };
            let candidate = Reserve {
                incomplete: count(copies.len()) < wanted.copies - 1,
                fresh,
                shares: world.zones_share(zone, to),
                pressure,
                score,
                host,
                copies,
            };
            if best.as_ref().is_none_or(|least| candidate < *least) {
                best = Some(candidate);
            }
        }
    }
    best
}

/// The cheapest host of a zone that can run `server`.
pub(crate) fn best_primary(
    world: &World<'_>,
    books: &Books,
    index: &mut Index,
    server: usize,
    zone: usize,
) -> Option<(i64, usize)> {
    let question = Question::Primary {
        demand: world.servers[server].demand,
    };
    let crowd = crowd(world, books, server);
    let good = |host: usize| fits::primary(world, books, server, host).is_ok();
    if crowd == [0; DIMS] {
        return index.best(world, books, zone, question, good);
    }
    let taken = |host: usize| [0, 1].map(|d| books.used[host][d] + books.most_reserved[host][d]);
    let roomy = |host: usize| good(host) && crowd_fits(world, crowd, host, taken(host));
    let found = index.best(world, books, zone, question, roomy);
    found.or_else(|| index.best(world, books, zone, question, good))
}

/// What its affinity group will need on one host, itself included, as long as none of the group has a place; nothing
/// for one that is in no such group.
fn crowd(world: &World<'_>, books: &Books, server: usize) -> Amount {
    if world.together(server).is_none() || together::has_company(world, books, server) {
        [0; DIMS]
    } else {
        let mut crowd = together::crowd(world, books, server);
        if crowd != [0; DIMS] {
            for (sum, amount) in crowd.iter_mut().zip(world.servers[server].demand) {
                *sum += amount;
            }
        }
        crowd
    }
}

/// Whether the host has room for a whole crowd.
fn crowd_fits(world: &World<'_>, crowd: Amount, host: usize, taken: Amount) -> bool {
    (0..DIMS).all(|d| crowd[d] == 0 || taken[d] + crowd[d] <= world.hosts[host].capacity[d])
}

/// How full the site would be, in thousandths of its ceiling.
pub(crate) fn site_pressure(world: &World<'_>, books: &Books, server: usize, site: usize) -> i64 {
    let demand = world.servers[server].demand;
    (0..DIMS)
        .map(|d| permille(books.site_used[site][d] + demand[d], world.sites[site].ceiling[d]))
        .max()
        .unwrap_or(0)
}

/// How full the site that takes over would be, against its capacity.
fn pair_pressure(world: &World<'_>, books: &Books, server: usize, from: usize, to: usize) -> i64 {
    let demand = world.servers[server].demand;
    let pair = books.pair[from * world.sites.len() + to];
    let after = (0..DIMS).map(|d| {
        permille(
            books.site_used[to][d] + pair[d] + demand[d],
            world.sites[to].capacity[d],
        )
    });
    after.max().unwrap_or(0)
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
