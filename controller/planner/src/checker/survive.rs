//! Every scenario played out: whoever is displaced starts at the reserve, all at once, on what is left. No I/O.
//!
//! The servers are grouped once by what they fall with; a scenario then visits only those that it displaces, and each
//! reserve is added once to every scenario that takes its primary and leaves its host.

use super::model::{Falls, Model, Placed, fault};
use super::scenarios::{Lost, Scenarios};
use crate::fault::{Fault, Rule};
use crate::fleet::Spread;
use crate::scenario::Scenario;

/// What one scenario does to the servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts<'a> {
    pub(super) displaced: i64,
    pub(super) restarted: i64,
    pub(super) single_copy: i64,
    pub(super) stranded: i64,
    /// The first of the stranded by tier, age and name.
    pub(super) first: Option<(i64, i64, &'a crate::ids::ServerId)>,
}

/// What the losses come to.
pub(super) struct Losses<'a> {
    /// Per scenario.
    pub(super) counts: Vec<Counts<'a>>,
    /// Per rack: the most that one scenario adds, in milliwatts.
    pub(super) most_mw: Vec<i128>,
    /// Per rack: what the scenario adds that its ledger calls the worst, in milliwatts.
    pub(super) named_mw: Vec<i128>,
}

/// The servers by what they fall with: racks first, then sites.
struct Groups {
    starts: Vec<usize>,
    members: Vec<Member>,
}

/// What a scenario has to know of a server, close together in memory.
#[derive(Clone, Copy, Default)]
struct Member {
    server: usize,
    backup: Option<usize>,
    need: [i64; 2],
    backup_mw: i64,
}

impl Groups {
    fn of(model: &Model<'_>) -> Self {
        let racks = model.base.racks.len();
        let key = |server: &Placed<'_>| match server.falls {
            Falls::Rack(rack) => rack,
            Falls::Site(site) => racks + site,
        };
        let mut starts = vec![0; racks + model.base.sites.len() + 1];
        for server in &model.servers {
            starts[key(server) + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut members = vec![Member::default(); model.servers.len()];
        for (at, server) in model.servers.iter().enumerate() {
            let slot = &mut next[key(server)];
            members[*slot] = Member {
                server: at,
                backup: server.backup,
                need: server.need,
                backup_mw: server.backup_mw,
            };
            *slot += 1;
        }
        Self { starts, members }
    }

    fn members(&self, key: usize) -> &[Member] {
        &self.members[self.starts[key]..self.starts[key + 1]]
    }
}

/// Loads that a scenario adds, kept between scenarios to be cleared by what was touched.
struct Loads {
    /// Per host.
    added: Vec<[i64; 2]>,
    /// Per host: something starts there in this scenario.
    touched: Vec<bool>,
    hosts: Vec<usize>,
    /// Per rack, in milliwatts.
    rack_added: Vec<i128>,
    racks: Vec<usize>,
    /// Per rack: lost in this scenario.
    gone: Vec<bool>,
}

/// Runs the checks of this file. `named` is per rack the scenario that its ledger calls the worst.
pub(super) fn check<'a>(
    model: &Model<'a>,
    scenarios: &Scenarios,
    named: &[Option<usize>],
    faults: &mut Vec<Fault>,
) -> Losses<'a> {
    let (hosts, racks) = (model.base.hosts.len(), model.base.racks.len());
    let groups = Groups::of(model);
    let mut loads = Loads {
        added: vec![[0; 2]; hosts],
        touched: vec![false; hosts],
        hosts: Vec::new(),
        rack_added: vec![0; racks],
        racks: Vec::new(),
        gone: vec![false; racks],
    };
    let mut losses = Losses {
        counts: Vec::with_capacity(scenarios.all.len()),
        most_mw: vec![0; racks],
        named_mw: vec![0; racks],
    };
    for (f, (scenario, lost)) in scenarios.all.iter().enumerate() {
        let counts = displace(model, &groups, scenario, lost, &mut loads, faults);
        losses.counts.push(counts);
        judge(model, f, scenario, named, &mut loads, &mut losses, faults);
    }
    losses
}

