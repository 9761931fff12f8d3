//! Shedding: who has to stop when physics leaves no other way, the least important first. No I/O.
//!
//! Everything else has been tried before: reserves found anew, servers moved as far as the plan may. What is then still
//! fuller than it can be (a rack beyond its breaker, a host beyond its memory), or has lost its place while less important
//! servers run where its data is, is answered by a proposal: the fewest servers of the highest tier numbers that have to stop. A server that stops
//! keeps its place and its data. Nobody is stopped for one of the same tier, nor for a ceiling: a ceiling is a rule, not a breaker.

mod moments;

use std::cmp::Reverse;

use crate::apart;
use crate::fits::RESOURCES;
use crate::outcome::{Shed, ShedReason, StartIfShed};
use crate::plan::Spot;
use crate::state::{Books, Slot};
use crate::world::{DIMS, World, watts_up};

pub(crate) use moments::{of_loss, of_plan};

/// Most servers without a place that room is looked for, first in turn first.
const STARTS: usize = 64;
/// Most hosts that are looked at for each, those that lack the least first.
const HOSTS: usize = 32;

/// What a start costs: the tier of the most important one that stops, how many stop; then the host.
type Cost = (Reverse<i64>, usize, usize);

/// What is proposed.
#[derive(Debug, Default)]
pub(crate) struct Proposal {
    pub(crate) shed: Vec<Shed>,
    pub(crate) starts: Vec<StartIfShed>,
}

/// The books of one moment, and who is stopped in it.
struct Moment<'w, 'f> {
    world: &'w World<'f>,
    books: Books,
    /// Racks that count: neither lost nor at a site of which nothing is known.
    counts: Vec<bool>,
    /// Per rack its hosts, ascending.
    hosts: Vec<Vec<usize>>,
    stopped: Vec<(usize, Slot)>,
    /// Servers that start, and where.
    starts: Vec<(usize, usize)>,
}

/// Proposes who has to stop. `books` are those of the moment, only racks with `counts` are looked at, and `down` have lost their place; each
/// with the sites that hold its data.
fn propose(
    world: &World<'_>,
    books: &Books,
    counts: Vec<bool>,
    mut down: Vec<(usize, Vec<usize>)>,
) -> Proposal {
    down.sort_by_key(|(server, _)| world.turn(*server));
    if down.is_empty() && !is_any_over(world, books, &counts) {
        return Proposal::default();
    }
    let mut hosts: Vec<Vec<usize>> = vec![Vec::new(); world.racks.len()];
    for (host, dense) in world.hosts.iter().enumerate() {
        hosts[dense.rack].push(host);
    }
    let mut moment = Moment {
        world,
        books: books.clone(),
        counts,
        hosts,
        stopped: Vec::new(),
        starts: Vec::new(),
    };
    let over = moment.excesses();
    for rack in 0..world.racks.len() {
        moment.relieve(rack, None);
    }
    for (server, sites) in down.iter().take(STARTS) {
        moment.start(*server, sites);
    }
    // Once more with everything that starts, so that none stops for what another's stop has made good.
    moment.resume_all();
    for rack in 0..world.racks.len() {
        moment.relieve(rack, None);
    }
    moment.spare();
    moment.tell(&over)
}

/// Whether anything is fuller than it can be.
fn is_any_over(world: &World<'_>, books: &Books, counts: &[bool]) -> bool {
    let rack = |rack: usize| counts[rack] && books.committed_mw[rack] > world.racks[rack].capacity_mw;
    let host = |host: usize| {
        let dense = &world.hosts[host];
        let full = (0..DIMS).any(|d| books.used[host][d] > dense.capacity[d]);
        counts[dense.rack] && !dense.held && full
    };
    (0..world.racks.len()).any(rack) || (0..world.hosts.len()).any(host)
}

impl Moment<'_, '_> {
    /// By how much the rack is beyond its breaker, in milliwatts.
    fn rack_excess(&self, rack: usize) -> i64 {
        if !self.counts[rack] {
            return 0;
        }
        (self.books.committed_mw[rack] - self.world.racks[rack].capacity_mw).max(0)
    }

    /// By how much the host is beyond what it has.
    fn host_excess(&self, host: usize) -> [i64; DIMS] {
        let dense = &self.world.hosts[host];
        if dense.held || !self.counts[dense.rack] {
            return [0; DIMS];
        }
        std::array::from_fn(|d| (self.books.used[host][d] - dense.capacity[d]).max(0))
    }

