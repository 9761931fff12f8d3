//! `VirtualServer`: a self-service virtual machine. No I/O.

use crate::duration::Duration;
pub use crate::group::Apart;
pub use crate::group::ApartBy;
pub use crate::group::Together;
pub use crate::group::TogetherBy;
use crate::quantity::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
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
    kind = "VirtualServer",
    plural = "virtualservers",
    namespaced,
    shortname = "vsrv",
    category = "raidc",
    category = "raidc-tenant",
    status = "VirtualServerStatus",
    derive = "PartialEq",
    doc = "VirtualServer is a virtual machine that a municipality asks for. The shortest one says size and image; everything else has a careful default.",
    printcolumn(name = "Size", type_ = "string", json_path = ".spec.size"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Protected", type_ = "string", json_path = ".status.conditions[?(@.type==\"Protected\")].status"),
    printcolumn(name = "Site", type_ = "string", json_path = ".status.site"),
    printcolumn(name = "Address", type_ = "string", json_path = ".status.addresses[0]"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1),
    selectable = ".spec.size",
    selectable = ".spec.policy",
    validation = Rule::new("self.metadata.name.size() <= 40").message("the name of a VirtualServer has at most 40 characters, so that the names of its disks stay legal"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message("the name of a VirtualServer is lower-case letters, digits and '-', and begins with a letter: it is the machine's host name"),
    validation = Rule::new("quantity(string(self.spec.rootDisk.size)).compareTo(quantity(string(oldSelf.spec.rootDisk.size))) >= 0 || (has(oldSelf.status) && has(oldSelf.status.granted) && oldSelf.status.granted.disks.exists(g, g.name == 'root' && quantity(string(self.spec.rootDisk.size)).compareTo(quantity(string(g.size))) >= 0))").message("the root disk can grow, not shrink; while it waits to grow, it may be asked for smaller again, down to the size in status.granted"),
    validation = Rule::new("!has(self.spec.disks) || !has(oldSelf.spec.disks) || self.spec.disks.all(n, !oldSelf.spec.disks.exists(o, o.name == n.name && quantity(string(n.size)).compareTo(quantity(string(o.size))) < 0) || (has(oldSelf.status) && has(oldSelf.status.granted) && (oldSelf.status.granted.disks.exists(g, g.name == n.name && quantity(string(n.size)).compareTo(quantity(string(g.size))) >= 0) || (!oldSelf.status.granted.disks.exists(g, g.name == n.name) && (!has(oldSelf.status.disks) || !oldSelf.status.disks.exists(d, d.name == n.name))))))").message("a disk can grow, not shrink; while it waits to grow, it may be asked for smaller again, down to its size in status.granted, and to any size while it waits to be made"),
    validation = Rule::new("!has(oldSelf.spec.disks) || oldSelf.spec.disks.all(o, (has(self.spec.disks) && self.spec.disks.exists(n, n.name == o.name)) || (has(oldSelf.status) && has(oldSelf.status.granted) && !oldSelf.status.granted.disks.exists(g, g.name == o.name) && (!has(oldSelf.status.disks) || !oldSelf.status.disks.exists(d, d.name == o.name))))").message("a disk cannot be taken off the list: its data would be forgotten; delete the server or keep the disk. Only one that still waits to be made may go")
)]
#[x_kube(validation = Rule::new("has(self.size) != has(self.resources)").message("say either size or resources, not both"))]
#[x_kube(validation = Rule::new("!has(self.cloudInit) || !has(self.sshKeys) || self.sshKeys.size() == 0").message("say sshKeys or cloudInit, not both: RAIDC does not read the Secret, so put the keys into its user data"))]
#[x_kube(validation = Rule::new("!has(self.sshKeys) || self.sshKeys.map(k, k.size() + 5).sum() <= 1990").message("the sshKeys together are too long for a machine's first boot (about 1900 characters): use fewer or shorter keys (ed25519), or a Secret for cloudInit"))]
#[x_kube(validation = Rule::new("!has(self.apart) || !has(self.together) || self.apart.group != self.together.group || (self.apart.by == 'Host' && self.together.by != 'Host') || (self.apart.by == 'Rack' && self.together.by == 'Site')").message("one group cannot be kept apart and together at the same level: name two groups, or let together be wider than apart (apart by Host, together by Rack or Site; apart by Rack, together by Site)"))]
#[serde(rename_all = "camelCase")]
pub struct VirtualServerSpec {
    /// size is one of the catalogue's sizes, such as m-4 (kubectl get virtualmachineclusterinstancetypes). Say size or resources.
    /// Changing it takes effect when the server is next restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub size: Option<String>,
    /// resources says cores and memory where no size of the catalogue fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// image of the catalogue that the root disk is made from, such as debian-13 (kubectl get datasources -n raidc-images).
    /// It cannot be changed.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("the image of a server cannot be changed: it was written to the disk when the server was made; make a new server"))]
    pub image: String,
    /// policy is the ReplicationPolicy that protects the server. Default: the tenant's default policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub policy: Option<String>,
    /// power: On runs the server, Off stops it and keeps its disks and its place. Default On.
    #[serde(default)]
    pub power: Power,
    /// rootDisk is the disk that the server boots from.
    #[serde(default)]
    pub root_disk: RootDisk,
    /// disks besides the root disk. They begin empty, can grow, and cannot be taken away, except one that still waits to be made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub disks: Vec<Disk>,
    /// sshKeys that may log in, as in authorized_keys. They are public keys and not secret. They are written at the first boot; together
    /// they have at most about 1900 characters (two RSA keys, or twenty of ed25519). Not together with cloudInit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        inner(
            length(min = 16, max = 2048),
            regex(pattern = r"^(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/=]+( [^\n]*)?$")
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub ssh_keys: Vec<String>,
    /// cloudInit names a Secret of this namespace whose key "userdata" is given to cloud-init at the first boot. Not together with sshKeys,
    /// which belong into the user data then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_init: Option<CloudInit>,
    /// networks besides the cluster's own: each is a NetworkAttachmentDefinition of this namespace. The MAC address never changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub networks: Vec<Network>,
    /// sites limits where the server and its copies may be. Default: any site.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 30)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub sites: Vec<String>,
    /// apart keeps this server away from others of the same group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apart: Option<Apart>,
    /// together keeps this server near others of the same group, such as an application near its database. A server that finds no room
    /// where the others are waits; one that has its place already is not moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<Together>,
    /// tier: after a loss, tier 1 starts before tier 2, and so on to 5. Waiting servers are let in by the same order. Default 3.
    #[serde(default = "default_tier")]
    #[schemars(range(min = 1, max = 5))]
    pub tier: i32,
    /// purpose says what the server is for, so that the people who run a failover know what they bring back first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub purpose: Option<String>,
    /// lease says when the server is no longer needed. This version records it and does not stop the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// deletionPolicy of the disks: Retain keeps them when the server is deleted; Delete deletes them too. Default Retain.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

fn default_tier() -> i32 {
    3
}

/// Cores and memory.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// cores, virtual.
    #[schemars(range(min = 1, max = 512))]
    pub cores: i32,
    /// memory of the guest, such as 16Gi. At least 64Mi.
    #[x_kube(validation = Rule::new("quantity(string(self)).compareTo(quantity('64Mi')) >= 0 && quantity(string(self)).compareTo(quantity('64Ti')) <= 0").message("memory is between 64Mi and 64Ti; write it with its unit, such as 16Gi"))]
    pub memory: Quantity,
}

/// Whether a server runs.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Power {
    /// It runs.
    #[default]
    On,
    /// It is stopped.
    Off,
}

