//! Awaiting a condition with a deadline. No I/O of its own.

use std::future::Future;
use std::time::{Duration, Instant};

use crate::error::LabError;

/// A phase that takes longer has failed; a busy machine of two cores needs a tenth of it.
const PHASE: Duration = Duration::from_mins(3);
const POLL: Duration = Duration::from_millis(100);

/// Polls until `look` is well, `check` fails or the phase's time is over.
pub(crate) async fn until<F: Future<Output = Result<(), String>>>(
    what: &str,
    check: impl Fn() -> Result<(), LabError>,
    look: impl Fn() -> F,
) -> Result<(), LabError> {
    let started = Instant::now();
    loop {
        let last = match look().await {
            Ok(()) => return Ok(()),
            Err(last) => last,
        };
        check()?;
        if started.elapsed() > PHASE {
            return Err(LabError::Late {
                what: what.to_owned(),
                after: PHASE,
                last,
            });
        }
        tokio::time::sleep(POLL).await;
    }
}
