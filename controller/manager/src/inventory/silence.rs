//! Whether a node is heard of, and since when it is not. No I/O.
//!
//! The moment is the one at which Kubernetes noticed, which is its grace period (40 to 50 seconds by default) after the node's last word.
//! It never moves while the node is silent, so that what is said of it rests.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;

/// In which way nothing can be known of what runs on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Its kubelet has not been heard of.
    Unheard,
    /// Its kubelet says itself that it is not ready.
    NotReady,
    /// There is no such node in the cluster any more.
    Gone,
}

/// How a node is silent, and since when if that is known; `None` of one that is ready.
#[must_use]
pub fn of(node: Option<&Node>) -> Option<(Silence, Option<Timestamp>)> {
    let Some(node) = node else {
        return Some((Silence::Gone, None));
    };
    let conditions = node.status.iter().flat_map(|s| s.conditions.iter().flatten());
    let ready = conditions.into_iter().find(|c| c.type_ == "Ready");
    let since = ready
        .and_then(|c| c.last_transition_time.as_ref())
        .map(|time| time.0);
    match ready.map(|c| c.status.as_str()) {
        Some("True") => None,
        Some("False") => Some((Silence::NotReady, since)),
        _ => Some((Silence::Unheard, since)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_of_which_nothing_is_said_is_never_taken_for_one_that_answers() {
        let node = |ready: &str| {
            serde_json::from_value::<Node>(json!({"metadata": {"name": "h1"}, "status": {"conditions": [
                {"type": "Ready", "status": ready, "lastTransitionTime": "2026-11-22T11:48:10Z"}]}}))
            .expect("a node")
        };
        let since = "2026-11-22T11:48:10Z".parse().ok();
        assert_eq!(of(Some(&node("True"))), None);
        assert_eq!(of(Some(&node("False"))), Some((Silence::NotReady, since)));
        assert_eq!(of(Some(&node("Unknown"))), Some((Silence::Unheard, since)));
        assert_eq!(of(Some(&Node::default())), Some((Silence::Unheard, None)));
        assert_eq!(of(None), Some((Silence::Gone, None)));
    }
}
