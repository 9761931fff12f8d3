//! A real Kubernetes control plane on loopback for tests and the demo; only the hardware under it is simulated.
//!
//! The fleet to play is data ([`FleetSpec`]).

pub mod fleet;
pub mod sim;

pub use fleet::{FleetSpec, Profile, RackSpec, SiteSpec};
