//! The books while planning: what every host, rack and site carries, and what is reserved there for each scenario.
//! Adding and removing are exact inverses in integers, so that any trial can be undone. No I/O.
//!
//! For every scenario `f` and host `h`, `reserved[h][f]` is what would start on `h` if `f` were lost. Scenarios share
//! the room: a host is full when `used + max over f of reserved[f]` reaches its capacity. Likewise for the watts of
//! racks, where a sleeping host adds its idle draw with the first reserve for `f`.

use rustc_hash::FxHashSet;

use crate::index::Journal;
use crate::world::{Amount, Asked, CopySites, DIMS, World};

/// Where one server is in the books.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slot {
    /// The host that it runs on.
    pub(crate) primary: Option<usize>,
    /// It is recorded at this site, on no host of the books (see `DenseSite::held`).
    pub(crate) held_at: Option<usize>,
    /// The host reserved for it.
    pub(crate) backup: Option<usize>,
    /// Sites with another copy, ascending: the backup's site is one of them.
    pub(crate) copies: CopySites,
}

impl Slot {
    /// Whether the server has a place, on a host or held.
    pub(crate) fn is_placed(&self) -> bool {
        self.primary.is_some() || self.held_at.is_some()
    }
}

/// The books.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Books {
    /// Number of scenarios.
    pub(crate) scenarios: usize,
    /// Number of sites.
    sites: usize,
    /// Per host: what residents use.
    pub(crate) used: Vec<Amount>,
    /// Per host and scenario: what is reserved.
    pub(crate) reserved: Vec<Amount>,
    /// Per host: the most that is reserved for one scenario, per measure.
    pub(crate) most_reserved: Vec<Amount>,
    /// Per host and scenario: reserves held.
    pub(crate) reserves: Vec<u32>,
    /// Per host: residents.
    pub(crate) residents: Vec<u32>,
    /// Per host: residents that are not there but only have room kept for them.
    pub(crate) claims: Vec<u32>,
    /// Per host: reserves for servers that must start at once, for which the host has to be on.
    pub(crate) warm: Vec<u32>,
    /// Per rack: draw now, in milliwatts: hosts that are on, residents, colocation, others.
    pub(crate) committed_mw: Vec<i64>,
    /// Per rack and scenario: what a loss adds, in milliwatts.
    pub(crate) added_mw: Vec<i64>,
    /// Per site: what residents use.
    pub(crate) site_used: Vec<Amount>,
    /// Per site: MiB of servers and copies.
    pub(crate) site_storage: Vec<i64>,
    /// Per ordered pair of sites: what falls on the second when the first is lost.
    pub(crate) pair: Vec<Amount>,
    /// Per server.
    pub(crate) slots: Vec<Slot>,
    /// Servers that count with the size that they ask for, until the world says so ([`crate::world::grow`]). Only ever looked
    /// up; empty but while the queue is walked.
    pub(crate) grown: FxHashSet<usize>,
    /// Which hosts changed, for whoever keeps something derived from them.
    pub(crate) journal: Journal,
}

impl Books {
    /// Empty books: only what hosts draw when nothing of ours runs.
    pub(crate) fn new(world: &World<'_>) -> Self {
        let (hosts, racks, sites) = (world.hosts.len(), world.racks.len(), world.sites.len());
        let scenarios = world.scenarios.len();
        let mut committed_mw: Vec<i64> = world.racks.iter().map(|rack| rack.other_mw).collect();
        for host in &world.hosts {
            if host.powered {
                committed_mw[host.rack] += host.idle_mw + taken_mw(world, host);
            }
        }
        Self {
            scenarios,
            sites,
            used: vec![[0; DIMS]; hosts],
            reserved: vec![[0; DIMS]; hosts * scenarios],
            most_reserved: vec![[0; DIMS]; hosts],
            reserves: vec![0; hosts * scenarios],
            residents: vec![0; hosts],
            claims: vec![0; hosts],
            warm: vec![0; hosts],
            committed_mw,
            added_mw: vec![0; racks * scenarios],
            site_used: world.sites.iter().map(|site| site.taken).collect(),
            site_storage: vec![0; sites],
            pair: vec![[0; DIMS]; sites * sites],
            slots: vec![Slot::default(); world.servers.len()],
            grown: FxHashSet::default(),
            journal: Journal::default(),
        }
    }

    /// The larger size of a server that counts with it and is not yet of that size in the world.
    fn grown<'w>(&self, world: &'w World<'_>, server: usize) -> Option<&'w Asked> {
        if self.grown.is_empty() || !self.grown.contains(&server) {
            return None;
        }
        world.servers[server].asked.as_deref()
    }

