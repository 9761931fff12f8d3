//! Does the right one stop, and nobody without need? By brute force: for every question the rack that it is about is added up again. No
//! I/O.
//!
//! Asked of each server that is to stop: would its host or rack be too full if it went on (*needed*), and would it
//! still be if every less important one of the rack stopped instead (*fair*)? Asked of each rack and host: does it hold what is
//! left, or is there nobody left to stop (*enough*)?
//!
//! That a rack which holds everything now also does after every loss that it is certified for needs no count of its own: who stops draws
//! no more then, and a host that falls asleep with it draws its idle watts at most once.

use std::collections::{BTreeMap, BTreeSet};

use super::accounts::known;
use super::base::readable;
use super::model::{Model, Placed, fault};
use crate::fault::{Fault, Rule};
use crate::fleet::Fleet;
use crate::ids::ServerId;
use crate::outcome::{LossOutcome, Shed, ShedReason, StartIfShed};
use crate::plan::Plan;
use crate::reason::Resource;

/// Where one server draws power, in the moment that is looked at.
#[derive(Clone, Copy)]
struct Runs<'m, 'a> {
    server: &'m Placed<'a>,
    host: usize,
}

/// A moment: who runs where, what is lost, who is to stop and who starts.
struct Moment<'m, 'a> {
    model: &'m Model<'a>,
    runs: Vec<Runs<'m, 'a>>,
    /// Per rack: lost, or nothing is known of its site.
    gone: Vec<bool>,
    /// Per rack: draw of what is neither a host nor a server of ours, in milliwatts.
    fixed_mw: Vec<i128>,
    /// Needs and hosts of those that start.
    starts: Vec<([i64; 2], usize)>,
    /// Per rack: its hosts, and of `runs` and `starts` those that are in it. Who stops in one rack changes nothing in another.
    inside: Vec<Inside>,
    /// Per host: its number among those of its rack.
    number: Vec<usize>,
}

/// What is in one rack, as indices.
#[derive(Clone, Default)]
struct Inside {
    hosts: Vec<usize>,
    runs: Vec<usize>,
    starts: Vec<usize>,
}

/// What is too much in one rack: in milliwatts, and per host by measure.
struct Over {
    mw: i128,
    hosts: Vec<[i64; 2]>,
}

/// Checks `plan.shed`.
pub(super) fn check(model: &Model<'_>, faults: &mut Vec<Fault>) {
    let plan = model.plan;
    let full = (0..model.base.racks.len()).any(|at| model.drawn_mw[at] > model.base.racks[at].capacity_mw)
        || (0..model.base.hosts.len()).any(|at| {
            let (used, room) = (model.used[at], model.base.hosts[at].build.room);
            used[0] > room[0] || used[1] > room[1]
        });
    if !full && plan.shed.is_empty() && plan.starts_if_shed.is_empty() {
        return;
    }
    let runs = model.servers.iter().filter_map(|server| {
        let host = server.host?;
        Some(Runs { server, host })
    });
    let moment = Moment::of(model, runs.collect(), |_| false, &plan.starts_if_shed, faults);
    for start in &plan.starts_if_shed {
        let waits = plan.waiting.contains_key(&start.server.clone().into());
        let had = model.fleet.servers.get(&start.server);
        if !waits || had.is_none_or(|server| server.current.is_none()) {
            say(&start.server, "could start and has not lost its place", faults);
        }
    }
    moment.judge(&plan.shed, &plan.starts_if_shed, faults);
}

/// Everything that is wrong with who stops after a loss, according to `outcome`, which was made for `fleet` and `plan`; empty when nothing is.
/// Judges `shed` and `starts_if_shed` alone.
pub fn confirm_shed(fleet: &Fleet, plan: &Plan, outcome: &LossOutcome) -> Vec<Fault> {
    let (mut nothing, mut faults) = (Vec::new(), Vec::new());
    let model = Model::read(fleet, plan, &mut nothing, &mut |_, _, _, _| ());
    let left = |name: &crate::ids::RackName| outcome.racks.contains_key(name);
    let to: BTreeMap<&ServerId, usize> = outcome
        .starts
        .iter()
        .filter_map(|start| Some((&start.server, model.base.host_named(&start.to.host)?)))
        .collect();
    let runs = model.servers.iter().filter_map(|server| {
        let host = to.get(server.id).copied().or(server.host)?;
        let rack = model.base.hosts[host].rack;
        left(model.base.racks[rack].name).then_some(Runs { server, host })
    });
    let runs = runs.collect();
    let gone = |rack: usize| !left(model.base.racks[rack].name);
    let moment = Moment::of(&model, runs, gone, &outcome.starts_if_shed, &mut faults);
    for start in outcome
        .starts_if_shed
        .iter()
        .filter(|start| !outcome.stranded.contains(&start.server))
    {
        say(&start.server, "could start and is not stranded", &mut faults);
    }
    moment.judge(&outcome.shed, &outcome.starts_if_shed, &mut faults);
    faults.sort();
    faults.dedup();
    faults
}

