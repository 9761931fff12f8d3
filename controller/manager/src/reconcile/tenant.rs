//! A Tenant: namespace, people, network walls and the count of its quota. I/O: reads stores and bindings, writes through the writer.
//!
//! Nothing made here is owned by the Tenant, so that nothing of it goes by cascade.

pub mod delete;
pub mod namespace;
pub mod usage;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::ResourceExt as _;
use kube::runtime::controller::Action;
use raidc_crds::Tenant;
use raidc_crds::condition;
use raidc_crds::condition::Status;
use raidc_crds::tenant::QuotaUsage;
use serde_json::Value;
use serde_json::json;

use self::namespace::Found;
use super::status;
use super::status::Outcome;
use super::typed;
use crate::Class;
use crate::Ctx;
use crate::Error;
use crate::executors::tenancy;
use crate::runtime::writer::Object;

/// Field manager of what is made for a tenant.
pub const MANAGER: &str = "raidc/tenant";
/// Finalizer of a Tenant.
pub const FINALIZER: &str = "raidc.dev/tenant";
/// How often a tenant that waits for nothing is looked at.
const RESYNC: Duration = Duration::from_mins(10);
/// How often a deletion or an ending namespace is looked at.
const POLL: Duration = Duration::from_secs(5);
/// How long a read may take.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Brings one tenant to what it asks for, or says why not.
///
/// # Errors
/// What may pass by itself; what a person must mend is in the status instead.
pub async fn reconcile(tenant: Arc<Tenant>, ctx: Arc<Ctx>) -> Result<Action, Error> {
    if tenant.metadata.deletion_timestamp.is_some() {
        return end(&ctx, &tenant).await;
    }
    ctx.writer.add_finalizer(tenant.as_ref(), FINALIZER).await?;
    // gather and validate
    let name = namespace::name_of(&tenant);
    let found = ctx.stores.namespaces.get_cluster(name);
    let tenants = ctx.stores.tenants.list();
    let others: Vec<&Tenant> = tenants
        .iter()
        .map(AsRef::as_ref)
        .filter(|t| t.uid() != tenant.uid())
        .collect();
    let reserved = [ctx.config.namespace.as_str(), ctx.config.image_namespace.as_str()];
    let judged = namespace::judge(&tenant, found.as_deref(), &others, &reserved);
    // plan and apply
    let mut passing = None;
    let outcome = match judged {
        Found::Taken(message) => Outcome::stalled("NamespaceTaken", message),
        Found::Ending => Outcome::reconciling(
            "NamespaceEnding",
            format!("the namespace {name} is being deleted; it is made anew when it has gone"),
        ),
        Found::Absent | Found::Ours => match apply(&ctx, &tenant, name, found.as_deref()).await {
            Ok(()) => Outcome::ready(format!("the namespace {name} is ready for its people")),
            Err(error) => {
                let outcome = Outcome::of_error(&error);
                if error.class() != Class::Stalled {
                    passing = Some(error);
                }
                outcome
            }
        },
    };
    // report
    let ours = !matches!(outcome, Outcome::Stalled { ref reason, .. } if reason == "NamespaceTaken");
    report(&ctx, &tenant, &outcome, ours.then_some(name)).await?;
    match (passing, outcome) {
        (Some(error), _) => Err(error),
        (None, Outcome::Reconciling { .. }) => Ok(Action::requeue(POLL)),
        (None, _) => Ok(Action::requeue(RESYNC)),
    }
}

async fn apply(ctx: &Ctx, tenant: &Tenant, namespace: &str, live: Option<&Namespace>) -> Result<(), Error> {
    let own = tenant.name_any();
    let made = live.is_none_or(|live| live.annotations().contains_key(tenancy::MADE_ANNOTATION));
    let wanted: Namespace = typed(tenancy::namespace(&own, namespace, made))?;
    ctx.writer.apply_over(MANAGER, &wanted, live).await?;
    // Walls before people: nobody works in a namespace without them.
    for body in tenancy::network_policies(&own, namespace) {
        let wanted: NetworkPolicy = typed(body)?;
        let found = ctx.stores.network_policies.get(namespace, &wanted.name_any());
        ctx.writer
            .apply_exactly_over(MANAGER, &wanted, found.as_deref())
            .await?;
    }
    let (admins, viewers) = (&tenant.spec.admins, &tenant.spec.viewers);
    let config = &ctx.config;
    let bindings = [
        tenancy::role_binding(&own, namespace, tenancy::ADMINS, &config.admin_role, &[admins]),
        tenancy::role_binding(&own, namespace, tenancy::VIEWERS, &config.viewer_role, &[viewers]),
        tenancy::role_binding(
            &own,
            &config.image_namespace,
            &tenancy::catalogue_binding_name(&own),
            &config.catalogue_role,
            &[admins, viewers],
        ),
    ];
    for body in bindings {
        bind(ctx, body).await?;
    }
    pull_secrets(ctx, namespace).await
}

