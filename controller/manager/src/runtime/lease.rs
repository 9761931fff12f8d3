//! One replica writes: a Lease whose holder stops by its own clock. I/O.
//!
//! The claim that [`Writer`](super::writer::Writer) checks ends a third before anyone else may take over, counted from before the
//! call that renewed it. Standbys judge expiry by how long they themselves have seen no change, so that clocks need not agree.
//! This lease is no fence for virtual machines: two leaders may exist for a moment, which is why destructive writes carry
//! preconditions.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

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
