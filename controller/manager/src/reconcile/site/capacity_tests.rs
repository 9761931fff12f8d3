//! What a Site says of its capacity: never more than is proven, and nothing twice.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::json;

use super::super::{Seen, report};
use super::*;
use crate::certify::look;
use crate::certify::worlds::steady;
use crate::reconcile::status::{Outcome, SITE};
use crate::runtime::config::ConsolidationMode;

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1)
}

fn site(status: &serde_json::Value) -> Site {
    let body = json!({
        "metadata": {"name": "talsi", "generation": 1}, "spec": {"storage": {"class": "fast"}}, "status": status,
    });
    serde_json::from_value(body).expect("a site")
}

fn given(of: &Decision, at: Timestamp, percent: Option<i64>) -> Arc<Verdict> {
    Arc::new(Verdict::Given {
        of: Arc::new(of.clone()),
        at,
        percent,
        findings: Box::new(look(of, ConsolidationMode::Off)),
    })
}

fn status(site: &Site, decision: &Decision, verdict: &Arc<Verdict>) -> serde_json::Value {
    let seen = Seen {
        decision: Arc::new(decision.clone()),
        verdict: Arc::clone(verdict),
        missing: vec![],
        class: None,
        transfer_class: None,
    };
    serde_json::to_value(report(site, &seen, &Outcome::ready("x"), now())).expect("JSON")
}

#[test]
fn a_certificate_made_again_is_never_written_again() {
    let decision = steady();
    let first = status(
        &site(&json!(null)),
        &decision,
        &given(&decision, now(), Some(150)),
    );
    assert_eq!(first["maxSafeLoadPercent"], 150);
    let have = SITE.change(&json!({}), &first).expect("a first write");
    // The same answer for the same question twenty minutes later.
    let again = given(&decision, now() - SignedDuration::from_mins(1), Some(150));
    let second = status(&site(&first), &decision, &again);
    assert_eq!(SITE.change(&have, &second), None);
}

#[test]
fn a_restart_never_takes_away_what_was_said_before_it_knows_better() {
    let decision = steady();
    let first = status(
        &site(&json!(null)),
        &decision,
        &given(&decision, now(), Some(150)),
    );
    let restarted = status(&site(&first), &decision, &Arc::new(Verdict::Awaited));
    assert_eq!(
        SITE.change(&SITE.change(&json!({}), &first).expect("a write"), &restarted),
        None
    );
    let overdue = status(&site(&first), &decision, &Arc::new(Verdict::Overdue));
    assert!(overdue.get("maxSafeLoadPercent").is_none());
    let nothing = said(&site(&json!(null)), &Verdict::Awaited, &decision, now());
    assert_eq!((nothing.percent, nothing.status), (None, Status::Unknown));
}

#[test]
fn every_site_says_what_falls_on_the_others_and_never_less_than_it_is() {
    let decision = steady();
    let verdict = Arc::new(Verdict::Awaited);
    let mut servers = 0;
    for name in ["kuldiga", "saldus", "talsi"] {
        let mut object = site(&json!(null));
        object.metadata.name = Some(name.to_owned());
        let status = status(&object, &decision, &verdict);
        for to in status["failsOverTo"].as_array().into_iter().flatten() {
            let load = &decision.plan.pairs[&name.into()][&to["site"].as_str().expect("a name").into()];
            servers += to["servers"].as_i64().expect("a number");
            let percent = to["sharePercent"].as_i64().expect("a number");
            assert!(
                percent * 10 >= load.share_permille && (percent - 1) * 10 < load.share_permille,
                "{to}"
            );
            assert_eq!(to["memoryMib"], load.memory_mib);
        }
    }
    assert_eq!(servers, 4, "each of the four servers falls on one site");
}
