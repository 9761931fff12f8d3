//! The fleet: everything the planner may look at, as one value that can be kept as a snapshot file. No I/O.
//!
//! Units are in the field names: `_milli` is thousandths of a core, `_mib` is MiB (2^20 bytes), `_watts` is watts.
//! Every struct has a `Default`; build one as `Server { cpu_milli: 4000, ..Server::default() }`, so that a field
//! added later does not break you.
//!
//! A fleet may be malformed (a rack without a site, a negative number): the planner never panics on it, sets aside
//! what it cannot use and names it in `Plan::problems`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ids::{ColocationId, HostName, RackName, RiskName, ServerId, SiteName, TenantName};
use crate::site_set::SiteSet;

/// Everything the planner may look at. Two equal fleets give two equal plans.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Fleet {
    /// Data centres.
    pub sites: BTreeMap<SiteName, Site>,
    /// Racks, each in one site.
    pub racks: BTreeMap<RackName, Rack>,
    /// Hosts that virtual servers may run on, each in one rack.
    pub hosts: BTreeMap<HostName, Host>,
    /// Municipalities and what they may use.
    pub tenants: BTreeMap<TenantName, Tenant>,
    /// Virtual servers, running and waiting.
    pub servers: BTreeMap<ServerId, Server>,
    /// Tenants' own hardware.
    pub colocations: BTreeMap<ColocationId, Colocation>,
}

/// What may be done with a site or rack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum State {
    /// In use.
    #[default]
    Active,
    /// Keeps the servers, copies and reserves it has; takes nothing new.
    Cordoned,
    /// To be emptied: servers, copies and reserves move away as far as there is room elsewhere.
    Draining,
    /// Proven to be off and kept off. Nothing starts there; reserves there do not count. Servers recorded there stay
    /// recorded there until they are released (`Server::released`).
    Fenced,
    /// Cannot be read. Never taken for empty, never for down: what was recorded there stays, nothing new comes.
    Unknown,
}

/// A data centre.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Site {
    /// Share of the site's capacity that residents may use, in percent. 75 for four equal sites.
    pub ceiling_percent: i64,
    /// Virtual cores sold per physical core, in percent: 300 sells three for one.
    pub cpu_overcommit_percent: i64,
    /// Things this site shares with others and may lose together with them.
    pub shared_risks: BTreeSet<RiskName>,
    /// What may be done here.
    pub state: State,
    /// Storage for servers and copies, in MiB; `None` where the site sets no limit.
    pub storage_mib: Option<i64>,
    /// Storage in use by others than the servers of this fleet, in MiB.
    pub storage_taken_mib: i64,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            ceiling_percent: 75,
            cpu_overcommit_percent: 100,
            shared_risks: BTreeSet::new(),
            state: State::Active,
            storage_mib: None,
            storage_taken_mib: 0,
        }
    }
}

/// One power feed of a rack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Feed {
    /// Name in the rack, such as `a`.
    pub name: String,
    /// What the feed can carry, in watts: volts x amps (x the square root of 3 with three phases), not yet derated.
    pub watts: i64,
    /// The distribution panel it hangs on; feeds on one panel of a site fail together.
    pub panel: Option<String>,
}

/// A run of rack units, counted from 1 at the bottom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UnitRange {
    /// The lowest unit.
    pub lowest: i64,
    /// How many units.
    pub units: i64,
}

/// A rack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rack {
    /// The site it stands in.
    pub site: SiteName,
    /// Height in rack units.
    pub units: i64,
    /// Units that hosts, switches and the like fill already.
    pub units_taken: Vec<UnitRange>,
    /// Power feeds. None at all means that the power is not known: the rack then takes nothing that draws power.
    pub feeds: Vec<Feed>,
    /// Share of a feed that may be used continuously, in percent. 80 is the usual rule for continuous load on a
    /// breaker (NEC 210.20(A): the breaker carries at least 125 % of the continuous load).
    pub derate_percent: i64,
    /// A limit below what the feeds allow, in watts (a contract, cooling).
    pub max_watts: Option<i64>,
    /// Draw of switches and other things that are neither hosts nor colocation, in watts.
    pub other_watts: i64,
    /// Things this rack shares with others, beside what its site shares.
    pub shared_risks: BTreeSet<RiskName>,
    /// What may be done here; the stricter of this and the site's holds.
    pub state: State,
}

impl Default for Rack {
    fn default() -> Self {
        Self {
            site: SiteName::default(),
            units: 42,
            units_taken: Vec::new(),
            feeds: Vec::new(),
            derate_percent: 80,
            max_watts: None,
            other_watts: 0,
            shared_risks: BTreeSet::new(),
            state: State::Active,
        }
    }
}

