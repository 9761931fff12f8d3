//! What every reconciler is given. No I/O of its own.

use std::sync::Arc;

use raidc_planner::{Fleet, Plan};
use tokio::sync::watch;

use super::backoff::Backoff;
use super::clock::Clock;
use super::config::Config;
use super::events::Events;
use super::metrics::Metrics;
use super::sent::Sent;
use super::words::Words;
use super::writer::Writer;
use crate::certify::Verdict;
use crate::inventory::stores::Stores;
use crate::inventory::translate::Notes;

/// The last decision that was checked, with the fleet that it was made for.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// What the planner looked at.
    pub fleet: Fleet,
    /// What it answered.
    pub plan: Plan,
    /// Counts the decisions of this process; 0 means that none was made yet.
    pub sequence: u64,
    /// What could not be given to the planner, and why.
    pub notes: Notes,
    /// What the independent checker found. When there is anything, nothing of the plan was written and `plan` is still
    /// the one before.
    pub faults: Vec<raidc_planner::Fault>,
}

impl Decision {
    /// Whether a plan has been made at all: before that, nothing is known and nothing may be said.
    #[must_use]
    pub fn is_made(&self) -> bool {
        self.sequence > 0
    }
}

/// What every reconciler is given.
pub struct Ctx {
    /// For reads that the stores cannot answer. Writes go through `writer`.
    pub client: kube::Client,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The only way to write.
    pub writer: Writer,
    /// What the watches have seen.
    pub stores: Stores,
    /// The last decision.
    pub plan: watch::Receiver<Arc<Decision>>,
    /// What is proven about it.
    pub verdict: watch::Receiver<Arc<Verdict>>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// How long to wait after an error, per object.
    pub backoff: Backoff,
    /// Flags.
    pub config: Arc<Config>,
    /// Events, on edges only.
    pub recorder: Events,
    /// Statuses that were sent and not seen back yet.
    pub sent: Sent,
    /// When mere words were written last.
    pub words: Words,
}

impl Ctx {
    /// The last decision.
    #[must_use]
    pub fn decision(&self) -> Arc<Decision> {
        Arc::clone(&self.plan.borrow())
    }
}
