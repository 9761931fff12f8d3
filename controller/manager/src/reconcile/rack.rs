//! A Rack: its power ledger, its free units, and whether it stays within its breakers when a feed is lost. I/O: reads stores, writes
//! status.

mod reservations;

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use raidc_crds::Rack;
use raidc_crds::condition::{self, POWER_MEASURED, SURVIVES_FEED_LOSS, Status};
use raidc_crds::rack::{RackPower, RackStatus};
use raidc_planner::{RackLedger, RackName};

use super::status::{self, Outcome};
use crate::inventory::stores::Stores;
use crate::{Ctx, Decision, Error};

/// Says how a rack is doing.
///
/// # Errors
/// When the status could not be written.
pub async fn reconcile(rack: Arc<Rack>, ctx: Arc<Ctx>) -> Result<Action, Error> {
    let decision = ctx.decision();
    if !decision.is_made() {
        return Ok(Action::await_change());
    }
    let outcome = validate(&rack, &decision);
    let there = |namespace: &str, name: &str| uid_of(&ctx.stores, namespace, name);
    let mut wanted = report(&rack, &decision, &outcome, ctx.clock.now());
    wanted.reservations = reservations::of(&rack, &decision, there);
    status::write(&ctx, &status::RACK, rack.as_ref(), &wanted).await?;
    Ok(Action::await_change())
}

/// UID of a Colocation that is there, whether or not it can be read.
fn uid_of(stores: &Stores, namespace: &str, name: &str) -> Option<String> {
    if let Some(found) = stores.colocations.get(namespace, name) {
        return found.uid();
    }
    let broken = stores
        .colocations
        .malformed()
        .into_iter()
        .map(|broken| broken.metadata);
    let mut same =
        broken.filter(|m| m.namespace.as_deref() == Some(namespace) && m.name.as_deref() == Some(name));
    same.next()?.uid
}

fn validate(rack: &Rack, decision: &Decision) -> Outcome {
    let name = RackName::from(rack.name_any());
    if let Some(note) = decision.notes.racks.get(&name) {
        return Outcome::stalled(note.reason, note.message.clone());
    }
    let what = format!("rack/{name}");
    match decision.plan.problems.iter().find(|problem| problem.what == what) {
        Some(problem) => Outcome::stalled("MalformedRack", problem.message.clone()),
        None if decision.plan.racks.contains_key(&name) => Outcome::ready("it is counted"),
        None => Outcome::reconciling("NotPlannedYet", "it waits for the next plan"),
    }
}

fn report(rack: &Rack, decision: &Decision, outcome: &Outcome, now: Timestamp) -> RackStatus {
    let name = RackName::from(rack.name_any());
    let generation = rack.metadata.generation;
    let ledger = decision.plan.racks.get(&name);
    let mut conditions = outcome.conditions(generation, now);
    let (survives, reason, message) = survival(rack, ledger);
    conditions.push(condition::condition(
        SURVIVES_FEED_LOSS,
        survives,
        reason,
        message,
        generation,
        now,
    ));
    let measured = if rack.spec.meter.is_some() {
        "this version records the meter and does not read it yet: nameplates are counted"
    } else {
        "no meter is given: nameplates are counted"
    };
    conditions.push(condition::condition(
        POWER_MEASURED,
        Status::Unknown,
        "NotMeasured",
        measured,
        generation,
        now,
    ));
    let hosts = decision
        .fleet
        .hosts
        .values()
        .filter(|host| host.rack == name)
        .count();
    let servers = decision
        .plan
        .servers
        .values()
        .filter(|server| server.placement.rack == name)
        .count();
    RackStatus {
        observed_generation: generation.unwrap_or(0),
        conditions,
        hosts: i64::try_from(hosts).ok(),
        servers: i64::try_from(servers).ok(),
        power: ledger.map(|ledger| RackPower {
            capacity_watts: ledger.capacity_watts,
            committed_watts: ledger.committed_watts,
            reserved_watts: ledger.reserved_watts,
            headroom_watts: ledger.headroom_watts,
            hosts_with_unknown_draw: ledger.hosts_by_nameplate,
        }),
        free_units: ledger.map(|ledger| ledger.units_free),
        reservations: Vec::new(),
    }
}

fn survival(rack: &Rack, ledger: Option<&RackLedger>) -> (Status, &'static str, String) {
    let Some(ledger) = ledger else {
        let message = "the rack is not counted, see Ready";
        return (Status::Unknown, "NotCounted", message.to_owned());
    };
    if rack.spec.feeds.len() < 2 {
        return (
            Status::False,
            "OneFeed",
            "the rack has one feed: if it is lost, everything in the rack is off".to_owned(),
        );
    }
    if ledger.capacity_watts == 0 {
        let message = "all feeds hang on one panel: if it is lost, everything in the rack is off";
        return (Status::False, "OnePanel", message.to_owned());
    }
    if ledger.headroom_watts < 0 {
        return (
            Status::False,
            "Overloaded",
            "what the rack carries and keeps in reserve is more than its remaining feeds can bear after the loss of the strongest: move hardware away or add a feed; status.power has the watts".to_owned(),
        );
    }
    (
        Status::True,
        "WithinBreakers",
        "after the loss of its strongest feed or panel, the rack stays within what the others bear"
            .to_owned(),
    )
}
