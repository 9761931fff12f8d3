//! VolSync's own manager outside a cluster: its RBAC and its command line. Reads manifests and talks to the API server.

use std::path::Path;

use kube::Client;
use serde_json::{Value, json};

use crate::error::LabError;
use crate::objects::{apply, read};
use crate::parts::Parts;
use crate::process::Spec;

/// Where VolSync lives.
pub(crate) const NAMESPACE: &str = "volsync-system";
/// What upstream's kustomization puts before every name.
const PREFIX: &str = "volsync-";
/// The service account of the manager, with that prefix.
pub(crate) const ACCOUNT: &str = "volsync-controller-manager";

/// Applies the manager's RBAC, named and placed as upstream's kustomization would.
pub(crate) async fn configure(client: &Client, parts: &Parts) -> Result<(), LabError> {
    let mut objects = read(parts.manifest("volsyncRbac")?)?;
    for object in &mut objects {
        let kind = object
            .types
            .as_ref()
            .map(|types| types.kind.as_str())
            .unwrap_or_default();
        if !kind.starts_with("Cluster") {
            object.metadata.namespace = Some(NAMESPACE.to_owned());
        }
        object.metadata.name = object.metadata.name.as_deref().map(prefixed);
        if let Some(name) = object.data.pointer_mut("/roleRef/name") {
            rename(name);
        }
        let subjects = object.data.get_mut("subjects").and_then(Value::as_array_mut);
        for subject in subjects.into_iter().flatten() {
            rename(&mut subject["name"]);
            subject["namespace"] = json!(NAMESPACE);
        }
    }
    apply(client, objects).await
}

fn prefixed(name: &str) -> String {
    if name.starts_with(PREFIX) {
        name.to_owned()
    } else {
        format!("{PREFIX}{name}")
    }
}

fn rename(name: &mut Value) {
    if let Some(text) = name.as_str() {
        *name = json!(prefixed(text));
    }
}

/// The manager with the token of its service account.
pub(crate) fn manager(parts: &Parts, kubeconfig: &Path, health_port: u16) -> Spec {
    Spec {
        part: "volsync",
        program: parts.bin("volsync"),
        args: vec![
            format!("--kubeconfig={}", kubeconfig.display()),
            "--metrics-bind-address=0".into(),
            format!("--health-probe-bind-address=127.0.0.1:{health_port}"),
            "--leader-elect=false".into(),
        ],
        env: vec![("VOLSYNC_NAMESPACE", NAMESPACE.to_owned())],
        restart: true,
    }
}
