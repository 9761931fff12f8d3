//! API objects → the planner's fleet, and what could not be translated. No I/O.
//!
//! Nothing that is recorded somewhere is ever forgotten because of a mistake in the inventory: a node that lost its labels, a Site
//! or Rack that was deleted or cannot be read, leave what is there recorded there (Unknown), and nothing new comes.

use std::collections::BTreeMap;

use kube::ResourceExt;
use raidc_crds::site::SiteState;
use raidc_crds::tenant::Quota;
use raidc_planner::{
    ColocationId, Fleet, HostName, HostUse, RackName, ServerId, SiteName, State, TenantName, Waiting,
    WaitingOn,
};

use super::tenancy::no_tenant;
use super::{colocations, groups, hosts, moving, racks, servers};

pub use super::seen::Seen;

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

/// The fleet, and what is not in it.
#[must_use]
pub fn translate(seen: &Seen) -> (Fleet, Notes) {
    let mut notes = Notes::default();
    let mut fleet = Fleet {
        sites: sites(seen),
        tenants: tenants(seen),
        ..Fleet::default()
    };
    let closed_sites = servers::add(seen, &mut fleet, &mut notes);
    let closed_racks = colocations::add(seen, &mut fleet, &mut notes);
    hosts::add(seen, &mut fleet, &mut notes);
    racks::add(seen, &mut fleet, &mut notes);
    servers::close(&mut fleet, closed_sites);
    colocations::close(&mut fleet, closed_racks);
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

/// When an object was made, in seconds since 1970.
pub(crate) fn created_at<K: kube::Resource>(object: &K) -> i64 {
    object
        .meta()
        .creation_timestamp
        .as_ref()
        .map_or(0, |time| time.0.as_second())
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

#[cfg(test)]
#[path = "translate_tests.rs"]
pub(crate) mod tests;
