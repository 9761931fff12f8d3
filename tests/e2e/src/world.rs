//! A lab with our charts in it, for tests: gone when dropped. Starts processes.

use crate::cluster::Cluster;
use crate::controller::Controller;
use crate::controller::NAMESPACE;
use crate::controller::SERVICE_ACCOUNT;
use crate::error::Error;
use crate::gate::Gate;
use crate::install;
use raidc_lab::FleetSpec;
use raidc_lab::Lab;
use raidc_lab::LabOptions;
use raidc_lab::Profile;
use std::path::Path;
use std::path::PathBuf;

/// Name of the pull secret that tenants of the tests are told of.
pub const PULL_SECRET: &str = "mirror";

/// Everything a test needs. Fields drop in order: the controllers before the lab.
pub struct World {
    /// The controllers that run.
    pub controllers: Vec<Controller>,
    /// The cluster as its administrator sees it.
    pub cluster: Cluster,
    /// The lab under it, for faults and the audit log.
    pub lab: Lab,
    /// Seconds after which another replica may take over from one that was killed.
    pub lease_seconds: u32,
    /// Further flags of every controller that is started.
    pub flags: Vec<String>,
    controller_kubeconfig: PathBuf,
}

impl World {
    /// Brings up a lab with the example fleet and our charts. No controller runs yet.
    pub async fn up(name: &str, profile: Profile) -> Result<Self, Error> {
        Self::with(name, profile, FleetSpec::example()).await
    }

    /// The same with another fleet.
    pub async fn with(name: &str, profile: Profile, fleet: FleetSpec) -> Result<Self, Error> {
        let lab = Lab::up(LabOptions::new(name).profile(profile).fleet(fleet)).await?;
        let cluster = Cluster::connect(lab.kubeconfig(), lab.dir().to_path_buf()).await?;
        let pull_secret = format!("tenants.pullSecrets={{{PULL_SECRET}}}");
        install::charts(&cluster, &["--set", &pull_secret]).await?;
        let controller_kubeconfig = cluster
            .service_account_kubeconfig(NAMESPACE, SERVICE_ACCOUNT)
            .await?;
        Ok(Self {
            controllers: Vec::new(),
            cluster,
            lab,
            lease_seconds: 15,
            flags: Vec::new(),
            controller_kubeconfig,
        })
    }

    /// Starts one more replica of the controller.
    pub fn start_controller(&mut self, identity: &str) -> Result<(), Error> {
        let kubeconfig = self.controller_kubeconfig.clone();
        self.start(identity, &kubeconfig)
    }

    /// A gate that lets `writes` through, for [`World::start_behind`].
    pub async fn gate(&self, name: &str, writes: i64) -> Result<Gate, Error> {
        Gate::open(&self.controller_kubeconfig, name, writes).await
    }

    /// Starts one more replica, which sees and reaches the API server through `gate` only.
    pub fn start_behind(&mut self, gate: &Gate, identity: &str) -> Result<(), Error> {
        self.start(identity, gate.kubeconfig())
    }

    fn start(&mut self, identity: &str, kubeconfig: &Path) -> Result<(), Error> {
        let mut flags = vec!["--tenant-pull-secret", PULL_SECRET, "--certify-seconds", "20"];
        flags.extend(self.flags.iter().map(String::as_str));
        self.controllers.push(Controller::start(
            &self.cluster,
            kubeconfig,
            identity,
            self.lease_seconds,
            &flags,
        )?);
        Ok(())
    }

    /// Kills every replica without warning.
    pub fn kill_controllers(&mut self) {
        self.controllers.drain(..).for_each(Controller::kill);
    }
}
