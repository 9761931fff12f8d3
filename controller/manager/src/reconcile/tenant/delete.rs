//! What happens when a Tenant is deleted. I/O.
//!
//! `Orphan` takes away what was made for its people (bindings) and leaves namespace, servers, disks and network policies as they are.
//! `Protect` waits while there is any server, colocation or disk. Then bindings and network policies go, and the namespace too if it was
//! made for the tenant and holds nothing that cannot be had back, ours or not. One that was handed over stays, and is let go. Data is
//! never deleted here.

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;
use kube::ResourceExt as _;
use kube::api::ApiResource;
use kube::api::DynamicObject;
use kube::api::GroupVersionKind;
use kube::api::ListParams;
use raidc_crds::Tenant;
use raidc_crds::names;
use raidc_crds::names::DISK_LABEL;
use raidc_crds::names::TENANT_LABEL;
use raidc_crds::tenant::TenantDeletionPolicy;
use raidc_planner::counted;

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
    if tenant.spec.deletion_policy == TenantDeletionPolicy::Orphan {
        drop_bindings(ctx, tenant, namespace).await?;
        return Ok(None);
    }
    if !was_made(ours) {
        drop_bindings(ctx, tenant, namespace).await?;
        drop_walls(ctx, &own, namespace).await?;
        leave(ctx, namespace, ours).await?;
        return Ok(None);
    }
    // Before people lose their way in, and again when nobody can put anything there any more.
    if let Some(held) = held(ctx, namespace).await? {
        return Ok(Some(held));
    }
    drop_bindings(ctx, tenant, namespace).await?;
    if let Some(held) = held(ctx, namespace).await? {
        return Ok(Some(held));
    }
    drop_walls(ctx, &own, namespace).await?;
    ctx.writer.delete(ours.as_ref()).await?;
    Ok(None)
}

/// Whether the namespace was made for the tenant. One that was there before is not ours to delete, nor one of which nobody knows.
fn was_made(namespace: &Namespace) -> bool {
    let annotations = namespace.annotations();
    annotations.contains_key(tenancy::MADE_ANNOTATION) && !annotations.contains_key(tenancy::ADOPT_ANNOTATION)
}

