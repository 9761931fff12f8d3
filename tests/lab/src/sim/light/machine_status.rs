//! The status that virt-controller reports for a VirtualMachine. No I/O.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::sim::engine::Seen;
use crate::sim::value::{Look, rfc3339, with_condition};

/// What is known about a machine.
pub(super) struct Facts<'a> {
    pub(super) vmi: Option<&'a Seen>,
    pub(super) wanted: bool,
    /// Why its disks are not ready, as `printableStatus` words it.
    pub(super) disks: Option<&'static str>,
    /// Its instance was made from another specification.
    pub(super) restart_required: bool,
}

/// One word for people.
pub(super) fn printable(machine: &Seen, facts: &Facts<'_>) -> &'static str {
    if machine.deleting() {
        return "Terminating";
    }
    let Some(vmi) = facts.vmi else {
        return if facts.wanted {
            facts.disks.unwrap_or("Starting")
        } else {
            "Stopped"
        };
    };
    if vmi.deleting() {
        return "Stopping";
    }
    match vmi.text("/status/phase") {
        "Running" => {
            let migration = vmi.at("/status/migrationState");
            if !migration.is_null() && migration["completed"] != true && migration["failed"] != true {
                "Migrating"
            } else {
                "Running"
            }
        }
        "Succeeded" | "Failed" => {
            if facts.wanted {
                "Stopping"
            } else {
                "Stopped"
            }
        }
        _ if vmi.condition("PodScheduled") == "False" => "ErrorUnschedulable",
        "Pending" | "" => facts.disks.unwrap_or("Starting"),
        _ => "Starting",
    }
}

/// The whole status.
pub(super) fn status(machine: &Seen, facts: &Facts<'_>, now: Timestamp) -> Value {
    let ready = facts.vmi.is_some_and(|vmi| vmi.condition("Ready") == "True");
    let mut conditions: Vec<Value> = machine.list("/status/conditions").to_vec();
    let readiness = match facts.vmi {
        Some(_) if ready => json!({"type": "Ready", "status": "True", "lastProbeTime": null}),
        Some(_) => json!({
            "type": "Ready", "status": "False", "reason": "GuestNotRunning",
            "message": "Guest VM is not reported as running", "lastProbeTime": null,
        }),
        None => json!({
            "type": "Ready", "status": "False", "reason": "VMINotExists", "message": "VMI does not exist",
            "lastProbeTime": null,
        }),
    };
    conditions = put(&conditions, readiness, now);
    for kind in [
        "AgentConnected",
        "LiveMigratable",
        "StorageLiveMigratable",
        "Paused",
    ] {
        let list = facts.vmi.map_or(&[][..], |vmi| vmi.list("/status/conditions"));
        match list.iter().find(|c| c["type"] == kind) {
            Some(condition) => conditions = put(&conditions, condition.clone(), now),
            None => conditions.retain(|c| c["type"] != kind),
        }
    }
    if facts.restart_required {
        let condition = json!({
            "type": "RestartRequired", "status": "True", "lastProbeTime": null,
            "message": "a non-live-updatable field was changed in the template spec",
        });
        conditions = put(&conditions, condition, now);
    } else {
        conditions.retain(|c| c["type"] != "RestartRequired");
    }
    let generation = machine.metadata.generation.unwrap_or_default();
    let mut status = json!({
        "created": facts.vmi.is_some(),
        "ready": ready,
        "printableStatus": printable(machine, facts),
        "conditions": conditions,
        "desiredGeneration": generation,
        "observedGeneration": generation,
        "runStrategy": machine.at("/spec/runStrategy"),
        "volumeSnapshotStatuses": snapshots(machine),
    });
    let size = machine.text("/spec/instancetype/name");
    if !size.is_empty() {
        status["instancetypeRef"] = json!({
            "name": size,
            "kind": machine.at("/spec/instancetype/kind").as_str().unwrap_or("VirtualMachineClusterInstancetype"),
            "controllerRevisionRef": {"name": revision(machine, size)},
        });
    }
    status
}

fn revision(machine: &Seen, size: &str) -> String {
    format!("{}-{size}-v1beta1-{}", machine.key().name, machine.uid())
}

fn snapshots(machine: &Seen) -> Value {
    let one = |volume: &Value| {
        let on_disk = crate::sim::engine::claim_of_volume(volume).is_some();
        let mut status = json!({"name": volume["name"], "enabled": on_disk});
        if !on_disk {
            status["reason"] = format!(
                "Snapshot is not supported for this volumeSource type [{}]",
                volume["name"].as_str().unwrap_or_default()
            )
            .into();
        }
        status
    };
    machine
        .list("/spec/template/spec/volumes")
        .iter()
        .map(one)
        .collect()
}

/// Like [`with_condition`], but a condition that says the same stays untouched.
fn put(all: &[Value], wanted: Value, now: Timestamp) -> Vec<Value> {
    let same = all.iter().any(|c| {
        ["type", "status", "reason", "message"]
            .iter()
            .all(|field| c[field] == wanted[field])
    });
    if same {
        return all.to_vec();
    }
    let mut wanted = wanted;
    if wanted["lastProbeTime"].is_string() {
        wanted["lastProbeTime"] = rfc3339(now).into();
    }
    with_condition(all, wanted, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::value::{changes, object};
    use std::sync::Arc;

    fn machine(status: Value) -> Seen {
        Arc::new(object(json!({
            "metadata": {"name": "web", "namespace": "t", "uid": "u", "generation": 2},
            "spec": {"runStrategy": "Always", "instancetype": {"name": "m-4"}}, "status": status,
        })))
    }

    fn vmi(phase: &str, ready: &str) -> Seen {
        Arc::new(object(
            json!({"status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]}}),
        ))
    }

    fn facts(vmi: Option<&Seen>, wanted: bool) -> Facts<'_> {
        Facts {
            vmi,
            wanted,
            disks: None,
            restart_required: false,
        }
    }

    #[test]
    fn the_printed_word_follows_the_guest() {
        let m = machine(Value::Null);
        assert_eq!(printable(&m, &facts(None, false)), "Stopped");
        assert_eq!(printable(&m, &facts(None, true)), "Starting");
        assert_eq!(
            printable(&m, &facts(Some(&vmi("Running", "True")), true)),
            "Running"
        );
        assert_eq!(
            printable(
                &m,
                &Facts {
                    disks: Some("Provisioning"),
                    ..facts(None, true)
                }
            ),
            "Provisioning"
        );
    }

    #[test]
    fn an_unchanged_machine_is_not_written_again() {
        let v = vmi("Running", "True");
        let first = status(
            &machine(Value::Null),
            &facts(Some(&v), true),
            Timestamp::UNIX_EPOCH,
        );
        let later: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let second = status(&machine(first.clone()), &facts(Some(&v), true), later);
        assert!(!changes(&first, &second), "{second}");
        assert_eq!(
            (&first["ready"], &first["observedGeneration"]),
            (&json!(true), &json!(2))
        );
    }
}
