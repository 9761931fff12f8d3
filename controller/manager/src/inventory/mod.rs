//! What there is: the only place where API objects become the planner's words.

pub mod adopt;
pub mod amounts;
pub mod freshness;
mod groups;
pub mod hosts;
pub mod migrations;
pub mod moving;
pub mod overlay;
pub mod probe;
mod racks;
pub mod servers;
pub mod sight;
pub mod stores;
pub mod translate;
mod trim;
pub mod watched;
