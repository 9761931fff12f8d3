//! One replica writes: a Lease whose holder stops by its own clock. I/O.
//!
//! The claim that [`Writer`](super::writer::Writer) checks ends a third before anyone else may take over, counted from before the
//! call that renewed it. Standbys judge expiry by how long they themselves have seen no change, so that clocks need not agree.
//! This lease is no fence for virtual machines: two leaders may exist for a moment, which is why destructive writes carry
//! preconditions.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::clock::Clock;
use super::metrics::Metrics;

/// Until when this replica may write.
#[derive(Clone, Debug, Default)]
pub struct Claim {
    until: Arc<Mutex<Option<Instant>>>,
}

impl Claim {
    /// How long the claim is still held; `None` when it is not. Every call that writes ends within this time.
    #[must_use]
    pub fn remaining(&self, now: Instant) -> Option<Duration> {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until
            .and_then(|until| until.checked_duration_since(now))
            .filter(|left| !left.is_zero())
    }

    /// The claim holds until then.
    pub(crate) fn extend(&self, until: Instant) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    /// The claim is over.
    pub(crate) fn end(&self) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// What the Lease says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who holds it; nobody when it was released.
    pub holder: Option<String>,
    /// How long it holds after each renewal.
    pub ttl: Duration,
    /// How often it changed hands.
    pub transitions: i32,
    /// Version of the object, for compare and swap.
    pub version: String,
}

/// Why a Lease could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Somebody else was faster.
    Conflict,
    /// No answer, or one that says nothing: whether it happened is unknown.
    Unknown(String),
}

/// Where the Lease is kept.
pub trait Board: Send + Sync {
    /// Reads it; `None` when there is none.
    fn read(&self) -> impl Future<Output = Result<Option<Record>, String>> + Send;
    /// Writes it over the version that `over` is (`None`: makes it); the answer is what is there now.
    fn write(
        &self,
        holder: Option<&str>,
        ttl: Duration,
        over: Option<&Record>,
    ) -> impl Future<Output = Result<Record, Refused>> + Send;
}

/// Keeps trying to hold the Lease.
pub struct Keeper<B> {
    board: B,
    me: String,
    ttl: Duration,
    claim: Claim,
    clock: Arc<dyn Clock>,
    /// The last version seen, and since when it has not changed.
    seen: Option<(String, Instant)>,
}

/// This replica led and no longer does.
#[derive(Debug, thiserror::Error)]
#[error("the leader claim was lost; this process ends so that it starts clean")]
pub struct Lost;

impl<B: Board> Keeper<B> {
    /// A keeper that does nothing yet.
    pub fn new(board: B, me: String, ttl: Duration, claim: Claim, clock: Arc<dyn Clock>) -> Self {
        Self {
            board,
            me,
            ttl,
            claim,
            clock,
            seen: None,
        }
    }

    /// One look, and one write when it is our turn and this replica `contends`.
    pub async fn step(&mut self, contends: bool) {
        let started = self.clock.monotonic();
        let record = match self.board.read().await {
            Ok(record) => record,
            Err(error) => {
                tracing::warn!(error, "the lease could not be read");
                return;
            }
        };
        let may_write = match &record {
            None => true,
            Some(record) => self.may_take(record),
        };
        if !(may_write && contends) {
            self.claim.end();
            return;
        }
        match self.board.write(Some(&self.me), self.ttl, record.as_ref()).await {
            Ok(written) => {
                self.seen = Some((written.version, self.clock.monotonic()));
                self.claim.extend(started + self.ttl * 2 / 3);
            }
            // Whoever was faster holds it now; the next look tells.
            Err(Refused::Conflict) => self.claim.end(),
            // It may have been written or not. An old claim runs out by itself; no new time is added.
            Err(Refused::Unknown(error)) => tracing::warn!(error, "the lease could not be written"),
        }
    }

    /// Whether the record is ours, free, or has not changed for as long as its holder may keep silent.
    fn may_take(&mut self, record: &Record) -> bool {
        let now = self.clock.monotonic();
        let since = match &self.seen {
            Some((version, since)) if *version == record.version => *since,
            _ => {
                self.seen = Some((record.version.clone(), now));
                now
            }
        };
        match &record.holder {
            None => true,
            Some(holder) if *holder == self.me => true,
            Some(_) => now.duration_since(since) >= record.ttl.max(self.ttl),
        }
    }

    /// Gives the lease away at once, so that the next replica need not wait. Nothing may be written after this.
    pub async fn release(&mut self) {
        let held = self.claim.remaining(self.clock.monotonic()).is_some();
        self.claim.end();
        if !held {
            return;
        }
        let Ok(Some(record)) = self.board.read().await else {
            return;
        };
        if record.holder.as_deref() == Some(self.me.as_str())
            && let Err(refused) = self.board.write(None, self.ttl, Some(&record)).await
        {
            tracing::warn!(?refused, "the lease could not be released; it runs out by itself");
        }
    }

    /// Holds the lease until `stop` ends or the claim is lost. `leading` says when this replica may begin. While it does not lead it
    /// contends only as long as it `sees`: a replica that sees may be waiting.
    ///
    /// # Errors
    /// [`Lost`] when this replica led and its claim ran out.
    pub async fn run(
        &mut self,
        leading: watch::Sender<bool>,
        metrics: &Metrics,
        sees: impl Fn() -> bool,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), Lost> {
        // Five tries per lifetime of the lease: two may fail before the claim is given up.
        let every = self.ttl / 5;
        loop {
            let contends = *leading.borrow() || sees();
            // No single try may outlast the claim unnoticed.
            if tokio::time::timeout(every * 2, self.step(contends))
                .await
                .is_err()
            {
                tracing::warn!("the API server did not answer about the lease in time");
            }
            let held = self.claim.remaining(self.clock.monotonic()).is_some();
            if !held && *leading.borrow() {
                self.claim.end();
                metrics.leads(false);
                return Err(Lost);
            }
            if held && !*leading.borrow() {
                tracing::info!(me = self.me, "this replica leads");
                metrics.leads(true);
                leading.send_replace(true);
            }
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                stopped = stop.wait_for(|stop| *stop) => {
                    drop(stopped);
                    return Ok(());
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "lease_tests.rs"]
mod tests;
