//! Waits for KubeVirt and CDI: what must be said at once, what only after a while, and what never.

use std::sync::Arc;

use serde_json::Value;
use serde_json::json;

use super::super::report::Report;
use super::super::report::report;
use super::super::tests::UID;
use super::super::tests::minimal;
use super::super::tests::now;
use super::super::tests::of;
use super::super::tests::placed;
use super::super::tests::running;
use super::super::tests::server;
use super::super::tests::world;
use super::super::validate::validate;
use super::*;
use crate::reconcile::status;

const LATER: SignedDuration = SignedDuration::from_mins(11);

fn told(server: &VirtualServer, world: &World, now: Timestamp) -> Report {
    let valid = validate(server, world);
    let protected = super::super::protected(server, world, now);
    report(server, world, valid.as_ref().err(), &[], &protected, now)
}

/// The server with the status that was written.
fn written(spec: &Value, report: &Report) -> VirtualServer {
    let mut status = placed();
    for (key, value) in report.status.as_object().into_iter().flatten() {
        status[key] = value.clone();
    }
    server(spec, &status)
}

fn condition<'a>(report: &'a Report, kind: &str) -> Option<&'a Value> {
    report.status["conditions"]
        .as_array()?
        .iter()
        .find(|c| c["type"] == kind)
}

fn message<'a>(report: &'a Report, kind: &str) -> &'a str {
    condition(report, kind)
        .and_then(|c| c["message"].as_str())
        .unwrap_or_default()
}

/// A machine whose run finds no host.
fn unschedulable() -> World {
    let mut w = running();
    w.machine = of(json!({"metadata": {"name": "web"}, "spec": {},
        "status": {"created": true, "printableStatus": "ErrorUnschedulable"}}));
    w.instance = of(
        json!({"metadata": {"name": "web"}, "spec": {}, "status": {"phase": "Scheduling", "conditions": [
        {"type": "Ready", "status": "False", "message": "virt-launcher pod has not yet been scheduled"},
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
         "message": "0/8 nodes are available:\n 1 Insufficient memory, 7 node(s) didn't match Pod's node affinity."}]}}),
    );
    w
}

fn filling(phase: &str, conditions: &Value) -> World {
    let mut w = world();
    w.disks[0].volume = of(
        json!({"metadata": {"name": "web-root", "labels": {"raidc.dev/server-uid": UID}}, "spec": {},
        "status": {"phase": phase, "conditions": conditions}}),
    );
    w
}

#[test]
fn a_machine_that_finds_no_host_never_starts_for_ever_without_a_word() {
    let (spec, w) = (minimal(), unschedulable());
    let first = told(&server(&spec, &placed()), &w, now());
    let says = message(&first, condition::RECONCILING);
    assert!(
        says.contains("0/8 nodes are available: 1 Insufficient memory")
            && says.contains("ErrorUnschedulable"),
        "{says}"
    );
    assert_eq!(first.status["waitingSince"], "2026-11-22T12:00:00Z");
    assert!(first.look_again_at.is_some_and(|at| at <= now() + PATIENCE));

    // Nothing is written while only the time passes, until it is too long; then once.
    let waiting = written(&spec, &first);
    let second = told(&waiting, &w, now() + SignedDuration::from_mins(5));
    let have = serde_json::to_value(&waiting).expect("json");
    assert_eq!(status::SERVER.change(&have["status"], &second.status), None);
    let third = told(&waiting, &w, now() + LATER);
    let says = message(&third, condition::STALLED);
    for word in [
        "0/8 nodes",
        "since 2026-11-22 12:00 UTC",
        "platform team",
        "kubectl describe vmi -n kuldiga web",
    ] {
        assert!(says.contains(word), "{says}");
    }
    assert!(condition(&third, condition::RECONCILING).is_none());
    let stalled = written(&spec, &third);
    let fourth = told(&stalled, &w, now() + LATER + LATER);
    let have = serde_json::to_value(&stalled).expect("json");
    assert_eq!(
        status::SERVER.change(&have["status"], &fourth.status),
        None,
        "a running clock"
    );

    // It comes up by itself.
    let up = told(&stalled, &running(), now() + LATER + LATER);
    assert_eq!(
        condition(&up, condition::READY).map(|c| &c["status"]),
        Some(&json!("True"))
    );
    assert!(condition(&up, condition::STALLED).is_none() && up.status.get("waitingSince").is_none());
}

