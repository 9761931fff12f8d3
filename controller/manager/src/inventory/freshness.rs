//! How fresh what a watch has shown is: lists that were asked for anew, and since when it fails. No I/O.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// A watch that failed and has said nothing since may be well again in a world that stands still: after this long the list is read
/// anew, which tells.
const DOUBT: Duration = Duration::from_mins(1);

/// What can be asked of a store of any kind.
pub trait Followed: Send + Sync {
    /// Whether the first list has been read to its end.
    fn is_synced(&self) -> bool;
    /// How fresh it is.
    fn freshness(&self) -> &Freshness;
}

/// Since when a watch fails, and when the list is read anew for it.
#[derive(Clone, Copy, Debug)]
struct Failing {
    since: Instant,
    list_at: Instant,
}

/// How fresh a store is. Clones share it.
#[derive(Clone, Debug)]
pub struct Freshness {
    /// How often the list was asked to be read anew.
    asked: watch::Sender<u64>,
    /// The last of these that has been answered.
    renewed: Arc<AtomicU64>,
    failing: Arc<Mutex<Option<Failing>>>,
}

impl Default for Freshness {
    fn default() -> Self {
        Self {
            asked: watch::Sender::new(0),
            renewed: Arc::default(),
            failing: Arc::default(),
        }
    }
}

impl Freshness {
    /// Asks for the list to be read anew; the answer is the ticket for [`Freshness::is_renewed`].
    #[must_use]
    pub fn renew(&self) -> u64 {
        self.asked.send_modify(|n| *n = n.wrapping_add(1));
        *self.asked.borrow()
    }

    /// Whether a list that was begun after this ticket was given has been read to its end.
    #[must_use]
    pub fn is_renewed(&self, ticket: u64) -> bool {
        self.renewed.load(Ordering::Acquire) >= ticket
    }

    /// For how long the watch has failed without a word since; `None` while it has not.
    #[must_use]
    pub fn failing_for(&self) -> Option<Duration> {
        self.failing().map(|failing| failing.since.elapsed())
    }

    /// Changes with each list that is asked for.
    pub(super) fn asked(&self) -> watch::Receiver<u64> {
        self.asked.subscribe()
    }

    /// A list that was begun for this ticket has been read to its end.
    pub(super) fn renewed(&self, ticket: u64) {
        self.renewed.store(ticket, Ordering::Release);
    }

    /// The watch has failed.
    pub(super) fn fails(&self) {
        let now = Instant::now();
        let list_at = now + DOUBT;
        self.set(|failing| {
            let since = failing.map_or(now, |failing| failing.since);
            // One that has been read anew already in vain is given as long again.
            let list_at = failing
                .map(|f| f.list_at)
                .filter(|at| *at > now)
                .unwrap_or(list_at);
            Some(Failing { since, list_at })
        });
    }

    /// The watch has said something.
    pub(super) fn speaks(&self) {
        self.set(|_| None);
    }

    /// Ends when the watch has failed and then been silent for so long that only a list can tell how it is.
    pub(super) async fn doubtful(&self) {
        match self.failing() {
            Some(failing) => {
                sleep_until(failing.list_at).await;
                self.set(|failing| {
                    failing.map(|failing| Failing {
                        list_at: Instant::now() + DOUBT,
                        ..failing
                    })
                });
            }
            None => std::future::pending().await,
        }
    }

    fn failing(&self) -> Option<Failing> {
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, to: impl FnOnce(Option<Failing>) -> Option<Failing>) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        *failing = to(*failing);
    }
}
