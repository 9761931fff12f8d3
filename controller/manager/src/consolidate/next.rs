//! What a consolidation does next: one move, or nothing and why. No I/O.
//!
//! Nothing is remembered. Each step is decided anew from the newest decision and from the migrations that there are; these carry the
//! budget and the cool-down, so that a restart of the operator forgets neither.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use raidc_crds::{VirtualServer, names};
use raidc_planner::{
    Consolidation, ConsolidationOptions, HostName, HostUse, Move, MoveKind, Reach, ServerId, check,
    consolidate, plan,
};

use super::movable;
use crate::Decision;
use crate::certify::no_moment;
use crate::foreign::kubevirt::{VirtualMachine, VirtualMachineInstance};
use crate::foreign::migration::{KubeVirt, VirtualMachineInstanceMigration};
use crate::inventory::moving::{self, Moving, Stage};
use crate::placement::OPTIONS;

/// For how long an order counts against the budget, and therefore stays.
const BUDGET: SignedDuration = SignedDuration::from_hours(1);

/// How much may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Migrations begun in an hour, at most.
    pub moves_per_hour: usize,
    /// For how long a server that was moved is left alone.
    pub rest: SignedDuration,
    /// The same after a migration that failed.
    pub rest_after_failure: SignedDuration,
    /// Least idle draw, in watts, that a host must save to be emptied.
    pub least_watts: i64,
}

/// What is looked at, taken from the stores at one moment.
#[derive(Clone, Default)]
pub struct Sight {
    /// The newest decision.
    pub decision: Arc<Decision>,
    /// Servers.
    pub servers: BTreeMap<ServerId, Arc<VirtualServer>>,
    /// Their machines.
    pub machines: BTreeMap<ServerId, Arc<VirtualMachine>>,
    /// The runs of these.
    pub instances: BTreeMap<ServerId, Arc<VirtualMachineInstance>>,
    /// Migrations, whoever ordered them.
    pub migrations: Vec<Arc<VirtualMachineInstanceMigration>>,
    /// KubeVirt itself.
    pub kubevirts: Vec<Arc<KubeVirt>>,
}

/// One move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Whose machine moves.
    pub server: ServerId,
    /// UID of the server.
    pub server_uid: String,
    /// UID of the run that moves.
    pub instance_uid: String,
    /// The host that it leaves.
    pub from: HostName,
    /// The host that it goes to.
    pub to: HostName,
    /// Idle draw of the host that is being emptied, in watts.
    pub watts: i64,
}

/// Why nothing is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Still {
    /// One word in PascalCase.
    pub reason: &'static str,
    /// What and why.
    pub message: String,
    /// The server that would have moved.
    pub server: Option<ServerId>,
}

impl Still {
    pub(super) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            server: None,
        }
    }

    fn of(self, server: &ServerId) -> Self {
        Self {
            server: Some(server.clone()),
            ..self
        }
    }
}

/// What is done next.
///
/// # Errors
/// Why nothing is.
pub fn next(sight: &Sight, limits: &Limits, now: Timestamp) -> Result<Step, Still> {
    let decision = &sight.decision;
    allowed(sight, limits, now)?;
    let (resting, keep_on) = movable::exceptions(sight, &resting(&sight.migrations, limits, now));
    let options = ConsolidationOptions {
        reach: Reach::Rack,
        least_watts: limits.least_watts,
        resting,
        keep_on: keep_on.clone(),
        ..ConsolidationOptions::default()
    };
    let found = consolidate(&decision.fleet, &decision.plan, &options);
    let Some(first) = found.order.first() else {
        return Err(Still::new(
            "NothingToGain",
            "no host of a rack can be emptied onto others of the same rack that are on, with what may move now",
        ));
    };
    let step = step(sight, &found, first).ok_or_else(|| {
        Still::new(
            "NotOnlyMigrations",
            "what was found is not only live migrations within a rack",
        )
        .of(first)
    })?;
    if keep_on.contains(&step.to) {
        let message = format!("what runs on {} is not what the plan has there", step.to);
        return Err(Still::new("NotAsPlanned", message).of(first));
    }
    let ready = decision
        .fleet
        .hosts
        .get(&step.to)
        .is_some_and(|host| host.usable == HostUse::Usable && host.powered);
    if !ready {
        return Err(Still::new("TargetNotReady", format!("host {} is not ready", step.to)).of(first));
    }
    holds_meanwhile(decision, &step).map_err(|still| still.of(first))?;
    Ok(step)
}

/// Migrations of ours that are over and carry nothing any more: neither budget nor cool-down.
#[must_use]
pub fn over(
    migrations: &[Arc<VirtualMachineInstanceMigration>],
    limits: &Limits,
    now: Timestamp,
) -> Vec<Arc<VirtualMachineInstanceMigration>> {
    let is_over = |migration: &&Arc<VirtualMachineInstanceMigration>| {
        moving::read(migration).is_some_and(|moving| {
            let age = now.duration_since(moving.began);
            moving.stage != Stage::UnderWay && age > BUDGET.max(rest(&moving, limits))
        })
    };
    migrations.iter().filter(is_over).cloned().collect()
}

