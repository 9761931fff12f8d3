//! What the lab's own tests share.

#![allow(dead_code, reason = "each test binary uses its own share")]

use std::future::Future;
use std::time::{Duration, Instant};

use raidc_lab::{FleetSpec, LabOptions, Profile, Running};

/// A name that no other run of the tests uses at the same time.
pub(crate) fn name(test: &str) -> String {
    format!("t-{test}-{}", std::process::id())
}

/// A small fleet on the light profile: for what does not need the real controllers.
pub(crate) fn light(test: &str) -> LabOptions {
    LabOptions::new(name(test))
        .profile(Profile::Light)
        .fleet(FleetSpec::sized(2, 1, 2, 8, 32))
}

/// Polls until `look` gives something; panics after `within` with what was seen last.
pub(crate) async fn eventually<T, F>(what: &str, within: Duration, look: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, String>>,
{
    let started = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(last) => assert!(
                started.elapsed() < within,
                "{what}: not within {within:?}; last seen: {last}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until none of the processes is left.
pub(crate) async fn all_gone(processes: &[Running]) {
    assert!(
        !processes.is_empty(),
        "a test that looks at no process shows nothing"
    );
    eventually("every process gone", Duration::from_secs(10), || async {
        let left: Vec<&str> = processes
            .iter()
            .filter(|one| one.is_alive())
            .map(|one| one.part.as_str())
            .collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(left.join(", "))
        }
    })
    .await;
}
