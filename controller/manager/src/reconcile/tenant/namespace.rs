//! Whose a namespace is, and whether a tenant may have it. No I/O.

use k8s_openapi::api::core::v1::Namespace;
use raidc_crds::Tenant;
use raidc_crds::names::TENANT_LABEL;

use crate::executors::tenancy::ADOPT_ANNOTATION;

/// What is found at the name of a tenant's namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing: it is made.
    Absent,
    /// It is this tenant's, or was handed to it.
    Ours,
    /// It is being deleted: wait.
    Ending,
    /// It may not be taken; the message says what to do.
    Taken(String),
}

/// Name of the namespace that a tenant works in.
#[must_use]
pub fn name_of(tenant: &Tenant) -> &str {
    let own = tenant.metadata.name.as_deref().unwrap_or_default();
    tenant.spec.namespace.as_deref().unwrap_or(own)
}

/// Judges the namespace. A namespace that was there before is handed over by an annotation only, so that a slip in a name never
/// gives a municipality somebody else's namespace. Messages never name another tenant.
#[must_use]
pub fn judge(tenant: &Tenant, namespace: Option<&Namespace>, others: &[&Tenant], reserved: &[&str]) -> Found {
    let own = tenant.metadata.name.as_deref().unwrap_or_default();
    let name = name_of(tenant);
    if reserved.contains(&name) || name.starts_with("kube-") {
        return Found::Taken(format!(
            "the namespace {name} is the platform's own: name another in spec.namespace of a new Tenant"
        ));
    }
    let taken = || {
        Found::Taken(format!(
            "the namespace {name} belongs to another tenant: name another in spec.namespace of a new Tenant"
        ))
    };
    let Some(found) = namespace else {
        // Two tenants that ask for the same name at once: the older has it.
        let age = |t: &Tenant| {
            let made = t.metadata.creation_timestamp.as_ref().map(|time| time.0);
            (made, t.metadata.name.clone())
        };
        let older = others.iter().any(|t| name_of(t) == name && age(t) < age(tenant));
        return if older { taken() } else { Found::Absent };
    };
    let label = found.metadata.labels.as_ref().and_then(|l| l.get(TENANT_LABEL));
    let adopt = found
        .metadata
        .annotations
        .as_ref()
        .and_then(|a| a.get(ADOPT_ANNOTATION));
    let ours = match label {
        Some(label) => label == own,
        None => adopt.is_some_and(|a| a == own),
    };
    if ours && found.metadata.deletion_timestamp.is_some() {
        Found::Ending
    } else if ours {
        Found::Ours
    } else if label.is_some() {
        taken()
    } else {
        Found::Taken(format!(
            "the namespace {name} was there before and belongs to no tenant: to hand it over, annotate it {ADOPT_ANNOTATION}={own} (Pod \
             Security restricted then holds in it, and it stays when the Tenant goes), or name another in spec.namespace of a new Tenant"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tenant(name: &str, namespace: Option<&str>, made: &str) -> Tenant {
        let mut body = json!({
            "apiVersion": "raidc.dev/v1alpha1", "kind": "Tenant",
            "metadata": {"name": name, "creationTimestamp": made},
            "spec": {"displayName": name, "defaultPolicy": "silver"},
        });
        if let Some(namespace) = namespace {
            body["spec"]["namespace"] = json!(namespace);
        }
        serde_json::from_value(body).expect("a tenant")
    }

    fn namespace(labels: &serde_json::Value, annotations: &serde_json::Value) -> Namespace {
        serde_json::from_value(
            json!({"metadata": {"name": "kuldiga", "labels": labels, "annotations": annotations}}),
        )
        .expect("a namespace")
    }

    fn taken(found: &Found) -> bool {
        matches!(found, Found::Taken(_))
    }

    #[test]
    fn a_namespace_that_was_there_before_is_never_taken_unasked() {
        let t = tenant("kuldiga", None, "2026-01-01T00:00:00Z");
        assert_eq!(judge(&t, None, &[], &[]), Found::Absent);
        let plain = namespace(&json!({}), &json!({}));
        assert!(taken(&judge(&t, Some(&plain), &[], &[])));
        let handed = namespace(&json!({}), &json!({"raidc.dev/adopt": "kuldiga"}));
        assert_eq!(judge(&t, Some(&handed), &[], &[]), Found::Ours);
        let to_other = namespace(&json!({}), &json!({"raidc.dev/adopt": "talsi"}));
        assert!(taken(&judge(&t, Some(&to_other), &[], &[])));
    }

    #[test]
    fn a_namespace_of_another_tenant_is_never_taken_and_the_other_never_named() {
        let t = tenant("kuldiga", None, "2026-01-01T00:00:00Z");
        let others = namespace(
            &json!({"raidc.dev/tenant": "talsi"}),
            &json!({"raidc.dev/adopt": "kuldiga"}),
        );
        let Found::Taken(message) = judge(&t, Some(&others), &[], &[]) else {
            panic!("it was not taken");
        };
        assert!(!message.contains("talsi"), "{message}");
    }

    #[test]
    fn the_platforms_own_namespaces_are_never_given_away() {
        let t = tenant("raidc-system", None, "2026-01-01T00:00:00Z");
        assert!(taken(&judge(&t, None, &[], &["raidc-system", "raidc-images"])));
        let t = tenant("x", Some("kube-public"), "2026-01-01T00:00:00Z");
        assert!(taken(&judge(&t, None, &[], &[])));
    }

    #[test]
    fn two_tenants_never_get_the_same_namespace() {
        let older = tenant("a", Some("shared"), "2026-01-01T00:00:00Z");
        let younger = tenant("b", Some("shared"), "2026-01-02T00:00:00Z");
        assert_eq!(judge(&older, None, &[&younger], &[]), Found::Absent);
        assert!(taken(&judge(&younger, None, &[&older], &[])));
    }

    #[test]
    fn nothing_is_written_into_a_namespace_that_is_ending() {
        let t = tenant("kuldiga", None, "2026-01-01T00:00:00Z");
        let mut ending = namespace(&json!({"raidc.dev/tenant": "kuldiga"}), &json!({}));
        ending.metadata.deletion_timestamp =
            Some(serde_json::from_value(json!("2026-01-03T00:00:00Z")).expect("a time"));
        assert_eq!(judge(&t, Some(&ending), &[], &[]), Found::Ending);
    }
}
