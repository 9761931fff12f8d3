//! Rights: what the charts give to whom. Least privilege is a list of things that must not be there.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]

mod support;

use raidc_controller::runtime::rights::RIGHTS;
use raidc_controller::runtime::rights::Scope;
use serde_json::Value;
use std::collections::BTreeSet;
use support::of_kind;
use support::texts;

const READ: [&str; 3] = ["get", "list", "watch"];

/// One right: group, resource, verb.
type Right = (String, String, String);

fn rights(role: &Value) -> BTreeSet<Right> {
    let mut found = BTreeSet::new();
    for rule in role["rules"].as_array().into_iter().flatten() {
        assert!(rule.get("nonResourceURLs").is_none(), "{rule}");
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for verb in texts(&rule["verbs"]) {
                    found.insert((group.to_owned(), resource.to_owned(), verb.to_owned()));
                }
            }
        }
    }
    found
}

/// What the operator's own table says that it needs (controller/manager/src/runtime/rights.rs), in this scope.
fn table(scope: Scope) -> BTreeSet<Right> {
    let wanted = RIGHTS.iter().filter(|right| right.scope == scope);
    let each = |right: &'static raidc_controller::runtime::rights::Right| {
        right.verbs.iter().map(|verb| {
            (
                right.group.to_owned(),
                right.resource.to_owned(),
                (*verb).to_owned(),
            )
        })
    };
    wanted.flat_map(each).collect()
}

#[test]
fn the_operator_is_never_given_more_or_less_than_its_own_table_says() {
    for (file, objects) in support::all_rendered() {
        let mut needed = table(Scope::Cluster);
        if gives_pull_secrets(&objects) {
            needed.extend(table(Scope::PullSecrets));
        }
        if carries_out_consolidations(&objects) {
            needed.extend(table(Scope::Execute));
        }
        assert_eq!(
            rights(role(&objects, "raidc-controller")),
            needed,
            "{file}: chart (left), table (right)"
        );
        let lease = support::one(&objects, "Role", "raidc-controller-lease");
        assert_eq!(
            rights(lease),
            table(Scope::Own),
            "{file}: chart (left), table (right)"
        );
        // Not a call of the operator: CDI asks for it when the operator makes a disk out of an image.
        let clone = support::one(&objects, "Role", "raidc-controller-clone");
        let source = (
            "cdi.kubevirt.io".to_owned(),
            "datavolumes/source".to_owned(),
            "create".to_owned(),
        );
        assert_eq!(rights(clone), BTreeSet::from([source]), "{file}");
    }
}

/// Whether the operator is told of pull secrets for tenants.
fn gives_pull_secrets(objects: &[Value]) -> bool {
    let deployment = support::one(objects, "Deployment", "raidc-controller");
    let env = &deployment["spec"]["template"]["spec"]["containers"][0]["env"];
    let names = env.as_array().expect("an environment").iter();
    names
        .into_iter()
        .any(|e| e["name"] == "RAIDC_TENANT_PULL_SECRETS")
}

/// Whether the operator is told to move servers.
fn carries_out_consolidations(objects: &[Value]) -> bool {
    let deployment = support::one(objects, "Deployment", "raidc-controller");
    let env = &deployment["spec"]["template"]["spec"]["containers"][0]["env"];
    let mode = env
        .as_array()
        .expect("an environment")
        .iter()
        .find(|e| e["name"] == "RAIDC_CONSOLIDATION");
    mode.expect("a mode")["value"] == "execute"
}

#[test]
fn no_server_can_be_moved_unless_the_platform_team_says_so() {
    let with: Vec<bool> = support::all_rendered()
        .iter()
        .map(|(_, objects)| carries_out_consolidations(objects))
        .collect();
    assert!(
        with.contains(&true) && with.contains(&false),
        "both are rendered: {with:?}"
    );
    for (file, objects) in support::all_rendered() {
        let moves = held(&objects)
            .iter()
            .any(|(_, resource, verb)| resource == "virtualmachineinstancemigrations" && verb == "create");
        assert_eq!(moves, carries_out_consolidations(&objects), "{file}");
    }
}

