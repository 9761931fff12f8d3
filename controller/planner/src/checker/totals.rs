//! Sums over all servers, taken while the walk has each at hand: per tenant, per site, per pair of sites. No I/O.

use super::base::Base;
use super::model::{Model, Placed, fault};
use super::names::Index;
use super::physics;
use crate::fault::{Fault, Rule};
use crate::fleet::{Fleet, Quota, Server};
use crate::ids::TenantName;

/// Per tenant: what is used, and what of it is new. The order is that of `limits`.
struct Used<'a> {
    tenant: &'a TenantName,
    all: [i128; 6],
    new: [i128; 6],
}

impl Used<'_> {
    fn add(&mut self, amounts: [i128; 6], new: [i128; 6]) {
        for (at, amount) in amounts.into_iter().enumerate() {
            self.all[at] += amount;
            self.new[at] += new[at];
        }
    }
}

/// Per site.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AtSite {
    /// Servers that run there, and that would start there.
    pub(super) servers: i64,
    pub(super) backups: i64,
    /// What those that run there need.
    pub(super) need: [i64; 2],
    /// Some of it is new: a server that had no place, or more than one had; by measure.
    pub(super) fresh: [bool; 2],
    /// Of that, what one has more who gave of another measure for it. In what such a trade leaves, one that was down may start, at the
    /// price of the ceiling as ever.
    pub(super) traded: [bool; 2],
    /// What servers that came from elsewhere need.
    pub(super) came: [i64; 2],
    /// MiB of servers and copies that the plan puts there; some of it where none was.
    pub(super) stored: i128,
    pub(super) stored_fresh: bool,
    /// MiB of servers that wait for a place and left their data there.
    pub(super) left: i128,
}

/// What falls on one site when another is lost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pair {
    pub(super) servers: i64,
    pub(super) need: [i64; 2],
    pub(super) draw_mw: i128,
}

/// The sums.
#[derive(Default)]
pub(super) struct Totals<'a> {
    tenants: Vec<Used<'a>>,
    tenant_index: Index<'a>,
    last_tenant: usize,
    sites: Vec<AtSite>,
    pairs: Vec<Vec<Pair>>,
    /// Sites that the fleet has not and where servers are recorded.
    pub(super) recorded: Vec<usize>,
}

/// Grows `list` until it has `at`.
fn slot<T: Default + Clone>(list: &mut Vec<T>, at: usize) -> &mut T {
    if list.len() <= at {
        list.resize(at + 1, T::default());
    }
    &mut list[at]
}

impl<'a> Totals<'a> {
    /// Adds a server of the fleet, and its place if it has one.
    pub(super) fn add(&mut self, base: &mut Base<'a>, spec: &'a Server, placed: Option<&Placed<'a>>) {
        let new = spec.current.is_none();
        if placed.is_some() || !new {
            let kept = physics::kept(spec);
            let had = physics::counts(&kept);
            let has = placed.map_or(had, |server| physics::counts(&server.plan.granted));
            let more = |at: usize| if new { has[at] } else { (has[at] - had[at]).max(0) };
            let fresh = [i128::from(new), more(0), more(1), more(2), 0, 0];
            self.used(&spec.tenant)
                .add([1, has[0], has[1], has[2], 0, 0], fresh);
        }
        if let Some(current) = &spec.current {
            let there = placed.filter(|server| server.steady || server.plan.placement.site == current.site);
            let site = there.map_or_else(|| base.named_site(&current.site), |server| server.site);
            if base.sites[site].spec.is_none() && !self.recorded.contains(&site) {
                self.recorded.push(site);
            }
        }
        match placed {
            Some(server) => self.place(base, server),
            None => self.leave(base, spec),
        }
    }