    /// Per rack, and per host, what is too much.
    fn excesses(&self) -> (Vec<i64>, Vec<[i64; DIMS]>) {
        let racks = (0..self.world.racks.len()).map(|rack| self.rack_excess(rack));
        let hosts = (0..self.world.hosts.len()).map(|host| self.host_excess(host));
        (racks.collect(), hosts.collect())
    }

    fn stop(&mut self, server: usize) {
        let slot = self.books.lift(self.world, server);
        self.stopped.push((server, slot));
    }

    fn resume_all(&mut self) {
        while let Some((server, slot)) = self.stopped.pop() {
            self.books.put(self.world, server, &slot);
        }
    }

    /// Stops servers in the rack, the least important first, until neither it nor a host in it is too full. Only tiers beyond `beyond`.
    fn relieve(&mut self, rack: usize, beyond: Option<i64>) {
        let over = |moment: &Self| {
            moment.rack_excess(rack) > 0
                || moment.hosts[rack]
                    .iter()
                    .any(|&host| moment.host_excess(host) != [0; DIMS])
        };
        if !over(self) {
            return;
        }
        for server in self.order(rack, beyond) {
            let Some(host) = self.books.slots[server].primary else {
                continue;
            };
            if self.rack_excess(rack) > 0 || self.host_excess(host) != [0; DIMS] {
                self.stop(server);
            }
            if !over(self) {
                return;
            }
        }
    }

    /// The servers of a rack that could stop: the highest tier number first; those that are switched off before those that run; the largest
    /// draw, so that the fewest stop; the youngest; name.
    fn order(&self, rack: usize, beyond: Option<i64>) -> Vec<usize> {
        let world = self.world;
        let here = |&server: &usize| {
            let host = self.books.slots[server].primary;
            let may = host.is_some_and(|host| world.hosts[host].rack == rack && !world.hosts[host].held);
            let starts = self.starts.iter().any(|(other, _)| *other == server);
            may && !starts && beyond.is_none_or(|tier| world.servers[server].tier > tier)
        };
        let mut order: Vec<usize> = (0..world.servers.len()).filter(here).collect();
        order.sort_by_cached_key(|&server| {
            let dense = &world.servers[server];
            let host = self.books.slots[server].primary.unwrap_or(0);
            (
                Reverse(dense.tier),
                self.runs(server),
                Reverse(world.hosts[host].draw_mw(dense.demand[0])),
                Reverse(dense.created_at),
                server,
            )
        });
        order
    }

    fn runs(&self, server: usize) -> bool {
        let spec = self.world.fleet.servers.get(&self.world.ids[server]);
        spec.is_none_or(|spec| spec.running)
    }

    /// Starts a server that is down at a site with its data, if stopping less important ones there makes room for it.
    fn start(&mut self, server: usize, sites: &[usize]) {
        let world = self.world;
        let wanted = &world.servers[server];
        if self.world.together(server).is_some()
            || wanted.malformed.is_some()
            || self.books.slots[server].is_placed()
        {
            return;
        }
        let lacks = |host: usize| {
            let lack = |d: usize| {
                let free = world.hosts[host].capacity[d] - self.books.used[host][d];
                (wanted.demand[d] - free).max(0).saturating_mul(1000) / world.hosts[host].capacity[d].max(1)
            };
            (0..DIMS).map(lack).sum::<i64>()
        };
        let may = |&host: &usize| {
            let dense = &world.hosts[host];
            let usable = !dense.held && (dense.open || dense.keeps_reserves) && self.counts[dense.rack];
            let large = (0..DIMS).all(|d| wanted.demand[d] <= dense.capacity[d]);
            let clear = apart::others(world, server).all(|(other, by)| {
                let place = self.books.slots[other].primary;
                place.is_none_or(|place| !apart::meet(world, by, place, host))
            });
            usable && large && clear
        };
        let at = sites
            .iter()
            .flat_map(|&site| world.sites[site].hosts.iter().copied());
        let mut hosts: Vec<(i64, usize)> = at.filter(may).map(|host| (lacks(host), host)).collect();
        hosts.sort_unstable();
        hosts.dedup();
        let mut best: Option<Cost> = None;
        for (_, host) in hosts.into_iter().take(HOSTS) {
            if let Some(cost) = self.cost(server, host)
                && best.as_ref().is_none_or(|least| cost < *least)
            {
                best = Some(cost);
            }
        }
        if let Some((_, _, host)) = best {
            self.put(server, host);
        }
    }

