//! One running lab: what tests and the demo do with it. Runs processes and talks to the API server.

use std::fs::File;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::access::Access;
use crate::error::LabError;
use crate::ports::Ports;
use crate::supervisor::{Running, Supervisor};

/// A lab that this process holds. Dropping it ends every process of it, also when a test panics.
///
/// It is used by way of its [`Access`].
pub struct Lab {
    pub(crate) name: String,
    pub(crate) keep: bool,
    pub(crate) access: Access,
    pub(crate) supervisor: Supervisor,
    pub(crate) simulator: Simulator,
    pub(crate) phases: Vec<(String, Duration)>,
    /// Held so that no other lab takes them.
    pub(crate) _ports: Ports,
    /// Held so that no other process uses the folder.
    pub(crate) _lock: File,
}

/// The task that plays the hardware, on threads of its own: it must go on while a test blocks its thread, and must
/// not end with the runtime of the test that happened to start the lab.
pub(crate) struct Simulator {
    pub(crate) runtime: Option<tokio::runtime::Runtime>,
    pub(crate) cancel: watch::Sender<bool>,
    pub(crate) error: Arc<Mutex<Option<String>>>,
}

impl Simulator {
    fn stop(&mut self) {
        // Nobody may be listening any more: then it has stopped already.
        let _unheard = self.cancel.send(true);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    pub(crate) fn check(&self) -> Result<(), LabError> {
        match self.error.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            None => Ok(()),
            Some(error) => Err(LabError::Exited {
                part: "the simulator".to_owned(),
                status: error.clone(),
                log: PathBuf::from("(in process)"),
                tail: String::new(),
            }),
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Deref for Lab {
    type Target = Access;

    fn deref(&self) -> &Access {
        &self.access
    }
}

impl Lab {
    /// How long each phase of coming up took.
    pub fn phases(&self) -> &[(String, Duration)] {
        &self.phases
    }

    /// The processes that run now.
    pub fn running(&self) -> Vec<Running> {
        self.supervisor.running()
    }

    /// An error if something that the lab cannot do without has ended.
    pub fn check(&self) -> Result<(), LabError> {
        self.supervisor.check()?;
        self.simulator.check()
    }

    /// Ends the lab and waits until it is gone. Dropping does the same but cannot tell when the folder stays.
    pub async fn down(mut self) -> Result<(), LabError> {
        self.stop();
        if self.keep {
            return Ok(());
        }
        let dir = self.dir.clone();
        tokio::fs::remove_dir_all(&dir)
            .await
            .map_err(LabError::file("remove", dir))
    }

    fn stop(&mut self) {
        self.simulator.stop();
        self.supervisor.stop();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            eprintln!(
                "lab {}: its logs are left in {}",
                self.name,
                self.dir.join("logs").display()
            );
        } else if !self.keep {
            // Gone already after `down`; otherwise an unremoved folder is only wiped by the next lab of that name.
            let _left = std::fs::remove_dir_all(&self.dir);
        }
    }
}
