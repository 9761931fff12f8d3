//! What the checker reads: the plan's servers beside the fleet's, with hosts and racks as indices. No I/O.

use std::collections::BTreeMap;

use crate::fault::{Fault, Rule};
use crate::fleet::{Fleet, Host, HostUse, Rack, Server, Site, State};
use crate::ids::{HostName, RackName, ServerId, SiteName};
use crate::plan::{Plan, ServerPlan};

/// A host of the fleet whose rack and site exist.
pub(super) struct AHost<'a> {
    pub(super) name: &'a HostName,
    pub(super) spec: &'a Host,
    pub(super) rack: usize,
    pub(super) site: &'a Site,
    /// Virtual cores in all, in thousandths.
    pub(super) virtual_cpu: i128,
    /// For our servers: virtual cores in thousandths, and MiB.
    pub(super) room: [i128; 2],
    /// Draws power before any loss.
    pub(super) on: bool,
    /// A fence proves that it is off and stays off.
    pub(super) fenced: bool,
}

/// A rack of the fleet whose site exists.
pub(super) struct ARack<'a> {
    pub(super) name: &'a RackName,
    pub(super) spec: &'a Rack,
    pub(super) site: &'a Site,
    /// On the surviving feed, derated, in milliwatts.
    pub(super) capacity_mw: i128,
    /// Drawn before any loss, in milliwatts.
    pub(super) drawn_mw: i128,
}

/// A server that the plan places.
pub(super) struct AServer<'a> {
    pub(super) id: &'a ServerId,
    pub(super) spec: &'a Server,
    pub(super) plan: &'a ServerPlan,
    pub(super) host: Option<usize>,
    pub(super) backup: Option<usize>,
    /// Virtual cores in thousandths, MiB with overhead.
    pub(super) need: [i128; 2],
    /// Its place is where it was.
    pub(super) stayed: bool,
}

/// Everything the checks look at.
pub(super) struct Model<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) plan: &'a Plan,
    pub(super) hosts: Vec<AHost<'a>>,
    pub(super) racks: Vec<ARack<'a>>,
    pub(super) servers: Vec<AServer<'a>>,
    rack_index: BTreeMap<&'a RackName, usize>,
}

/// Rounds a positive quotient up.
pub(super) fn ceil_div(a: i128, b: i128) -> i128 {
    if b <= 0 { 0 } else { (a + b - 1).div_euclid(b) }
}

/// A fault.
pub(super) fn fault(rule: Rule, what: impl Into<String>, message: impl Into<String>) -> Fault {
    Fault {
        rule,
        what: what.into(),
        message: message.into(),
    }
}

impl<'a> Model<'a> {
    /// Reads fleet and plan; what the plan names and the fleet has not becomes a fault at once.
    pub(super) fn read(fleet: &'a Fleet, plan: &'a Plan, faults: &mut Vec<Fault>) -> Self {
        let mut racks = Vec::new();
        let mut rack_index = BTreeMap::new();
        for (name, spec) in &fleet.racks {
            let Some(site) = fleet.sites.get(&spec.site) else {
                continue;
            };
            rack_index.insert(name, racks.len());
            let drawn_mw = i128::from(spec.other_watts.clamp(0, 1_000_000)) * 1000;
            racks.push(ARack {
                name,
                spec,
                site,
                capacity_mw: rack_capacity_mw(spec),
                drawn_mw,
            });
        }
        let mut hosts = Vec::new();
        let mut host_index: BTreeMap<&HostName, usize> = BTreeMap::new();
        for (name, spec) in &fleet.hosts {
            let Some(&rack) = rack_index.get(&spec.rack) else {
                continue;
            };
            if racks[rack].spec.site != spec.site || !believable(spec) {
                continue;
            }
            host_index.insert(name, hosts.len());
            hosts.push(a_host(name, spec, rack, &racks[rack]));
        }
        let mut servers = Vec::with_capacity(plan.servers.len());
        for (id, decided) in &plan.servers {
            let Some(spec) = fleet.servers.get(id) else {
                faults.push(fault(
                    Rule::Accounted,
                    format!("server/{id}"),
                    "is in the plan and not in the fleet",
                ));
                continue;
            };
            let host = host_index.get(&decided.placement.host).copied();
            let backup = decided
                .backup
                .as_ref()
                .and_then(|spot| host_index.get(&spot.host).copied());
            if let (Some(spot), None) = (&decided.backup, backup) {
                faults.push(fault(
                    Rule::PlaceExists,
                    format!("server/{id}"),
                    format!("its reserve is on {}, which is not in the fleet", spot.host),
                ));
            }
            let most = |n: i64, top: i64| i128::from(n.clamp(0, top));
            let need = [
                most(spec.cpu_milli, 1_000_000_000),
                most(spec.memory_mib, 1 << 40) + most(spec.overhead_mib, 1 << 40),
            ];
            let stayed = spec.current.as_ref().is_some_and(|current| {
                current.host.as_ref() == Some(&decided.placement.host) || host.is_none()
            });
            servers.push(AServer {
                id,
                spec,
                plan: decided,
                host,
                backup,
                need,
                stayed,
            });
        }
        let mut model = Self {
            fleet,
            plan,
            hosts,
            racks,
            servers,
            rack_index,
        };
        model.add_draw();
        model
    }

