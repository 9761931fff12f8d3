//! Stories of one server, from what is seen to what its status says.

mod disks;
mod growth;
mod ready;
mod silent;

use std::sync::Arc;

use jiff::Timestamp;
use raidc_crds::VirtualServer;
use raidc_planner::State;
use raidc_planner::Waiting;
use raidc_planner::WaitingOn;
use serde_json::Value;
use serde_json::json;

use super::build::DiskStep;
use super::build::build;
use super::build::cannot_grow;
use super::gather::Backends;
use super::gather::DiskSeen;
use super::gather::World;
use super::report::Run;
use super::report::report;
use super::report::run;
use super::validate::Refusal;
use super::validate::validate;
use crate::inventory::claims::tests::bound;
use crate::reconcile::typed;
use crate::runtime::covers::covers;

pub(super) const UID: &str = "0b9b4e3e-6a53-4f0f-8f5d-0d5f3a9c2f11";

pub(super) fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().expect("a time")
}

pub(super) fn server(spec: &Value, status: &Value) -> VirtualServer {
    serde_json::from_value(json!({
        "apiVersion": "raidc.dev/v1alpha1", "kind": "VirtualServer",
        "metadata": {"name": "web", "namespace": "kuldiga", "uid": UID, "generation": 3},
        "spec": spec,
        "status": status,
    }))
    .expect("a server")
}

pub(super) fn minimal() -> Value {
    json!({"size": "m-4", "image": "debian-13"})
}

pub(super) fn placed() -> Value {
    json!({"observedGeneration": 3, "site": "kuldiga", "rack": "kuldiga-r1", "host": "kuldiga-r1-h1", "epoch": 1,
        "copySites": ["talsi"], "reserved": {"site": "talsi", "rack": "talsi-r1", "host": "talsi-r1-h2"}})
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "every field of a world that it fills is optional"
)]
pub(super) fn of<T: serde::de::DeserializeOwned>(body: Value) -> Option<Arc<T>> {
    Some(Arc::new(serde_json::from_value(body).expect("a known shape")))
}

fn policy(spec: &Value) -> Option<Arc<raidc_crds::ReplicationPolicy>> {
    of(
        json!({"apiVersion": "raidc.dev/v1alpha1", "kind": "ReplicationPolicy", "metadata": {"name": "silver"}, "spec": spec}),
    )
}

fn site(name: &str) -> (String, Arc<raidc_crds::Site>) {
    let body = json!({"apiVersion": "raidc.dev/v1alpha1", "kind": "Site", "metadata": {"name": name},
        "spec": {"storage": {"class": format!("fast-{name}"), "snapshotClass": "snap"}}});
    (name.to_owned(), of(body).expect("a site"))
}

fn disk(name: &str, size: &str) -> DiskSeen {
    DiskSeen {
        name: name.to_owned(),
        size: raidc_crds::Quantity(size.to_owned()),
        claim_name: format!("web-{name}"),
        volume: None,
        claim: None,
        can_grow: None,
    }
}

/// A world in which a minimal server can be made.
pub(super) fn world() -> World {
    World {
        tenant: of(
            json!({"apiVersion": "raidc.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": "kuldiga"},
            "spec": {"displayName": "Kuldīga", "defaultPolicy": "silver"}}),
        ),
        policy: policy(&json!({"copies": 2, "mode": "Async", "rpo": "15m"})),
        size_exists: true,
        image: of(json!({"metadata": {"name": "debian-13"}, "spec": {},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}})),
        sites: [site("kuldiga"), site("talsi")].into_iter().collect(),
        disks: vec![disk("root", "20Gi")],
        backends: Backends {
            kubevirt: true,
            cdi: true,
            volsync: true,
        },
        ..World::default()
    }
}

fn volume(claim: &str, phase: &str) -> Option<Arc<crate::foreign::cdi::DataVolume>> {
    of(
        json!({"metadata": {"name": claim, "labels": {"raidc.dev/server-uid": UID}}, "spec": {}, "status": {"phase": phase}}),
    )
}

