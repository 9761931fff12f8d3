//! What is proven about the plan, beside the loop that makes it. I/O: a thread that computes, metrics, a log line; no API call.
//!
//! The placement loop never waits for any of this and knows nothing of it. A plan that has come to rest is handed to
//! `raidc-certifier` on a thread of its own; what comes back is published as a [`Verdict`], which the Site reconciler shows. When
//! that fails or takes too long, the verdict says so and nothing else changes. `docs/adr/0010-certificate-in-the-operator.md`.

mod pace;
mod propose;
mod verdict;

use std::sync::Arc;

use raidc_planner::HostName;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::Decision;
use crate::runtime::clock::Clock;
use crate::runtime::config::ConsolidationMode;
use crate::runtime::metrics::Metrics;

pub use pace::Pace;
pub(crate) use propose::no_moment;
pub use propose::{Proposal, propose};
pub(crate) use verdict::same_question;
pub use verdict::{Findings, Said, Verdict};

/// Hosts that the log line names; the rest are counted.
const NAMED: usize = 8;

/// What one attempt gives for a decision.
pub type Look = Arc<dyn Fn(&Decision, ConsolidationMode) -> Findings + Send + Sync>;

/// What the task needs.
pub struct Certifier {
    /// The decisions.
    pub plan: watch::Receiver<Arc<Decision>>,
    /// Where the verdict is published.
    pub publish: watch::Sender<Arc<Verdict>>,
    /// Gauges.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether consolidations are proposed.
    pub consolidation: ConsolidationMode,
    /// What is done on the thread: [`look`].
    pub look: Look,
    /// How long to wait for what.
    pub pace: Pace,
}

/// An attempt under way.
struct Running {
    of: Arc<Decision>,
    answer: oneshot::Receiver<Findings>,
    began: Instant,
    /// Its time is over; nothing else begins until the thread has ended.
    given_up: bool,
}

/// What the task remembers.
struct Memory {
    decision: Arc<Decision>,
    started: Instant,
    changed: Instant,
    began: Option<Instant>,
    running: Option<Running>,
    told: Option<Proposal>,
}

/// Certifies, looks for bottlenecks and proposes. Milliseconds to seconds.
#[must_use]
pub fn look(decision: &Decision, consolidation: ConsolidationMode) -> Findings {
    let (fleet, plan) = (&decision.fleet, &decision.plan);
    let certificate = raidc_certifier::certify(fleet, plan).map_err(|error| error.to_string());
    let proposal = match consolidation {
        ConsolidationMode::Off => None,
        ConsolidationMode::Propose | ConsolidationMode::Execute => propose(decision)
            .inspect_err(|why| tracing::debug!(why, "no consolidation is proposed"))
            .ok(),
    };
    Findings {
        certificate,
        bottlenecks: Some(raidc_certifier::bottlenecks(fleet, plan)),
        proposal,
    }
}