fn say(server: &ServerId, how: impl Into<String>, faults: &mut Vec<Fault>) {
    faults.push(fault(Rule::Shed, format!("server/{server}"), how));
}

impl<'m, 'a> Moment<'m, 'a> {
    fn of(
        model: &'m Model<'a>,
        runs: Vec<Runs<'m, 'a>>,
        lost: impl Fn(usize) -> bool,
        starting: &[StartIfShed],
        faults: &mut Vec<Fault>,
    ) -> Self {
        let base = &model.base;
        let gone = base.racks.iter().enumerate();
        let gone: Vec<bool> = gone
            .map(|(at, rack)| lost(at) || !readable(base.sites[rack.site].state))
            .collect();
        // Of what the rack draws, what its hosts and our servers do not: that does not change with who stops.
        let mut fixed_mw = model.drawn_mw.clone();
        for (at, host) in base.hosts.iter().enumerate() {
            if model.on[at] {
                fixed_mw[host.rack] -= i128::from(host.build.idle_mw) + i128::from(host.build.others_mw);
            }
        }
        for server in &model.servers {
            if let Some(host) = server.host {
                fixed_mw[base.hosts[host].rack] -= i128::from(server.draw_mw);
            }
        }
        let mut starts = Vec::new();
        for start in starting {
            let spec = model.fleet.servers.get(&start.server);
            let host = base.host_named(&start.at.host);
            let (Some(spec), Some(host)) = (spec, host) else {
                say(&start.server, "could start at what is not in the fleet", faults);
                continue;
            };
            let decided = model.plan.servers.get(&start.server);
            let current = spec.current.as_ref();
            let held = decided.is_some_and(|decided| decided.copy_sites.contains(&start.at.site));
            let recorded = current.is_some_and(|current| {
                let backup = current.backup.as_ref().and_then(|name| base.host_named(name));
                current.copy_sites.contains(&start.at.site)
                    || current.site == start.at.site
                    || backup.is_some_and(|backup| base.hosts[backup].site == base.hosts[host].site)
            });
            let site = &base.sites[base.hosts[host].site];
            let usable = known(model, host) && !gone[base.hosts[host].rack];
            if !(held || recorded) || *site.name != start.at.site || !usable {
                say(
                    &start.server,
                    "could start where its data is not, or at what cannot be used",
                    faults,
                );
            }
            let counted = decided.map_or_else(|| super::physics::kept(spec), |decided| decided.granted);
            starts.push((super::physics::need(&counted), host));
        }
        let mut inside = vec![Inside::default(); base.racks.len()];
        let mut number = Vec::with_capacity(base.hosts.len());
        for (at, host) in base.hosts.iter().enumerate() {
            number.push(inside[host.rack].hosts.len());
            inside[host.rack].hosts.push(at);
        }
        for (at, runs) in runs.iter().enumerate() {
            inside[base.hosts[runs.host].rack].runs.push(at);
        }
        for (at, &(_, host)) in starts.iter().enumerate() {
            inside[base.hosts[host].rack].starts.push(at);
        }
        Self {
            model,
            runs,
            gone,
            fixed_mw,
            starts,
            inside,
            number,
        }
    }

    /// What is too much in a rack when these of `runs` have stopped. With or without those that start.
    fn over(&self, rack: usize, stopped: &dyn Fn(usize) -> bool, started: bool) -> Over {
        let base = &self.model.base;
        let inside = &self.inside[rack];
        let mut over = vec![[0i64; 2]; inside.hosts.len()];
        if self.gone[rack] {
            return Over { mw: 0, hosts: over };
        }
        let mut drawn = self.fixed_mw[rack];
        let mut on: Vec<bool> = inside.hosts.iter().map(|&host| base.hosts[host].on).collect();
        let mut add = |need: [i64; 2], host: usize| {
            let at = self.number[host];
            on[at] = true;
            over[at] = [over[at][0] + need[0], over[at][1] + need[1]];
            drawn += i128::from(base.hosts[host].build.draw_mw(need[0]));
        };
        for &at in inside.runs.iter().filter(|&&at| !stopped(at)) {
            add(self.runs[at].server.need, self.runs[at].host);
        }
        for &at in inside.starts.iter().filter(|_| started) {
            add(self.starts[at].0, self.starts[at].1);
        }
        for (&at, (on, over)) in inside.hosts.iter().zip(on.into_iter().zip(&mut over)) {
            let build = &base.hosts[at].build;
            if on {
                drawn += i128::from(build.idle_mw) + i128::from(build.others_mw);
            }
            let counts = known(self.model, at);
            *over = [0, 1].map(|d| {
                if counts {
                    (over[d] - build.room[d]).max(0)
                } else {
                    0
                }
            });
        }
        Over {
            mw: (drawn - base.racks[rack].capacity_mw).max(0),
            hosts: over,
        }
    }

