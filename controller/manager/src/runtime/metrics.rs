//! Counters for Prometheus. No I/O; `health` serves them.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::bound::Bound;
use super::moves::Moves;

/// Labels of a reconcile.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReconcileLabels {
    kind: String,
    outcome: String,
}

/// Labels of a write.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct WriteLabels {
    verb: String,
    kind: String,
    outcome: String,
}

/// One label that names a kind.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KindLabel {
    kind: String,
}

/// One label that names a reason.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabel {
    reason: String,
}

/// One label that names another project.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BackendLabel {
    backend: String,
}

/// One label that names a rack.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RackLabel {
    rack: String,
}

type Seconds = Family<KindLabel, Histogram, fn() -> Histogram>;

/// Every counter of the operator.
pub struct Metrics {
    registry: Registry,
    reconciles: Family<ReconcileLabels, Counter>,
    reconcile_seconds: Seconds,
    writes: Family<WriteLabels, Counter>,
    leader: Gauge,
    objects: Family<KindLabel, Gauge>,
    watch_errors: Family<KindLabel, Counter>,
    malformed: Family<KindLabel, Gauge>,
    backend: Family<BackendLabel, Gauge>,
    plans: Counter,
    plan_seconds: Histogram,
    plan_faults: Gauge,
    plan_problems: Gauge,
    waiting: Family<ReasonLabel, Gauge>,
    placed: Gauge,
    unusable_nodes: Family<ReasonLabel, Gauge>,
    headroom: Family<RackLabel, Gauge>,
    last_plan: Gauge<f64, AtomicU64>,
    /// What is proven about the plan.
    pub bound: Bound,
    /// Moves that consolidations carry out.
    pub moves: Moves,
}

fn seconds() -> Histogram {
    Histogram::new([0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0])
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("raidc"),
            reconciles: Family::default(),
            reconcile_seconds: Family::new_with_constructor(seconds),
            writes: Family::default(),
            leader: Gauge::default(),
            objects: Family::default(),
            watch_errors: Family::default(),
            malformed: Family::default(),
            backend: Family::default(),
            plans: Counter::default(),
            plan_seconds: seconds(),
            plan_faults: Gauge::default(),
            plan_problems: Gauge::default(),
            waiting: Family::default(),
            placed: Gauge::default(),
            unusable_nodes: Family::default(),
            headroom: Family::default(),
            last_plan: Gauge::default(),
            bound: Bound::default(),
            moves: Moves::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let r = &mut self.registry;
        r.register(
            "reconciles",
            "Reconciles by kind and outcome",
            self.reconciles.clone(),
        );
        r.register(
            "reconcile_seconds",
            "Seconds that a reconcile took",
            self.reconcile_seconds.clone(),
        );
        r.register(
            "writes",
            "Calls that change something, by verb, kind and outcome",
            self.writes.clone(),
        );
        r.register("leader", "1 while this replica leads", self.leader.clone());
        r.register(
            "objects",
            "Objects in the store of each kind",
            self.objects.clone(),
        );
        r.register(
            "watch_errors",
            "Errors of each kind's watch",
            self.watch_errors.clone(),
        );
        r.register(
            "malformed_objects",
            "Objects of ours that cannot be read",
            self.malformed.clone(),
        );
        r.register(
            "backend_available",
            "1 while the kinds of another project are served",
            self.backend.clone(),
        );
        r.register("plans", "Plans made", self.plans.clone());
        r.register(
            "plan_seconds",
            "Seconds that a plan took",
            self.plan_seconds.clone(),
        );
        r.register(
            "plan_faults",
            "Faults that the checker found in the last plan",
            self.plan_faults.clone(),
        );
        r.register(
            "plan_problems",
            "Parts of the fleet that the planner set aside",
            self.plan_problems.clone(),
        );
        r.register(
            "plan_waiting",
            "Demands that wait, by reason",
            self.waiting.clone(),
        );
        r.register("plan_placed", "Servers that have a place", self.placed.clone());
        r.register(
            "unusable_nodes",
            "Nodes that are not used, by reason",
            self.unusable_nodes.clone(),
        );
        r.register(
            "rack_headroom_watts",
            "Watts left in each rack after the worst single loss",
            self.headroom.clone(),
        );
        r.register(
            "last_plan_timestamp_seconds",
            "When the last plan was made",
            self.last_plan.clone(),
        );
        self.bound.register(r);
        self.moves.register(r);
    }

    /// A reconcile ended.
    pub fn reconciled(&self, kind: &str, outcome: &str, took: Duration) {
        self.reconciles
            .get_or_create(&ReconcileLabels {
                kind: kind.to_owned(),
                outcome: outcome.to_owned(),
            })
            .inc();
        self.reconcile_seconds
            .get_or_create(&KindLabel {
                kind: kind.to_owned(),
            })
            .observe(took.as_secs_f64());
    }

    /// A call that changes something ended, or was refused before it was sent.
    pub fn wrote(&self, verb: &str, kind: &str, outcome: &str) {
        self.writes
            .get_or_create(&WriteLabels {
                verb: verb.to_owned(),
                kind: kind.to_owned(),
                outcome: outcome.to_owned(),
            })
            .inc();
    }

    /// This replica leads, or no longer does.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// How many objects of a kind are known, and how many of them cannot be read.
    pub fn stored(&self, kind: &str, objects: usize, malformed: usize) {
        let label = KindLabel {
            kind: kind.to_owned(),
        };
        self.objects.get_or_create(&label).set(count(objects));
        self.malformed.get_or_create(&label).set(count(malformed));
    }

    /// A watch reported an error.
    pub fn watch_failed(&self, kind: &str) {
        self.watch_errors
            .get_or_create(&KindLabel {
                kind: kind.to_owned(),
            })
            .inc();
    }

    /// Whether the kinds of another project are served.
    pub fn backend(&self, backend: &str, available: bool) {
        self.backend
            .get_or_create(&BackendLabel {
                backend: backend.to_owned(),
            })
            .set(i64::from(available));
    }

    /// A plan was made and checked.
    pub fn planned(&self, plan: &raidc_planner::Plan, faults: usize, took: Duration, at: f64) {
        self.plans.inc();
        self.plan_seconds.observe(took.as_secs_f64());
        self.plan_faults.set(count(faults));
        self.plan_problems.set(count(plan.problems.len()));
        self.placed.set(count(plan.servers.len()));
        self.last_plan.set(at);
        self.waiting.clear();
        for waiting in plan.waiting.values() {
            self.waiting
                .get_or_create(&ReasonLabel {
                    reason: waiting.reason().to_owned(),
                })
                .inc();
        }
        self.headroom.clear();
        for (rack, ledger) in &plan.racks {
            self.headroom
                .get_or_create(&RackLabel {
                    rack: rack.to_string(),
                })
                .set(ledger.headroom_watts);
        }
    }

    /// The planner did not come back.
    pub fn plan_failed(&self) {
        self.plan_faults.set(1);
    }

    /// Nodes that are not used, by reason.
    pub fn unusable<'a>(&self, reasons: impl Iterator<Item = &'a str>) {
        self.unusable_nodes.clear();
        for reason in reasons {
            self.unusable_nodes
                .get_or_create(&ReasonLabel {
                    reason: reason.to_owned(),
                })
                .inc();
        }
    }

    /// Everything in the OpenMetrics text format; empty when it cannot be written.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
