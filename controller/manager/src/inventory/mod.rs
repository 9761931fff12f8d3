//! What there is: the only place where API objects become the planner's words.

pub mod adopt;
pub mod amounts;
pub mod claims;
mod colocations;
pub mod data;
pub mod freshness;
pub mod granted;
mod groups;
pub mod guard;
pub mod hosts;
pub mod migrations;
pub mod moving;
pub mod overlay;
pub mod pods;
pub mod probe;
pub(crate) mod racks;
mod reservations;
pub(crate) mod salvage;
pub mod seen;
pub mod servers;
pub mod sight;
pub mod silence;
pub mod sizes;
mod spans;
pub mod stores;
pub mod tenancy;
pub mod translate;
mod trim;
pub mod usage;
pub mod watched;

/// Objects of KubeVirt that the inventory reads, for those who bring them in without a cluster.
pub use crate::foreign::kubevirt::{VirtualMachine, VirtualMachineClusterInstancetype};

#[cfg(test)]
mod held_tests;
