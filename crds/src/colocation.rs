//! `Colocation`: a municipality's own hardware in our racks. No I/O.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

/// spec is what the municipality asks for. RAIDC never writes here; what it decides is in status.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "raidc.dev",
    version = "v1alpha1",
    kind = "Colocation",
    plural = "colocations",
    namespaced,
    shortname = "colo",
    category = "raidc",
    category = "raidc-tenant",
    status = "ColocationStatus",
    derive = "PartialEq",
    doc = "Colocation is a municipality's own hardware in our racks: how high, how many watts, on how many feeds, and how far apart.",
    printcolumn(name = "Spread", type_ = "string", json_path = ".spec.spread"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Units", type_ = "integer", json_path = ".status.units"),
    printcolumn(name = "Watts", type_ = "integer", json_path = ".status.watts"),
    printcolumn(name = "Racks", type_ = "string", json_path = ".status.devices[*].rack"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", priority = 1),
    selectable = ".spec.spread",
    validation = Rule::new("self.metadata.name.size() <= 63").message("the name of a Colocation has at most 63 characters"),
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.devices) || oldSelf.spec.devices.all(o, !oldSelf.status.devices.exists(p, p.name == o.name) || self.spec.devices.all(n, n.name != o.name || (n.units == o.units && n.feeds == o.feeds && n.watts <= o.watts)))").message("a device that has its place keeps its units and feeds, and its watts may only go down: one that draws more or needs other space is another device, so give it a new name")
)]
#[x_kube(validation = Rule::new("!has(self.from) || !has(self.until) || self.from < self.until").message("until must be after from"))]
#[serde(rename_all = "camelCase")]
pub struct ColocationSpec {
    /// devices to be put up. One that has its place in status.devices keeps its units and feeds, and its watts may only go down: a device
    /// that draws more or needs other space is another device with a name of its own. Taking one off the list gives its space back.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub devices: Vec<Device>,
    /// spread: devices never share a Site, never share a Rack, or may stand together (None). A changed spread counts for devices that have no place
    /// yet; those that have stay. Default None.
    #[serde(default)]
    pub spread: Spread,
    /// sites where the devices may stand. Default: any site.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 30)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub sites: Vec<String>,
    /// from is the first day of the reservation, such as 2027-01-15. Default: now. The space is reserved from the day it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 10, max = 10),
        regex(pattern = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")
    )]
    pub from: Option<String>,
    /// until is the day after the last day of the reservation. Default: no end. This version records it and does not end the reservation:
    /// delete the Colocation to free its units and watts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 10, max = 10),
        regex(pattern = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")
    )]
    pub until: Option<String>,
}

/// One device.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// name of the device within this object.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// units that it is high, in rack units.
    #[schemars(range(min = 1, max = 60))]
    pub units: i32,
    /// watts on its nameplate: the most it can draw. They count in full, always.
    #[schemars(range(min = 1, max = 50_000))]
    pub watts: i64,
    /// feeds it is plugged into: 1 or 2. Each of them must be able to carry its watts alone and for good, so the rack needs as many feeds
    /// whose volts times amps, at the rack's derating (80 % unless it says otherwise), are no less than the watts. Default 2.
    #[serde(default = "default_feeds")]
    #[schemars(range(min = 1, max = 2))]
    pub feeds: i32,
}

fn default_feeds() -> i32 {
    2
}

/// How far devices stay apart.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spread {
    /// They may stand together.
    #[default]
    None,
    /// Never in the same rack.
    Rack,
    /// Never at the same site.
    Site,
}

/// status is what RAIDC decided and sees. Nobody else writes it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ColocationStatus {
    /// observedGeneration is the generation of the spec that this status speaks of; -1 before the first look.
    #[serde(default = "crate::crd::not_observed")]
    pub observed_generation: i64,
    /// conditions: Ready, Placed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// units reserved in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<i64>,
    /// watts reserved in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watts: Option<i64>,
    /// devices and where each is to stand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub devices: Vec<DevicePlace>,
}

/// Where a device is to stand.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DevicePlace {
    /// name of the device.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// site of the rack.
    #[schemars(length(min = 1, max = 63))]
    pub site: String,
    /// rack that it is to stand in.
    #[schemars(length(min = 1, max = 63))]
    pub rack: String,
    /// lowestUnit of the reserved space, counted from the bottom, from 1.
    pub lowest_unit: i64,
    /// units reserved from there upwards.
    pub units: i64,
    /// feeds of the rack to plug into.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), inner(length(max = 20)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub feeds: Vec<String>,
}