/// The same world with the disk filled and the machine running.
pub(super) fn running() -> World {
    let mut world = world();
    world.disks[0].volume = volume("web-root", "Succeeded");
    world.disks[0].claim = Some(bound("web-root", UID, &["kuldiga"]));
    world.machine = of(json!({"metadata": {"name": "web", "generation": 2}, "spec": {},
        "status": {"created": true, "ready": true, "desiredGeneration": 2}}));
    world.instance = of(json!({"metadata": {"name": "web"}, "spec": {}, "status": {
        "phase": "Running", "nodeName": "kuldiga-r1-h1",
        "conditions": [{"type": "Ready", "status": "True"}],
        "interfaces": [{"name": "default", "ipAddress": "10.0.0.7", "ipAddresses": ["10.0.0.7", "fd00::7"]}]}}));
    world
}

fn refuse(server: &VirtualServer, world: &World) -> Refusal {
    validate(server, world).expect_err("it was not refused")
}

pub(super) fn conditions(server: &VirtualServer, world: &World) -> Vec<(String, String, String)> {
    let valid = validate(server, world);
    let grow = valid.as_ref().map(cannot_grow).unwrap_or_default();
    let protected = super::protected(server, world, now());
    let report = report(server, world, valid.as_ref().err(), &grow, &protected, now());
    let list = report.status["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    list.iter()
        .map(|c| {
            let text = |key: &str| c[key].as_str().unwrap_or_default().to_owned();
            (text("type"), text("status"), text("reason"))
        })
        .collect()
}

pub(super) fn has(all: &[(String, String, String)], kind: &str, status: &str, reason: &str) -> bool {
    all.iter()
        .any(|(k, s, r)| k == kind && s == status && r == reason)
}

#[test]
fn what_cannot_be_is_never_waited_for_in_silence() {
    let s = server(&minimal(), &placed());
    let change = |change: fn(&mut World)| {
        let mut w = world();
        change(&mut w);
        refuse(&s, &w)
    };
    for (reason, found) in [
        ("NoTenant", change(|w| w.tenant = None)),
        ("UnknownPolicy", change(|w| w.policy = None)),
        ("UnknownSize", change(|w| w.size_exists = false)),
        ("UnknownImage", change(|w| w.image = None)),
        ("UnknownSite", change(|w| w.sites.clear())),
        ("NameTaken", change(|w| w.other_machine = true)),
    ] {
        assert_eq!((found.reason.as_str(), found.stalled), (reason, true));
        assert!(found.message.len() > 30, "{}", found.message);
    }
    let none = change(|w| w.backends.kubevirt = false);
    assert_eq!(
        (none.reason.as_str(), none.stalled),
        ("BackendUnavailable", false)
    );
}

#[test]
fn a_municipality_without_the_service_gets_no_server() {
    let mut w = world();
    w.tenant = of(
        json!({"apiVersion": "raidc.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": "kuldiga"},
        "spec": {"displayName": "Kuldīga", "defaultPolicy": "silver", "services": ["Colocation"]}}),
    );
    assert_eq!(
        refuse(&server(&minimal(), &placed()), &w).reason,
        "ServiceNotEnabled"
    );
}

#[test]
fn a_wait_that_only_a_person_ends_is_stalled_and_the_others_are_not() {
    let s = server(&minimal(), &json!({"observedGeneration": -1}));
    let wait = |on| {
        let mut w = world();
        w.told.waiting = Some(Waiting::on(on));
        refuse(&s, &w)
    };
    let cores = wait(WaitingOn::HostCores {
        asked: 64_000,
        largest: 32_000,
    });
    assert_eq!((cores.reason.as_str(), cores.stalled), ("HostCores", true));
    let queue = wait(WaitingOn::Queue { ahead: 2 });
    assert_eq!((queue.reason.as_str(), queue.stalled), ("Queue", false));
    assert_eq!(refuse(&s, &world()).reason, "Placing");
}

