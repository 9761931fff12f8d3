//! Plays virt-controller for VirtualMachineInstances and the scheduler for their pods. Writes both.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::bind;
use super::render::{self, INSTANCE_FINALIZER};
use crate::sim::SimError;
use crate::sim::csi::provision::SELECTED_NODE;
use crate::sim::engine::{Change, Context, Keeper, Kind, Next, Seen, claim_of_volume, claims_of};
use crate::sim::kubelet::owner;
use crate::sim::value::{Key, Look, hash, with_condition};
use crate::sim::virt_handler::NODE_LABEL;
use crate::sim::vmi_status::set_phase;

/// How soon a guest without a fitting host is tried again; room is freed by others.
const AGAIN: Duration = Duration::from_secs(3);

/// Keeps the instances.
pub(crate) struct Instances {
    context: Arc<Context>,
    /// One host is chosen at a time, so that two guests do not take the same room.
    binding: Mutex<()>,
}

impl Instances {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self {
            context,
            binding: Mutex::default(),
        }
    }

    fn pods(&self, vmi: &Seen) -> Vec<Seen> {
        self.context.world.find(Kind::Pod, "owner", vmi.uid())
    }

    async fn set(&self, vmi: &Seen, status: Value, label: Option<&str>) -> Result<(), SimError> {
        let version = vmi.metadata.resource_version.clone();
        let mut patch = json!({"metadata": {"resourceVersion": version}, "status": status});
        if let Some(node) = label {
            patch["metadata"]["labels"] = json!({NODE_LABEL: node});
        }
        self.context.merge(Kind::Instance, vmi, patch).await
    }

    async fn set_phase(&self, vmi: &Seen, phase: &str) -> Result<(), SimError> {
        let mut status = vmi.at("/status").clone();
        set_phase(&mut status, phase, Timestamp::now());
        self.set(vmi, status, None).await
    }

    /// Whether all disks are filled; a disk that waits for its first consumer is given one.
    async fn disks_ready(&self, vmi: &Seen) -> Result<bool, SimError> {
        let context = &self.context;
        let mut ready = true;
        for name in claims_of(vmi) {
            let key = Key::new(&vmi.key().ns, name);
            let Some(claim) = context.world.get(Kind::Claim, &key) else {
                return Ok(false);
            };
            let Some(owner) = owner(&claim, "DataVolume") else {
                continue;
            };
            let volume = context
                .world
                .get(Kind::DataVolume, &Key::new(&key.ns, &owner.name));
            let phase = volume.as_ref().map_or("", |volume| volume.text("/status/phase"));
            ready &= phase == "Succeeded";
            if phase == "WaitForFirstConsumer"
                && claim.note(SELECTED_NODE).is_empty()
                && let Ok(node) = bind::choose(context, vmi, None)
            {
                let patch = json!({"metadata": {"annotations": {SELECTED_NODE: node}}});
                context.merge(Kind::Claim, &claim, patch).await?;
            }
        }
        Ok(ready)
    }

    async fn unbound(&self, vmi: &Seen) -> Result<Next, SimError> {
        if vmi.text("/status/phase").is_empty() {
            self.set_phase(vmi, "Pending").await?;
            return Ok(Next::OnChange);
        }
        if !self.disks_ready(vmi).await? {
            return Ok(Next::OnChange);
        }
        let _one_at_a_time = self.binding.lock().await;
        let node = match bind::choose(&self.context, vmi, None) {
            Ok(node) => node,
            Err(why) => {
                let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why});
                let have = vmi.list("/status/conditions");
                if !have
                    .iter()
                    .any(|c| c["type"] == "PodScheduled" && c["message"] == *why)
                {
                    let conditions = with_condition(have, condition, Timestamp::now());
                    self.set(vmi, json!({"conditions": conditions}), None).await?;
                }
                return Ok(Next::After(AGAIN));
            }
        };
        // A claim that nobody used so far is bound for this host.
        for name in claims_of(vmi) {
            let claim = self
                .context
                .world
                .get(Kind::Claim, &Key::new(&vmi.key().ns, name));
            if let Some(claim) =
                claim.filter(|c| c.text("/spec/volumeName").is_empty() && c.note(SELECTED_NODE).is_empty())
            {
                let patch = json!({"metadata": {"annotations": {SELECTED_NODE: node}}});
                self.context.merge(Kind::Claim, &claim, patch).await?;
            }
        }
        let key = vmi.key();
        let name = format!("virt-launcher-{}-{:05x}", key.name, hash(vmi.uid()) & 0xf_ffff);
        let pod = render::pod(vmi, &name, &node, None);
        if let Err(error) = self.context.create(Kind::Pod, &key.ns, pod).await {
            self.refused(vmi, &error).await?;
            return Err(error);
        }
        let mut status = vmi.at("/status").clone();
        let conditions = vmi
            .list("/status/conditions")
            .iter()
            .filter(|c| c["type"] != "PodScheduled" && c["type"] != "Synchronized");
        status["conditions"] = conditions.cloned().collect();
        set_phase(&mut status, "Scheduling", Timestamp::now());
        self.set(vmi, status, None).await?;
        Ok(Next::OnChange)
    }

    /// Says that the pod may not be made, as virt-controller says it.
    async fn refused(&self, vmi: &Seen, error: &SimError) -> Result<(), SimError> {
        if error.code() != Some(403) || error.is_race() {
            return Ok(());
        }
        let message = format!("failed to create virtual machine pod: {}", error.reason());
        let have = vmi.list("/status/conditions");
        if have
            .iter()
            .any(|c| c["type"] == "Synchronized" && c["message"] == *message)
        {
            return Ok(());
        }
        let condition =
            json!({"type": "Synchronized", "status": "False", "reason": "FailedCreate", "message": message});
        let conditions = with_condition(have, condition, Timestamp::now());
        self.set(vmi, json!({"conditions": conditions}), None).await
    }

    async fn scheduling(&self, vmi: &Seen) -> Result<Next, SimError> {
        let pods = self.pods(vmi);
        let Some(pod) = pods.first() else {
            self.set_phase(vmi, "Failed").await?;
            return Ok(Next::OnChange);
        };
        if pod.deleting() || pod.text("/status/phase") == "Failed" {
            self.set_phase(vmi, "Failed").await?;
        } else if pod.condition("ContainersReady") == "True" {
            let node = pod.text("/spec/nodeName");
            let mut status = vmi.at("/status").clone();
            set_phase(&mut status, "Scheduled", Timestamp::now());
            status["nodeName"] = node.into();
            status["activePods"] = json!({pod.uid(): node});
            status["qosClass"] = "Burstable".into();
            status["launcherContainerImageVersion"] = "virt-launcher:simulated".into();
            status["volumeStatus"] = self.volumes(vmi);
            self.set(vmi, status, Some(node)).await?;
        }
        Ok(Next::OnChange)
    }

    async fn running(&self, vmi: &Seen) -> Result<Next, SimError> {
        let node = vmi.text("/status/nodeName");
        let pods = self.pods(vmi);
        let Some(pod) = pods.iter().find(|pod| pod.text("/spec/nodeName") == node) else {
            if pods.is_empty() {
                self.set_phase(vmi, "Failed").await?;
            }
            return Ok(Next::OnChange);
        };
        let up = vmi.text("/status/phase") == "Running";
        let ready = if !up {
            json!({"type": "Ready", "status": "False", "reason": "GuestNotRunning", "message": "Guest VM is not reported as running"})
        } else if pod.deleting() {
            json!({"type": "Ready", "status": "False", "reason": "PodTerminating", "message": "virt-launcher pod is terminating"})
        } else if pod.condition("Ready") == "True" {
            json!({"type": "Ready", "status": "True"})
        } else {
            json!({"type": "Ready", "status": "False", "reason": "PodNotReady", "message": "virt-launcher pod is not ready"})
        };
        let alive = pods
            .iter()
            .filter(|pod| !matches!(pod.text("/status/phase"), "Succeeded" | "Failed"));
        let active: serde_json::Map<String, Value> = alive
            .map(|pod| (pod.uid().to_owned(), pod.text("/spec/nodeName").into()))
            .collect();
        let have = vmi.list("/status/conditions");
        let same = have.iter().any(|c| {
            c["type"] == "Ready" && c["status"] == ready["status"] && c["reason"] == ready["reason"]
        });
        if !same || *vmi.at("/status/activePods") != Value::Object(active.clone()) {
            let mut status = vmi.at("/status").clone();
            if !same {
                status["conditions"] = with_condition(have, ready, Timestamp::now()).into();
            }
            // Pods that are gone have to be taken out by name in a merge.
            let gone = vmi
                .at("/status/activePods")
                .as_object()
                .into_iter()
                .flat_map(|o| o.keys());
            let mut pods: serde_json::Map<String, Value> =
                gone.map(|uid| (uid.clone(), Value::Null)).collect();
            pods.extend(active);
            status["activePods"] = pods.into();
            self.set(vmi, status, None).await?;
        }
        Ok(Next::OnChange)
    }

    fn volumes(&self, vmi: &Seen) -> Value {
        let ns = vmi.key().ns;
        let targets = ('a'..='z').map(|letter| format!("vd{letter}"));
        let one = |(volume, target): (&Value, String)| {
            let mut status = json!({"name": volume["name"], "target": target});
            if let Some(name) = claim_of_volume(volume)
                && let Some(claim) = self.context.world.get(Kind::Claim, &Key::new(&ns, name))
            {
                status["persistentVolumeClaimInfo"] = json!({
                    "claimName": name,
                    "accessModes": claim.at("/spec/accessModes"),
                    "volumeMode": claim.at("/spec/volumeMode"),
                    "capacity": claim.at("/status/capacity"),
                    "requests": claim.at("/spec/resources/requests"),
                });
            }
            status
        };
        vmi.list("/spec/volumes").iter().zip(targets).map(one).collect()
    }

    async fn delete_pods(&self, vmi: &Seen) -> Result<bool, SimError> {
        let pods = self.pods(vmi);
        for pod in pods.iter().filter(|pod| !pod.deleting()) {
            self.context.delete(Kind::Pod, pod, None).await?;
        }
        Ok(pods.is_empty())
    }

    async fn release(&self, vmi: &Seen) -> Result<(), SimError> {
        let finalizers = vmi.metadata.finalizers.iter().flatten();
        let left: Vec<&String> = finalizers.filter(|f| *f != INSTANCE_FINALIZER).collect();
        let patch = json!({"metadata": {"uid": vmi.uid(), "finalizers": left}});
        self.context.merge(Kind::Instance, vmi, patch).await
    }
}

