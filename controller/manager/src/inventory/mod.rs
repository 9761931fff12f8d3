//! What there is: the only place where API objects become the planner's words.

pub mod adopt;
pub mod amounts;
mod colocations;
pub mod data;
mod groups;
pub mod guard;
pub mod hosts;
pub mod migrations;
pub mod moving;
pub mod overlay;
pub mod pods;
pub mod probe;
mod racks;
mod reservations;
mod salvage;
pub mod seen;
pub mod servers;
pub mod stores;
pub mod tenancy;
pub mod translate;
mod trim;
pub mod watched;

#[cfg(test)]
mod held_tests;
