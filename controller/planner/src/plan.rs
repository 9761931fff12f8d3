//! The plan: the whole answer, decisions, reasons and ledgers. No I/O.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fleet::{DevicePosition, Fleet, Granted, Placement};
use crate::ids::{ColocationId, DemandId, HostName, RackName, ServerId, SiteName};
use crate::outcome::{Shed, StartIfShed};
use crate::reason::{Growth, Resource, Waiting};
use crate::scenario::Scenario;
use crate::site_set::SiteSet;

/// What the caller may set. `PlanOptions::default()` is what the controller uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PlanOptions {
    /// Most servers that one plan may move to mend what is wrong (drained, overloaded); the rest follow in later plans.
    /// A server that has lost its host does not count: it has to go somewhere.
    pub max_moves: i64,
    /// Whether a running server may be moved to another host of its own site (a live migration, no data is copied) so
    /// that one that waits finds room. Only servers of the same tier or a higher number move for it, and every one keeps
    /// its copies and a reserve. Servers that are themselves new in this plan do not run yet and may always be put
    /// elsewhere, reserves likewise. False unless the platform team says so: what runs is left alone.
    pub make_room_by_moves: bool,
}

impl Default for PlanOptions {
    /// No limit on moves: `Move` is a proposal, pacing them is the executor's. What runs is not moved to make room.
    fn default() -> Self {
        Self {
            max_moves: i64::MAX,
            make_room_by_moves: false,
        }
    }
}

/// A concrete place.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spot {
    /// The site.
    pub site: SiteName,
    /// The rack.
    pub rack: RackName,
    /// The host.
    pub host: HostName,
}

/// What was decided for one server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerPlan {
    /// Where it runs.
    pub placement: Spot,
    /// Where it starts after a loss; `None` for a single copy, or when `unprotected` says why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Spot>,
    /// Every site with another copy: the backup's included, the primary's not.
    #[serde(default)]
    pub copy_sites: SiteSet,
    /// With what it has that place: its size in every ledger.
    #[serde(default)]
    pub granted: Granted,
    /// It asks for more than that, and the larger size has to wait: it goes on as it is. It gets all of it or nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth: Option<Box<Growth>>,
    /// What it adds to the draw of its host when busy, in watts, rounded up.
    pub watts: i64,
    /// It runs, but the copies or the reserve that its policy asks for cannot be had now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unprotected: Option<Box<Waiting>>,
    /// It stays where it was recorded although nothing may be decided about that place: the site or host is fenced,
    /// unknown or not ready. Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
}

/// Where one colocated device stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DevicePlace {
    /// Name of the device in its `Colocation`.
    pub device: String,
    /// The site.
    pub site: SiteName,
    /// The rack.
    pub rack: RackName,
    /// Its lowest unit, counted from 1 at the bottom.
    pub lowest_unit: i64,
    /// Its height in units.
    pub units: i64,
}

/// Which of a server's places changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum MoveKind {
    /// The running server.
    Primary,
    /// Only the reserved host, at the same site: nothing is copied.
    Backup,
    /// A copy at another site: data has to be copied there.
    Copy,
}

/// Why something moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum MoveReason {
    /// The host, rack or site has left the fleet.
    HostGone,
    /// A failover was granted.
    Released,
    /// The host, rack or site is being drained.
    Draining,
    /// The host or rack cannot carry what is on it.
    Overloaded,
    /// The reserve no longer fits where it was, or may not be there.
    ReserveInvalid,
    /// Its policy asks for a copy or a reserve that it did not have.
    Protects,
    /// Makes room for another server, without copying data.
    MakesRoom,
    /// An anti-affinity rule or the spread of the policy.
    KeepsApart,
    /// Fewer hosts on (only in a consolidation proposal).
    Consolidation,
}

/// A change to something that had a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Move {
    /// The server.
    pub server: ServerId,
    /// Which of its places.
    pub kind: MoveKind,
    /// From where; the host is empty when it was not known.
    pub from: Spot,
    /// To where.
    pub to: Spot,
    /// Why.
    pub reason: MoveReason,
}

/// How much of one lost site falls on one survivor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PairLoad {
    /// Servers.
    pub servers: i64,
    /// Virtual cores, in thousandths.
    pub cpu_milli: i64,
    /// Memory with overhead, in MiB.
    pub memory_mib: i64,
    /// Watts, without the idle draw of hosts that must wake.
    pub watts: i64,
    /// The larger of the processor and the memory share that residents plus this load take of the survivor's
    /// capacity, in thousandths. Above 1000 it cannot be carried.
    pub share_permille: i64,
}

/// Power and space of one rack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RackLedger {
    /// The site.
    pub site: SiteName,
    /// What the rack may draw after losing its largest feed or panel, derated, in watts.
    pub capacity_watts: i64,
    /// Hosts that are on, their servers, colocation and other draw, in watts.
    pub committed_watts: i64,
    /// The most that any one scenario adds, with the idle draw of hosts that must wake, in watts.
    pub reserved_watts: i64,
    /// The scenario that adds the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst: Option<Scenario>,
    /// Capacity less committed less reserved, in watts; negative when overloaded, and only then.
    pub headroom_watts: i64,
    /// Height, in units.
    pub units: i64,
    /// Free units.
    pub units_free: i64,
    /// Hosts whose watts are the nameplate: the fewer, the more the figures can be trusted.
    pub hosts_by_nameplate: i64,
}

