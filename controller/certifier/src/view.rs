//! What the certifier counts of a fleet and a plan: hosts that can be relied on, and servers that are free to be
//! elsewhere. No I/O.
//!
//! Left out on both sides, in what the plan has and in what any plan needs: hosts that are fenced, unready or cannot be
//! read, and the servers recorded there. Nothing about them can be decided.

use std::collections::{BTreeMap, BTreeSet};

use raidc_planner::{
    DemandId, Fleet, Granted, Host, HostName, HostUse, Plan, Rack, RiskName, Server, ServerId, ServerPlan,
    Site, SiteName, Spread, State, Waiting, WaitingOn,
};

/// Largest sizes that are believed, as the planner believes them: a million cores, an exbibyte, a megawatt.
const MAX_CPU: i64 = 1_000_000_000;
const MAX_MIB: i64 = 1 << 40;
const MAX_WATTS: i64 = 1_000_000;

/// An amount per measure: thousandths of a virtual core, MiB.
pub(crate) type Amount = [i128; 2];

/// A host that counts.
#[derive(Clone, Debug)]
pub(crate) struct AHost {
    pub(crate) site: usize,
    /// For our servers: after overcommit and what others' pods take.
    pub(crate) room: Amount,
    pub(crate) idle_watts: i128,
    /// Others' pods keep it on whatever we do.
    pub(crate) on_anyway: bool,
    /// Takes part in the site's ceiling: neither draining nor at a place that is being emptied.
    pub(crate) in_ceiling: bool,
    /// Whole virtual cores and memory, and what others' pods take of them.
    pub(crate) full: Amount,
    pub(crate) taken: Amount,
}

/// A site.
#[derive(Clone, Debug)]
pub(crate) struct ASite {
    pub(crate) name: SiteName,
    pub(crate) risks: BTreeSet<RiskName>,
    pub(crate) ceiling_percent: i128,
}

/// A server that counts: it runs on a host that counts.
#[derive(Clone, Debug)]
pub(crate) struct AServer {
    pub(crate) size: Amount,
    /// Host of the primary.
    pub(crate) host: usize,
    /// Host of the reserve, where the plan has one on a host that counts.
    pub(crate) backup: Option<usize>,
    /// Sites it may be at, ascending: those allowed, and those where it or its data is.
    pub(crate) may: Vec<usize>,
    pub(crate) spread: Spread,
}

/// What is counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) sites: Vec<ASite>,
    pub(crate) hosts: Vec<AHost>,
    pub(crate) servers: Vec<AServer>,
}

impl View {
    /// Reads a fleet and a plan for it.
    pub(crate) fn read(fleet: &Fleet, plan: &Plan) -> Self {
        let mut view = Self {
            sites: fleet
                .sites
                .iter()
                .map(|(name, site)| a_site(name, site))
                .collect(),
            ..Self::default()
        };
        let mut index: BTreeMap<&HostName, usize> = BTreeMap::new();
        for (name, host) in &fleet.hosts {
            if let Some(counted) = view.a_host(fleet, host) {
                index.insert(name, view.hosts.len());
                view.hosts.push(counted);
            }
        }
        for (id, decided) in &plan.servers {
            let Some(server) = fleet.servers.get(id) else {
                continue;
            };
            let Some(&host) = index.get(&decided.placement.host) else {
                continue;
            };
            let backup = decided
                .backup
                .as_ref()
                .and_then(|spot| index.get(&spot.host).copied());
            let mut may = view.may(server);
            may.extend(view.recorded(server, Some(decided)));
            may.push(view.hosts[host].site);
            may.extend(backup.map(|backup| view.hosts[backup].site));
            may.sort_unstable();
            may.dedup();
            view.servers.push(AServer {
                size: amount(&decided.granted),
                host,
                backup,
                may,
                spread: server.spread,
            });
        }
        view
    }

    fn a_host(&self, fleet: &Fleet, host: &Host) -> Option<AHost> {
        let rack = fleet
            .racks
            .get(&host.rack)
            .filter(|rack| rack.site == host.site)?;
        let site = fleet.sites.get(&host.site)?;
        if !believable(host) || !relied_on(site, rack, host) {
            return None;
        }
        let overcommit = i128::from(site.cpu_overcommit_percent);
        let (cpu, memory) = (i128::from(host.cpu_milli), i128::from(host.memory_mib));
        let (taken_cpu, taken_memory) = (
            i128::from(host.taken_cpu_milli),
            i128::from(host.taken_memory_mib),
        );
        let emptied = |state: State| state == State::Draining;
        let full = [cpu * overcommit / 100, memory];
        Some(AHost {
            site: self.site(&host.site)?,
            room: [
                (cpu - taken_cpu).max(0) * overcommit / 100,
                (memory - taken_memory).max(0),
            ],
            idle_watts: i128::from(host.idle_watts),
            on_anyway: host.kept_on,
            in_ceiling: !(emptied(site.state) || emptied(rack.state) || host.usable == HostUse::Draining),
            full,
            taken: [
                (taken_cpu * overcommit / 100).min(full[0]),
                taken_memory.min(full[1]),
            ],
        })
    }

    /// Index of a site.
    pub(crate) fn site(&self, name: &SiteName) -> Option<usize> {
        self.sites.binary_search_by(|site| site.name.cmp(name)).ok()
    }

