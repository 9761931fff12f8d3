//! What happens when a Tenant is deleted. I/O.
//!
//! `Orphan` takes away what was made for its people (bindings) and leaves namespace, servers, disks and network policies as they are.
//! `Protect` waits while there is any server, colocation or disk; then it takes away bindings, network policies and the
//! namespace, if that holds no claim at all, ours or not. Data is never deleted here.

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;
use kube::ResourceExt as _;
use kube::api::ListParams;
use raidc_crds::Tenant;
use raidc_crds::names::DISK_LABEL;
use raidc_crds::names::TENANT_LABEL;
use raidc_crds::tenant::TenantDeletionPolicy;

use super::namespace::name_of;
use crate::Ctx;
use crate::Error;
use crate::executors::tenancy;
use crate::reconcile::typed;
use crate::runtime::writer::Object;

/// How long a read may take.
const READ_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// What a deletion waits for; `None` when it may end.
///
/// # Errors
/// What the writer says.
pub async fn carry_out(ctx: &Ctx, tenant: &Tenant) -> Result<Option<String>, Error> {
    let own = tenant.name_any();
    let namespace = name_of(tenant);
    let found = ctx.stores.namespaces.get_cluster(namespace);
    // A namespace that never was this tenant's is left alone.
    let ours = found
        .as_ref()
        .filter(|n| n.labels().get(TENANT_LABEL) == Some(&own));
    let Some(ours) = ours else {
        drop_catalogue_binding(ctx, tenant).await?;
        return Ok(None);
    };
    if tenant.spec.deletion_policy == TenantDeletionPolicy::Protect
        && let Some(left) = left(ctx, namespace)
    {
        return Ok(Some(left));
    }
    drop_bindings(ctx, tenant, namespace).await?;
    if tenant.spec.deletion_policy == TenantDeletionPolicy::Orphan {
        return Ok(None);
    }
    drop_namespace(ctx, namespace, ours).await
}

