//! `ReplicationPolicy`: a class of protection. No I/O.

use crate::duration::Duration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

/// spec is what this class of protection promises.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "raidc.dev",
    version = "v1alpha1",
    kind = "ReplicationPolicy",
    plural = "replicationpolicies",
    shortname = "rpol",
    category = "raidc",
    category = "raidc-infra",
    status = "ReplicationPolicyStatus",
    derive = "PartialEq",
    doc = "ReplicationPolicy is a class of protection that servers choose by name: how many copies, how fresh, and what happens when a site is lost. The platform team writes it.",
    printcolumn(name = "Copies", type_ = "integer", json_path = ".spec.copies"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(name = "RPO", type_ = "string", json_path = ".spec.rpo"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Servers", type_ = "integer", json_path = ".status.servers"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", priority = 1),
    validation = Rule::new("self.metadata.name.size() <= 63").message("the name of a ReplicationPolicy has at most 63 characters, because it becomes a label")
)]
#[x_kube(validation = Rule::new("self.copies == 1 || has(self.mode)").message("say mode: Async or mode: Sync when there are two or more copies"))]
#[x_kube(validation = Rule::new("self.copies > 1 || !has(self.mode)").message("a single copy has no mode; leave mode out or ask for two copies"))]
#[x_kube(validation = Rule::new("!has(self.mode) || self.mode != 'Async' || has(self.rpo)").message("an asynchronous policy needs an rpo, such as 15m"))]
#[x_kube(validation = Rule::new("!has(self.mode) || self.mode != 'Sync' || !has(self.rpo)").message("a synchronous policy loses nothing; leave rpo out"))]
#[x_kube(validation = Rule::new("!has(self.mode) || self.mode != 'Sync' || has(self.sync)").message("a synchronous policy needs sync.storageClasses: which StorageClass spans which sites"))]
#[x_kube(validation = Rule::new("!has(self.sync) || (has(self.mode) && self.mode == 'Sync')").message("sync is for synchronous policies; leave it out or say mode: Sync"))]
#[x_kube(validation = Rule::new("!has(self.sync) || self.sync.storageClasses.all(c, c.sites.size() >= self.copies)").message("a StorageClass that spans sites names at least as many sites as the policy has copies"))]
#[serde(rename_all = "camelCase")]
pub struct ReplicationPolicySpec {
    /// copies of every disk, the original included. 1 means no protection against the loss of a site.
    #[schemars(range(min = 1, max = 4))]
    pub copies: i32,
    /// mode: Async sends changes every so often (see rpo); Sync writes to every copy at once, on storage that spans sites.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<ReplicationMode>,
    /// rpo, the recovery point objective, is the most recent work that may be lost with a site, such as 15m. Asynchronous only; at
    /// least 1m. Copies are made at half of it, so that one missed copy breaks no promise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('[1-9][0-9]*[dhm]')").message("the rpo is at least 1m; write it in minutes, hours or days"))]
    pub rpo: Option<Duration>,
    /// sharedRisks: Avoid keeps copies off every shared risk of the original; Ignore only keeps them at different sites. Default Avoid.
    #[serde(default)]
    pub shared_risks: SharedRiskRule,
    /// sync says which StorageClass spans which sites. Synchronous only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncStorage>,
    /// failover says what happens when a site is lost.
    #[serde(default)]
    pub failover: FailoverRule,
    /// backup asks for backups besides the copies. This version records it and does not run it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupRule>,
    /// drill asks for regular proof that the copies start. This version records it and does not run it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<DrillRule>,
}

/// mode: Async sends changes every so often (see rpo); Sync writes to every copy at once, on storage that spans sites.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicationMode {
    /// Every so often.
    Async,
    /// With every write.
    Sync,
}

/// Whether copies keep off shared risks.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SharedRiskRule {
    /// They do.
    #[default]
    Avoid,
    /// They only keep to different sites.
    Ignore,
}

/// Storage that spans sites.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SyncStorage {
    /// storageClasses that span sites. A server is placed so that one of them covers all its copies.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["class".into()]))]
    pub storage_classes: Vec<SpanningClass>,
}

/// One StorageClass that spans sites.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SpanningClass {
    /// class is the name of the StorageClass.
    #[schemars(length(min = 1, max = 63))]
    pub class: String,
    /// sites that hold every volume of this class.
    #[schemars(length(min = 2, max = 4), inner(length(min = 1, max = 30)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub sites: Vec<String>,
}

/// What happens when a site is lost.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FailoverRule {
    /// mode: Manual waits for a Failover object; Automatic starts one when the loss is proven. Default Manual. This version has no
    /// failover yet and says so on the policy.
    #[serde(default)]
    pub mode: FailoverMode,
    /// rto, the recovery time objective, is how long a server may be away after a loss, such as 5m. Under 10m, its reserved place is on a
    /// host that is already powered on. Default: hosts may have to wake first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('[1-9]')").message("the rto is longer than nothing; leave it out if there is no objective"))]
    pub rto: Option<Duration>,
}

/// Who starts a failover.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailoverMode {
    /// A person.
    #[default]
    Manual,
    /// The controller, once the loss is proven.
    Automatic,
}

/// Backups besides the copies.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BackupRule {
    /// schedule in cron notation with five fields, such as "15 2 * * *" for every night at 02:15.
    #[schemars(
        length(min = 9, max = 100),
        regex(pattern = r"^[-0-9A-Za-z*,/]+( [-0-9A-Za-z*,/]+){4}$")
    )]
    pub schedule: String,
    /// keep backups for this long, such as 30d. Default 30d.
    #[serde(default = "default_keep")]
    #[x_kube(validation = Rule::new("self.matches('[1-9]')").message("backups are kept longer than nothing; leave backup out if there are to be none"))]
    pub keep: Duration,
}

fn default_keep() -> Duration {
    Duration("30d".to_owned())
}

/// Regular proof that the copies start.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DrillRule {
    /// every: the longest time between two passed drills, such as 90d.
    #[x_kube(validation = Rule::new("self.matches('[1-9]')").message("the time between drills is longer than nothing; leave drill out if there are to be none"))]
    pub every: Duration,
}

/// status is what RAIDC sees of the policy. Nobody else writes it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ReplicationPolicyStatus {
    /// observedGeneration is the generation of the spec that this status speaks of; -1 before the first look.
    #[serde(default = "crate::crd::not_observed")]
    pub observed_generation: i64,
    /// conditions: Ready (the policy can be met by the sites and storage there are), WithinRPO (every server that uses it is).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// servers is the number of servers that use this policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub servers: Option<i64>,
}
