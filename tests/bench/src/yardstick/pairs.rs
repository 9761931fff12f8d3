//! One server by trying every pair of hosts: the exhaustive way to admit. No I/O.
//!
//! The books are kept as arrays beforehand, so that only the scan is timed. It looks at cores and memory, at the sites
//! that the server may use, and at the reserve for the loss of each site; racks and groups it does not know, which
//! makes it faster than a planner that had to ask for them too.

use std::collections::BTreeMap;

use raidc_planner::{Fleet, HostName, Plan, Server, SiteName};

use super::{room, size};

/// Free room per host, and what is reserved there for the loss of each site.
#[derive(Clone, Debug)]
pub(crate) struct Books {
    names: Vec<HostName>,
    sites: Vec<SiteName>,
    site: Vec<usize>,
    free: Vec<[i64; 2]>,
    /// Host by host, site by site.
    reserved: Vec<[i64; 2]>,
}

impl Books {
    /// The books of a plan.
    pub(crate) fn of(fleet: &Fleet, plan: &Plan) -> Self {
        let sites: Vec<SiteName> = fleet.sites.keys().cloned().collect();
        let names: Vec<HostName> = fleet.hosts.keys().cloned().collect();
        let index: BTreeMap<&HostName, usize> =
            names.iter().enumerate().map(|(at, name)| (name, at)).collect();
        let site_of = |name: &SiteName| sites.binary_search(name).unwrap_or(0);
        let mut free: Vec<[i64; 2]> = fleet.hosts.values().map(|host| room(fleet, host)).collect();
        let mut reserved = vec![[0; 2]; names.len() * sites.len()];
        for (id, decided) in &plan.servers {
            let Some(server) = fleet.servers.get(id) else {
                continue;
            };
            let size = size(server);
            if let Some(&host) = index.get(&decided.placement.host) {
                free[host] = [free[host][0] - size[0], free[host][1] - size[1]];
            }
            if let Some(&host) = decided.backup.as_ref().and_then(|spot| index.get(&spot.host)) {
                let at = host * sites.len() + site_of(&decided.placement.site);
                reserved[at] = [reserved[at][0] + size[0], reserved[at][1] + size[1]];
            }
        }
        let site = fleet.hosts.values().map(|host| site_of(&host.site)).collect();
        Self {
            names,
            sites,
            site,
            free,
            reserved,
        }
    }

    /// The pair of hosts, at two sites that the server may use, that leaves the least room.
    pub(crate) fn scan(&self, server: &Server) -> Option<(&HostName, &HostName)> {
        let size = size(server);
        let may: Vec<bool> = self
            .sites
            .iter()
            .map(|site| {
                server
                    .sites_allowed
                    .as_ref()
                    .is_none_or(|sites| sites.contains(site))
            })
            .collect();
        let mut best: Option<(i64, usize, usize)> = None;
        for primary in 0..self.names.len() {
            let from = self.site[primary];
            if !may[from] {
                continue;
            }
            let mut left = self.free[primary];
            for site in 0..self.sites.len() {
                let reserved = self.reserved[primary * self.sites.len() + site];
                let free = self.free[primary];
                left = [
                    left[0].min(free[0] - reserved[0]),
                    left[1].min(free[1] - reserved[1]),
                ];
            }
            if left[0] < size[0] || left[1] < size[1] {
                continue;
            }
            for backup in 0..self.names.len() {
                let to = self.site[backup];
                if to == from || !may[to] {
                    continue;
                }
                let reserved = self.reserved[backup * self.sites.len() + from];
                let free = self.free[backup];
                let there = [free[0] - reserved[0], free[1] - reserved[1]];
                if there[0] < size[0] || there[1] < size[1] {
                    continue;
                }
                let score = left[0] + there[0] + (left[1] + there[1]) / 4;
                if best.is_none_or(|best| score < best.0) {
                    best = Some((score, primary, backup));
                }
            }
        }
        best.map(|(_, primary, backup)| (&self.names[primary], &self.names[backup]))
    }
}
