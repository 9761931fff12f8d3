//! Counters of the moves that consolidations carry out. No I/O.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// How a move ended, or that it began.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// Why none is made.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// Moves that consolidations carry out.
#[derive(Default)]
pub struct Moves {
    outcomes: Family<OutcomeLabel, Counter>,
    waits: Family<ReasonLabel, Gauge>,
}

impl Moves {
    pub(super) fn register(&self, r: &mut Registry) {
        r.register(
            "consolidation_migrations",
            "Live migrations that consolidations began, and how they ended",
            self.outcomes.clone(),
        );
        r.register(
            "consolidation_waits",
            "1 by the reason why no server is moved now; absent where consolidations are not carried out",
            self.waits.clone(),
        );
    }

    /// A move began or ended.
    pub fn ended(&self, outcome: &'static str) {
        self.outcomes.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Why none is made; `None` when one has just begun.
    pub fn waits(&self, reason: Option<&'static str>) {
        self.waits.clear();
        if let Some(reason) = reason {
            self.waits.get_or_create(&ReasonLabel { reason }).set(1);
        }
    }
}
