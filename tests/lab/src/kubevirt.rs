//! KubeVirt's own virt-api and virt-controller outside a cluster: what its operator would install, and their command
//! lines. Reads manifests and talks to the API server.

use std::path::Path;

use kube::Client;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::certs::Pki;
use crate::error::LabError;
use crate::objects::{api, apply, from_json, read};
use crate::parts::Parts;
use crate::process::Spec;

/// Where KubeVirt lives; its generated manifests say so as well.
pub(crate) const NAMESPACE: &str = "kubevirt";
/// Service accounts, as the generated RBAC binds them.
pub(crate) const API_ACCOUNT: &str = "kubevirt-apiserver";
/// As above.
pub(crate) const CONTROLLER_ACCOUNT: &str = "kubevirt-controller";

/// RBAC, the KubeVirt object and what its operator would keep; the CRDs must be served.
///
/// `full` adds what only real components use: the guard of what virt-handler may write.
pub(crate) async fn configure(client: &Client, parts: &Parts, pki: &Pki, full: bool) -> Result<(), LabError> {
    let mut objects = read(parts.manifest("kubevirtRbac")?)?;
    if full {
        objects.extend(read(parts.manifest("kubevirtExtras")?)?);
    }
    objects.push(from_json(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "kubevirt-ca", "namespace": NAMESPACE},
        "data": {"ca-bundle": pki.text("kubevirt-ca.crt")?},
    }))?);
    let kubevirt = kubevirt_object()?;
    objects.push(kubevirt.clone());
    apply(client, objects).await?;

    let version = parts.versions.get("kubevirt").map_or("1.7.0", String::as_str);
    let status = json!({"status": {
        "phase": "Deployed",
        "defaultArchitecture": "amd64",
        "observedKubeVirtVersion": format!("v{version}"),
        "observedKubeVirtRegistry": "lab.invalid/kubevirt",
        "targetKubeVirtVersion": format!("v{version}"),
        "targetKubeVirtRegistry": "lab.invalid/kubevirt",
        "operatorVersion": format!("v{version}"),
    }});
    let kubevirts = api(client, &kubevirt);
    let patched = kubevirts
        .patch_status("kubevirt", &PatchParams::default(), &Patch::Merge(&status))
        .await;
    patched
        .map(drop)
        .map_err(LabError::api("take the status of KubeVirt"))
}

fn kubevirt_object() -> Result<DynamicObject, LabError> {
    // A lab has no launcher image to pull and no kernel to ask: hosts are trusted to say that they have KVM.
    let limits = json!({"tokenBucketRateLimiter": {"qps": 400, "burst": 800}});
    let rates = json!({"restClient": {"rateLimiter": limits}});
    from_json(json!({
        "apiVersion": "kubevirt.io/v1", "kind": "KubeVirt",
        "metadata": {"name": "kubevirt", "namespace": NAMESPACE},
        "spec": {
            "imageRegistry": "lab.invalid/kubevirt",
            "configuration": {
                "developerConfiguration": {"featureGates": ["Snapshot"], "useEmulation": false},
                // Without it no launcher pod may run in a tenant's namespace, which enforces Pod Security `restricted`.
                "seccompConfiguration": {
                    "virtualMachineInstanceProfile": {"customProfile": {"runtimeDefaultProfile": true}},
                },
                "vmRolloutStrategy": "LiveUpdate",
                "evictionStrategy": "LiveMigrateIfPossible",
                "migrations": {"parallelMigrationsPerCluster": 40, "parallelOutboundMigrationsPerNode": 10},
                "apiConfiguration": rates,
                "controllerConfiguration": rates,
                "webhookConfiguration": rates,
            },
        },
    }))
}

/// Makes the API server ask virt-api, which must already listen at `port`.
pub(crate) async fn connect(client: &Client, parts: &Parts, pki: &Pki, port: u16) -> Result<(), LabError> {
    let bundle = base64(pki.text("kubevirt-ca.crt")?.as_bytes());
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "virt-api", "namespace": NAMESPACE},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    });
    apply(client, vec![from_json(service)?]).await?;

    let mut objects = Vec::new();
    for mut object in read(parts.manifest("kubevirtWebhooks")?)? {
        let hooks = object.data.get_mut("webhooks").and_then(Value::as_array_mut);
        for hook in hooks.into_iter().flatten() {
            hook["clientConfig"]["caBundle"] = bundle.clone();
            hook["clientConfig"]["service"]["port"] = json!(port);
            // One busy machine plays a whole cluster: a slow answer is no wrong answer.
            hook["timeoutSeconds"] = json!(30);
        }
        objects.push(object);
    }
    for mut object in read(parts.manifest("kubevirtApiServices")?)? {
        if object
            .metadata
            .name
            .as_deref()
            .is_some_and(|name| name.ends_with(".template.kubevirt.io"))
        {
            continue;
        }
        object.data["spec"]["caBundle"] = bundle.clone();
        object.data["spec"]["service"]["port"] = json!(port);
        objects.push(object);
    }
    apply(client, objects).await
}

/// virt-api with the token of its service account.
pub(crate) fn virt_api(parts: &Parts, pki: &Pki, kubeconfig: &Path, port: u16) -> Spec {
    spec(
        parts,
        "virt-api",
        vec![
            format!("--kubeconfig={}", kubeconfig.display()),
            "--listen=127.0.0.1".into(),
            format!("--port={port}"),
            format!("--tls-cert-file={}", pki.path("virt-api.crt")),
            format!("--tls-key-file={}", pki.path("virt-api.key")),
            format!("--handler-cert-file={}", pki.path("virt-handler-client.crt")),
            format!("--handler-key-file={}", pki.path("virt-handler-client.key")),
            "--v=2".into(),
        ],
    )
}

/// virt-controller with the token of its service account.
pub(crate) fn virt_controller(parts: &Parts, pki: &Pki, kubeconfig: &Path, port: u16) -> Spec {
    spec(
        parts,
        "virt-controller",
        vec![
            format!("--kubeconfig={}", kubeconfig.display()),
            "--listen=127.0.0.1".into(),
            format!("--port={port}"),
            "--launcher-image=lab.invalid/kubevirt/virt-launcher".into(),
            "--exporter-image=lab.invalid/kubevirt/virt-exportserver".into(),
            format!("--prom-cert-file={}", pki.path("virt-controller.crt")),
            format!("--prom-key-file={}", pki.path("virt-controller.key")),
            "--v=2".into(),
        ],
    )
}

fn spec(parts: &Parts, part: &'static str, args: Vec<String>) -> Spec {
    Spec {
        part,
        program: parts.bin(part),
        args,
        env: Vec::new(),
        restart: true,
    }
}

/// Bytes as the API wants them in JSON.
fn base64(bytes: &[u8]) -> Value {
    json!(k8s_openapi::ByteString(bytes.to_vec()))
}
