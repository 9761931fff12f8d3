//! The storage classes of the sites and of their pairs, and the snapshot class. Writes them once.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::sim::SimError;
use crate::sim::engine::{Context, Kind};
use crate::sim::places::{PROVISIONER, Storage, ZONE};

/// The one VolumeSnapshotClass.
pub(crate) const SNAPSHOT_CLASS: &str = "sim-snapshots";
/// Name of a class's twin whose volumes go with their claims: for copies that only live as long as a transfer, which
/// would pile up as released volumes otherwise.
pub(crate) fn scratch(class: &str) -> String {
    format!("{class}{SCRATCH}")
}

/// Ends the names of classes for volumes of short life.
pub(crate) const SCRATCH: &str = "-scratch";

/// Between two tries while the API server or the snapshot kinds are not there yet.
const AGAIN: Duration = Duration::from_secs(1);

/// Creates the classes, then ends. A class that is already there stays as it is.
pub(crate) async fn install(context: Arc<Context>) {
    context.world.ready().await;
    for (name, storage) in &context.places.classes {
        until_done(|| context.create(Kind::StorageClass, "", class(name, storage, "Retain"))).await;
        let scratch = scratch(name);
        until_done(|| context.create(Kind::StorageClass, "", class(&scratch, storage, "Delete"))).await;
    }
    until_done(|| context.create(Kind::SnapshotClass, "", snapshot_class())).await;
}

async fn until_done<F: Future<Output = Result<bool, SimError>>>(act: impl Fn() -> F) {
    while let Err(error) = act().await {
        tracing::debug!(%error, "a storage class could not be created; again soon");
        tokio::time::sleep(AGAIN).await;
    }
}

fn class(name: &str, storage: &Storage, reclaim: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "provisioner": PROVISIONER,
        "parameters": {"replicas": storage.sites.len().to_string()},
        "reclaimPolicy": reclaim,
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": true,
        "allowedTopologies": [{"matchLabelExpressions": [{"key": ZONE, "values": storage.sites}]}],
    })
}

fn snapshot_class() -> Value {
    json!({
        "metadata": {
            "name": SNAPSHOT_CLASS,
            "annotations": {"snapshot.storage.kubernetes.io/is-default-class": "true"},
        },
        "driver": PROVISIONER,
        "deletionPolicy": "Delete",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::FleetSpec;
    use crate::sim::places::Places;

    #[test]
    fn data_outlives_its_claim_in_every_class() {
        let places = Places::new(&FleetSpec::example());
        for (name, storage) in &places.classes {
            let class = class(name, storage, "Retain");
            assert_eq!(class["reclaimPolicy"], "Retain", "{name}");
            assert_eq!(class["volumeBindingMode"], "WaitForFirstConsumer", "{name}");
        }
        let pair = class(
            "sync-kuldiga-talsi",
            &places.classes["sync-kuldiga-talsi"],
            "Retain",
        );
        assert_eq!(pair["parameters"]["replicas"], "2");
        let zones = &pair["allowedTopologies"][0]["matchLabelExpressions"][0]["values"];
        assert_eq!(zones, &json!(["kuldiga", "talsi"]));
    }
}
