//! StorageProfiles of the simulated classes and the readiness of DataSources. Writes both.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::sim::SimError;
use crate::sim::engine::{Change, Context, Keeper, Kind, Next, Seen};
use crate::sim::places::PROVISIONER;
use crate::sim::value::{Key, Look, rfc3339, with_condition};

/// Label on a DataSource that stands for an image without a disk behind it: it is always ready.
pub(crate) const IMAGE_LABEL: &str = "sim.raidc.dev/image";

/// Keeps the StorageProfiles: one per class, named like it.
pub(crate) struct Profiles {
    context: Arc<Context>,
}

impl Profiles {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }
}

impl Keeper for Profiles {
    const NAME: &'static str = "cdi/storage-profiles";

    fn concerned(&self, change: &Change) -> Vec<Key> {
        match change {
            Change::Object {
                kind: Kind::StorageClass | Kind::StorageProfile,
                key,
                ..
            } => vec![key.clone()],
            _ => vec![],
        }
    }

    async fn look(&self, key: Key) -> Result<Next, SimError> {
        let class = self.context.world.get(Kind::StorageClass, &key);
        let Some(class) = class.filter(|class| class.text("/provisioner") == PROVISIONER) else {
            return Ok(Next::OnChange);
        };
        let Some(profile) = self.context.world.get(Kind::StorageProfile, &key) else {
            let profile = json!({"metadata": {"name": key.name}, "spec": {}});
            self.context.create(Kind::StorageProfile, "", profile).await?;
            return Ok(Next::OnChange);
        };
        self.context
            .merge_status(Kind::StorageProfile, &profile, profile_status(&class))
            .await?;
        Ok(Next::OnChange)
    }
}

fn profile_status(class: &Seen) -> Value {
    let set = |mode: &str, volume: &str| json!({"accessModes": [mode], "volumeMode": volume});
    json!({
        "storageClass": class.key().name,
        "provisioner": PROVISIONER,
        "cloneStrategy": "snapshot",
        "claimPropertySets": [
            set("ReadWriteMany", "Block"), set("ReadWriteOnce", "Block"), set("ReadWriteOnce", "Filesystem"),
        ],
    })
}

/// Keeps the DataSources.
pub(crate) struct Sources {
    context: Arc<Context>,
}

impl Sources {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// Whether the source can be cloned, with CDI's reason and message.
    fn readiness(&self, source: &Seen) -> (bool, &'static str, String) {
        if !source.label(IMAGE_LABEL).is_empty() {
            return (true, "Ready", "DataSource is ready to be consumed".into());
        }
        let own = source.key().ns;
        let world = &self.context.world;
        let target = |field: &str| {
            let from = source.at(&format!("/spec/source/{field}"));
            let name = from["name"].as_str()?;
            Some(Key::new(from["namespace"].as_str().unwrap_or(&own), name))
        };
        if let Some(key) = target("pvc") {
            if let Some(volume) = world.get(Kind::DataVolume, &key) {
                let phase = volume.text("/status/phase");
                return match phase {
                    "Succeeded" => (true, "Ready", "DataSource is ready to be consumed".into()),
                    _ => (false, "Pending", format!("Import DataVolume phase {phase}")),
                };
            }
            return match world.get(Kind::Claim, &key) {
                Some(_) => (true, "Ready", "DataSource is ready to be consumed".into()),
                None => (
                    false,
                    "NotFound",
                    format!("PersistentVolumeClaim {} not found", key.name),
                ),
            };
        }
        if let Some(key) = target("snapshot") {
            return match world.get(Kind::Snapshot, &key) {
                Some(snapshot) if snapshot.flag("/status/readyToUse") => {
                    (true, "Ready", "DataSource is ready to be consumed".into())
                }
                Some(_) => (false, "SnapshotNotReady", "Snapshot phase is not ready".into()),
                None => (
                    false,
                    "NotFound",
                    format!("VolumeSnapshot {} not found", key.name),
                ),
            };
        }
        (false, "NoSource", "DataSource has no source".into())
    }
}

impl Keeper for Sources {
    const NAME: &'static str = "cdi/data-sources";

    fn concerned(&self, change: &Change) -> Vec<Key> {
        let world = &self.context.world;
        match change {
            Change::Object {
                kind: Kind::DataSource,
                key,
                ..
            } => vec![key.clone()],
            Change::Object {
                kind: Kind::DataVolume | Kind::Claim,
                key,
                ..
            } => {
                let sources = world.find(Kind::DataSource, "claim", &key.to_string());
                sources.iter().map(|source| source.key()).collect()
            }
            // Sources that are snapshots are few: an image each.
            Change::Object {
                kind: Kind::Snapshot,
                key,
                ..
            } => {
                let all = world.all(Kind::DataSource);
                let named = all
                    .iter()
                    .filter(|source| source.text("/spec/source/snapshot/name") == key.name);
                named.map(|source| source.key()).collect()
            }
            _ => vec![],
        }
    }

    async fn look(&self, key: Key) -> Result<Next, SimError> {
        let Some(source) = self.context.world.get(Kind::DataSource, &key) else {
            return Ok(Next::OnChange);
        };
        let (ready, reason, message) = self.readiness(&source);
        let now = Timestamp::now();
        let status = if ready { "True" } else { "False" };
        let condition = json!({"type": "Ready", "status": status, "reason": reason, "message": message});
        let same = source.list("/status/conditions").iter().any(|c| {
            c["type"] == "Ready" && c["status"] == status && c["reason"] == reason && c["message"] == *message
        });
        if same {
            return Ok(Next::OnChange);
        }
        let mut condition = condition;
        condition["lastHeartbeatTime"] = rfc3339(now).into();
        let conditions = with_condition(source.list("/status/conditions"), condition, now);
        // CDI copies the source, which is what a resolved reference would differ in.
        let status = json!({"conditions": conditions, "source": source.at("/spec/source")});
        self.context
            .merge_status(Kind::DataSource, &source, status)
            .await?;
        Ok(Next::OnChange)
    }
}
