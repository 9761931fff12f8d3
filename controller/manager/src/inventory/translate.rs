//! API objects → the planner's fleet, and what could not be translated. No I/O.
//!
//! Nothing that is recorded somewhere is ever forgotten because of a mistake in the inventory: a node that lost its labels, a Site
//! or Rack that was deleted or cannot be read, leave what is there recorded there (Unknown), and nothing new comes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::ResourceExt;
use raidc_crds::site::SiteState;
use raidc_crds::tenant::{Quota, Service};
use raidc_crds::{Colocation, Rack, ReplicationPolicy, Site, Tenant, VirtualServer};
use raidc_planner::{
    ColocationId, ColocationSpread, Device, DevicePosition, Fleet, HostName, HostUse, RackName, ServerId,
    SiteName, State, TenantName, Waiting, WaitingOn,
};

use super::moving::{self, Moving};
use super::overlay::Overlay;
use super::stores::Stores;
use super::{groups, hosts, racks, servers};
use crate::foreign::kubevirt::{VirtualMachine, VirtualMachineClusterInstancetype};

/// Why an object was not given to the planner, or a node is not used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// One word in PascalCase: the condition's reason.
    pub reason: &'static str,
    /// What, why and what to do.
    pub message: String,
}

impl Note {
    pub(crate) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// Why a node is not used, and where that is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeNote {
    /// The Site whose status names it; `None` when nothing tells which site it belongs to.
    pub site: Option<SiteName>,
    /// Why.
    pub note: Note,
}

/// What could not be translated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Servers that are not given to the planner (or only with their last known size, when they have a place), and why.
    pub servers: BTreeMap<ServerId, Note>,
    /// Colocations that are not given to the planner, and why.
    pub colocations: BTreeMap<ColocationId, Note>,
    /// Racks that cannot be used as they are, and why.
    pub racks: BTreeMap<RackName, Note>,
    /// Nodes that are not used, and why.
    pub nodes: BTreeMap<HostName, NodeNote>,
}

/// Everything that the translation looks at, taken from the stores at one moment.
#[derive(Clone, Default)]
pub struct Seen {
    /// Sites.
    pub sites: Vec<Arc<Site>>,
    /// Names of Sites that exist and cannot be read.
    pub unreadable_sites: BTreeSet<String>,
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
    /// Nodes.
    pub nodes: Vec<Arc<Node>>,
    /// Pods.
    pub pods: Vec<Arc<Pod>>,
    /// Machines by namespace and name; `None` while KubeVirt cannot be read.
    pub vms: Option<BTreeMap<ServerId, Arc<VirtualMachine>>>,
    /// Sizes by name; `None` while KubeVirt cannot be read.
    pub sizes: Option<BTreeMap<String, Arc<VirtualMachineClusterInstancetype>>>,
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
        Self {
            sites: stores.sites.list(),
            unreadable_sites: stores
                .sites
                .malformed()
                .into_iter()
                .filter_map(|broken| broken.metadata.name)
                .collect(),
            racks: stores.racks.list(),
            policies: stores.policies.list(),
            tenants: stores.tenants.list(),
            servers: stores.virtual_servers.list(),
            colocations: stores.colocations.list(),
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

/// The fleet, and what is not in it.
#[must_use]
pub fn translate(seen: &Seen) -> (Fleet, Notes) {
    let mut notes = Notes::default();
    let mut fleet = Fleet {
        sites: sites(seen),
        tenants: tenants(seen),
        ..Fleet::default()
    };
    servers::add(seen, &mut fleet, &mut notes);
    colocations(seen, &mut fleet, &mut notes);
    racks::add(seen, &mut fleet, &mut notes);
    hosts::add(seen, &mut fleet, &mut notes);
    hold_unreadable_sites(&mut fleet);
    moving::apply(seen, &mut fleet);
    (fleet, notes)
}

/// A site of which no host can be read is Unknown, whatever is asked of it: it may be down, or only cut off. One that is fenced is
/// proven to be off, by a person.
fn hold_unreadable_sites(fleet: &mut Fleet) {
    let mut readable: BTreeMap<&SiteName, bool> = BTreeMap::new();
    for host in fleet.hosts.values() {
        *readable.entry(&host.site).or_default() |=
            !matches!(host.usable, HostUse::NotReady | HostUse::Unknown);
    }
    for (name, _) in readable.into_iter().filter(|(_, readable)| !readable) {
        if let Some(site) = fleet.sites.get_mut(name)
            && site.state != State::Fenced
        {
            site.state = State::Unknown;
        }
    }
}

fn sites(seen: &Seen) -> BTreeMap<SiteName, raidc_planner::Site> {
    let mut sites: BTreeMap<_, _> = seen
        .sites
        .iter()
        .map(|site| {
            let spec = &site.spec;
            let mut state = match spec.state {
                SiteState::Active => State::Active,
                SiteState::Cordoned => State::Cordoned,
                SiteState::Draining => State::Draining,
                SiteState::Fenced => State::Fenced,
            };
            let storage_mib = spec.storage.capacity.as_ref().map(raidc_crds::Quantity::mib);
            // A capacity that cannot be read is not "no limit": nothing new is put there until it can be.
            let storage_mib = storage_mib.transpose().unwrap_or_else(|_| {
                if state == State::Active {
                    state = State::Cordoned;
                }
                None
            });
            let translated = raidc_planner::Site {
                ceiling_percent: i64::from(spec.ceiling_percent),
                cpu_overcommit_percent: i64::from(spec.cpu_overcommit_percent),
                shared_risks: spec
                    .shared_risks
                    .iter()
                    .map(|risk| risk.as_str().into())
                    .collect(),
                state,
                storage_mib,
                storage_taken_mib: 0,
            };
            (SiteName::from(site.name_any()), translated)
        })
        .collect();
    for name in &seen.unreadable_sites {
        sites
            .entry(SiteName::from(name.as_str()))
            .or_insert_with(|| raidc_planner::Site {
                state: State::Unknown,
                ..raidc_planner::Site::default()
            });
    }
    sites
}

fn tenants(seen: &Seen) -> BTreeMap<TenantName, raidc_planner::Tenant> {
    seen.tenants
        .iter()
        .map(|tenant| {
            let name = TenantName::from(tenant.name_any());
            let quota = quota(&tenant.spec.quota);
            (name, raidc_planner::Tenant { quota })
        })
        .collect()
}

fn quota(quota: &Quota) -> raidc_planner::Quota {
    // An amount that cannot be read lets nothing more in, rather than everything.
    let mib = |amount: &Option<raidc_crds::Quantity>| amount.as_ref().map(|q| q.mib().unwrap_or(0));
    raidc_planner::Quota {
        servers: quota.servers,
        cpu_milli: quota.cores.map(|cores| cores.saturating_mul(1000)),
        memory_mib: mib(&quota.memory),
        storage_mib: mib(&quota.storage),
        watts: quota.watts,
        rack_units: quota.rack_units,
    }
}

/// The namespace that a tenant works in.
#[must_use]
pub fn namespace_of(tenant: &Tenant) -> String {
    tenant.spec.namespace.clone().unwrap_or_else(|| tenant.name_any())
}

/// The tenant of a namespace. Should two claim it, the older one has it.
#[must_use]
pub fn tenant_of<'a>(tenants: &'a [Arc<Tenant>], namespace: &str) -> Option<&'a Arc<Tenant>> {
    tenants
        .iter()
        .filter(|tenant| namespace_of(tenant) == namespace)
        .min_by_key(|tenant| (created_at(tenant.as_ref()), tenant.name_any()))
}

