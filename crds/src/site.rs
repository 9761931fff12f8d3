//! `Site`: one of the small data centres of the array. No I/O.

use crate::quantity::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

/// spec is what the platform team declares about the data centre.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "raidc.dev",
    version = "v1alpha1",
    kind = "Site",
    plural = "sites",
    shortname = "rsite",
    category = "raidc",
    category = "raidc-infra",
    status = "SiteStatus",
    derive = "PartialEq",
    doc = "Site is one data centre of the array. Nodes belong to it by the label topology.kubernetes.io/zone=<name of the Site>. The platform team writes it.",
    printcolumn(name = "State", type_ = "string", json_path = ".spec.state"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Survives loss", type_ = "string", json_path = ".status.conditions[?(@.type==\"SurvivesSiteLoss\")].status"),
    printcolumn(name = "Hosts", type_ = "integer", json_path = ".status.hosts.usable"),
    printcolumn(name = "Used %", type_ = "integer", json_path = ".status.usedPercent"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", priority = 1),
    selectable = ".spec.state",
    validation = Rule::new("self.metadata.name.size() <= 30").message("the name of a Site has at most 30 characters, because it becomes part of other names"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message("the name of a Site is lower-case letters, digits and '-', and begins with a letter")
)]
#[serde(rename_all = "camelCase")]
pub struct SiteSpec {
    /// displayName is the name that people read, such as "Ventspils". Default: the name of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub display_name: Option<String>,
    /// ceilingPercent is how much of the site's cores and memory may be in use, in percent of what its hosts have. Default 75.
    /// Raising it leaves less room for the servers of a lost site; four equal sites at 75 have nothing to spare after a loss.
    #[serde(default = "default_ceiling_percent")]
    #[schemars(range(min = 1, max = 100))]
    pub ceiling_percent: i32,
    /// cpuOvercommitPercent is how many virtual cores are given out per hundred physical cores. Default 300, so three to one.
    /// Memory is never overcommitted. Lowering it moves nothing that runs; it only lets less in.
    #[serde(default = "default_cpu_overcommit_percent")]
    #[schemars(range(min = 100, max = 1000))]
    pub cpu_overcommit_percent: i32,
    /// sharedRisks names things that can take this site down together with others, such as substation/kurzeme-1.
    /// Copies of one server never lie at two places that share a risk, unless its policy says otherwise. Default: none.
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
    /// storage says where disks of servers at this site are kept.
    pub storage: SiteStorage,
    /// state is what the platform team wants: Active takes servers; Cordoned keeps what it has and takes nothing new;
    /// Draining moves everything away; Fenced is proven to be off and is not used. Default Active.
    #[serde(default)]
    pub state: SiteState,
}

fn default_ceiling_percent() -> i32 {
    75
}

fn default_cpu_overcommit_percent() -> i32 {
    300
}

/// Where disks of servers at a site are kept.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SiteStorage {
    /// class is the StorageClass whose volumes lie at this site, and at no other.
    #[schemars(length(min = 1, max = 63))]
    pub class: String,
    /// snapshotClass is the VolumeSnapshotClass used for point-in-time copies. Default: the cluster's default snapshot class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub snapshot_class: Option<String>,
    /// transferClass is a StorageClass of this site with reclaimPolicy Delete. Every asynchronous copy that is sent makes a volume for
    /// the time of the transfer; made from a class with reclaimPolicy Retain, each would stay behind, one per copy sent. Default: class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub transfer_class: Option<String>,
    /// capacity is the usable size of this site's storage, such as 40Ti. Default: not limited by RAIDC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Quantity>,
}

/// What the platform team wants of a site.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SiteState {
    /// Takes servers.
    #[default]
    Active,
    /// Keeps what it has, takes nothing new.
    Cordoned,
    /// Is being emptied.
    Draining,
    /// Is proven to be off.
    Fenced,
}

/// status is what RAIDC sees of the site. Nobody else writes it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SiteStatus {
    /// observedGeneration is the generation of the spec that this status speaks of; -1 before the first look.
    #[serde(default = "crate::crd::not_observed")]
    pub observed_generation: i64,
    /// conditions: Ready, SurvivesSiteLoss (every server of this site has a place if the site is lost), WithinCapacity (no group of servers
    /// asks for more than the sites that it may be at have) and TransfersLeaveNothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// hosts counts the nodes of this site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts: Option<HostCount>,
    /// servers is the number of virtual servers placed here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub servers: Option<i64>,
    /// coresMilli: used, ceiling and total, in thousandths of a virtual core (after overcommit).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores_milli: Option<Usage>,
    /// memoryMib: used, ceiling and total, in MiB, including what KubeVirt needs on top of each guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<Usage>,
    /// usedPercent is the larger of the two, in percent of the total.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_percent: Option<i64>,
    /// maxSafeLoadPercent is a proven limit for the whole fleet, the same at every site: nobody can place more than so many percent of what
    /// is placed now, of the same mix, and still protect everything. 113 means at most 13 percent more; what fits is often less.
    /// Absent while it is not proven of the present plan, which the condition WithinCapacity then says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_safe_load_percent: Option<i64>,
    /// failsOverTo says how much of this site would start at each other site if this one were lost. The load of a site alone proves
    /// nothing: what counts is that none of those it falls on comes to more than 100 percent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["site".into()]))]
    pub fails_over_to: Vec<FailsOverTo>,
    /// unusableNodes names nodes that are not used, and why: those of this site, and those that no label ties to any site, which every
    /// site lists. At most 32 are listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub unusable_nodes: Vec<UnusableNode>,
}

/// Nodes of a site by what they are good for.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HostCount {
    /// total is every node with this site's label.
    pub total: i64,
    /// usable is how many of them may run servers now.
    pub usable: i64,
}

/// An amount in use, its ceiling and its total.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// used now.
    pub used: i64,
    /// ceiling up to which RAIDC places.
    pub ceiling: i64,
    /// total that the hosts have.
    pub total: i64,
}

/// What would start at another site.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FailsOverTo {
    /// site at which they would start.
    #[schemars(length(min = 1, max = 63))]
    pub site: String,
    /// servers that would start there.
    pub servers: i64,
    /// coresMilli they need there, in thousandths of a virtual core.
    pub cores_milli: i64,
    /// memoryMib they need there, in MiB, including what KubeVirt needs on top of each guest.
    pub memory_mib: i64,
    /// watts they add there, without the idle draw of hosts that must wake.
    pub watts: i64,
    /// sharePercent is how full that site would then be: what runs there anyway and what starts there, in percent of its cores or of its
    /// memory, whichever is more, rounded up. More than 100 cannot be carried.
    pub share_percent: i64,
}

/// A node that is not used.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct UnusableNode {
    /// name of the node.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// reason in one word, such as NoRackLabel or NotReady.
    #[schemars(length(min = 1, max = 63))]
    pub reason: String,
    /// message says what to do.
    #[schemars(length(max = 512))]
    pub message: String,
}
