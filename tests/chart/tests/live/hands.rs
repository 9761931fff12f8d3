//! What hands try to do, and the wait until the admission policies look at it. Talks to the API server.

use super::OPERATOR;
use super::answer;
use super::api;
use super::apply;
use super::becomes;
use super::client_as;
use super::rights;
use crate::support;
use kube::Client;
use kube::api::Api;
use kube::api::DeleteParams;
use kube::api::DynamicObject;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::api::PostParams;
use raidc_lab::Lab;
use serde_json::Value;
use serde_json::json;

/// Somebody with every right that RBAC can give, so that only the policies hold them back.
pub const PERSON: &str = "anna";

/// Gives a user RBAC's everything.
pub async fn everything_for(admin: &Client, user: &str) {
    let name = user.replace(':', "-");
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    });
    apply(admin, &binding).await.expect("a binding");
    rights::is_given(admin, user, &[], "", "delete - namespaces").await;
}

pub async fn create(client: &Client, value: &Value) -> Result<(), String> {
    let object: DynamicObject = serde_json::from_value(value.clone()).expect("an object");
    let objects: Api<DynamicObject> = api(client, value);
    objects
        .create(
            &PostParams {
                dry_run: true,
                ..PostParams::default()
            },
            &object,
        )
        .await
        .map(drop)
        .map_err(answer)
}

pub async fn merge(client: &Client, value: &Value, patch: Value) -> Result<(), String> {
    let name = support::cases::text(value, "/metadata/name");
    let done = api(client, value)
        .patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await;
    done.map(drop).map_err(answer)
}

pub async fn delete_dry(client: &Client, value: &Value) -> Result<(), String> {
    let name = support::cases::text(value, "/metadata/name");
    api(client, value)
        .delete(name, &DeleteParams::default().dry_run())
        .await
        .map(drop)
        .map_err(answer)
}

pub fn refused(done: Result<(), String>, says: &str, who: &str) {
    let said = done.expect_err(who);
    assert!(said.contains(says), "{who}: {said}");
}

/// A policy takes effect some moments after it was made: waits until each of the five refuses what it is there for.
pub async fn policies_in_force(lab: &Lab, admin: &Client) {
    let made = machine(
        "probe",
        json!({"raidc.dev/server": "probe"}),
        json!({"raidc.dev/epoch": "7"}),
    );
    let operator = client_as(lab, OPERATOR, &[]);
    rights::is_given(
        admin,
        OPERATOR,
        &[],
        "kuldiga",
        "patch kubevirt.io virtualmachines",
    )
    .await;
    apply(&operator, &made).await.expect("a machine");
    let server = json!({
        "apiVersion": "raidc.dev/v1alpha1", "kind": "VirtualServer",
        "metadata": {"name": "probe", "namespace": "kuldiga"}, "spec": {"size": "s-2", "image": "debian-13"},
    });
    apply(admin, &server).await.expect("a server");
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kuldiga"}});

    let person = client_as(lab, PERSON, &[]);
    let dry = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    becomes("tenants' namespaces are kept", || async {
        create(&person, &tenant("raidc-system")).await.is_err()
    })
    .await;
    becomes("what the operator made is kept", || async {
        delete_dry(&person, &made).await.is_err()
    })
    .await;
    becomes("a namespace with servers is kept", || async {
        delete_dry(&person, &namespace).await.is_err()
    })
    .await;
    becomes("an epoch is kept", || async {
        let lower = Patch::Merge(json!({"metadata": {"annotations": {"raidc.dev/epoch": "6"}}}));
        api(&operator, &made).patch("probe", &dry, &lower).await.is_err()
    })
    .await;
    becomes("status is kept", || async {
        let wrong = Patch::Merge(json!({"status": {"site": "talsi"}}));
        api(&person, &server)
            .patch_status("probe", &dry, &wrong)
            .await
            .is_err()
    })
    .await;
    for probe in [&made, &server] {
        api(admin, probe)
            .delete("probe", &DeleteParams::default())
            .await
            .expect("deleted");
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "every caller makes them on the spot"
)]
pub fn machine(name: &str, labels: Value, annotations: Value) -> Value {
    json!({
        "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine",
        "metadata": {"name": name, "namespace": "kuldiga", "labels": labels, "annotations": annotations},
        "spec": {"runStrategy": "Halted", "template": {"spec": {"domain": {"devices": {}}}}},
    })
}

pub fn tenant(name: &str) -> Value {
    json!({
        "apiVersion": "raidc.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name},
        "spec": {"displayName": "x", "defaultPolicy": "silver"},
    })
}
