//! Keeping room for those who wait at the head of the queue, so that nobody behind them takes what becomes free. No I/O.
//!
//! A claim counts a server in the books, beyond what a host has, on the host that lacks the least for it; and its reserve,
//! on the host that lacks the least for that, as soon as the server itself would find room. Room is kept only for who
//! lacks nothing else: one whose group leaves it no place, or whose data no store has room for, may wait for ever, and what
//! was kept for it would lie idle as long.
//!
//! *Nobody waits for ever behind those that come later.* What is kept for a server only grows: the host with room for it
//! stays its own until it is in, and of the reserves that could go with it the one that lacks the least is kept, which
//! is changed only for one that lacks less.

use crate::apart;
use crate::colocate;
use crate::copies;
use crate::engine::Engine;
use crate::fits;
use crate::place::Wish;
use crate::quota::{self, Use};
use crate::state::Books;
use crate::together;
use crate::world::{DIMS, World};

/// Most servers that room is kept for at a time.
const MAX_CLAIMS: usize = 16;

/// Those that room is kept for in one walk over the queue. To be ended by [`Claims::release`].
pub(crate) struct Claims {
    most: usize,
    pub(crate) servers: Vec<usize>,
}

impl Claims {
    /// None yet; at most one for every eight of the open hosts, at least one.
    pub(crate) fn new(world: &World<'_>) -> Self {
        let open = world.hosts.iter().filter(|host| host.open).count();
        Self {
            most: (open / 8).clamp(1, MAX_CLAIMS),
            servers: Vec::new(),
        }
    }

    /// Keeps room for a server, which counts against its tenant's quota from here on, unless there are claims enough or room
    /// would not help it.
    pub(crate) fn keep(&mut self, engine: &mut Engine<'_, '_>, used: &mut Use, server: usize) {
        if self.servers.len() >= self.most {
            return;
        }
        let Some((host, reserve)) = nearest(engine, server) else {
            return;
        };
        let (world, wanted) = (engine.world, &engine.world.servers[server]);
        engine.books.claim(world, server, host);
        if let Some(reserve) = reserve {
            engine.books.add_backup(world, server, reserve);
        }
        used.add(wanted.tenant, &quota::of_server(wanted));
        self.servers.push(server);
    }

    /// Gives all of it back. What was counted against quotas ends with the walk.
    pub(crate) fn release(self, engine: &mut Engine<'_, '_>) {
        for server in self.servers.into_iter().rev() {
            let world = engine.world;
            engine.books.remove_backup(world, server);
            engine.books.unclaim(world, server);
        }
    }
}

/// What a server asks of a place besides room.
#[derive(Clone, Copy)]
struct Rules<'a> {
    world: &'a World<'a>,
    books: &'a Books,
    server: usize,
    /// Whether its anti-affinity group counts.
    apart: bool,
}

impl<'a> Rules<'a> {
    fn of(engine: &'a Engine<'_, '_>, server: usize) -> Self {
        Self {
            world: engine.world,
            books: &engine.books,
            server,
            apart: true,
        }
    }

    fn stores_at(&self, site: usize) -> bool {
        self.world.sites[site].open
            && self.world.servers[self.server].allows(site)
            && fits::storage(self.world, self.books, self.server, site).is_ok()
    }

    /// Whether an empty host would do, as far as its size and the watts of its rack go.
    fn is_large_enough(&self, host: usize) -> bool {
        let (wanted, dense) = (&self.world.servers[self.server], &self.world.hosts[host]);
        let rack = &self.world.racks[dense.rack];
        (0..DIMS).all(|d| wanted.demand[d] <= dense.capacity[d])
            && dense.draw_mw(wanted.demand[0]) + dense.idle_mw <= rack.capacity_mw - rack.other_mw
    }

    /// The hosts that it may run on once they have room.
    fn primaries(self) -> impl Iterator<Item = usize> + 'a {
        let (world, books, server) = (self.world, self.books, self.server);
        let demand = world.servers[server].demand;
        let carries = move |site: usize| {
            let dense = &world.sites[site];
            (0..DIMS).all(|d| demand[d] <= dense.ceiling[d] - dense.taken[d])
        };
        (0..world.sites.len())
            .filter(move |&site| self.stores_at(site) && carries(site))
            .flat_map(move |site| world.sites[site].hosts.iter().copied())
            .filter(move |&host| {
                world.hosts[host].open
                    && self.is_large_enough(host)
                    && (!self.apart || apart::allows_primary(world, books, server, host))
                    && together::allows_primary(world, books, server, host)
            })
    }

    /// The hosts that may be reserved for it once they have room, when it runs in `zone`.
    fn reserves(self, zone: usize) -> impl Iterator<Item = usize> + 'a {
        let (world, books, server) = (self.world, self.books, self.server);
        let wanted = &world.servers[server];
        let wish = Wish::new(world);
        // At its own site nothing is apart from it: thousands of hosts need not be asked.
        let own = world.zones[zone].site;
        (0..world.sites.len())
            .filter(move |&site| site != own && self.stores_at(site))
            .flat_map(move |site| world.sites[site].hosts.iter().copied())
            .filter(move |&host| {
                let dense = &world.hosts[host];
                dense.open
                    && world.apart_enough(wanted.spread, zone, dense.zone)
                    && self.is_large_enough(host)
                    && (!wanted.warm || books.is_on_now(world, host))
                    && (!self.apart || apart::allows_backup(world, books, server, host, zone))
                    && together::allows_backup(world, books, server, host)
                    && (wanted.copies <= 2
                        || copies::choose_for(world, books, server, zone, Some(host), &wish).is_ok())
            })
    }

    /// Whether there is a place for it but for the room.
    fn leave_a_place(self) -> bool {
        let protected = self.world.servers[self.server].is_protected();
        let mut without: Vec<usize> = Vec::new();
        for host in self.primaries() {
            let zone = self.world.hosts[host].zone;
            if without.contains(&zone) {
                continue;
            }
            if !protected || self.reserves(zone).next().is_some() {
                return true;
            }
            without.push(zone);
        }
        false
    }
}

