//! How long to wait after an error, per object. No I/O.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The first wait after an error.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait: an object that cannot be mended by us is still looked at every five minutes.
const LONGEST: Duration = Duration::from_mins(5);

/// Waits that double per object until it succeeds.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    failures: Arc<Mutex<HashMap<String, u32>>>,
}

impl Backoff {
    /// The next wait for `key`: 1 s, 2 s, 4 s … 5 min.
    #[must_use]
    pub fn next(&self, key: &str) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(key.to_owned()).or_insert(0);
        let wait = FIRST.saturating_mul(2_u32.saturating_pow(*count)).min(LONGEST);
        *count = count.saturating_add(1).min(16);
        wait
    }

    /// `key` succeeded or is gone.
    pub fn reset(&self, key: &str) {
        self.failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_waits_longer_than_five_minutes_nor_forgets_to_start_over() {
        let backoff = Backoff::default();
        assert_eq!(backoff.next("a"), Duration::from_secs(1));
        assert_eq!(backoff.next("a"), Duration::from_secs(2));
        assert_eq!(backoff.next("b"), Duration::from_secs(1));
        for _ in 0..40 {
            assert!(backoff.next("a") <= LONGEST);
        }
        assert_eq!(backoff.next("a"), LONGEST);
        backoff.reset("a");
        assert_eq!(backoff.next("a"), Duration::from_secs(1));
    }
}