/// Whether anything may be moved now at all.
fn allowed(sight: &Sight, limits: &Limits, now: Timestamp) -> Result<(), Still> {
    if sight.kubevirts.is_empty() {
        return Err(Still::new("KubeVirtUnreadable", "no KubeVirt object can be read"));
    }
    let staged = |kubevirt: &Arc<KubeVirt>| {
        let strategy = kubevirt.spec.configuration.vm_rollout_strategy.as_deref();
        strategy.is_some_and(|strategy| strategy != "LiveUpdate")
    };
    if sight.kubevirts.iter().any(staged) {
        return Err(Still::new(
            "NoLiveUpdate",
            "KubeVirt's vmRolloutStrategy is not LiveUpdate: a machine that was moved would ask for a restart to take over its new host; set it to LiveUpdate",
        ));
    }
    if let Some(other) = sight
        .migrations
        .iter()
        .find(|m| moving::stage(m) == Stage::UnderWay)
    {
        let (namespace, name) = (other.namespace().unwrap_or_default(), other.name_any());
        let message = format!("migration {namespace}/{name} is under way");
        return Err(Still::new("UnderWay", message));
    }
    let ours: Vec<Moving> = sight.migrations.iter().filter_map(|m| moving::read(m)).collect();
    if let Some(arrived) = ours.iter().find(|moving| is_news(sight, moving)) {
        let message = format!(
            "the plan does not know yet that {} runs on {}",
            arrived.server, arrived.to
        );
        return Err(Still::new("NotInThePlanYet", message).of(&arrived.server));
    }
    if let Some(why) = no_moment(&sight.decision) {
        return Err(Still::new("NoMoment", why));
    }
    let lately = ours
        .iter()
        .filter(|moving| now.duration_since(moving.began) < BUDGET)
        .count();
    if lately >= limits.moves_per_hour {
        let message = format!("{lately} migrations were begun within the last hour");
        return Err(Still::new("BudgetSpent", message));
    }
    Ok(())
}

/// A server that has arrived, and that the decision still has where it was.
fn is_news(sight: &Sight, moving: &Moving) -> bool {
    let node = sight
        .instances
        .get(&moving.server)
        .filter(|instance| instance.labels().get(names::SERVER_UID_LABEL) == Some(&moving.server_uid))
        .and_then(|instance| instance.status.as_ref()?.node_name.as_deref());
    moving.stage == Stage::Succeeded
        && node == Some(moving.to.as_str())
        && moving::is_at(&sight.decision.fleet, &moving.server, &moving.from)
}

fn rest(moving: &Moving, limits: &Limits) -> SignedDuration {
    match moving.stage {
        Stage::Failed => limits.rest_after_failure.max(limits.rest),
        Stage::UnderWay | Stage::Succeeded => limits.rest,
    }
}

/// Servers that were moved lately.
fn resting(
    migrations: &[Arc<VirtualMachineInstanceMigration>],
    limits: &Limits,
    now: Timestamp,
) -> BTreeSet<ServerId> {
    migrations
        .iter()
        .filter_map(|migration| moving::read(migration))
        .filter(|moving| now.duration_since(moving.began) <= rest(moving, limits))
        .map(|moving| moving.server)
        .collect()
}

/// The move of `server`, when what was found is nothing but live migrations within racks.
fn step(sight: &Sight, found: &Consolidation, server: &ServerId) -> Option<Step> {
    let stays =
        |m: &Move| m.kind == MoveKind::Primary && m.from.site == m.to.site && m.from.rack == m.to.rack;
    if !found.moves.iter().all(stays) {
        return None;
    }
    let change = found.moves.iter().find(|change| change.server == *server)?;
    let host = sight.decision.fleet.hosts.get(&change.from.host)?;
    Some(Step {
        server: server.clone(),
        server_uid: sight.servers.get(server)?.uid()?,
        instance_uid: sight.instances.get(server)?.uid()?,
        from: change.from.host.clone(),
        to: change.to.host.clone(),
        watts: host.idle_watts,
    })
}

/// While it moves, a server takes room at both hosts: nothing else may have to give way for that.
fn holds_meanwhile(decision: &Decision, step: &Step) -> Result<(), Still> {
    let mut fleet = decision.fleet.clone();
    moving::hold(&mut fleet, &step.server, &step.to);
    let meanwhile = plan(&fleet, &OPTIONS);
    let unchanged = meanwhile.moves.is_empty()
        && meanwhile.excesses.is_empty()
        && meanwhile.problems.is_empty()
        && check(&fleet, &meanwhile).is_empty();
    if unchanged {
        return Ok(());
    }
    let message = format!(
        "{} has room for it only once it has left {}: while it moves, something else would have to give way",
        step.to, step.from
    );
    Err(Still::new("NoRoomMeanwhile", message))
}

#[cfg(test)]
#[path = "next_tests.rs"]
mod tests;