/// Whether servers may run on a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum HostUse {
    /// Ready.
    #[default]
    Usable,
    /// Keeps the servers that run there; takes nothing new, and no reserve, because Kubernetes would start none there.
    Cordoned,
    /// To be emptied, as far as there is room elsewhere.
    Draining,
    /// Not ready: what runs there is not known. Nothing new, no reserve; what was recorded there stays.
    NotReady,
    /// Cannot be read; treated like `NotReady`.
    Unknown,
}

/// A machine that runs virtual servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Host {
    /// The rack it is in.
    pub rack: RackName,
    /// The site it is in; must be the rack's.
    pub site: SiteName,
    /// Physical cores that Kubernetes may allocate, in thousandths. The site's overcommit multiplies it.
    pub cpu_milli: i64,
    /// Memory that Kubernetes may allocate, in MiB. Never overcommitted.
    pub memory_mib: i64,
    /// Requested by pods that are not ours, in physical thousandths of a core; not divided by the overcommit.
    pub taken_cpu_milli: i64,
    /// Requested by pods that are not ours, in MiB.
    pub taken_memory_mib: i64,
    /// Draw when on and idle, in watts.
    pub idle_watts: i64,
    /// Draw at full load, in watts. The draw between is linear in the allocated virtual cores.
    pub max_watts: i64,
    /// False when the watts are the nameplate rather than measured or declared.
    pub watts_known: bool,
    /// On now. A usable host that is off is asleep and may be woken; it draws nothing until then.
    pub powered: bool,
    /// Runs pods of others that could run elsewhere, so that nobody switches it off, whatever becomes of our servers. What runs on
    /// every host does not count: it is there because the host is.
    pub kept_on: bool,
    /// Whether servers may run here.
    pub usable: HostUse,
}

/// A municipality.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tenant {
    /// What it may use.
    pub quota: Quota,
}

/// Limits; `None` is no limit. Counted over every server of the tenant that has a place, on or off, once each
/// (copies and reserves are the platform's cost, not the tenant's).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Quota {
    /// Virtual servers.
    pub servers: Option<i64>,
    /// Virtual cores, in thousandths.
    pub cpu_milli: Option<i64>,
    /// Guest memory, in MiB.
    pub memory_mib: Option<i64>,
    /// Storage of the servers, in MiB, each disk once.
    pub storage_mib: Option<i64>,
    /// Nameplate of colocated devices, in watts. Servers draw the platform's watts and are not counted.
    pub watts: Option<i64>,
    /// Rack units of colocated devices.
    pub rack_units: Option<i64>,
}

/// How far apart the copies of a server must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Spread {
    /// At different sites. A shared risk may then take all copies: the policy accepts that.
    Site,
    /// At different sites, and nothing that both list as a shared risk.
    #[default]
    SharedRisk,
}

/// The level at which members of a group keep apart, or together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ApartBy {
    /// Never on one host.
    #[default]
    Host,
    /// Never in one rack.
    Rack,
    /// Never at one site.
    Site,
}

/// An anti-affinity group. It holds in normal running and after the loss of anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Apart {
    /// Name of the group; groups of two tenants are never the same group.
    pub group: String,
    /// How far apart. When members differ, the stricter of any two holds between them.
    pub by: ApartBy,
    /// Members with the same domain may be together: only those of different domains (say, the halves of a cluster)
    /// keep apart. `None` keeps apart from every other member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
}

/// An affinity group: all its members run on one host, in one rack or at one site, and those that a loss takes start
/// together again. Who finds no room there waits; nothing is moved to bring a group together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Together {
    /// Name of the group; groups of two tenants are never the same group.
    pub group: String,
    /// How near. When members differ, the stricter of any two holds between them.
    pub by: ApartBy,
}

/// Where a server is now: the last decision, or what was found in the world.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Placement {
    /// The site of the primary.
    pub site: SiteName,
    /// The rack of the primary.
    pub rack: RackName,
    /// The host of the primary; `None` when no host is known (not started yet, or the host has left).
    pub host: Option<HostName>,
    /// The host reserved for a start after a loss.
    pub backup: Option<HostName>,
    /// The sites with another copy of the data, the backup's included, the primary's not.
    pub copy_sites: SiteSet,
}

/// What a server was let in with: its size as far as it counts, in every ledger and in the quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Granted {
    /// Virtual cores, in thousandths.
    pub cpu_milli: i64,
    /// Guest memory, in MiB.
    pub memory_mib: i64,
    /// Memory that the hypervisor needs beside the guest's, in MiB.
    pub overhead_mib: i64,
    /// All its disks, in MiB.
    pub storage_mib: i64,
}

impl Granted {
    /// Whether this is more than `other` in any measure.
    pub fn exceeds(&self, other: &Self) -> bool {
        self.cpu_milli > other.cpu_milli
            || self.memory_mib > other.memory_mib
            || self.overhead_mib > other.overhead_mib
            || self.storage_mib > other.storage_mib
    }
}