/// When an object was made, in seconds since 1970.
pub(crate) fn created_at<K: kube::Resource>(object: &K) -> i64 {
    object
        .meta()
        .creation_timestamp
        .as_ref()
        .map_or(0, |time| time.0.as_second())
}

/// What is said of everything in a namespace without a Tenant, by whoever says it.
pub(crate) fn no_tenant(namespace: &str) -> Note {
    Note::new(
        "NoTenant",
        format!(
            "namespace {namespace} belongs to no Tenant, so nobody can say what may be used here: ask the platform team to create the Tenant, or use the namespace of yours"
        ),
    )
}

/// What a demand waits for, as conditions say it. The planner knows a tenant by name only; where there is none, that is said in the
/// words of the namespace, so that every condition of an object has the same.
pub(crate) fn waits(namespace: &str, waiting: &Waiting) -> Note {
    if matches!(waiting.on, WaitingOn::UnknownTenant) {
        return no_tenant(namespace);
    }
    let more = groups::beside(waiting).unwrap_or_default();
    Note::new(waiting.reason(), format!("{waiting}{more}"))
}

/// The tenant of an object, if it may use `service`.
pub(crate) fn entitled<'a>(
    seen: &'a Seen,
    namespace: &str,
    service: Service,
) -> Result<&'a Arc<Tenant>, Note> {
    let tenant = tenant_of(&seen.tenants, namespace).ok_or_else(|| no_tenant(namespace))?;
    if tenant.spec.services.contains(&service) {
        return Ok(tenant);
    }
    Err(Note::new(
        "ServiceNotEnabled",
        format!(
            "tenant {} has not taken the service {service:?}: ask the platform team to add it to the Tenant's services",
            tenant.name_any()
        ),
    ))
}

fn colocations(seen: &Seen, fleet: &mut Fleet, notes: &mut Notes) {
    for colocation in &seen.colocations {
        let id = ColocationId::new(colocation.namespace().unwrap_or_default(), colocation.name_any());
        let mut current: BTreeMap<String, DevicePosition> = colocation
            .status
            .iter()
            .flat_map(|status| &status.devices)
            .map(|place| {
                let position = DevicePosition {
                    rack: RackName::from(place.rack.as_str()),
                    lowest_unit: place.lowest_unit,
                };
                (place.name.clone(), position)
            })
            .collect();
        if let Some(assumed) = seen.overlay.colocation(colocation) {
            current.clone_from(assumed);
        }
        let tenant = match entitled(seen, &id.namespace, Service::Colocation) {
            Ok(tenant) => tenant.name_any(),
            Err(note) => {
                notes.colocations.insert(id.clone(), note);
                if current.is_empty() {
                    continue;
                }
                // What stands in a rack draws power whoever may use it.
                tenant_of(&seen.tenants, &id.namespace).map_or_else(String::new, |tenant| tenant.name_any())
            }
        };
        if current.is_empty() && colocation.metadata.deletion_timestamp.is_some() {
            continue;
        }
        let spec = &colocation.spec;
        let devices = spec.devices.iter().map(|device| Device {
            name: device.name.clone(),
            units: i64::from(device.units),
            watts: device.watts,
            feeds: i64::from(device.feeds),
        });
        let translated = raidc_planner::Colocation {
            tenant: TenantName::from(tenant),
            created_at: created_at(colocation.as_ref()),
            devices: devices.collect(),
            spread: match spec.spread {
                raidc_crds::colocation::Spread::None => ColocationSpread::None,
                raidc_crds::colocation::Spread::Rack => ColocationSpread::Rack,
                raidc_crds::colocation::Spread::Site => ColocationSpread::Site,
            },
            sites_allowed: servers::sites_allowed(&spec.sites),
            current,
        };
        fleet.colocations.insert(id, translated);
    }
}

#[cfg(test)]
#[path = "translate_tests.rs"]
mod tests;
