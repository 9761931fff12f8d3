//! Using a lab that is up, whoever holds it. Runs commands, reads files and talks to the API server.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use kube::{Client, Config};

use crate::audit::{self, AuditEntry, AuditFilter, AuditKey};
use crate::certs::Pki;
use crate::daemon::LabState;
use crate::error::LabError;
use crate::faults::Faults;
use crate::fleet::FleetSpec;
use crate::kubeconfig::{self, Credential};
use crate::parts::Parts;

/// A lab's tokens outlive every test.
const TOKEN_SECONDS: i64 = 365 * 24 * 3600;
/// The longest that a command of ours may take: a Helm installation that waits is the slowest.
const COMMAND: Duration = Duration::from_mins(5);

/// What one needs to use a lab that is up.
#[derive(Clone)]
pub struct Access {
    pub(crate) dir: PathBuf,
    pub(crate) fleet: FleetSpec,
    pub(crate) parts: Parts,
    pub(crate) pki: Pki,
    pub(crate) config: Config,
}

impl Access {
    /// To a lab which another process holds.
    pub async fn of(lab: &LabState) -> Result<Self, LabError> {
        let dir = lab.kubeconfig.parent().unwrap_or(Path::new(".")).to_owned();
        Ok(Self {
            pki: Pki::at(&dir.join("pki")),
            config: kubeconfig::config(&lab.kubeconfig).await?,
            parts: Parts::read()?,
            fleet: lab.fleet.clone(),
            dir,
        })
    }

    /// What a command needs to use this lab by default, and to find its tools before others.
    pub fn environment(&self) -> Vec<(String, OsString)> {
        let mut all = vec![
            ("KUBECONFIG".to_owned(), self.kubeconfig().into_os_string()),
            (
                "KUBECACHEDIR".to_owned(),
                self.dir.join("kubectl-cache").into_os_string(),
            ),
        ];
        for (key, sub) in [("CACHE", "cache"), ("CONFIG", "config"), ("DATA", "data")] {
            all.push((
                format!("HELM_{key}_HOME"),
                self.dir.join("helm").join(sub).into_os_string(),
            ));
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = self
            .parts
            .folders()
            .into_iter()
            .chain(std::env::split_paths(&path));
        // A folder with a colon in its name cannot be on PATH: the tools are still found by their whole path.
        all.push(("PATH".to_owned(), std::env::join_paths(folders).unwrap_or(path)));
        all
    }

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
            .envs(self.environment())
            .stdin(Stdio::null())
            .kill_on_drop(true);
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
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client()?, namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                expiration_seconds: Some(TOKEN_SECONDS),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let what = format!("give a token for service account {namespace}/{name}");
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await;
        let answer = answer.map_err(LabError::api(what))?;
        let token = answer.status.map(|status| status.token).unwrap_or_default();
        let path = self.dir.join(format!("{namespace}.{name}.kubeconfig"));
        let port = self.config.cluster_url.port_u16().unwrap_or(443);
        kubeconfig::write(&path, &self.pki, port, &Credential::Token(&token))?;
        Ok(path)
    }
}