    /// What a server counts with.
    pub(crate) fn demand(&self, world: &World<'_>, server: usize) -> Amount {
        self.grown(world, server)
            .map_or(world.class(server).demand, |asked| asked.demand)
    }

    /// Storage of one copy, in MiB.
    pub(crate) fn storage(&self, world: &World<'_>, server: usize) -> i64 {
        self.grown(world, server)
            .map_or_else(|| world.storage(server), |asked| asked.storage)
    }

    /// Whether the host draws power now.
    pub(crate) fn is_on(&self, world: &World<'_>, host: usize) -> bool {
        world.hosts[host].powered || self.residents[host] > 0
    }

    /// Whether the host is on for certain: not only because room is kept there for one that waits.
    pub(crate) fn is_on_now(&self, world: &World<'_>, host: usize) -> bool {
        world.hosts[host].powered || self.residents[host] > self.claims[host]
    }

    /// The most that one scenario adds to a rack, in milliwatts.
    pub(crate) fn most_added_mw(&self, rack: usize) -> i64 {
        let row = &self.added_mw[rack * self.scenarios..(rack + 1) * self.scenarios];
        row.iter().copied().max().unwrap_or(0).max(0)
    }

    /// The zone of a placed server's primary.
    pub(crate) fn primary_zone(&self, world: &World<'_>, server: usize) -> Option<usize> {
        let slot = &self.slots[server];
        slot.primary.map(|host| world.hosts[host].zone).or_else(|| {
            let site = slot.held_at?;
            let was = world.servers[server].was.as_ref();
            Some(was.map_or(world.sites[site].zone, |was| was.zone))
        })
    }

    /// The site of a placed server's primary.
    pub(crate) fn primary_site(&self, world: &World<'_>, server: usize) -> Option<usize> {
        let slot = &self.slots[server];
        slot.primary.map(|host| world.hosts[host].site).or(slot.held_at)
    }

    /// Puts the primary of `server` on `host`. The server has none.
    pub(crate) fn add_primary(&mut self, world: &World<'_>, server: usize, host: usize) {
        debug_assert!(!self.slots[server].is_placed());
        self.turn_if_first(world, host, 1);
        self.residents[host] += 1;
        self.book_primary(world, server, host, 1);
        self.slots[server].primary = Some(host);
    }

    /// Takes the primary of `server` off its host. Its backup must be gone already.
    pub(crate) fn remove_primary(&mut self, world: &World<'_>, server: usize) {
        debug_assert!(self.slots[server].backup.is_none());
        let Some(host) = self.slots[server].primary.take() else {
            return;
        };
        self.book_primary(world, server, host, -1);
        self.residents[host] -= 1;
        self.turn_if_first(world, host, -1);
    }

    /// Keeps room for `server` on `host`, beyond what the host has.
    pub(crate) fn claim(&mut self, world: &World<'_>, server: usize, host: usize) {
        self.add_primary(world, server, host);
        self.claims[host] += 1;
        self.journal.touch(world.hosts[host].zone, host);
    }

    /// Undoes [`Books::claim`].
    pub(crate) fn unclaim(&mut self, world: &World<'_>, server: usize) {
        if let Some(host) = self.slots[server].primary {
            self.claims[host] -= 1;
            self.journal.touch(world.hosts[host].zone, host);
        }
        self.remove_primary(world, server);
    }

    /// Records the server at a site without a host.
    pub(crate) fn hold(&mut self, world: &World<'_>, server: usize, site: usize) {
        debug_assert!(!self.slots[server].is_placed());
        self.book_site(world, server, site, 1);
        self.slots[server].held_at = Some(site);
    }

    /// Undoes [`Books::hold`].
    pub(crate) fn release(&mut self, world: &World<'_>, server: usize) {
        if let Some(site) = self.slots[server].held_at.take() {
            self.book_site(world, server, site, -1);
        }
    }

    /// Reserves `host` for `server`, whose primary has a place, in every scenario that takes the primary and not the host.
    pub(crate) fn add_backup(&mut self, world: &World<'_>, server: usize, host: usize) {
        debug_assert!(self.slots[server].backup.is_none() && self.slots[server].is_placed());
        self.book_backup(world, server, host, 1);
        self.slots[server].backup = Some(host);
    }

    /// Undoes [`Books::add_backup`].
    pub(crate) fn remove_backup(&mut self, world: &World<'_>, server: usize) {
        if let Some(host) = self.slots[server].backup.take() {
            self.book_backup(world, server, host, -1);
        }
    }

