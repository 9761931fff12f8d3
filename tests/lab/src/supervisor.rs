//! All processes of one lab: started, watched, started again where a kubelet would, and ended together.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::error::LabError;
use crate::process::{Process, Spec, identity, signal};

/// How often ended processes are looked for.
const LOOK: Duration = Duration::from_millis(500);
/// Shortest time between two starts of one part.
const PAUSE: Duration = Duration::from_secs(2);

/// A running part, for the record of who must be gone after the lab.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Running {
    /// Short name of the part.
    pub part: String,
    /// Process id and id of its group.
    pub pid: u32,
    /// Tells it from a later process with the same id.
    pub identity: String,
}

impl Running {
    /// A process that runs now. None when there is none of that id.
    pub fn of(part: &str, pid: u32) -> Option<Self> {
        Some(Self {
            part: part.to_owned(),
            pid,
            identity: identity(pid)?,
        })
    }

    /// Asks this very process to end. Nothing happens when it has ended, also when another has its id now.
    pub fn terminate(&self) {
        signal(self.pid, &self.identity, Signal::TERM, false);
    }

    /// Whether this very process still runs.
    pub fn is_alive(&self) -> bool {
        identity(self.pid).as_deref() == Some(self.identity.as_str())
    }
}

struct Watched {
    spec: Spec,
    process: Process,
    started: Instant,
}

#[derive(Default)]
struct State {
    watched: Vec<Watched>,
    stopped: bool,
}

/// Shared by the lab and the task that watches.
#[derive(Clone)]
pub(crate) struct Supervisor {
    state: Arc<Mutex<State>>,
    logs: PathBuf,
}

impl Supervisor {
    pub(crate) fn new(logs: &Path) -> Self {
        Self {
            state: Arc::default(),
            logs: logs.to_owned(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere must not keep processes from being ended.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a part and watches it from now on.
    pub(crate) fn start(&self, spec: Spec) -> Result<(), LabError> {
        let process = Process::start(&spec, &self.logs)?;
        self.state().watched.push(Watched {
            spec,
            process,
            started: Instant::now(),
        });
        Ok(())
    }

    /// An error if a part has ended that is not to be started again.
    pub(crate) fn check(&self) -> Result<(), LabError> {
        let mut state = self.state();
        state
            .watched
            .iter_mut()
            .filter(|one| !one.spec.restart)
            .try_for_each(|one| one.process.check())
    }

    /// An error if this part has ended, whatever becomes of it.
    pub(crate) fn check_part(&self, part: &str) -> Result<(), LabError> {
        let mut state = self.state();
        state
            .watched
            .iter_mut()
            .filter(|one| one.spec.part == part)
            .try_for_each(|one| one.process.check())
    }

    /// What runs now.
    pub(crate) fn running(&self) -> Vec<Running> {
        let state = self.state();
        let pids = state
            .watched
            .iter()
            .map(|one| (one.process.part(), one.process.pid()));
        pids.filter_map(|(part, pid)| Running::of(part, pid)).collect()
    }

    /// Starts ended parts again until [`stop`](Self::stop).
    pub(crate) async fn watch(self) {
        let mut tick = tokio::time::interval(LOOK);
        loop {
            tick.tick().await;
            let mut state = self.state();
            if state.stopped {
                return;
            }
            for one in state.watched.iter_mut().filter(|one| one.spec.restart) {
                let Err(ended) = one.process.check() else { continue };
                if one.started.elapsed() < PAUSE {
                    continue;
                }
                tracing::warn!("{ended}; starting it again");
                one.started = Instant::now();
                match Process::start(&one.spec, &self.logs) {
                    Ok(process) => one.process = process,
                    Err(error) => tracing::error!("{}", crate::error::chain(&error)),
                }
            }
        }
    }

    /// Ends everything, last started first, and waits until it is gone.
    pub(crate) fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        for one in state.watched.iter().rev() {
            one.process.kill();
        }
        state.watched.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(script: &str, restart: bool) -> Spec {
        let args = vec!["-c".to_owned(), script.to_owned()];
        Spec {
            part: "part",
            program: "/bin/sh".into(),
            args,
            env: Vec::new(),
            restart,
        }
    }

    #[tokio::test]
    async fn a_part_that_ends_by_design_does_not_stay_gone() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let count = dir.path().join("count");
        let supervisor = Supervisor::new(dir.path());
        supervisor
            .start(spec(&format!("echo x >> {}", count.display()), true))
            .expect("sh starts");
        let watch = tokio::spawn(supervisor.clone().watch());
        let deadline = Instant::now() + Duration::from_secs(20);
        let starts = || std::fs::read_to_string(&count).map_or(0, |text| text.lines().count());
        while starts() < 2 {
            assert!(Instant::now() < deadline, "started {} times", starts());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(supervisor.check().is_ok(), "its end is no failure of the lab");
        supervisor.stop();
        watch.await.expect("it ends once stopped");
    }

    #[tokio::test]
    async fn a_stopped_lab_starts_nothing_again_and_leaves_nothing_running() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let supervisor = Supervisor::new(dir.path());
        supervisor
            .start(spec("sleep 600 & wait", true))
            .expect("sh starts");
        let running = supervisor.running();
        assert_eq!(running.len(), 1);
        supervisor.stop();
        assert!(supervisor.running().is_empty());
        assert_ne!(
            identity(running[0].pid).as_deref(),
            Some(running[0].identity.as_str())
        );
        supervisor.watch().await;
    }
}