/// Lets pods of the namespace pull with the secrets that the platform team puts there. Kubernetes makes the account a moment after
/// the namespace; the watch on it wakes the tenant then.
async fn pull_secrets(ctx: &Ctx, namespace: &str) -> Result<(), Error> {
    let secrets = &ctx.config.tenant_pull_secrets;
    let accounts = &ctx.stores.service_accounts;
    let Some(account) = accounts
        .get(namespace, tenancy::DEFAULT_ACCOUNT)
        .filter(|_| !secrets.is_empty())
    else {
        return Ok(());
    };
    let has = account.image_pull_secrets.iter().flatten();
    let has: Vec<String> = has.map(|secret| secret.name.clone()).collect();
    if let Some(body) = tenancy::pull_account(namespace, &has, secrets) {
        let wanted: ServiceAccount = typed(body)?;
        ctx.writer.apply(MANAGER, &wanted).await?;
    }
    Ok(())
}

/// Applies a binding. Which role it binds cannot be changed, so one that binds another is made anew.
async fn bind(ctx: &Ctx, body: Value) -> Result<(), Error> {
    let wanted: RoleBinding = typed(body)?;
    let namespace = wanted.namespace().unwrap_or_default();
    let found = ctx.stores.role_bindings.get(&namespace, &wanted.name_any());
    if let Some(old) = found.as_ref().filter(|old| old.role_ref != wanted.role_ref) {
        ctx.writer.delete(old.as_ref()).await?;
        ctx.writer.apply_over(MANAGER, &wanted, None).await?;
        return Ok(());
    }
    ctx.writer.apply_over(MANAGER, &wanted, found.as_deref()).await?;
    Ok(())
}

/// Reads an object as it is now: what is deleted is looked at anew.
async fn live<K: Object>(ctx: &Ctx, named: &K) -> Result<Option<K>, Error> {
    let name = named.name_any();
    let unknown = || Error::Unknown {
        verb: "read",
        kind: K::kind(&()).into_owned(),
        name: name.clone(),
    };
    let path = kube::core::Request::new(K::url_path(&(), named.namespace().as_deref()));
    let request = path
        .get(&name, &kube::api::GetParams::default())
        .map_err(|source| Error::kube("read", K::kind(&()), &name, kube::Error::BuildRequest(source)))?;
    match tokio::time::timeout(READ_TIMEOUT, ctx.client.request::<K>(request)).await {
        Err(_) => Err(unknown()),
        Ok(Ok(found)) => Ok(Some(found)),
        Ok(Err(kube::Error::Api(status))) if status.is_not_found() => Ok(None),
        Ok(Err(source)) => Err(Error::kube("read", K::kind(&()), &name, source)),
    }
}

async fn report(ctx: &Ctx, tenant: &Tenant, outcome: &Outcome, namespace: Option<&str>) -> Result<(), Error> {
    let (now, generation) = (ctx.clock.now(), tenant.metadata.generation);
    let usage = usage::usage(&ctx.decision(), &tenant.name_any());
    // Before the first plan nothing is known of the use; what was known before stays on show.
    let usage = usage.or_else(|| tenant.status.as_ref().and_then(|s| s.usage.clone()));
    let mut conditions = outcome.conditions(generation, now);
    let (state, reason, message) = within_quota(usage.as_ref());
    conditions.push(condition::condition(
        condition::WITHIN_QUOTA,
        state,
        reason,
        message,
        generation,
        now,
    ));
    let mut wanted = json!({
        "observedGeneration": generation.unwrap_or_default(),
        "conditions": conditions,
    });
    if let Some(namespace) = namespace {
        wanted["namespace"] = json!(namespace);
    }
    if let Some(usage) = usage {
        wanted["usage"] = json!(usage);
    }
    status::write(ctx, &status::TENANT, tenant, &wanted).await?;
    Ok(())
}

fn within_quota(usage: Option<&QuotaUsage>) -> (Status, &'static str, String) {
    let Some(usage) = usage else {
        return (
            Status::Unknown,
            "NotCounted",
            "nothing has been counted yet".to_owned(),
        );
    };
    let over = usage::exceeded(usage);
    if over.is_empty() {
        (
            Status::True,
            "WithinQuota",
            "everything used is within the quota".to_owned(),
        )
    } else {
        (
            Status::False,
            "QuotaExceeded",
            format!(
                "more is used than the quota allows of: {}. What runs goes on; nothing new is let in until it is below or the quota raised",
                over.join(", ")
            ),
        )
    }
}

async fn end(ctx: &Ctx, tenant: &Tenant) -> Result<Action, Error> {
    if !tenant.finalizers().iter().any(|f| f == FINALIZER) {
        return Ok(Action::await_change());
    }
    let Some(waits_for) = delete::carry_out(ctx, tenant).await? else {
        ctx.writer.remove_finalizer(tenant, FINALIZER).await?;
        return Ok(Action::await_change());
    };
    let outcome = Outcome::stalled(
        "DeletionRefused",
        format!("the tenant is not deleted: {waits_for}"),
    );
    report(ctx, tenant, &outcome, Some(namespace::name_of(tenant))).await?;
    Ok(Action::requeue(POLL))
}
