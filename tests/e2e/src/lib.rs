//! The whole product on a lab: our charts installed by real Helm, the controller as a process under the chart's own
//! service account. The demo and the end-to-end tests share it.
//!
//! Read [`world::World`] first. May import everything; nobody imports this crate.

pub mod certificate;
pub mod cluster;
pub mod controller;
pub mod demo;
pub mod error;
pub mod gate;
pub mod install;
pub mod inventory;
pub mod quiet;
pub mod recount;
pub mod rights;
pub mod servers;
mod tables;
pub mod world;

pub use cluster::Cluster;
pub use controller::Controller;
pub use error::Error;
pub use world::World;
