//! Two worlds, before and after a change → what is different between them. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use raidc_planner::{
    ColocationId, DemandId, DevicePlace, MoveKind, MoveReason, Plan, ServerId, ServerPlan, Spot, Survival,
    simulate_loss,
};

use crate::change::{Applied, Change};
use crate::kinds::{Id, Kind};
use crate::ledgers;
use crate::report::{ColocationLine, LossLine, ObjectLine, Pair, Report, ServerLine, WaitLine};
use crate::shortage;
use crate::world::World;

/// What is different in `after`.
#[must_use]
pub fn compare(before: &World, after: &World, applied: &Applied, all: bool) -> Report {
    let mut report = Report {
        remarks: applied.assumed.clone(),
        checker: after.faults.clone(),
        ..Report::default()
    };
    for (id, change) in &applied.changes {
        *report.objects.entry(*change).or_default() += 1;
        if *change != Change::Same {
            report.changes.push(ObjectLine {
                object: id.to_string(),
                change: *change,
            });
        }
    }
    report.remarks.extend(after.broken.clone());
    report.servers = servers(before, after, applied);
    report.colocations = colocations(before, after, applied);
    let (old, new) = (waiting(before), waiting(after));
    for line in new.into_values() {
        if all || old.get(&line.demand).is_none_or(|then| *then != line) {
            report.waits.push(line);
        } else {
            report.wait_as_before += 1;
        }
    }
    if report.waits.iter().any(|line| !line.runs) {
        report.bottlenecks = shortage::of(after);
    }
    report.racks = ledgers::racks(&before.plan, &after.plan, all);
    report.sites = ledgers::sites(&before.plan, &after.plan, all);
    report.quota = ledgers::quota(before, after, all);
    report.losses = losses(before, after);
    let holds = after
        .plan
        .scenarios
        .iter()
        .filter(|summary| summary.stranded == 0);
    report.losses_survived = (holds.count(), after.plan.scenarios.len());
    report.warnings = warnings(before, after);
    let named = report.objects.keys().any(|change| *change != Change::Same);
    report.is_change = named || !same_decisions(&before.plan, &after.plan);
    report
}

/// Whether two plans put everything at the same places for the same reasons. Moves are left out: those of the plan before have been made in
/// the plan after.
fn same_decisions(before: &Plan, after: &Plan) -> bool {
    before.servers == after.servers
        && before.colocations == after.colocations
        && before.waiting == after.waiting
        && before.racks == after.racks
        && before.sites == after.sites
        && before.scenarios == after.scenarios
}

/// site/rack/host, as far as they are known.
fn place(spot: &Spot) -> String {
    let host = spot.host.as_str();
    let host = if host.is_empty() { "?" } else { host };
    format!("{}/{}/{host}", spot.site, spot.rack)
}

fn servers(before: &World, after: &World, applied: &Applied) -> Vec<ServerLine> {
    let named = |id: &ServerId| {
        let id = Id::new(Kind::VirtualServer, &id.namespace, &id.name);
        applied
            .changes
            .get(&id)
            .copied()
            .filter(|change| *change != Change::Same)
    };
    let mut ids: BTreeSet<ServerId> = before
        .plan
        .servers
        .keys()
        .chain(after.plan.servers.keys())
        .cloned()
        .collect();
    let of_changes = applied.changes.keys().filter(|id| id.kind == Kind::VirtualServer);
    ids.extend(of_changes.map(|id| ServerId::new(&*id.namespace, &*id.name)));
    let mut lines = Vec::new();
    for id in ids {
        let (then, now) = (before.plan.servers.get(&id), after.plan.servers.get(&id));
        let pair = |read: fn(&ServerPlan) -> Option<String>| Pair {
            before: then.and_then(read),
            after: now.and_then(read),
        };
        let line = ServerLine {
            change: named(&id),
            runs: pair(|plan| Some(place(&plan.placement))),
            starts: pair(|plan| plan.backup.as_ref().map(place)),
            copies: Pair {
                before: then.map(|plan| plan.copy_sites.clone()).unwrap_or_default(),
                after: now.map(|plan| plan.copy_sites.clone()).unwrap_or_default(),
            },
            watts: Pair {
                before: then.map_or(0, |plan| plan.watts),
                after: now.map_or(0, |plan| plan.watts),
            },
            waits: waits_on(after, &id),
            why: why(&before.plan, &after.plan, &id),
            server: id.to_string(),
        };
        let stands_otherwise = line.runs.differs() || line.starts.differs() || line.copies.differs();
        if line.change.is_some() || stands_otherwise {
            lines.push(line);
        }
    }
    lines
}

