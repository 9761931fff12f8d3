//! The operator: look (`inventory`), decide (`placement`, by raidc-planner), act (`executors`), tell (`reconcile`).
//!
//! May import: raidc-crds, raidc-planner and raidc-certifier. Read [`placement`] first: it is the one loop that decides; the reconcilers
//! carry its decisions out; `consolidate` moves servers where the platform team allows it. `runtime` knows how to write, wait, count and stop; `foreign` holds the few fields of other
//! projects' objects that we set or read.

pub mod certify;
pub mod consolidate;
pub mod executors;
pub mod foreign;
pub mod inventory;
pub mod placement;
pub mod reconcile;
pub mod runtime;

pub use runtime::context::{Ctx, Decision};
pub use runtime::error::{Class, Error};
