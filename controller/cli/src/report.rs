//! Two worlds, before and after a change → what is different between them. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use raidc_planner::{
    DemandId, DevicePlace, MoveKind, MoveReason, Plan, ServerId, ServerPlan, SiteName, Spot, Survival,
    simulate_loss,
};
use serde::Serialize;

use crate::change::{Applied, Change};
use crate::kinds::Kind;
use crate::ledgers::{self, QuotaLine, RackLine, SiteLine};
use crate::world::World;

/// What a change does. All lists are sorted; what is empty says that nothing is different there.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What it was compared with, in words.
    pub base: String,
    /// Documents by what becomes of their objects.
    pub objects: BTreeMap<Change, usize>,
    /// Each object that becomes another.
    pub changes: Vec<ObjectLine>,
    /// Documents of kinds that do not matter to a plan, by kind.
    pub ignored: BTreeMap<String, usize>,
    /// What was taken for granted, and what could not be read.
    pub remarks: Vec<String>,
    /// Servers that are named in the change or stand otherwise because of it.
    pub servers: Vec<ServerLine>,
    /// Colocations that are named in the change or stand otherwise because of it.
    pub colocations: Vec<ColocationLine>,
    /// Who waits after the change and did not wait for that before; with `--all` everybody who waits.
    pub waits: Vec<WaitLine>,
    /// How many wait as before, and are not listed.
    pub wait_as_before: usize,
    /// Racks whose figures change; with `--all` every rack.
    pub racks: Vec<RackLine>,
    /// Sites whose figures change; with `--all` every site.
    pub sites: Vec<SiteLine>,
    /// Quotas that are used otherwise; with `--all` every one.
    pub quota: Vec<QuotaLine>,
    /// Losses that more or fewer protected servers do not survive.
    pub losses: Vec<LossLine>,
    /// Losses that every protected server survives after the change, of how many.
    pub losses_survived: (usize, usize),
    /// Anything wrong that was not wrong before: racks over their power, nodes that cannot be used, and the like.
    pub warnings: Vec<String>,
    /// What the independent checker has against the plan after the change.
    pub checker: Vec<String>,
    /// Whether anything is different.
    pub is_change: bool,
}

/// An object and what becomes of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectLine {
    /// Such as `Rack talsi-r1`.
    pub object: String,
    /// What becomes of it.
    pub change: Change,
}

/// Before and after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pair<T> {
    /// Before the change.
    pub before: T,
    /// After it.
    pub after: T,
}

impl<T: PartialEq> Pair<T> {
    /// Whether they are different.
    pub fn differs(&self) -> bool {
        self.before != self.after
    }
}

/// A server.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerLine {
    /// Namespace and name.
    pub server: String,
    /// Whether the change names it; `None` for one that only stands otherwise because of it.
    pub change: Option<Change>,
    /// Where it runs: site/rack/host.
    pub runs: Pair<Option<String>>,
    /// Where it starts after a loss: site/rack/host.
    pub starts: Pair<Option<String>>,
    /// Sites with another copy of its data.
    pub copies: Pair<BTreeSet<SiteName>>,
    /// What it adds to the draw of its host, in watts.
    pub watts: Pair<i64>,
    /// Why it waits after the change; its reason is among `waits`.
    pub waits: Option<String>,
    /// Why it moves, for what moves.
    pub why: Vec<String>,
}

/// A colocation.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ColocationLine {
    /// Namespace and name.
    pub colocation: String,
    /// Whether the change names it.
    pub change: Option<Change>,
    /// Devices with their places, such as `fw-a in talsi/talsi-r1, unit 4`.
    pub devices: Pair<Vec<String>>,
    /// Why some wait.
    pub waits: Option<String>,
}

/// Somebody who waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitLine {
    /// `server/…` or `colocation/…`.
    pub demand: String,
    /// The reason in one word.
    pub reason: String,
    /// What, why and what to do.
    pub message: String,
    /// It runs and waits only for the copies or the reserve that its policy asks for.
    pub runs: bool,
}

/// A loss.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LossLine {
    /// What is lost.
    pub loss: String,
    /// Protected servers with nowhere to start; `None` when the loss was not possible before.
    pub stranded_before: Option<i64>,
    /// The same after; `None` when it is no longer possible.
    pub stranded_after: Option<i64>,
    /// Those that have nowhere to start only after the change.
    pub newly_stranded: Vec<String>,
}

impl LossLine {
    /// It was survived, and is not any more, or strands others than before.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        !self.newly_stranded.is_empty() || self.stranded_after > self.stranded_before.or(Some(0))
    }
}

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
        let id = crate::kinds::Id::new(Kind::VirtualServer, &id.namespace, &id.name);
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
    ids.extend(of_changes.map(|id| raidc_planner::ColocationId::new(&*id.namespace, &*id.name)));
    let mut lines = Vec::new();
    for id in ids {
        let key = crate::kinds::Id::new(Kind::Colocation, &id.namespace, &id.name);
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
    for problem in &world.plan.problems {
        wrongs.insert(format!("{}: {}", problem.what, problem.message));
    }
    for excess in &world.plan.excesses {
        let what = match &excess.of {
            raidc_planner::ExcessOf::Host(host) => format!("host/{host}"),
            raidc_planner::ExcessOf::Rack(rack) => format!("rack/{rack}"),
            raidc_planner::ExcessOf::Site(site) => format!("site/{site}"),
        };
        wrongs.insert(format!(
            "{what}: {} in use, {} allowed; nothing new is put there",
            excess.resource.amount(excess.used),
            excess.resource.show(excess.limit)
        ));
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
