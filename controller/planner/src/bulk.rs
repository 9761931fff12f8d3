//! Placing very many new servers at once: first which site for each, then host by host, then the reserves. No I/O.
//!
//! Server by server, every host opened early is a guess. Here a host is opened and filled with the sizes that suit
//! what is left of it, so that few hosts are needed and each is full. Fairness is kept by all or nothing: if anybody of
//! the batch is left over, everything is taken back and the queue goes server by server in its turn.
//!
//! 1. *Sites*: the largest first, each server gets the pair of sites that stays most even in cores and memory, or, where
//!    sites are nearly full, the pair whose fuller one stays emptiest.
//! 2. *Scarce sizes first*: those that need more than half of the smallest host are placed whole, one by one, while
//!    whole hosts are free.
//! 3. *Residents*: per site, hosts by idle watts per core; each is filled by a pattern of sizes that leaves little (`pattern.rs`).
//! 4. *Reserves*: per pair of sites likewise, on hosts that hold reserves for other losses first: they share the room.
//! 5. *Leftovers* go server by server.

use crate::consolidate;
use crate::engine::Engine;
use crate::fits;
use crate::piles::Piles;
use crate::place::Wish;
use crate::reserves;
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
///
/// Residents of unlike shape fill hosts best when all sizes share them; but large sizes then may find no whole host for
/// their reserve. So the phases from which on sizes share hosts are tried in turn, the most sharing first.
pub(crate) fn place_all(engine: &mut Engine<'_, '_>, batch: &[usize]) -> bool {
    let world = engine.world;
    let weights = weights(world);
    let mut order = batch.to_vec();
    order.sort_unstable_by_key(|&v| (std::cmp::Reverse(weights[world.servers[v].class]), v));
    // Even sites first; where that leads nowhere, whatever keeps the fullest emptiest.
    [CALM, 0].into_iter().any(|calm| with_sites(engine, &order, calm))
}

/// Places all of `order`, the largest first, or nothing.
fn with_sites(engine: &mut Engine<'_, '_>, order: &[usize], calm: i64) -> bool {
    let world = engine.world;
    let mut chosen: Vec<Option<Sites>> = vec![None; world.servers.len()];
    let mut loads = Loads::new(engine);
    for &server in order {
        chosen[server] = loads.choose(world, server, calm);
        if chosen[server].is_none() {
            return false;
        }
    }
    let mut phases: [Vec<usize>; PHASES] = Default::default();
    // Affinity groups go first, and each as a whole: what they need on one host is more than any one server.
    let mut circles = Vec::new();
    for &server in order {
        if world.servers[server].together.is_some() {
            circles.push(server);
            continue;
        }
        phases[loads.phases[world.servers[server].class]].push(server);
    }
    circles.sort_by_key(|&v| world.servers[v].together.map(|(circle, _)| circle));
    (1..PHASES).any(|shared| attempt(engine, &circles, &phases, &chosen, shared))
}

/// Places everything, or nothing; sizes of the phases from `shared` on share hosts.
fn attempt(
    engine: &mut Engine<'_, '_>,
    circles: &[usize],
    phases: &[Vec<usize>; PHASES],
    chosen: &[Option<Sites>],
    shared: usize,
) -> bool {
    let world = engine.world;
    let (mut done, mut left) = (Vec::new(), Vec::new());
    if !place_singly(engine, circles, &mut done) {
        return undo(engine, done);
    }
    for (at, servers) in phases.iter().enumerate() {
        if at < shared {
            fill_residents(engine, servers, chosen);
        } else if at == shared {
            fill_residents(engine, &phases[shared..].concat(), chosen);
        }
        // Reserves come in phases, so that whole hosts go to those that need them.
        let wanted = servers.iter().filter_map(|&server| {
            let to = chosen[server]?.backup?;
            engine.books.slots[server].is_placed().then_some((server, to))
        });
        let wanted: Vec<(usize, usize)> = wanted.collect();
        reserves::pack(engine, &wanted);
        for &server in servers {
            let slot = &engine.books.slots[server];
            if slot.is_placed() && (slot.backup.is_some() || !world.servers[server].is_protected()) {
                done.push(server);
            } else {
                engine.books.lift(world, server);
                left.push(server);
            }
        }
    }
    if !place_singly(engine, &left, &mut done) {
        // Residents of phases not reached are in none of the lists.
        return undo(
            engine,
            phases
                .concat()
                .into_iter()
                .chain(circles.iter().copied())
                .collect(),
        );
    }
    consolidate::tighten(engine);
    true
}

