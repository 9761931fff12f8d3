//! The machinery under every simulated component: tables fed by watches, queues of objects to look at, and writes
//! that are skipped when they would change nothing.

mod context;
mod kind;
mod queue;
mod watch;
mod world;

pub(crate) use context::{Context, within};
pub(crate) use kind::{Kind, SNAPSHOT_GROUP, claim_of_volume, claims_of, destination_address};
pub(crate) use queue::{Keeper, Next, keep};
pub(crate) use watch::keep as keep_watching;
pub(crate) use world::{Change, Seen};
