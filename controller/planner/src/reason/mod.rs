//! Why a demand waits: one enum whose variant is the condition reason and the metric label; [`text`] says it in words. No I/O.
//!
//! No text here may name another tenant or its objects: it is shown to the owner of the demand.

mod growth;
mod measure;
mod text;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fleet::ApartBy;
use crate::ids::{RackName, RiskName, SiteName};
use crate::scenario::Scenario;

pub use growth::Growth;
pub use measure::{QuotaResource, Resource, counted};

/// The constraint that keeps a demand out: the nearest one, that is the one whose mending lets it in soonest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WaitingOn {
    /// Every site it may use is at its ceiling.
    SiteCeiling {
        /// The nearest.
        site: SiteName,
        /// In which measure.
        resource: Resource,
        /// In use.
        used: i64,
        /// The ceiling.
        limit: i64,
        /// Asked for.
        asked: i64,
    },
    /// More cores than any host it may use has, even empty.
    HostCores {
        /// Asked for, in thousandths of a core.
        asked: i64,
        /// The largest host, in thousandths of a virtual core.
        largest: i64,
    },
    /// More memory than any host it may use has, even empty.
    HostMemory {
        /// Asked for with overhead, in MiB.
        asked: i64,
        /// The largest host, in MiB.
        largest: i64,
    },
    /// There are hosts large enough, but none has room now.
    HostFull {
        /// The measure that lacks the least on the nearest host.
        resource: Resource,
        /// Asked for.
        asked: i64,
        /// Free on the nearest host, beside what is reserved there.
        free: i64,
    },
    /// Hosts have room, their racks have not the power.
    RackWatts {
        /// The nearest rack.
        rack: RackName,
        /// What it would add, in watts.
        asked: i64,
        /// What is left on the surviving feed after the worst loss elsewhere, in watts.
        headroom: i64,
    },
    /// It could run, but after this loss there would be nowhere to start it.
    ReserveForLoss {
        /// The loss.
        lost: Scenario,
        /// What is short at the nearest host for it.
        resource: Resource,
        /// Asked for.
        asked: i64,
        /// Free there for that loss.
        free: i64,
    },
    /// The policy wants more sites than there are for it.
    NoSecondSite {
        /// Copies that the policy asks for.
        copies: i64,
        /// Sites that could hold one; when fewer than two of them have a usable host, the number of those that have.
        sites: i64,
    },
    /// Enough sites, but they share a risk.
    SharedRisk {
        /// Copies that the policy asks for.
        copies: i64,
        /// The risk that stands in the way.
        risk: RiskName,
    },
    /// The anti-affinity group leaves no place.
    ApartGroup {
        /// The group (of the same tenant).
        group: String,
        /// The level.
        by: ApartBy,
    },
    /// It must start at once after a loss, and every host that could be reserved for it is switched off.
    HostsAsleep {
        /// Usable hosts that are off, of those it may use.
        hosts: i64,
    },
    /// Each device would find a rack alone, and not all of them beside each other.
    DevicesRoom {
        /// The first device that finds none when those before it are placed.
        device: String,
        /// Devices that find a place in their order.
        fit: i64,
        /// Devices in all.
        needed: i64,
    },
    /// The affinity group has a place, and there is no room left at it.
    TogetherGroup {
        /// The group (of the same tenant).
        group: String,
        /// The level.
        by: ApartBy,
    },
    /// The tenant's quota.
    Quota {
        /// Which limit.
        resource: QuotaResource,
        /// In use.
        used: i64,
        /// The limit.
        limit: i64,
        /// Asked for.
        asked: i64,
    },
    /// No site has the storage.
    Storage {
        /// The site with the most room.
        site: SiteName,
        /// Asked for, in MiB.
        asked: i64,
        /// Free there, in MiB.
        free: i64,
    },
    /// No rack has so many units in a row.
    RackUnits {
        /// Name of the device.
        device: String,
        /// Asked for.
        asked: i64,
        /// The largest gap in a rack it may use.
        largest: i64,
    },
    /// No rack has so many feeds that could each carry the device alone.
    Feeds {
        /// Name of the device.
        device: String,
        /// What it draws at most, in watts.
        watts: i64,
        /// Feeds asked for.
        asked: i64,
        /// The most feeds of a rack it may use that could each carry it alone, derated.
        most: i64,
    },
    /// The spread between the devices of a colocation leaves no place.
    DevicesApart {
        /// Name of the device.
        device: String,
        /// Devices in all: each needs a rack or a site of its own.
        needed: i64,
        /// The most of them that stand apart at once, those that have a place among them.
        there: i64,
    },
    /// No site that it may use takes anything new (cordoned, draining, fenced, unknown).
    SitesClosed {
        /// Sites it may use.
        allowed: i64,
    },
    /// It lost its place and may start only where a copy of its data is: no host at these sites takes it.
    CopySitesClosed {
        /// The sites of its copies.
        sites: Vec<SiteName>,
    },
    /// None of the sites it may use exists.
    NotAllowedSite {
        /// The sites it may use, as written.
        allowed: Vec<SiteName>,
    },
    /// There is no host that could be used: the inventory is empty or unreadable.
    UnknownInventory {
        /// Hosts known at the sites it may use.
        hosts: i64,
    },
    /// The tenant is not known.
    UnknownTenant,
    /// The demand itself is wrong.
    Malformed {
        /// The field.
        field: String,
        /// What is wrong with it.
        message: String,
    },
    /// There is room for it, but an older or more important demand waits for that room.
    Queue {
        /// Demands that wait ahead of it.
        ahead: i64,
    },
    /// It lost its place, and its data is nowhere else: no host at its old site takes it.
    NoCopyElsewhere {
        /// The site that it ran at.
        site: SiteName,
    },
    /// It runs and its copies are all there, but hosts at the site of one cannot be read, so that none is reserved.
    CopyUnreadable {
        /// The site.
        site: SiteName,
    },
}

