//! Tenancy: namespace, role bindings and network policies of a tenant. Pure; nothing is decided.
//!
//! Nothing here is owned by the Tenant: deleting it must not cascade to a namespace with data in it.

use super::MANAGED_BY;
use super::MANAGED_BY_LABEL;
use raidc_crds::names::TENANT_LABEL;
use raidc_crds::tenant::People;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// Annotation by which a platform engineer hands an existing namespace to a tenant.
pub const ADOPT_ANNOTATION: &str = "raidc.dev/adopt";
/// Annotation on a namespace that was made for a tenant, and was not there before: only such a one is ever deleted. Its value says nothing.
pub const MADE_ANNOTATION: &str = "raidc.dev/made";
/// Name of the binding of a tenant's admins.
pub const ADMINS: &str = "raidc-admins";
/// Name of the binding of a tenant's viewers.
pub const VIEWERS: &str = "raidc-viewers";
/// Names of the network policies of a tenant's namespace.
pub const NETWORK_POLICIES: [&str; 3] = ["raidc-default-deny", "raidc-allow-dns", "raidc-allow-namespace"];

/// Name of the service account that pods run under which name none, among them KubeVirt's launchers and CDI's importers.
pub const DEFAULT_ACCOUNT: &str = "default";

/// The `default` service account with pull secrets besides those that it `has`; `None` when it names them all. Kubernetes keeps the
/// list as one value, so that whoever sets it sets all of it: what others have put there is repeated, and nothing is ever taken off.
#[must_use]
pub fn pull_account(namespace: &str, has: &[String], secrets: &[String]) -> Option<Value> {
    let missing: Vec<&String> = secrets.iter().filter(|s| !has.contains(s)).collect();
    if missing.is_empty() {
        return None;
    }
    let all: Vec<Value> = has
        .iter()
        .chain(missing)
        .map(|name| json!({"name": name}))
        .collect();
    Some(json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": DEFAULT_ACCOUNT, "namespace": namespace},
        "imagePullSecrets": all,
    }))
}

fn labels(tenant: &str) -> Value {
    json!({MANAGED_BY_LABEL: MANAGED_BY, TENANT_LABEL: tenant})
}

/// The labels that hold everything in a namespace to Pod Security's `restricted`.
fn restricted() -> Map<String, Value> {
    ["audit", "enforce", "warn"]
        .into_iter()
        .map(|mode| {
            (
                format!("pod-security.kubernetes.io/{mode}"),
                Value::from("restricted"),
            )
        })
        .collect()
}

/// The namespace, with Pod Security at `restricted`: KubeVirt's launchers, CDI's importers and VolSync's movers run there as it
/// wants, and so must everything else. `made`: it is made here, or was.
#[must_use]
pub fn namespace(tenant: &str, name: &str, made: bool) -> Value {
    let mut labels = restricted();
    labels.insert(MANAGED_BY_LABEL.to_owned(), Value::from(MANAGED_BY));
    labels.insert(TENANT_LABEL.to_owned(), Value::from(tenant));
    let mut metadata = json!({"name": name, "labels": labels});
    if made {
        metadata["annotations"] = json!({MADE_ANNOTATION: "true"});
    }
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
}

/// A namespace that its tenant leaves: what said whose it is goes, what holds it to `restricted` stays, because what is left in it was let
/// in under that. `uid` is its own, so that one which has gone in the meantime is not made anew.
#[must_use]
pub fn left_namespace(name: &str, uid: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "uid": uid, "labels": restricted()}})
}

/// One binding of all these people to one ClusterRole, so that who is taken off the list has lost it with the next write.
/// Nobody on the list is a binding without subjects.
#[must_use]
pub fn role_binding(
    tenant: &str,
    namespace: &str,
    name: &str,
    cluster_role: &str,
    people: &[&People],
) -> Value {
    let subject = |kind: &str, name: &String| json!({"kind": kind, "name": name, "apiGroup": "rbac.authorization.k8s.io"});
    let mut subjects: Vec<Value> = Vec::new();
    for them in people {
        subjects.extend(them.users.iter().map(|name| subject("User", name)));
        subjects.extend(them.groups.iter().map(|name| subject("Group", name)));
    }
    subjects.sort_by_key(|s| (s["kind"].to_string(), s["name"].to_string()));
    subjects.dedup();
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": namespace, "labels": labels(tenant)},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": cluster_role},
        "subjects": subjects,
    })
}

