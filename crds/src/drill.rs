//! `Drill`: a failover on clones, without touching production. No I/O.

use crate::failover::ServerReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use kube::KubeSchema;
use serde::Deserialize;
use serde::Serialize;

/// spec is which loss is rehearsed, and for whom. It cannot be changed.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "raidc.dev",
    version = "v1alpha1",
    kind = "Drill",
    plural = "drills",
    shortname = "rdrill",
    category = "raidc",
    category = "raidc-infra",
    status = "DrillStatus",
    derive = "PartialEq",
    doc = "Drill rehearses a loss on clones of the copies, without touching production. It is written once, never changed, and kept as a record. This version accepts and checks it and does not carry it out yet; its status says so.",
    printcolumn(name = "Lose", type_ = "string", json_path = ".spec.lose.site"),
    printcolumn(name = "Tenant", type_ = "string", json_path = ".spec.scope.tenant"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 63").message("the name of a Drill has at most 63 characters")
)]
#[x_kube(validation = Rule::new("self == oldSelf").message("a Drill cannot be changed; make a new one"))]
#[serde(rename_all = "camelCase")]
pub struct DrillSpec {
    /// lose says what is lost in the rehearsal: exactly one of site or rack.
    pub lose: DrillLoss,
    /// scope limits whose servers are rehearsed. Default: every protected server that the loss would take.
    #[serde(default)]
    pub scope: DrillScope,
}

/// What is lost in the rehearsal.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("has(self.site) != has(self.rack)").message("say exactly one of site or rack"))]
#[serde(rename_all = "camelCase")]
pub struct DrillLoss {
    /// site that is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 30))]
    pub site: Option<String>,
    /// rack that is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50))]
    pub rack: Option<String>,
}

/// Whose servers are rehearsed.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("[has(self.tenant), has(self.policy), has(self.servers)].filter(x, x).size() <= 1").message("say at most one of tenant, policy or servers"))]
#[serde(rename_all = "camelCase")]
pub struct DrillScope {
    /// tenant: its servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50))]
    pub tenant: Option<String>,
    /// policy: servers with this policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub policy: Option<String>,
    /// servers by namespace and name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub servers: Option<Vec<ServerReference>>,
}

/// status is what has become of it. Nobody else writes it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DrillStatus {
    /// observedGeneration is the generation of the spec that this status speaks of; -1 before the first look.
    #[serde(default = "crate::crd::not_observed")]
    pub observed_generation: i64,
    /// conditions: Ready, Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}