fn waits_on(world: &World, id: &ServerId) -> Option<String> {
    if world.plan.servers.contains_key(id) {
        return None;
    }
    let demand = DemandId::Server(id.clone());
    let waiting = world
        .plan
        .waiting
        .get(&demand)
        .map(|waiting| waiting.reason().to_owned());
    waiting.or_else(|| world.notes.servers.get(id).map(|note| note.reason.to_owned()))
}

/// Why a server moves because of the change.
fn why(before: &Plan, after: &Plan, id: &ServerId) -> Vec<String> {
    after
        .moves
        .iter()
        .filter(|change| change.server == *id && !before.moves.contains(change))
        .map(|change| {
            let what = match change.kind {
                MoveKind::Primary => "it starts elsewhere",
                MoveKind::Backup => "another host is reserved, no data is copied",
                MoveKind::Copy => "its data is copied to another site",
            };
            let failover = if change.kind == MoveKind::Primary && change.from.site != change.to.site {
                "; this needs a failover, the operator does not move it by itself"
            } else {
                ""
            };
            format!("{what}: {}{failover}", reason(change.reason))
        })
        .collect()
}

fn reason(reason: MoveReason) -> &'static str {
    match reason {
        MoveReason::HostGone => "its host, rack or site is no longer there",
        MoveReason::Released => "a failover was granted",
        MoveReason::Draining => "its host, rack or site is being drained",
        MoveReason::Overloaded => "its host or rack cannot carry what is on it",
        MoveReason::ReserveInvalid => "its reserve no longer fits where it was, or may not be there",
        MoveReason::Protects => "its policy asks for a copy or a reserve that it did not have",
        MoveReason::MakesRoom => "it makes room for another server",
        MoveReason::KeepsApart => "a group or the spread of its policy has to be kept apart",
        MoveReason::Consolidation => "fewer hosts have to be on",
    }
}

fn device(place: &DevicePlace) -> String {
    let top = place.lowest_unit.saturating_add(place.units).saturating_sub(1);
    let units = if top > place.lowest_unit {
        format!("units {} to {top}", place.lowest_unit)
    } else {
        format!("unit {}", place.lowest_unit)
    };
    format!("{} in {}/{}, {units}", place.device, place.site, place.rack)
}

fn colocations(before: &World, after: &World, applied: &Applied) -> Vec<ColocationLine> {
    let mut ids: BTreeSet<_> = before
        .plan
        .colocations
        .keys()
        .chain(after.plan.colocations.keys())
        .cloned()
        .collect();
    let of_changes = applied.changes.keys().filter(|id| id.kind == Kind::Colocation);
    ids.extend(of_changes.map(|id| ColocationId::new(&*id.namespace, &*id.name)));
    let mut lines = Vec::new();
    for id in ids {
        let key = Id::new(Kind::Colocation, &id.namespace, &id.name);
        let devices = |plan: &Plan| {
            plan.colocations
                .get(&id)
                .into_iter()
                .flatten()
                .map(device)
                .collect()
        };
        let demand = DemandId::Colocation(id.clone());
        let waiting = after
            .plan
            .waiting
            .get(&demand)
            .map(|waiting| waiting.reason().to_owned());
        let line = ColocationLine {
            change: applied
                .changes
                .get(&key)
                .copied()
                .filter(|change| *change != Change::Same),
            devices: Pair {
                before: devices(&before.plan),
                after: devices(&after.plan),
            },
            waits: waiting.or_else(|| {
                after
                    .notes
                    .colocations
                    .get(&id)
                    .map(|note| note.reason.to_owned())
            }),
            colocation: id.to_string(),
        };
        if line.change.is_some() || line.devices.differs() {
            lines.push(line);
        }
    }
    lines
}

