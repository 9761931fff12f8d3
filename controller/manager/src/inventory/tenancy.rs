//! Whose a namespace is, as every part of the operator sees it, and what may be used in it. No I/O.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use raidc_crds::Tenant;
use raidc_crds::names::TENANT_LABEL;
use raidc_crds::tenant::Service;

use super::translate::{Note, Seen, created_at};
use crate::executors::tenancy::ADOPT_ANNOTATION;

/// The namespace that a tenant works in.
#[must_use]
pub fn namespace_of(tenant: &Tenant) -> &str {
    let own = tenant.metadata.name.as_deref().unwrap_or_default();
    tenant.spec.namespace.as_deref().unwrap_or(own)
}

/// The tenant of a namespace. Its label says whose it is, or what hands it over while it has none yet; only of one that does not
/// exist has the oldest of those who ask for it the first claim. A Tenant that asks for the namespace of another never has it.
#[must_use]
pub fn tenant_of<'a>(
    tenants: &'a [Arc<Tenant>],
    namespace: &str,
    found: Option<&Namespace>,
) -> Option<&'a Arc<Tenant>> {
    let mut claim = tenants.iter().filter(|tenant| namespace_of(tenant) == namespace);
    let Some(found) = found else {
        return claim.min_by_key(|tenant| (created_at(tenant.as_ref()), tenant.metadata.name.clone()));
    };
    let meta = &found.metadata;
    let label = meta.labels.as_ref().and_then(|labels| labels.get(TENANT_LABEL));
    let handed = || meta.annotations.as_ref()?.get(ADOPT_ANNOTATION);
    let owner = label.or_else(handed)?;
    claim.find(|tenant| tenant.metadata.name.as_ref() == Some(owner))
}

impl Seen {
    /// The tenant of a namespace.
    #[must_use]
    pub fn tenant_of(&self, namespace: &str) -> Option<&Arc<Tenant>> {
        let found = self.namespaces.get(namespace);
        tenant_of(&self.tenants, namespace, found.map(AsRef::as_ref))
    }

    /// The tenant of a namespace, if it may use `service`.
    pub(crate) fn entitled(&self, namespace: &str, service: Service) -> Result<&Arc<Tenant>, Note> {
        let tenant = self.tenant_of(namespace).ok_or_else(|| no_tenant(namespace))?;
        if tenant.spec.services.contains(&service) {
            return Ok(tenant);
        }
        Err(Note::new(
            "ServiceNotEnabled",
            format!(
                "the tenant of namespace {namespace} has not taken the service {service:?}: ask the platform team to add it to the Tenant's services"
            ),
        ))
    }
}

/// What is said of everything in a namespace without a Tenant, by whoever says it.
pub(crate) fn no_tenant(namespace: &str) -> Note {
    Note::new(
        "NoTenant",
        format!(
            "namespace {namespace} belongs to no Tenant, so nobody can say what may be used here: ask the platform team to create the Tenant, or use the namespace of yours"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::translate::tests::made;
    use serde_json::{Value, json};

    fn tenant(name: &str, made_at: &str) -> Arc<Tenant> {
        made(json!({
            "apiVersion": "raidc.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name, "creationTimestamp": made_at},
            "spec": {"displayName": name, "defaultPolicy": "silver", "namespace": "web"},
        }))
    }

    /// Whose `web` is when it is labelled and annotated so, with two Tenants that ask for it.
    fn owner(namespace: Option<(Value, Value)>) -> Option<String> {
        let tenants = [
            tenant("a", "2026-01-01T00:00:00Z"),
            tenant("b", "2026-01-02T00:00:00Z"),
        ];
        let found: Option<Arc<Namespace>> = namespace.map(|(labels, annotations)| {
            made(json!({"metadata": {"name": "web", "labels": labels, "annotations": annotations}}))
        });
        tenant_of(&tenants, "web", found.as_deref()).and_then(|tenant| tenant.metadata.name.clone())
    }

    #[test]
    fn an_older_tenant_never_counts_as_the_owner_of_a_namespace_that_is_anothers() {
        let none = || json!({});
        assert_eq!(
            owner(Some((json!({"raidc.dev/tenant": "b"}), none()))).as_deref(),
            Some("b")
        );
        assert_eq!(
            owner(Some((none(), json!({"raidc.dev/adopt": "b"})))).as_deref(),
            Some("b")
        );
        let label_wins = (json!({"raidc.dev/tenant": "b"}), json!({"raidc.dev/adopt": "a"}));
        assert_eq!(owner(Some(label_wins)).as_deref(), Some("b"));
        assert_eq!(
            owner(Some((json!({"raidc.dev/tenant": "c"}), none()))),
            None,
            "one that is gone"
        );
        assert_eq!(
            owner(Some((none(), none()))),
            None,
            "it was there before and was handed to nobody"
        );
        assert_eq!(owner(None).as_deref(), Some("a"), "it is the older's to make");
    }
}
