//! The status that virt-handler reports for a VirtualMachineInstance. No I/O.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::addresses;
use super::engine::Seen;
use super::value::{Look, rfc3339, with_condition};

/// Machine type that `q35` stands for on the simulated hosts.
const MACHINE: &str = "pc-q35-rhel9.6.0";

/// Status of a guest that has just booted, made from the status that the controller left.
pub(crate) fn running(vmi: &Seen, pod: &Seen, now: Timestamp) -> Value {
    let mut status = vmi.at("/status").clone();
    set_phase(&mut status, "Running", now);
    status["interfaces"] = interfaces(vmi, pod.text("/status/podIP"));
    status["guestOSInfo"] = json!({
        "id": "debian", "name": "Debian GNU/Linux", "version": "13 (trixie)", "versionId": "13",
        "prettyName": "Debian GNU/Linux 13 (trixie)", "kernelRelease": "6.12.48+deb13-amd64", "machine": "x86_64",
    });
    status["machine"] = json!({"type": MACHINE});
    status["selinuxContext"] = "none".into();
    status["migrationMethod"] = "BlockMigration".into();
    if let Some(guest) = vmi.at("/spec/domain/memory/guest").as_str() {
        status["memory"] = json!({"guestAtBoot": guest, "guestCurrent": guest, "guestRequested": guest});
    }
    status["currentCPUTopology"] = json!({
        "sockets": count(vmi, "sockets"), "cores": count(vmi, "cores"), "threads": count(vmi, "threads"),
    });
    let mut conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    conditions.retain(|c| c["type"] != "Provisioning");
    let blocked = not_migratable(vmi);
    if blocked.is_none() {
        status["migrationMethod"] = "LiveMigration".into();
    }
    for condition in [
        json!({"type": "AgentConnected", "status": "True", "lastProbeTime": rfc3339(now)}),
        match blocked {
            None => json!({"type": "LiveMigratable", "status": "True", "lastProbeTime": null}),
            Some((reason, message)) => json!({
                "type": "LiveMigratable", "status": "False", "lastProbeTime": null,
                "reason": reason, "message": message,
            }),
        },
        json!({"type": "StorageLiveMigratable", "status": "True", "lastProbeTime": null}),
    ] {
        conditions = with_condition(&conditions, condition, now);
    }
    if vmi.list("/spec/accessCredentials").iter().any(|c| {
        !c.pointer("/sshPublicKey/propagationMethod/qemuGuestAgent")
            .unwrap_or(&Value::Null)
            .is_null()
    }) {
        let condition =
            json!({"type": "AccessCredentialsSynchronized", "status": "True", "lastProbeTime": null});
        conditions = with_condition(&conditions, condition, now);
    }
    status["conditions"] = conditions.into();
    status
}

/// Status of a guest that is off.
pub(crate) fn ended(vmi: &Seen, ok: bool, now: Timestamp) -> Value {
    let mut status = vmi.at("/status").clone();
    set_phase(&mut status, if ok { "Succeeded" } else { "Failed" }, now);
    if let Some(conditions) = status["conditions"].as_array() {
        let without: Vec<Value> = conditions
            .iter()
            .filter(|c| c["type"] != "AgentConnected")
            .cloned()
            .collect();
        status["conditions"] = without.into();
    }
    status
}

/// Sets a phase and when it began.
pub(crate) fn set_phase(status: &mut Value, phase: &str, now: Timestamp) {
    status["phase"] = phase.into();
    let entry = json!({"phase": phase, "phaseTransitionTimestamp": rfc3339(now)});
    match status["phaseTransitionTimestamps"].as_array_mut() {
        Some(known) => {
            if !known.iter().any(|e| e["phase"] == phase) {
                known.push(entry);
            }
        }
        None => status["phaseTransitionTimestamps"] = json!([entry]),
    }
}

/// Interfaces with their addresses. Behind masquerade a guest is reached at its pod's address.
pub(crate) fn interfaces(vmi: &Seen, pod_address: &str) -> Value {
    let networks = vmi.list("/spec/networks");
    let one = |(number, interface): (usize, &Value)| {
        let name = interface["name"].as_str().unwrap_or_default();
        let on_pod_network = networks.iter().any(|n| n["name"] == name && n["pod"].is_object());
        let address = if on_pod_network {
            pod_address.to_owned()
        } else {
            addresses::guest(vmi.uid(), name)
        };
        let mac = interface["macAddress"].as_str().map(str::to_owned);
        json!({
            "name": name,
            "mac": mac.unwrap_or_else(|| addresses::mac(vmi.uid(), name)),
            "ipAddress": address,
            "ipAddresses": [address],
            "interfaceName": format!("eth{number}"),
            "podInterfaceName": format!("eth{number}"),
            "infoSource": "domain, guest-agent",
            "linkState": "up",
            "queueCount": 1,
        })
    };
    vmi.list("/spec/domain/devices/interfaces")
        .iter()
        .enumerate()
        .map(one)
        .collect()
}