#[test]
fn service_accounts_are_never_touched_unless_tenants_get_pull_secrets() {
    let with: Vec<bool> = support::all_rendered()
        .iter()
        .map(|(_, objects)| gives_pull_secrets(objects))
        .collect();
    assert!(
        with.contains(&true) && with.contains(&false),
        "both are rendered: {with:?}"
    );
    let of = |objects: &[Value]| rights(role(objects, "raidc-controller"));
    for (file, objects) in support::all_rendered() {
        let touches = of(&objects)
            .iter()
            .any(|(_, resource, _)| resource == "serviceaccounts");
        assert_eq!(touches, gives_pull_secrets(&objects), "{file}");
    }
}

fn roles(objects: &[Value]) -> Vec<&Value> {
    [of_kind(objects, "ClusterRole"), of_kind(objects, "Role")].concat()
}

fn role<'a>(objects: &'a [Value], name: &str) -> &'a Value {
    support::one(objects, "ClusterRole", name)
}

/// Everything that the operator's account may do anywhere, by way of its bindings.
fn held(objects: &[Value]) -> BTreeSet<Right> {
    let bindings = [
        of_kind(objects, "ClusterRoleBinding"),
        of_kind(objects, "RoleBinding"),
    ]
    .concat();
    let ours = bindings.into_iter().filter(|b| {
        b["subjects"]
            .as_array()
            .expect("subjects")
            .iter()
            .any(|s| s["kind"] == "ServiceAccount")
    });
    ours.flat_map(|b| {
        let reference = &b["roleRef"];
        let name = reference["name"].as_str().expect("a name");
        rights(support::one(
            objects,
            reference["kind"].as_str().expect("a kind"),
            name,
        ))
    })
    .collect()
}

#[test]
fn no_rule_says_everything() {
    for (file, objects) in support::all_rendered() {
        for role in roles(&objects) {
            for (group, resource, verb) in rights(role) {
                let all = [&group, &resource, &verb]
                    .into_iter()
                    .any(|word| word.contains('*'));
                assert!(
                    !all,
                    "{file} {}: {group} {resource} {verb}",
                    role["metadata"]["name"]
                );
            }
        }
    }
}

#[test]
fn the_operator_never_sees_a_secret_and_never_gives_itself_a_right() {
    for (file, objects) in support::all_rendered() {
        for (group, resource, verb) in held(&objects) {
            assert!(!resource.starts_with("secrets"), "{file}: {verb} {resource}");
            assert!(
                !["bind", "escalate", "impersonate"].contains(&verb.as_str()),
                "{file}: {verb} {resource}"
            );
            let roles = ["roles", "clusterroles", "clusterrolebindings"].contains(&resource.as_str());
            assert!(!roles, "{file}: {verb} {group}/{resource}");
            let token = ["serviceaccounts/token", "pods/exec", "nodes/proxy"].contains(&resource.as_str());
            assert!(!token, "{file}: {verb} {resource}");
            assert!(verb != "deletecollection", "{file}: {resource}");
        }
    }
}

#[test]
fn the_operator_never_writes_what_it_only_reads() {
    let objects = support::rendered();
    let own = rights(role(&objects, "raidc-controller"));
    let may_write = [
        "namespaces",
        "rolebindings",
        "networkpolicies",
        "virtualmachines",
        "datavolumes",
        "persistentvolumeclaims",
        "replicationsources",
        "replicationdestinations",
        "events",
    ];
    for (group, resource, verb) in own {
        if READ.contains(&verb.as_str()) {
            continue;
        }
        if group == "raidc.dev" {
            let finalizers = ["tenants", "virtualservers"].contains(&resource.as_str());
            assert!(resource.ends_with("/status") || finalizers, "{verb} {resource}");
            assert_eq!(verb, "patch", "{resource}");
        } else {
            assert!(
                may_write.contains(&resource.as_str()),
                "{verb} {group}/{resource}"
            );
            assert_ne!(verb, "update", "{resource}: server-side apply is a patch");
        }
    }
}

