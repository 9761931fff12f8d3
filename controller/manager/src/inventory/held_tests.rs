//! What is there keeps its watts, units, cores and memory, whether or not it can be read or told where it belongs.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Pod};
use raidc_planner::{ColocationId, HostUse, State};
use serde_json::{Value, json};

use super::translate::tests::{id, labels, made, node, placed, rack, waiting, world};
use super::translate::{Seen, translate};

fn other_watts(seen: &Seen, rack: &str) -> i64 {
    translate(seen).0.racks[&rack.into()].other_watts
}

/// A world in which rack `kuldiga-r1` lists `n1` with 800 W, and there is a node `n1` with these labels.
fn listed(labels: &Value) -> Seen {
    let mut seen = world();
    let hosts = json!({"hosts": [{"node": "k1"}, {"node": "n1", "idleWatts": 200, "maxWatts": 800}]});
    seen.racks[0] = rack("kuldiga-r1", "kuldiga", &hosts);
    seen.nodes.push(node("n1", labels));
    seen
}

#[test]
fn a_host_that_a_rack_lists_never_draws_nothing_whatever_its_node_says() {
    let mut absent = listed(&json!({}));
    absent.nodes.pop();
    assert_eq!(other_watts(&absent, "kuldiga-r1"), 800, "it is no node");
    for of in [
        json!({}),
        json!({"topology.kubernetes.io/zone": "kuldiga"}),
        json!({"topology.kubernetes.io/zone": "kuldiga", "raidc.dev/rack": "nothing"}),
        labels("talsi", "talsi-r1"),
    ] {
        assert_eq!(other_watts(&listed(&of), "kuldiga-r1"), 800, "{of}");
    }
    let counted = listed(&labels("kuldiga", "kuldiga-r1"));
    assert_eq!(other_watts(&counted, "kuldiga-r1"), 0, "it is counted as a host");
}

#[test]
fn a_host_that_two_racks_claim_counts_in_both() {
    let mut seen = listed(&labels("kuldiga", "kuldiga-r1"));
    let claim = json!({"hosts": [{"node": "n1", "maxWatts": 700}]});
    seen.racks.push(rack("kuldiga-r2", "kuldiga", &claim));
    let (fleet, _) = translate(&seen);
    assert_eq!(fleet.racks[&"kuldiga-r2".into()].other_watts, 700);
    let host = &fleet.hosts[&"n1".into()];
    assert_eq!((host.rack.as_str(), host.max_watts), ("kuldiga-r1", 800));
}

/// The node as its kubelet leaves it until it has looked at the machine.
fn without_capacity(node: &Arc<Node>) -> Arc<Node> {
    let mut json = serde_json::to_value(node.as_ref()).expect("JSON");
    json["status"]["allocatable"] = json!({});
    made(json)
}

#[test]
fn a_node_that_says_no_capacity_never_loses_its_servers_or_its_draw() {
    let mut seen = world();
    seen.servers = vec![made(placed("web", "kuldiga", "kuldiga-r1", "k1"))];
    seen.nodes[0] = without_capacity(&seen.nodes[0]);
    let (fleet, notes) = translate(&seen);
    assert_eq!(notes.nodes[&"k1".into()].note.reason, "CapacityUnknown");
    let host = &fleet.hosts[&"k1".into()];
    assert_eq!(
        (host.usable, host.idle_watts),
        (HostUse::Unknown, 400),
        "all that it may draw"
    );
    let plan = raidc_planner::plan(&fleet, &crate::placement::OPTIONS);
    assert_eq!(raidc_planner::check(&fleet, &plan), vec![]);
    assert_eq!(plan.problems, vec![]);
    assert_eq!(plan.servers[&id("web")].placement.host, "k1".into());
    assert!(plan.racks[&"kuldiga-r1".into()].committed_watts >= 400);
}

#[test]
fn what_runs_on_every_node_never_keeps_one_on() {
    let pod = |owner: &str| -> Arc<Pod> {
        made(json!({
            "metadata": {"name": "p", "namespace": "kube-system", "ownerReferences": [
                {"apiVersion": "v1", "kind": owner, "name": "o", "uid": "u"}]},
            "spec": {"nodeName": "k1", "containers": [{"name": "c", "resources": {"requests": {"cpu": "100m"}}}]},
        }))
    };
    let kept_on = |pods: Vec<Arc<Pod>>| {
        let mut seen = world();
        seen.pods = pods;
        let host = translate(&seen).0.hosts[&"k1".into()].clone();
        assert!(host.taken_cpu_milli > 0);
        host.kept_on
    };
    assert!(!kept_on(vec![pod("DaemonSet"), pod("Node")]));
    assert!(kept_on(vec![pod("DaemonSet"), pod("ReplicaSet")]));
}

fn colocation(spec: &Value, status: &Value) -> Arc<raidc_crds::Colocation> {
    made(json!({
        "apiVersion": "raidc.dev/v1alpha1", "kind": "Colocation",
        "metadata": {"name": "fw", "namespace": "kuldiga"}, "spec": spec, "status": status,
    }))
}

