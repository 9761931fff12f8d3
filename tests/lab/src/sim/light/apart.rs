//! Where a guest may not run because of the pods there that it keeps away from. No I/O.

use std::collections::BTreeSet;

use serde_json::Value;

use super::bind::matches;
use crate::sim::engine::{Context, Kind, Seen};
use crate::sim::value::{Key, Look};

const REQUIRED: &str = "/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution";

/// A node label and those of its values that are closed to a guest.
pub(super) struct Closed {
    label: String,
    values: BTreeSet<String>,
}

impl Closed {
    /// Whether that node is.
    pub(super) fn has(&self, node: &Seen) -> bool {
        self.values.contains(node.label(&self.label))
    }
}

/// What the guest's required rules close. They look at pods of its own namespace only, as rules do that name no other.
pub(super) fn closed(context: &Context, vmi: &Seen) -> Vec<Closed> {
    let ns = vmi.key().ns;
    let rules = vmi.list(REQUIRED).iter();
    let closes = |rule: &Value| {
        let label = rule["topologyKey"].as_str().unwrap_or_default().to_owned();
        let pods = context.world.all(Kind::Pod).into_iter();
        let values = pods
            .filter(|pod| pod.key().ns == ns && keeps_away(rule, pod))
            .filter_map(|pod| {
                context
                    .world
                    .get(Kind::Node, &Key::cluster(pod.text("/spec/nodeName")))
            })
            .map(|node| node.label(&label).to_owned())
            .filter(|value| !value.is_empty())
            .collect();
        Closed { label, values }
    };
    rules.map(closes).collect()
}

/// Whether a rule is about that pod; one that has ended is nobody's neighbour.
fn keeps_away(rule: &Value, pod: &Seen) -> bool {
    let selector = &rule["labelSelector"];
    let alive = !matches!(pod.text("/status/phase"), "Succeeded" | "Failed");
    let label = |key: &str| {
        let labels = pod.metadata.labels.as_ref();
        labels.and_then(|labels| labels.get(key)).map(String::as_str)
    };
    let equal = selector["matchLabels"].as_object().into_iter().flatten();
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    alive
        && selector.is_object()
        && equal.into_iter().all(|(key, value)| value.as_str() == label(key))
        && expressions
            .into_iter()
            .all(|e| matches(e, label(e["key"].as_str().unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::value::object;
    use serde_json::json;
    use std::sync::Arc;

    #[expect(clippy::needless_pass_by_value, reason = "called with literals")]
    fn pod(labels: Value, phase: &str) -> Seen {
        Arc::new(object(
            json!({"metadata": {"labels": labels}, "status": {"phase": phase}}),
        ))
    }

    #[test]
    fn a_guest_keeps_away_from_the_others_of_its_group_and_never_from_itself() {
        let rule = json!({"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchExpressions": [
            {"key": "group", "operator": "In", "values": ["pair"]},
            {"key": "server", "operator": "NotIn", "values": ["one"]},
        ]}});
        let other = json!({"group": "pair", "server": "two"});
        assert!(keeps_away(&rule, &pod(other.clone(), "Running")));
        assert!(!keeps_away(&rule, &pod(other, "Succeeded")), "it has ended");
        assert!(!keeps_away(
            &rule,
            &pod(json!({"group": "pair", "server": "one"}), "Running")
        ));
        assert!(!keeps_away(&rule, &pod(json!({"server": "two"}), "Running")));
        assert!(!keeps_away(&json!({}), &pod(json!({}), "Running")), "no selector");
    }
}
