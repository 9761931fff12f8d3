//! Why a demand waits: one enum whose variant is the condition reason, the metric label and the text. No I/O.
//!
//! No text here may name another tenant or its objects: it is shown to the owner of the demand.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fleet::ApartBy;
use crate::ids::{RackName, RiskName, SiteName};
use crate::scenario::Scenario;

/// A measure of capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Resource {
    /// Virtual cores, in thousandths.
    Cpu,
    /// MiB.
    Memory,
    /// Watts.
    Watts,
    /// MiB.
    Storage,
}

impl Resource {
    /// An amount with what it is of: `4 cores`, `16 GiB of memory`, `350 W`.
    pub fn amount(self, amount: i64) -> String {
        match self {
            Self::Cpu | Self::Watts => self.show(amount),
            Self::Memory | Self::Storage => format!("{} of {self}", self.show(amount)),
        }
    }

    /// An amount as people read it: `4 cores`, `16 GiB`, `350 W`.
    pub fn show(self, amount: i64) -> String {
        match self {
            Self::Cpu => cores(amount),
            Self::Memory | Self::Storage => gib(amount),
            Self::Watts => format!("{amount} W"),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cores",
            Self::Memory => "memory",
            Self::Watts => "power",
            Self::Storage => "storage",
        })
    }
}

/// What a quota limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum QuotaResource {
    /// Number of virtual servers.
    Servers,
    /// Virtual cores, in thousandths.
    Cpu,
    /// Guest memory, in MiB.
    Memory,
    /// Storage, in MiB.
    Storage,
    /// Watts of colocated devices.
    Watts,
    /// Rack units.
    RackUnits,
}

impl QuotaResource {
    /// The name of the field in the tenant's `spec.quota`.
    pub fn field(self) -> &'static str {
        match self {
            Self::Servers => "servers",
            Self::Cpu => "cores",
            Self::Memory => "memory",
            Self::Storage => "storage",
            Self::Watts => "watts",
            Self::RackUnits => "rackUnits",
        }
    }

    /// An amount as people read it.
    pub fn show(self, amount: i64) -> String {
        match self {
            Self::Servers => format!("{amount}"),
            Self::Cpu => cores(amount),
            Self::Memory | Self::Storage => gib(amount),
            Self::Watts => format!("{amount} W"),
            Self::RackUnits => format!("{amount} U"),
        }
    }
}

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
    /// No rack has so many feeds.
    Feeds {
        /// Name of the device.
        device: String,
        /// Asked for.
        asked: i64,
        /// The most feeds of a rack it may use.
        most: i64,
    },
    /// The spread between the devices of a colocation leaves no place.
    DevicesApart {
        /// Name of the device.
        device: String,
        /// Racks or sites that the spread needs.
        needed: i64,
        /// Racks or sites there are.
        there: i64,
    },
    /// No site that it may use takes anything new (cordoned, draining, fenced, unknown).
    SitesClosed {
        /// Sites it may use.
        allowed: i64,
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
    /// It runs, but its present place cannot be relied on and it has not been released.
    PlaceUnknown {
        /// The site.
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

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.on.fmt(f)
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
            Self::NotAllowedSite { .. } => "NotAllowedSite",
            Self::UnknownInventory { .. } => "UnknownInventory",
            Self::UnknownTenant => "UnknownTenant",
            Self::Malformed { .. } => "Malformed",
            Self::Queue { .. } => "Queue",
            Self::PlaceUnknown { .. } => "PlaceUnknown",
            Self::CopyUnreadable { .. } => "CopyUnreadable",
        }
    }
}