/// The disk that a server boots from.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RootDisk {
    /// size of the root disk, such as 20Gi. It can grow, not shrink; while a larger size waits, it may be asked for smaller again, down to
    /// what status.granted says. Default 20Gi.
    #[serde(default = "default_root_size")]
    #[x_kube(validation = Rule::new("quantity(string(self)).compareTo(quantity('1Mi')) >= 0 && quantity(string(self)).compareTo(quantity('1Pi')) <= 0").message("a disk has between 1Mi and 1Pi; write its size with the unit, such as 20Gi"))]
    pub size: Quantity,
}

impl Default for RootDisk {
    fn default() -> Self {
        Self {
            size: default_root_size(),
        }
    }
}

fn default_root_size() -> Quantity {
    Quantity("20Gi".to_owned())
}

/// A disk besides the root disk.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Disk {
    /// name of the disk within the server: lower-case letters and digits, beginning with a letter.
    #[schemars(length(min = 1, max = 20), regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    #[x_kube(validation = Rule::new("!(self in ['root', 'cloudinit'])").message("the names root and cloudinit are taken"))]
    #[x_kube(validation = Rule::new("!self.contains('-')").message("the name of a disk has no '-': disk archive-data of server mail and disk data of server mail-archive would be one and the same"))]
    pub name: String,
    /// size of the disk, such as 200Gi. It can grow, not shrink; while a larger size waits, it may be asked for smaller again, down to what
    /// status.granted says, and to any size while the disk waits to be made.
    #[x_kube(validation = Rule::new("quantity(string(self)).compareTo(quantity('1Mi')) >= 0 && quantity(string(self)).compareTo(quantity('1Pi')) <= 0").message("a disk has between 1Mi and 1Pi; write its size with the unit, such as 20Gi"))]
    pub size: Quantity,
}

/// Where cloud-init's user data is.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CloudInit {
    /// secretName of a Secret in the same namespace, with the key userdata. RAIDC never reads it; KubeVirt does.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
}

/// A network besides the cluster's own.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// name of the interface within the server.
    #[schemars(length(min = 1, max = 20), regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    #[x_kube(validation = Rule::new("self != 'default'").message("the name default is taken by the cluster's own network"))]
    pub name: String,
    /// attachment is the name of a NetworkAttachmentDefinition in the same namespace. Another namespace cannot be named.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub attachment: String,
}

