//! Plays the kubelets' part of the Node objects: registration, readiness, leases, and virt-handler's heartbeat.
//! Writes Nodes and Leases.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior};

use super::SimError;
use super::engine::{Change, Context, Keeper, Kind, Next, within};
use super::faults::Reach;
use super::places::{Host, RACK, ZONE};
use super::value::{Key, Look, changes, rfc3339, rfc3339_micro, with_condition};

const LEASES: &str = "kube-node-lease";
/// As kubelet writes it; the controller manager waits longer than this.
const LEASE_SECONDS: i32 = 40;
/// Between two heartbeats of virt-handler.
const HEARTBEAT: Duration = Duration::from_mins(1);
/// Annotation in which virt-handler says that it lives.
const HEARTBEAT_NOTE: &str = "kubevirt.io/heartbeat";
/// Writes at the same time when many nodes are refreshed.
const AT_ONCE: usize = 16;
/// The simulated kubelet's version; not a release, so that nobody takes it for a real one.
const KUBELET_VERSION: &str = "v0.0.0-simulated";
/// Virtual devices that one host offers; the limit of virt-handler's device plugin.
const DEVICES: &str = "1k";

/// Keeps the Node objects.
pub(crate) struct Nodes {
    context: Arc<Context>,
}

impl Nodes {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }
}

impl Keeper for Nodes {
    const NAME: &'static str = "kubelet/node";

    fn concerned(&self, change: &Change) -> Vec<Key> {
        match change {
            Change::Object {
                kind: Kind::Node,
                key,
                ..
            } if self.context.places.hosts.contains_key(&key.name) => {
                vec![key.clone()]
            }
            Change::Object { .. } => vec![],
            Change::Faults => self
                .context
                .places
                .hosts
                .keys()
                .map(|name| Key::cluster(name))
                .collect(),
        }
    }

    async fn look(&self, key: Key) -> Result<Next, SimError> {
        let Some(host) = self.context.places.hosts.get(&key.name) else {
            return Ok(Next::OnChange);
        };
        if self.context.faults().host(&host.site, &key.name) != Reach::On {
            return Ok(Next::OnChange);
        }
        let now = Timestamp::now();
        let Some(node) = self.context.world.get(Kind::Node, &key) else {
            self.context
                .create(Kind::Node, "", registration(&key.name, host, now))
                .await?;
            return Ok(Next::OnChange);
        };
        // Only what kubelet and virt-handler keep setting: where the host stands is the administrator's to say.
        let mut labels = registration(&key.name, host, now)["metadata"]["labels"].clone();
        if let Some(labels) = labels.as_object_mut() {
            labels.retain(|name, _| name != ZONE && name != RACK);
        }
        self.context
            .merge(Kind::Node, &node, json!({"metadata": {"labels": labels}}))
            .await?;
        let Some(node) = self.context.world.get(Kind::Node, &key) else {
            return Ok(Next::OnChange);
        };
        let status = status(&key.name, host, self.context.broken.boots(&key.name));
        let ready = node.condition("Ready") == "True" && node.condition("MemoryPressure") == "False";
        if !ready || changes(node.at("/status"), &status) {
            let mut status = status;
            status["conditions"] = conditions(node.list("/status/conditions"), now).into();
            self.context.merge_status(Kind::Node, &node, status).await?;
        }
        Ok(Next::OnChange)
    }
}

/// The Node that a kubelet with KubeVirt's node labeller registers.
fn registration(name: &str, host: &Host, now: Timestamp) -> Value {
    json!({
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/os": "linux",
                ZONE: host.site,
                RACK: host.rack,
                "kubevirt.io/schedulable": "true",
                "machine-type.node.kubevirt.io/q35": "true",
                "machine-type.node.kubevirt.io/pc-q35-rhel9.6.0": "true",
                "cpu-model.node.kubevirt.io/Skylake-Server": "true",
                "cpu-model-migration.node.kubevirt.io/Skylake-Server": "true",
                "host-model-cpu.node.kubevirt.io/Skylake-Server": "true",
                "cpu-vendor.node.kubevirt.io/Intel": "true",
                "scheduling.node.kubevirt.io/tsc-frequency-2400000000": "true",
            },
            "annotations": {
                "raidc.dev/idle-watts": host.idle_watts.to_string(),
                "raidc.dev/max-watts": host.max_watts.to_string(),
                HEARTBEAT_NOTE: heartbeat(now),
            },
        },
        "spec": {},
    })
}

/// `boot` counts how often the host was switched on again.
fn status(name: &str, host: &Host, boot: u32) -> Value {
    let amounts = json!({
        "cpu": host.cores.to_string(),
        "memory": format!("{}Gi", host.memory_gib),
        "ephemeral-storage": "100Gi",
        "pods": "250",
        "devices.kubevirt.io/kvm": DEVICES,
        "devices.kubevirt.io/tun": DEVICES,
        "devices.kubevirt.io/vhost-net": DEVICES,
    });
    json!({
        "addresses": [{"type": "InternalIP", "address": host.address}],
        "nodeInfo": {
            "machineID": name, "systemUUID": name, "bootID": format!("{name}-{boot}"),
            "architecture": "amd64", "operatingSystem": "linux", "osImage": "simulated",
            "kernelVersion": "simulated", "containerRuntimeVersion": "simulated://1",
            "kubeletVersion": KUBELET_VERSION, "kubeProxyVersion": "",
        },
        "capacity": amounts,
        "allocatable": amounts,
    })
}