/// Why the guest cannot be moved while it runs, as virt-handler words it.
fn not_migratable(vmi: &Seen) -> Option<(&'static str, String)> {
    let alone = vmi.list("/status/volumeStatus").iter().find_map(|volume| {
        let claim = volume.get("persistentVolumeClaimInfo")?;
        let modes = claim["accessModes"].as_array()?;
        (!modes.iter().any(|mode| mode == "ReadWriteMany"))
            .then(|| claim["claimName"].as_str().unwrap_or_default())
    });
    if let Some(claim) = alone {
        let message = format!(
            "cannot migrate VMI: PVC {claim} is not shared, live migration requires that all PVCs must be shared \
             (using ReadWriteMany access mode)"
        );
        return Some(("DisksNotLiveMigratable", message));
    }
    let networks = vmi.list("/spec/networks");
    let bridged = vmi
        .list("/spec/domain/devices/interfaces")
        .iter()
        .any(|interface| {
            interface["bridge"].is_object()
                && networks
                    .iter()
                    .any(|n| n["name"] == interface["name"] && n["pod"].is_object())
        });
    bridged.then(|| {
        let message =
            "cannot migrate VMI which does not use masquerade to connect to the pod network".to_owned();
        ("InterfaceNotLiveMigratable", message)
    })
}

fn count(vmi: &Seen, what: &str) -> i64 {
    vmi.at(&format!("/spec/domain/cpu/{what}")).as_i64().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::value::object;
    use std::sync::Arc;

    fn vmi(modes: &[&str], binding: &str) -> Seen {
        Arc::new(object(json!({
            "metadata": {"name": "web", "namespace": "t", "uid": "u"},
            "spec": {
                "domain": {"devices": {"interfaces": [{"name": "default", binding: {}, "macAddress": "02:00:00:00:00:01"}]}},
                "networks": [{"name": "default", "pod": {}}],
            },
            "status": {
                "phase": "Scheduled", "nodeName": "n1", "conditions": [{"type": "Ready", "status": "False"}],
                "phaseTransitionTimestamps": [{"phase": "Pending", "phaseTransitionTimestamp": "2026-01-01T00:00:00Z"}],
                "volumeStatus": [{"name": "root", "persistentVolumeClaimInfo": {"claimName": "root", "accessModes": modes}}],
            },
        })))
    }

    fn pod() -> Seen {
        Arc::new(object(json!({"status": {"podIP": "10.128.0.7"}})))
    }

    fn condition<'a>(status: &'a Value, kind: &str) -> &'a Value {
        let conditions = status["conditions"].as_array().expect("conditions");
        conditions
            .iter()
            .find(|c| c["type"] == kind)
            .expect("the condition")
    }

    #[test]
    fn what_the_controller_wrote_is_not_lost() {
        let status = running(
            &vmi(&["ReadWriteMany"], "masquerade"),
            &pod(),
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(
            (&status["phase"], &status["nodeName"]),
            (&json!("Running"), &json!("n1"))
        );
        assert_eq!(condition(&status, "Ready")["status"], "False");
        assert_eq!(
            status["phaseTransitionTimestamps"].as_array().map(Vec::len),
            Some(2)
        );
        assert_eq!(status["interfaces"][0]["mac"], "02:00:00:00:00:01");
        assert_eq!(status["interfaces"][0]["ipAddress"], "10.128.0.7");
        assert_eq!(condition(&status, "LiveMigratable")["status"], "True");
    }

    #[test]
    fn a_guest_on_an_unshared_disk_is_not_called_migratable() {
        let status = running(
            &vmi(&["ReadWriteOnce"], "masquerade"),
            &pod(),
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(
            condition(&status, "LiveMigratable")["reason"],
            "DisksNotLiveMigratable"
        );
        let status = running(&vmi(&["ReadWriteMany"], "bridge"), &pod(), Timestamp::UNIX_EPOCH);
        assert_eq!(
            condition(&status, "LiveMigratable")["reason"],
            "InterfaceNotLiveMigratable"
        );
    }

    #[test]
    fn a_guest_that_is_off_has_no_agent() {
        let up = running(
            &vmi(&["ReadWriteMany"], "masquerade"),
            &pod(),
            Timestamp::UNIX_EPOCH,
        );
        let was = Arc::new(object(json!({"status": up})));
        let off = ended(&was, true, Timestamp::UNIX_EPOCH);
        assert_eq!(off["phase"], "Succeeded");
        assert!(
            !off["conditions"]
                .as_array()
                .expect("conditions")
                .iter()
                .any(|c| c["type"] == "AgentConnected")
        );
    }
}
