//! A cluster by its kubeconfig: client, kubectl, Helm, tokens. Talks to the API server and runs commands.

use crate::error::Error;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::authentication::v1::TokenRequestSpec;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::Client;
use kube::Config;
use kube::api::PostParams;
use kube::config::KubeConfigOptions;
use kube::config::Kubeconfig;
use raidc_lab::Profile;
use raidc_lab::parts::Parts;
use serde_json::Value;
use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Longest that one command may take.
const COMMAND: Duration = Duration::from_mins(5);
/// Life of a token of the controller's service account: longer than any test or demo.
const TOKEN_SECONDS: i64 = 30 * 24 * 3600;

/// A cluster that we administer.
#[derive(Clone)]
pub struct Cluster {
    kubeconfig: PathBuf,
    dir: PathBuf,
    client: Client,
    parts: Parts,
}

impl Cluster {
    /// Connects with an administrator's kubeconfig; files of ours go to `dir`.
    pub async fn connect(kubeconfig: PathBuf, dir: PathBuf) -> Result<Self, Error> {
        let client = client(&kubeconfig).await?;
        let parts = Parts::ensure(Profile::Full, |line| eprintln!("{line}")).await?;
        Ok(Self {
            kubeconfig,
            dir,
            client,
            parts,
        })
    }

    /// The administrator's client.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Folder for files of ours.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Path of one of the lab's real programs.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.parts.bin(name)
    }

    /// Runs kubectl and returns what it printed.
    pub async fn kubectl(&self, args: &[&str]) -> Result<String, Error> {
        self.run("kubectl", args, None).await
    }

    /// Applies YAML text by server-side apply, as a user's pipeline would.
    pub async fn apply(&self, yaml: &str) -> Result<String, Error> {
        self.run(
            "kubectl",
            &["apply", "--server-side", "--field-manager=pipeline", "-f", "-"],
            Some(yaml),
        )
        .await
    }

    /// Runs Helm and returns what it printed.
    pub async fn helm(&self, args: &[&str]) -> Result<String, Error> {
        self.run("helm", args, None).await
    }

    async fn run(&self, tool: &str, args: &[&str], input: Option<&str>) -> Result<String, Error> {
        let line = format!("{tool} {}", args.join(" "));
        let program = self.program(tool);
        let mut command = Command::new(&program);
        command
            .args(args)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBECACHEDIR", self.dir.join("kubectl-cache"));
        for (key, sub) in [("CACHE", "cache"), ("CONFIG", "config"), ("DATA", "data")] {
            command.env(format!("HELM_{key}_HOME"), self.dir.join("helm").join(sub));
        }
        command.stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(Error::file(&program))?;
        if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
            use tokio::io::AsyncWriteExt as _;
            stdin
                .write_all(text.as_bytes())
                .await
                .map_err(Error::file(&program))?;
        }
        let done = tokio::time::timeout(COMMAND, child.wait_with_output()).await;
        let output = match done {
            Ok(output) => output.map_err(Error::file(&program))?,
            Err(_) => {
                return Err(Error::Late {
                    what: line,
                    after: COMMAND,
                    last: "still running".to_owned(),
                });
            }
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            let told = format!("{}{}", text(&output.stdout), text(&output.stderr));
            Err(Error::Command {
                command: line,
                output: told,
            })
        }
    }

    /// A kubeconfig with a token of a service account that exists: whoever uses it has that account's rights and no others.
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf, Error> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client(), namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                expiration_seconds: Some(TOKEN_SECONDS),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .map_err(Error::api(format!("get a token of {namespace}/{name}")))?;
        let token = answer.status.map(|status| status.token).unwrap_or_default();
        let text = std::fs::read_to_string(&self.kubeconfig).map_err(Error::file(&self.kubeconfig))?;
        let wrong = |e: serde_json::Error| Error::Wrong(format!("{}: {e}", self.kubeconfig.display()));
        let mut config: Value = serde_json::from_str(&text).map_err(wrong)?;
        config["users"][0]["user"] = serde_json::json!({ "token": token });
        let path = self.dir.join(format!("{name}.kubeconfig"));
        std::fs::write(&path, config.to_string()).map_err(Error::file(&path))?;
        Ok(path)
    }
}

async fn client(kubeconfig: &Path) -> Result<Client, Error> {
    let wrong = |e: kube::config::KubeconfigError| Error::Wrong(format!("{}: {e}", kubeconfig.display()));
    let file = Kubeconfig::read_from(kubeconfig).map_err(wrong)?;
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .map_err(wrong)?;
    config.read_timeout = Some(Duration::from_secs(290));
    Client::try_from(config).map_err(Error::api("make a client"))
}