#[test]
fn the_operator_never_lacks_a_right_that_it_hands_out() {
    for (file, objects) in support::all_rendered() {
        let held = held(&objects);
        for name in [
            "raidc-tenant-admin",
            "raidc-tenant-viewer",
            "raidc-catalogue-reader",
        ] {
            let missing: Vec<_> = rights(role(&objects, name)).difference(&held).cloned().collect();
            assert_eq!(missing, [], "{file} {name}");
        }
    }
}

#[test]
fn nobody_is_given_secrets_by_us() {
    for (file, objects) in support::all_rendered() {
        for role in roles(&objects) {
            let name = role["metadata"]["name"].as_str().expect("a name");
            let secrets = rights(role).iter().any(|(_, resource, _)| resource == "secrets");
            assert_eq!(secrets, name == "raidc-tenant-secrets", "{file} {name}");
        }
        for binding in [
            of_kind(&objects, "ClusterRoleBinding"),
            of_kind(&objects, "RoleBinding"),
        ]
        .concat()
        {
            assert_ne!(binding["roleRef"]["name"], "raidc-tenant-secrets", "{file}");
        }
    }
}

#[test]
fn a_tenants_people_never_write_anything_but_their_two_kinds() {
    let objects = support::rendered();
    for (_, resource, verb) in rights(role(&objects, "raidc-tenant-admin")) {
        let reads = READ.contains(&verb.as_str());
        let kinds = ["virtualservers", "colocations"].contains(&resource.as_str());
        let restart = (resource.as_str(), verb.as_str()) == ("virtualmachines/restart", "update");
        assert!(reads || kinds || restart, "{verb} {resource}");
    }
    for name in [
        "raidc-tenant-viewer",
        "raidc-catalogue-reader",
        "raidc-catalogue-chooser",
        "raidc-view",
    ] {
        for (_, resource, verb) in rights(role(&objects, name)) {
            assert!(READ.contains(&verb.as_str()), "{name}: {verb} {resource}");
            assert!(
                !resource.contains('/'),
                "{name}: {verb} {resource} opens a console or a status"
            );
        }
    }
}

#[test]
fn no_viewer_sees_less_or_more_than_an_admin_reads() {
    let objects = support::rendered();
    let admin = rights(role(&objects, "raidc-tenant-admin"));
    let viewer = rights(role(&objects, "raidc-tenant-viewer"));
    assert!(viewer.is_subset(&admin), "{:?}", viewer.difference(&admin));
}

#[test]
fn no_kind_of_ours_is_forgotten() {
    let objects = support::rendered();
    let own = rights(role(&objects, "raidc-controller"));
    let platform = rights(role(&objects, "raidc-platform-admin"));
    for crd in support::cases::crds().values() {
        let plural = crd["spec"]["names"]["plural"]
            .as_str()
            .expect("a plural")
            .to_owned();
        for verb in READ {
            assert!(
                own.contains(&("raidc.dev".into(), plural.clone(), verb.into())),
                "{verb} {plural}"
            );
        }
        assert!(
            own.contains(&("raidc.dev".into(), format!("{plural}/status"), "patch".into())),
            "{plural}/status"
        );
        assert!(
            platform.contains(&("raidc.dev".into(), plural.clone(), "create".into())),
            "{plural}"
        );
    }
}

#[test]
fn the_lease_is_never_another_replicas_to_take_by_name_only() {
    let objects = support::rendered();
    let lease = support::one(&objects, "Role", "raidc-controller-lease");
    for rule in lease["rules"].as_array().expect("rules") {
        let named = rule["resourceNames"] == serde_json::json!(["raidc-controller"]);
        assert!(named || texts(&rule["verbs"]) == ["create"], "{rule}");
    }
    assert_eq!(lease["metadata"]["namespace"], support::NAMESPACE);
}
