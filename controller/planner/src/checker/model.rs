//! What the checker reads: the plan's servers beside the fleet's, in one walk of the two sorted maps. No I/O.

use super::ahead::{self, Ahead};
use super::base::Base;
use super::physics;
use crate::fault::{Fault, Rule};
use crate::fleet::{Fleet, Placement, Server};
use crate::ids::{DemandId, ServerId};
use crate::plan::{Plan, ServerPlan};

/// What a server that has a place falls with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Falls {
    /// With this rack, its site and the risks of both.
    Rack(usize),
    /// With this site and its risks: in which rack it stands is not known.
    Site(usize),
}

/// A server that the plan places.
// Each flag answers a separate question, asked by different checks.
#[allow(clippy::struct_excessive_bools)]
pub(super) struct Placed<'a> {
    pub(super) id: &'a ServerId,
    pub(super) spec: &'a Server,
    pub(super) plan: &'a ServerPlan,
    pub(super) host: Option<usize>,
    pub(super) backup: Option<usize>,
    /// The site of its place.
    pub(super) site: usize,
    pub(super) falls: Falls,
    /// Virtual cores in thousandths, MiB with overhead.
    pub(super) need: [i64; 2],
    /// Whether it was granted more than it had: of cores, memory, storage.
    pub(super) grew: [bool; 3],
    /// It grew in one measure and gave of another.
    pub(super) trades: bool,
    /// What it adds to the draw of its host, and after a loss to that of its reserve, in milliwatts.
    pub(super) draw_mw: i64,
    pub(super) backup_mw: i64,
    /// Its place is where it was.
    pub(super) stayed: bool,
    /// So are its reserve and its copies.
    pub(super) steady: bool,
    /// Must start at once.
    pub(super) warm: bool,
}

/// Everything the checks look at.
pub(super) struct Model<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) plan: &'a Plan,
    pub(super) base: Base<'a>,
    pub(super) servers: Vec<Placed<'a>>,
    /// Per host: what its servers need; whether some of it is new there, by measure.
    pub(super) used: Vec<[i64; 2]>,
    pub(super) arrivals: Vec<[bool; 2]>,
    /// Per host: draws power before any loss.
    pub(super) on: Vec<bool>,
    /// Per rack: drawn before any loss, in milliwatts.
    pub(super) drawn_mw: Vec<i128>,
    /// Those of `servers` that few checks ask about, so that these need not walk over all of them again.
    pub(super) noted: Noted,
}

/// Indices among the placed servers, ascending.
#[derive(Default)]
pub(super) struct Noted {
    /// Must start at once.
    pub(super) warm: Vec<usize>,
    /// Belong to an affinity group.
    pub(super) together: Vec<usize>,
    /// Had a place, and something of it is not where it was.
    pub(super) changed: Vec<usize>,
}

impl Noted {
    /// Looks at the next placed server.
    fn add(&mut self, at: usize, server: &Placed<'_>) {
        if server.warm {
            self.warm.push(at);
        }
        if server.spec.together.is_some() {
            self.together.push(at);
        }
        if !server.steady && server.spec.current.is_some() {
            self.changed.push(at);
        }
    }
}

/// A fault.
pub(super) fn fault(rule: Rule, what: impl Into<String>, message: impl Into<String>) -> Fault {
    Fault {
        rule,
        what: what.into(),
        message: message.into(),
    }
}

/// Looks at a server of the fleet while it is at hand: its place, if it has one.
pub(super) type Visit<'v, 'a> =
    &'v mut dyn FnMut(&mut Base<'a>, &'a Server, Option<&Placed<'a>>, &mut Vec<Fault>);

impl<'a> Model<'a> {
    /// Reads fleet and plan; what the plan names and the fleet has not becomes a fault at once. `visit` is called for
    /// every server of the fleet, in the order of their identities.
    pub(super) fn read(
        fleet: &'a Fleet,
        plan: &'a Plan,
        faults: &mut Vec<Fault>,
        visit: Visit<'_, 'a>,
    ) -> Self {
        let mut model = Self::without_servers(fleet, plan);
        if plan.servers.len() > physics::MAX_SERVERS {
            let how = format!(
                "places more than the {} servers that can be counted",
                physics::MAX_SERVERS
            );
            faults.push(fault(Rule::Accounted, "plan", how));
        }
        let mut ahead = Ahead::new(
            (fleet.servers.iter(), ahead::server),
            (plan.servers.iter(), ahead::decided),
        );
        let mut next = ahead.other();
        let mut waiters = plan.waiting.keys().map_while(|id| match id {
            DemandId::Server(id) => Some(id),
            DemandId::Colocation(_) => None,
        });
        let mut waiter = waiters.next();
        while let Some((id, spec)) = ahead.one() {
            let mut decided = None;
            while let Some((other, plan)) = next {
                // Most are equal; their order is only asked when they are not.
                // One comparison for most; `match` on the order would always ask for it.
                #[allow(clippy::comparison_chain)]
                if other == id {
                    decided = Some(plan);
                } else if other < id {
                    faults.push(not_in_fleet(other, "is in the plan and not in the fleet"));
                } else {
                    break;
                }
                next = ahead.other();
                if decided.is_some() {
                    break;
                }
            }
            while let Some(other) = waiter.filter(|other| *other < id) {
                faults.push(not_in_fleet(other, "waits and is not in the fleet"));
                waiter = waiters.next();
            }
            let waits = waiter == Some(id);
            if waits {
                waiter = waiters.next();
            }
            if decided.is_some() == waits {
                let how = if waits {
                    "is placed and waits"
                } else {
                    "is neither placed nor waiting"
                };
                faults.push(fault(Rule::Accounted, format!("server/{id}"), how));
            }
            let counted = decided.filter(|_| model.servers.len() < physics::MAX_SERVERS);
            let server = counted.map(|decided| place(&mut model.base, id, spec, decided, faults));
            visit(&mut model.base, spec, server.as_ref(), faults);
            if let Some(server) = server {
                model.add(server);
            }
        }
        while let Some((stranger, _)) = next {
            faults.push(not_in_fleet(stranger, "is in the plan and not in the fleet"));
            next = ahead.other();
        }
        for stranger in waiter.into_iter().chain(waiters) {
            faults.push(not_in_fleet(stranger, "waits and is not in the fleet"));
        }
        model.add_rest();
        model
    }

