//! CDI: the `DataVolume` that fills a disk once, and the claim that grows later. Pure; nothing is decided.

use super::MANAGED_BY_LABEL;
use super::Owner;
use super::canonical_mib;
use serde_json::Value;
use serde_json::json;

/// Fills the disk at once, although its storage class may wait for a first consumer: the machine comes later.
const BIND_NOW: &str = "cdi.kubevirt.io/storage.bind.immediate.requested";

/// What a new disk begins as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// A copy of this image of the catalogue.
    Image {
        /// Namespace of the catalogue.
        namespace: &'a str,
        /// Name of the DataSource.
        name: &'a str,
    },
    /// Nothing.
    Blank,
}

/// A disk to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDisk<'a> {
    /// Name within the server.
    pub disk: &'a str,
    /// Name of DataVolume and claim.
    pub claim: &'a str,
    /// What it begins as.
    pub source: Source<'a>,
    /// Size in MiB.
    pub mib: i64,
    /// Storage class: of the chosen site, or one that spans sites.
    pub class: &'a str,
}

/// The body of a new disk's `DataVolume`. Nothing owns it: data outlives the server.
///
/// Access and volume mode are left to CDI, which knows from its StorageProfile what the class can do best (block and shared where
/// it can, which live migration needs).
#[must_use]
pub fn data_volume(owner: Owner<'_>, new: &NewDisk<'_>) -> Value {
    let mut spec = json!({
        "storage": {
            "resources": {"requests": {"storage": canonical_mib(new.mib)}},
            "storageClassName": new.class,
        },
    });
    match new.source {
        Source::Image { namespace, name } => {
            spec["sourceRef"] = json!({"kind": "DataSource", "namespace": namespace, "name": name});
        }
        Source::Blank => spec["source"] = json!({"blank": {}}),
    }
    json!({
        "apiVersion": "cdi.kubevirt.io/v1beta1",
        "kind": "DataVolume",
        "metadata": {
            "name": new.claim,
            "namespace": owner.namespace,
            "labels": owner.disk_labels(new.disk),
            "annotations": {BIND_NOW: "true"},
        },
        "spec": spec,
    })
}

/// The body that marks an existing claim as a disk of this server and asks for `storage` of it: what it asks for already, or more.
/// `uid` is the claim's own, so that a claim which has gone in the meantime is not made anew, empty.
#[must_use]
pub fn claim(owner: Owner<'_>, disk: &str, claim: &str, uid: &str, storage: &str) -> Value {
    let mut labels = owner.disk_labels(disk);
    // CDI manages the claim and says so under this label; two that write it would never agree.
    labels.remove(MANAGED_BY_LABEL);
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": claim,
            "namespace": owner.namespace,
            "uid": uid,
            "labels": labels,
        },
        "spec": {"resources": {"requests": {"storage": storage}}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Owner<'static> = Owner {
        namespace: "kuldiga",
        name: "registry",
        uid: "u-1",
    };

    fn root() -> NewDisk<'static> {
        NewDisk {
            disk: "root",
            claim: "registry-root",
            source: Source::Image {
                namespace: "raidc-images",
                name: "debian-13",
            },
            mib: 20 * 1024,
            class: "fast-kuldiga",
        }
    }

    #[test]
    fn a_disk_is_never_owned_by_anything_of_ours() {
        let body = data_volume(OWNER, &root());
        assert!(body["metadata"].get("ownerReferences").is_none());
        assert_eq!(
            body["metadata"]["labels"],
            json!({
                "app.kubernetes.io/managed-by": "raidc",
                "raidc.dev/server": "registry",
                "raidc.dev/server-uid": "u-1",
                "raidc.dev/disk": "root",
            })
        );
    }

    #[test]
    fn the_root_disk_comes_from_the_catalogue_and_others_begin_empty() {
        let body = data_volume(OWNER, &root());
        assert_eq!(
            body["spec"]["sourceRef"],
            json!({"kind": "DataSource", "namespace": "raidc-images", "name": "debian-13"})
        );
        assert!(body["spec"].get("source").is_none());
        assert_eq!(
            body["spec"]["storage"],
            json!({"resources": {"requests": {"storage": "20Gi"}}, "storageClassName": "fast-kuldiga"})
        );
        let blank = data_volume(
            OWNER,
            &NewDisk {
                source: Source::Blank,
                ..root()
            },
        );
        assert_eq!(blank["spec"]["source"], json!({"blank": {}}));
        assert!(blank["spec"].get("sourceRef").is_none());
    }

    #[test]
    fn a_new_disk_never_waits_for_its_machine() {
        let body = data_volume(OWNER, &root());
        assert_eq!(
            body["metadata"]["annotations"]["cdi.kubevirt.io/storage.bind.immediate.requested"],
            "true"
        );
    }

    #[test]
    fn a_claim_that_has_gone_is_never_made_anew_by_growing_it() {
        let body = claim(OWNER, "root", "registry-root", "claim-uid", "40Gi");
        assert_eq!(body["metadata"]["uid"], "claim-uid");
        assert!(body["metadata"]["labels"].get(MANAGED_BY_LABEL).is_none());
        assert_eq!(
            body["spec"],
            json!({"resources": {"requests": {"storage": "40Gi"}}})
        );
    }
}
