//! A control plane with our charts in it, and clients for whoever asks. Starts processes; they end with the test.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

pub mod hands;
pub mod rights;

use crate::support;
use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::api::Api;
use kube::api::ApiResource;
use kube::api::DynamicObject;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::core::GroupVersionKind;
use raidc_lab::Lab;
use raidc_lab::LabOptions;
use raidc_lab::Profile;
use serde_json::Value;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// The operator, as the API server names it.
pub const OPERATOR: &str = "system:serviceaccount:raidc-system:raidc-controller";

/// How long the API server may take to learn of something, on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// A small lab: the API server with the kinds that we stand on, and nothing that plays hardware in our way.
pub async fn lab(name: &str) -> Lab {
    let options = LabOptions::new(name).profile(Profile::Light);
    Lab::up(options)
        .await
        .unwrap_or_else(|e| panic!("the lab does not come up: {}", raidc_lab::chain(&e)))
}

/// Installs the chart of the CRDs with Helm and waits until the API server serves them.
pub async fn install_crds(lab: &Lab) {
    let path = support::chart("raidc-crds");
    let path = path.to_str().expect("a path in Unicode");
    let args = [
        "install",
        "raidc-crds",
        path,
        "--namespace",
        support::NAMESPACE,
        "--create-namespace",
    ];
    lab.helm(args).await.expect("the CRDs are installed");
    let crds: Vec<_> = raidc_crds::documents()
        .into_iter()
        .map(|(name, _)| format!("crd/{name}"))
        .collect();
    let wait = ["wait", "--for=condition=Established", "--timeout=60s"].map(str::to_owned);
    lab.kubectl(wait.into_iter().chain(crds))
        .await
        .expect("every CRD is established");
}

/// Installs or upgrades the operator's chart.
pub async fn install(lab: &Lab, more: &[&str]) -> String {
    let path = support::chart("raidc");
    let path = path.to_str().expect("a path in Unicode");
    let args = [
        "upgrade",
        "--install",
        "raidc",
        path,
        "--namespace",
        support::NAMESPACE,
    ];
    lab.helm([&args, more].concat())
        .await
        .expect("the chart is installed")
}

/// A client that speaks as somebody else.
pub fn client_as(lab: &Lab, user: &str, groups: &[&str]) -> Client {
    let mut config = lab.config();
    config.auth_info.impersonate = Some(user.to_owned());
    config.auth_info.impersonate_groups = Some(groups.iter().map(ToString::to_string).collect());
    Client::try_from(config).expect("a client")
}

/// Makes a namespace.
pub async fn namespace(client: &Client, name: &str, labels: &[(&str, &str)]) {
    let labels: serde_json::Map<_, _> = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), Value::from(*value)))
        .collect();
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    let api: Api<Namespace> = Api::all(client.clone());
    api.patch(name, &PatchParams::apply("test"), &Patch::Apply(body))
        .await
        .expect("a namespace");
}

/// Looks until it is so. What the API server goes by (rights, policies) it learns of by watches, hence soon and not at once.
pub async fn becomes<F: Future<Output = bool>>(what: &str, so: impl Fn() -> F) {
    let deadline = Instant::now() + SOON;
    while !so().await {
        assert!(Instant::now() < deadline, "after {SOON:?} still not so: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The API of an object's kind, in its namespace. Plurals are regular in all kinds used here.
pub fn api(client: &Client, value: &Value) -> Api<DynamicObject> {
    let text = |pointer| support::cases::text(value, pointer).to_owned();
    let (group, version) = match text("/apiVersion").split_once('/') {
        Some((group, version)) => (group.to_owned(), version.to_owned()),
        None => (String::new(), text("/apiVersion")),
    };
    let kind = GroupVersionKind {
        group,
        version,
        kind: text("/kind"),
    };
    let resource = ApiResource::from_gvk(&kind);
    match text("/metadata/namespace").as_str() {
        "" => Api::all_with(client.clone(), &resource),
        namespace => Api::namespaced_with(client.clone(), namespace, &resource),
    }
}

/// The API server's words.
pub fn answer(error: kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => panic!("no answer from the API server: {other}"),
    }
}

/// Server-side apply.
pub async fn apply(client: &Client, value: &Value) -> Result<DynamicObject, String> {
    let name = support::cases::text(value, "/metadata/name");
    let params = PatchParams::apply("test").force();
    api(client, value)
        .patch(name, &params, &Patch::Apply(value))
        .await
        .map_err(answer)
}
