//! Placing very many new servers at once: first which site for each, then host by host, then the reserves. No I/O.
//!
//! Server by server, every host opened early is a guess. Here a host is opened and filled with the sizes that suit
//! what is left of it, so that few hosts are needed and each is full. Fairness is kept by all or nothing: if anybody of
//! the batch is left over, everything is taken back and the queue goes server by server in its turn.
//!
//! 1. *Sites*: the largest first, each server gets the pair of sites whose fuller one stays emptiest.
//! 2. *Scarce sizes first*: those that need more than half of the smallest host are placed whole, one by one, while
//!    whole hosts are free.
//! 3. *Residents*: per site, hosts by idle watts per core; each is filled with the size best aligned with what it has left.
//! 4. *Reserves*: per pair of sites likewise, on hosts that hold reserves for other losses first: they share the room.
//! 5. *Leftovers* go server by server.

use std::collections::BTreeMap;

use crate::engine::Engine;
use crate::fits;
use crate::place::{self, Wish};
use crate::score;
use crate::world::{Amount, DIMS, World};

/// Below this many new servers the queue is quick enough and keeps the books simpler to follow.
pub(crate) const FEWEST: usize = 64;

/// Servers of one size that are looked at before a host is taken to have no room for that size: more than one,
/// because groups may keep the first away.
const TRIES: usize = 4;

/// Servers by size, those of one size in turn order, the next one last.
type Sizes = BTreeMap<Amount, Vec<usize>>;

/// Where a server is to go.
#[derive(Clone, Copy)]
struct Sites {
    primary: usize,
    backup: Option<usize>,
}

/// Places all of `batch` (in turn order), or nothing. Returns whether it placed them.
pub(crate) fn place_all(engine: &mut Engine<'_, '_>, batch: &[usize]) -> bool {
    let world = engine.world;
    let mut sites: BTreeMap<usize, Sites> = BTreeMap::new();
    let mut order = batch.to_vec();
    order.sort_by_key(|&v| (std::cmp::Reverse(weight(world, v)), v));
    let mut loads = Loads::new(engine);
    for &server in &order {
        match loads.choose(world, server) {
            Some(chosen) => {
                sites.insert(server, chosen);
            }
            None => return false,
        }
    }
    let half = smallest_host(world).map(|amount| amount / 2);
    let scarce = |v: usize| (0..DIMS).any(|d| world.servers[v].demand[d] > half[d]);
    let simple = |v: usize| world.servers[v].copies <= 2 && !scarce(v);
    let (whole, rest): (Vec<usize>, Vec<usize>) = order.iter().partition(|&&v| !simple(v));
    let mut done: Vec<usize> = Vec::with_capacity(batch.len());
    let mut complete = place_singly(engine, &whole, &mut done);
    if complete {
        fill_residents(engine, &rest, &sites);
        fill_reserves(engine, &rest, &sites);
        let mut left = Vec::new();
        for &server in &rest {
            let slot = &engine.books.slots[server];
            if slot.is_placed() && (slot.backup.is_some() || !world.servers[server].is_protected()) {
                done.push(server);
            } else {
                engine.books.lift(world, server);
                left.push(server);
            }
        }
        complete = place_singly(engine, &left, &mut done);
    }
    if !complete {
        for server in done {
            engine.books.lift(world, server);
        }
    }
    complete
}

/// Places servers one by one; stops at the first that finds no place.
fn place_singly(engine: &mut Engine<'_, '_>, servers: &[usize], done: &mut Vec<usize>) -> bool {
    let wish = Wish::new(engine.world);
    for &server in servers {
        let Some(slot) = place::find(engine.world, &mut engine.books, server, &wish) else {
            return false;
        };
        engine.books.put(engine.world, server, &slot);
        done.push(server);
    }
    true
}

/// Size as a share of the mean host, so that cores and MiB can be added.
fn weight(world: &World<'_>, server: usize) -> i64 {
    let largest = world.hosts.iter().fold([1; DIMS], |most: Amount, host| {
        [most[0].max(host.capacity[0]), most[1].max(host.capacity[1])]
    });
    let demand = world.servers[server].demand;
    (0..DIMS).map(|d| (demand[d] << 16) / largest[d]).sum()
}