/// Everybody who waits, for a place or for protection, by who it is.
fn waiting(world: &World) -> BTreeMap<String, WaitLine> {
    let mut lines: Vec<WaitLine> = Vec::new();
    let mut add = |demand: String, reason: &str, message: String, runs: bool| {
        lines.push(WaitLine {
            demand,
            reason: reason.to_owned(),
            message,
            runs,
        });
    };
    for (id, decided) in &world.plan.servers {
        let demand = || DemandId::Server(id.clone()).to_string();
        if let Some(waiting) = &decided.unprotected {
            add(demand(), waiting.reason(), waiting.to_string(), true);
        } else if let Some(held) = &decided.held {
            add(demand(), "Held", held.clone(), true);
        }
        if let (Some(growth), Some(server)) = (&decided.growth, world.fleet.servers.get(id)) {
            let (has, asks) = (decided.granted, server.asked());
            let message =
                format!("it goes on with {has}, and has to wait for the {asks} that it asks for: {growth}");
            add(demand(), growth.reason(), message, true);
        }
    }
    for (demand, waiting) in &world.plan.waiting {
        add(demand.to_string(), waiting.reason(), waiting.to_string(), false);
    }
    for (id, note) in &world.notes.servers {
        let runs = world.plan.servers.contains_key(id);
        add(
            DemandId::Server(id.clone()).to_string(),
            note.reason,
            note.message.clone(),
            runs,
        );
    }
    for (id, note) in &world.notes.colocations {
        let runs = world.plan.colocations.contains_key(id);
        add(
            DemandId::Colocation(id.clone()).to_string(),
            note.reason,
            note.message.clone(),
            runs,
        );
    }
    lines
        .into_iter()
        .map(|line| (line.demand.clone(), line))
        .collect()
}

fn losses(before: &World, after: &World) -> Vec<LossLine> {
    let stranded = |world: &World| -> BTreeMap<_, _> {
        let summaries = world.plan.scenarios.iter();
        summaries
            .map(|summary| (summary.scenario.clone(), summary.stranded))
            .collect()
    };
    let (then, now) = (stranded(before), stranded(after));
    let mut lines = Vec::new();
    for scenario in then.keys().chain(now.keys()).collect::<BTreeSet<_>>() {
        let (stranded_before, stranded_after) = (then.get(scenario).copied(), now.get(scenario).copied());
        if stranded_before.unwrap_or(0) == 0 && stranded_after.unwrap_or(0) == 0 {
            continue;
        }
        let who = |world: &World| simulate_loss(&world.fleet, &world.plan, scenario).stranded;
        let already: BTreeSet<ServerId> = who(before).into_iter().collect();
        let line = LossLine {
            loss: scenario.to_string(),
            stranded_before,
            stranded_after,
            newly_stranded: who(after)
                .into_iter()
                .filter(|id| !already.contains(id))
                .map(|id| id.to_string())
                .collect(),
        };
        if stranded_before != stranded_after || !line.newly_stranded.is_empty() {
            lines.push(line);
        }
    }
    lines
}

/// What is wrong with a world beside those that wait.
fn wrongs(world: &World) -> BTreeSet<String> {
    let mut wrongs = BTreeSet::new();
    // What the inventory says of a rack or a node whose site or rack is missing says what to do as well.
    let racks = world.notes.racks.keys().map(|rack| format!("rack/{rack}"));
    let nodes = world.notes.nodes.keys().map(|node| format!("host/{node}"));
    let said: BTreeSet<String> = racks.chain(nodes).collect();
    for problem in &world.plan.problems {
        if said.contains(&problem.what) && problem.message.contains("does not exist") {
            continue;
        }
        wrongs.insert(format!("{}: {}", problem.what, problem.message));
    }
    for excess in &world.plan.excesses {
        wrongs.insert(format!(
            "{}: {} in use, {} allowed; nothing new is put there",
            excess.of,
            excess.resource.amount(excess.used),
            excess.resource.room(excess.limit)
        ));
    }
    for shed in &world.plan.shed {
        wrongs.insert(format!("virtualserver/{}: {shed}", shed.server));
    }
    for (rack, note) in &world.notes.racks {
        wrongs.insert(format!("rack/{rack}: {}", note.message));
    }
    for (host, note) in &world.notes.nodes {
        wrongs.insert(format!("host/{host}: {}", note.note.message));
    }
    for (site, ledger) in &world.plan.sites {
        if ledger.survives == Survival::Unknown {
            wrongs.insert(format!(
                "site/{site}: it cannot be read, so nothing is known of what its loss would do"
            ));
        }
    }
    wrongs
}

fn warnings(before: &World, after: &World) -> Vec<String> {
    let old = wrongs(before);
    wrongs(after)
        .into_iter()
        .filter(|wrong| !old.contains(wrong))
        .collect()
}
