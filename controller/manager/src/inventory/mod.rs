//! What there is: the only place where API objects become the planner's words.

pub mod adopt;
pub mod amounts;
mod groups;
pub mod hosts;
pub mod migrations;
pub mod moving;
pub mod overlay;
pub mod probe;
mod racks;
pub mod servers;
pub mod stores;
pub mod translate;
mod trim;
pub mod usage;
pub mod watched;

/// Objects of KubeVirt that the inventory reads, for those who bring them in without a cluster.
pub use crate::foreign::kubevirt::{VirtualMachine, VirtualMachineClusterInstancetype};
