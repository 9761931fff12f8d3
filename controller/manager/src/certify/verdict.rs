//! What the certifier found, of which plan it speaks, and what that means for one site. No I/O.
//!
//! Fail closed: what was found of another plan or another fleet, or long ago, is not shown as if it were of now.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use raidc_certifier::{Bottleneck, Certificate};
use raidc_crds::condition::Status;
use raidc_planner::{Fleet, Host, Plan, Server, SiteName};

use super::pace;
use super::propose::Proposal;
use crate::Decision;

/// Sentences that one condition has at most; the rest are counted.
const SENTENCES: usize = 3;

/// What one attempt gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// What is proven, or why nothing is.
    pub certificate: Result<Certificate, String>,
    /// Servers that exceed the sites they may be at; `None` when nobody looked.
    pub bottlenecks: Option<Vec<Bottleneck>>,
    /// What a consolidation would save; `None` when it is switched off or this is no moment for one.
    pub proposal: Option<Proposal>,
}

impl Findings {
    /// Nothing, and why.
    pub(super) fn none(why: impl Into<String>) -> Self {
        Self {
            certificate: Err(why.into()),
            bottlenecks: None,
            proposal: None,
        }
    }
}

/// The last word of the certifier.
#[derive(Clone, Debug, Default)]
pub enum Verdict {
    /// This process has only begun to lead: what the status says is better than nothing.
    #[default]
    Awaited,
    /// It has led for a while and certified nothing yet.
    Overdue,
    /// An attempt ended.
    Given {
        /// What it looked at.
        of: Arc<Decision>,
        /// When it ended.
        at: Timestamp,
        /// The limit of the load in whole percent, steady (see [`steady_percent`]).
        percent: Option<i64>,
        /// What it gave.
        findings: Box<Findings>,
    },
}

/// What a Site's status says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The limit of the load of the whole fleet, in percent of the present one.
    pub percent: Option<i64>,
    /// Of the condition.
    pub status: Status,
    /// Of the condition.
    pub reason: &'static str,
    /// Of the condition.
    pub message: String,
}

impl Verdict {
    /// What was found and when, if it was of this decision and lately.
    #[must_use]
    pub fn current(&self, decision: &Decision, now: Timestamp) -> Option<(&Findings, Timestamp)> {
        // After a plan that was refused the one before is still in force, of a fleet that is no longer.
        let stands = decision.faults.is_empty();
        match self {
            Self::Given { of, at, findings, .. }
                if stands && is_fresh(*at, now) && same_question(of, decision) =>
            {
                Some((findings, *at))
            }
            _ => None,
        }
    }

    /// What the status of one site should say; `None` to leave it as it is.
    #[must_use]
    pub fn says(&self, decision: &Decision, site: &SiteName, now: Timestamp) -> Option<Said> {
        let unknown = |reason, message: &str| {
            Some(Said {
                percent: None,
                status: Status::Unknown,
                reason,
                message: message.to_owned(),
            })
        };
        if !decision.faults.is_empty() {
            return unknown("PlanRefused", "the last plan was refused by the checker");
        }
        let (of, at, percent, findings) = match self {
            Self::Awaited => return None,
            Self::Overdue => {
                return unknown(
                    "NotCertifiedYet",
                    "nothing was certified since the operator began to lead: this is done when something is placed and the plan has stood for a quarter of a minute",
                );
            }
            Self::Given {
                of,
                at,
                percent,
                findings,
            } => (of, *at, *percent, findings),
        };
        if !same_question(of, decision) {
            return unknown(
                "PlanChanged",
                "the plan or the fleet has changed since it was last certified: this is done again when it has come to rest, at most every ten minutes",
            );
        }
        if !is_fresh(at, now) {
            return unknown(
                "CertificateTooOld",
                "the last certificate is more than half an hour old: the log of the operator says what keeps it from a new one",
            );
        }
        let percent = percent.filter(|_| findings.certificate.is_ok());
        let here = touching(findings.bottlenecks.as_deref().unwrap_or_default(), site);
        if !here.is_empty() {
            return Some(Said {
                percent,
                status: Status::False,
                reason: "Bottleneck",
                message: sentences(&here),
            });
        }
        if let Err(why) = &findings.certificate {
            return unknown("NotCertified", why);
        }
        Some(Said {
            percent,
            status: Status::True,
            reason: "NoBottleneck",
            message: "no group of servers asks for more than the sites that it may be at have, in normal running or after a loss"
                .to_owned(),
        })
    }
}