/// Takes the mark of the tenant off a namespace that stays.
async fn leave(ctx: &Ctx, name: &str, namespace: &Namespace) -> Result<(), Error> {
    let uid = namespace.uid().unwrap_or_default();
    let body: Namespace = typed(tenancy::left_namespace(name, &uid))?;
    ctx.writer.apply(super::MANAGER, &body).await.map(|_| ())
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
    let parts: Vec<String> = [(servers, "server"), (colocations, "colocation"), (disks, "disk")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| counted(i64::try_from(count).unwrap_or(i64::MAX), what))
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

async fn drop_walls(ctx: &Ctx, tenant: &str, namespace: &str) -> Result<(), Error> {
    for body in tenancy::network_policies(tenant, namespace) {
        drop_by_name::<NetworkPolicy>(ctx, &typed(body)?).await?;
    }
    Ok(())
}

/// Group, version, kind and plural of everything that goes with its namespace and cannot be had back. The content of a VolumeSnapshot may
/// be the last copy of a disk.
const PRECIOUS: [(&str, &str, &str, &str); 4] = [
    ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    (
        "snapshot.storage.k8s.io",
        "v1",
        "VolumeSnapshot",
        "volumesnapshots",
    ),
    (names::GROUP, names::VERSION, "VirtualServer", "virtualservers"),
    (names::GROUP, names::VERSION, "Colocation", "colocations"),
];

/// What the namespace holds that cannot be had back. The stores may be late; the API server is asked anew.
async fn held(ctx: &Ctx, namespace: &str) -> Result<Option<String>, Error> {
    for (group, version, kind, plural) in PRECIOUS {
        if any(ctx, namespace, group, version, kind, plural).await? {
            return Ok(Some(format!(
                "the namespace {namespace} still holds a {kind} (kubectl get {plural} -n {namespace}): delete it, or set deletionPolicy: Orphan to \
                 leave the namespace"
            )));
        }
    }
    Ok(None)
}

/// Whether there is any object of the kind. A kind that is not served has none.
async fn any(
    ctx: &Ctx,
    namespace: &str,
    group: &str,
    version: &str,
    kind: &'static str,
    plural: &str,
) -> Result<bool, Error> {
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
    let api: Api<DynamicObject> = Api::namespaced_with(ctx.client.clone(), namespace, &resource);
    let params = ListParams::default().limit(1);
    match tokio::time::timeout(READ_TIMEOUT, api.list(&params)).await {
        Ok(Ok(list)) => Ok(!list.items.is_empty()),
        Ok(Err(kube::Error::Api(status))) if status.is_not_found() => Ok(false),
        Ok(Err(source)) => Err(Error::kube("list", kind, namespace, source)),
        Err(_) => Err(Error::Unknown {
            verb: "list",
            kind: kind.to_owned(),
            name: namespace.to_owned(),
        }),
    }
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
        stores_of(with_server, &json!({"raidc.dev/made": "true"}))
    }

    fn stores_of(with_server: bool, annotations: &Value) -> Stores {
        let namespace = json!({"metadata": {"name": "kuldiga", "uid": "n-1", "resourceVersion": "3",
            "labels": {"raidc.dev/tenant": "kuldiga"}, "annotations": annotations}});
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
            waits
                .as_deref()
                .is_some_and(|w| w.contains("it still has 1 server:")),
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

    fn list(kind: &str, names: &[&str]) -> Value {
        let items: Vec<Value> = names
            .iter()
            .map(|name| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "kuldiga"}}))
            .collect();
        json!({"kind": format!("{kind}List"), "apiVersion": "v1", "metadata": {}, "items": items})
    }

    #[tokio::test]
    async fn a_namespace_with_anything_that_cannot_be_had_back_is_never_deleted() {
        let protect = tenant("Protect");
        for (at, (_, _, kind, plural)) in PRECIOUS.into_iter().enumerate() {
            let (client, mut api) = testing::mock();
            let ctx = testing::ctx(client, stores(false), Decision::default());
            let answers = async {
                for (_, _, kind, _) in &PRECIOUS[..at] {
                    testing::answer(&mut api, 200, &list(kind, &[])).await;
                }
                testing::answer(&mut api, 200, &list(kind, &["somebodys"])).await
            };
            let (waits, asked) = tokio::join!(carry_out(&ctx, &protect), answers);
            assert!(
                asked.1.contains(&format!("namespaces/kuldiga/{plural}")),
                "{}",
                asked.1
            );
            assert!(waits.expect("done").is_some_and(|w| w.contains(kind)));
            drop(ctx);
            assert!(
                api.next_request().await.is_none(),
                "bindings or the namespace were touched"
            );
        }
    }

    #[tokio::test]
    async fn a_namespace_that_is_deleted_was_looked_at_when_nobody_could_put_anything_there() {
        let (client, mut api) = testing::mock();
        let ctx = testing::ctx(client, stores(false), Decision::default());
        let protect = tenant("Protect");
        let answers = async {
            for (_, _, kind, _) in PRECIOUS {
                testing::answer(&mut api, 200, &list(kind, &[])).await;
            }
            absent(&mut api, 3).await;
            // VolumeSnapshots are not served here.
            for (_, _, kind, _) in PRECIOUS {
                if kind == "VolumeSnapshot" {
                    absent(&mut api, 1).await;
                } else {
                    testing::answer(&mut api, 200, &list(kind, &[])).await;
                }
            }
            absent(&mut api, 3).await;
            let live = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kuldiga", "uid": "n-1", "resourceVersion": "4"}});
            testing::answer(&mut api, 200, &live).await;
            testing::answer(&mut api, 200, &live).await
        };
        let (waits, last) = tokio::join!(carry_out(&ctx, &protect), answers);
        assert_eq!(waits.expect("done"), None);
        assert_eq!(
            (last.0.as_str(), last.1.as_str()),
            ("DELETE", "/api/v1/namespaces/kuldiga?")
        );
        assert_eq!(last.2["preconditions"]["uid"], "n-1");
    }

    #[tokio::test]
    async fn a_namespace_that_was_there_before_the_tenant_is_never_deleted_with_it() {
        let handed = json!({"raidc.dev/adopt": "kuldiga"});
        // Handed over; the same, and said to be made here; and one of which nobody knows any more.
        for annotations in [
            handed,
            json!({"raidc.dev/adopt": "kuldiga", "raidc.dev/made": "true"}),
            json!({}),
        ] {
            let (client, mut api) = testing::mock();
            let ctx = testing::ctx(client, stores_of(false, &annotations), Decision::default());
            let protect = tenant("Protect");
            let answers = async {
                let mut asked = absent(&mut api, 6).await;
                let live = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kuldiga", "uid": "n-1"}});
                let (method, path, body) = testing::answer(&mut api, 200, &live).await;
                asked.push((method, path));
                (asked, body)
            };
            let (waits, (asked, body)) = tokio::join!(carry_out(&ctx, &protect), answers);
            assert_eq!(waits.expect("done"), None);
            assert!(asked.iter().all(|(method, _)| method != "DELETE"), "{asked:?}");
            assert_eq!(asked[6].0, "PATCH");
            let labels = &body["metadata"]["labels"];
            assert_eq!(body["metadata"]["uid"], "n-1");
            assert!(
                labels.get(TENANT_LABEL).is_none(),
                "it is still said to be the tenant's: {body}"
            );
            assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted");
            drop(ctx);
            assert!(api.next_request().await.is_none(), "more was touched");
        }
    }

    #[tokio::test]
    async fn a_handed_over_namespace_with_servers_is_not_left_either() {
        let (client, mut api) = testing::mock();
        let stores = stores_of(true, &json!({"raidc.dev/adopt": "kuldiga"}));
        let ctx = testing::ctx(client, stores, Decision::default());
        let waits = carry_out(&ctx, &tenant("Protect")).await.expect("done");
        assert!(waits.is_some_and(|w| w.contains("it still has 1 server:")));
        drop(ctx);
        assert!(api.next_request().await.is_none(), "something was taken away");
    }
}