/// Whether the loss of a site leaves every protected server a place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Survival {
    /// Every protected server has its place.
    #[default]
    Survives,
    /// These have none.
    Loses {
        /// The first by tier, age and name.
        first: ServerId,
        /// How many.
        servers: i64,
    },
    /// The site cannot be read.
    Unknown,
}

/// Capacity and use of one site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SiteLedger {
    /// Hosts that may be used.
    pub hosts_usable: i64,
    /// All hosts.
    pub hosts: i64,
    /// Capacity of its hosts in virtual cores, in thousandths.
    pub cpu_capacity_milli: i64,
    /// In use, others' pods included (in virtual cores), in thousandths.
    pub cpu_used_milli: i64,
    /// The ceiling, in thousandths of a virtual core.
    pub cpu_ceiling_milli: i64,
    /// Memory of its hosts, in MiB.
    pub memory_capacity_mib: i64,
    /// In use, others' pods and overhead included, in MiB.
    pub memory_used_mib: i64,
    /// The ceiling, in MiB.
    pub memory_ceiling_mib: i64,
    /// Storage in use by servers, copies and others, in MiB.
    pub storage_used_mib: i64,
    /// Storage in all, in MiB; `None` where there is no limit.
    pub storage_mib: Option<i64>,
    /// Servers that run here.
    pub servers: i64,
    /// Servers that would start here after a loss elsewhere.
    pub backups: i64,
    /// What happens when this site is lost.
    pub survives: Survival,
}

/// What one scenario does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScenarioSummary {
    /// What is lost.
    pub scenario: Scenario,
    /// Servers that lose their host.
    pub displaced: i64,
    /// Of those, protected ones that start elsewhere.
    pub restarted: i64,
    /// Of those, with a single copy: down until it returns, as their policy accepts.
    pub single_copy: i64,
    /// Of those, protected by policy and yet without a place.
    pub stranded: i64,
}

/// What is fuller than it may be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ExcessOf {
    /// A host's cores or memory.
    Host(HostName),
    /// A rack's watts.
    Rack(RackName),
    /// A site's ceiling or storage.
    Site(SiteName),
}

impl fmt::Display for ExcessOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(f, "host/{host}"),
            Self::Rack(rack) => write!(f, "rack/{rack}"),
            Self::Site(site) => write!(f, "site/{site}"),
        }
    }
}

/// Something fuller than it may be because of what was there before; nothing new was put on it, and there was no
/// room elsewhere to mend it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Excess {
    /// What.
    pub of: ExcessOf,
    /// In which measure.
    pub resource: Resource,
    /// How much is used, in the unit of the resource.
    pub used: i64,
    /// How much there is.
    pub limit: i64,
}

/// A part of the fleet that cannot be used as it was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// What, such as `rack/talsi-r9`.
    pub what: String,
    /// What is wrong with it and what to do.
    pub message: String,
}

/// The whole answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Plan {
    /// A digest of every decision (servers, colocations), 16 hexadecimal digits: equal ids, equal decisions.
    pub id: String,
    /// Servers that have a place.
    pub servers: BTreeMap<ServerId, ServerPlan>,
    /// Colocated devices that have a place.
    pub colocations: BTreeMap<ColocationId, Vec<DevicePlace>>,
    /// Who waits, and on what. A colocation may have some devices placed and wait with others.
    pub waiting: BTreeMap<DemandId, Waiting>,
    /// Changes to what had a place before.
    pub moves: Vec<Move>,
    /// Lost site, surviving site, load.
    pub pairs: BTreeMap<SiteName, BTreeMap<SiteName, PairLoad>>,
    /// Per rack.
    pub racks: BTreeMap<RackName, RackLedger>,
    /// Per site.
    pub sites: BTreeMap<SiteName, SiteLedger>,
    /// Every site, rack, shared risk, feed and panel.
    pub scenarios: Vec<ScenarioSummary>,
    /// What is fuller than it may be, inherited.
    pub excesses: Vec<Excess>,
    /// Who has to stop because a rack or a host is fuller than it can be, or so that more important servers that have
    /// lost their place can start. A proposal: their places stay as they are, and nothing stops by itself.
    pub shed: Vec<Shed>,
    /// Servers without a place that could start once those have stopped.
    pub starts_if_shed: Vec<StartIfShed>,
    /// Parts of the fleet that were set aside.
    pub problems: Vec<Problem>,
}

impl Plan {
    /// Writes the decisions into `fleet` as the present state, as if they had been carried out: each placed server's
    /// and device's `current` is set, and a released server is no longer released. Planning `fleet` again then
    /// changes nothing.
    pub fn feed_back(&self, fleet: &mut Fleet) {
        for (id, decided) in &self.servers {
            if let Some(server) = fleet.servers.get_mut(id) {
                let host = &decided.placement.host;
                server.current = Some(Placement {
                    site: decided.placement.site.clone(),
                    rack: decided.placement.rack.clone(),
                    host: (!host.as_str().is_empty()).then(|| host.clone()),
                    backup: decided.backup.as_ref().map(|spot| spot.host.clone()),
                    copy_sites: decided.copy_sites.clone(),
                });
                server.granted = Some(decided.granted);
                server.released = false;
            }
        }
        for (id, places) in &self.colocations {
            if let Some(colocation) = fleet.colocations.get_mut(id) {
                for place in places {
                    let position = DevicePosition {
                        rack: place.rack.clone(),
                        lowest_unit: place.lowest_unit,
                    };
                    colocation.current.insert(place.device.clone(), position);
                }
            }
        }
    }
}
