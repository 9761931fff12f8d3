//! Plays kubelet for the pods of all hosts: start, readiness, the end of Jobs, termination. Writes pod status and
//! removes pods that have ended their termination.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::SimError;
use super::engine::{Change, Context, Keeper, Kind, Next, Seen, claims_of};
use super::faults::Reach;
use super::movers;
use super::pod_status;
use super::value::{Key, Look};

/// Keeps the pods.
pub(crate) struct Kubelet {
    context: Arc<Context>,
    /// In which boot of its host each pod was started.
    started: Mutex<HashMap<String, u32>>,
}

impl Kubelet {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self {
            context,
            started: Mutex::default(),
        }
    }

    fn boot_of(&self, pod: &Seen, current: u32) -> u32 {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        *started.entry(pod.uid().to_owned()).or_insert(current)
    }

    fn set_boot(&self, pod: &Seen, boot: Option<u32>) {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        match boot {
            Some(boot) => started.insert(pod.uid().to_owned(), boot),
            None => started.remove(pod.uid()),
        };
    }

    async fn set(&self, pod: &Seen, status: Value) -> Result<Next, SimError> {
        self.context.merge_status(Kind::Pod, pod, status).await?;
        Ok(Next::OnChange)
    }

    async fn pending(&self, pod: &Seen, address: &str, boot: u32) -> Result<Next, SimError> {
        if !claims_of(pod).iter().all(|name| self.is_bound(pod, name)) {
            return Ok(Next::OnChange);
        }
        if let Some(left) = self
            .context
            .waiting(pod.uid(), "pod-start", self.context.delays.pod_start)
        {
            return Ok(Next::After(left));
        }
        self.set_boot(pod, Some(boot));
        self.set(pod, pod_status::running(pod, address, Timestamp::now()))
            .await
    }

    async fn running(&self, pod: &Seen, boot: u32) -> Result<Next, SimError> {
        let now = Timestamp::now();
        if self.boot_of(pod, boot) < boot {
            // The host was off in between: its containers are gone.
            self.set_boot(pod, Some(boot));
            let status = match pod.text("/spec/restartPolicy") {
                "Never" => pod_status::ended(pod, false, "ContainerStatusUnknown", now),
                _ => pod_status::restarted(pod, now),
            };
            return self.set(pod, status).await;
        }
        if is_launcher(pod) && self.guest_has_left(pod) {
            return self
                .set(pod, pod_status::ended(pod, true, "Completed", now))
                .await;
        }
        if is_job(pod) && !movers::is_rsync(pod) {
            return match self.context.waiting(pod.uid(), "job", self.context.delays.job) {
                Some(left) => Ok(Next::After(left)),
                None => {
                    self.set(pod, pod_status::ended(pod, true, "Completed", now))
                        .await
                }
            };
        }
        if pod_status::readiness_is_stale(pod, now) {
            return self
                .set(pod, json!({"conditions": pod_status::conditions(pod, true, now)}))
                .await;
        }
        Ok(Next::OnChange)
    }

    async fn terminate(&self, pod: &Seen) -> Result<Next, SimError> {
        let ended = matches!(pod.text("/status/phase"), "Succeeded" | "Failed");
        if !ended && is_launcher(pod) && self.guest_lives(pod) {
            // Virt-launcher waits for its guest, at most as long as the pod's grace lasts.
            let until = pod.metadata.deletion_timestamp.as_ref().map(|t| t.0);
            let left = until.map(|until| until.duration_since(Timestamp::now()));
            if let Some(left) = left
                .and_then(|left| Duration::try_from(left).ok())
                .filter(|l| !l.is_zero())
            {
                return Ok(Next::After(left));
            }
        }
        if !ended
            && let Some(left) = self
                .context
                .waiting(pod.uid(), "pod-stop", self.context.delays.stop)
        {
            return Ok(Next::After(left));
        }
        self.context.delete(Kind::Pod, pod, Some(0)).await?;
        Ok(Next::OnChange)
    }

    fn is_bound(&self, pod: &Seen, claim: &str) -> bool {
        let ns = pod.metadata.namespace.as_deref().unwrap_or_default();
        let claim = self.context.world.get(Kind::Claim, &Key::new(ns, claim));
        claim.is_some_and(|claim| claim.text("/status/phase") == "Bound")
    }

    fn guest_of(&self, pod: &Seen) -> Option<Seen> {
        let owner = owner(pod, "VirtualMachineInstance")?;
        let key = Key::new(pod.metadata.namespace.as_deref().unwrap_or_default(), &owner.name);
        let vmi = self.context.world.get(Kind::Instance, &key);
        vmi.filter(|vmi| vmi.uid() == owner.uid)
    }

    fn guest_lives(&self, pod: &Seen) -> bool {
        self.guest_of(pod).is_some_and(|vmi| {
            let here = vmi.text("/status/nodeName") == pod.text("/spec/nodeName");
            here && matches!(vmi.text("/status/phase"), "Scheduled" | "Running")
        })
    }

    /// The guest has ended, or was moved to another host.
    fn guest_has_left(&self, pod: &Seen) -> bool {
        self.guest_of(pod).is_some_and(|vmi| {
            if matches!(vmi.text("/status/phase"), "Succeeded" | "Failed") {
                return true;
            }
            let name = pod.metadata.name.as_deref().unwrap_or_default();
            let node = pod.text("/spec/nodeName");
            vmi.flag("/status/migrationState/completed")
                && !vmi.flag("/status/migrationState/failed")
                && vmi.text("/status/nodeName") != node
                && vmi.text("/status/migrationState/targetPod") != name
                && vmi.text("/status/migrationState/sourceNode") == node
        })
    }
}

