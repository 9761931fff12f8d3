//! `Tenant`: a municipality and what it may use. No I/O.

use crate::quantity::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

/// spec is what the municipality may use.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "raidc.dev",
    version = "v1alpha1",
    kind = "Tenant",
    plural = "tenants",
    shortname = "rten",
    category = "raidc",
    category = "raidc-tenant",
    status = "TenantStatus",
    derive = "PartialEq",
    doc = "Tenant is a municipality: its namespace, its people, its quota and the services it uses. The platform team or its GitOps pipeline writes it.",
    printcolumn(name = "Municipality", type_ = "string", json_path = ".spec.displayName"),
    printcolumn(name = "Namespace", type_ = "string", json_path = ".status.namespace"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Servers", type_ = "integer", json_path = ".status.usage.servers.used"),
    printcolumn(name = "Limit", type_ = "integer", json_path = ".status.usage.servers.limit"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", priority = 1),
    validation = Rule::new("self.metadata.name.size() <= 50").message("the name of a Tenant has at most 50 characters"),
    validation = Rule::new("self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')").message("the name of a Tenant is lower-case letters, digits and '-'"),
    validation = Rule::new("(has(self.spec.__namespace__) ? self.spec.__namespace__ : self.metadata.name) != 'default' && !(has(self.spec.__namespace__) ? self.spec.__namespace__ : self.metadata.name).startsWith('kube-')").message("a Tenant cannot have one of Kubernetes' own namespaces; say another in spec.namespace"),
    validation = Rule::new("has(self.spec.__namespace__) == has(oldSelf.spec.__namespace__)").message("the namespace of a Tenant cannot be added or removed later; make a new Tenant")
)]
#[serde(rename_all = "camelCase")]
pub struct TenantSpec {
    /// displayName is the name that people read, such as "Kuldīga municipality".
    #[schemars(length(min = 1, max = 100))]
    pub display_name: String,
    /// namespace in which the tenant works. Default: the name of the Tenant. It cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 50),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    #[x_kube(validation = Rule::new("self == oldSelf").message("the namespace of a Tenant cannot be changed; make a new Tenant"))]
    pub namespace: Option<String>,
    /// admins may create, change and delete servers and colocations in the tenant's namespace, and read everything there.
    #[serde(default)]
    pub admins: People,
    /// viewers may read everything in the tenant's namespace except secrets.
    #[serde(default)]
    pub viewers: People,
    /// quota is what the tenant may use. A limit that is left out does not limit.
    #[serde(default)]
    pub quota: Quota,
    /// services that the tenant may use. Default: VirtualServers.
    #[serde(default = "default_services")]
    #[schemars(length(min = 1, max = 4))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub services: Vec<Service>,
    /// defaultPolicy is the ReplicationPolicy of servers that name none.
    #[schemars(length(min = 1, max = 63))]
    pub default_policy: String,
    /// deletionPolicy: Protect refuses to delete the Tenant while it has servers, colocations or disks, and then removes what RAIDC made, the
    /// namespace too; a namespace that was there before the Tenant (raidc.dev/adopt) stays. Orphan removes what RAIDC made for its
    /// people and leaves the namespace, servers and disks as they are. Default Protect.
    #[serde(default)]
    pub deletion_policy: TenantDeletionPolicy,
}

fn default_services() -> Vec<Service> {
    vec![Service::VirtualServers]
}

/// People, as the cluster's login knows them.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct People {
    /// users by name. A service account is written system:serviceaccount:<namespace>:<name>.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[x_kube(validation = Rule::new("self.all(u, !u.startsWith('system:') || u.startsWith('system:serviceaccount:'))").message("users that begin with system: are Kubernetes' own; only service accounts may be named"))]
    pub users: Vec<String>,
    /// groups by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[x_kube(validation = Rule::new("self.all(g, !g.startsWith('system:') || g.startsWith('system:serviceaccounts:'))").message("groups that begin with system: are Kubernetes' own, such as everybody who can log in; name a group of your login"))]
    pub groups: Vec<String>,
}

/// Limits; what is left out does not limit.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// servers: number of virtual servers, powered on or off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub servers: Option<i64>,
    /// cores: virtual cores of all servers together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub cores: Option<i64>,
    /// memory of all servers together, such as 640Gi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Quantity>,
    /// storage of all disks together, copies not counted, such as 20Ti.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Quantity>,
    /// watts of all colocated devices together, by their nameplates. Servers draw the platform's watts and are not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000_000))]
    pub watts: Option<i64>,
    /// rackUnits of all colocated devices together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub rack_units: Option<i64>,
}

/// A service that a tenant may use.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Virtual servers.
    VirtualServers,
    /// Its own hardware in our racks.
    Colocation,
}

/// What deleting a Tenant does.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TenantDeletionPolicy {
    /// It waits while there are servers, colocations or disks.
    #[default]
    Protect,
    /// It leaves them.
    Orphan,
}

/// status is what RAIDC sees of the tenant. Nobody else writes it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TenantStatus {
    /// observedGeneration is the generation of the spec that this status speaks of; -1 before the first look.
    #[serde(default = "crate::crd::not_observed")]
    pub observed_generation: i64,
    /// conditions: Ready, WithinQuota.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// namespace in which the tenant works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
    /// usage of each limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<QuotaUsage>,
}

/// What is used of each limit.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct QuotaUsage {
    /// servers, counted.
    pub servers: UsedLimit,
    /// cores, virtual.
    pub cores: UsedLimit,
    /// memoryMib in MiB.
    pub memory_mib: UsedLimit,
    /// storageMib in MiB.
    pub storage_mib: UsedLimit,
    /// watts of colocated devices, in watts.
    pub watts: UsedLimit,
    /// rackUnits, counted.
    pub rack_units: UsedLimit,
}

/// Used and limit.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct UsedLimit {
    /// used now.
    pub used: i64,
    /// limit: absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
}
