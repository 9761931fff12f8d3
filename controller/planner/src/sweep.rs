//! The steps of a consolidation, and what it may still do. No I/O.

use crate::consolidate::{ConsolidationOptions, Reach, candidates, cost_joules, empty, on_host, pays};
use crate::engine::Engine;
use crate::ids::{HostName, ServerId};
use crate::swap;
use crate::world::count;

/// A consolidation under way.
pub(crate) struct Sweep<'o> {
    options: &'o ConsolidationOptions,
    /// Per host: who ran there at first. Right for hosts that neither gave nor received.
    on_host: Vec<Vec<usize>>,
    /// Per host: it took servers in, which are not to move twice.
    received: Vec<bool>,
    /// Per host: it was emptied.
    emptied: Vec<bool>,
    /// Hosts that slept and took over.
    woken: Vec<usize>,
    /// Who moved, in order.
    order: Vec<usize>,
    /// Servers moved so far.
    pub(crate) moved: i64,
    /// What that cost.
    pub(crate) cost_joules: i64,
}

impl<'o> Sweep<'o> {
    pub(crate) fn new(engine: &Engine<'_, '_>, options: &'o ConsolidationOptions) -> Self {
        let hosts = engine.world.hosts.len();
        Self {
            options,
            on_host: on_host(engine),
            received: vec![false; hosts],
            emptied: vec![false; hosts],
            woken: Vec::new(),
            order: Vec::new(),
            moved: 0,
            cost_joules: 0,
        }
    }

    /// Whether the host's servers may move at all. A reserve that must start at once needs it awake.
    fn may_give(&self, engine: &Engine<'_, '_>, host: usize) -> bool {
        let rests = |&v: &usize| self.options.resting.contains(&engine.world.ids[v]);
        !self.received[host]
            && !self.emptied[host]
            && engine.books.warm[host] == 0
            && !self.on_host[host].iter().any(rests)
    }

    /// Whether the moves of these servers are within the budget and paid for by so many milliwatts less.
    fn pays(&self, engine: &Engine<'_, '_>, saved_mw: i64, servers: &[usize]) -> bool {
        self.moved + count(servers.len()) <= self.options.max_moves
            && saved_mw >= self.options.least_watts.saturating_mul(1000)
            && pays(saved_mw, cost_joules(engine, servers, self.options), self.options)
    }

    fn record(
        &mut self,
        engine: &Engine<'_, '_>,
        from: &[usize],
        servers: &[usize],
        targets: &[(usize, usize)],
    ) {
        for &host in from {
            self.emptied[host] = true;
        }
        for &(server, target) in targets {
            self.received[target] = true;
            self.order.push(server);
        }
        self.moved += count(servers.len());
        self.cost_joules += cost_joules(engine, servers, self.options);
    }

    /// Empties hosts one by one as long as others that are on have room.
    pub(crate) fn empty_what_fits_elsewhere(&mut self, engine: &mut Engine<'_, '_>) {
        for host in candidates(engine, self.options) {
            let servers = self.on_host[host].clone();
            if self.may_give(engine, host)
                && self.pays(engine, engine.world.hosts[host].idle_mw, &servers)
                && let Some(targets) = empty(engine, &[host], &servers, None, self.options.reach)
            {
                self.record(engine, &[host], &servers, &targets);
            }
        }
    }

    /// Empties several hosts at a time onto a more efficient one of their site that sleeps.
    pub(crate) fn swap_onto_sleeping(&mut self, engine: &mut Engine<'_, '_>) {
        let world = engine.world;
        for site in 0..world.sites.len() {
            let mut donors: Vec<usize> = candidates(engine, self.options)
                .into_iter()
                .filter(|&host| world.hosts[host].site == site && self.may_give(engine, host))
                .collect();
            for target in swap::sleeping(engine, site) {
                let Some(from) = swap::choose(engine, &donors, target) else {
                    continue;
                };
                let servers: Vec<usize> = from.iter().flat_map(|&host| self.on_host[host].clone()).collect();
                let saved_mw = swap::saved_mw(world, &from, target);
                if !self.pays(engine, saved_mw, &servers) {
                    continue;
                }
                if let Some(targets) = empty(engine, &from, &servers, Some(target), Reach::Anywhere) {
                    self.record(engine, &from, &servers, &targets);
                    self.woken.push(target);
                    donors.retain(|host| !from.contains(host));
                }
            }
        }
    }

    /// The servers that moved, in order.
    pub(crate) fn order(&self, engine: &Engine<'_, '_>) -> Vec<ServerId> {
        let id = |&server: &usize| engine.world.ids[server].clone();
        self.order.iter().map(id).collect()
    }

    /// Hosts that servers ran on and none does now.
    pub(crate) fn asleep_now(&self, engine: &Engine<'_, '_>) -> Vec<HostName> {
        let hosts = 0..engine.world.hosts.len();
        names(
            engine,
            hosts.filter(|&host| self.emptied[host] && engine.books.residents[host] == 0),
        )
    }

    /// Hosts that none ran on at first and some do now.
    pub(crate) fn woken(&self, engine: &Engine<'_, '_>) -> Vec<HostName> {
        names(
            engine,
            self.woken.iter().copied().filter(|&host| !self.emptied[host]),
        )
    }
}

fn names(engine: &Engine<'_, '_>, hosts: impl Iterator<Item = usize>) -> Vec<HostName> {
    let mut names: Vec<HostName> = hosts.map(|host| engine.world.hosts[host].name.clone()).collect();
    names.sort();
    names
}