impl fmt::Display for WaitingOn {
    // One arm per reason: splitting them would hide which text belongs to which.
    #[allow(clippy::too_many_lines)]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SiteCeiling {
                site,
                resource,
                used,
                limit,
                asked,
            } => write!(
                f,
                "every site it may use is at its ceiling; the nearest, {site}, has {} of {} in use and {} \
                 was asked: free {} there, add hosts or raise its ceiling",
                resource.show(*used),
                resource.amount(*limit),
                resource.show(*asked),
                resource.show(used + asked - limit),
            ),
            Self::HostCores { asked, largest } => write!(
                f,
                "it asks for {} and the largest host it may use has {}: choose a smaller size",
                cores(*asked),
                cores(*largest)
            ),
            Self::HostMemory { asked, largest } => write!(
                f,
                "it asks for {} with overhead and the largest host it may use has {}: choose a smaller size",
                gib(*asked),
                gib(*largest)
            ),
            Self::HostFull {
                resource,
                asked,
                free,
            } => write!(
                f,
                "no host has room: it asks for {} and the nearest host has {} left beside its reserves: \
                 add a host, or stop {}",
                resource.amount(*asked),
                resource.show((*free).max(0)),
                resource.show(asked - free),
            ),
            Self::RackWatts {
                rack,
                asked,
                headroom,
            } => write!(
                f,
                "no rack has the power: the nearest, {rack}, has {headroom} W left on its surviving feed and {asked} W \
                 was asked: free {} W there or add a feed",
                asked - headroom
            ),
            Self::ReserveForLoss {
                lost,
                resource,
                asked,
                free,
            } => write!(
                f,
                "it could run now, but after the loss of {lost} no host could start it: it asks for {} and \
                 the nearest host has {} left for that loss: free {} or add a host at another site",
                resource.amount(*asked),
                resource.show((*free).max(0)),
                resource.show(asked - free),
            ),
            Self::NoSecondSite { copies, sites } => write!(
                f,
                "its policy keeps {copies} copies at different sites and {sites} site(s) can hold one: allow more sites \
                 or choose a policy with fewer copies"
            ),
            Self::SharedRisk { copies, risk } => write!(
                f,
                "its policy keeps {copies} copies away from shared risks and the sites it may use share {risk}: allow a \
                 site that does not"
            ),
            Self::ApartGroup { group, by } => write!(
                f,
                "no {} is left that keeps it apart from the rest of group {group}, also after a loss: make the group \
                 smaller or the rule weaker",
                level(*by)
            ),
            Self::HostsAsleep { hosts } => write!(
                f,
                "it has to start at once after a loss and the {hosts} host(s) that could be reserved for it are off: switch \
                 one on, or choose a policy that allows more time"
            ),
            Self::DevicesRoom { device, fit, needed } => write!(
                f,
                "{fit} of its {needed} devices find units and watts, and {device} none beside them: free units or watts in \
                 a rack, or ask for less"
            ),
            Self::TogetherGroup { group, by } => write!(
                f,
                "group {group} shares one {} and there is no room for it where the others are: make the group or its \
                 members smaller, or the rule weaker",
                level(*by)
            ),
            Self::Quota {
                resource,
                used,
                limit,
                asked,
            } => write!(
                f,
                "quota {}: {} of {} used and {} asked: free {} or ask the platform team for more",
                resource.field(),
                resource.show(*used),
                resource.show(*limit),
                resource.show(*asked),
                resource.show(used + asked - limit),
            ),
            Self::Storage { site, asked, free } => write!(
                f,
                "no site has the storage for it and its copies: it asks for {} each and {site} has {} left: free {} or \
                 add storage",
                gib(*asked),
                gib((*free).max(0)),
                gib(asked - free)
            ),
            Self::RackUnits {
                device,
                asked,
                largest,
            } => write!(
                f,
                "device {device} needs {asked} rack units in a row and the largest gap is {largest}: free units or split \
                 the device"
            ),
            Self::Feeds { device, asked, most } => write!(
                f,
                "device {device} wants {asked} feeds and no rack it may use has more than {most}: set feeds to {most}"
            ),
            Self::DevicesApart {
                device,
                needed,
                there,
            } => write!(
                f,
                "device {device} has to be apart from the others: that needs {needed} places and there are {there}: weaken \
                 the spread or allow more sites"
            ),
            Self::SitesClosed { allowed } => write!(
                f,
                "none of the {allowed} site(s) it may use takes anything new now (cordoned, draining, fenced or \
                 unreadable): wait until one is active again"
            ),
            Self::NotAllowedSite { allowed } => {
                write!(f, "none of the sites it may use exists (")?;
                for (i, site) in allowed.iter().enumerate() {
                    write!(f, "{}{site}", if i == 0 { "" } else { ", " })?;
                }
                write!(f, "): correct the list")
            }
            Self::UnknownInventory { hosts } => write!(
                f,
                "no usable host is known at the sites it may use ({hosts} known there in all): label the nodes with site \
                 and rack, or wait until they can be read"
            ),
            Self::UnknownTenant => {
                write!(
                    f,
                    "its tenant is not known: the platform team has to create the tenant"
                )
            }
            Self::Malformed { field, message } => write!(f, "{field} {message}: correct it"),
            Self::Queue { ahead } => write!(
                f,
                "{ahead} older or more important demand(s) wait for the room it would take: it follows when they are in"
            ),
            Self::PlaceUnknown { site } => write!(
                f,
                "its place at {site} cannot be read or relied on: it is left as recorded until the site returns or a \
                 failover is granted"
            ),
            Self::CopyUnreadable { site } => write!(
                f,
                "its copy is at {site}, where hosts cannot be read now, so that no host there is sure to start it: that ends by \
                 itself when they return; if they are lost for good, drain or fence the site, and the copy is made elsewhere"
            ),
        }
    }
}

fn level(by: ApartBy) -> &'static str {
    match by {
        ApartBy::Host => "host",
        ApartBy::Rack => "rack",
        ApartBy::Site => "site",
    }
}

/// Thousandths of a core as people read them.
fn cores(milli: i64) -> String {
    if milli % 1000 == 0 {
        format!("{} cores", milli / 1000)
    } else {
        format!("{}.{:03} cores", milli / 1000, (milli % 1000).abs())
    }
}

/// MiB as people read them: whole GiB where it is exact, else MiB.
fn gib(mib: i64) -> String {
    if mib % 1024 == 0 {
        format!("{} GiB", mib / 1024)
    } else {
        format!("{mib} MiB")
    }
}
