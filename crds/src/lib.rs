//! The words that users write: the API types of RAIDC (group `raidc.dev`, version `v1alpha1`) and their CRDs. No I/O.
//!
//! May import: kube's `derive` only, never a crate of ours. Read [`virtual_server`] first: everything else serves it.
//! Doc comments on fields are what `kubectl explain` prints, so they are written for a municipal IT admin.

#![allow(
    unreachable_pub,
    reason = "KubeSchema derives its schema through an inner copy of each struct, which nobody can reach"
)]

pub mod colocation;
pub mod condition;
mod crd;
pub mod drill;
pub mod duration;
pub mod failover;
mod group;
pub mod names;
pub mod quantity;
pub mod rack;
pub mod replication_policy;
pub mod site;
pub mod tenant;
pub mod virtual_server;

pub use colocation::{Colocation, ColocationSpec, ColocationStatus};
pub use crd::{all, documents};
pub use drill::{Drill, DrillSpec, DrillStatus};
pub use duration::Duration;
pub use failover::{Failover, FailoverSpec, FailoverStatus};
pub use quantity::Quantity;
pub use rack::{Rack, RackSpec, RackStatus};
pub use replication_policy::{ReplicationPolicy, ReplicationPolicySpec, ReplicationPolicyStatus};
pub use site::{Site, SiteSpec, SiteStatus};
pub use tenant::{Tenant, TenantSpec, TenantStatus};
pub use virtual_server::{VirtualServer, VirtualServerSpec, VirtualServerStatus};
