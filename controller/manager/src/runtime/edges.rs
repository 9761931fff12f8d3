//! Which changes of an object's conditions people are told as events. No I/O.
//!
//! An edge is a condition that changes its status, or Ready that comes to wait for a person for another reason. A message alone is
//! no edge, and neither is the first word on something that has only begun. One change of a status has at most one edge per
//! condition of [`TOLD`], so that events are never more than that many times the writes of statuses.

use kube::runtime::events::EventType;
use raidc_crds::condition;
use raidc_crds::condition::READY;
use raidc_crds::condition::STALLED;
use serde_json::Value;

/// Conditions whose edges are told. Reconciling, Stalled and Placed come and go with Ready.
pub const TOLD: [&str; 7] = [
    READY,
    condition::PROTECTED,
    condition::SURVIVES_SITE_LOSS,
    condition::SURVIVES_FEED_LOSS,
    condition::WITHIN_QUOTA,
    condition::WITHIN_RPO,
    condition::TRANSFERS_LEAVE_NOTHING,
];
/// Longest note that the API server takes, in bytes.
pub(super) const MAX_NOTE: usize = 1024;
/// Longest reason that the API server takes, in bytes.
const MAX_REASON: usize = 128;

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Whether somebody should look.
    pub type_: EventType,
    /// The condition that changed.
    pub action: &'static str,
    /// Its reason.
    pub reason: String,
    /// Its message.
    pub note: String,
}

/// The edges between two lists of conditions of one object.
#[must_use]
pub fn between(before: &Value, after: &Value) -> Vec<Edge> {
    TOLD.into_iter()
        .filter_map(|kind| {
            let (old, new) = (find(before, kind), find(after, kind)?);
            let stalled = kind == READY && find(after, STALLED).is_some_and(|c| word(c, "status") == "True");
            let was = old.map_or("", |c| word(c, "status"));
            let is = word(new, "status");
            let other_reason = old.is_none_or(|c| word(c, "reason") != word(new, "reason"));
            let type_ = match (was, is) {
                ("" | "False", "False") if stalled && other_reason => EventType::Warning,
                (was, is) if was == is => return None,
                // At first everything is unknown or not yet: no news. A rack that is fit from the start is none either.
                ("", "True") if kind == READY || kind == condition::PROTECTED => EventType::Normal,
                ("", _) | ("False", "Unknown") => return None,
                (_, "True") => EventType::Normal,
                // A server that is switched off or changed is on its way, and nobody has to look.
                (_, "False") if kind == READY && !stalled => EventType::Normal,
                _ => EventType::Warning,
            };
            Some(Edge {
                type_,
                action: kind,
                reason: cut(word(new, "reason"), MAX_REASON),
                note: cut(word(new, "message"), MAX_NOTE),
            })
        })
        .collect()
}

fn find<'a>(conditions: &'a Value, kind: &str) -> Option<&'a Value> {
    conditions.as_array()?.iter().find(|c| c["type"] == kind)
}

fn word<'a>(condition: &'a Value, field: &str) -> &'a str {
    condition[field].as_str().unwrap_or_default()
}

pub(super) fn cut(text: &str, most: usize) -> String {
    let end = (0..=most.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn one(kind: &str, status: &str, reason: &str) -> Value {
        json!({"type": kind, "status": status, "reason": reason, "message": format!("{reason}, at length")})
    }

    fn reasons(before: &Value, after: &Value) -> Vec<(EventType, String)> {
        between(before, after)
            .into_iter()
            .map(|e| (e.type_, e.reason))
            .collect()
    }

    #[test]
    fn what_has_not_changed_is_never_told_again() {
        let same = json!([
            one(READY, "True", "Running"),
            one("Protected", "Unknown", "NoEvidence")
        ]);
        assert_eq!(reasons(&same, &same), vec![]);
        let mut words = same.clone();
        words[0]["message"] = json!("in other words");
        words[1]["reason"] = json!("BackendUnavailable");
        assert_eq!(reasons(&same, &words), vec![], "words alone are no edge");
    }

    #[test]
    fn a_beginning_is_never_told_as_a_loss() {
        let first = json!([
            one(READY, "False", "Placing"),
            one("Protected", "False", "NotPlaced")
        ]);
        assert_eq!(reasons(&json!(null), &first), vec![]);
        let fit = json!([one("SurvivesSiteLoss", "True", "EveryServerHasAPlace")]);
        assert_eq!(reasons(&json!([]), &fit), vec![]);
    }

    #[test]
    fn nobody_waits_for_a_person_without_being_told_and_no_reason_twice() {
        let quota = json!([one(READY, "False", "Quota"), one(STALLED, "True", "Quota")]);
        let told = vec![(EventType::Warning, "Quota".to_owned())];
        assert_eq!(reasons(&json!(null), &quota), told);
        assert_eq!(reasons(&json!([one(READY, "False", "Placing")]), &quota), told);
        assert_eq!(reasons(&quota, &quota), vec![]);
        let image = json!([
            one(READY, "False", "UnknownImage"),
            one(STALLED, "True", "UnknownImage")
        ]);
        assert_eq!(
            reasons(&quota, &image),
            vec![(EventType::Warning, "UnknownImage".to_owned())]
        );
    }

    #[test]
    fn a_loss_is_never_told_as_news_of_no_weight() {
        let good = json!([
            one(READY, "True", "Running"),
            one("Protected", "True", "Protected")
        ]);
        let bad = json!([
            one(READY, "False", "Stopping"),
            one("Protected", "Unknown", "NoEvidence")
        ]);
        let down = vec![
            (EventType::Normal, "Stopping".to_owned()),
            (EventType::Warning, "NoEvidence".to_owned()),
        ];
        assert_eq!(reasons(&good, &bad), down);
        let up = vec![
            (EventType::Normal, "Running".to_owned()),
            (EventType::Normal, "Protected".to_owned()),
        ];
        assert_eq!(reasons(&bad, &good), up);
    }

    #[test]
    fn a_note_is_never_longer_than_the_api_server_takes() {
        let mut long = one(READY, "True", &"R".repeat(400));
        long["message"] = json!("ā".repeat(2000));
        let edges = between(&json!([one(READY, "False", "x")]), &json!([long]));
        assert_eq!(
            (edges[0].note.len(), edges[0].reason.len()),
            (MAX_NOTE, MAX_REASON)
        );
    }
}
