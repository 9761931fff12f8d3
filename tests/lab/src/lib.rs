//! A real Kubernetes control plane on loopback for tests and the demo; only the hardware under it is simulated.
//!
//! [`Lab::up`] starts etcd, the API server with its controllers and scheduler, KubeVirt's own virt-api and
//! virt-controller and VolSync's own manager, built from their published modules. Dropping the [`Lab`] ends them all.

mod access;
pub mod audit;
mod certs;
mod control_plane;
mod controllers;
pub mod daemon;
mod error;
pub mod faults;
pub mod fleet;
pub mod guard;
mod kubeconfig;
mod kubevirt;
mod lab;
mod objects;
mod options;
pub mod parts;
mod ports;
mod process;
mod seed;
pub mod sim;
mod supervisor;
mod up;
mod volsync;
mod waiting;

pub use access::Access;
pub use audit::{AuditEntry, AuditFilter};
pub use error::{LabError, chain};
pub use faults::{FaultSet, Faults};
pub use fleet::{FleetSpec, Profile, RackSpec, SiteSpec};
pub use lab::Lab;
pub use options::LabOptions;
pub use process::tail;
pub use sim::Delays;
pub use supervisor::Running;
