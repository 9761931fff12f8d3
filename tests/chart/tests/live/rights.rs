//! What the roles let people and the operator do, asked of the API server's own authorizer. No I/O but those questions.

use super::OPERATOR;
use super::apply;
use super::becomes;
use super::client_as;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use kube::Client;
use kube::api::Api;
use kube::api::PostParams;
use raidc_lab::Lab;
use serde_json::json;

/// Whether somebody may do `verb group resource[/subresource] [name]`, with `-` for the core group.
async fn may(admin: &Client, user: &str, groups: &[&str], namespace: &str, what: &str) -> bool {
    let words: Vec<_> = what.split(' ').collect();
    let (resource, subresource) = words[2].split_once('/').unwrap_or((words[2], ""));
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": {},
        "spec": {"user": user, "groups": groups, "resourceAttributes": {
            "verb": words[0], "group": words[1].trim_start_matches('-'), "resource": resource,
            "subresource": subresource, "namespace": namespace, "name": words.get(3).unwrap_or(&""),
        }},
    });
    let review: SubjectAccessReview = serde_json::from_value(review).expect("a review");
    let api: Api<SubjectAccessReview> = Api::all(admin.clone());
    let answer = api
        .create(&PostParams::default(), &review)
        .await
        .expect("an answer");
    answer.status.expect("a verdict").allowed
}

/// Waits until somebody may do that: a binding counts some moments after it was made.
pub async fn is_given(admin: &Client, user: &str, groups: &[&str], namespace: &str, what: &str) {
    becomes(&format!("{user} may {what} in {namespace:?}"), || {
        may(admin, user, groups, namespace, what)
    })
    .await;
}

pub async fn of_people(lab: &Lab, admin: &Client) {
    let hand_out = |namespace: &str, role: &str, group: &str| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": format!("{role}-{group}"), "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}],
        })
    };
    // By the operator itself: it must hold what it hands out.
    let operator = client_as(lab, OPERATOR, &[]);
    apply(
        &operator,
        &hand_out("kuldiga", "raidc-tenant-admin", "kuldiga-it"),
    )
    .await
    .expect("admins");
    apply(
        &operator,
        &hand_out("kuldiga", "raidc-tenant-viewer", "kuldiga-audit"),
    )
    .await
    .expect("viewers");
    apply(
        &operator,
        &hand_out("raidc-images", "raidc-catalogue-reader", "kuldiga-it"),
    )
    .await
    .expect("the catalogue");
    for role in [
        "raidc-tenant-secrets",
        "cluster-admin",
        "edit",
        "raidc-platform-admin",
    ] {
        let refused = apply(&operator, &hand_out("kuldiga", role, "kuldiga-it"))
            .await
            .expect_err(role);
        assert!(
            refused.contains("attempting to grant RBAC permissions not currently held"),
            "{role}: {refused}"
        );
    }
    let people = ["kuldiga-it", "system:authenticated"];
    for (namespace, what) in [
        ("kuldiga", "create raidc.dev virtualservers"),
        ("kuldiga", "delete raidc.dev colocations"),
        (
            "kuldiga",
            "get subresources.kubevirt.io virtualmachineinstances/console",
        ),
        (
            "kuldiga",
            "get subresources.kubevirt.io virtualmachineinstances/vnc",
        ),
        (
            "kuldiga",
            "update subresources.kubevirt.io virtualmachines/restart",
        ),
        ("kuldiga", "list cdi.kubevirt.io datavolumes"),
        ("kuldiga", "get - events"),
        ("raidc-images", "list cdi.kubevirt.io datasources"),
        (
            "",
            "list instancetype.kubevirt.io virtualmachineclusterinstancetypes",
        ),
        ("", "list raidc.dev replicationpolicies"),
    ] {
        is_given(admin, "juris", &people, namespace, what).await;
    }
    for (namespace, what) in [
        ("kuldiga", "patch raidc.dev virtualservers/status"),
        ("kuldiga", "get - secrets"),
        ("kuldiga", "delete kubevirt.io virtualmachines"),
        ("kuldiga", "delete - persistentvolumeclaims"),
        ("kuldiga", "create rbac.authorization.k8s.io rolebindings"),
        ("kuldiga", "create - pods/exec"),
        ("elsewhere", "create raidc.dev virtualservers"),
        ("raidc-images", "create cdi.kubevirt.io datavolumes/source"),
        ("", "list raidc.dev tenants"),
        ("", "list raidc.dev sites"),
    ] {
        assert!(
            !may(admin, "juris", &people, namespace, what).await,
            "an admin may {what} in {namespace}"
        );
    }
    let auditors = ["kuldiga-audit", "system:authenticated"];
    let reads = "list raidc.dev virtualservers";
    is_given(admin, "ilze", &auditors, "kuldiga", reads).await;
    for what in [
        "create raidc.dev virtualservers",
        "get subresources.kubevirt.io virtualmachineinstances/vnc",
    ] {
        assert!(
            !may(admin, "ilze", &auditors, "kuldiga", what).await,
            "a viewer may {what}"
        );
    }
}

pub async fn of_the_operator(admin: &Client) {
    let groups = [
        "system:serviceaccounts",
        "system:serviceaccounts:raidc-system",
        "system:authenticated",
    ];
    for (namespace, what) in [
        ("", "get - secrets"),
        ("kuldiga", "create - secrets"),
        ("kuldiga", "update raidc.dev virtualservers/status"),
        ("", "escalate rbac.authorization.k8s.io clusterroles"),
        ("", "bind rbac.authorization.k8s.io clusterroles"),
        ("", "impersonate - users"),
        ("", "patch - nodes"),
        ("kuldiga", "delete - pods"),
        ("raidc-system", "patch coordination.k8s.io leases another"),
        ("kube-system", "get coordination.k8s.io leases raidc-controller"),
        ("kuldiga", "create cdi.kubevirt.io datavolumes/source"),
    ] {
        assert!(
            !may(admin, OPERATOR, &groups, namespace, what).await,
            "the operator may {what} in {namespace}"
        );
    }
    for (namespace, what) in [
        (
            "raidc-system",
            "patch coordination.k8s.io leases raidc-controller",
        ),
        ("raidc-system", "create coordination.k8s.io leases"),
        ("", "patch raidc.dev sites/status"),
        ("kuldiga", "create kubevirt.io virtualmachines"),
        ("raidc-images", "create cdi.kubevirt.io datavolumes/source"),
    ] {
        is_given(admin, OPERATOR, &groups, namespace, what).await;
    }
}
