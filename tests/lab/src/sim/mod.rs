//! The hardware under the control plane, played in Rust as the real projects behave: kubelets and node leases,
//! virt-handler, a CSI driver, CDI, VolSync's movers; in the light profile also virt-controller and VolSync's manager.
//!
//! Everything is level-triggered: the state lives in the API server, so that a simulator that starts anew goes on.

mod addresses;
mod cdi;
mod csi;
mod engine;
mod error;
pub mod faults;
mod guest;
mod kubelet;
mod light;
mod migration;
mod movers;
mod nodes;
mod places;
mod pod_status;
mod value;
mod virt_handler;
mod vmi_status;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

pub use error::SimError;
pub use guest::{TWO_WRITERS, WRITTEN};
pub use places::PROVISIONER;

use crate::fleet::{FleetSpec, Profile};
use engine::{Context, Keeper, Kind};

/// How long each simulated phase takes. The defaults keep tests fast.
#[derive(Clone, Debug)]
pub struct Delays {
    /// From a bound pod to running containers.
    pub pod_start: Duration,
    /// From a scheduled VirtualMachineInstance to a running guest with its agent.
    pub boot: Duration,
    /// From the wish to stop to a guest that is off, and from a pod's deletion to its end.
    pub stop: Duration,
    /// Filling a disk from an image, a clone or with nothing.
    pub import: Duration,
    /// One transfer of a copy, once both ends are there.
    pub sync: Duration,
    /// Making a volume or a snapshot.
    pub storage: Duration,
    /// An ordinary Job's pod.
    pub job: Duration,
    /// Moving a running guest to another host.
    pub migrate: Duration,
    /// How long a copy's source looks for its destination before its pod fails.
    pub connect: Duration,
    /// Between two renewals of a node's lease.
    pub lease: Duration,
}

impl Default for Delays {
    fn default() -> Self {
        Self {
            pod_start: Duration::from_millis(100),
            boot: Duration::from_millis(200),
            stop: Duration::from_millis(100),
            import: Duration::from_millis(300),
            sync: Duration::from_millis(200),
            storage: Duration::from_millis(50),
            job: Duration::from_millis(200),
            migrate: Duration::from_millis(300),
            connect: Duration::from_mins(1),
            lease: Duration::from_secs(10),
        }
    }
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

/// Plays the hardware until `cancel` becomes true or its sender is gone.
///
/// # Errors
/// A fleet that cannot be played, or a task that ended although nothing asked it to. What the API server refuses is
/// tried again and logged, never fatal.
pub async fn run(config: SimConfig, mut cancel: watch::Receiver<bool>) -> Result<(), SimError> {
    config.fleet.validate()?;
    let handler = kube::Client::try_from(config.handler).map_err(|source| SimError::Api {
        what: "making virt-handler's client".into(),
        source: Box::new(source),
    })?;
    let places = places::Places::new(&config.fleet);
    let context = Arc::new(Context::new(
        config.admin,
        handler,
        places,
        config.profile,
        config.delays,
    ));

    let mut tasks = JoinSet::new();
    start_keepers(&context, &mut tasks);
    for kind in Kind::ALL {
        tasks.spawn(engine::keep_watching(
            context.client.clone(),
            context.world.clone(),
            kind,
        ));
    }
    let (sender, changes) = mpsc::unbounded_channel();
    context.world.listen(sender);
    tasks.spawn(context.clone().forget_timers(changes));
    tasks.spawn(faults::keep(context.clone()));
    tasks.spawn(nodes::keep_alive(context.clone()));
    tasks.spawn(csi::classes::install(context.clone()));

    let outcome = tokio::select! {
        () = cancelled(&mut cancel) => Ok(()),
        error = first_failure(&mut tasks) => Err(error),
    };
    tasks.shutdown().await;
    outcome
}

/// A closed channel means that nobody is left to cancel: that ends the simulator as well.
async fn cancelled(cancel: &mut watch::Receiver<bool>) {
    let _ended = cancel.wait_for(|cancelled| *cancelled).await;
}

/// Some tasks end when their work is done; one that panicked is a fault of the simulator.
async fn first_failure(tasks: &mut JoinSet<()>) -> SimError {
    while let Some(ended) = tasks.join_next().await {
        if let Err(source) = ended {
            return SimError::Task { source };
        }
    }
    SimError::Gone("every task of the simulator".into())
}

fn start_keepers(context: &Arc<Context>, tasks: &mut JoinSet<()>) {
    let c = || context.clone();
    start(context, tasks, nodes::Nodes::new(c()));
    start(context, tasks, kubelet::Kubelet::new(c()));
    start(context, tasks, virt_handler::VirtHandler::new(c()));
    start(context, tasks, guest::Guests::new(c()));
    start(context, tasks, csi::provision::Provisioner::new(c()));
    start(context, tasks, csi::reclaim::Reclaimer::new(c()));
    start(context, tasks, csi::snapshot::Snapshotter::new(c()));
    start(context, tasks, csi::snapshot::Contents::new(c()));
    start(context, tasks, cdi::catalogue::Profiles::new(c()));
    start(context, tasks, cdi::catalogue::Sources::new(c()));
    start(context, tasks, cdi::datavolume::DataVolumes::new(c()));
    match context.profile {
        Profile::Full => start(context, tasks, movers::Movers::new(c())),
        Profile::Light => {
            start(context, tasks, light::machine::Machines::new(c()));
            start(context, tasks, light::instance::Instances::new(c()));
            start(context, tasks, light::migration::Migrations::new(c()));
            start(context, tasks, light::destination::Destinations::new(c()));
            start(context, tasks, light::source::Sources::new(c()));
        }
    }
}

fn start<K: Keeper>(context: &Arc<Context>, tasks: &mut JoinSet<()>, keeper: K) {
    let (sender, changes) = mpsc::unbounded_channel();
    context.world.listen(sender);
    let context = context.clone();
    tasks.spawn(async move {
        context.world.ready().await;
        engine::keep(Arc::new(keeper), changes).await;
    });
}
