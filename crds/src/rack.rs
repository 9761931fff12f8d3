//! `Rack`: units, power feeds and hosts in a site. No I/O.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

/// spec is what the platform team declares about the rack.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "raidc.dev",
    version = "v1alpha1",
    kind = "Rack",
    plural = "racks",
    shortname = "rrack",
    category = "raidc",
    category = "raidc-infra",
    status = "RackStatus",
    derive = "PartialEq",
    doc = "Rack is a rack of a Site, with its units and power feeds. Nodes belong to it by the label raidc.dev/rack=<name of the Rack>. The platform team writes it.",
    printcolumn(name = "Site", type_ = "string", json_path = ".spec.site"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Capacity W", type_ = "integer", json_path = ".status.power.capacityWatts"),
    printcolumn(name = "Headroom W", type_ = "integer", json_path = ".status.power.headroomWatts"),
    printcolumn(name = "Free units", type_ = "integer", json_path = ".status.freeUnits"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", priority = 1),
    selectable = ".spec.site",
    validation = Rule::new("self.metadata.name.size() <= 50").message("the name of a Rack has at most 50 characters, because it becomes a label on nodes"),
    validation = Rule::new("self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')").message("the name of a Rack is lower-case letters, digits and '-'")
)]
#[x_kube(validation = Rule::new("!has(self.hosts) || self.hosts.all(h, !has(h.lowestUnit) || h.lowestUnit + h.units - 1 <= self.units)").message("a host stands above the top of the rack: lowestUnit plus units minus one is at most the rack's units"))]
#[x_kube(validation = Rule::new("!has(self.occupied) || self.occupied.all(o, o.lowestUnit + o.units - 1 <= self.units)").message("occupied units lie above the top of the rack: lowestUnit plus units minus one is at most the rack's units"))]
#[serde(rename_all = "camelCase")]
pub struct RackSpec {
    /// site is the Site that the rack stands in. It cannot be changed: a rack that moves is a new Rack.
    #[schemars(length(min = 1, max = 30))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("the site of a Rack cannot be changed; make a new Rack"))]
    pub site: String,
    /// units is the height of the rack in rack units. Default 42.
    #[serde(default = "default_units")]
    #[schemars(range(min = 1, max = 60))]
    pub units: i32,
    /// feeds are the power feeds of the rack. With two or more, what counts is what the others carry when the strongest is lost.
    /// With three or four that is the sum of several breakers, of which each must hold by itself (NEC 210.20(A)): plug the hosts evenly over
    /// them. A colocated device is let in only where each of its feeds can carry it alone, and is given those on which the fewest watts hang.
    #[schemars(length(min = 1, max = 4))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub feeds: Vec<Feed>,
    /// deratePercent is how much of a feed's breaker may be loaded for long, in percent. Default 80, the usual continuous rating.
    #[serde(default = "default_derate_percent")]
    #[schemars(range(min = 10, max = 100))]
    pub derate_percent: i32,
    /// maxWatts limits the rack below what its feeds carry, for example for cooling, in watts. Default: the feeds decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_watts: Option<i64>,
    /// sharedRisks names things that can take this rack down together with others, such as ups/room-2. Its Site's risks count too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(
            length(min = 1, max = 63),
            regex(pattern = r"^[a-z0-9]([-a-z0-9./]*[a-z0-9])?$")
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub shared_risks: Vec<String>,
    /// hostDefaults describes the hosts of this rack that are not listed in hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_defaults: Option<HostDefaults>,
    /// hosts describes single hosts: their position and their draw. A node belongs to one rack only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 60))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["node".into()]))]
    pub hosts: Vec<RackHost>,
    /// occupied lists units that are taken by what RAIDC does not manage, such as switches or a disk shelf.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 60))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["lowestUnit".into()]))]
    pub occupied: Vec<OccupiedUnits>,
    /// meter says where the rack's measured watts are found. This version records it and counts the nameplate; the condition
    /// PowerMeasured says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<Meter>,
}

fn default_units() -> i32 {
    42
}

fn default_derate_percent() -> i32 {
    80
}

/// One power feed.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Feed {
    /// name of the feed, such as a.
    #[schemars(length(min = 1, max = 20))]
    pub name: String,
    /// volts between line and neutral, or between lines when phases is 3.
    #[schemars(range(min = 48, max = 480))]
    pub volts: i32,
    /// amps of the breaker.
    #[schemars(range(min = 1, max = 400))]
    pub amps: i32,
    /// phases of the feed, 1 or 3. Default 1.
    #[serde(default = "default_phases")]
    #[x_kube(validation = Rule::new("self == 1 || self == 3").message("a feed has 1 or 3 phases"))]
    #[schemars(range(min = 1, max = 3))]
    pub phases: i32,
    /// panel from which the feed comes. Feeds of one panel fail together. Default: a panel of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub panel: Option<String>,
}

