//! Which sites the servers of a batch go to: what sites and pairs of sites would carry, before hosts are looked at. No I/O.
//!
//! Each server gets the pair of sites that stays most even in cores and memory, or, where sites are nearly full, the
//! pair whose fuller one stays emptiest. What copies store is counted at every site that one goes to.

use crate::engine::Engine;
use crate::world::{Amount, CopySites, DIMS, World};

/// Where a server is to go.
#[derive(Clone, Copy)]
pub(crate) struct Sites {
    pub(crate) primary: usize,
    pub(crate) backup: Option<usize>,
}

/// Most sites that are weighed against each other for one primary, each with every site for its reserve: with hundreds of
/// sites the pairs would be too many for each server of a batch.
const MOST_PRIMARIES: usize = 16;

/// Sizes are placed in this many phases, the scarcest first.
pub(crate) const PHASES: usize = 4;

/// Up to this share of what it may carry, in 2^20ths, a site's fullness is of no account: cores and memory in even
/// proportions at every site leave less idle.
pub(crate) const CALM: i64 = 950 * (1 << 20) / 1000;

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
pub(crate) struct Loads {
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
    /// What is there before the batch.
    pub(crate) fn new(engine: &Engine<'_, '_>) -> Self {
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

    /// The phase of a class, see [`phases`].
    pub(crate) fn phase(&self, class: usize) -> usize {
        self.phases[class]
    }

    fn takes(&self, world: &World<'_>, server: usize, site: usize) -> bool {
        let (dense, class) = (&world.sites[site], world.class(server));
        let stored = |limit: i64| self.storage[site] + world.storage(server) <= limit;
        dense.open
            && class.reach.allows(site)
            && !dense.hosts.is_empty()
            && (!class.stores || dense.storage.is_none_or(stored))
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
    /// makes the sites least uneven is taken. Ties go to the first. A pair that shares a risk, where the policy lets it, comes
    /// after those that do not, as long as they have room.
    pub(crate) fn choose(&mut self, world: &World<'_>, server: usize, calm: i64) -> Option<Sites> {
        let (wanted, class) = (world.class(server), world.class_of(server));
        let demand = wanted.demand;
        let may: Vec<usize> = (0..world.sites.len())
            .filter(|&site| self.takes(world, server, site))
            .collect();
        let by_storage = self.by_storage(wanted.copies, &may);
        let mut best: Option<(bool, bool, i64, i64, usize, Option<usize>)> = None;
        for (mine, from) in self.primaries(class, demand, &may, calm) {
            if !wanted.is_protected() {
                let skew = self.skew(class, demand, from, None);
                let candidate = (false, false, mine.max(calm), skew, from, None);
                best = Some(best.map_or(candidate, |least| least.min(candidate)));
                continue;
            }
            for &to in may.iter().filter(|&&site| site != from) {
                let (a, b) = (world.sites[from].zone, world.sites[to].zone);
                if !world.apart_enough(wanted.spread, a, b) || !wanted.reach.spans(&[from, to]) {
                    continue;
                }
                let pressure = mine.max(self.reserve(class, demand, from, to)).max(calm);
                let skew = self.skew(class, demand, from, Some(to));
                let shares = world.zones_share(a, b);
                let candidate = (pressure > 1 << 20, shares, pressure, skew, from, Some(to));
                if best.is_none_or(|least| candidate < least)
                    && others(world, server, &by_storage, from, to).is_some()
                {
                    best = Some(candidate);
                }
            }
        }
        let (.., primary, backup) = best?;
        let others = backup.and_then(|to| others(world, server, &by_storage, primary, to));
        let others = others.unwrap_or_default();
        self.add(world, server, primary, backup, &others);
        Some(Sites { primary, backup })
    }

    /// The sites that can take one more of this class as a resident, and how full each would be: all of them, or the best
    /// where they are very many.
    fn primaries(&self, class: usize, demand: Amount, may: &[usize], calm: i64) -> Vec<(i64, usize)> {
        let full = may.iter().map(|&from| (self.resident(class, demand, from), from));
        let mut found: Vec<(i64, usize)> = full.filter(|(mine, _)| *mine <= 1 << 20).collect();
        if found.len() > MOST_PRIMARIES {
            found.sort_by_cached_key(|&(mine, from)| {
                (mine.max(calm), self.skew(class, demand, from, None), from)
            });
            found.truncate(MOST_PRIMARIES);
        }
        found
    }

    /// The sites in the order in which copies beyond the reserve's take them: the least stored first.
    fn by_storage(&self, copies: i64, may: &[usize]) -> Vec<usize> {
        let mut sites = if copies > 2 { may.to_vec() } else { Vec::new() };
        sites.sort_by_key(|&site| (self.storage[site], site));
        sites
    }

    fn add(
        &mut self,
        world: &World<'_>,
        server: usize,
        primary: usize,
        backup: Option<usize>,
        others: &[usize],
    ) {
        let (demand, class) = (world.class(server).demand, world.class_of(server));
        let (storage, sites) = (world.storage(server), world.sites.len());
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
        for site in backup.iter().chain(others).chain([&primary]) {
            self.storage[*site] += storage;
        }
    }
}

/// Sites for the copies beyond the reserve's, each the first in order that is apart enough from those before; `None` when
/// there are too few.
fn others(world: &World<'_>, server: usize, order: &[usize], from: usize, to: usize) -> Option<CopySites> {
    let wanted = world.class(server);
    let missing = usize::try_from(wanted.copies - 2).unwrap_or(0);
    let mut chosen = CopySites::new();
    for &site in order {
        if chosen.len() >= missing {
            break;
        }
        let zone = |site: usize| world.sites[site].zone;
        let mut all: CopySites = [from, to].into_iter().chain(chosen.iter().copied()).collect();
        let clear =
            |&other: &usize| other != site && world.apart_enough(wanted.spread, zone(other), zone(site));
        let apart = all.iter().all(clear);
        all.push(site);
        if apart && wanted.reach.spans(&all) {
            chosen.push(site);
        }
    }
    (chosen.len() >= missing).then_some(chosen)
}

/// A share in 2^20ths.
fn share(part: i64, whole: i64) -> i64 {
    if whole <= 0 {
        i64::MAX / 4
    } else {
        part.saturating_mul(1 << 20) / whole
    }
}

#[cfg(test)]
mod tests;