/// Starts at their reserves all that the scenario displaces.
fn displace<'a>(
    model: &Model<'a>,
    groups: &Groups,
    scenario: &Scenario,
    lost: &Lost,
    loads: &mut Loads,
    faults: &mut Vec<Fault>,
) -> Counts<'a> {
    let mut counts = Counts::default();
    for &rack in &lost.racks {
        loads.gone[rack] = true;
    }
    let racks = model.base.racks.len();
    let keys = lost.racks.iter().copied();
    for key in keys.chain(lost.sites.iter().map(|site| racks + site)) {
        for member in groups.members(key) {
            counts.displaced += 1;
            let host = member
                .backup
                .filter(|&host| !loads.gone[model.base.hosts[host].rack]);
            if let Some(host) = host {
                counts.restarted += 1;
                start(model, member, host, loads);
                continue;
            }
            let server = &model.servers[member.server];
            if let Some(backup) = server.backup {
                let accepted = server.spec.spread == Spread::Site && matches!(scenario, Scenario::Risk(_));
                if !accepted {
                    let how = format!(
                        "{scenario} takes it and its reserve {}",
                        model.base.hosts[backup].name
                    );
                    faults.push(fault(Rule::Survives, format!("server/{}", server.id), how));
                }
            }
            if server.spec.copies <= 1 {
                counts.single_copy += 1;
            } else {
                counts.stranded += 1;
                let turn = (server.spec.tier, server.spec.created_at, server.id);
                counts.first = Some(counts.first.map_or(turn, |least| least.min(turn)));
            }
        }
    }
    for &rack in &lost.racks {
        loads.gone[rack] = false;
    }
    counts
}

fn start(model: &Model<'_>, server: &Member, host: usize, loads: &mut Loads) {
    let rack = model.base.hosts[host].rack;
    if !loads.touched[host] {
        loads.touched[host] = true;
        loads.hosts.push(host);
        if !model.on[host] {
            loads.rack_added[rack] += i128::from(model.base.hosts[host].build.idle_mw);
        }
        loads.racks.push(rack);
    }
    loads.added[host][0] += server.need[0];
    loads.added[host][1] += server.need[1];
    loads.rack_added[rack] += i128::from(server.backup_mw);
}

/// Compares what the scenario has put on hosts and racks with what they can carry, and clears it.
fn judge(
    model: &Model<'_>,
    f: usize,
    scenario: &Scenario,
    named: &[Option<usize>],
    loads: &mut Loads,
    losses: &mut Losses<'_>,
    faults: &mut Vec<Fault>,
) {
    for at in loads.hosts.drain(..) {
        let (host, used, added) = (&model.base.hosts[at], model.used[at], loads.added[at]);
        let room = host.build.room;
        if used[0] + added[0] > room[0] || used[1] + added[1] > room[1] {
            let how = format!(
                "after {scenario} it would carry {added:?} beside {used:?} of {room:?} (milli-cores, MiB)"
            );
            faults.push(fault(Rule::Survives, format!("host/{}", host.name), how));
        }
        loads.added[at] = [0; 2];
        loads.touched[at] = false;
    }
    loads.racks.sort_unstable();
    loads.racks.dedup();
    for at in loads.racks.drain(..) {
        let (rack, drawn, added) = (&model.base.racks[at], model.drawn_mw[at], loads.rack_added[at]);
        losses.most_mw[at] = losses.most_mw[at].max(added);
        if named[at] == Some(f) {
            losses.named_mw[at] = added;
        }
        if drawn + added > rack.capacity_mw {
            let how = format!(
                "after {scenario} it would draw {added} mW beside {drawn} mW of {} mW",
                rack.capacity_mw
            );
            faults.push(fault(Rule::Survives, format!("rack/{}", rack.name), how));
        }
        loads.rack_added[at] = 0;
    }
}
