//! Gauges of what is proven about the plan. No I/O.
//!
//! A number that is not proven of the present plan is not there at all: a gauge that stands still looks like one that is true.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::certify::Findings;

/// No label: one series, which can be taken away.
type Bare = [(&'static str, &'static str); 0];
type Whole = Family<Bare, Gauge>;
type Fraction = Family<Bare, Gauge<f64, AtomicU64>>;

/// How an attempt ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// What moves, and how.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct MoveLabel {
    kind: &'static str,
}

/// What is proven about the plan, and what a consolidation would save.
pub struct Bound {
    attempts: Family<OutcomeLabel, Counter>,
    seconds: Histogram,
    at: Fraction,
    idle_watts: Whole,
    least_watts: Whole,
    gap: Fraction,
    max_safe_load: Fraction,
    bottlenecks: Whole,
    saved_watts: Whole,
    hosts: Whole,
    joules: Whole,
    moves: Family<MoveLabel, Gauge>,
}

impl Default for Bound {
    fn default() -> Self {
        Self {
            attempts: Family::default(),
            seconds: Histogram::new([0.01, 0.05, 0.2, 1.0, 5.0, 20.0, 60.0]),
            at: Family::default(),
            idle_watts: Family::default(),
            least_watts: Family::default(),
            gap: Family::default(),
            max_safe_load: Family::default(),
            bottlenecks: Family::default(),
            saved_watts: Family::default(),
            hosts: Family::default(),
            joules: Family::default(),
            moves: Family::default(),
        }
    }
}

impl Bound {
    pub(super) fn register(&self, r: &mut Registry) {
        r.register(
            "certifications",
            "Attempts to prove how good the plan is, by outcome",
            self.attempts.clone(),
        );
        r.register(
            "certification_seconds",
            "Seconds that such an attempt took",
            self.seconds.clone(),
        );
        r.register(
            "certificate_timestamp_seconds",
            "When the present plan was certified; absent while it is not",
            self.at.clone(),
        );
        r.register(
            "plan_idle_watts",
            "Idle draw of the hosts that the plan has on",
            self.idle_watts.clone(),
        );
        r.register(
            "plan_idle_watts_bound",
            "Proven: no plan that places and protects the same servers has less idle draw",
            self.least_watts.clone(),
        );
        r.register(
            "plan_idle_watts_gap_ratio",
            "How far plan_idle_watts is above its bound, as a part of the bound",
            self.gap.clone(),
        );
        r.register(
            "max_safe_load_ratio",
            "Proven: no plan holds more of the same mix than so many times what is placed now, with everything still protected",
            self.max_safe_load.clone(),
        );
        r.register(
            "bottlenecks",
            "Groups of servers that exceed the sites they may be at, in normal running or after a loss",
            self.bottlenecks.clone(),
        );
        r.register(
            "consolidation_saved_watts",
            "Idle draw that a consolidation would save; absent when none may be proposed",
            self.saved_watts.clone(),
        );
        r.register(
            "consolidation_hosts",
            "Hosts that could be switched off after a consolidation",
            self.hosts.clone(),
        );
        r.register(
            "consolidation_cost_joules",
            "What the moves of a consolidation would cost",
            self.joules.clone(),
        );
        r.register(
            "consolidation_moves",
            "Moves of a consolidation: live migrations within a site, failovers to another site, reserves kept elsewhere",
            self.moves.clone(),
        );
    }

    /// An attempt ended.
    pub fn attempted(&self, outcome: &'static str, took: Duration) {
        self.attempts.get_or_create(&OutcomeLabel { outcome }).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// What is proven of the present plan, and when it was; `None` takes everything away.
    pub fn show(&self, current: Option<(&Findings, Timestamp)>) {
        let findings = current.map(|(findings, _)| findings);
        let certificate = findings.and_then(|f| f.certificate.as_ref().ok());
        let at = current.map(|(_, at)| at.as_second());
        fraction(&self.at, at.filter(|_| certificate.is_some()).map(float));
        whole(&self.idle_watts, certificate.map(|c| c.idle_watts));
        whole(&self.least_watts, certificate.map(|c| c.bound_watts));
        fraction(&self.gap, certificate.map(|c| thousandths(c.gap_permille)));
        let most = certificate.and_then(|c| c.max_safe_load_permille);
        fraction(&self.max_safe_load, most.map(thousandths));
        let bottlenecks = findings.and_then(|f| f.bottlenecks.as_ref());
        whole(&self.bottlenecks, bottlenecks.map(|b| count(b.len())));
        let proposal = findings.and_then(|f| f.proposal.as_ref());
        whole(&self.saved_watts, proposal.map(|p| p.watts));
        whole(&self.hosts, proposal.map(|p| count(p.hosts.len())));
        whole(&self.joules, proposal.map(|p| p.cost_joules));
        self.moves.clear();
        if let Some(p) = proposal {
            for (kind, moves) in [
                ("Migration", p.migrations),
                ("Failover", p.failovers),
                ("Reserve", p.reserves),
            ] {
                self.moves.get_or_create(&MoveLabel { kind }).set(moves);
            }
        }
    }
}

fn whole(gauge: &Whole, value: Option<i64>) {
    match value {
        Some(value) => {
            gauge.get_or_create(&[]).set(value);
        }
        None => gauge.clear(),
    }
}

fn fraction(gauge: &Fraction, value: Option<f64>) {
    match value {
        Some(value) => {
            gauge.get_or_create(&[]).set(value);
        }
        None => gauge.clear(),
    }
}

/// Prometheus has ratios and no percentages.
fn thousandths(value: i64) -> f64 {
    float(value) / 1000.0
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is for people; seconds and thousandths fit 52 bits"
)]
fn float(value: i64) -> f64 {
    value as f64
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
