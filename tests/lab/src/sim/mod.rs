//! The hardware under the control plane: the contract until the simulator itself is merged.

use std::time::Duration;

use tokio::sync::watch;

use crate::fleet::{FleetSpec, Profile};

/// How long each simulated phase takes.
#[derive(Clone, Debug, Default)]
pub struct Delays {
    /// Added to every phase.
    pub phase: Duration,
}

/// What the simulator needs to run.
#[derive(Clone)]
pub struct SimConfig {
    /// Administrator's client.
    pub admin: kube::Client,
    /// Configuration of the administrator, to build impersonating clients from.
    pub handler: kube::Config,
    /// Hardware to play.
    pub fleet: FleetSpec,
    /// Which controllers to play as well.
    pub profile: Profile,
    /// Delays of the phases.
    pub delays: Delays,
}

/// Why the simulator ended.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The API server refused or did not answer.
    #[error("the simulator could not write to the API server; look at the API server's log")]
    Api(#[from] kube::Error),
}

/// Plays the hardware until `cancel` becomes true.
pub async fn run(_config: SimConfig, mut cancel: watch::Receiver<bool>) -> Result<(), SimError> {
    // A closed channel means that nobody is left to cancel: end as well.
    let _ended = cancel.wait_for(|cancelled| *cancelled).await;
    Ok(())
}
