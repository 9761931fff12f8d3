//! Plays VolSync's manager for ReplicationDestinations: a volume to receive on, an address, a key, and after each
//! transfer a snapshot as the latest image. Writes those and the status.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::schedule::{self, Due};
use crate::sim::SimError;
use crate::sim::csi::provision::SELECTED_NODE;
use crate::sim::engine::{Change, Context, Keeper, Kind, Next, SNAPSHOT_GROUP, Seen};
use crate::sim::faults::Reach;
use crate::sim::value::{Key, Look, hash, time};

/// Annotation in which the sending end says when it had sent everything.
pub(super) const RECEIVED: &str = "sim.raidc.dev/received";

/// Keeps the receiving ends.
pub(crate) struct Destinations {
    context: Arc<Context>,
}

impl Destinations {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// The claim to receive on, made if the destination names none.
    async fn claim(&self, destination: &Seen) -> Result<Option<Seen>, SimError> {
        let context = &self.context;
        let key = Key::new(&destination.key().ns, &claim_name(destination));
        if let Some(claim) = context.world.get(Kind::Claim, &key) {
            // A mover's pod would be the first consumer.
            if claim.text("/spec/volumeName").is_empty() && claim.note(SELECTED_NODE).is_empty() {
                let faults = context.faults();
                let class = claim.text("/spec/storageClassName");
                let up =
                    |name: &str, host: &crate::sim::places::Host| faults.host(&host.site, name) == Reach::On;
                if let Some(node) = context.places.host_for(class, up) {
                    let patch = json!({"metadata": {"annotations": {SELECTED_NODE: node}}});
                    context.merge(Kind::Claim, &claim, patch).await?;
                }
            }
            return Ok(Some(claim));
        }
        let given = destination.text("/spec/rsyncTLS/destinationPVC");
        if !given.is_empty() {
            return Ok(None);
        }
        let spec = destination.at("/spec/rsyncTLS");
        let mode = if spec["volumeMode"].is_null() {
            "Filesystem".into()
        } else {
            spec["volumeMode"].clone()
        };
        let claim = json!({
            "metadata": {"name": key.name, "namespace": key.ns, "ownerReferences": [owner(destination)],
                         "labels": {"app.kubernetes.io/created-by": "volsync"}},
            "spec": {
                "storageClassName": spec["storageClassName"],
                "accessModes": spec["accessModes"],
                "volumeMode": mode,
                "resources": {"requests": {"storage": spec["capacity"]}},
            },
        });
        context.create(Kind::Claim, &key.ns, claim).await?;
        Ok(context.world.get(Kind::Claim, &key))
    }

    /// The address to send to, and the key if the destination brings none. True once both are published.
    async fn listen(&self, destination: &Seen) -> Result<bool, SimError> {
        let context = &self.context;
        let key = destination.key();
        let name = Key::new(&key.ns, &shortened("volsync-rsync-tls-dst-", &key.name));
        let Some(service) = context.world.get(Kind::Service, &name) else {
            let service = json!({
                "metadata": {"name": name.name, "namespace": key.ns, "ownerReferences": [owner(destination)],
                             "labels": {"app.kubernetes.io/created-by": "volsync"}},
                "spec": {
                    "selector": {"app.kubernetes.io/name": shortened("dst-", &key.name)},
                    "ports": [{"name": "rsync-tls", "port": 8000, "targetPort": 8000, "protocol": "TCP"}],
                },
            });
            context.create(Kind::Service, &key.ns, service).await?;
            return Ok(false);
        };
        let address = service.text("/spec/clusterIP");
        if address.is_empty() {
            return Ok(false);
        }
        let mut wanted = json!({"address": address});
        if destination.text("/spec/rsyncTLS/keySecret").is_empty() {
            let secret = format!("volsync-rsync-tls-{}", key.name);
            self.key(destination, &secret).await?;
            wanted["keySecret"] = secret.into();
        }
        let known = destination.text("/status/rsyncTLS/address") == address;
        context
            .merge_status(
                Kind::ReplicationDestination,
                destination,
                json!({"rsyncTLS": wanted}),
            )
            .await?;
        Ok(known)
    }

    async fn key(&self, destination: &Seen, name: &str) -> Result<(), SimError> {
        if destination.text("/status/rsyncTLS/keySecret") == name {
            return Ok(());
        }
        // Nobody connects to anything here: a stable value is enough to be there.
        let psk = format!("volsync:{:016x}{:016x}", hash(destination.uid()), hash(name));
        let secret = json!({
            "metadata": {"name": name, "ownerReferences": [owner(destination)]},
            "stringData": {"psk.txt": psk},
        });
        crate::sim::light::source::create_secret(&self.context, &destination.key().ns, secret).await
    }

