//! Plays virt-controller for live migrations: a second pod, the hand-over to the hosts, the result. Writes pods, the
//! migration state of instances and the status of migrations.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{bind, render};
use crate::sim::SimError;
use crate::sim::engine::{Change, Context, Keeper, Kind, Next, Seen};
use crate::sim::kubelet::owner;
use crate::sim::migration::TARGET_LABEL;
use crate::sim::value::{Key, Look, hash, rfc3339};

/// Keeps the migrations.
pub(crate) struct Migrations {
    context: Arc<Context>,
}

impl Migrations {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    async fn phase(&self, migration: &Seen, phase: &str, state: Option<&Value>) -> Result<Next, SimError> {
        let mut times = migration.list("/status/phaseTransitionTimestamps").to_vec();
        if !times.iter().any(|t| t["phase"] == phase) {
            times.push(json!({"phase": phase, "phaseTransitionTimestamp": rfc3339(Timestamp::now())}));
        }
        let mut status = json!({"phase": phase, "phaseTransitionTimestamps": times});
        if let Some(state) = state {
            status["migrationState"] = state.clone();
        }
        self.context
            .merge_status(Kind::Migration, migration, status)
            .await?;
        Ok(Next::OnChange)
    }

    /// Whether another migration of the same guest is under way.
    fn another(&self, migration: &Seen) -> bool {
        let key = migration.key();
        let guest = format!("{}/{}", key.ns, migration.text("/spec/vmiName"));
        let all = self.context.world.find(Kind::Migration, "instance", &guest);
        all.iter().any(|other| {
            other.uid() != migration.uid()
                && !matches!(
                    other.text("/status/phase"),
                    "" | "Pending" | "Succeeded" | "Failed"
                )
        })
    }

    fn target_name(migration: &Seen) -> String {
        format!(
            "virt-launcher-{}-{:05x}",
            migration.text("/spec/vmiName"),
            hash(migration.uid()) & 0xf_ffff
        )
    }

    async fn start(&self, migration: &Seen, vmi: &Seen) -> Result<Next, SimError> {
        if vmi.condition("LiveMigratable") != "True" {
            return self.fail(migration, "the guest is not live migratable").await;
        }
        if self.another(migration) {
            return Ok(Next::After(std::time::Duration::from_secs(1)));
        }
        let Ok(node) = bind::choose(&self.context, vmi, Some(migration)) else {
            return Ok(Next::After(std::time::Duration::from_secs(3)));
        };
        let pod = render::pod(vmi, &Self::target_name(migration), &node, Some(migration.uid()));
        self.context.create(Kind::Pod, &vmi.key().ns, pod).await?;
        self.phase(migration, "Scheduling", None).await
    }

    async fn fail(&self, migration: &Seen, why: &str) -> Result<Next, SimError> {
        self.phase(
            migration,
            "Failed",
            Some(&json!({"failed": true, "completed": true, "failureReason": why})),
        )
        .await
    }

    async fn hand_over(&self, migration: &Seen, vmi: &Seen, pod: &Seen) -> Result<(), SimError> {
        let node = pod.text("/spec/nodeName");
        // What an earlier migration left has to be taken out by name in a merge.
        let old = vmi
            .at("/status/migrationState")
            .as_object()
            .into_iter()
            .flat_map(|o| o.keys());
        let mut state: serde_json::Map<String, Value> =
            old.map(|field| (field.clone(), Value::Null)).collect();
        state.insert("migrationUid".into(), migration.uid().into());
        state.insert("sourceNode".into(), vmi.text("/status/nodeName").into());
        state.insert("targetNode".into(), node.into());
        state.insert("targetPod".into(), pod.key().name.into());
        let patch = json!({
            "metadata": {"resourceVersion": vmi.metadata.resource_version, "labels": {TARGET_LABEL: node}},
            "status": {"migrationState": state},
        });
        self.context.merge(Kind::Instance, vmi, patch).await
    }
}

impl Keeper for Migrations {
    const NAME: &'static str = "virt-controller/migration";

    fn concerned(&self, change: &Change) -> Vec<Key> {
        let world = &self.context.world;
        let of_guest = |guest: &Key| {
            let all = world.find(Kind::Migration, "instance", &guest.to_string());
            all.iter().map(|migration| migration.key()).collect()
        };
        match change {
            Change::Object {
                kind: Kind::Migration,
                key,
                ..
            } => vec![key.clone()],
            Change::Object {
                kind: Kind::Instance,
                key,
                ..
            } => of_guest(key),
            Change::Object {
                kind: Kind::Pod, key, ..
            } => {
                let owner = change
                    .object()
                    .and_then(|pod| owner(pod, "VirtualMachineInstance"));
                owner
                    .map(|owner| of_guest(&Key::new(&key.ns, &owner.name)))
                    .unwrap_or_default()
            }
            _ => vec![],
        }
    }

    async fn look(&self, key: Key) -> Result<Next, SimError> {
        let context = &self.context;
        let Some(migration) = context.world.get(Kind::Migration, &key) else {
            return Ok(Next::OnChange);
        };
        let phase = migration.text("/status/phase");
        if matches!(phase, "Succeeded" | "Failed") {
            return Ok(Next::OnChange);
        }
        let vmi = context.world.get(
            Kind::Instance,
            &Key::new(&key.ns, migration.text("/spec/vmiName")),
        );
        let Some(vmi) = vmi.filter(|vmi| vmi.text("/status/phase") == "Running" && !vmi.deleting()) else {
            return self.fail(&migration, "the guest does not run").await;
        };
        let state = vmi.at("/status/migrationState");
        let handed = state["migrationUid"] == migration.uid();
        let pod = context
            .world
            .get(Kind::Pod, &Key::new(&key.ns, &Self::target_name(&migration)));
        match phase {
            "" => self.phase(&migration, "Pending", None).await,
            "Pending" => self.start(&migration, &vmi).await,
            _ if handed && state["completed"] == true => {
                let result = if state["failed"] == true {
                    "Failed"
                } else {
                    "Succeeded"
                };
                self.phase(&migration, result, Some(state)).await
            }
            _ if handed && !state["startTimestamp"].is_null() => {
                self.phase(&migration, "Running", None).await
            }
            _ if handed && !state["targetNodeAddress"].is_null() => {
                self.phase(&migration, "TargetReady", None).await
            }
            _ if handed => self.phase(&migration, "PreparingTarget", None).await,
            _ => match pod {
                None => self.fail(&migration, "the target pod is gone").await,
                Some(pod) if pod.condition("ContainersReady") == "True" => {
                    self.hand_over(&migration, &vmi, &pod).await?;
                    self.phase(&migration, "Scheduled", None).await
                }
                Some(_) => Ok(Next::OnChange),
            },
        }
    }
}
