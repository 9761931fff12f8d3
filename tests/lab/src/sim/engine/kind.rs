//! The kinds of objects that the simulator watches, and what they are found by. No I/O.

use kube::core::{ApiResource, DynamicObject, GroupVersionKind};

use crate::sim::value::Look;

/// A watched kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Node,
    Pod,
    Service,
    Claim,
    Volume,
    StorageClass,
    Snapshot,
    SnapshotContent,
    SnapshotClass,
    Machine,
    Instance,
    Migration,
    ClusterSize,
    DataVolume,
    DataSource,
    StorageProfile,
    ReplicationSource,
    ReplicationDestination,
}

impl Kind {
    /// Every kind, in the order of the tables.
    pub(crate) const ALL: [Self; 18] = [
        Self::Node,
        Self::Pod,
        Self::Service,
        Self::Claim,
        Self::Volume,
        Self::StorageClass,
        Self::Snapshot,
        Self::SnapshotContent,
        Self::SnapshotClass,
        Self::Machine,
        Self::Instance,
        Self::Migration,
        Self::ClusterSize,
        Self::DataVolume,
        Self::DataSource,
        Self::StorageProfile,
        Self::ReplicationSource,
        Self::ReplicationDestination,
    ];

    /// Position of this kind's table.
    pub(crate) fn slot(self) -> usize {
        self as usize
    }

    /// Whether objects of this kind live in namespaces.
    pub(crate) fn namespaced(self) -> bool {
        !matches!(
            self,
            Self::Node
                | Self::Volume
                | Self::StorageClass
                | Self::SnapshotContent
                | Self::SnapshotClass
                | Self::ClusterSize
                | Self::StorageProfile
        )
    }

    /// Whether the status is written apart from the rest.
    pub(crate) fn has_status_subresource(self) -> bool {
        !matches!(self, Self::DataSource | Self::Instance)
    }

    /// Group, version, kind and plural.
    pub(crate) fn resource(self) -> ApiResource {
        let (group, version, kind, plural) = match self {
            Self::Node => ("", "v1", "Node", "nodes"),
            Self::Pod => ("", "v1", "Pod", "pods"),
            Self::Service => ("", "v1", "Service", "services"),
            Self::Claim => ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
            Self::Volume => ("", "v1", "PersistentVolume", "persistentvolumes"),
            Self::StorageClass => ("storage.k8s.io", "v1", "StorageClass", "storageclasses"),
            Self::Snapshot => (SNAPSHOT_GROUP, "v1", "VolumeSnapshot", "volumesnapshots"),
            Self::SnapshotContent => (
                SNAPSHOT_GROUP,
                "v1",
                "VolumeSnapshotContent",
                "volumesnapshotcontents",
            ),
            Self::SnapshotClass => (
                SNAPSHOT_GROUP,
                "v1",
                "VolumeSnapshotClass",
                "volumesnapshotclasses",
            ),
            Self::Machine => ("kubevirt.io", "v1", "VirtualMachine", "virtualmachines"),
            Self::Instance => (
                "kubevirt.io",
                "v1",
                "VirtualMachineInstance",
                "virtualmachineinstances",
            ),
            Self::Migration => (
                "kubevirt.io",
                "v1",
                "VirtualMachineInstanceMigration",
                "virtualmachineinstancemigrations",
            ),
            Self::ClusterSize => (
                "instancetype.kubevirt.io",
                "v1beta1",
                "VirtualMachineClusterInstancetype",
                "virtualmachineclusterinstancetypes",
            ),
            Self::DataVolume => ("cdi.kubevirt.io", "v1beta1", "DataVolume", "datavolumes"),
            Self::DataSource => ("cdi.kubevirt.io", "v1beta1", "DataSource", "datasources"),
            Self::StorageProfile => ("cdi.kubevirt.io", "v1beta1", "StorageProfile", "storageprofiles"),
            Self::ReplicationSource => (
                "volsync.backube",
                "v1alpha1",
                "ReplicationSource",
                "replicationsources",
            ),
            Self::ReplicationDestination => (
                "volsync.backube",
                "v1alpha1",
                "ReplicationDestination",
                "replicationdestinations",
            ),
        };
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
    }

