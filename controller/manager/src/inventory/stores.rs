//! Every watch of the operator and where what it sees is kept. I/O: starts the watches.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use k8s_openapi::api::core::v1::{
    Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, ServiceAccount,
};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::RoleBinding;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::Client;
use kube::runtime::watcher;
use raidc_crds::{Colocation, Drill, Failover, Rack, ReplicationPolicy, Site, Tenant, VirtualServer, names};
use tokio::sync::watch;

use super::migrations::MigrationStores;
use super::trim::{keep, trim_node, trim_pod};
use super::watched::Watched;
use crate::foreign::cdi::{DataSource, DataVolume};
use crate::foreign::kubevirt::{VirtualMachine, VirtualMachineClusterInstancetype, VirtualMachineInstance};
use crate::foreign::volsync::{ReplicationDestination, ReplicationSource};
use crate::runtime::metrics::Metrics;

/// Another project, whose kinds may not be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Backend {
    /// Virtual machines.
    KubeVirt,
    /// Disks and images.
    Cdi,
    /// Asynchronous copies.
    VolSync,
    /// Snapshots, which VolSync needs.
    Snapshots,
}

impl Backend {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::KubeVirt, Self::Cdi, Self::VolSync, Self::Snapshots];

    /// Its name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::KubeVirt => "KubeVirt",
            Self::Cdi => "CDI",
            Self::VolSync => "VolSync",
            Self::Snapshots => "VolumeSnapshots",
        }
    }
}

/// Nobody has asked discovery yet, or it has not answered.
const UNASKED: u8 = 0;
/// Discovery does not list the kinds.
const MISSING: u8 = 1;
/// Discovery lists the kinds.
const SERVED: u8 = 2;

/// Whether a backend is served, and its watches.
#[derive(Clone, Default)]
pub struct Optional<T> {
    known: Arc<AtomicU8>,
    stores: T,
}

/// Stores that are all synced, or not yet.
pub trait AllSynced {
    /// Whether every store has read its first list.
    fn all_synced(&self) -> bool;
}

impl<T: AllSynced> Optional<T> {
    /// With these stores, served and synced: for tests of what reads stores.
    #[must_use]
    pub fn served_by(stores: T) -> Self {
        Self {
            known: Arc::new(AtomicU8::new(SERVED)),
            stores,
        }
    }

    /// The stores, when the backend's kinds are served and every store has been read. `None` says nothing about what exists.
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        (self.is_served() && self.stores.all_synced()).then_some(&self.stores)
    }

    /// Whether the backend's kinds are served (its stores may still be empty).
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.known.load(Ordering::Acquire) == SERVED
    }

    /// Known to be missing, or served and read.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        match self.known.load(Ordering::Acquire) {
            UNASKED => false,
            MISSING => true,
            _ => self.stores.all_synced(),
        }
    }

    /// The stores whether synced or not: only to listen to their changes.
    #[must_use]
    pub fn unchecked(&self) -> &T {
        &self.stores
    }

    /// The probe has found out; true when that is news.
    pub(super) fn set_served(&self, served: bool) -> bool {
        let known = if served { SERVED } else { MISSING };
        self.known.swap(known, Ordering::AcqRel) != known
    }
}

/// What KubeVirt has.
#[derive(Clone, Default)]
pub struct KubeVirtStores {
    /// Machines of ours.
    pub vms: Watched<VirtualMachine>,
    /// Runs of ours.
    pub vmis: Watched<VirtualMachineInstance>,
    /// Sizes of the catalogue.
    pub instancetypes: Watched<VirtualMachineClusterInstancetype>,
}

impl AllSynced for KubeVirtStores {
    fn all_synced(&self) -> bool {
        self.vms.is_synced() && self.vmis.is_synced() && self.instancetypes.is_synced()
    }
}

/// What CDI has.
#[derive(Clone, Default)]
pub struct CdiStores {
    /// Disks of ours.
    pub datavolumes: Watched<DataVolume>,
    /// Images of every namespace; the catalogue is the image namespace's.
    pub datasources: Watched<DataSource>,
}

impl AllSynced for CdiStores {
    fn all_synced(&self) -> bool {
        self.datavolumes.is_synced() && self.datasources.is_synced()
    }
}

