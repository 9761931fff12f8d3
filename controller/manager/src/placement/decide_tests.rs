//! A plan never becomes a status that moves what has a machine or data.

use std::sync::Arc;

use raidc_crds::condition::PLACED;
use serde_json::{Value, json};

use super::*;
use crate::foreign::kubevirt::VirtualMachine;
use crate::inventory::translate::tests::{id, labels, made, node, placed, waiting, world};
use crate::inventory::translate::translate;

/// The machine of server `web`, made for the host `k1`.
fn machine() -> Arc<VirtualMachine> {
    let expression = |key: &str, value: &str| json!({"key": key, "operator": "In", "values": [value]});
    made(json!({
        "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine",
        "metadata": {
            "name": "web", "namespace": "kuldiga", "labels": {"raidc.dev/server-uid": "web"},
            "annotations": {"raidc.dev/epoch": "3", "raidc.dev/host": "k1"},
        },
        "spec": {"template": {"spec": {"domain": {"devices": {}}, "affinity": {"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [
                expression("topology.kubernetes.io/zone", "kuldiga"), expression("raidc.dev/rack", "kuldiga-r1"),
            ]}]},
        }}}}},
    }))
}

/// What the status of `server` is to say after its host `k1` is gone and nothing else is left at its site.
fn after_its_host_is_gone(server: Value, more: impl FnOnce(&mut Seen)) -> VirtualServerStatus {
    let mut seen = world();
    seen.nodes = vec![node("t1", &labels("talsi", "talsi-r1"))];
    seen.servers = vec![made(server)];
    more(&mut seen);
    let (fleet, notes) = translate(&seen);
    assert!(!fleet.hosts.contains_key(&"k1".into()));
    let plan = raidc_planner::plan(&fleet, &crate::placement::OPTIONS);
    assert_eq!(
        plan.servers[&id("web")].placement.site,
        "talsi".into(),
        "no site is left but that"
    );
    let written = wanted(&seen, &fleet, &plan, &notes, Timestamp::UNIX_EPOCH);
    let [Wanted::Server { status, .. }] = written.as_slice() else {
        panic!("one server");
    };
    VirtualServerStatus::clone(status)
}

/// What is different in a world.
type Change = fn(&mut Seen);

/// A server of a policy with one copy, so that it may start anywhere.
fn alone(mut server: Value) -> Value {
    server["spec"]["policy"] = json!("bronze");
    server["status"]["copySites"] = json!([]);
    server
}

fn with_bronze(seen: &mut Seen) {
    seen.policies.push(made(json!({
        "apiVersion": "raidc.dev/v1alpha1", "kind": "ReplicationPolicy", "metadata": {"name": "bronze"},
        "spec": {"copies": 1},
    })));
}

fn is_held_at_its_site(status: &VirtualServerStatus) {
    let placed = status
        .conditions
        .iter()
        .find(|c| c.type_ == PLACED)
        .expect("a condition");
    assert_eq!(placed.reason, "NeedsFailover", "{placed:?}");
    assert_eq!(
        (status.site.as_deref(), status.host.as_deref()),
        (Some("kuldiga"), Some("k1"))
    );
}

#[test]
fn a_lost_status_never_lets_a_server_with_a_machine_go_to_another_site() {
    let status = after_its_host_is_gone(alone(waiting("web")), |seen| {
        with_bronze(seen);
        seen.vms = Some([(id("web"), machine())].into());
    });
    is_held_at_its_site(&status);
    assert_eq!(status.epoch, Some(3));
}

#[test]
fn a_server_with_data_or_a_machine_that_cannot_be_read_never_goes_to_another_site() {
    let server = || alone(placed("web", "kuldiga", "kuldiga-r1", "k1"));
    let claim = |labels: Value| {
        made(json!({"metadata": {"name": "web-root", "namespace": "kuldiga", "labels": labels}}))
    };
    let ways: [(&str, Change); 4] = [
        ("machines cannot be read", |seen| seen.vms = None),
        ("its machine cannot be read", |seen| {
            seen.unreadable_vms.insert(id("web"));
        }),
        ("claims cannot be read", |seen| seen.claims = None),
        ("disks cannot be read", |seen| seen.data_volumes = None),
    ];
    for (why, way) in ways {
        let status = after_its_host_is_gone(server(), |seen| {
            with_bronze(seen);
            way(seen);
        });
        assert_eq!(status.site.as_deref(), Some("kuldiga"), "{why}");
    }
    for of in [json!({"raidc.dev/server-uid": "web"}), json!({})] {
        is_held_at_its_site(&after_its_host_is_gone(server(), |seen| {
            with_bronze(seen);
            seen.claims = Some(vec![claim(of)]);
        }));
    }
    let mut once_ready = server();
    once_ready["status"]["disks"] = json!([{"name": "root", "claim": "web-root", "state": "Ready"}]);
    is_held_at_its_site(&after_its_host_is_gone(once_ready, with_bronze));
}

#[test]
fn a_disk_that_was_never_made_never_keeps_a_server_from_a_place() {
    let mut server = alone(placed("web", "kuldiga", "kuldiga-r1", "k1"));
    server["status"]["disks"] = json!([{"name": "root", "claim": "web-root", "state": "Pending"}]);
    let of_another = made(json!({"metadata": {"name": "web-root", "namespace": "kuldiga",
        "labels": {"raidc.dev/server-uid": "an earlier one"}}}));
    let status = after_its_host_is_gone(server, |seen| {
        with_bronze(seen);
        seen.claims = Some(vec![of_another]);
    });
    assert_eq!(status.site.as_deref(), Some("talsi"));
}