#[test]
fn keys_are_never_dropped_in_silence() {
    let key = format!("ssh-rsa {}", "A".repeat(700));
    let spec =
        json!({"size": "m-4", "image": "debian-13", "sshKeys": [key, format!("{key}B"), format!("{key}C")]});
    assert_eq!(refuse(&server(&spec, &placed()), &world()).reason, "TooManyKeys");
    let spec = json!({"size": "m-4", "image": "debian-13", "sshKeys": ["ssh-ed25519 AAAA"], "cloudInit": {"secretName": "x"}});
    assert_eq!(
        refuse(&server(&spec, &placed()), &world()).reason,
        "KeysAndCloudInit"
    );
}

#[test]
fn a_server_is_never_joined_to_a_network_of_another_namespace() {
    for attachment in ["talsi/office", "/office", "office,talsi/office", "office@x", ""] {
        let spec = json!({"size": "m-4", "image": "debian-13", "networks": [{"name": "lan", "attachment": attachment}]});
        let found = refuse(&server(&spec, &placed()), &world());
        assert_eq!(
            (found.reason.as_str(), found.stalled),
            ("ForeignNetwork", true),
            "{attachment}"
        );
    }
}

#[test]
fn a_machine_is_never_made_anew_for_another_site_under_its_own_epoch() {
    let machine = |epoch: &str| {
        let expression = |key: &str, value: &str| json!({"key": key, "operator": "In", "values": [value]});
        of(json!({
            "metadata": {"name": "web", "labels": {"raidc.dev/server-uid": UID}, "annotations": {"raidc.dev/epoch": epoch}},
            "spec": {"template": {"spec": {"affinity": {"nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [
                    expression("topology.kubernetes.io/zone", "talsi"), expression("raidc.dev/rack", "talsi-r1"),
                ]}]},
            }}}}},
        }))
    };
    let mut w = world();
    w.machine = machine("1");
    let refusal = refuse(&server(&minimal(), &placed()), &w);
    assert_eq!(refusal.reason, "MachineElsewhere");
    assert!(refusal.message.contains("kuldiga") && refusal.message.contains("talsi"));
    let mut after_a_failover = placed();
    after_a_failover["epoch"] = json!(2);
    assert!(validate(&server(&minimal(), &after_a_failover), &w).is_ok());
}

#[test]
fn an_image_that_leaves_the_catalogue_never_disturbs_a_server_that_has_its_disk() {
    let mut w = running();
    w.image = None;
    assert!(validate(&server(&minimal(), &placed()), &w).is_ok());
}

#[test]
fn every_field_of_a_body_survives_the_type_that_is_applied() {
    let spec = json!({"resources": {"cores": 2, "memory": "3Gi"}, "image": "debian-13", "sshKeys": ["ssh-ed25519 AAAA"],
        "networks": [{"name": "lan", "attachment": "office"}], "apart": {"group": "db"}});
    let s = server(&spec, &placed());
    let w = world();
    let desired = build(&validate(&s, &w).expect("valid"), "raidc-images");
    let machine: crate::foreign::kubevirt::VirtualMachine = typed(desired.machine.clone()).expect("fits");
    assert!(covers(
        &serde_json::to_value(machine).expect("json"),
        &desired.machine
    ));
    let DiskStep::Make(body) = &desired.disks[0] else {
        panic!("it is not made");
    };
    let volume: crate::foreign::cdi::DataVolume = typed(body.clone()).expect("fits");
    assert!(covers(&serde_json::to_value(volume).expect("json"), body));
}

#[test]
fn a_synchronous_server_never_gets_a_class_that_misses_a_copy() {
    let mut w = world();
    let class = |name: &str, sites: &[&str]| json!({"class": name, "sites": sites});
    w.policy = policy(&json!({"copies": 2, "mode": "Sync", "sync": {"storageClasses": [
        class("all-four", &["kuldiga", "liepaja", "talsi", "ventspils"]), class("b-pair", &["kuldiga", "talsi"]),
        class("a-pair", &["kuldiga", "ventspils"])]}}));
    let s = server(&minimal(), &placed());
    assert_eq!(validate(&s, &w).expect("valid").place.class, "b-pair");
    let mut elsewhere = placed();
    elsewhere["copySites"] = json!(["riga"]);
    let found = refuse(&server(&minimal(), &elsewhere), &w);
    assert_eq!(
        (found.reason.as_str(), found.stalled),
        ("NoSpanningStorageClass", true)
    );
}