fn default_phases() -> i32 {
    1
}

/// What a host of this rack is like, where nothing else is said.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("self.idleWatts <= self.maxWatts").message("idleWatts cannot be more than maxWatts"))]
#[serde(rename_all = "camelCase")]
pub struct HostDefaults {
    /// idleWatts that a host draws when it runs nothing, in watts.
    #[schemars(range(min = 1, max = 20_000))]
    pub idle_watts: i64,
    /// maxWatts that a host draws at full load, in watts.
    #[schemars(range(min = 1, max = 20_000))]
    pub max_watts: i64,
}

/// One host of the rack.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("!has(self.idleWatts) || !has(self.maxWatts) || self.idleWatts <= self.maxWatts").message("idleWatts cannot be more than maxWatts"))]
#[serde(rename_all = "camelCase")]
pub struct RackHost {
    /// node is the name of the Kubernetes node.
    #[schemars(length(min = 1, max = 253))]
    pub node: String,
    /// lowestUnit that the host occupies, counted from the bottom, from 1. Default: it occupies no known unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 60))]
    pub lowest_unit: Option<i32>,
    /// units that the host is high. Default 1.
    #[serde(default = "default_height")]
    #[schemars(range(min = 1, max = 60))]
    pub units: i32,
    /// idleWatts that the host draws when it runs nothing, in watts. Default: the rack's hostDefaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 20_000))]
    pub idle_watts: Option<i64>,
    /// maxWatts that the host draws at full load, in watts. Default: the rack's hostDefaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 20_000))]
    pub max_watts: Option<i64>,
}

fn default_height() -> i32 {
    1
}

/// Units that are taken.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct OccupiedUnits {
    /// lowestUnit that is taken, counted from the bottom, from 1.
    #[schemars(range(min = 1, max = 60))]
    pub lowest_unit: i32,
    /// units that are taken from there upwards. Default 1.
    #[serde(default = "default_height")]
    #[schemars(range(min = 1, max = 60))]
    pub units: i32,
    /// by says what stands there, such as "switch".
    #[schemars(length(min = 1, max = 63))]
    pub by: String,
    /// watts it draws, in watts. Default 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 50_000))]
    pub watts: i64,
}

/// Where measured watts are found.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Meter {
    /// query is a Prometheus query whose single result is the rack's draw in watts.
    #[schemars(length(min = 1, max = 1024))]
    pub query: String,
}

/// status is what RAIDC sees of the rack. Nobody else writes it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RackStatus {
    /// observedGeneration is the generation of the spec that this status speaks of; -1 before the first look.
    #[serde(default = "crate::crd::not_observed")]
    pub observed_generation: i64,
    /// conditions: Ready, SurvivesFeedLoss, PowerMeasured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// hosts is the number of nodes of this rack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts: Option<i64>,
    /// servers is the number of virtual servers placed here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub servers: Option<i64>,
    /// power of the rack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<RackPower>,
    /// freeUnits that are neither occupied nor reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_units: Option<i64>,
    /// reservations says which units are whose, a second time beside the Colocations: should a Colocation lose its status, or be made
    /// anew after it was deleted, its devices are where they were. At most 64 are listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub reservations: Vec<Reservation>,
}

/// Units of a rack and the device that they are for.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// namespace of the Colocation.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// colocation that the device belongs to.
    #[schemars(length(min = 1, max = 253))]
    pub colocation: String,
    /// device of the Colocation.
    #[schemars(length(min = 1, max = 63))]
    pub device: String,
    /// uid of the Colocation, because a name can be used again.
    #[schemars(length(min = 1, max = 63))]
    pub uid: String,
    /// lowestUnit that it occupies, counted from the bottom, from 1.
    pub lowest_unit: i64,
    /// units that it is high, in rack units.
    pub units: i64,
    /// watts on its nameplate, in watts.
    pub watts: i64,
    /// state: Reserved, or Released when the Colocation was deleted and nobody else has taken the units yet.
    pub state: ReservationState,
}

/// Whether units are still reserved.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReservationState {
    /// The Colocation is there.
    #[default]
    Reserved,
    /// The Colocation is gone; the units are free for everyone.
    Released,
}

/// Watts of a rack, all in watts.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RackPower {
    /// capacityWatts that the rack may draw for long after the loss of its strongest feed or panel.
    pub capacity_watts: i64,
    /// committedWatts of what is here: hosts, servers, colocated devices, other occupants.
    pub committed_watts: i64,
    /// reservedWatts kept for servers that would start here after the worst single loss.
    pub reserved_watts: i64,
    /// headroomWatts left: capacity minus committed minus reserved. Negative means overloaded.
    pub headroom_watts: i64,
    /// hostsWithUnknownDraw is the number of hosts whose watts nobody gave; they count as 750 W each, idle or not.
    pub hosts_with_unknown_draw: i64,
}
