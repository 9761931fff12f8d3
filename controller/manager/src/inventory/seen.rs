//! Everything that the translation looks at, taken from the stores at one moment. I/O: reads stores only.
//!
//! What has not been read is `None` and never empty; what cannot be read in full is here as far as it can be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod};
use kube::ResourceExt;
use raidc_crds::{Colocation, Rack, ReplicationPolicy, Site, Tenant, VirtualServer};
use raidc_planner::{HostName, ServerId};

use super::moving::Moving;
use super::overlay::Overlay;
use super::salvage;
use super::stores::Stores;
use crate::foreign::cdi::DataVolume;
use crate::foreign::kubevirt::{VirtualMachine, VirtualMachineClusterInstancetype};

/// Everything that the translation looks at, taken from the stores at one moment.
#[derive(Clone, Default)]
pub struct Seen {
    /// Sites.
    pub sites: Vec<Arc<Site>>,
    /// Names of Sites that exist and cannot be read.
    pub unreadable_sites: BTreeSet<String>,
    /// Names of those racks that cannot be read in full: what can be is in `racks`.
    pub unreadable_racks: BTreeSet<String>,
    /// Racks.
    pub racks: Vec<Arc<Rack>>,
    /// Policies.
    pub policies: Vec<Arc<ReplicationPolicy>>,
    /// Tenants.
    pub tenants: Vec<Arc<Tenant>>,
    /// Servers.
    pub servers: Vec<Arc<VirtualServer>>,
    /// Colocations.
    pub colocations: Vec<Arc<Colocation>>,
    /// Servers that cannot be read in full, as far as they can be.
    pub unreadable_servers: Vec<Arc<VirtualServer>>,
    /// Colocations that cannot be read in full, as far as they can be.
    pub unreadable_colocations: Vec<Arc<Colocation>>,
    /// Namespaces by name, of which the labels say whose they are.
    pub namespaces: BTreeMap<String, Arc<Namespace>>,
    /// Nodes.
    pub nodes: Vec<Arc<Node>>,
    /// Pods.
    pub pods: Vec<Arc<Pod>>,
    /// Machines by namespace and name; `None` while KubeVirt cannot be read.
    pub vms: Option<BTreeMap<ServerId, Arc<VirtualMachine>>>,
    /// Sizes by name; `None` while KubeVirt cannot be read.
    pub sizes: Option<BTreeMap<String, Arc<VirtualMachineClusterInstancetype>>>,
    /// Machines that exist and cannot be read.
    pub unreadable_vms: BTreeSet<ServerId>,
    /// Claims of any kind; `None` while they have not been read.
    pub claims: Option<Vec<Arc<PersistentVolumeClaim>>>,
    /// Volumes; `None` while they have not been read.
    pub volumes: Option<Vec<Arc<PersistentVolume>>>,
    /// Disks that CDI has or makes; `None` while CDI is there and cannot be read.
    pub data_volumes: Option<Vec<Arc<DataVolume>>>,
    /// Names of images; `None` while CDI cannot be read.
    pub images: Option<BTreeSet<String>>,
    /// Migrations that consolidations began, the oldest first.
    pub moving: Vec<Moving>,
    /// UID of the server and node of every machine that runs; empty unless consolidations are carried out.
    pub runs: BTreeMap<ServerId, (String, HostName)>,
    /// Decisions that were written and have not been seen back yet.
    pub overlay: Overlay,
}

impl Seen {
    /// What the stores hold now.
    #[must_use]
    pub fn from_stores(stores: &Stores, image_namespace: &str, overlay: Overlay) -> Self {
        let kubevirt = stores.kubevirt.get();
        let unreadable_racks = salvage::racks(&stores.racks.unreadable());
        let mut racks = stores.racks.list();
        racks.extend(unreadable_racks.iter().cloned());
        Self {
            sites: stores.sites.list(),
            unreadable_sites: stores
                .sites
                .malformed()
                .into_iter()
                .filter_map(|broken| broken.metadata.name)
                .collect(),
            racks,
            unreadable_racks: unreadable_racks.iter().map(|rack| rack.name_any()).collect(),
            policies: stores.policies.list(),
            tenants: stores.tenants.list(),
            servers: stores.virtual_servers.list(),
            colocations: stores.colocations.list(),
            unreadable_servers: salvage::servers(&stores.virtual_servers.unreadable()),
            unreadable_colocations: salvage::colocations(&stores.colocations.unreadable()),
            namespaces: stores
                .namespaces
                .unsorted()
                .into_iter()
                .map(|namespace| (namespace.name_any(), namespace))
                .collect(),
            nodes: stores.nodes.list(),
            pods: stores.pods.list(),
            vms: kubevirt.map(|kubevirt| {
                kubevirt
                    .vms
                    .list()
                    .into_iter()
                    .map(|vm| {
                        (
                            ServerId::new(vm.namespace().unwrap_or_default(), vm.name_any()),
                            vm,
                        )
                    })
                    .collect()
            }),
            sizes: kubevirt.map(|kubevirt| {
                kubevirt
                    .instancetypes
                    .list()
                    .into_iter()
                    .map(|size| (size.name_any(), size))
                    .collect()
            }),
            unreadable_vms: stores
                .kubevirt
                .unchecked()
                .vms
                .malformed()
                .into_iter()
                .filter_map(|broken| Some(ServerId::new(broken.metadata.namespace?, broken.metadata.name?)))
                .collect(),
            claims: stores.pvcs.is_synced().then(|| stores.pvcs.unsorted()),
            volumes: stores
                .persistent_volumes
                .is_synced()
                .then(|| stores.persistent_volumes.unsorted()),
            data_volumes: data_volumes(stores),
            images: stores.cdi.get().map(|cdi| {
                cdi.datasources
                    .in_namespace(image_namespace)
                    .into_iter()
                    .map(|image| image.name_any())
                    .collect()
            }),
            moving: stores.moving(),
            runs: stores.runs(),
            overlay,
        }
    }
}

/// What CDI has; nothing where CDI is known not to be there.
fn data_volumes(stores: &Stores) -> Option<Vec<Arc<DataVolume>>> {
    match stores.cdi.get() {
        Some(cdi) => Some(cdi.datavolumes.unsorted()),
        None => (stores.cdi.is_settled() && !stores.cdi.is_served()).then(Vec::new),
    }
}