#[test]
fn a_missing_secret_is_never_left_to_be_guessed() {
    let spec = json!({"size": "m-4", "image": "debian-13", "cloudInit": {"secretName": "web-init"}});
    let mut w = unschedulable();
    // What KubeVirt shows of a pod that waits for a Secret: nothing but that it does not run.
    w.instance = of(
        json!({"metadata": {"name": "web"}, "spec": {}, "status": {"phase": "Scheduled",
        "conditions": [{"type": "Ready", "status": "False", "message": "Guest VM is not reported as running"}]}}),
    );
    let first = told(&server(&spec, &placed()), &w, now());
    assert!(
        message(&first, condition::READY)
            .contains("needs the Secret web-init with the key userdata in this namespace")
    );
    let late = told(&written(&spec, &first), &w, now() + LATER);
    assert!(message(&late, condition::STALLED).contains("see that the Secret and its key are there"));
}

#[test]
fn a_changed_spec_and_another_state_begin_a_new_wait() {
    let spec = minimal();
    let first = told(&server(&spec, &placed()), &unschedulable(), now());
    let mut edited = written(&spec, &first);
    edited.metadata.generation = Some(4);
    let again = told(&edited, &unschedulable(), now() + LATER);
    assert!(
        condition(&again, condition::STALLED).is_none(),
        "the mended server is given its time"
    );
    let other = filling("ImportScheduled", &json!([]));
    let again = told(&written(&spec, &first), &other, now() + LATER);
    assert!(condition(&again, condition::STALLED).is_none());
    assert_eq!(again.status["waitingSince"], "2026-11-22T12:11:00Z");
}

#[test]
fn a_disk_on_which_nobody_works_is_told_and_one_that_is_being_copied_is_not() {
    let spec = minimal();
    let stuck = [
        filling(
            "Pending",
            &json!([{"type": "Bound", "status": "False", "message": "PVC web-root Pending"}]),
        ),
        filling(
            "ImportScheduled",
            &json!([{"type": "Running", "status": "False", "message": "no host takes the importer"}]),
        ),
        filling(
            "ImportInProgress",
            &json!([{"type": "Running", "status": "False", "reason": "Error",
                "message": "Unable to process data: Virtual image size 53687091200 is larger than the reported available storage 20401094656"}]),
        ),
    ];
    for (w, word) in stuck
        .iter()
        .zip(["PVC web-root Pending", "importer", "larger than the reported"])
    {
        let first = told(&server(&spec, &placed()), w, now());
        assert!(
            message(&first, condition::READY).contains(word),
            "{}",
            message(&first, condition::READY)
        );
        let late = told(&written(&spec, &first), w, now() + LATER);
        assert!(
            message(&late, condition::STALLED).contains("a larger rootDisk.size"),
            "{word}"
        );
    }
    let busy = [
        filling(
            "ImportInProgress",
            &json!([{"type": "Running", "status": "True", "message": "Import is running"}]),
        ),
        filling(
            "CSICloneInProgress",
            &json!([{"type": "Running", "status": "False"}]),
        ),
    ];
    for w in &busy {
        let first = told(&server(&spec, &placed()), w, now());
        let late = told(&written(&spec, &first), w, now() + LATER);
        assert!(
            condition(&late, condition::STALLED).is_none(),
            "{:?}",
            late.status
        );
    }
}

#[test]
fn a_site_out_of_sight_is_never_a_persons_to_mend_by_waiting() {
    let spec = minimal();
    let mut w = filling("ImportScheduled", &json!([]));
    w.told.site = Some(State::Unknown);
    let first = told(&server(&spec, &placed()), &w, now());
    let late = told(&written(&spec, &first), &w, now() + LATER);
    assert!(condition(&late, condition::STALLED).is_none());
}

#[test]
fn what_another_project_says_is_never_longer_than_is_bearable() {
    let long = "x ".repeat(4000);
    let mut w = unschedulable();
    let mut instance = w.instance.as_deref().expect("a run").clone();
    for c in &mut instance.status.as_mut().expect("a status").conditions {
        c.message = Some(long.clone());
    }
    w.instance = Some(Arc::new(instance));
    let report = told(&server(&minimal(), &placed()), &w, now());
    assert!(message(&report, condition::READY).chars().count() < 300);
}