impl Certifier {
    /// Certifies until `stop` says so.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.certify_for_ever() => {}
            stopped = stop.wait_for(|stop| *stop) => drop(stopped),
        }
    }

    async fn certify_for_ever(mut self) {
        let now = Instant::now();
        let mut memory = Memory {
            decision: Arc::clone(&self.plan.borrow_and_update()),
            started: now,
            changed: now,
            began: None,
            running: None,
            told: None,
        };
        loop {
            let wake = self.wake(&memory);
            tokio::select! {
                changed = self.plan.changed() => {
                    if changed.is_err() {
                        // No decision will ever come again: the process is ending.
                        std::future::pending::<()>().await;
                    }
                    let decision = Arc::clone(&self.plan.borrow_and_update());
                    if !verdict::same_question(&memory.decision, &decision) {
                        memory.changed = Instant::now();
                    }
                    memory.decision = decision;
                    self.show(&memory.decision);
                }
                findings = answered(&mut memory.running) => self.ended(&mut memory, findings),
                () = at(wake) => self.due(&mut memory),
            }
        }
    }

    /// When there is something to do that nobody else says; `None`: not before something changes.
    fn wake(&self, memory: &Memory) -> Option<Instant> {
        if let Some(running) = &memory.running {
            return (!running.given_up).then(|| running.began + self.pace.deadline);
        }
        let next = is_worth_it(&memory.decision).then(|| {
            self.pace
                .next(memory.changed, memory.began, self.is_answered(&memory.decision))
        });
        let overdue =
            matches!(**self.publish.borrow(), Verdict::Awaited).then(|| memory.started + self.pace.grace);
        [next, overdue].into_iter().flatten().min()
    }

    /// The time that [`Self::wake`] named has come.
    fn due(&self, memory: &mut Memory) {
        if let Some(running) = &mut memory.running {
            running.given_up = true;
            let of = Arc::clone(&running.of);
            let why = format!(
                "the certifier gave no answer within {} s: the plan is not touched by this, and it is tried again",
                self.pace.deadline.as_secs()
            );
            self.metrics.bound.attempted("TimedOut", self.pace.deadline);
            self.give(memory, of, Findings::none(why));
            return;
        }
        let now = Instant::now();
        if matches!(**self.publish.borrow(), Verdict::Awaited) && now >= memory.started + self.pace.grace {
            self.publish.send_replace(Arc::new(Verdict::Overdue));
        }
        if is_worth_it(&memory.decision)
            && now
                >= self
                    .pace
                    .next(memory.changed, memory.began, self.is_answered(&memory.decision))
        {
            memory.began = Some(now);
            memory.running = Some(self.begin(&memory.decision, now));
        }
    }

    /// On a thread of its own and not of the runtime: one that does not come back must not keep the process from ending.
    fn begin(&self, decision: &Arc<Decision>, began: Instant) -> Running {
        let (send, answer) = oneshot::channel();
        let (of, consolidation, look) = (Arc::clone(decision), self.consolidation, Arc::clone(&self.look));
        let thread = std::thread::Builder::new().name("certifier".to_owned());
        let work = move || drop(send.send(look(&of, consolidation)));
        if let Err(error) = thread.spawn(work) {
            // The sender is gone with the closure, which `answered` takes for an attempt that failed.
            tracing::warn!(%error, "no thread for the certifier");
        }
        Running {
            of: Arc::clone(decision),
            answer,
            began,
            given_up: false,
        }
    }

    /// The thread has ended; `None` without an answer.
    fn ended(&self, memory: &mut Memory, findings: Option<Findings>) {
        let Some(running) = memory.running.take().filter(|running| !running.given_up) else {
            return;
        };
        let findings = findings.unwrap_or_else(|| {
            Findings::none("the certifier ended without an answer: please report this as a defect; the plan is not touched by it")
        });
        let outcome = if findings.certificate.is_ok() {
            "Proven"
        } else {
            "Failed"
        };
        self.metrics.bound.attempted(outcome, running.began.elapsed());
        if let Some(proposal) = findings
            .proposal
            .as_ref()
            .filter(|p| memory.told.as_ref() != Some(*p))
        {
            tell(proposal, self.consolidation);
            memory.told = Some(proposal.clone());
        }
        self.give(memory, running.of, findings);
    }

    fn give(&self, memory: &Memory, of: Arc<Decision>, findings: Findings) {
        let before = match &**self.publish.borrow() {
            Verdict::Given { percent, .. } => *percent,
            Verdict::Awaited | Verdict::Overdue => None,
        };
        // A failed attempt forgets the limit only for as long as it is not proven anew.
        let percent = match &findings.certificate {
            Ok(certificate) => certificate
                .max_safe_load_permille
                .map(|permille| verdict::steady_percent(before, permille)),
            Err(why) => {
                tracing::warn!(why, "the plan is not certified");
                before
            }
        };
        self.publish.send_replace(Arc::new(Verdict::Given {
            of,
            at: self.clock.now(),
            percent,
            findings: Box::new(findings),
        }));
        self.show(&memory.decision);
    }

    /// Whether there is a certificate of this decision.
    fn is_answered(&self, decision: &Decision) -> bool {
        let verdict = self.publish.borrow();
        let current = verdict.current(decision, self.clock.now());
        current.is_some_and(|(findings, _)| findings.certificate.is_ok())
    }

    /// Sets the gauges to what is proven of this decision, or takes them away.
    fn show(&self, decision: &Decision) {
        let verdict = self.publish.borrow();
        self.metrics
            .bound
            .show(verdict.current(decision, self.clock.now()));
    }
}

/// Whether there is anything to say about it.
fn is_worth_it(decision: &Decision) -> bool {
    decision.is_made()
        && decision.faults.is_empty()
        && !(decision.plan.servers.is_empty() && decision.plan.waiting.is_empty())
}

/// The answer of the attempt under way, `None` when its thread ended without one; waits for ever while there is no attempt.
async fn answered(running: &mut Option<Running>) -> Option<Findings> {
    match running {
        Some(running) => (&mut running.answer).await.ok(),
        None => std::future::pending().await,
    }
}

async fn at(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

/// One line, when it is news.
fn tell(proposal: &Proposal, mode: ConsolidationMode) {
    if proposal.hosts.is_empty() {
        return;
    }
    tracing::info!(
        watts = proposal.watts,
        hosts = proposal.hosts.len(),
        migrations = proposal.migrations,
        failovers = proposal.failovers,
        reserves = proposal.reserves,
        cost_joules = proposal.cost_joules,
        "a consolidation would let {} sleep{}; {}",
        named(&proposal.hosts),
        if proposal.wake.is_empty() {
            String::new()
        } else {
            format!(" once {} is on", named(&proposal.wake))
        },
        if mode == ConsolidationMode::Execute {
            "what needs no more than live migrations within a rack is carried out"
        } else {
            "nothing is moved, this is for you to decide"
        }
    );
}

/// The first hosts by name, and how many more there are.
fn named(hosts: &[HostName]) -> String {
    let names: Vec<&str> = hosts.iter().take(NAMED).map(HostName::as_str).collect();
    match hosts.len().saturating_sub(NAMED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod worlds;