    /// Terms by which an object is found besides its name: `what:value`.
    pub(crate) fn terms(self, object: &DynamicObject) -> Vec<String> {
        let ns = object.metadata.namespace.as_deref().unwrap_or_default();
        let mut terms = Vec::new();
        let mut add = |what: &str, value: &str| {
            if !value.is_empty() {
                terms.push(format!("{what}:{value}"));
            }
        };
        match self {
            Self::Pod => {
                add("node", object.text("/spec/nodeName"));
                for owner in object.metadata.owner_references.iter().flatten() {
                    add("owner", &owner.uid);
                }
                for name in claims_of(object) {
                    add("claim", &format!("{ns}/{name}"));
                }
                add("service", object.label("app.kubernetes.io/name"));
                add("address", destination_address(object).unwrap_or_default());
            }
            Self::Service => add("address", object.text("/spec/clusterIP")),
            Self::Claim => {
                add("class", object.text("/spec/storageClassName"));
                add("volume", object.text("/spec/volumeName"));
                let from = object.at("/spec/dataSourceRef");
                let name = from.get("name").and_then(|v| v.as_str()).unwrap_or_default();
                let kind = from.get("kind").and_then(|v| v.as_str()).unwrap_or_default();
                let from_ns = from.get("namespace").and_then(|v| v.as_str()).unwrap_or(ns);
                if !name.is_empty() {
                    add("from", &format!("{kind}/{from_ns}/{name}"));
                }
            }
            Self::Instance => {
                add("node", object.text("/status/nodeName"));
                for name in claims_of(object) {
                    add("claim", &format!("{ns}/{name}"));
                }
            }
            Self::Machine => {
                for volume in object.list("/spec/template/spec/volumes") {
                    if let Some(name) = claim_of_volume(volume) {
                        add("claim", &format!("{ns}/{name}"));
                    }
                }
            }
            Self::Migration => add("instance", &format!("{ns}/{}", object.text("/spec/vmiName"))),
            Self::SnapshotContent => add("snapshot", object.text("/spec/volumeSnapshotRef/uid")),
            Self::Snapshot => add(
                "claim",
                &format!("{ns}/{}", object.text("/spec/source/persistentVolumeClaimName")),
            ),
            Self::DataVolume => {
                let from = object.at("/spec/sourceRef");
                if let Some(name) = from.get("name").and_then(|v| v.as_str()) {
                    let from_ns = from.get("namespace").and_then(|v| v.as_str()).unwrap_or(ns);
                    add("source", &format!("{from_ns}/{name}"));
                }
            }
            Self::DataSource => {
                let from = object.at("/spec/source/pvc");
                if let Some(name) = from.get("name").and_then(|v| v.as_str()) {
                    let from_ns = from.get("namespace").and_then(|v| v.as_str()).unwrap_or(ns);
                    add("claim", &format!("{from_ns}/{name}"));
                }
            }
            Self::ReplicationSource => {
                add("address", object.text("/spec/rsyncTLS/address"));
                add("claim", &format!("{ns}/{}", object.text("/spec/sourcePVC")));
            }
            Self::ReplicationDestination => add("address", object.text("/status/rsyncTLS/address")),
            Self::Node
            | Self::Volume
            | Self::StorageClass
            | Self::SnapshotClass
            | Self::ClusterSize
            | Self::StorageProfile => {}
        }
        terms
    }
}

/// API group of volume snapshots.
pub(crate) const SNAPSHOT_GROUP: &str = "snapshot.storage.k8s.io";

/// Names of the claims that a Pod or VirtualMachineInstance mounts.
pub(crate) fn claims_of(object: &DynamicObject) -> Vec<&str> {
    object
        .list("/spec/volumes")
        .iter()
        .filter_map(claim_of_volume)
        .collect()
}

/// Address that a sending rsync-TLS mover of VolSync connects to.
pub(crate) fn destination_address(pod: &DynamicObject) -> Option<&str> {
    let containers = pod.list("/spec/containers").iter();
    let mut environment = containers.filter_map(|c| c["env"].as_array()).flatten();
    environment.find(|e| e["name"] == "DESTINATION_ADDRESS")?["value"].as_str()
}

/// Name of the claim behind one volume; a DataVolume's claim has its name.
pub(crate) fn claim_of_volume(volume: &serde_json::Value) -> Option<&str> {
    let claim = volume.pointer("/persistentVolumeClaim/claimName");
    claim.or_else(|| volume.pointer("/dataVolume/name"))?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::value::object;
    use serde_json::json;

    #[test]
    fn no_kind_shares_a_table_with_another() {
        for (slot, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind.slot(), slot, "{kind:?}");
        }
    }

    #[test]
    fn a_pod_is_found_by_node_owner_and_claims() {
        let pod = object(json!({
            "metadata": {"name": "p", "namespace": "t", "ownerReferences": [
                {"apiVersion": "v1", "kind": "Job", "name": "j", "uid": "u-1"}]},
            "spec": {"nodeName": "n1", "volumes": [
                {"name": "a", "persistentVolumeClaim": {"claimName": "disk"}}, {"name": "b", "emptyDir": {}}]},
        }));
        assert_eq!(Kind::Pod.terms(&pod), ["node:n1", "owner:u-1", "claim:t/disk"]);
    }
}
