//! Where a server is to be, as its status says, with the storage class of its disks there; or why it has no place yet. No I/O.

use std::collections::BTreeMap;
use std::sync::Arc;

use raidc_crds::ReplicationPolicy;
use raidc_crds::Site;
use raidc_crds::VirtualServer;
use raidc_crds::replication_policy::ReplicationMode;
use raidc_planner::Waiting;
use raidc_planner::WaitingOn;

use super::gather::World;
use super::validate::Refusal;
use super::validate::owner;
use crate::inventory::translate::waits;

/// Where the server is to be, as decided and written to its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Site.
    pub site: &'a str,
    /// Rack.
    pub rack: &'a str,
    /// Host that the plan prefers.
    pub host: Option<&'a str>,
    /// Reserved place, `site/rack/host`.
    pub backup: Option<String>,
    /// Sites with copies.
    pub copy_sites: &'a [String],
    /// Epoch.
    pub epoch: i64,
    /// Storage class of new disks.
    pub class: &'a str,
}

/// The place as decided, or why there is none.
pub(super) fn place<'a>(
    server: &'a VirtualServer,
    world: &'a World,
    policy: &'a ReplicationPolicy,
) -> Result<Place<'a>, Refusal> {
    let status = server.status.as_ref();
    let decided = status.and_then(|s| Some((s, s.site.as_deref()?, s.rack.as_deref()?)));
    let Some((status, site, rack)) = decided else {
        return Err(no_place(server, world));
    };
    let class = match policy.spec.mode.filter(|_| policy.spec.copies > 1) {
        Some(ReplicationMode::Sync) => spanning_class(policy, site, &status.copy_sites)?,
        _ => site_class(&world.sites, site)?,
    };
    Ok(Place {
        site,
        rack,
        host: status.host.as_deref(),
        backup: status
            .reserved
            .as_ref()
            .map(|r| format!("{}/{}/{}", r.site, r.rack, r.host)),
        copy_sites: &status.copy_sites,
        epoch: status.epoch.unwrap_or(0),
        class,
    })
}

fn site_class<'a>(sites: &'a BTreeMap<String, Arc<Site>>, site: &str) -> Result<&'a str, Refusal> {
    sites.get(site).map(|s| s.spec.storage.class.as_str()).ok_or_else(|| {
        Refusal::stalled(
            "UnknownSite",
            format!("the server has its place at {site} and there is no such Site any more: the platform team has to restore it"),
        )
    })
}

/// The class of a synchronous policy that covers the server's site and every site with a copy: the one with the fewest sites, then
/// the first by name.
fn spanning_class<'a>(
    policy: &'a ReplicationPolicy,
    site: &str,
    copy_sites: &[String],
) -> Result<&'a str, Refusal> {
    let classes = policy.spec.sync.iter().flat_map(|s| &s.storage_classes);
    classes
        .filter(|c| {
            std::iter::once(site)
                .chain(copy_sites.iter().map(String::as_str))
                .all(|wanted| c.sites.iter().any(|s| s == wanted))
        })
        .min_by_key(|c| (c.sites.len(), &c.class))
        .map(|c| c.class.as_str())
        .ok_or_else(|| {
            Refusal::stalled(
                "NoSpanningStorageClass",
                format!(
                    "policy {} writes to every copy at once, and none of its storage classes spans {site} and the sites of the copies: \
                     the platform team has to add one to the policy",
                    policy.metadata.name.as_deref().unwrap_or_default()
                ),
            )
        })
}

fn no_place(server: &VirtualServer, world: &World) -> Refusal {
    if let Some(waiting) = &world.told.waiting {
        let note = waits(owner(server).namespace, waiting);
        return Refusal {
            stalled: needs_a_person(waiting),
            reason: note.reason.to_owned(),
            message: note.message,
        };
    }
    if let Some(note) = &world.told.note {
        return Refusal::stalled(note.reason, note.message.clone());
    }
    Refusal::waits("Placing", "a place is being looked for")
}

/// Whether only a person can end this wait: free room, returning hosts and the queue end the others by themselves.
#[must_use]
pub fn needs_a_person(waiting: &Waiting) -> bool {
    ends_by_a_person(&waiting.on)
}

/// As [`needs_a_person`], of what is waited for.
#[must_use]
pub fn ends_by_a_person(on: &WaitingOn) -> bool {
    match on {
        WaitingOn::HostCores { .. }
        | WaitingOn::HostMemory { .. }
        | WaitingOn::NoSecondSite { .. }
        | WaitingOn::SharedRisk { .. }
        | WaitingOn::ApartGroup { .. }
        | WaitingOn::TogetherGroup { .. }
        | WaitingOn::Quota { .. }
        | WaitingOn::RackUnits { .. }
        | WaitingOn::Feeds { .. }
        | WaitingOn::DevicesApart { .. }
        | WaitingOn::DevicesRoom { .. }
        | WaitingOn::HostsAsleep { .. }
        | WaitingOn::NotAllowedSite { .. }
        | WaitingOn::UnknownTenant
        | WaitingOn::Malformed { .. } => true,
        WaitingOn::SiteCeiling { .. }
        | WaitingOn::HostFull { .. }
        | WaitingOn::RackWatts { .. }
        | WaitingOn::ReserveForLoss { .. }
        | WaitingOn::Storage { .. }
        | WaitingOn::SitesClosed { .. }
        | WaitingOn::CopySitesClosed { .. }
        | WaitingOn::UnknownInventory { .. }
        | WaitingOn::Queue { .. }
        | WaitingOn::CopyUnreadable { .. }
        | WaitingOn::NoCopyElsewhere { .. } => false,
    }
}
