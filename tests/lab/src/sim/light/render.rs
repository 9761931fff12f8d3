//! What virt-controller makes of a VirtualMachine: its instance, and the instance's pod. No I/O.

use serde_json::{Map, Value, json};

use crate::sim::addresses;
use crate::sim::csi::provision::bytes;
use crate::sim::engine::{Seen, claims_of};
use crate::sim::value::Look;

/// Finalizer under which an instance's pods are cleaned up first.
pub(super) const INSTANCE_FINALIZER: &str = "foregroundDeleteVirtualMachine";
/// Finalizer under which a machine's instance is stopped first.
pub(super) const MACHINE_FINALIZER: &str = "kubevirt.io/virtualMachineControllerFinalize";
/// Annotation with the generation of the machine that an instance was made from.
pub(super) const GENERATION: &str = "kubevirt.io/vm-generation";
/// CPUs of a guest that share one core of its host, as KubeVirt has it by default.
const CPU_ALLOCATION_RATIO: u64 = 10;
const MI: u128 = 1 << 20;

/// The specification of a machine's instance, with the CPUs and memory of its size.
pub(super) fn instance_spec(machine: &Seen, size: Option<&Seen>) -> Value {
    let mut spec = machine.at("/spec/template/spec").clone();
    let set = |spec: &mut Value, pointer: &[&str], value: Value| {
        let mut at = spec;
        for step in pointer {
            if !at[*step].is_object() {
                at[*step] = json!({});
            }
            at = &mut at[*step];
        }
        for (name, value) in value.as_object().into_iter().flatten() {
            at[name] = value.clone();
        }
    };
    if let Some(size) = size {
        let guest = size.at("/spec/cpu/guest").as_u64().unwrap_or(1);
        set(
            &mut spec,
            &["domain", "cpu"],
            json!({"sockets": guest, "cores": 1, "threads": 1}),
        );
        set(
            &mut spec,
            &["domain", "memory"],
            json!({"guest": size.at("/spec/memory/guest")}),
        );
    }
    for (name, default) in [("sockets", 1), ("cores", 1), ("threads", 1)] {
        if spec.pointer(&format!("/domain/cpu/{name}")).is_none() {
            set(&mut spec, &["domain", "cpu"], json!({name: default}));
        }
    }
    if spec.pointer("/domain/machine/type").is_none() {
        set(&mut spec, &["domain", "machine"], json!({"type": "q35"}));
    }
    if spec["networks"].as_array().is_none_or(Vec::is_empty)
        && spec
            .pointer("/domain/devices/interfaces")
            .and_then(Value::as_array)
            .is_none_or(Vec::is_empty)
    {
        spec["networks"] = json!([{"name": "default", "pod": {}}]);
        set(
            &mut spec,
            &["domain", "devices"],
            json!({"interfaces": [{"name": "default", "masquerade": {}}]}),
        );
    }
    // Addresses are given once, when the instance is made, so that they outlive a move to another host.
    if let Some(interfaces) = spec
        .pointer_mut("/domain/devices/interfaces")
        .and_then(Value::as_array_mut)
    {
        for interface in interfaces.iter_mut().filter(|i| i["macAddress"].is_null()) {
            let name = interface["name"].as_str().unwrap_or_default().to_owned();
            interface["macAddress"] = addresses::mac(machine.uid(), &name).into();
        }
    }
    spec
}

