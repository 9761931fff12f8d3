//! Plays external-provisioner and external-resizer: makes a volume for each claim that asks for one, at the sites of
//! its class. Writes PersistentVolumes; the controller manager binds them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::content::{self, Content};
use crate::sim::SimError;
use crate::sim::engine::{Change, Context, Keeper, Kind, Next, Seen};
use crate::sim::guest::{WRITTEN, Written};
use crate::sim::places::{PROVISIONER, Storage, ZONE};
use crate::sim::value::{Key, Look};

/// Annotation in which the scheduler, or CDI in its place, names the host of the first consumer.
pub(crate) const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// Keeps the claims of the simulated classes.
pub(crate) struct Provisioner {
    context: Arc<Context>,
}

impl Provisioner {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    async fn provision(&self, claim: &Seen, storage: &Storage) -> Result<Next, SimError> {
        let node = claim.note(SELECTED_NODE);
        if node.is_empty() {
            return Ok(Next::OnChange);
        }
        let site = self.context.places.site_of(node);
        if !site.is_some_and(|site| storage.sites.contains(site)) {
            // As the real one does: the scheduler has to choose again.
            let patch = json!({"metadata": {"annotations": {SELECTED_NODE: null}}});
            self.context.merge(Kind::Claim, claim, patch).await?;
            return Ok(Next::OnChange);
        }
        let faults = self.context.faults();
        if !storage.sites.iter().all(|site| faults.site_reached(site)) {
            return Ok(Next::OnChange);
        }
        if has_volume(&self.context, claim) {
            return Ok(Next::OnChange);
        }
        let Content::Ready(written) = content::of_claim(&self.context, claim) else {
            return Ok(Next::OnChange);
        };
        if let Some(left) = self
            .context
            .waiting(claim.uid(), "provision", self.context.delays.storage)
        {
            return Ok(Next::After(left));
        }
        self.context
            .create(
                Kind::Volume,
                "",
                volume(claim, storage, &written, &self.reclaim(claim)),
            )
            .await?;
        Ok(Next::OnChange)
    }

    /// What becomes of the volume when its claim goes: the class says.
    fn reclaim(&self, claim: &Seen) -> String {
        let class = Key::cluster(claim.text("/spec/storageClassName"));
        let class = self.context.world.get(Kind::StorageClass, &class);
        // A class that is gone says nothing: then the data stays.
        class.map_or_else(
            || "Retain".to_owned(),
            |class| class.text("/reclaimPolicy").to_owned(),
        )
    }

    /// Grows a bound volume to what its claim asks for.
    async fn resize(&self, claim: &Seen) -> Result<Next, SimError> {
        let wanted = claim.text("/spec/resources/requests/storage");
        let have = claim.text("/status/capacity/storage");
        if claim.text("/status/phase") != "Bound" || bytes(wanted) <= bytes(have) {
            return Ok(Next::OnChange);
        }
        let volume = self
            .context
            .world
            .get(Kind::Volume, &Key::cluster(claim.text("/spec/volumeName")));
        if let Some(volume) = volume {
            let patch = json!({"spec": {"capacity": {"storage": wanted}}});
            self.context.merge(Kind::Volume, &volume, patch).await?;
            self.context
                .merge_status(Kind::Claim, claim, json!({"capacity": {"storage": wanted}}))
                .await?;
        }
        Ok(Next::OnChange)
    }
}

impl Keeper for Provisioner {
    const NAME: &'static str = "csi/provisioner";

    fn concerned(&self, change: &Change) -> Vec<Key> {
        let world = &self.context.world;
        let waiting = |kind: &str, key: &Key| {
            let claims = world.find(Kind::Claim, "from", &format!("{kind}/{}/{}", key.ns, key.name));
            claims.iter().map(|claim| claim.key()).collect()
        };
        match change {
            Change::Object {
                kind: Kind::Claim,
                key,
                ..
            } => {
                let mut keys: Vec<Key> = waiting("PersistentVolumeClaim", key);
                keys.push(key.clone());
                keys
            }
            Change::Object {
                kind: Kind::Snapshot,
                key,
                ..
            } => waiting("VolumeSnapshot", key),
            Change::Object {
                kind: Kind::ReplicationDestination,
                key,
                ..
            } => waiting("ReplicationDestination", key),
            Change::Object { .. } => vec![],
            Change::Faults => world.all(Kind::Claim).iter().map(|claim| claim.key()).collect(),
        }
    }

