//! A lab with our charts in it, for tests: gone when dropped. Which controllers are real in it is said once for a whole run, by
//! [`PROFILE`], so that no test can be left out on one of the two. Reads that variable and starts processes.

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
use std::ffi::OsStr;
use std::path::Path;
use std::path::PathBuf;

/// Name of the pull secret that tenants of the tests are told of.
pub const PULL_SECRET: &str = "mirror";

/// The variable of the environment that says which lab a run of the tests is on: `full` (also when it is not set) or `light`.
pub const PROFILE: &str = "RAIDC_LAB_PROFILE";

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
    /// Brings up a lab with the example fleet and our charts. No controller runs yet. `name` is the lab's, but for the profile, which
    /// is added to it: runs on both labs may go on side by side.
    pub async fn up(name: &str) -> Result<Self, Error> {
        Self::with(name, FleetSpec::example()).await
    }

    /// The same with another fleet.
    pub async fn with(name: &str, fleet: FleetSpec) -> Result<Self, Error> {
        let (profile, suffix) = chosen(std::env::var_os(PROFILE).as_deref())?;
        let options = LabOptions::new(format!("{name}-{suffix}"))
            .profile(profile)
            .fleet(fleet);
        let lab = Lab::up(options).await?;
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

/// The profile that [`PROFILE`] asks for, and its name.
fn chosen(asked: Option<&OsStr>) -> Result<(Profile, &'static str), Error> {
    let Some(asked) = asked else {
        return Ok((Profile::Full, "full"));
    };
    match asked.to_str() {
        Some("full") => Ok((Profile::Full, "full")),
        Some("light") => Ok((Profile::Light, "light")),
        _ => Err(Error::Wrong(format!(
            "{PROFILE} is \"{}\": set it to full (KubeVirt's and VolSync's own controllers) or light (the simulator plays \
             them), or leave it out, which is full",
            asked.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_profile_is_never_taken_for_one_that_is_known() {
        let chosen = |asked: Option<&str>| chosen(asked.map(OsStr::new)).map(|(_, name)| name);
        assert_eq!(
            (
                chosen(None).ok(),
                chosen(Some("full")).ok(),
                chosen(Some("light")).ok()
            ),
            (Some("full"), Some("full"), Some("light"))
        );
        for wrong in ["", "Full", "both", "light "] {
            let told = chosen(Some(wrong)).map_err(|e| e.to_string()).unwrap_err();
            assert!(told.contains(PROFILE) && told.contains("light"), "{told}");
        }
    }
}
