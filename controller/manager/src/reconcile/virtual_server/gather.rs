//! Everything that is known about one server, taken from the stores at one moment. I/O: reads stores only.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt as _;
use raidc_crds::ReplicationPolicy;
use raidc_crds::Site;
use raidc_crds::Tenant;
use raidc_crds::VirtualServer;
use raidc_crds::names;
use raidc_crds::quantity::Quantity;
use raidc_crds::virtual_server::Granted;
use raidc_planner::DemandId;
use raidc_planner::Growth;
use raidc_planner::ServerId;
use raidc_planner::SiteName;
use raidc_planner::State;
use raidc_planner::Waiting;

use super::silent::SilentHost;
use crate::Ctx;
use crate::foreign::cdi::DataSource;
use crate::foreign::cdi::DataVolume;
use crate::foreign::kubevirt::VirtualMachine;
use crate::foreign::kubevirt::VirtualMachineInstance;
use crate::inventory::claims::ClaimSeen;
use crate::inventory::granted;
use crate::inventory::servers::policy_name;
use crate::inventory::silence;
use crate::inventory::stores::Stores;
use crate::inventory::tenancy::tenant_of;
use crate::inventory::translate::Note;
use crate::reconcile::copies;

/// One disk that the spec asks for, and what there is of it.
#[derive(Clone, Debug)]
pub struct DiskSeen {
    /// Name within the server.
    pub name: String,
    /// Size that it is to have: as asked for, or as granted while more waits.
    pub size: Quantity,
    /// Name of its claim and DataVolume.
    pub claim_name: String,
    /// CDI's DataVolume.
    pub volume: Option<Arc<DataVolume>>,
    /// The claim.
    pub claim: Option<ClaimSeen>,
    /// Whether the claim's class lets volumes grow; `None` is unknown.
    pub can_grow: Option<bool>,
}

/// What is served: a backend that is absent, or still being read, says nothing about what exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backends {
    /// KubeVirt's stores have been read.
    pub kubevirt: bool,
    /// CDI's.
    pub cdi: bool,
    /// VolSync's.
    pub volsync: bool,
}

/// What the placement loop last said of this server.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// A plan has been made.
    pub planned: bool,
    /// It waits for a place.
    pub waiting: Option<Waiting>,
    /// It has a place, but not the copies or the reserve that its policy asks for.
    pub unprotected: Option<Waiting>,
    /// It asks for more than it has, and that waits: what it has, what it asks for, and why.
    pub growth: Option<(raidc_planner::Granted, raidc_planner::Granted, Growth)>,
    /// It was not given to the planner.
    pub note: Option<Note>,
    /// The state of the server's site, as the plan took it; `None` without a site, or when the plan knows no such site.
    pub site: Option<State>,
}

/// Everything that is known about one server.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Whose namespace it is in.
    pub tenant: Option<Arc<Tenant>>,
    /// The policy that it names, or its tenant's default.
    pub policy: Option<Arc<ReplicationPolicy>>,
    /// The size that it names exists.
    pub size_exists: bool,
    /// It asks for more than its status records as granted: it stays at this.
    pub held: Option<Granted>,
    /// The image that it names.
    pub image: Option<Arc<DataSource>>,
    /// Every site by name.
    pub sites: BTreeMap<String, Arc<Site>>,
    /// Root disk first.
    pub disks: Vec<DiskSeen>,
    /// Other servers of this namespace whose UID stands on one of `disks`: UID and name.
    pub neighbours: BTreeMap<String, String>,
    /// KubeVirt's machine, if it is this server's.
    pub machine: Option<Arc<VirtualMachine>>,
    /// A machine of this name that is not this server's.
    pub other_machine: bool,
    /// The machine's present run.
    pub instance: Option<Arc<VirtualMachineInstance>>,
    /// Its host, when nothing can be known of that.
    pub silent: Option<SilentHost>,
    /// VolSync's objects.
    pub copies: copies::Seen,
    /// What is served.
    pub backends: Backends,
    /// What the placement loop said.
    pub told: Told,
}

