//! Chooses the host of a guest as the Kubernetes scheduler would: what is required, where the disks are, what is free,
//! then what is preferred. No I/O.

use std::collections::BTreeSet;

use serde_json::Value;

use super::apart;
use super::render::requests;
use crate::sim::csi::provision::bytes;
use crate::sim::engine::{Context, Kind, Seen, claims_of};
use crate::sim::faults::Reach;
use crate::sim::places::{ZONE, sites_of_volume};
use crate::sim::value::{Key, Look};

/// Chooses a host, or says why there is none in the scheduler's words. A guest with a `migration` leaves its host.
pub(super) fn choose(context: &Context, vmi: &Seen, migration: Option<&Seen>) -> Result<String, String> {
    let not_on = migration.map(|_| vmi.text("/status/nodeName"));
    let faults = context.faults();
    let (milli, memory) = requests(vmi);
    let sites = sites_of_disks(context, vmi);
    let closed = apart::closed(context, vmi);
    let (mut away, mut affinity, mut full, mut best) = (0, 0, 0, None::<(i64, u128, String)>);
    for (name, host) in &context.places.hosts {
        let node = context.world.get(Kind::Node, &Key::cluster(name));
        let up = faults.host(&host.site, name) == Reach::On;
        let Some(node) = node.filter(|node| up && is_usable(node)) else {
            away += 1;
            continue;
        };
        let at_disks = sites.as_ref().is_none_or(|sites| sites.contains(&host.site));
        let apart = !closed.iter().any(|closed| closed.has(&node));
        if !at_disks || !apart || not_on == Some(name) || !matches_required(vmi, migration, &node) {
            affinity += 1;
            continue;
        }
        let (used_milli, used_memory) = used(context, name);
        if used_milli + milli > u64::from(host.cores) * 1000
            || used_memory + memory > u128::from(host.memory_gib) << 30
        {
            full += 1;
            continue;
        }
        let candidate = (-preference(vmi, &node), used_memory, name.clone());
        if best.as_ref().is_none_or(|best| candidate < *best) {
            best = Some(candidate);
        }
    }
    best.map(|(_, _, name)| name).ok_or_else(|| {
        let all = context.places.hosts.len();
        format!(
            "0/{all} nodes are available: {affinity} node(s) didn't match Pod's node affinity/selector, anti-affinity \
             rules or the volumes' node affinity, {full} Insufficient cpu or memory, {away} node(s) were not ready or unschedulable."
        )
    })
}

/// Sites at which every bound disk is; `None` when no disk ties the guest to a site.
fn sites_of_disks(context: &Context, vmi: &Seen) -> Option<BTreeSet<String>> {
    let ns = vmi.key().ns;
    let mut sites: Option<BTreeSet<String>> = None;
    for name in claims_of(vmi) {
        let Some(claim) = context.world.get(Kind::Claim, &Key::new(&ns, name)) else {
            continue;
        };
        let volume = context
            .world
            .get(Kind::Volume, &Key::cluster(claim.text("/spec/volumeName")));
        let here = match volume {
            Some(volume) => sites_of_volume(&volume),
            None => match context.places.storage(claim.text("/spec/storageClassName")) {
                Some(storage) => storage.sites.clone(),
                None => continue,
            },
        };
        sites = Some(sites.map_or(here.clone(), |known| known.intersection(&here).cloned().collect()));
    }
    sites
}

fn is_usable(node: &Seen) -> bool {
    node.condition("Ready") == "True"
        && !node.flag("/spec/unschedulable")
        && node.label("kubevirt.io/schedulable") == "true"
        && !node.label(ZONE).is_empty()
}