    async fn look(&self, key: Key) -> Result<Next, SimError> {
        let Some(claim) = self.context.world.get(Kind::Claim, &key) else {
            return Ok(Next::OnChange);
        };
        let Some(storage) = self.context.places.storage(claim.text("/spec/storageClassName")) else {
            return Ok(Next::OnChange);
        };
        if claim.deleting() {
            return Ok(Next::OnChange);
        }
        if claim.text("/spec/volumeName").is_empty() {
            self.provision(&claim, storage).await
        } else {
            self.resize(&claim).await
        }
    }
}

/// Whether the volume was made already and waits for the controller manager to bind it.
fn has_volume(context: &Context, claim: &Seen) -> bool {
    context
        .world
        .get(Kind::Volume, &Key::cluster(&volume_name(claim)))
        .is_some()
}

fn volume_name(claim: &Seen) -> String {
    format!("pvc-{}", claim.uid())
}

/// The volume for a claim, reserved for it.
fn volume(claim: &Seen, storage: &Storage, written: &Written, reclaim: &str) -> Value {
    let name = volume_name(claim);
    let key = claim.key();
    json!({
        "metadata": {
            "name": name,
            "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER, WRITTEN: written.note()},
        },
        "spec": {
            "capacity": {"storage": claim.at("/spec/resources/requests/storage")},
            "accessModes": claim.at("/spec/accessModes"),
            "volumeMode": claim.at("/spec/volumeMode"),
            "storageClassName": claim.at("/spec/storageClassName"),
            "persistentVolumeReclaimPolicy": reclaim,
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "namespace": key.ns, "name": key.name, "uid": claim.uid(),
            },
            "csi": {"driver": PROVISIONER, "volumeHandle": name},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": ZONE, "operator": "In", "values": storage.sites}]},
            ]}},
        },
    })
}

/// Bytes of a quantity as Kubernetes writes sizes of volumes; 0 when it is not readable.
pub(crate) fn bytes(quantity: &str) -> u128 {
    let split = quantity
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(quantity.len());
    let (digits, unit) = quantity.split_at(split);
    let factor: u128 = match unit {
        "" => 1,
        "k" => 1000,
        "M" => 1000_u128.pow(2),
        "G" => 1000_u128.pow(3),
        "T" => 1000_u128.pow(4),
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        _ => return 0,
    };
    digits.parse::<u128>().unwrap_or_default() * factor
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::value::object;
    use std::collections::BTreeSet;

    #[test]
    fn a_volume_is_only_usable_at_the_sites_that_hold_it() {
        let claim = Arc::new(object(json!({
            "metadata": {"name": "disk", "namespace": "t", "uid": "u"},
            "spec": {"accessModes": ["ReadWriteMany"], "volumeMode": "Block", "storageClassName": "sync-a-b",
                     "resources": {"requests": {"storage": "40Gi"}}},
        })));
        let storage = Storage {
            sites: BTreeSet::from(["a".to_owned(), "b".to_owned()]),
        };
        let volume = volume(&claim, &storage, &Written::default(), "Retain");
        let seen = Arc::new(object(volume.clone()));
        assert_eq!(crate::sim::places::sites_of_volume(&seen), storage.sites);
        assert_eq!(volume["spec"]["claimRef"]["uid"], "u");
        assert_eq!(volume["spec"]["persistentVolumeReclaimPolicy"], "Retain");
    }

    #[test]
    fn sizes_are_compared_as_numbers() {
        assert!(bytes("40Gi") > bytes("9Gi") && bytes("1Ti") > bytes("40Gi") && bytes("1G") < bytes("1Gi"));
        assert_eq!((bytes("x"), bytes(""), bytes("512")), (0, 0, 512));
    }
}
