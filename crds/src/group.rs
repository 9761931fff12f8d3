//! Groups of servers of one namespace that stay apart or together. No I/O.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

/// Which servers stay apart, and how far.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Apart {
    /// group: servers of this namespace with the same group stay apart.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub group: String,
    /// by: never on the same Host, Rack or Site. Default Host.
    #[serde(default)]
    pub by: ApartBy,
    /// domain names a part of the group, such as one half of a cluster: servers of the same domain may be together, and only those of
    /// different domains stay apart. Default: apart from every other server of the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub domain: Option<String>,
}

/// How far servers stay apart.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApartBy {
    /// Never on the same host.
    #[default]
    Host,
    /// Never in the same rack.
    Rack,
    /// Never at the same site.
    Site,
}

/// Which servers stay together, and how near.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Together {
    /// group: servers of this namespace with the same group stay together.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub group: String,
    /// by: on the same Host, in the same Rack or at the same Site, also when they start elsewhere after a loss. The nearer, the
    /// more of them are lost together, and the harder it is to find room. Default Site.
    #[serde(default)]
    pub by: TogetherBy,
}

/// How near servers stay together.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TogetherBy {
    /// On the same host.
    Host,
    /// In the same rack.
    Rack,
    /// At the same site.
    #[default]
    Site,
}