/// Takes everything back: nobody was placed.
fn undo(engine: &mut Engine<'_, '_>, done: Vec<usize>) -> bool {
    for server in done {
        engine.books.lift(engine.world, server);
    }
    false
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

/// Sizes are placed in this many phases, the scarcest first.
pub(crate) const PHASES: usize = 4;

/// Up to this share of what it may carry, in 2^20ths, a site's fullness is of no account: cores and memory in even
/// proportions at every site leave less idle.
const CALM: i64 = 950 * (1 << 20) / 1000;

/// How much more a scarce size's reserve counts than its other loads: what is reserved of it at a site for the worst
/// loss keeps large hosts asleep that residents would fill better.
const SCARCE_PAIR: i64 = 4;

/// A size is rare when fewer than one host in this many is large enough for it.
const RARE: usize = 2;

/// Per class its phase: rare sizes, those that need more than half of the largest host, those that need more than half
/// of the median one, in either measure, and the rest.
pub(crate) fn phases(world: &World<'_>) -> Vec<usize> {
    let open = || world.hosts.iter().filter(|host| host.open);
    let sorted = [0, 1].map(|d| {
        let mut amounts: Vec<i64> = open().map(|host| host.capacity[d]).collect();
        amounts.sort_unstable();
        amounts
    });
    let half = |at: Option<&i64>| at.copied().unwrap_or(0) / 2;
    let limits: [Amount; 2] = [
        [0, 1].map(|d| half(sorted[d].last())),
        [0, 1].map(|d| half(sorted[d].get(sorted[d].len() / 2))),
    ];
    let exceeds = |demand: Amount, limit: Amount| (0..DIMS).any(|d| demand[d] > limit[d]);
    let hosts = open().count();
    let phase = |demand: Amount| {
        let enough = open().filter(|host| !exceeds(demand, host.capacity)).count();
        if enough * RARE < hosts {
            return 0;
        }
        let found = limits.iter().position(|&limit| exceeds(demand, limit));
        found.map_or(PHASES - 1, |at| at + 1)
    };
    world.classes.iter().map(|class| phase(class.demand)).collect()
}

/// Per class and site: what the hosts have that are large enough for it.
fn rooms(world: &World<'_>) -> Vec<Vec<Amount>> {
    let mut rooms = vec![vec![[0; DIMS]; world.sites.len()]; world.classes.len()];
    for host in world.hosts.iter().filter(|host| host.open) {
        for (class, room) in world.classes.iter().zip(&mut rooms) {
            if (0..DIMS).all(|d| class.demand[d] <= host.capacity[d]) {
                for (room, amount) in room[host.site].iter_mut().zip(host.capacity) {
                    *room += amount;
                }
            }
        }
    }
    rooms
}

/// What the sites and pairs would carry, while sites are chosen.
struct Loads {
    /// Per class.
    phases: Vec<usize>,
    /// Per class and site, what hosts large enough have.
    rooms: Vec<Vec<Amount>>,
    used: Vec<Amount>,
    pair: Vec<Amount>,
    /// As `used` and `pair`, of the scarcer sizes alone, per phase: they compete for the few large hosts.
    scarce: [(Vec<Amount>, Vec<Amount>); PHASES - 1],
    /// Room for residents: the ceiling.
    room: Vec<Amount>,
    /// All that the hosts have.
    whole: Vec<Amount>,
    storage: Vec<i64>,
}

impl Loads {
    fn new(engine: &Engine<'_, '_>) -> Self {
        let world = engine.world;
        let sites = world.sites.len();
        let none = || (vec![[0; DIMS]; sites], vec![[0; DIMS]; sites * sites]);
        Self {
            phases: phases(world),
            rooms: rooms(world),
            used: engine.books.site_used.clone(),
            pair: engine.books.pair.clone(),
            scarce: std::array::from_fn(|_| none()),
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

    /// How full `from` would be with one more of this class.
    fn resident(&self, class: usize, demand: Amount, from: usize) -> i64 {
        let full = |used: &[Amount], room: Amount| {
            let of = |d: usize| share(used[from][d] + demand[d], room[d]);
            of(0).max(of(1))
        };
        let scarce = self.scarce.get(self.phases[class]);
        let scarce = scarce.map(|(used, _)| full(used, self.rooms[class][from]));
        full(&self.used, self.room[from]).max(scarce.unwrap_or(0))
    }

    /// How full `to` would be after the loss of `from` with one more of this class.
    fn reserve(&self, class: usize, demand: Amount, from: usize, to: usize) -> i64 {
        let at = from * self.used.len() + to;
        let full = |used: &[Amount], pair: &[Amount], room: Amount| {
            let of = |d: usize| share(used[to][d] + pair[at][d] + demand[d], room[d]);
            of(0).max(of(1))
        };
        let scarce = self.scarce.get(self.phases[class]);
        let scarce = scarce.map(|(used, pair)| full(used, pair, self.rooms[class][to]));
        full(&self.used, &self.pair, self.whole[to]).max(scarce.unwrap_or(0))
    }

    /// How much more uneven one more of this class makes what sites and pairs carry, each measure by itself: the sum
    /// of what it adds times what is there.
    fn skew(&self, class: usize, demand: Amount, from: usize, to: Option<usize>) -> i64 {
        // Shares are cut to four times the whole, so that products stay below 2^44.
        let of = |part: i64, whole: i64| share(part, whole).min(4 << 20);
        let adds = |used: Amount, room: Amount| -> i64 {
            (0..DIMS)
                .map(|d| of(demand[d], room[d]) * of(used[d], room[d]))
                .sum()
        };
        let scarce = self.scarce.get(self.phases[class]);
        let mut skew = adds(self.used[from], self.room[from]);
        if let Some((used, _)) = scarce {
            skew += adds(used[from], self.rooms[class][from]);
        }
        let Some(to) = to else {
            return skew;
        };
        let at = from * self.used.len() + to;
        skew += adds(self.pair[at], self.whole[to]);
        if let Some((_, pair)) = scarce {
            skew += SCARCE_PAIR * adds(pair[at], self.rooms[class][to]);
        }
        skew
    }

    /// The pair of sites whose fuller one stays emptiest; those that stay below `calm` count alike, and the one that
    /// makes the sites least uneven is taken. Ties go to the first.
    fn choose(&mut self, world: &World<'_>, server: usize, calm: i64) -> Option<Sites> {
        let (demand, class) = (world.servers[server].demand, world.servers[server].class);
        let sites = world.sites.len();
        let mut best: Option<(i64, i64, usize, Option<usize>)> = None;
        for from in (0..sites).filter(|&site| self.takes(world, server, site)) {
            let mine = self.resident(class, demand, from);
            if mine > 1 << 20 {
                continue;
            }
            if !world.servers[server].is_protected() {
                let candidate = (mine.max(calm), self.skew(class, demand, from, None), from, None);
                best = Some(best.map_or(candidate, |least| least.min(candidate)));
                continue;
            }
            for to in (0..sites).filter(|&site| site != from && self.takes(world, server, site)) {
                let (a, b) = (world.sites[from].zone, world.sites[to].zone);
                let wanted = &world.servers[server];
                if !world.apart_enough(wanted.spread, a, b) || !wanted.spans(&[from, to]) {
                    continue;
                }
                let pressure = mine.max(self.reserve(class, demand, from, to)).max(calm);
                let candidate = (pressure, self.skew(class, demand, from, Some(to)), from, Some(to));
                best = Some(best.map_or(candidate, |least| least.min(candidate)));
            }
        }
        let (_, _, primary, backup) = best?;
        self.add(world, server, primary, backup);
        Some(Sites { primary, backup })
    }

    fn add(&mut self, world: &World<'_>, server: usize, primary: usize, backup: Option<usize>) {
        let (demand, class) = (world.servers[server].demand, world.servers[server].class);
        let (storage, sites) = (world.servers[server].storage, world.sites.len());
        let add = |used: &mut Vec<Amount>, pair: &mut Vec<Amount>| {
            for (d, amount) in demand.into_iter().enumerate() {
                used[primary][d] += amount;
                if let Some(to) = backup {
                    pair[primary * sites + to][d] += amount;
                }
            }
        };
        add(&mut self.used, &mut self.pair);
        if let Some((used, pair)) = self.scarce.get_mut(self.phases[class]) {
            add(used, pair);
        }
        self.storage[primary] += storage;
        if let Some(to) = backup {
            self.storage[to] += storage;
        }
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

pub(crate) fn open_hosts(world: &World<'_>, site: usize) -> Vec<usize> {
    let hosts = world.sites[site].hosts.iter().copied();
    hosts.filter(|&host| world.hosts[host].open).collect()
}

fn fill_residents(engine: &mut Engine<'_, '_>, servers: &[usize], chosen: &[Option<Sites>]) {
    let world = engine.world;
    for site in 0..world.sites.len() {
        let here = |v: &usize| chosen[*v].is_some_and(|sites| sites.primary == site);
        let mut piles = Piles::new(world, servers.iter().copied().filter(here));
        let mut hosts = open_hosts(world, site);
        // Those that are on already cost nothing more; those with reserves had better stay asleep.
        hosts.sort_by_cached_key(|&host| {
            let on = engine.books.is_on(world, host);
            let reserved = engine.books.most_reserved[host] != [0; DIMS];
            (!on, reserved, score::inefficiency(world, host), host)
        });
        for host in hosts {
            if piles.is_empty() {
                break;
            }
            let capacity = world.hosts[host].capacity;
            piles.fill_well(
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