/// The instance of a machine.
pub(super) fn instance(machine: &Seen, size: Option<&Seen>) -> Value {
    let key = machine.key();
    let template = machine.at("/spec/template/metadata");
    let mut labels = template["labels"].as_object().cloned().unwrap_or_default();
    labels.insert("vm.kubevirt.io/name".into(), key.name.clone().into());
    let mut notes = template["annotations"].as_object().cloned().unwrap_or_default();
    notes.insert(
        GENERATION.into(),
        machine.metadata.generation.unwrap_or_default().to_string().into(),
    );
    if let Some(size) = size {
        notes.insert(
            "kubevirt.io/cluster-instancetype-name".into(),
            size.key().name.into(),
        );
    }
    json!({
        "metadata": {
            "name": key.name, "namespace": key.ns, "labels": labels, "annotations": notes,
            "finalizers": [INSTANCE_FINALIZER],
            "ownerReferences": [{
                "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "name": key.name, "uid": machine.uid(),
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": instance_spec(machine, size),
    })
}

/// Virtual CPUs and memory in bytes of an instance.
pub(super) fn guest_size(vmi: &Seen) -> (u64, u128) {
    let count = |what: &str| {
        vmi.at(&format!("/spec/domain/cpu/{what}"))
            .as_u64()
            .unwrap_or(1)
            .max(1)
    };
    let memory = bytes(vmi.text("/spec/domain/memory/guest"));
    let memory = if memory == 0 {
        bytes(vmi.text("/spec/domain/resources/requests/memory"))
    } else {
        memory
    };
    (count("sockets") * count("cores") * count("threads"), memory)
}

/// Milli-cores and bytes that the pod of an instance asks for: KubeVirt adds what its own processes need.
pub(super) fn requests(vmi: &Seen) -> (u64, u128) {
    let (cpus, memory) = guest_size(vmi);
    let fixed = 25 + 100 + 25 + 40 + 30;
    let overhead = memory / 512 + (fixed + 8 * u128::from(cpus) + 8 + 32) * MI;
    (cpus * 1000 / CPU_ALLOCATION_RATIO, memory + overhead)
}

/// The pod that carries an instance, bound to its host. `job` is the migration that it is the target of.
pub(super) fn pod(vmi: &Seen, name: &str, node: &str, job: Option<&str>) -> Value {
    let key = vmi.key();
    let (milli, memory) = requests(vmi);
    let mut labels: Map<String, Value> = vmi
        .metadata
        .labels
        .iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    labels.insert("kubevirt.io".into(), "virt-launcher".into());
    labels.insert("kubevirt.io/created-by".into(), vmi.uid().into());
    labels.insert("vm.kubevirt.io/name".into(), key.name.clone().into());
    let mut notes = json!({"kubevirt.io/domain": key.name});
    if let Some(job) = job {
        labels.insert("kubevirt.io/migrationJobUID".into(), job.into());
        notes["kubevirt.io/migrationJobName"] = job.into();
    }
    let claims = claims_of(vmi);
    let volumes: Vec<Value> = claims
        .iter()
        .enumerate()
        .map(|(i, claim)| json!({"name": format!("disk-{i}"), "persistentVolumeClaim": {"claimName": claim}}))
        .collect();
    let devices: Vec<Value> = (0..claims.len())
        .map(|i| json!({"name": format!("disk-{i}"), "devicePath": format!("/dev/disk-{i}")}))
        .collect();
    json!({
        "metadata": {
            "name": name, "namespace": key.ns, "labels": labels, "annotations": notes,
            "ownerReferences": [{
                "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "name": key.name, "uid": vmi.uid(),
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": {
            "nodeName": node,
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": vmi.at("/spec/terminationGracePeriodSeconds").as_i64().unwrap_or(30),
            "priorityClassName": vmi.at("/spec/priorityClassName"),
            // As KubeVirt makes it with a seccomp profile configured, which Pod Security `restricted` asks for.
            "securityContext": {
                "fsGroup": 107, "runAsGroup": 107, "runAsNonRoot": true, "runAsUser": 107,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": "compute",
                "image": "virt-launcher:simulated",
                "securityContext": {
                    "allowPrivilegeEscalation": false, "runAsGroup": 107, "runAsNonRoot": true, "runAsUser": 107,
                    "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
                },
                "resources": {"requests": {"cpu": format!("{milli}m"), "memory": memory.to_string()}},
                "volumeDevices": devices,
            }],
            "volumes": volumes,
            "tolerations": vmi.at("/spec/tolerations").as_array().cloned().unwrap_or_default(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::value::object;
    use std::sync::Arc;

    fn machine() -> Seen {
        Arc::new(object(json!({
            "metadata": {"name": "web", "namespace": "t", "uid": "u", "generation": 3},
            "spec": {"instancetype": {"name": "m-4"}, "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"domain": {"devices": {"disks": []}}, "volumes": [{"name": "root", "dataVolume": {"name": "web-root"}}]},
            }},
        })))
    }

    fn size() -> Seen {
        Arc::new(object(
            json!({"metadata": {"name": "m-4"}, "spec": {"cpu": {"guest": 4}, "memory": {"guest": "16Gi"}}}),
        ))
    }

    #[test]
    fn the_size_decides_cpus_and_memory() {
        let vmi = Arc::new(object(instance(&machine(), Some(&size()))));
        assert_eq!(guest_size(&vmi), (4, 16 << 30));
        let (milli, memory) = requests(&vmi);
        assert_eq!(milli, 400);
        assert_eq!(memory, (16 << 30) + (32 + 220 + 32 + 8 + 32) * MI);
        assert_eq!(vmi.label("vm.kubevirt.io/name"), "web");
        assert_eq!(vmi.note(GENERATION), "3");
    }

    #[test]
    fn a_guest_keeps_its_mac_over_a_restart() {
        let mac = |m: Value| m["spec"]["domain"]["devices"]["interfaces"][0]["macAddress"].clone();
        assert_eq!(
            mac(instance(&machine(), None)),
            mac(instance(&machine(), Some(&size())))
        );
    }

    #[test]
    fn the_pod_mounts_what_the_guest_has() {
        let vmi = Arc::new(object(instance(&machine(), Some(&size()))));
        let pod = Arc::new(object(pod(&vmi, "virt-launcher-web-1", "n1", None)));
        assert_eq!(claims_of(&pod), ["web-root"]);
        assert!(crate::sim::kubelet::is_launcher(&pod));
    }
}
