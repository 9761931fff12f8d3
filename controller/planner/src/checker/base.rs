//! The fleet without its servers, as indices: sites, racks, hosts, risks. Built once per check. No I/O.

use super::names::Index;
use super::physics::{self, Build};
use crate::fleet::{self, Fleet, HostUse, State};
use crate::ids::{HostName, RackName, SiteName};

/// A site of the fleet, or one that is only named by a record.
pub(super) struct Site<'a> {
    pub(super) name: &'a SiteName,
    /// `None` when the fleet has no such site.
    pub(super) spec: Option<&'a fleet::Site>,
    /// One that is not in the fleet, or whose overcommit makes no sense, cannot be read.
    pub(super) state: State,
    /// Its racks.
    pub(super) racks: Vec<usize>,
    /// What it shares, as indices, ascending.
    pub(super) risks: Vec<usize>,
}

/// A rack of the fleet whose site exists.
pub(super) struct Rack<'a> {
    pub(super) name: &'a RackName,
    pub(super) spec: &'a fleet::Rack,
    pub(super) site: usize,
    /// What it and its site share, as indices, ascending.
    pub(super) risks: Vec<usize>,
    /// On the surviving feed, derated, in milliwatts.
    pub(super) capacity_mw: i128,
}

/// A host of the fleet whose rack and site exist and whose figures can be true.
// Each flag answers a separate question, derived once from site, rack and host state.
#[allow(clippy::struct_excessive_bools)]
pub(super) struct Host<'a> {
    pub(super) name: &'a HostName,
    pub(super) spec: &'a fleet::Host,
    pub(super) rack: usize,
    pub(super) site: usize,
    pub(super) build: Build,
    /// Draws power whether or not a server of ours runs there.
    pub(super) on: bool,
    /// Takes something new.
    pub(super) open: bool,
    /// A server may be started there: neither site nor rack nor host is off or unreadable.
    pub(super) works: bool,
    /// Counts for the ceiling of its site.
    pub(super) counts: bool,
}

/// The fleet without its servers.
pub(super) struct Base<'a> {
    pub(super) sites: Vec<Site<'a>>,
    pub(super) racks: Vec<Rack<'a>>,
    pub(super) hosts: Vec<Host<'a>>,
    site_index: Index<'a>,
    rack_index: Index<'a>,
    host_index: Index<'a>,
    /// Names of shared risks by index.
    pub(super) risks: Vec<&'a str>,
}

/// Neither proven off nor unreadable.
pub(super) fn readable(state: State) -> bool {
    !matches!(state, State::Fenced | State::Unknown)
}

fn stays(state: State) -> bool {
    matches!(state, State::Active | State::Cordoned)
}

impl<'a> Base<'a> {
    /// Reads everything but the servers.
    pub(super) fn read(fleet: &'a Fleet) -> Self {
        let mut base = Self {
            sites: Vec::with_capacity(fleet.sites.len()),
            racks: Vec::with_capacity(fleet.racks.len()),
            hosts: Vec::with_capacity(fleet.hosts.len()),
            site_index: Index::sized(fleet.sites.len()),
            rack_index: Index::sized(fleet.racks.len()),
            host_index: Index::sized(fleet.hosts.len()),
            risks: Vec::new(),
        };
        let mut risk_index = Index::default();
        for (name, spec) in &fleet.sites {
            let sound = (1..=10_000).contains(&spec.cpu_overcommit_percent);
            let state = if sound { spec.state } else { State::Unknown };
            let risks = base.risks_of(&mut risk_index, spec.shared_risks.iter());
            base.site_index.set(name.as_str(), base.sites.len());
            base.sites.push(Site {
                name,
                spec: Some(spec),
                state,
                racks: Vec::new(),
                risks,
            });
        }
        for (name, spec) in &fleet.racks {
            let Some(site) = base.site_index.get(spec.site.as_str()) else {
                continue;
            };
            let mut risks = base.risks_of(&mut risk_index, spec.shared_risks.iter());
            risks.extend(&base.sites[site].risks);
            risks.sort_unstable();
            risks.dedup();
            base.rack_index.set(name.as_str(), base.racks.len());
            base.sites[site].racks.push(base.racks.len());
            base.racks.push(Rack {
                name,
                spec,
                site,
                risks,
                capacity_mw: physics::rack_capacity_mw(spec),
            });
        }
        for (name, spec) in &fleet.hosts {
            if let Some(host) = base.host(name, spec) {
                base.host_index.set(name.as_str(), base.hosts.len());
                base.hosts.push(host);
            }
        }
        base
    }