fn used(context: &Context, node: &str) -> (u64, u128) {
    let pods = context.world.find(Kind::Pod, "node", node);
    let alive = pods
        .iter()
        .filter(|pod| !matches!(pod.text("/status/phase"), "Succeeded" | "Failed"));
    alive
        .flat_map(|pod| pod.list("/spec/containers"))
        .fold((0, 0), |(milli, memory), container| {
            let text = |what: &str| {
                let path = format!("/resources/requests/{what}");
                container
                    .pointer(&path)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            (milli + millis(text("cpu")), memory + bytes(text("memory")))
        })
}

fn millis(quantity: &str) -> u64 {
    match quantity.strip_suffix('m') {
        Some(milli) => milli.parse().unwrap_or_default(),
        None => quantity.parse::<u64>().unwrap_or_default() * 1000,
    }
}

fn matches_required(vmi: &Seen, migration: Option<&Seen>, node: &Seen) -> bool {
    let own = vmi.at("/spec/nodeSelector").as_object();
    // A migration's selector adds to the guest's own and never overrules it.
    let added = migration.and_then(|m| m.at("/spec/addedNodeSelector").as_object());
    let added = added
        .into_iter()
        .flatten()
        .filter(|(name, _)| own.is_none_or(|own| !own.contains_key(*name)));
    let selected = own
        .into_iter()
        .flatten()
        .chain(added)
        .all(|(name, value)| value == node.label(name));
    let required = vmi
        .list("/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms");
    selected && (required.is_empty() || required.iter().any(|term| matches_term(term, node)))
}

fn preference(vmi: &Seen, node: &Seen) -> i64 {
    let preferred = vmi.list("/spec/affinity/nodeAffinity/preferredDuringSchedulingIgnoredDuringExecution");
    let met = preferred.iter().filter(|p| matches_term(&p["preference"], node));
    met.filter_map(|p| p["weight"].as_i64()).sum()
}

fn matches_term(term: &Value, node: &Seen) -> bool {
    let of = |field: &str| term[field].as_array().cloned().unwrap_or_default();
    let (labels, fields) = (of("matchExpressions"), of("matchFields"));
    let name = node.key().name;
    !(labels.is_empty() && fields.is_empty())
        && labels.iter().all(|e| {
            let key = e["key"].as_str().unwrap_or_default();
            let value = node.metadata.labels.as_ref().and_then(|l| l.get(key));
            matches(e, value.map(String::as_str))
        })
        && fields
            .iter()
            .all(|e| e["key"] == "metadata.name" && matches(e, Some(&name)))
}

pub(super) fn matches(expression: &Value, value: Option<&str>) -> bool {
    let listed = || {
        let values = expression["values"].as_array();
        value.is_some_and(|value| values.is_some_and(|values| values.iter().any(|v| v == value)))
    };
    match expression["operator"].as_str().unwrap_or_default() {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        // Gt and Lt are of no use on names of sites, racks and hosts.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::value::object;
    use serde_json::json;
    use std::sync::Arc;

    fn node(name: &str, zone: &str) -> Seen {
        Arc::new(object(
            json!({"metadata": {"name": name, "labels": {ZONE: zone, "kubernetes.io/hostname": name}}}),
        ))
    }

    #[expect(clippy::needless_pass_by_value, reason = "called with literals")]
    fn vmi(affinity: Value) -> Seen {
        Arc::new(object(json!({"spec": {"affinity": {"nodeAffinity": affinity}}})))
    }

    #[test]
    fn a_guest_is_never_bound_outside_its_required_site() {
        let expression = json!({"key": ZONE, "operator": "In", "values": ["talsi"]});
        let v = vmi(
            json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}),
        );
        assert!(
            matches_required(&v, None, &node("a", "talsi"))
                && !matches_required(&v, None, &node("b", "liepaja"))
        );
        let v = vmi(json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{}]}}));
        assert!(
            !matches_required(&v, None, &node("a", "talsi")),
            "an empty term matches nothing"
        );
        assert!(matches_required(&vmi(Value::Null), None, &node("a", "talsi")));
    }

    #[test]
    fn a_migration_never_goes_to_another_host_than_the_one_it_names() {
        let host = |spec: Value| -> Seen { Arc::new(object(json!({"spec": spec}))) };
        let named = |name: &str| host(json!({"addedNodeSelector": {"kubernetes.io/hostname": name}}));
        let (free, tied) = (
            host(json!({})),
            host(json!({"nodeSelector": {"kubernetes.io/hostname": "a"}})),
        );
        let goes = |vmi: &Seen, to: &str, node_name: &str| {
            matches_required(vmi, Some(&named(to)), &node(node_name, "talsi"))
        };
        assert!(goes(&free, "b", "b") && !goes(&free, "b", "a"));
        assert!(
            goes(&tied, "b", "a") && !goes(&tied, "b", "b"),
            "the guest's own selector is not overruled"
        );
    }

    #[test]
    fn the_preferred_host_counts_for_more() {
        let expression = json!({"key": "kubernetes.io/hostname", "operator": "In", "values": ["b"]});
        let v = vmi(json!({"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 100, "preference": {"matchExpressions": [expression]}}]}));
        assert_eq!(
            (preference(&v, &node("b", "x")), preference(&v, &node("a", "x"))),
            (100, 0)
        );
    }

    #[test]
    fn cpu_is_counted_in_thousandths() {
        assert_eq!((millis("400m"), millis("2"), millis("")), (400, 2000, 0));
    }
}
