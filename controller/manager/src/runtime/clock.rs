//! The only place that reads a clock, so that tests can bring their own.

use std::time::Instant;

use jiff::Timestamp;

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// Wall-clock time, for what people read. It may jump; nothing that must be safe may depend on it.
    fn now(&self) -> Timestamp;
    /// Time that only goes forward, for deadlines.
    fn monotonic(&self) -> Instant;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}