    fn used(&mut self, tenant: &'a TenantName) -> &mut Used<'a> {
        if self
            .tenants
            .get(self.last_tenant)
            .is_none_or(|last| last.tenant != tenant)
        {
            self.last_tenant = self.tenant_index.get(tenant.as_str()).unwrap_or_else(|| {
                self.tenant_index.set(tenant.as_str(), self.tenants.len());
                self.tenants.push(Used {
                    tenant,
                    all: [0; 6],
                    new: [0; 6],
                });
                self.tenants.len() - 1
            });
        }
        &mut self.tenants[self.last_tenant]
    }

    fn place(&mut self, base: &mut Base<'a>, server: &Placed<'a>) {
        let at = slot(&mut self.sites, server.site);
        at.servers += 1;
        at.need = [at.need[0] + server.need[0], at.need[1] + server.need[1]];
        let new = server.spec.current.is_none();
        for d in 0..2 {
            at.fresh[d] |= server.grew[d] && !server.trades || new;
            at.traded[d] |= server.grew[d] && server.trades;
            if !new && !server.stayed {
                at.came[d] += server.need[d];
            }
        }
        if let Some(backup) = server.backup {
            let to = base.hosts[backup].site;
            slot(&mut self.sites, to).backups += 1;
            let pair = slot(slot(&mut self.pairs, server.site), to);
            pair.servers += 1;
            pair.need = [pair.need[0] + server.need[0], pair.need[1] + server.need[1]];
            pair.draw_mw += i128::from(server.backup_mw);
        }
        let storage = physics::storage(&server.plan.granted);
        if storage > 0 {
            self.store(base, server, storage);
        }
    }

    fn store(&mut self, base: &mut Base<'a>, server: &Placed<'a>, storage: i64) {
        let current = server.spec.current.as_ref();
        let backup = current.and_then(|current| current.backup.as_ref());
        let backup = backup.and_then(|name| base.host_named(name));
        for name in std::iter::once(&server.plan.placement.site).chain(&server.plan.copy_sites) {
            let site = base.named_site(name);
            let had = backup.is_some_and(|host| base.hosts[host].site == site)
                || current.is_some_and(|current| current.site == *name || current.copy_sites.contains(name));
            let at = slot(&mut self.sites, site);
            at.stored += i128::from(storage);
            at.stored_fresh |= !had || server.grew[2];
        }
    }

    /// The data of a server that had a place and has none stays where it was.
    fn leave(&mut self, base: &mut Base<'a>, spec: &'a Server) {
        let Some(current) = &spec.current else { return };
        let host_site = |base: &Base<'a>, name: &Option<crate::ids::HostName>| {
            let host = name.as_ref().and_then(|name| base.host_named(name));
            host.map(|host| base.hosts[host].site)
        };
        let mut sites: Vec<usize> = current
            .copy_sites
            .iter()
            .map(|name| base.named_site(name))
            .collect();
        let home = host_site(base, &current.host).unwrap_or_else(|| base.named_site(&current.site));
        sites.push(home);
        sites.extend(host_site(base, &current.backup));
        sites.sort_unstable();
        sites.dedup();
        for site in sites {
            slot(&mut self.sites, site).left += i128::from(physics::storage(&physics::kept(spec)));
        }
    }

    /// What a tenant uses, by measure.
    pub(super) fn used_by(&self, tenant: &TenantName) -> [i128; 6] {
        let at = self.tenant_index.get(tenant.as_str());
        at.map_or([0; 6], |at| self.tenants[at].all)
    }

    /// The sums of a site.
    pub(super) fn site(&self, at: usize) -> AtSite {
        self.sites.get(at).copied().unwrap_or_default()
    }

    /// Every pair that something falls through: lost site, surviving site, load.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (usize, usize, &Pair)> {
        self.pairs.iter().enumerate().flat_map(|(from, row)| {
            let row = row.iter().enumerate().filter(|(_, pair)| pair.servers > 0);
            row.map(move |(to, pair)| (from, to, pair))
        })
    }

    /// Does something new exceed a quota? Colocated devices are added here.
    pub(super) fn quotas(&mut self, model: &Model<'a>, faults: &mut Vec<Fault>) {
        for (id, places) in &model.plan.colocations {
            let Some((_, colocation)) = model.fleet.colocations.get_key_value(id) else {
                continue;
            };
            for place in places {
                let mut devices = colocation.devices.iter();
                let Some(device) = devices.find(|device| device.name == place.device) else {
                    continue;
                };
                let new = !colocation.current.contains_key(&device.name);
                let amounts = [0, 0, 0, 0, i128::from(device.watts), i128::from(device.units)];
                self.used(&colocation.tenant)
                    .add(amounts, if new { amounts } else { [0; 6] });
            }
        }
        for used in &self.tenants {
            compare(model.fleet, used, faults);
        }
    }
}

fn compare(fleet: &Fleet, used: &Used<'_>, faults: &mut Vec<Fault>) {
    let what = || format!("tenant/{}", used.tenant);
    let Some(spec) = fleet.tenants.get(used.tenant) else {
        if used.new.iter().any(|&new| new > 0) {
            let how = "is not known and something new was placed";
            faults.push(fault(Rule::Quota, what(), how));
        }
        return;
    };
    let amounts = used.all.into_iter().zip(used.new);
    for ((limit, name), (all, new)) in limits(&spec.quota).into_iter().zip(amounts) {
        if let Some(limit) = limit
            && all > i128::from(limit)
            && new > 0
        {
            let how = format!("uses {all} of {limit} {name}, {new} of it new");
            faults.push(fault(Rule::Quota, what(), how));
        }
    }
}

/// The limits of a quota by measure.
pub(super) fn limits(quota: &Quota) -> [(Option<i64>, &'static str); 6] {
    [
        (quota.servers, "servers"),
        (quota.cpu_milli, "milli-cores"),
        (quota.memory_mib, "MiB of memory"),
        (quota.storage_mib, "MiB of storage"),
        (quota.watts, "watts"),
        (quota.rack_units, "rack units"),
    ]
}