/// The least of each measure over the open hosts.
fn smallest_host(world: &World<'_>) -> Amount {
    let open = world.hosts.iter().filter(|host| host.open);
    open.fold([i64::MAX; DIMS], |least, host| {
        [least[0].min(host.capacity[0]), least[1].min(host.capacity[1])]
    })
}

/// What the sites and pairs would carry, while sites are chosen.
struct Loads {
    used: Vec<Amount>,
    pair: Vec<Amount>,
    /// Room for residents: the ceiling, or what the open hosts have.
    room: Vec<Amount>,
    /// All that the open hosts have.
    whole: Vec<Amount>,
    storage: Vec<i64>,
}

impl Loads {
    fn new(engine: &Engine<'_, '_>) -> Self {
        let world = engine.world;
        Self {
            used: engine.books.site_used.clone(),
            pair: engine.books.pair.clone(),
            room: world.sites.iter().map(|site| site.ceiling).collect(),
            whole: world.sites.iter().map(|site| site.capacity).collect(),
            storage: engine.books.site_storage.clone(),
        }
    }

    fn takes(&self, world: &World<'_>, server: usize, site: usize) -> bool {
        let (dense, wanted) = (&world.sites[site], &world.servers[server]);
        let stored = dense
            .storage
            .is_none_or(|limit| self.storage[site] + wanted.storage <= limit);
        dense.open && wanted.allows(site) && !dense.hosts.is_empty() && (stored || wanted.storage == 0)
    }

    /// The pair of sites whose fuller one stays emptiest; ties go to the first.
    fn choose(&mut self, world: &World<'_>, server: usize) -> Option<Sites> {
        let demand = world.servers[server].demand;
        let sites = world.sites.len();
        let mut best: Option<(i64, usize, Option<usize>)> = None;
        for from in (0..sites).filter(|&site| self.takes(world, server, site)) {
            let full = |d: usize| share(self.used[from][d] + demand[d], self.room[from][d]);
            let mine = full(0).max(full(1));
            if mine > 1 << 20 {
                continue;
            }
            if !world.servers[server].is_protected() {
                let candidate = (mine, from, None);
                best = Some(best.map_or(candidate, |least| least.min(candidate)));
                continue;
            }
            for to in (0..sites).filter(|&site| site != from && self.takes(world, server, site)) {
                let (a, b) = (world.sites[from].zone, world.sites[to].zone);
                if !world.apart_enough(world.servers[server].spread, a, b) {
                    continue;
                }
                let pair = self.pair[from * sites + to];
                let full = |d: usize| share(self.used[to][d] + pair[d] + demand[d], self.whole[to][d]);
                let candidate = (mine.max(full(0)).max(full(1)), from, Some(to));
                best = Some(best.map_or(candidate, |least| least.min(candidate)));
            }
        }
        let (_, primary, backup) = best?;
        let storage = world.servers[server].storage;
        self.storage[primary] += storage;
        for (d, amount) in demand.into_iter().enumerate() {
            self.used[primary][d] += amount;
        }
        if let Some(to) = backup {
            self.storage[to] += storage;
            for (d, amount) in demand.into_iter().enumerate() {
                self.pair[primary * sites + to][d] += amount;
            }
        }
        Some(Sites { primary, backup })
    }
}

/// A share in 2^20ths.
fn share(part: i64, whole: i64) -> i64 {
    if whole <= 0 {
        i64::MAX / 4
    } else {
        part.saturating_mul(1 << 20) / whole
    }
}

/// The sizes in the order in which they suit what a host has left: best aligned first, the larger of two alike first.
///
/// Research compared powers of the cosine; four times its logarithm plus a little for size was best. In integers:
/// the square of the sine, scaled, less the size.
fn by_fit(sizes: &Sizes, free: Amount, capacity: Amount) -> Option<Amount> {
    let fits = |demand: &&Amount| (0..DIMS).all(|d| demand[d] <= free[d]);
    sizes.keys().filter(fits).copied().min_by_key(|&demand| {
        let size = (0..DIMS)
            .map(|d| (demand[d] << 12) / capacity[d].max(1))
            .max()
            .unwrap_or(0);
        (4 * score::misfit(free, demand, capacity) - size, demand)
    })
}