    /// Sets the sites with copies, and books their storage.
    pub(crate) fn set_copies(&mut self, world: &World<'_>, server: usize, copies: CopySites) {
        let storage = self.storage(world, server);
        for &site in &self.slots[server].copies {
            self.site_storage[site] -= storage;
        }
        for &site in &copies {
            self.site_storage[site] += storage;
        }
        self.slots[server].copies = copies;
    }

    /// Takes everything of `server` out of the books and returns where it was.
    pub(crate) fn lift(&mut self, world: &World<'_>, server: usize) -> Slot {
        let was = self.slots[server].clone();
        self.remove_backup(world, server);
        self.set_copies(world, server, CopySites::new());
        self.remove_primary(world, server);
        self.release(world, server);
        was
    }

    /// Puts `server`, which has no place, back to where `slot` says: the inverse of [`Books::lift`].
    pub(crate) fn put(&mut self, world: &World<'_>, server: usize, slot: &Slot) {
        if let Some(host) = slot.primary {
            self.add_primary(world, server, host);
        } else if let Some(site) = slot.held_at {
            self.hold(world, server, site);
        }
        self.set_copies(world, server, slot.copies.clone());
        if let Some(host) = slot.backup {
            self.add_backup(world, server, host);
        }
    }

    /// Before the first resident of a sleeping host comes (+1), or after its last one went (-1): its idle draw moves
    /// from the scenarios that would wake it to the present, or back.
    fn turn_if_first(&mut self, world: &World<'_>, host: usize, sign: i64) {
        let dense = &world.hosts[host];
        if dense.powered || self.residents[host] > 0 {
            return;
        }
        self.committed_mw[dense.rack] += sign * dense.idle_mw;
        for f in 0..self.scenarios {
            if self.reserves[host * self.scenarios + f] > 0 {
                self.added_mw[dense.rack * self.scenarios + f] -= sign * dense.idle_mw;
            }
        }
    }

    fn book_primary(&mut self, world: &World<'_>, server: usize, host: usize, sign: i64) {
        self.journal.touch(world.hosts[host].zone, host);
        let (dense, demand) = (&world.hosts[host], self.demand(world, server));
        for (d, amount) in demand.into_iter().enumerate() {
            self.used[host][d] += sign * amount;
        }
        self.committed_mw[dense.rack] += sign * dense.draw_mw(demand[0]);
        self.book_site(world, server, dense.site, sign);
    }

    fn book_site(&mut self, world: &World<'_>, server: usize, site: usize, sign: i64) {
        let demand = self.demand(world, server);
        for (d, amount) in demand.into_iter().enumerate() {
            self.site_used[site][d] += sign * amount;
        }
        self.site_storage[site] += sign * self.storage(world, server);
    }

    fn book_backup(&mut self, world: &World<'_>, server: usize, host: usize, sign: i64) {
        let (Some(zone), Some(site)) = (self.primary_zone(world, server), self.primary_site(world, server))
        else {
            return;
        };
        self.journal.touch(world.hosts[host].zone, host);
        let dense = &world.hosts[host];
        let demand = self.demand(world, server);
        let draw = dense.draw_mw(demand[0]);
        let on = self.is_on(world, host);
        for &f in &world.zones[zone].scenarios {
            if world.zones[dense.zone].scenarios.contains(&f) {
                continue;
            }
            let at = host * self.scenarios + f;
            for (d, amount) in demand.into_iter().enumerate() {
                self.reserved[at][d] += sign * amount;
            }
            let before = self.reserves[at];
            self.reserves[at] = if sign > 0 { before + 1 } else { before - 1 };
            let wakes = !on && before.max(self.reserves[at]) == 1;
            self.added_mw[dense.rack * self.scenarios + f] +=
                sign * (draw + if wakes { dense.idle_mw } else { 0 });
        }
        for d in 0..DIMS {
            let row = &self.reserved[host * self.scenarios..(host + 1) * self.scenarios];
            self.most_reserved[host][d] = row.iter().map(|amount| amount[d]).max().unwrap_or(0);
            self.pair[site * self.sites + dense.site][d] += sign * demand[d];
        }
        if world.class(server).warm {
            self.warm[host] = if sign > 0 {
                self.warm[host] + 1
            } else {
                self.warm[host] - 1
            };
        }
    }
}

/// Draw of others' pods on a host, in milliwatts. Their requests are physical cores: scaled to virtual ones.
fn taken_mw(world: &World<'_>, host: &crate::world::DenseHost) -> i64 {
    let Some(spec) = world.fleet.hosts.get(&host.name) else {
        return 0;
    };
    crate::draw::share_mw(
        spec.taken_cpu_milli.min(spec.cpu_milli),
        spec.cpu_milli,
        host.dynamic_mw,
    )
}