    fn risks_of(
        &mut self,
        index: &mut Index<'a>,
        names: impl Iterator<Item = &'a crate::ids::RiskName>,
    ) -> Vec<usize> {
        let mut risks: Vec<usize> = names
            .map(|name| {
                index.get(name.as_str()).unwrap_or_else(|| {
                    index.set(name.as_str(), self.risks.len());
                    self.risks.push(name.as_str());
                    self.risks.len() - 1
                })
            })
            .collect();
        risks.sort_unstable();
        risks
    }

    fn host(&self, name: &'a HostName, spec: &'a fleet::Host) -> Option<Host<'a>> {
        let rack = self.rack(&spec.rack)?;
        let its_rack = &self.racks[rack];
        let site = &self.sites[its_rack.site];
        if *site.name != spec.site {
            return None;
        }
        let its_site = site.spec?;
        let fenced = its_site.state == State::Fenced || its_rack.spec.state == State::Fenced;
        let build = Build::of(spec, its_site.cpu_overcommit_percent, fenced)?;
        let (at_site, at_rack) = (site.state, its_rack.spec.state);
        let unready = matches!(spec.usable, HostUse::NotReady | HostUse::Unknown);
        Some(Host {
            name,
            spec,
            rack,
            site: its_rack.site,
            build,
            on: spec.powered || spec.taken_cpu_milli > 0 || fenced || unready,
            open: at_site == State::Active && at_rack == State::Active && spec.usable == HostUse::Usable,
            works: readable(at_site)
                && readable(at_rack)
                && matches!(spec.usable, HostUse::Usable | HostUse::Draining),
            counts: stays(at_site)
                && stays(at_rack)
                && matches!(spec.usable, HostUse::Usable | HostUse::Cordoned),
        })
    }

    /// Index of a site by name.
    pub(super) fn site(&self, name: &SiteName) -> Option<usize> {
        self.site_index.get(name.as_str())
    }

    /// Index of a site by name; one that the fleet has not gets an index as a site that cannot be read.
    pub(super) fn named_site(&mut self, name: &'a SiteName) -> usize {
        self.site(name).unwrap_or_else(|| {
            self.site_index.set(name.as_str(), self.sites.len());
            self.sites.push(Site {
                name,
                spec: None,
                state: State::Unknown,
                racks: Vec::new(),
                risks: Vec::new(),
            });
            self.sites.len() - 1
        })
    }

    /// Index of a rack by name.
    pub(super) fn rack(&self, name: &RackName) -> Option<usize> {
        self.rack_index.get(name.as_str())
    }

    /// Index of a usable entry of a host by name.
    pub(super) fn host_named(&self, name: &HostName) -> Option<usize> {
        self.host_index.get(name.as_str())
    }

    /// State of a site; one that is not in the fleet cannot be read.
    pub(super) fn site_state(&self, name: &SiteName) -> State {
        self.site(name)
            .map_or(State::Unknown, |site| self.sites[site].state)
    }

    /// A risk that both lists hold, both ascending.
    pub(super) fn shared_risk(&self, one: &[usize], other: &[usize]) -> Option<&'a str> {
        one.iter()
            .find(|risk| other.binary_search(risk).is_ok())
            .map(|&risk| self.risks[risk])
    }
}