/// What VolSync has.
#[derive(Clone, Default)]
pub struct VolSyncStores {
    /// Sources of ours.
    pub sources: Watched<ReplicationSource>,
    /// Destinations of ours.
    pub destinations: Watched<ReplicationDestination>,
}

impl AllSynced for VolSyncStores {
    fn all_synced(&self) -> bool {
        self.sources.is_synced() && self.destinations.is_synced()
    }
}

/// Everything that the watches have seen. Clones share the stores.
#[derive(Clone)]
pub struct Stores {
    /// Sites.
    pub sites: Watched<Site>,
    /// Racks.
    pub racks: Watched<Rack>,
    /// Policies.
    pub policies: Watched<ReplicationPolicy>,
    /// Tenants.
    pub tenants: Watched<Tenant>,
    /// Servers.
    pub virtual_servers: Watched<VirtualServer>,
    /// Colocations.
    pub colocations: Watched<Colocation>,
    /// Failovers.
    pub failovers: Watched<Failover>,
    /// Drills.
    pub drills: Watched<Drill>,
    /// Nodes: metadata, `spec.unschedulable`, allocatable and conditions.
    pub nodes: Watched<Node>,
    /// Pods that are not over: labels, node, requests and phase.
    pub pods: Watched<Pod>,
    /// Namespaces.
    pub namespaces: Watched<Namespace>,
    /// Bindings made for tenants.
    pub role_bindings: Watched<RoleBinding>,
    /// Network walls made for tenants.
    pub network_policies: Watched<NetworkPolicy>,
    /// The `default` service account of every namespace; watched only when tenants get pull secrets.
    pub service_accounts: Watched<ServiceAccount>,
    /// StorageClasses.
    pub storage_classes: Watched<StorageClass>,
    /// PersistentVolumes: class, claim and node affinity.
    pub persistent_volumes: Watched<PersistentVolume>,
    /// Claims, ours or not: those that VolSync makes for copies have no label of ours.
    pub pvcs: Watched<PersistentVolumeClaim>,
    /// KubeVirt.
    pub kubevirt: Optional<KubeVirtStores>,
    /// CDI.
    pub cdi: Optional<CdiStores>,
    /// VolSync.
    pub volsync: Optional<VolSyncStores>,
    /// Whether VolumeSnapshots are served.
    pub snapshots: Optional<()>,
    /// What only carrying out consolidations needs.
    pub moves: MigrationStores,
    /// Counts up whenever something that the planner looks at may have changed.
    pub world: watch::Sender<u64>,
}

impl AllSynced for () {
    fn all_synced(&self) -> bool {
        true
    }
}

impl Default for Stores {
    fn default() -> Self {
        Self {
            sites: Watched::default(),
            racks: Watched::default(),
            policies: Watched::default(),
            tenants: Watched::default(),
            virtual_servers: Watched::default(),
            colocations: Watched::default(),
            failovers: Watched::default(),
            drills: Watched::default(),
            nodes: Watched::default(),
            pods: Watched::default(),
            namespaces: Watched::default(),
            role_bindings: Watched::default(),
            network_policies: Watched::default(),
            service_accounts: Watched::default(),
            storage_classes: Watched::default(),
            persistent_volumes: Watched::default(),
            pvcs: Watched::default(),
            kubevirt: Optional::default(),
            cdi: Optional::default(),
            volsync: Optional::default(),
            snapshots: Optional::default(),
            moves: MigrationStores::default(),
            world: watch::Sender::new(0),
        }
    }
}