/// The limit in whole percent, for people: never more than is proven, and not another number each time that the last digit of the
/// proof trembles. It falls at once and rises when it is well above the next whole percent.
pub(super) fn steady_percent(before: Option<i64>, permille: i64) -> i64 {
    match before {
        Some(before) if (before * 10..before * 10 + 15).contains(&permille) => before,
        _ => permille.div_euclid(10),
    }
}

fn is_fresh(at: Timestamp, now: Timestamp) -> bool {
    let age = now.duration_since(at);
    // A clock that was put back makes it no younger.
    age >= SignedDuration::ZERO
        && age <= SignedDuration::try_from(pace::OLDEST).unwrap_or(SignedDuration::ZERO)
}

/// Whether what is proven of one is proven of the other: the same decisions for the same servers on the same hardware. What
/// others' pods take does not count here, because it changes all the time; that is what certifying again is for.
pub(crate) fn same_question(a: &Decision, b: &Decision) -> bool {
    (a.is_made() && a.sequence == b.sequence)
        || (same_plan(&a.plan, &b.plan) && same_fleet(&a.fleet, &b.fleet))
}

fn same_plan(a: &Plan, b: &Plan) -> bool {
    let waiting = |plan: &Plan| -> Vec<_> {
        plan.waiting
            .iter()
            .map(|(id, waiting)| (id.clone(), waiting.reason()))
            .collect()
    };
    a.id == b.id && waiting(a) == waiting(b)
}

fn same_fleet(a: &Fleet, b: &Fleet) -> bool {
    let host = |host: &Host| Host {
        taken_cpu_milli: 0,
        taken_memory_mib: 0,
        kept_on: false,
        ..host.clone()
    };
    // Where a server is, and with what, is in the plan.
    let server = |server: &Server| Server {
        current: None,
        granted: None,
        ..server.clone()
    };
    a.sites == b.sites
        && a.racks == b.racks
        && alike(&a.hosts, &b.hosts, host)
        && alike(&a.servers, &b.servers, server)
}

fn alike<K: PartialEq, V, W: PartialEq>(
    a: &BTreeMap<K, V>,
    b: &BTreeMap<K, V>,
    what: impl Fn(&V) -> W,
) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .all(|((k, v), (l, w))| k == l && what(v) == what(w))
}

/// The bottlenecks that concern a site: it is exceeded, or what exceeds may be there. One that names no site concerns all.
fn touching<'a>(bottlenecks: &'a [Bottleneck], site: &SiteName) -> Vec<&'a Bottleneck> {
    let concerns = |b: &&Bottleneck| {
        let only = b.only.as_deref().unwrap_or_default();
        (b.sites.is_empty() && only.is_empty()) || b.sites.contains(site) || only.contains(site)
    };
    bottlenecks.iter().filter(concerns).collect()
}

fn sentences(bottlenecks: &[&Bottleneck]) -> String {
    let told = bottlenecks.iter().take(SENTENCES).map(ToString::to_string);
    let rest = bottlenecks.len().saturating_sub(SENTENCES);
    let more = (rest > 0).then(|| format!("and {rest} more"));
    let all: Vec<String> = told.chain(more).collect();
    format!(
        "{}: add hosts there, let these servers be at more sites, or ask for less",
        all.join("; ")
    )
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
