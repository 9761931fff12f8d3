//! Whether a live object already has everything that we would set, so that a needless write is not made. No I/O.
//!
//! Comparing the fields that we set against the live object repairs drift, and lets a restarted operator see that there
//! is nothing to write. What it cannot see is a field that an earlier body of ours had and this one leaves out: for that
//! the body carries a mark (see `applied`).

use serde_json::Value;

/// Keys whose strings are amounts: the API server may write them in another way than we did (`1024Mi` comes back as `1Gi`).
const AMOUNTS: [&str; 6] = ["cpu", "memory", "storage", "guest", "capacity", "requests"];

/// Whether `live` has every field of `wanted` with its value. Maps may have more keys; lists must be as long, in the same
/// order; an absent field counts as null, and as an empty map or list.
#[must_use]
pub fn covers(live: &Value, wanted: &Value) -> bool {
    covers_at("", live, wanted)
}

fn covers_at(key: &str, live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (_, Value::Null) => true,
        (Value::Object(have), Value::Object(want)) => want
            .iter()
            .all(|(k, w)| covers_at(k, have.get(k).unwrap_or(&Value::Null), w)),
        (Value::Array(have), Value::Array(want)) => {
            have.len() == want.len() && have.iter().zip(want).all(|(h, w)| covers_at(key, h, w))
        }
        (Value::Null, Value::Object(want)) => want.values().all(|w| covers_at(key, &Value::Null, w)),
        (Value::Null, Value::Array(want)) => want.is_empty(),
        (Value::String(have), Value::String(want)) => {
            have == want || (AMOUNTS.contains(&key) && same_amount(have, want))
        }
        (have, want) => have == want,
    }
}

/// Whether both say the same, and neither anything more. An absent field counts as null and as an empty list, but not as an empty
/// map: in a network policy an empty selector is everything, and an absent one is nothing.
#[must_use]
pub fn same(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(have), Value::Object(want)) => have
            .keys()
            .chain(want.keys())
            .all(|key| same(&live[key], &wanted[key])),
        (Value::Array(have), Value::Array(want)) => {
            have.len() == want.len() && have.iter().zip(want).all(|(h, w)| same(h, w))
        }
        (Value::Null, Value::Array(list)) | (Value::Array(list), Value::Null) => list.is_empty(),
        (have, want) => have == want,
    }
}

fn same_amount(a: &str, b: &str) -> bool {
    let amount = raidc_crds::quantity::milli;
    match (amount(a), amount(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_others_added_is_no_reason_to_write() {
        let live = json!({"metadata": {"labels": {"a": "1", "b": "2"}, "uid": "x"}, "spec": {"n": 1, "status": "set by others"}});
        assert!(covers(
            &live,
            &json!({"metadata": {"labels": {"a": "1"}}, "spec": {"n": 1}})
        ));
        assert!(covers(
            &live,
            &json!({"metadata": {"annotations": {}}, "spec": {"list": [], "gone": null}})
        ));
    }

    #[test]
    fn drift_is_never_taken_for_what_we_want() {
        let live = json!({"spec": {"n": 1, "list": [{"name": "a"}]}});
        assert!(!covers(&live, &json!({"spec": {"n": 2}})));
        assert!(!covers(&live, &json!({"spec": {"m": 1}})));
        assert!(!covers(
            &live,
            &json!({"spec": {"list": [{"name": "a"}, {"name": "b"}]}})
        ));
        assert!(!covers(&live, &json!({"spec": {"list": []}})));
        assert!(!covers(&live, &json!({"spec": {"rng": {"on": true}}})));
    }

    #[test]
    fn one_more_peer_is_never_taken_for_the_same_wall() {
        let ours = json!({"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}], "egress": []});
        assert!(same(&ours, &ours));
        assert!(same(
            &json!({"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}]}),
            &ours
        ));
        for live in [
            json!({"podSelector": {"matchLabels": {"a": "b"}}, "ingress": ours["ingress"]}),
            json!({"podSelector": {}, "ingress": [{"from": [{"podSelector": {}, "namespaceSelector": {}}]}]}),
            json!({"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": 1}]}]}),
            json!({"podSelector": {}, "ingress": ours["ingress"], "egress": [{}]}),
        ] {
            assert!(!same(&live, &ours), "{live}");
        }
    }

    #[test]
    fn an_amount_written_in_another_way_is_no_drift() {
        let live = json!({"resources": {"requests": {"storage": "1Gi"}}, "name": "1024Mi"});
        assert!(covers(
            &live,
            &json!({"resources": {"requests": {"storage": "1024Mi"}}})
        ));
        assert!(!covers(
            &live,
            &json!({"resources": {"requests": {"storage": "2Gi"}}})
        ));
        assert!(!covers(&live, &json!({"name": "1Gi"})));
    }
}