    /// The rack of a host.
    fn rack(&self, host: usize) -> usize {
        self.model.base.hosts[host].rack
    }

    fn judge(&self, shed: &[Shed], starting: &[StartIfShed], faults: &mut Vec<Fault>) {
        let base = &self.model.base;
        let names: BTreeSet<&ServerId> = shed.iter().map(|shed| &shed.server).collect();
        if names.len() != shed.len() {
            faults.push(fault(Rule::Shed, "plan", "stops a server twice"));
        }
        let stops: Vec<bool> = self
            .runs
            .iter()
            .map(|runs| names.contains(runs.server.id))
            .collect();
        let found: BTreeMap<&ServerId, usize> = (0..self.runs.len())
            .filter(|&at| stops[at])
            .map(|at| (self.runs[at].server.id, at))
            .collect();
        let racks = 0..base.racks.len();
        let first: Vec<Over> = racks
            .clone()
            .map(|rack| self.over(rack, &|_| false, false))
            .collect();
        let left: Vec<Over> = racks.map(|rack| self.over(rack, &|at| stops[at], true)).collect();
        for told in shed {
            let Some(&me) = found.get(&told.server) else {
                say(&told.server, "is to stop and does not run", faults);
                continue;
            };
            let runs = &self.runs[me];
            let (host, rack, number) = (runs.host, self.rack(runs.host), self.number[runs.host]);
            if told.at.host != *base.hosts[host].name
                || told.tier != runs.server.spec.tier
                || told.running != runs.server.spec.running
                || !known(self.model, host)
            {
                say(
                    &told.server,
                    "is to stop elsewhere or otherwise than it runs",
                    faults,
                );
            }
            let left = &left[rack];
            let goes_on = self.over(rack, &|at| stops[at] && at != me, true);
            if goes_on.mw == left.mw && goes_on.hosts[number] == left.hosts[number] {
                say(&told.server, "is to stop and need not", faults);
            }
            let lesser = |at: usize| {
                let other = &self.runs[at];
                known(self.model, other.host) && other.server.spec.tier > runs.server.spec.tier
            };
            let instead = self.over(rack, &|at| at != me && (stops[at] || lesser(at)), true);
            if instead.mw <= left.mw && instead.hosts[number] <= left.hosts[number] {
                say(
                    &told.server,
                    "is to stop while less important ones that would do run on",
                    faults,
                );
            }
            self.reason(told, runs, &first[rack], starting, faults);
        }
        self.enough(&stops, &left, faults);
    }

    fn reason(
        &self,
        told: &Shed,
        runs: &Runs<'m, 'a>,
        first: &Over,
        starting: &[StartIfShed],
        faults: &mut Vec<Fault>,
    ) {
        let base = &self.model.base;
        let rack = base.hosts[runs.host].rack;
        let true_reason = match &told.reason {
            ShedReason::Rack {
                rack: name,
                over_watts,
            } => {
                let watts = super::physics::watts_up(first.mw);
                base.racks[rack].name == name && watts == i128::from(*over_watts) && watts > 0
            }
            ShedReason::Host { host, resource, over } => {
                let measure = [Resource::Cpu, Resource::Memory]
                    .iter()
                    .position(|d| d == resource);
                base.hosts[runs.host].name == host
                    && *over > 0
                    && measure.is_some_and(|d| first.hosts[self.number[runs.host]][d] == *over)
            }
            ShedReason::Starts { server, tier } => {
                let at = starting.iter().find(|start| start.server == *server);
                let there = at.and_then(|start| base.host_named(&start.at.host));
                let spec = self.model.fleet.servers.get(server);
                there.is_some_and(|host| base.hosts[host].rack == rack)
                    && spec.is_some_and(|spec| spec.tier == *tier)
                    && *tier < told.tier
            }
        };
        if !true_reason {
            say(&told.server, "is given a reason to stop that is not true", faults);
        }
    }

    /// Nothing is too full unless nobody is left whose stop would help.
    fn enough(&self, stops: &[bool], left: &[Over], faults: &mut Vec<Fault>) {
        let base = &self.model.base;
        for (me, runs) in self.runs.iter().enumerate().filter(|&(at, _)| !stops[at]) {
            let (rack, number) = (self.rack(runs.host), self.number[runs.host]);
            let left = &left[rack];
            let full = left.mw > 0 || left.hosts[number] != [0; 2];
            if !full || !known(self.model, runs.host) {
                continue;
            }
            let then = self.over(rack, &|at| stops[at] || at == me, true);
            if then.mw < left.mw || then.hosts[number] != left.hosts[number] {
                say(runs.server.id, "runs on where too much is left", faults);
            }
        }
        for &(_, host) in &self.starts {
            let left = &left[self.rack(host)];
            if left.mw > 0 || left.hosts[self.number[host]] != [0; 2] {
                let what = format!("host/{}", base.hosts[host].name);
                faults.push(fault(
                    Rule::Shed,
                    what,
                    "something is to start where there is no room",
                ));
            }
        }
    }
}