/// A virtual server. Its processor, memory and watts stay reserved while it is switched off, so that switching it
/// on never fails and switching never moves anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Server {
    /// Who pays; decides the quota.
    pub tenant: TenantName,
    /// Starting order after a loss and admission order: 1 first.
    pub tier: i64,
    /// When it was asked for, in seconds since 1970; the older is admitted first.
    pub created_at: i64,
    /// Virtual cores, in thousandths.
    pub cpu_milli: i64,
    /// Guest memory, in MiB.
    pub memory_mib: i64,
    /// Memory that the hypervisor needs beside the guest's, in MiB.
    pub overhead_mib: i64,
    /// All its disks, in MiB; each copy takes as much again.
    pub storage_mib: i64,
    /// Switched on.
    pub running: bool,
    /// Copies of the data, the primary's included: 1 is unprotected.
    pub copies: i64,
    /// How far apart the copies are.
    pub spread: Spread,
    /// Must be back within minutes: its reserve is on a host that is on.
    pub warm: bool,
    /// The sites it may use (storage class, contract); `None` is any.
    pub sites_allowed: Option<SiteSet>,
    /// Sets of sites of which one has to cover the server and all its copies, as a storage class that writes to every copy at once
    /// spans them; none is no such rule. Copies that are there already stay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub site_sets: Vec<SiteSet>,
    /// Anti-affinity.
    pub apart: Option<Apart>,
    /// Affinity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub together: Option<Together>,
    /// Where it is now; `None` for a new one.
    pub current: Option<Placement>,
    /// With what it has that place. Asked for more, it keeps this until the larger size fits; asked for less, it has less
    /// at once. `None` where nothing is recorded: what it asks for counts. Means nothing for a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granted: Option<Granted>,
    /// Its present place is proven to be off and a failover was granted: start it at its reserve, or anywhere a copy
    /// is. Without this a server at a fenced, unknown or unready place stays recorded there.
    pub released: bool,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            tenant: TenantName::default(),
            tier: 3,
            created_at: 0,
            cpu_milli: 0,
            memory_mib: 0,
            overhead_mib: 0,
            storage_mib: 0,
            running: true,
            copies: 1,
            spread: Spread::SharedRisk,
            warm: false,
            sites_allowed: None,
            site_sets: Vec::new(),
            apart: None,
            together: None,
            current: None,
            granted: None,
            released: false,
        }
    }
}

impl Server {
    /// The size that it asks for.
    pub fn asked(&self) -> Granted {
        Granted {
            cpu_milli: self.cpu_milli,
            memory_mib: self.memory_mib,
            overhead_mib: self.overhead_mib,
            storage_mib: self.storage_mib,
        }
    }

    /// The size that counts before anything new is decided: of one that has a place and asks for more than it was let in
    /// with, what it was let in with. Figures that cannot be true are no decrease either.
    pub fn counted(&self) -> Granted {
        let asked = self.asked();
        let untrue = asked.cpu_milli < 1 || asked.memory_mib < 1;
        let untrue = untrue || asked.overhead_mib < 0 || asked.storage_mib < 0;
        match (&self.current, self.granted) {
            (Some(_), Some(granted)) if untrue || asked.exceeds(&granted) => granted,
            _ => asked,
        }
    }
}

/// How far apart the devices of one `Colocation` must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ColocationSpread {
    /// Anywhere, also together.
    #[default]
    None,
    /// Each in another rack.
    Rack,
    /// Each at another site.
    Site,
}

/// One machine of a tenant's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Device {
    /// Name in its `Colocation`.
    pub name: String,
    /// Height in rack units.
    pub units: i64,
    /// Nameplate, in watts: counted in full, always, in every scenario.
    pub watts: i64,
    /// Power supplies, each for another feed. The rack must have as many feeds that each carry the device alone, derated: when
    /// all others are lost the last one does. With 1 the device may sit on whichever feed survives, so that it counts in full on
    /// the surviving one as well.
    pub feeds: i64,
}

impl Default for Device {
    fn default() -> Self {
        Self {
            name: String::new(),
            units: 1,
            watts: 0,
            feeds: 1,
        }
    }
}

/// Where a device stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DevicePosition {
    /// The rack.
    pub rack: RackName,
    /// Its lowest unit, counted from 1 at the bottom.
    pub lowest_unit: i64,
}

/// A tenant's own hardware in our racks. It never moves once it has a place, and draws on while others fail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Colocation {
    /// Who pays; decides the quota.
    pub tenant: TenantName,
    /// When it was asked for, in seconds since 1970; the older is admitted first.
    pub created_at: i64,
    /// The machines.
    pub devices: Vec<Device>,
    /// How far apart they are.
    pub spread: ColocationSpread,
    /// The sites it may use; `None` is any.
    pub sites_allowed: Option<SiteSet>,
    /// Where each device is now, by its name.
    pub current: BTreeMap<String, DevicePosition>,
}