impl Keeper for Instances {
    const NAME: &'static str = "virt-controller/vmi";

    fn concerned(&self, change: &Change) -> Vec<Key> {
        let world = &self.context.world;
        match change {
            Change::Object {
                kind: Kind::Instance,
                key,
                ..
            } => vec![key.clone()],
            Change::Object {
                kind: Kind::Pod, key, ..
            } => {
                let owner = change
                    .object()
                    .and_then(|pod| owner(pod, "VirtualMachineInstance"));
                owner
                    .map(|owner| Key::new(&key.ns, &owner.name))
                    .into_iter()
                    .collect()
            }
            Change::Object {
                kind: Kind::DataVolume | Kind::Claim,
                key,
                ..
            } => {
                let guests = world.find(Kind::Instance, "claim", &key.to_string());
                guests.iter().map(|vmi| vmi.key()).collect()
            }
            _ => vec![],
        }
    }

    async fn look(&self, key: Key) -> Result<Next, SimError> {
        let Some(vmi) = self.context.world.get(Kind::Instance, &key) else {
            return Ok(Next::OnChange);
        };
        let phase = vmi.text("/status/phase");
        let last = matches!(phase, "Succeeded" | "Failed");
        if vmi.deleting() {
            let gone = self.delete_pods(&vmi).await?;
            if gone && last {
                self.release(&vmi).await?;
            } else if gone {
                self.set_phase(&vmi, "Failed").await?;
            }
            return Ok(Next::OnChange);
        }
        match phase {
            "" | "Pending" if self.pods(&vmi).is_empty() => self.unbound(&vmi).await,
            "" | "Pending" => {
                self.set_phase(&vmi, "Scheduling").await?;
                Ok(Next::OnChange)
            }
            "Scheduling" => self.scheduling(&vmi).await,
            "Scheduled" | "Running" => self.running(&vmi).await,
            _ => Ok(Next::OnChange),
        }
    }
}
