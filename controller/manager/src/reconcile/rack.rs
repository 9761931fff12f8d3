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
use crate::inventory::racks;
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
    let feeds = &rack.spec.feeds;
    if feeds.len() < 2 {
        return (
            Status::False,
            "OneFeed",
            "the rack has no second feed: if its feed is lost, everything in the rack is off".to_owned(),
        );
    }
    // What the others bear counts the loss of one feed here: a panel with every feed on it is the loss of the rack.
    let panel = feeds.first().and_then(|feed| feed.panel.as_deref());
    if let Some(panel) = panel
        && feeds.iter().all(|feed| feed.panel.as_deref() == Some(panel))
    {
        let message =
            format!("all feeds hang on panel {panel}: if it is lost, everything in the rack is off");
        return (Status::False, "OnePanel", message);
    }
    if ledger.headroom_watts < 0 {
        return (
            Status::False,
            "Overloaded",
            "what the rack carries and keeps in reserve is more than its remaining feeds can bear after the loss of the strongest: move hardware away or add a feed; status.power has the watts".to_owned(),
        );
    }
    // The capacity is the sum of the feeds that are left. Of more than one, each breaker holds for certain only when it bears all: which
    // feeds a host hangs on is not recorded.
    let carried = feeds
        .iter()
        .map(|feed| racks::feed(feed).watts)
        .min()
        .unwrap_or(0);
    let (bears, draws) = (
        carried.saturating_mul(i64::from(rack.spec.derate_percent)) / 100,
        ledger.committed_watts.saturating_add(ledger.reserved_watts),
    );
    if feeds.len() > 2 && draws > bears {
        let message = format!(
            "the rack stays within the sum of the feeds that a loss leaves, but draws up to {draws} W, and the weakest of its {} feeds bears {bears} W: whether each breaker holds depends on how the load is spread over them, which is not recorded; plug the hosts evenly, or keep the rack below {bears} W with spec.maxWatts",
            feeds.len()
        );
        return (Status::Unknown, "SpreadNotRecorded", message);
    }
    (
        Status::True,
        "WithinBreakers",
        "after the loss of its strongest feed or panel, the rack stays within what the others bear"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(panels: &[Option<&str>]) -> (Status, &'static str) {
        told_of(panels, 1944)
    }

    /// Of feeds that bear 2944 W each, and a rack that draws so much.
    fn told_of(panels: &[Option<&str>], draws: i64) -> (Status, &'static str) {
        let feeds: Vec<_> = panels
            .iter()
            .enumerate()
            .map(|(i, panel)| json!({"name": format!("f{i}"), "volts": 230, "amps": 16, "panel": panel}))
            .collect();
        let rack: Rack = serde_json::from_value(json!({"apiVersion": "raidc.dev/v1alpha1", "kind": "Rack",
            "metadata": {"name": "r1"}, "spec": {"site": "talsi", "feeds": feeds}}))
        .expect("a rack");
        let ledger = RackLedger {
            capacity_watts: 2944,
            committed_watts: draws - 500,
            reserved_watts: 500,
            headroom_watts: 1000,
            ..RackLedger::default()
        };
        let (status, reason, _) = survival(&rack, Some(&ledger));
        (status, reason)
    }

    #[test]
    fn a_rack_that_hangs_on_one_panel_or_one_feed_never_survives_its_loss() {
        let (p, q) = (Some("p"), Some("q"));
        assert_eq!(told(&[p, p]), (Status::False, "OnePanel"));
        assert_eq!(told(&[p, p, p]), (Status::False, "OnePanel"));
        assert_eq!(told(&[p]), (Status::False, "OneFeed"));
        assert_eq!(told(&[None]), (Status::False, "OneFeed"));
        assert_eq!(told(&[]), (Status::False, "OneFeed"));
        // A feed without a panel has a panel of its own.
        for apart in [[p, q], [p, None], [None, None]] {
            assert_eq!(told(&apart), (Status::True, "WithinBreakers"));
        }
        assert_eq!(told(&[p, p, q]), (Status::True, "WithinBreakers"));
    }

    #[test]
    fn breakers_are_never_said_to_hold_when_it_takes_a_spread_that_nobody_has_recorded() {
        let three = [None, None, None];
        assert_eq!(told_of(&three, 2944), (Status::True, "WithinBreakers"));
        assert_eq!(told_of(&three, 2945), (Status::Unknown, "SpreadNotRecorded"));
        // With two there is nothing to spread: one is left, and its capacity is what counts.
        assert_eq!(told_of(&three[..2], 2945), (Status::True, "WithinBreakers"));
    }
}
