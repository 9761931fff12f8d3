//! Kubeconfig files of a lab, and clients made from them. Does I/O.

use std::path::Path;
use std::time::Duration;

use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;
use tower::timeout::TimeoutLayer;

use crate::certs::{Pki, write_private};
use crate::error::LabError;

/// From sending a request to the head of its answer; watches stay open for longer.
const REQUEST: Duration = Duration::from_secs(30);

/// How someone proves who it is.
pub(crate) enum Credential<'a> {
    /// By the client certificate `<name>.crt` and its key.
    Certificate(&'a str),
    /// By a service account's token.
    Token(&'a str),
}

/// Writes a kubeconfig for the API server at `port`.
pub(crate) fn write(path: &Path, pki: &Pki, port: u16, who: &Credential<'_>) -> Result<(), LabError> {
    let user = match who {
        Credential::Certificate(name) => json!({
            "client-certificate": pki.path(&format!("{name}.crt")),
            "client-key": pki.path(&format!("{name}.key")),
        }),
        Credential::Token(token) => json!({ "token": token }),
    };
    let server = format!("https://127.0.0.1:{port}");
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": {"server": server, "certificate-authority": pki.path("ca.crt")}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab", "namespace": "default"}}],
        "users": [{"name": "lab", "user": user}],
    });
    // JSON is YAML, and every Kubernetes client reads it.
    write_private(path, &format!("{config:#}\n"))
}

/// A client's configuration from a kubeconfig file.
pub(crate) async fn config(path: &Path) -> Result<Config, LabError> {
    let failed = |source| LabError::Kubeconfig {
        path: path.to_owned(),
        source: Box::new(source),
    };
    let file = Kubeconfig::read_from(path).map_err(failed)?;
    Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .map_err(failed)
}

/// A client whose every request has a deadline of 30 s to the head of the answer.
pub(crate) fn client(config: Config) -> Result<Client, LabError> {
    let builder = ClientBuilder::try_from(config).map_err(LabError::api("get a client"))?;
    Ok(builder.with_layer(&TimeoutLayer::new(REQUEST)).build())
}