impl Stores {
    /// Starts the watches of every kind that is always served. They end with the process.
    pub fn start(&self, client: &Client, metrics: &Arc<Metrics>) {
        let all = watcher::Config::default;
        let world = || Some(self.world.clone());
        let spawn = Spawner { client, metrics };
        spawn.watch(&self.sites, all(), keep, world());
        spawn.watch(&self.racks, all(), keep, world());
        spawn.watch(&self.policies, all(), keep, world());
        spawn.watch(&self.tenants, all(), keep, world());
        spawn.watch(&self.virtual_servers, all(), keep, world());
        spawn.watch(&self.colocations, all(), keep, world());
        spawn.watch(&self.failovers, all(), keep, None);
        spawn.watch(&self.drills, all(), keep, None);
        spawn.watch(&self.nodes, all(), trim_node, world());
        // A pod that is over holds nothing of its node.
        let pods = all().fields("status.phase!=Succeeded,status.phase!=Failed");
        spawn.watch(&self.pods, pods, trim_pod, world());
        // Its label says whose a namespace is.
        spawn.watch(&self.namespaces, all(), keep, world());
        let of_tenants = || watcher::Config::default().labels(names::TENANT_LABEL);
        spawn.watch(&self.role_bindings, of_tenants(), keep, None);
        spawn.watch(&self.network_policies, of_tenants(), keep, None);
        spawn.watch(&self.storage_classes, all(), keep, None);
        spawn.watch(&self.persistent_volumes, all(), keep, None);
        // All of them: VolSync does not put our labels on the claims of copies, and a claim of an earlier server may have lost its.
        spawn.watch(&self.pvcs, all(), keep, None);
    }

    /// Starts the watch of service accounts, which only a configuration with pull secrets for tenants needs. Nothing that is decided
    /// waits for it.
    pub fn start_service_accounts(&self, client: &Client, metrics: &Arc<Metrics>) {
        let default = watcher::Config::default().fields("metadata.name=default");
        let spawn = Spawner { client, metrics };
        spawn.watch(&self.service_accounts, default, keep, None);
    }

    /// Starts the watches of a backend that has begun to be served; does nothing for watches that run already.
    pub(super) fn start_backend(&self, backend: Backend, client: &Client, metrics: &Arc<Metrics>) {
        let all = watcher::Config::default;
        let ours = || watcher::Config::default().labels(names::SERVER_LABEL);
        let world = || Some(self.world.clone());
        let spawn = Spawner { client, metrics };
        match backend {
            Backend::KubeVirt => {
                let stores = self.kubevirt.unchecked();
                spawn.watch(&stores.vms, ours(), keep, world());
                // Where a machine runs decides something only while consolidations move them.
                let moved = world().filter(|_| self.moves.wanted);
                spawn.watch(&stores.vmis, ours(), keep, moved);
                self.moves.start(client, metrics, &self.world);
                spawn.watch(&stores.instancetypes, all(), keep, world());
            }
            Backend::Cdi => {
                let stores = self.cdi.unchecked();
                spawn.watch(&stores.datavolumes, ours(), keep, None);
                spawn.watch(&stores.datasources, all(), keep, world());
            }
            Backend::VolSync => {
                let stores = self.volsync.unchecked();
                spawn.watch(&stores.sources, ours(), keep, None);
                spawn.watch(&stores.destinations, ours(), keep, None);
            }
            Backend::Snapshots => {}
        }
    }

    /// Whether a backend's kinds are served.
    #[must_use]
    pub fn is_served(&self, backend: Backend) -> bool {
        match backend {
            Backend::KubeVirt => self.kubevirt.is_served(),
            Backend::Cdi => self.cdi.is_served(),
            Backend::VolSync => self.volsync.is_served(),
            Backend::Snapshots => self.snapshots.is_served(),
        }
    }

    /// Records what the probe found; true when that is news.
    pub(super) fn set_served(&self, backend: Backend, served: bool) -> bool {
        match backend {
            Backend::KubeVirt => self.kubevirt.set_served(served),
            Backend::Cdi => self.cdi.set_served(served),
            Backend::VolSync => self.volsync.set_served(served),
            Backend::Snapshots => self.snapshots.set_served(served),
        }
    }
}

/// Starts watches.
pub(super) struct Spawner<'a> {
    pub(super) client: &'a Client,
    pub(super) metrics: &'a Arc<Metrics>,
}

impl Spawner<'_> {
    pub(super) fn watch<K: crate::runtime::writer::Object>(
        &self,
        watched: &Watched<K>,
        config: watcher::Config,
        trim: fn(&mut K),
        bump: Option<watch::Sender<u64>>,
    ) {
        tokio::spawn(
            watched
                .clone()
                .fill(self.client.clone(), config, trim, bump, Arc::clone(self.metrics)),
        );
    }
}
