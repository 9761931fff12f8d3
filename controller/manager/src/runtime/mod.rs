//! How the operator runs, whatever it decides: writing, leading, waiting, counting, telling, stopping.

pub mod applied;
pub mod backoff;
pub mod bound;
pub mod clock;
pub mod config;
pub mod context;
pub mod covers;
pub mod edges;
pub mod error;
pub mod events;
pub mod health;
pub mod lease;
pub mod lease_api;
pub mod metrics;
pub mod moves;
pub mod process;
pub mod rights;
pub mod sent;
pub mod telemetry;
#[cfg(test)]
pub(crate) mod testing;
pub mod words;
pub mod writer;