    fn without_servers(fleet: &'a Fleet, plan: &'a Plan) -> Self {
        let base = Base::read(fleet);
        Self {
            fleet,
            plan,
            servers: Vec::with_capacity(plan.servers.len().min(physics::MAX_SERVERS)),
            used: vec![[0; 2]; base.hosts.len()],
            arrivals: vec![[false; 2]; base.hosts.len()],
            on: base.hosts.iter().map(|host| host.on).collect(),
            drawn_mw: base
                .racks
                .iter()
                .map(|rack| physics::other_mw(rack.spec))
                .collect(),
            base,
            noted: Noted::default(),
        }
    }

    /// A placed server, with what it adds to its host and rack.
    fn add(&mut self, server: Placed<'a>) {
        self.noted.add(self.servers.len(), &server);
        if let Some(host) = server.host {
            self.used[host][0] += server.need[0];
            self.used[host][1] += server.need[1];
            for (arrived, grew) in self.arrivals[host].iter_mut().zip(server.grew) {
                *arrived |= grew || !server.stayed;
            }
            self.on[host] = true;
            self.drawn_mw[self.base.hosts[host].rack] += i128::from(server.draw_mw);
        }
        self.servers.push(server);
    }

    /// What draws beside servers: hosts that are on, others' pods there, and colocated devices.
    fn add_rest(&mut self) {
        for (host, &on) in self.base.hosts.iter().zip(&self.on) {
            if on {
                self.drawn_mw[host.rack] += i128::from(host.build.idle_mw) + i128::from(host.build.others_mw);
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
                if let (Some(device), Some(rack)) = (device, self.base.rack(&place.rack)) {
                    self.drawn_mw[rack] += i128::from(device.watts) * 1000;
                }
            }
        }
    }
}

fn not_in_fleet(id: &ServerId, how: &str) -> Fault {
    fault(Rule::Accounted, format!("server/{id}"), how)
}

fn place<'a>(
    base: &mut Base<'a>,
    id: &'a ServerId,
    spec: &'a Server,
    plan: &'a ServerPlan,
    faults: &mut Vec<Fault>,
) -> Placed<'a> {
    let spot = &plan.placement;
    let host = base.host_named(&spot.host);
    let backup = plan.backup.as_ref().and_then(|spot| base.host_named(&spot.host));
    if let (Some(spot), None) = (&plan.backup, backup) {
        let how = format!("its reserve is on {}, which is not in the fleet", spot.host);
        faults.push(fault(Rule::PlaceExists, format!("server/{id}"), how));
    }
    let site = match host.map(|host| base.hosts[host].site) {
        Some(site) if *base.sites[site].name == spot.site => site,
        _ => base.named_site(&spot.site),
    };
    // A record of a rack that stands elsewhere than the record says is not believed, the record of the site is.
    let recorded = || {
        base.rack(&spot.rack)
            .filter(|&rack| base.racks[rack].site == site)
    };
    let falls = host
        .map(|host| base.hosts[host].rack)
        .or_else(recorded)
        .map_or(Falls::Site(site), Falls::Rack);
    let need = physics::need(&plan.granted);
    let (has, kept) = (physics::counts(&plan.granted), physics::kept(spec));
    let (had, held) = (physics::counts(&kept), physics::need(&kept));
    let grew = [need[0] > held[0], need[1] > held[1], has[2] > had[2]];
    let gave = need[0] < held[0] || need[1] < held[1] || has[2] < had[2];
    let draw = |host: Option<usize>| host.map_or(0, |host| base.hosts[host].build.draw_mw(need[0]));
    let stayed = spec
        .current
        .as_ref()
        .is_some_and(|current| host.is_none() || current.host.as_ref() == Some(&spot.host));
    Placed {
        id,
        spec,
        plan,
        host,
        backup,
        site,
        falls,
        need,
        grew,
        trades: gave && grew.contains(&true),
        draw_mw: draw(host),
        backup_mw: draw(backup),
        stayed,
        steady: stayed
            && spec
                .current
                .as_ref()
                .is_some_and(|current| same_copies(current, plan)),
        warm: spec.warm,
    }
}

fn same_copies(current: &Placement, plan: &ServerPlan) -> bool {
    let reserve = plan.backup.as_ref().map(|spot| &spot.host);
    current.backup.as_ref() == reserve
        && current.site == plan.placement.site
        && current.copy_sites == plan.copy_sites
}