/// How many places were looked at and what spoke against each: the counts behind `explain`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Considered {
    /// Hosts that could take the primary.
    pub fit: i64,
    /// Hosts refused, by the first constraint that spoke against each.
    pub refused: BTreeMap<String, i64>,
}

/// Why a demand waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// The binding constraint.
    pub on: WaitingOn,
    /// What was looked at.
    #[serde(default)]
    pub considered: Considered,
}

impl Waiting {
    /// Waits on `on`, with no counts.
    pub fn on(on: WaitingOn) -> Self {
        Self {
            on,
            considered: Considered::default(),
        }
    }

    /// The condition reason and metric label, in PascalCase. Stable.
    pub fn reason(&self) -> &'static str {
        self.on.reason()
    }
}

impl WaitingOn {
    /// The condition reason and metric label, in PascalCase. Stable.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::SiteCeiling { .. } => "SiteCeiling",
            Self::HostCores { .. } => "HostCores",
            Self::HostMemory { .. } => "HostMemory",
            Self::HostFull { .. } => "HostFull",
            Self::RackWatts { .. } => "RackWatts",
            Self::ReserveForLoss { .. } => "ReserveForLoss",
            Self::NoSecondSite { .. } => "NoSecondSite",
            Self::SharedRisk { .. } => "SharedRisk",
            Self::ApartGroup { .. } => "ApartGroup",
            Self::TogetherGroup { .. } => "TogetherGroup",
            Self::HostsAsleep { .. } => "HostsAsleep",
            Self::DevicesRoom { .. } => "DevicesRoom",
            Self::Quota { .. } => "Quota",
            Self::Storage { .. } => "Storage",
            Self::RackUnits { .. } => "RackUnits",
            Self::Feeds { .. } => "Feeds",
            Self::DevicesApart { .. } => "DevicesApart",
            Self::SitesClosed { .. } => "SitesClosed",
            Self::CopySitesClosed { .. } => "CopySitesClosed",
            Self::NotAllowedSite { .. } => "NotAllowedSite",
            Self::UnknownInventory { .. } => "UnknownInventory",
            Self::UnknownTenant => "UnknownTenant",
            Self::Malformed { .. } => "Malformed",
            Self::Queue { .. } => "Queue",
            Self::NoCopyElsewhere { .. } => "NoCopyElsewhere",
            Self::CopyUnreadable { .. } => "CopyUnreadable",
        }
    }
}