    /// After a transfer: keep what came as an image, then drop the image before it.
    async fn received(&self, destination: &Seen, since: Timestamp, at: Timestamp) -> Result<Next, SimError> {
        let context = &self.context;
        let key = destination.key();
        let direct = matches!(destination.text("/spec/rsyncTLS/copyMethod"), "Direct" | "None");
        let claim = claim_name(destination);
        let before = destination.text("/status/latestImage/name").to_owned();
        let image = if direct {
            json!({"apiGroup": "", "kind": "PersistentVolumeClaim", "name": claim})
        } else {
            let stamp = at.strftime("%Y%m%d%H%M%S");
            let name = Key::new(&key.ns, &format!("{claim}-{stamp}"));
            let Some(snapshot) = context.world.get(Kind::Snapshot, &name) else {
                let snapshot = json!({
                    "metadata": {"name": name.name, "namespace": key.ns, "ownerReferences": [owner(destination)],
                                 "labels": {"app.kubernetes.io/created-by": "volsync"}},
                    "spec": {
                        "source": {"persistentVolumeClaimName": claim},
                        "volumeSnapshotClassName": destination.at("/spec/rsyncTLS/volumeSnapshotClassName"),
                    },
                });
                context.create(Kind::Snapshot, &key.ns, snapshot).await?;
                return Ok(Next::OnChange);
            };
            if !snapshot.flag("/status/readyToUse") {
                return Ok(Next::OnChange);
            }
            json!({"apiGroup": SNAPSHOT_GROUP, "kind": "VolumeSnapshot", "name": name.name})
        };
        let mut status = schedule::done(destination, since, Timestamp::now());
        let same = image["name"] == *before;
        status["latestImage"] = image;
        context
            .merge_status(Kind::ReplicationDestination, destination, status)
            .await?;
        if !direct
            && !same
            && let Some(old) = context.world.get(Kind::Snapshot, &Key::new(&key.ns, &before))
        {
            // Someone may have asked to keep it, as VolSync's label says.
            if old.label("volsync.backube/do-not-delete").is_empty() {
                context.delete(Kind::Snapshot, &old, None).await?;
            }
        }
        Ok(Next::OnChange)
    }
}

impl Keeper for Destinations {
    const NAME: &'static str = "volsync/destination";

    fn concerned(&self, change: &Change) -> Vec<Key> {
        let owned = || {
            let object = change.object()?;
            let owner = crate::sim::kubelet::owner(object, "ReplicationDestination")?;
            Some(Key::new(&object.key().ns, &owner.name))
        };
        match change {
            Change::Object {
                kind: Kind::ReplicationDestination,
                key,
                ..
            } => vec![key.clone()],
            Change::Object {
                kind: Kind::Claim | Kind::Service | Kind::Snapshot,
                ..
            } => owned().into_iter().collect(),
            Change::Object { .. } => vec![],
            Change::Faults => {
                let all = self.context.world.all(Kind::ReplicationDestination);
                all.iter().map(|destination| destination.key()).collect()
            }
        }
    }

    async fn look(&self, key: Key) -> Result<Next, SimError> {
        let context = &self.context;
        let Some(destination) = context.world.get(Kind::ReplicationDestination, &key) else {
            return Ok(Next::OnChange);
        };
        if destination.deleting()
            || destination.flag("/spec/paused")
            || destination.at("/spec/rsyncTLS").is_null()
        {
            return Ok(Next::OnChange);
        }
        let now = Timestamp::now();
        match schedule::due(&destination, now) {
            Due::Now => {
                let status = schedule::begun(&destination, now);
                context
                    .merge_status(Kind::ReplicationDestination, &destination, status)
                    .await?;
                Ok(Next::OnChange)
            }
            Due::At(at) => Ok(wait_until(at, now)),
            Due::Manual => Ok(Next::OnChange),
            Due::Broken(why) => {
                let status = schedule::broken(&destination, &why, now);
                context
                    .merge_status(Kind::ReplicationDestination, &destination, status)
                    .await?;
                Ok(Next::OnChange)
            }
            Due::Syncing(since) => {
                let claim = self.claim(&destination).await?;
                let bound = claim.is_some_and(|claim| claim.text("/status/phase") == "Bound");
                if !self.listen(&destination).await? || !bound {
                    return Ok(Next::OnChange);
                }
                match time(destination.note(RECEIVED)) {
                    // Compared in whole seconds, which is what the status holds.
                    Some(at) if at.as_second() >= since.as_second() => {
                        self.received(&destination, since, at).await
                    }
                    _ => Ok(Next::OnChange),
                }
            }
        }
    }
}

/// Name of the claim that a destination receives on.
pub(super) fn claim_name(destination: &Seen) -> String {
    match destination.text("/spec/rsyncTLS/destinationPVC") {
        "" => format!("volsync-{}-dst", destination.key().name),
        given => given.to_owned(),
    }
}

/// A name with a prefix, short enough for a label and a service.
fn shortened(prefix: &str, name: &str) -> String {
    let whole = format!("{prefix}{name}");
    if whole.len() <= 63 {
        whole
    } else {
        format!("{prefix}{:016x}", hash(name))
    }
}

fn owner(destination: &Seen) -> Value {
    json!({
        "apiVersion": "volsync.backube/v1alpha1", "kind": "ReplicationDestination", "name": destination.key().name,
        "uid": destination.uid(), "controller": true, "blockOwnerDeletion": true,
    })
}

/// Until a time, and not for nothing.
pub(super) fn wait_until(at: Timestamp, now: Timestamp) -> Next {
    let left = at.duration_since(now);
    Next::After(std::time::Duration::try_from(left).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_never_gets_a_name_that_is_too_long() {
        assert_eq!(shortened("dst-", "web"), "dst-web");
        assert!(shortened("volsync-rsync-tls-dst-", &"x".repeat(60)).len() <= 63);
    }
}
