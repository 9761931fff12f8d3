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

use crate::engine::Engine;
use crate::fits;
use crate::piles::Piles;
use crate::place::Wish;
use crate::score;
use crate::world::{Amount, DIMS, World};

/// Below this many new servers the queue is quick enough and keeps the books simpler to follow.
pub(crate) const FEWEST: usize = 64;

/// Where a server is to go.
#[derive(Clone, Copy)]
struct Sites {
    primary: usize,
    backup: Option<usize>,
}

/// Places all of `batch` (in turn order), or nothing. Returns whether it placed them.
pub(crate) fn place_all(engine: &mut Engine<'_, '_>, batch: &[usize]) -> bool {
    let world = engine.world;
    let weights = weights(world);
    let mut order = batch.to_vec();
    order.sort_unstable_by_key(|&v| (std::cmp::Reverse(weights[world.servers[v].class]), v));
    let mut chosen: Vec<Option<Sites>> = vec![None; world.servers.len()];
    let mut loads = Loads::new(engine);
    for &server in &order {
        chosen[server] = loads.choose(world, server);
        if chosen[server].is_none() {
            return false;
        }
    }
    let half = smallest_host(world).map(|amount| amount / 2);
    let scarce = |v: usize| (0..DIMS).any(|d| world.servers[v].demand[d] > half[d]);
    let simple = |v: usize| world.servers[v].copies <= 2 && !scarce(v);
    let (whole, rest): (Vec<usize>, Vec<usize>) = order.iter().partition(|&&v| !simple(v));
    let mut done: Vec<usize> = Vec::with_capacity(batch.len());
    let mut complete = place_singly(engine, &whole, &mut done);
    if complete {
        fill_residents(engine, &rest, &chosen);
        fill_reserves(engine, &rest, &chosen);
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
        let Some(slot) = engine.find(server, &wish) else {
            return false;
        };
        engine.books.put(engine.world, server, &slot);
        done.push(server);
    }
    true
}

/// Per class its size as a share of the largest host, so that cores and MiB can be added.
fn weights(world: &World<'_>) -> Vec<i64> {
    let largest = world.hosts.iter().fold([1; DIMS], |most: Amount, host| {
        [most[0].max(host.capacity[0]), most[1].max(host.capacity[1])]
    });
    let weight = |demand: Amount| (0..DIMS).map(|d| (demand[d] << 16) / largest[d]).sum();
    world.classes.iter().map(|class| weight(class.demand)).collect()
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

fn open_hosts(world: &World<'_>, site: usize) -> Vec<usize> {
    let hosts = world.sites[site].hosts.iter().copied();
    hosts.filter(|&host| world.hosts[host].open).collect()
}

fn fill_residents(engine: &mut Engine<'_, '_>, servers: &[usize], chosen: &[Option<Sites>]) {
    let world = engine.world;
    for site in 0..world.sites.len() {
        let here = |v: &usize| chosen[*v].is_some_and(|sites| sites.primary == site);
        let mut piles = Piles::new(world, servers.iter().copied().filter(here));
        let mut hosts = open_hosts(world, site);
        // Those that are on already cost nothing more.
        hosts.sort_by_cached_key(|&host| {
            let on = engine.books.is_on(world, host);
            (!on, score::inefficiency(world, host), host)
        });
        for host in hosts {
            if piles.is_empty() {
                break;
            }
            let capacity = world.hosts[host].capacity;
            piles.fill(
                capacity,
                engine,
                |engine| {
                    let (used, most) = (engine.books.used[host], engine.books.most_reserved[host]);
                    [capacity[0] - used[0] - most[0], capacity[1] - used[1] - most[1]]
                },
                |engine, server| {
                    let fits = fits::primary(world, &engine.books, server, host).is_ok();
                    if fits {
                        engine.books.add_primary(world, server, host);
                    }
                    fits
                },
            );
        }
    }
}

fn fill_reserves(engine: &mut Engine<'_, '_>, servers: &[usize], chosen: &[Option<Sites>]) {
    let world = engine.world;
    let sites = world.sites.len();
    let mut pairs: Vec<Vec<usize>> = vec![Vec::new(); sites * sites];
    for &server in servers {
        if let Some(Sites {
            primary,
            backup: Some(to),
        }) = chosen[server]
            && engine.books.slots[server].is_placed()
        {
            pairs[primary * sites + to].push(server);
        }
    }
    for (pair, servers) in pairs.into_iter().enumerate().filter(|(_, servers)| !servers.is_empty()) {
        let (from, to) = (pair / sites, pair % sites);
        let mut piles = Piles::new(world, servers.into_iter());
        let mut hosts = open_hosts(world, to);
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
                |engine, server| {
                    let fits = fits::backup(world, &engine.books, server, host, false).is_ok();
                    if fits {
                        engine.books.set_copies(world, server, vec![to]);
                        engine.books.add_backup(world, server, host);
                    }
                    fits
                },
            );
        }
    }
}