fn group(world: &World<'_>, servers: impl Iterator<Item = usize>) -> Sizes {
    let mut sizes = Sizes::new();
    for server in servers {
        sizes
            .entry(world.servers[server].demand)
            .or_default()
            .push(server);
    }
    for servers in sizes.values_mut() {
        servers.sort_by(|&a, &b| world.turn(b).cmp(&world.turn(a)));
    }
    sizes
}

/// Fills one host with what suits it, until nothing fits.
fn fill(
    engine: &mut Engine<'_, '_>,
    sizes: &mut Sizes,
    free: impl Fn(&Engine<'_, '_>) -> Amount,
    capacity: Amount,
    mut put: impl FnMut(&mut Engine<'_, '_>, usize) -> bool,
) {
    let mut refused: Sizes = Sizes::new();
    while let Some(size) = by_fit(sizes, free(engine), capacity) {
        let Some(servers) = sizes.get_mut(&size) else {
            break;
        };
        let first = servers.len().saturating_sub(TRIES);
        let found = (first..servers.len()).rev().find(|&at| put(engine, servers[at]));
        match found {
            Some(at) => {
                servers.remove(at);
                if servers.is_empty() {
                    sizes.remove(&size);
                }
            }
            // Not on this host: set the size aside until the next.
            None => refused.extend(sizes.remove_entry(&size)),
        }
    }
    sizes.append(&mut refused);
}

fn fill_residents(engine: &mut Engine<'_, '_>, servers: &[usize], chosen: &BTreeMap<usize, Sites>) {
    let world = engine.world;
    for site in 0..world.sites.len() {
        let here = |v: &usize| chosen.get(v).is_some_and(|sites| sites.primary == site);
        let mut sizes = group(world, servers.iter().copied().filter(here));
        let mut hosts: Vec<usize> = world.sites[site]
            .hosts
            .iter()
            .copied()
            .filter(|&host| world.hosts[host].open)
            .collect();
        // Those that are on already cost nothing more.
        hosts.sort_by_key(|&host| {
            (
                !engine.books.is_on(world, host),
                score::inefficiency(world, host),
                host,
            )
        });
        for host in hosts {
            if sizes.is_empty() {
                break;
            }
            let capacity = world.hosts[host].capacity;
            let free = |engine: &Engine<'_, '_>| {
                let (used, most) = (engine.books.used[host], engine.books.most_reserved[host]);
                [capacity[0] - used[0] - most[0], capacity[1] - used[1] - most[1]]
            };
            fill(engine, &mut sizes, free, capacity, |engine, server| {
                let fits = fits::primary(world, &engine.books, server, host).is_ok();
                if fits {
                    engine.books.add_primary(world, server, host);
                }
                fits
            });
        }
    }
}

fn fill_reserves(engine: &mut Engine<'_, '_>, servers: &[usize], chosen: &BTreeMap<usize, Sites>) {
    let world = engine.world;
    let mut pairs: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for server in servers {
        if let Some(Sites {
            primary,
            backup: Some(to),
        }) = chosen.get(server)
            && engine.books.slots[*server].is_placed()
        {
            pairs.entry((*primary, *to)).or_default().push(*server);
        }
    }
    for ((from, to), servers) in pairs {
        let mut sizes = group(world, servers.into_iter());
        let mut hosts: Vec<usize> = world.sites[to]
            .hosts
            .iter()
            .copied()
            .filter(|&host| world.hosts[host].open)
            .collect();
        hosts.sort_by_key(|&host| {
            let reserved = engine.books.most_reserved[host] != [0; DIMS];
            let on = engine.books.is_on(world, host);
            (
                !reserved,
                on,
                std::cmp::Reverse(score::inefficiency(world, host)),
                host,
            )
        });
        for host in hosts {
            if sizes.is_empty() {
                break;
            }
            let capacity = world.hosts[host].capacity;
            let at = host * engine.books.scenarios + from;
            let free = |engine: &Engine<'_, '_>| {
                let (used, reserved) = (engine.books.used[host], engine.books.reserved[at]);
                [
                    capacity[0] - used[0] - reserved[0],
                    capacity[1] - used[1] - reserved[1],
                ]
            };
            fill(engine, &mut sizes, free, capacity, |engine, server| {
                let fits = fits::backup(world, &engine.books, server, host, false).is_ok();
                if fits {
                    engine.books.set_copies(world, server, vec![to]);
                    engine.books.add_backup(world, server, host);
                }
                fits
            });
        }
    }
}