    /// Hosts that are on, their servers and others' pods, and colocated devices.
    fn add_draw(&mut self) {
        for server in &self.servers {
            if let Some(host) = server.host {
                self.hosts[host].on = true;
            }
        }
        for host in &self.hosts {
            if host.on {
                let taken = i128::from(host.spec.taken_cpu_milli.min(host.spec.cpu_milli));
                let span = span_mw(host);
                self.racks[host.rack].drawn_mw +=
                    idle_mw(host) + ceil_div(taken * span, i128::from(host.spec.cpu_milli));
            }
        }
        for server in &self.servers {
            if let Some(host) = server.host {
                self.racks[self.hosts[host].rack].drawn_mw += server_mw(&self.hosts[host], server);
            }
        }
        for (id, places) in &self.plan.colocations {
            let Some(colocation) = self.fleet.colocations.get(id) else {
                continue;
            };
            for place in places {
                let device = colocation
                    .devices
                    .iter()
                    .find(|device| device.name == place.device);
                if let (Some(device), Some(&rack)) = (device, self.rack_index.get(&place.rack)) {
                    self.racks[rack].drawn_mw += i128::from(device.watts) * 1000;
                }
            }
        }
    }

    /// Index of a rack by name.
    pub(super) fn rack(&self, name: &RackName) -> Option<usize> {
        self.rack_index.get(name).copied()
    }

    /// State of a site; one that is not in the fleet cannot be read.
    pub(super) fn site_state(&self, name: &SiteName) -> State {
        self.fleet
            .sites
            .get(name)
            .map_or(State::Unknown, |site| site.state)
    }
}

fn believable(host: &Host) -> bool {
    (1..=1_000_000_000).contains(&host.cpu_milli)
        && (1..=1 << 40).contains(&host.memory_mib)
        && (0..=1_000_000_000).contains(&host.taken_cpu_milli)
        && (0..=1 << 40).contains(&host.taken_memory_mib)
        && (0..=1_000_000).contains(&host.idle_watts)
        && (host.idle_watts..=1_000_000).contains(&host.max_watts)
}

fn a_host<'a>(name: &'a HostName, spec: &'a Host, rack: usize, its_rack: &ARack<'a>) -> AHost<'a> {
    let site = its_rack.site;
    let fenced = site.state == State::Fenced || its_rack.spec.state == State::Fenced;
    let overcommit = i128::from(site.cpu_overcommit_percent.clamp(1, 10_000));
    let free_cpu = i128::from(spec.cpu_milli - spec.taken_cpu_milli).max(0);
    AHost {
        name,
        spec,
        rack,
        site,
        virtual_cpu: i128::from(spec.cpu_milli) * overcommit / 100,
        room: [
            free_cpu * overcommit / 100,
            i128::from(spec.memory_mib - spec.taken_memory_mib).max(0),
        ],
        on: spec.powered
            || spec.taken_cpu_milli > 0
            || fenced
            || matches!(spec.usable, HostUse::NotReady | HostUse::Unknown),
        fenced,
    }
}

fn idle_mw(host: &AHost<'_>) -> i128 {
    if host.fenced {
        0
    } else {
        i128::from(host.spec.idle_watts) * 1000
    }
}

fn span_mw(host: &AHost<'_>) -> i128 {
    if host.fenced {
        0
    } else {
        i128::from(host.spec.max_watts - host.spec.idle_watts) * 1000
    }
}

/// What a server adds to the draw of this host, in milliwatts.
pub(super) fn server_mw(host: &AHost<'_>, server: &AServer<'_>) -> i128 {
    ceil_div(server.need[0] * span_mw(host), host.virtual_cpu)
}

/// What waking this host adds, in milliwatts.
pub(super) fn wake_mw(host: &AHost<'_>) -> i128 {
    if host.on { 0 } else { idle_mw(host) }
}

/// By brute force: for each feed and each panel, what is left without it; the worst of those that leave anything.
fn rack_capacity_mw(rack: &Rack) -> i128 {
    let sane = rack
        .feeds
        .iter()
        .all(|feed| (0..=1_000_000).contains(&feed.watts))
        && rack.feeds.len() <= 64
        && (0..=100).contains(&rack.derate_percent)
        && rack
            .max_watts
            .is_none_or(|limit| (0..=64_000_000).contains(&limit))
        && (0..=1_000_000).contains(&rack.other_watts);
    if !sane {
        return 0;
    }
    let mut failures: Vec<Vec<usize>> = (0..rack.feeds.len()).map(|lost| vec![lost]).collect();
    for feed in &rack.feeds {
        if let Some(panel) = &feed.panel {
            let on_it = |&at: &usize| rack.feeds[at].panel.as_ref() == Some(panel);
            failures.push((0..rack.feeds.len()).filter(on_it).collect());
        }
    }
    let left = |lost: &Vec<usize>| -> i128 {
        let remaining = (0..rack.feeds.len()).filter(|at| !lost.contains(at));
        remaining.map(|at| i128::from(rack.feeds[at].watts)).sum()
    };
    let all: i128 = rack.feeds.iter().map(|feed| i128::from(feed.watts)).sum();
    let survivors = failures
        .iter()
        .filter(|lost| lost.len() < rack.feeds.len())
        .map(left)
        .min();
    let derated = survivors.unwrap_or(all) * 1000 * i128::from(rack.derate_percent) / 100;
    rack.max_watts
        .map_or(derated, |limit| derated.min(i128::from(limit) * 1000))
}