impl Keeper for Kubelet {
    const NAME: &'static str = "kubelet/pod";

    fn concerned(&self, change: &Change) -> Vec<Key> {
        let world = &self.context.world;
        let keys = |pods: Vec<Seen>| pods.iter().map(|pod| pod.key()).collect();
        match change {
            Change::Object {
                kind: Kind::Pod,
                key,
                old,
                new,
            } => {
                if let (Some(old), None) = (old, new) {
                    self.set_boot(old, None);
                }
                vec![key.clone()]
            }
            Change::Object {
                kind: Kind::Claim,
                key,
                ..
            } => keys(world.find(Kind::Pod, "claim", &key.to_string())),
            Change::Object {
                kind: Kind::Instance, ..
            } => {
                let uid = change
                    .object()
                    .map(|vmi| vmi.uid().to_owned())
                    .unwrap_or_default();
                keys(world.find(Kind::Pod, "owner", &uid))
            }
            Change::Object { .. } => vec![],
            Change::Faults => keys(world.all(Kind::Pod)),
        }
    }

    async fn look(&self, key: Key) -> Result<Next, SimError> {
        let Some(pod) = self.context.world.get(Kind::Pod, &key) else {
            return Ok(Next::OnChange);
        };
        let node = pod.text("/spec/nodeName");
        let Some(host) = self.context.places.hosts.get(node) else {
            return Ok(Next::OnChange);
        };
        if self.context.faults().host(&host.site, node) != Reach::On {
            return Ok(Next::OnChange);
        }
        let boot = self.context.broken.boots(node);
        if pod.deleting() {
            return self.terminate(&pod).await;
        }
        match pod.text("/status/phase") {
            "" | "Pending" => self.pending(&pod, &host.address, boot).await,
            "Running" => self.running(&pod, boot).await,
            _ => Ok(Next::OnChange),
        }
    }
}

/// The owner of a kind.
pub(crate) fn owner<'a>(
    object: &'a Seen,
    kind: &str,
) -> Option<&'a k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference> {
    object
        .metadata
        .owner_references
        .iter()
        .flatten()
        .find(|owner| owner.kind == kind)
}

/// Whether a pod carries a guest.
pub(crate) fn is_launcher(pod: &Seen) -> bool {
    pod.label("kubevirt.io") == "virt-launcher" && owner(pod, "VirtualMachineInstance").is_some()
}

fn is_job(pod: &Seen) -> bool {
    owner(pod, "Job").is_some()
}