    /// Starts the server there and stops what has to stop for it.
    fn put(&mut self, server: usize, host: usize) {
        self.books.add_primary(self.world, server, host);
        self.starts.push((server, host));
        let tier = self.world.servers[server].tier;
        self.relieve(self.world.hosts[host].rack, Some(tier));
    }

    /// What it costs to start the server there: how important the most important one is that stops, and how many do. `None` when it cannot be.
    fn cost(&mut self, server: usize, host: usize) -> Option<Cost> {
        let (world, length) = (self.world, self.stopped.len());
        self.put(server, host);
        let rack = world.hosts[host].rack;
        let fits = self.rack_excess(rack) == 0 && self.host_excess(host) == [0; DIMS];
        let stopped = &self.stopped[length..];
        let tiers = stopped.iter().map(|(other, _)| world.servers[*other].tier);
        let cost = (Reverse(tiers.min().unwrap_or(i64::MAX)), stopped.len(), host);
        while self.stopped.len() > length {
            if let Some((other, slot)) = self.stopped.pop() {
                self.books.put(world, other, &slot);
            }
        }
        self.starts.pop();
        self.books.remove_primary(world, server);
        fits.then_some(cost)
    }

    /// Lets go on whoever need not stop after all, the most important first.
    fn spare(&mut self) {
        let world = self.world;
        let mut stopped = std::mem::take(&mut self.stopped);
        stopped.sort_by_key(|(server, _)| world.turn(*server));
        for (server, slot) in stopped {
            let Some(host) = slot.primary else { continue };
            let rack = world.hosts[host].rack;
            let before = (self.rack_excess(rack), self.host_excess(host));
            self.books.put(world, server, &slot);
            if (self.rack_excess(rack), self.host_excess(host)) != before {
                self.books.lift(world, server);
                self.stopped.push((server, slot));
            }
        }
    }

    fn spot(&self, host: usize) -> Spot {
        let dense = &self.world.hosts[host];
        Spot {
            site: self.world.sites[dense.site].name.clone(),
            rack: self.world.racks[dense.rack].name.clone(),
            host: dense.name.clone(),
        }
    }

    /// The proposal in words. `over` is what was too much at first, per rack and per host.
    fn tell(mut self, over: &(Vec<i64>, Vec<[i64; DIMS]>)) -> Proposal {
        let world = self.world;
        let (racks, hosts) = over;
        self.starts.sort_by_key(|&(server, _)| world.turn(server));
        let mut order: Vec<(usize, usize)> = self
            .stopped
            .iter()
            .filter_map(|(server, slot)| Some((*server, slot.primary?)))
            .collect();
        order.sort_by_key(|&(server, _)| (Reverse(world.servers[server].tier), world.turn(server)));
        let shed = order.into_iter().filter_map(|(server, host)| {
            let (dense, rack) = (&world.servers[server], world.hosts[host].rack);
            let full = (0..DIMS).find(|&d| hosts[host][d] > 0);
            let reason = if racks[rack] > 0 {
                ShedReason::Rack {
                    rack: world.racks[rack].name.clone(),
                    over_watts: watts_up(racks[rack]),
                }
            } else if let Some(d) = full {
                ShedReason::Host {
                    host: world.hosts[host].name.clone(),
                    resource: RESOURCES[d],
                    over: hosts[host][d],
                }
            } else {
                // Others may start where it was without its having stopped for them: it never stops for its equals.
                let matters = |&&(starting, at): &&(usize, usize)| {
                    world.hosts[at].rack == rack && world.servers[starting].tier < dense.tier
                };
                let starts = self.starts.iter().filter(matters);
                let (starting, _) = starts.min_by_key(|(_, at)| *at != host)?;
                ShedReason::Starts {
                    server: world.ids[*starting].clone(),
                    tier: world.servers[*starting].tier,
                }
            };
            Some(Shed {
                server: world.ids[server].clone(),
                tier: dense.tier,
                running: self.runs(server),
                at: self.spot(host),
                watts: watts_up(world.hosts[host].draw_mw(dense.demand[0])),
                reason,
            })
        });
        let shed: Vec<Shed> = shed.collect();
        let starts = self.starts.iter().map(|&(server, host)| StartIfShed {
            server: world.ids[server].clone(),
            at: self.spot(host),
        });
        Proposal {
            starts: starts.collect(),
            shed,
        }
    }
}