/// Name of a tenant's binding in the namespace of the catalogue.
#[must_use]
pub fn catalogue_binding_name(tenant: &str) -> String {
    format!("raidc-catalogue-{tenant}")
}

/// Everything is shut, except names (DNS) and what the namespace's own pods say to each other, which VolSync's movers need.
#[must_use]
pub fn network_policies(tenant: &str, namespace: &str) -> [Value; 3] {
    let policy = |name: &str, spec: Value| {
        json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": name, "namespace": namespace, "labels": labels(tenant)},
            "spec": spec,
        })
    };
    let [deny, dns, inside] = NETWORK_POLICIES;
    [
        // The empty lists are said, so that server-side apply takes them over from whoever has put something in.
        policy(
            deny,
            json!({"podSelector": {}, "policyTypes": ["Egress", "Ingress"], "egress": [], "ingress": []}),
        ),
        policy(
            dns,
            json!({
                "podSelector": {},
                "policyTypes": ["Egress"],
                "egress": [{
                    "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
                    "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
                }],
            }),
        ),
        policy(
            inside,
            json!({
                "podSelector": {},
                "policyTypes": ["Egress", "Ingress"],
                "egress": [{"to": [{"podSelector": {}}]}],
                "ingress": [{"from": [{"podSelector": {}}]}],
            }),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_tenants_is_ever_owned_by_it() {
        let mut all = vec![
            namespace("kuldiga", "kuldiga", true),
            role_binding("kuldiga", "kuldiga", ADMINS, "raidc-tenant-admin", &[]),
        ];
        all.extend(network_policies("kuldiga", "kuldiga"));
        for body in all {
            assert!(body["metadata"].get("ownerReferences").is_none(), "{body}");
            assert_eq!(body["metadata"]["labels"]["raidc.dev/tenant"], "kuldiga");
        }
    }

    #[test]
    fn a_namespace_is_never_looser_than_restricted() {
        for body in [
            namespace("kuldiga", "kuldiga-it", true),
            left_namespace("kuldiga-it", "n-1"),
        ] {
            for mode in ["enforce", "audit", "warn"] {
                assert_eq!(
                    body["metadata"]["labels"][format!("pod-security.kubernetes.io/{mode}")],
                    "restricted"
                );
            }
        }
    }

    #[test]
    fn who_is_on_the_list_twice_is_bound_once_and_order_is_no_change() {
        let a = People {
            users: vec!["b".into(), "a".into()],
            groups: vec!["g".into()],
        };
        let b = People {
            users: vec!["a".into()],
            groups: vec![],
        };
        let one = role_binding("t", "t", ADMINS, "r", &[&a, &b]);
        let other = role_binding("t", "t", ADMINS, "r", &[&b, &a]);
        assert_eq!(one, other);
        assert_eq!(one["subjects"].as_array().map(Vec::len), Some(3));
        assert_eq!(
            role_binding("t", "t", ADMINS, "r", &[&People::default()])["subjects"],
            json!([])
        );
    }

    #[test]
    fn a_pull_secret_of_somebody_else_is_never_taken_off() {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let body = pull_account("t", &names(&["theirs"]), &names(&["mirror"])).expect("one is missing");
        assert_eq!(
            body["imagePullSecrets"],
            json!([{"name": "theirs"}, {"name": "mirror"}])
        );
        assert_eq!(
            body.as_object().map(serde_json::Map::len),
            Some(4),
            "nothing else is set"
        );
        assert_eq!(
            pull_account("t", &names(&["mirror", "theirs"]), &names(&["mirror"])),
            None
        );
        assert_eq!(pull_account("t", &names(&["theirs"]), &[]), None);
    }

    #[test]
    fn nothing_leaves_the_namespace_but_questions_for_names() {
        let [deny, dns, inside] = network_policies("t", "t");
        assert_eq!(deny["spec"]["policyTypes"], json!(["Egress", "Ingress"]));
        assert_eq!(
            (&deny["spec"]["egress"], &deny["spec"]["ingress"]),
            (&json!([]), &json!([]))
        );
        assert_eq!(
            dns["spec"]["egress"][0]["to"],
            json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}])
        );
        assert_eq!(
            inside["spec"]["egress"],
            json!([{"to": [{"podSelector": {}}]}]),
            "no namespaceSelector: only this namespace"
        );
    }
}
