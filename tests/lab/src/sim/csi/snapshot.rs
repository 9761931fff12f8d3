//! Plays the snapshot controller and its sidecar: freezes what a volume holds. Writes VolumeSnapshotContents and the
//! status of VolumeSnapshots.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::content::volume_of;
use crate::sim::SimError;
use crate::sim::engine::{Change, Context, Keeper, Kind, Next, Seen};
use crate::sim::guest::{WRITTEN, Written};
use crate::sim::places::{PROVISIONER, sites_of_volume};
use crate::sim::value::{Key, Look, rfc3339};

/// Keeps the snapshots.
pub(crate) struct Snapshotter {
    context: Arc<Context>,
}

impl Snapshotter {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    async fn of_claim(&self, snapshot: &Seen, claim: &str) -> Result<Next, SimError> {
        let context = &self.context;
        let name = Key::cluster(&format!("snapcontent-{}", snapshot.uid()));
        if let Some(content) = context.world.get(Kind::SnapshotContent, &name) {
            return self.bind(snapshot, &content).await;
        }
        let key = snapshot.key();
        let Some(volume) = volume_of(context, &Key::new(&key.ns, claim)) else {
            return Ok(Next::OnChange);
        };
        if volume.text("/spec/csi/driver") != PROVISIONER {
            return Ok(Next::OnChange);
        }
        let faults = context.faults();
        if !sites_of_volume(&volume)
            .iter()
            .any(|site| faults.site_reached(site))
        {
            return Ok(Next::OnChange);
        }
        if let Some(left) = context.waiting(snapshot.uid(), "snapshot", context.delays.storage) {
            return Ok(Next::After(left));
        }
        let class = snapshot.text("/spec/volumeSnapshotClassName");
        let class = context.world.get(Kind::SnapshotClass, &Key::cluster(class));
        let policy = class
            .as_ref()
            .map_or("Delete", |class| match class.text("/deletionPolicy") {
                "" => "Delete",
                policy => policy,
            });
        let frozen = content(&name.name, snapshot, &volume, policy, Timestamp::now());
        context.create(Kind::SnapshotContent, "", frozen).await?;
        Ok(Next::After(std::time::Duration::ZERO))
    }

    async fn bind(&self, snapshot: &Seen, content: &Seen) -> Result<Next, SimError> {
        let written = Written::of(content);
        let size = content.note("sim.raidc.dev/size");
        let mut status = json!({
            "boundVolumeSnapshotContentName": content.key().name,
            "readyToUse": true,
            "creationTime": rfc3339(written.at.unwrap_or(Timestamp::UNIX_EPOCH)),
        });
        if !size.is_empty() {
            status["restoreSize"] = size.into();
        }
        self.context
            .merge_status(Kind::Snapshot, snapshot, status)
            .await?;
        Ok(Next::OnChange)
    }
}

impl Keeper for Snapshotter {
    const NAME: &'static str = "csi/snapshotter";

    fn concerned(&self, change: &Change) -> Vec<Key> {
        let world = &self.context.world;
        match change {
            Change::Object {
                kind: Kind::Snapshot,
                key,
                ..
            } => vec![key.clone()],
            Change::Object {
                kind: Kind::Claim,
                key,
                ..
            } => {
                let waiting = world.find(Kind::Snapshot, "claim", &key.to_string());
                waiting
                    .iter()
                    .filter(|s| !s.flag("/status/readyToUse"))
                    .map(|s| s.key())
                    .collect()
            }
            Change::Object { .. } => vec![],
            Change::Faults => world.all(Kind::Snapshot).iter().map(|s| s.key()).collect(),
        }
    }

    async fn look(&self, key: Key) -> Result<Next, SimError> {
        let Some(snapshot) = self.context.world.get(Kind::Snapshot, &key) else {
            return Ok(Next::OnChange);
        };
        if snapshot.deleting() || snapshot.flag("/status/readyToUse") {
            return Ok(Next::OnChange);
        }
        let claim = snapshot.text("/spec/source/persistentVolumeClaimName").to_owned();
        if !claim.is_empty() {
            return self.of_claim(&snapshot, &claim).await;
        }
        let given = Key::cluster(snapshot.text("/spec/source/volumeSnapshotContentName"));
        match self.context.world.get(Kind::SnapshotContent, &given) {
            Some(content) => self.bind(&snapshot, &content).await,
            None => Ok(Next::OnChange),
        }
    }
}