fn conditions(now: &[Value], at: Timestamp) -> Vec<Value> {
    let healthy = [
        (
            "MemoryPressure",
            "False",
            "KubeletHasSufficientMemory",
            "kubelet has sufficient memory available",
        ),
        (
            "DiskPressure",
            "False",
            "KubeletHasNoDiskPressure",
            "kubelet has no disk pressure",
        ),
        (
            "PIDPressure",
            "False",
            "KubeletHasSufficientPID",
            "kubelet has sufficient PID available",
        ),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ];
    healthy.iter().fold(now.to_vec(), |all, (kind, status, reason, message)| {
        let condition = json!({
            "type": kind, "status": status, "reason": reason, "message": message, "lastHeartbeatTime": rfc3339(at),
        });
        with_condition(&all, condition, at)
    })
}

fn heartbeat(at: Timestamp) -> String {
    format!("\"{}\"", rfc3339(at))
}

/// Registers the hosts, then renews leases and heartbeats until the task is dropped.
pub(crate) async fn keep_alive(context: Arc<Context>) {
    context.world.ready().await;
    context.world.tell(&Change::Faults);
    let mut ticks = tokio::time::interval(context.delays.lease);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut beat = Instant::now();
    loop {
        ticks.tick().await;
        let faults = context.faults();
        let alive = context.places.hosts.iter();
        let alive = alive.filter(|(name, host)| faults.host(&host.site, name) == Reach::On);
        let names: Vec<String> = alive.map(|(name, _)| name.clone()).collect();
        each(&names, |name| renew(&context, name)).await;
        if beat.elapsed() >= HEARTBEAT {
            beat = Instant::now();
            each(&names, |name| beat_heart(&context, name)).await;
        }
    }
}

/// Does something for every name, a few at a time; one failure does not keep the others from it.
async fn each<'a, F: Future<Output = Result<(), SimError>>>(names: &'a [String], act: impl Fn(&'a str) -> F) {
    futures::stream::iter(names)
        .for_each_concurrent(AT_ONCE, |name| {
            let done = act(name);
            async move {
                if let Err(error) = done.await {
                    tracing::warn!(node = name, %error, "could not refresh the node");
                }
            }
        })
        .await;
}

async fn renew(context: &Context, node: &str) -> Result<(), SimError> {
    let api: Api<Lease> = Api::namespaced(context.client.clone(), LEASES);
    let now = rfc3339_micro(Timestamp::now());
    let patch = Patch::Merge(json!({"spec": {"renewTime": now}}));
    let params = PatchParams::default();
    match within(
        format!("renewing the lease of {node}"),
        api.patch(node, &params, &patch),
    )
    .await
    {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some(404) => {
            let what = format!("creating the lease of {node}");
            let lease = json!({
                "metadata": {"name": node, "namespace": LEASES},
                "spec": {"holderIdentity": node, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now},
            });
            let lease: Lease = serde_json::from_value(lease).map_err(|source| SimError::Malformed {
                what: what.clone(),
                source,
            })?;
            within(what, api.create(&PostParams::default(), &lease))
                .await
                .map(|_| ())
        }
        Err(error) => Err(error),
    }
}

async fn beat_heart(context: &Context, name: &str) -> Result<(), SimError> {
    let Some(node) = context.world.get(Kind::Node, &Key::cluster(name)) else {
        return Ok(());
    };
    let patch = json!({"metadata": {"annotations": {HEARTBEAT_NOTE: heartbeat(Timestamp::now())}}});
    context.merge(Kind::Node, &node, patch).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::FleetSpec;
    use crate::sim::places::Places;

    #[test]
    fn a_node_never_lacks_its_site_rack_or_watts() {
        let places = Places::new(&FleetSpec::example());
        let node = registration("talsi-r2-h4", &places.hosts["talsi-r2-h4"], Timestamp::UNIX_EPOCH);
        let labels = &node["metadata"]["labels"];
        assert_eq!(
            (&labels[ZONE], &labels[RACK]),
            (&json!("talsi"), &json!("talsi-r2"))
        );
        assert_eq!(node["metadata"]["annotations"]["raidc.dev/max-watts"], "480");
        assert_eq!(
            node["metadata"]["annotations"][HEARTBEAT_NOTE],
            "\"1970-01-01T00:00:00Z\""
        );
    }

    #[test]
    fn a_node_that_came_back_is_ready_again() {
        let lost =
            [json!({"type": "Ready", "status": "Unknown", "lastTransitionTime": "2026-01-01T00:00:00Z"})];
        let now: Timestamp = "2026-01-02T00:00:00Z".parse().expect("a time");
        let all = conditions(&lost, now);
        assert_eq!(all.len(), 4);
        assert_eq!(
            (&all[0]["status"], &all[0]["lastTransitionTime"]),
            (&json!("True"), &json!("2026-01-02T00:00:00Z"))
        );
    }
}