#[test]
fn a_colocation_that_cannot_be_read_in_full_keeps_its_units_and_watts() {
    let mut seen = world();
    let places = json!([
        {"name": "a", "site": "kuldiga", "rack": "kuldiga-r1", "lowestUnit": 4, "units": 2, "feeds": ["a", "b"]},
        {"name": "b", "site": "talsi", "rack": "talsi-r1", "lowestUnit": 1, "units": 1, "feeds": ["a"]},
    ]);
    let readable = json!({"devices": [{"name": "b", "units": 1, "watts": 90}, {"name": "new", "units": 1, "watts": 50}]});
    let status = json!({"observedGeneration": 1, "watts": 290, "devices": places});
    seen.unreadable_colocations = vec![colocation(&readable, &status)];
    let (fleet, notes) = translate(&seen);
    let fw = ColocationId::new("kuldiga", "fw");
    assert_eq!(notes.colocations[&fw].reason, "MalformedObject");
    let held = &fleet.colocations[&fw];
    let mut devices: Vec<_> = held
        .devices
        .iter()
        .map(|d| (d.name.as_str(), d.units, d.watts))
        .collect();
    devices.sort_unstable();
    assert_eq!(
        devices,
        [("a", 2, 200), ("b", 1, 90)],
        "nothing more is asked for"
    );
    assert!(fleet.racks.values().all(|rack| rack.state == State::Active));
    let plan = raidc_planner::plan(&fleet, &crate::placement::OPTIONS);
    assert_eq!(raidc_planner::check(&fleet, &plan), vec![]);
    assert_eq!(plan.racks[&"kuldiga-r1".into()].units_free, 40);
    // When nobody can tell what it draws, nothing new comes beside it.
    let status = json!({"observedGeneration": 1, "devices": places});
    seen.unreadable_colocations = vec![colocation(&readable, &status)];
    let (fleet, _) = translate(&seen);
    assert!(fleet.racks.values().all(|rack| rack.state == State::Cordoned));
}

#[test]
fn a_server_that_cannot_be_read_in_full_keeps_its_place_and_its_reserve() {
    let mut broken = placed("web", "kuldiga", "kuldiga-r1", "k1");
    broken["status"]["reserved"] = json!({"site": "talsi", "rack": "talsi-r1", "host": "t1"});
    let mut seen = world();
    seen.unreadable_servers = vec![made(broken.clone())];
    let (fleet, notes) = translate(&seen);
    assert_eq!(notes.servers[&id("web")].reason, "MalformedObject");
    let held = &fleet.servers[&id("web")];
    assert_eq!(
        (held.cpu_milli, held.memory_mib),
        (4000, 16700),
        "as it was counted"
    );
    let plan = raidc_planner::plan(&fleet, &crate::placement::OPTIONS);
    assert_eq!(plan.sites[&"kuldiga".into()].servers, 1);
    assert_eq!(
        plan.servers[&id("web")]
            .backup
            .as_ref()
            .map(|at| at.host.as_str()),
        Some("t1")
    );
    // Nothing is written to it by the loop.
    let now = jiff::Timestamp::UNIX_EPOCH;
    assert!(crate::placement::wanted(&seen, &fleet, &plan, &notes, now).is_empty());
    // When nobody can tell how large it is, nothing new comes where it may be.
    broken["spec"] = json!({"image": ""});
    broken["status"]["coresMilli"] = Value::Null;
    seen.unreadable_servers = vec![made(broken)];
    let (fleet, _) = translate(&seen);
    assert!(fleet.sites.values().all(|site| site.state == State::Cordoned));
    // One that has no place asks for none.
    let mut seen = world();
    seen.unreadable_servers = vec![made(waiting("web"))];
    let (fleet, _) = translate(&seen);
    assert!(fleet.servers.is_empty());
}

#[test]
fn a_rack_that_cannot_be_read_in_full_takes_nothing_new_and_forgets_nothing() {
    let mut seen = world();
    seen.unreadable_racks = ["kuldiga-r1".to_owned()].into();
    seen.servers = vec![made(placed("web", "kuldiga", "kuldiga-r1", "k1"))];
    let (fleet, _) = translate(&seen);
    assert_eq!(fleet.racks[&"kuldiga-r1".into()].state, State::Unknown);
    let plan = raidc_planner::plan(&fleet, &crate::placement::OPTIONS);
    assert_eq!(plan.servers[&id("web")].placement.host, "k1".into());
}

#[test]
fn a_server_without_a_status_is_never_placed_while_its_machine_may_be_somewhere() {
    let mut server = waiting("web");
    server["spec"] = json!({"resources": {"cores": 2, "memory": "4Gi"}, "image": "debian-13"});
    let placed = |change: fn(&mut Seen)| {
        let mut seen = world();
        seen.servers = vec![made(server.clone())];
        change(&mut seen);
        let (fleet, notes) = translate(&seen);
        let reason = notes.servers.get(&id("web")).map(|note| note.reason);
        (fleet.servers.contains_key(&id("web")), reason)
    };
    let waits = (false, Some("MachineUnreadable"));
    let with_disk = |seen: &mut Seen| {
        let labels = json!({"raidc.dev/server-uid": "web"});
        seen.claims = Some(vec![made(
            json!({"metadata": {"name": "web-root", "namespace": "kuldiga", "labels": labels}}),
        )]);
        seen.vms = None;
    };
    assert_eq!(placed(with_disk), waits);
    assert_eq!(placed(|seen| (seen.vms, seen.claims) = (None, None)), waits);
    assert_eq!(placed(|seen| seen.unreadable_vms = [id("web")].into()), waits);
    let without_disks = placed(|seen| seen.vms = None);
    assert_eq!(
        without_disks,
        (true, None),
        "no machine was ever made before its disks"
    );
}