/// Looks at the stores.
#[must_use]
pub fn gather(ctx: &Ctx, server: &VirtualServer) -> World {
    let stores = &ctx.stores;
    let namespace = server.namespace().unwrap_or_default();
    let name = server.name_any();
    let uid = server.uid().unwrap_or_default();
    let found = stores.namespaces.get_cluster(&namespace);
    let tenant = tenant_of(&stores.tenants.list(), &namespace, found.as_deref()).cloned();
    let policy = policy_name(server, tenant.as_deref()).and_then(|p| stores.policies.get_cluster(p));
    let mut world = World {
        tenant,
        policy,
        sites: stores
            .sites
            .list()
            .into_iter()
            .map(|s| (s.name_any(), s))
            .collect(),
        told: told(ctx, server, &namespace, &name),
        ..World::default()
    };
    let kubevirt = stores.kubevirt.get();
    world.held = match &kubevirt {
        Some(kubevirt) => granted::held(
            server,
            Some(&|name: &str| kubevirt.instancetypes.get_cluster(name)),
        ),
        None => granted::held(server, None),
    };
    if let Some(kubevirt) = kubevirt {
        world.backends.kubevirt = true;
        let size = server.spec.size.as_deref();
        world.size_exists = size.is_some_and(|s| kubevirt.instancetypes.get_cluster(s).is_some());
        let ours = |labels: &BTreeMap<String, String>| labels.get(names::SERVER_UID_LABEL) == Some(&uid);
        let machine = kubevirt.vms.get(&namespace, &name);
        world.other_machine = machine.as_ref().is_some_and(|m| !ours(m.labels()));
        world.machine = machine.filter(|m| ours(m.labels()));
        world.instance = kubevirt.vmis.get(&namespace, &name).filter(|i| ours(i.labels()));
    }
    world.silent = silent(stores, server, world.instance.as_deref());
    if let Some(cdi) = stores.cdi.get() {
        world.backends.cdi = true;
        world.image = cdi
            .datasources
            .get(&ctx.config.image_namespace, &server.spec.image);
    }
    world.disks = disks(stores, server, world.held.as_ref(), &namespace, &name);
    world.neighbours = neighbours(stores, &world.disks, &namespace, &uid);
    if let Some(volsync) = stores.volsync.get() {
        world.backends.volsync = true;
        let of_server = |labels: &BTreeMap<String, String>| labels.get(names::SERVER_LABEL) == Some(&name);
        world.copies.sources = volsync
            .sources
            .in_namespace(&namespace)
            .into_iter()
            .filter(|s| of_server(s.labels()))
            .map(|s| (s.name_any(), s))
            .collect();
        world.copies.destinations = volsync
            .destinations
            .in_namespace(&namespace)
            .into_iter()
            .filter(|d| of_server(d.labels()))
            .map(|d| (d.name_any(), d))
            .collect();
        for pair in world.copies.destinations.keys() {
            let claim_name = format!("volsync-{pair}-dst");
            if let Some(claim) = claim(stores, &namespace, &claim_name) {
                world.copies.claims.insert(claim_name, claim);
            }
        }
    }
    world
}

fn told(ctx: &Ctx, server: &VirtualServer, namespace: &str, name: &str) -> Told {
    let decision = ctx.decision();
    let id = ServerId::new(namespace, name);
    let site = server.status.as_ref().and_then(|status| status.site.as_deref());
    Told {
        planned: decision.is_made(),
        waiting: decision.plan.waiting.get(&DemandId::Server(id.clone())).cloned(),
        unprotected: decision
            .plan
            .servers
            .get(&id)
            .and_then(|s| s.unprotected.as_deref().cloned()),
        growth: decision.plan.servers.get(&id).and_then(|decided| {
            let asked = decision.fleet.servers.get(&id)?.asked();
            Some((decided.granted, asked, decided.growth.as_deref()?.clone()))
        }),
        note: decision.notes.servers.get(&id).cloned(),
        site: site
            .and_then(|site| decision.fleet.sites.get(&SiteName::from(site)))
            .map(|site| site.state),
    }
}

/// The host of the machine's run, or else the one where it is to be, when that is silent.
fn silent(
    stores: &Stores,
    server: &VirtualServer,
    instance: Option<&VirtualMachineInstance>,
) -> Option<SilentHost> {
    let runs_on = instance.and_then(|i| i.status.as_ref()?.node_name.as_deref());
    let runs_on = runs_on.filter(|node| !node.is_empty());
    let planned = || server.status.as_ref()?.host.as_deref();
    let node = runs_on.or_else(planned).filter(|_| stores.nodes.is_synced())?;
    let (silence, since) = silence::of(stores.nodes.get_cluster(node).as_deref())?;
    Some(SilentHost {
        node: node.to_owned(),
        has_run: runs_on.is_some(),
        silence,
        since,
    })
}

