//! One running lab: what tests and the demo do with it. Runs processes and talks to the API server.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use kube::{Client, Config};
use tokio::sync::watch;

use crate::audit::{self, AuditEntry, AuditFilter, AuditKey};
use crate::certs::Pki;
use crate::error::LabError;
use crate::faults::Faults;
use crate::fleet::FleetSpec;
use crate::kubeconfig::{self, Credential};
use crate::parts::Parts;
use crate::ports::Ports;
use crate::supervisor::{Running, Supervisor};

/// A lab's tokens outlive every test.
const TOKEN_SECONDS: i64 = 365 * 24 * 3600;
/// The longest that a command of ours may take: a Helm installation that waits is the slowest.
const COMMAND: Duration = Duration::from_mins(5);

/// A running lab. Dropping it ends every process of it, also when a test panics.
pub struct Lab {
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
    pub(crate) keep: bool,
    pub(crate) fleet: FleetSpec,
    pub(crate) parts: Parts,
    pub(crate) pki: Pki,
    pub(crate) api_port: u16,
    pub(crate) config: Config,
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

    fn check(&self) -> Result<(), LabError> {
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

impl Lab {
    /// A new administrator's client; every request has a deadline of 30 s. It lives as long as the runtime that it is
    /// made on, so each test makes its own.
    pub fn client(&self) -> Result<Client, LabError> {
        kubeconfig::client(self.config.clone())
    }

    /// The administrator's configuration, to make other clients from.
    pub fn config(&self) -> Config {
        self.config.clone()
    }

    /// The administrator's kubeconfig file.
    pub fn kubeconfig(&self) -> PathBuf {
        self.dir.join("admin.kubeconfig")
    }

    /// The API server's audit log.
    pub fn audit_log(&self) -> PathBuf {
        self.dir.join("audit.log")
    }

    /// The lab's folder; free for a test to put its own files in.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The hardware that is played.
    pub fn fleet(&self) -> &FleetSpec {
        &self.fleet
    }

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

    /// Switches that fail the simulated hardware.
    pub fn faults(&self) -> Result<Faults, LabError> {
        Ok(Faults::new(self.client()?, self.fleet.clone()))
    }

    /// What was asked of the API server, in the order of its answers.
    pub fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>, LabError> {
        audit::read(&self.audit_log(), filter)
    }

    /// The same, counted by verb, resource and answer.
    pub fn audit_counts(&self, filter: &AuditFilter) -> Result<BTreeMap<AuditKey, usize>, LabError> {
        Ok(audit::count(&self.audit(filter)?))
    }

    /// How many changes a user asked for since a moment (by this machine's clock, which is the API server's).
    pub fn writes_by(&self, user: &str, since: Timestamp) -> Result<usize, LabError> {
        Ok(self.audit(&AuditFilter::writes_by(user, since))?.len())
    }

    /// Runs kubectl as the administrator and returns what it printed.
    pub async fn kubectl<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
    ) -> Result<String, LabError> {
        self.run("kubectl", args).await
    }

    /// Runs virtctl as the administrator and returns what it printed.
    pub async fn virtctl<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
    ) -> Result<String, LabError> {
        self.run("virtctl", args).await
    }

    /// Runs Helm as the administrator, with caches inside the lab, and returns what it printed.
    pub async fn helm<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Result<String, LabError> {
        self.run("helm", args).await
    }

    async fn run<A: AsRef<OsStr>>(
        &self,
        tool: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Result<String, LabError> {
        let program = self.parts.bin(tool);
        let mut command = tokio::process::Command::new(&program);
        command
            .args(args)
            .env("KUBECONFIG", self.kubeconfig())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        for (key, sub) in [("CACHE", "cache"), ("CONFIG", "config"), ("DATA", "data")] {
            command.env(format!("HELM_{key}_HOME"), self.dir.join("helm").join(sub));
        }
        command.env("KUBECACHEDIR", self.dir.join("kubectl-cache"));
        let arguments: Vec<_> = command
            .as_std()
            .get_args()
            .map(|arg| arg.to_string_lossy().into_owned())
            .collect();
        let line = format!("{tool} {}", arguments.join(" "));
        let output = match tokio::time::timeout(COMMAND, command.output()).await {
            Ok(Ok(output)) => output,
            Ok(Err(source)) => {
                return Err(LabError::Start {
                    part: tool.to_owned(),
                    program,
                    source,
                });
            }
            Err(_) => {
                return Err(LabError::Late {
                    what: format!("`{line}`"),
                    after: COMMAND,
                    last: "still running".into(),
                });
            }
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        let told = if output.stderr.is_empty() {
            &output.stdout
        } else {
            &output.stderr
        };
        Err(LabError::Command {
            command: line,
            status: output.status.to_string(),
            output: text(told),
        })
    }

    /// A kubeconfig with a long-lived token of a service account, which must exist.
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf, LabError> {
        service_account_kubeconfig(
            &self.client()?,
            &self.dir,
            &self.pki,
            self.api_port,
            namespace,
            name,
        )
        .await
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

/// As the lab's method, for the time before the lab is whole.
pub(crate) async fn service_account_kubeconfig(
    client: &Client,
    dir: &Path,
    pki: &Pki,
    port: u16,
    namespace: &str,
    name: &str,
) -> Result<PathBuf, LabError> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let request = TokenRequest {
        spec: TokenRequestSpec {
            expiration_seconds: Some(TOKEN_SECONDS),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let what = || format!("give a token for service account {namespace}/{name}");
    let answer = accounts
        .create_token_request(name, &PostParams::default(), &request)
        .await;
    let answer = answer.map_err(LabError::api(what()))?;
    let token = answer.status.map(|status| status.token).unwrap_or_default();
    let path = dir.join(format!("{namespace}.{name}.kubeconfig"));
    kubeconfig::write(&path, pki, port, &Credential::Token(&token))?;
    Ok(path)
}