/// What still keeps a protected tenant, counted.
fn left(ctx: &Ctx, namespace: &str) -> Option<String> {
    let stores = &ctx.stores;
    let servers = stores.virtual_servers.in_namespace(namespace).len();
    let colocations = stores.colocations.in_namespace(namespace).len();
    // Disks only: the claims of copies and of transfers come and go, and a message that counts them would never rest.
    let all = stores.pvcs.in_namespace(namespace);
    let claims = all.iter().filter(|c| c.labels().contains_key(DISK_LABEL)).count();
    let volumes = stores
        .cdi
        .get()
        .map_or(0, |cdi| cdi.datavolumes.in_namespace(namespace).len());
    let disks = claims.max(volumes);
    let parts: Vec<String> = [
        (servers, "server(s)"),
        (colocations, "colocation(s)"),
        (disks, "disk(s)"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    (!parts.is_empty()).then(|| {
        format!(
            "it still has {}: delete them first, or set deletionPolicy: Orphan to leave them as they are",
            parts.join(", ")
        )
    })
}

async fn drop_bindings(ctx: &Ctx, tenant: &Tenant, namespace: &str) -> Result<(), Error> {
    let own = tenant.name_any();
    for name in [tenancy::ADMINS, tenancy::VIEWERS] {
        // Only what names an object is needed to delete it; the writer reads it again and compares its UID.
        let body = tenancy::role_binding(&own, namespace, name, "", &[]);
        drop_by_name::<RoleBinding>(ctx, &typed(body)?).await?;
    }
    drop_catalogue_binding(ctx, tenant).await
}

async fn drop_catalogue_binding(ctx: &Ctx, tenant: &Tenant) -> Result<(), Error> {
    let own = tenant.name_any();
    let name = tenancy::catalogue_binding_name(&own);
    let body = tenancy::role_binding(&own, &ctx.config.image_namespace, &name, "", &[]);
    drop_by_name::<RoleBinding>(ctx, &typed(body)?).await
}

/// Deletes an object that we know by name, if it carries our tenant's label.
async fn drop_by_name<K: Object>(ctx: &Ctx, named: &K) -> Result<(), Error> {
    let Some(live) = super::live(ctx, named).await? else {
        return Ok(());
    };
    if live.labels().get(TENANT_LABEL) != named.labels().get(TENANT_LABEL) {
        return Ok(());
    }
    ctx.writer.delete(&live).await
}

async fn drop_namespace(ctx: &Ctx, name: &str, namespace: &Namespace) -> Result<Option<String>, Error> {
    // The store knows our claims; whether there are any at all is asked anew, because what is deleted here cannot be had back.
    let api: Api<PersistentVolumeClaim> = Api::namespaced(ctx.client.clone(), name);
    let params = ListParams::default().limit(1);
    let list = tokio::time::timeout(READ_TIMEOUT, api.list(&params)).await;
    let claims = match list {
        Ok(Ok(list)) => list.items.len(),
        Ok(Err(source)) => return Err(Error::kube("list", "PersistentVolumeClaim", name, source)),
        Err(_) => {
            return Err(Error::Unknown {
                verb: "list",
                kind: "PersistentVolumeClaim".to_owned(),
                name: name.to_owned(),
            });
        }
    };
    if claims > 0 {
        return Ok(Some(format!(
            "the namespace {name} still holds a PersistentVolumeClaim: delete it, or set deletionPolicy: Orphan to leave the namespace"
        )));
    }
    for body in tenancy::network_policies(&namespace.labels()[TENANT_LABEL], name) {
        drop_by_name::<NetworkPolicy>(ctx, &typed(body)?).await?;
    }
    ctx.writer.delete(namespace).await?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Decision;
    use crate::inventory::stores::Stores;
    use crate::inventory::watched::Watched;
    use crate::runtime::testing;
    use serde_json::{Value, json};

    fn tenant(policy: &str) -> Tenant {
        serde_json::from_value(json!({
            "apiVersion": "raidc.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": "kuldiga", "uid": "t-1"},
            "spec": {"displayName": "Kuldīga", "defaultPolicy": "silver", "deletionPolicy": policy},
        }))
        .expect("a tenant")
    }

    fn stores(with_server: bool) -> Stores {
        let namespace = json!({"metadata": {"name": "kuldiga", "uid": "n-1", "resourceVersion": "3",
            "labels": {"raidc.dev/tenant": "kuldiga"}}});
        let server = json!({"apiVersion": "raidc.dev/v1alpha1", "kind": "VirtualServer",
            "metadata": {"name": "web", "namespace": "kuldiga"}, "spec": {"size": "m-4", "image": "debian-13"}});
        let servers = with_server.then(|| serde_json::from_value(server).expect("a server"));
        Stores {
            namespaces: Watched::holding([serde_json::from_value(namespace).expect("a namespace")]),
            virtual_servers: Watched::holding(servers),
            ..Stores::default()
        }
    }

    /// Answers every call with "not found", until there are none, and returns what was asked.
    async fn absent(api: &mut testing::Server, calls: usize) -> Vec<(String, String)> {
        let gone = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404});
        let mut asked = Vec::new();
        for _ in 0..calls {
            let (method, path, _): (String, String, Value) = testing::answer(api, 404, &gone).await;
            asked.push((method, path));
        }
        asked
    }

    #[tokio::test]
    async fn a_tenant_with_servers_is_never_deleted_and_says_what_it_waits_for() {
        let (client, mut api) = testing::mock();
        let ctx = testing::ctx(client, stores(true), Decision::default());
        let waits = carry_out(&ctx, &tenant("Protect")).await.expect("done");
        assert!(
            waits.as_deref().is_some_and(|w| w.contains("1 server(s)")),
            "{waits:?}"
        );
        drop(ctx);
        assert!(api.next_request().await.is_none(), "something was taken away");
    }

    #[tokio::test]
    async fn orphaning_never_touches_the_namespace() {
        let (client, mut api) = testing::mock();
        let ctx = testing::ctx(client, stores(true), Decision::default());
        let orphan = tenant("Orphan");
        let (waits, asked) = tokio::join!(carry_out(&ctx, &orphan), absent(&mut api, 3));
        assert_eq!(waits.expect("done"), None);
        assert!(
            asked
                .iter()
                .all(|(method, path)| method == "GET" && path.contains("/rolebindings/")),
            "{asked:?}"
        );
        drop(ctx);
        assert!(
            api.next_request().await.is_none(),
            "more than bindings was touched"
        );
    }

    #[tokio::test]
    async fn a_namespace_with_any_claim_is_never_deleted() {
        let (client, mut api) = testing::mock();
        let ctx = testing::ctx(client, stores(false), Decision::default());
        let protect = tenant("Protect");
        let claims = json!({"kind": "PersistentVolumeClaimList", "apiVersion": "v1", "metadata": {},
            "items": [{"metadata": {"name": "somebodys", "namespace": "kuldiga"}}]});
        let answers = async {
            absent(&mut api, 3).await;
            testing::answer(&mut api, 200, &claims).await
        };
        let (waits, asked) = tokio::join!(carry_out(&ctx, &protect), answers);
        assert!(asked.1.contains("persistentvolumeclaims"), "{}", asked.1);
        assert!(
            waits
                .expect("done")
                .is_some_and(|w| w.contains("PersistentVolumeClaim"))
        );
        drop(ctx);
        assert!(api.next_request().await.is_none(), "the namespace was touched");
    }
}
