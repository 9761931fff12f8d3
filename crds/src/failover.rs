//! `Failover`: an action object that moves servers after or before a loss. No I/O.

use crate::duration::Duration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

/// spec is what is to be moved, and how. It cannot be changed.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "raidc.dev",
    version = "v1alpha1",
    kind = "Failover",
    plural = "failovers",
    shortname = "rfo",
    category = "raidc",
    category = "raidc-infra",
    status = "FailoverStatus",
    derive = "PartialEq",
    doc = "Failover is an order to move servers away from a site or rack, planned or after a loss. It is written once, never changed, and kept as a record. This version accepts and checks it and does not carry it out yet; its status says so.",
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(name = "Site", type_ = "string", json_path = ".spec.from.site"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    selectable = ".spec.mode",
    validation = Rule::new("self.metadata.name.size() <= 63").message("the name of a Failover has at most 63 characters")
)]
#[x_kube(validation = Rule::new("self == oldSelf").message("a Failover cannot be changed; make a new one"))]
#[x_kube(validation = Rule::new("self.mode != 'Planned' || !has(self.acceptLoss)").message("a planned failover never loses data; leave acceptLoss out"))]
#[x_kube(validation = Rule::new("!has(self.to) || !has(self.from.site) || self.to != self.from.site").message("to is another site than from"))]
#[serde(rename_all = "camelCase")]
pub struct FailoverSpec {
    /// mode: Planned stops, copies the last changes and starts elsewhere, and loses nothing; Unplanned starts from the copies after a loss.
    pub mode: FailoverKind,
    /// from says what is moved: exactly one of site, rack, tenant or servers.
    pub from: FailoverFrom,
    /// to is the site to move to. Default: the place that the plan has reserved for each server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 30))]
    pub to: Option<String>,
    /// acceptLoss is how much recent work may be lost beyond the policy's objective, such as 5m. Unplanned only. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_loss: Option<Duration>,
    /// reason, for the record.
    #[schemars(length(min = 1, max = 500))]
    pub reason: String,
}

/// Planned or not.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailoverKind {
    /// Both sides work.
    Planned,
    /// One side is lost.
    Unplanned,
}

/// What is moved.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("[has(self.site), has(self.rack), has(self.tenant), has(self.servers)].filter(x, x).size() == 1").message("say exactly one of site, rack, tenant or servers"))]
#[serde(rename_all = "camelCase")]
pub struct FailoverFrom {
    /// site: everything of this site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 30))]
    pub site: Option<String>,
    /// rack: everything of this rack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50))]
    pub rack: Option<String>,
    /// tenant: everything of this tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50))]
    pub tenant: Option<String>,
    /// servers by namespace and name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub servers: Option<Vec<ServerReference>>,
}

/// A server by namespace and name.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ServerReference {
    /// namespace of the server.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// name of the server.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
}

/// status is what has become of it. Nobody else writes it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FailoverStatus {
    /// observedGeneration is the generation of the spec that this status speaks of; -1 before the first look.
    #[serde(default = "crate::crd::not_observed")]
    pub observed_generation: i64,
    /// conditions: Ready, Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}