/// When a server is no longer needed.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// expiresAfter is how long after its creation the server is needed, such as 90d.
    #[x_kube(validation = Rule::new("self.matches('[1-9]')").message("a lease is longer than nothing; leave it out if the server does not expire"))]
    pub expires_after: Duration,
}

/// What happens to disks when the server is deleted.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeletionPolicy {
    /// They stay.
    #[default]
    Retain,
    /// They go too.
    Delete,
}

/// status is what RAIDC decided and sees. Nobody else writes it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct VirtualServerStatus {
    /// observedGeneration is the generation of the spec that this status speaks of; -1 before the first look.
    #[serde(default = "crate::crd::not_observed")]
    pub observed_generation: i64,
    /// conditions: Ready (as you asked), Placed, Provisioned, Protected; while it lasts Reconciling or Stalled (a person must act).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// waitingSince is when the state that the reason of Ready names began. Absent while the server is Ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<Time>,
    /// site where the server runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub site: Option<String>,
    /// rack where the server runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub rack: Option<String>,
    /// host that the plan prefers; the scheduler may choose another of the same rack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub host: Option<String>,
    /// node on which the server runs now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub node: Option<String>,
    /// addresses of the server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub addresses: Vec<String>,
    /// policy that protects the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub policy: Option<String>,
    /// reserved is where the server would start if it lost its own site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved: Option<Reserved>,
    /// copySites are the sites chosen to hold copies of the disks; copies says what is known of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub copy_sites: Vec<String>,
    /// copies of the disks at other sites, as seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["site".into()]))]
    pub copies: Vec<CopyStatus>,
    /// epoch: which run of this server may write. A machine made under a lower epoch may not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self >= oldSelf").message("an epoch never goes back: a lower one belongs to a run that was fenced off"))]
    pub epoch: Option<i64>,
    /// watts counted for this server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watts: Option<i64>,
    /// coresMilli counted for this server, in thousandths of a virtual core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores_milli: Option<i64>,
    /// memoryMib counted for this server, in MiB, including what KubeVirt needs on top of the guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<i64>,
    /// granted is the size that the server was let in with. It goes on with it while a larger one waits; Ready then says on what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted: Option<Granted>,
    /// disks of the server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 17))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub disks: Vec<DiskStatus>,
}

/// The size that a server was let in with.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Granted {
    /// size of the catalogue; absent when the server says resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub size: Option<String>,
    /// coresMilli, in thousandths of a virtual core.
    pub cores_milli: i64,
    /// memoryMib of the guest, in MiB.
    pub memory_mib: i64,
    /// disks with their sizes, the root disk first.
    #[schemars(length(max = 17))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub disks: Vec<GrantedDisk>,
}

/// The size that a disk was let in with.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct GrantedDisk {
    /// name of the disk within the server.
    #[schemars(length(min = 1, max = 20))]
    pub name: String,
    /// size of the disk, such as 200Gi.
    pub size: Quantity,
}

/// Where a server would start after the loss of its own site.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Reserved {
    /// site with a copy.
    #[schemars(length(min = 1, max = 63))]
    pub site: String,
    /// rack there.
    #[schemars(length(min = 1, max = 63))]
    pub rack: String,
    /// host there.
    #[schemars(length(min = 1, max = 253))]
    pub host: String,
}

/// A copy at another site.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CopyStatus {
    /// site that holds the copy.
    #[schemars(length(min = 1, max = 63))]
    pub site: String,
    /// mode in which it is kept.
    pub mode: crate::replication_policy::ReplicationMode,
    /// state: Current is within the recovery point objective; Late is not; Unknown has no evidence yet.
    pub state: CopyState,
    /// recoveryPoint is the newest moment up to which this copy holds every disk's data. Absent: unknown. A synchronous copy holds everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_point: Option<Time>,
    /// disks of which something is proven; recoveryPoint is the oldest of theirs, once all are here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 17))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub disks: Vec<DiskCopyStatus>,
}

/// What is proven of one disk's copy.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DiskCopyStatus {
    /// name of the disk within the server.
    #[schemars(length(min = 1, max = 20))]
    pub name: String,
    /// destination is the UID of the ReplicationDestination that this was seen of; it says nothing of another.
    #[schemars(length(min = 1, max = 63))]
    pub destination: String,
    /// recoveryPoint is the newest moment up to which this copy holds the disk's data.
    pub recovery_point: Time,
}

/// What is known of a copy.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyState {
    /// Within the objective.
    Current,
    /// Older than the objective.
    Late,
    /// No evidence.
    Unknown,
}

/// A disk of the server.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DiskStatus {
    /// name of the disk within the server.
    #[schemars(length(min = 1, max = 20))]
    pub name: String,
    /// claim is the PersistentVolumeClaim that holds the data.
    #[schemars(length(min = 1, max = 253))]
    pub claim: String,
    /// state: Ready, or what it waits for.
    #[schemars(length(max = 63))]
    pub state: String,
}