/// Whether room is all that keeps `server`, which is not in the books, from a place with all that its policy asks.
pub(crate) fn room_would_do(engine: &Engine<'_, '_>, server: usize) -> bool {
    Rules::of(engine, server).leave_a_place()
}

/// Whether its anti-affinity group leaves `server`, which is not in the books, no place, and nothing else that room
/// would not mend.
pub(crate) fn group_is_in_the_way(engine: &Engine<'_, '_>, server: usize) -> bool {
    let rules = Rules::of(engine, server);
    let without = Rules {
        apart: false,
        ..rules
    };
    engine.world.apart(server).is_some() && !rules.leave_a_place() && without.leave_a_place()
}

/// The host that lacks the least for `server`, of those where room is all that it lacks; of a protected one together with
/// its reserve. The reserve is named where the host has room already.
fn nearest(engine: &Engine<'_, '_>, server: usize) -> Option<(usize, Option<usize>)> {
    let (world, rules) = (engine.world, Rules::of(engine, server));
    // Per zone the best: whether it has no room, what it lacks.
    let mut zones: Vec<Option<(bool, i64, usize)>> = vec![None; world.zones.len()];
    for host in rules.primaries() {
        let full = fits::primary(world, &engine.books, server, host).is_err();
        let found = (full, lacks(engine, server, host), host);
        let best = &mut zones[world.hosts[host].zone];
        *best = Some(best.map_or(found, |least| least.min(found)));
    }
    if !world.servers[server].is_protected() {
        let (.., host) = zones.into_iter().flatten().min()?;
        return Some((host, None));
    }
    let mut best: Option<(bool, i64, usize, usize)> = None;
    for (zone, found) in zones.into_iter().enumerate() {
        let Some((full, lack, host)) = found else { continue };
        if best.is_some_and(|(other, least, ..)| (full, lack) > (other, least)) {
            continue;
        }
        for reserve in rules.reserves(zone) {
            let lacks = reserve_lacks(engine, server, reserve, zone).unwrap_or(0);
            let pair = (full, lack + lacks, host, reserve);
            best = Some(best.map_or(pair, |least| least.min(pair)));
        }
    }
    best.map(|(full, _, host, reserve)| (host, (!full).then_some(reserve)))
}

/// Whether the host is large enough for this server and takes something new.
pub(crate) fn could(world: &World<'_>, server: usize, host: usize) -> bool {
    let (wanted, dense) = (&world.servers[server], &world.hosts[host]);
    dense.open && wanted.allows(dense.site) && (0..DIMS).all(|d| wanted.demand[d] <= dense.capacity[d])
}

fn permille(lack: i64, whole: i64) -> i64 {
    lack.max(0).saturating_mul(1000) / whole.max(1)
}

/// What the host lacks for running this server, in thousandths of itself, over all measures; 0 when it lacks nothing.
pub(crate) fn lacks(engine: &Engine<'_, '_>, server: usize, host: usize) -> i64 {
    let (world, books) = (engine.world, &engine.books);
    let (wanted, dense) = (&world.servers[server], &world.hosts[host]);
    let on_host = |d: usize| {
        let free = dense.capacity[d] - books.used[host][d] - books.most_reserved[host][d];
        permille(wanted.demand[d] - free, dense.capacity[d])
    };
    let at_site = |d: usize| {
        let site = &world.sites[dense.site];
        let free = site.ceiling[d] - books.site_used[dense.site][d];
        permille(wanted.demand[d] - free, dense.capacity[d])
    };
    let asked = dense.draw_mw(wanted.demand[0]);
    let watts = permille(
        asked - colocate::headroom_mw(world, books, dense.rack),
        dense.idle_mw + dense.dynamic_mw,
    );
    (0..DIMS).map(|d| on_host(d) + at_site(d)).sum::<i64>() + watts
}

/// What the host lacks for the reserve of a server that would run in `zone`, in thousandths of itself; `None` where it may
/// not be.
pub(crate) fn reserve_lacks(engine: &Engine<'_, '_>, server: usize, host: usize, zone: usize) -> Option<i64> {
    let (world, books) = (engine.world, &engine.books);
    let (wanted, dense) = (&world.servers[server], &world.hosts[host]);
    if !world.apart_enough(wanted.spread, zone, dense.zone) {
        return None;
    }
    let here = &world.zones[dense.zone].scenarios;
    let in_scenario = |&f: &usize| {
        let on_host = |d: usize| {
            let free =
                dense.capacity[d] - books.used[host][d] - books.reserved[host * books.scenarios + f][d];
            permille(wanted.demand[d] - free, dense.capacity[d])
        };
        let left = world.racks[dense.rack].capacity_mw
            - books.committed_mw[dense.rack]
            - books.added_mw[dense.rack * books.scenarios + f];
        let watts = dense.draw_mw(wanted.demand[0]) - left;
        (0..DIMS).map(on_host).sum::<i64>() + permille(watts, dense.idle_mw + dense.dynamic_mw)
    };
    let losses = world.zones[zone].scenarios.iter().filter(|f| !here.contains(f));
    losses.map(in_scenario).max()
}