/// The disks that the server asks for and has, or is granted. One that waits to be granted and is not there yet is not among them.
fn disks(
    stores: &Stores,
    server: &VirtualServer,
    held: Option<&Granted>,
    namespace: &str,
    name: &str,
) -> Vec<DiskSeen> {
    let root = (names::ROOT_DISK, &server.spec.root_disk.size);
    let more = server.spec.disks.iter().map(|d| (d.name.as_str(), &d.size));
    std::iter::once(root)
        .chain(more)
        .filter_map(|(disk, size)| {
            let claim_name = names::disk_claim(name, disk);
            let claim = claim(stores, namespace, &claim_name);
            let class = claim.as_ref().and_then(|c| c.class().map(str::to_owned));
            let can_grow = class
                .and_then(|c| stores.storage_classes.get_cluster(&c))
                .map(|c| c.allow_volume_expansion == Some(true));
            let volume = stores
                .cdi
                .get()
                .and_then(|cdi| cdi.datavolumes.get(namespace, &claim_name));
            let is_there = claim.is_some() || volume.is_some();
            Some(DiskSeen {
                name: disk.to_owned(),
                size: kept_size(held, disk, size, is_there)?,
                volume,
                claim_name,
                claim,
                can_grow,
            })
        })
        .collect()
}

/// The size that a disk is to have; `None` when it is not to be made yet. A disk that is there and was never granted (its record
/// was lost) asks for nothing, so that it stays as it is.
fn kept_size(held: Option<&Granted>, disk: &str, asked: &Quantity, is_there: bool) -> Option<Quantity> {
    let Some(held) = held else {
        return Some(asked.clone());
    };
    let granted = held.disks.iter().find(|granted| granted.name == disk);
    granted
        .map(|granted| granted.size.clone())
        .or_else(|| is_there.then(|| Quantity("0".to_owned())))
}

/// Other servers that live in this namespace and whose UID stands on one of these disks.
fn neighbours(stores: &Stores, disks: &[DiskSeen], namespace: &str, own: &str) -> BTreeMap<String, String> {
    let label =
        |labels: &Option<BTreeMap<String, String>>| labels.as_ref()?.get(names::SERVER_UID_LABEL).cloned();
    let on_disks: BTreeSet<String> = disks
        .iter()
        .flat_map(|d| {
            let volume = d.volume.as_ref().and_then(|v| label(&v.metadata.labels));
            let claim = d.claim.as_ref().and_then(|c| label(&c.claim.metadata.labels));
            volume.into_iter().chain(claim)
        })
        .filter(|uid| uid != own)
        .collect();
    if on_disks.is_empty() {
        return BTreeMap::new();
    }
    let here = stores.virtual_servers.in_namespace(namespace).into_iter();
    here.filter_map(|s| Some((s.uid()?, s.name_any())))
        .filter(|(uid, _)| on_disks.contains(uid))
        .collect()
}

/// A claim and the volume that it names.
#[must_use]
pub fn claim(stores: &Stores, namespace: &str, name: &str) -> Option<ClaimSeen> {
    let claim: Arc<PersistentVolumeClaim> = stores.pvcs.get(namespace, name)?;
    let volume = claim
        .spec
        .as_ref()
        .and_then(|s| s.volume_name.as_deref())
        .and_then(|v| stores.persistent_volumes.get_cluster(v));
    Some(ClaimSeen::new(claim, volume, || stores.nodes.unsorted()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_disk_that_waits_is_neither_made_nor_larger() {
        let held: Granted =
            serde_json::from_value(json!({"size": "m-4", "coresMilli": 4000, "memoryMib": 1024,
            "disks": [{"name": "root", "size": "20Gi"}]}))
            .expect("a record");
        let asked = Quantity("500Ti".to_owned());
        let size = |held, name, is_there| kept_size(held, name, &asked, is_there).map(|size| size.0);
        assert_eq!(size(None, "root", false).as_deref(), Some("500Ti"));
        assert_eq!(size(Some(&held), "root", false).as_deref(), Some("20Gi"));
        assert_eq!(size(Some(&held), "data", false), None);
        // It holds data, whatever the record says: it stays, and is asked for nothing more.
        assert_eq!(size(Some(&held), "data", true).as_deref(), Some("0"));
    }
}