    /// The sites that a server's own definition allows.
    pub(crate) fn may(&self, server: &Server) -> Vec<usize> {
        match &server.sites_allowed {
            None => (0..self.sites.len()).collect(),
            Some(sites) => sites.iter().filter_map(|name| self.site(name)).collect(),
        }
    }

    /// The sites where it or a copy of it is recorded or planned, allowed or not: what is there may stay there.
    pub(crate) fn recorded(&self, server: &Server, decided: Option<&ServerPlan>) -> Vec<usize> {
        let current = server.current.iter();
        let before = current.flat_map(|current| current.copy_sites.iter().chain([&current.site]));
        let now = decided.into_iter().flat_map(|decided| {
            decided
                .copy_sites
                .iter()
                .chain([&decided.placement.site])
                .chain(decided.backup.as_ref().map(|spot| &spot.site))
        });
        before.chain(now).filter_map(|name| self.site(name)).collect()
    }

    /// Whether copies at two sites are as far apart as `spread` asks, as far as the sites themselves say.
    pub(crate) fn apart_enough(&self, spread: Spread, a: usize, b: usize) -> bool {
        a != b && (spread == Spread::Site || self.sites[a].risks.is_disjoint(&self.sites[b].risks))
    }

    /// The sites that fall together: each by itself, and those that list one risk.
    pub(crate) fn losses(&self) -> Vec<(Option<RiskName>, Vec<usize>)> {
        let mut losses: Vec<(Option<RiskName>, Vec<usize>)> =
            (0..self.sites.len()).map(|site| (None, vec![site])).collect();
        let mut reach: BTreeMap<&RiskName, Vec<usize>> = BTreeMap::new();
        for (at, site) in self.sites.iter().enumerate() {
            for risk in &site.risks {
                reach.entry(risk).or_default().push(at);
            }
        }
        let shared = reach.into_iter().filter(|(_, sites)| sites.len() > 1);
        losses.extend(shared.map(|(risk, sites)| (Some(risk.clone()), sites)));
        losses
    }

    /// The most that servers may use of each site in normal running.
    pub(crate) fn ceilings(&self) -> Vec<Amount> {
        let mut ceilings = vec![[0i128; 2]; self.sites.len()];
        let mut taken = ceilings.clone();
        for host in self.hosts.iter().filter(|host| host.in_ceiling) {
            for d in 0..2 {
                ceilings[host.site][d] += host.full[d];
                taken[host.site][d] += host.taken[d];
            }
        }
        for (at, ceiling) in ceilings.iter_mut().enumerate() {
            for d in 0..2 {
                ceiling[d] = (ceiling[d] * self.sites[at].ceiling_percent / 100 - taken[at][d]).max(0);
            }
        }
        ceilings
    }

    /// Room on all hosts of each site.
    pub(crate) fn rooms(&self) -> Vec<Amount> {
        let mut rooms = vec![[0i128; 2]; self.sites.len()];
        for host in &self.hosts {
            for (room, more) in rooms[host.site].iter_mut().zip(host.room) {
                *room += more;
            }
        }
        rooms
    }
}

fn a_site(name: &SiteName, site: &Site) -> ASite {
    ASite {
        name: name.clone(),
        risks: site.shared_risks.clone(),
        ceiling_percent: i128::from(site.ceiling_percent.clamp(0, 100)),
    }
}

/// Virtual cores in thousandths and MiB with overhead.
pub(crate) fn size_of(server: &Server) -> Amount {
    amount(&server.counted())
}

fn amount(size: &Granted) -> Amount {
    [
        i128::from(size.cpu_milli.clamp(0, MAX_CPU)),
        i128::from(size.memory_mib.clamp(0, MAX_MIB)) + i128::from(size.overhead_mib.clamp(0, MAX_MIB)),
    ]
}

fn believable(host: &Host) -> bool {
    (1..=MAX_CPU).contains(&host.cpu_milli)
        && (1..=MAX_MIB).contains(&host.memory_mib)
        && (0..=MAX_CPU).contains(&host.taken_cpu_milli)
        && (0..=MAX_MIB).contains(&host.taken_memory_mib)
        && (0..=MAX_WATTS).contains(&host.idle_watts)
        && (host.idle_watts..=MAX_WATTS).contains(&host.max_watts)
}

fn relied_on(site: &Site, rack: &Rack, host: &Host) -> bool {
    let known = |state: State| !matches!(state, State::Fenced | State::Unknown);
    known(site.state)
        && known(rack.state)
        && !matches!(host.usable, HostUse::NotReady | HostUse::Unknown)
        && (1..=10_000).contains(&site.cpu_overcommit_percent)
}

/// Waits for room, and not for a correction or a quota.
pub(crate) fn wants_room(waiting: &Waiting) -> bool {
    !matches!(
        waiting.on,
        WaitingOn::Malformed { .. } | WaitingOn::UnknownTenant | WaitingOn::Quota { .. }
    )
}

/// The servers that wait for room.
pub(crate) fn waiting<'a>(
    fleet: &'a Fleet,
    plan: &'a Plan,
) -> impl Iterator<Item = (&'a ServerId, &'a Server)> {
    plan.waiting.iter().filter_map(|(id, waiting)| match id {
        DemandId::Server(id) if wants_room(waiting) => fleet.servers.get_key_value(id),
        _ => None,
    })
}
