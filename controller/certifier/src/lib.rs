//! How good a plan can be at all, and why a fleet cannot hold its demand. No I/O.
//!
//! [`certify`] gives a floor for the idle watts of every plan that places and protects the same servers, and a limit
//! for the load, both proven by multipliers in integers ([`Certificate::verify`]): the linear-programming solver that
//! finds the multipliers need not be trusted. [`bottlenecks`] says which servers exceed which sites, and by how much.
//!
//! Off the hot path: nothing is decided here, and the planner does not know of it. `docs/adr/0007-certifier.md`.

mod bottleneck;
mod certificate;
mod error;
mod flow;
mod linear;
mod rays;
mod relax;
mod solve;
mod view;

pub use bottleneck::{Bottleneck, bottlenecks};
pub use certificate::{Certificate, certify, idle_watts};
pub use error::CertifyError;
pub use linear::Multipliers;