/// Keeps what snapshots hold: it goes with its snapshot unless its policy says Retain.
pub(crate) struct Contents {
    context: Arc<Context>,
}

impl Contents {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }
}

impl Keeper for Contents {
    const NAME: &'static str = "csi/snapshot-contents";

    fn concerned(&self, change: &Change) -> Vec<Key> {
        match change {
            Change::Object {
                kind: Kind::SnapshotContent,
                key,
                ..
            } => vec![key.clone()],
            Change::Object {
                kind: Kind::Snapshot,
                old: Some(old),
                new: None,
                ..
            } => {
                let contents = self
                    .context
                    .world
                    .find(Kind::SnapshotContent, "snapshot", old.uid());
                contents.iter().map(|content| content.key()).collect()
            }
            _ => vec![],
        }
    }

    async fn look(&self, key: Key) -> Result<Next, SimError> {
        let Some(content) = self.context.world.get(Kind::SnapshotContent, &key) else {
            return Ok(Next::OnChange);
        };
        if content.text("/spec/driver") != PROVISIONER {
            return Ok(Next::OnChange);
        }
        let owner = content.at("/spec/volumeSnapshotRef");
        let text = |field: &str| owner[field].as_str().unwrap_or_default();
        let snapshot = self
            .context
            .world
            .get(Kind::Snapshot, &Key::new(text("namespace"), text("name")));
        let orphan = snapshot.is_none_or(|snapshot| snapshot.uid() != text("uid"));
        // A content that was made by hand has no uid of a snapshot until it is bound.
        if orphan && !text("uid").is_empty() && content.text("/spec/deletionPolicy") == "Delete" {
            self.context.delete(Kind::SnapshotContent, &content, None).await?;
            return Ok(Next::OnChange);
        }
        if !content.flag("/status/readyToUse") {
            let status = json!({
                "readyToUse": true,
                "snapshotHandle": content.key().name,
                "restoreSize": i64::try_from(super::provision::bytes(content.note("sim.raidc.dev/size"))).unwrap_or_default(),
            });
            self.context
                .merge_status(Kind::SnapshotContent, &content, status)
                .await?;
        }
        Ok(Next::OnChange)
    }
}

fn content(name: &str, snapshot: &Seen, volume: &Seen, policy: &str, now: Timestamp) -> Value {
    let key = snapshot.key();
    let mut written = Written::of(volume).frozen(now);
    // A snapshot is taken now, even of a disk that nobody has written to for a while.
    written.at = Some(now);
    json!({
        "metadata": {
            "name": name,
            "annotations": {
                WRITTEN: written.note(),
                "sim.raidc.dev/size": volume.text("/spec/capacity/storage"),
            },
        },
        "spec": {
            "deletionPolicy": policy,
            "driver": PROVISIONER,
            "source": {"volumeHandle": volume.text("/spec/csi/volumeHandle")},
            "volumeSnapshotClassName": snapshot.at("/spec/volumeSnapshotClassName"),
            "volumeSnapshotRef": {
                "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot",
                "namespace": key.ns, "name": key.name, "uid": snapshot.uid(),
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::value::object;

    #[test]
    fn a_snapshot_holds_what_was_written_until_then_and_no_more() {
        let began: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let then: Timestamp = "2026-01-01T00:00:10Z".parse().expect("a time");
        let volume = Arc::new(object(json!({
            "metadata": {"name": "pv", "annotations": {WRITTEN: Written::default().started("t/web", "n1", began).note()}},
            "spec": {"capacity": {"storage": "1Gi"}, "csi": {"volumeHandle": "pv"}},
        })));
        let snapshot = Arc::new(object(
            json!({"metadata": {"name": "s", "namespace": "t", "uid": "u"}, "spec": {}}),
        ));
        let content = Arc::new(object(content("c", &snapshot, &volume, "Delete", then)));
        let written = Written::of(&content);
        assert_eq!(
            (written.counter, written.at, written.since),
            (100, Some(then), None)
        );
    }
}
