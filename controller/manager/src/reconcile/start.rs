//! Which controllers there are and what wakes each. No I/O of its own.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, ServiceAccount};
use raidc_crds::names::{SERVER_LABEL, TENANT_LABEL};
use raidc_crds::{Tenant, VirtualServer};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::queue::{any, by_label, children, decisions, own, run};
use super::{action, colocation, malformed, rack, replication_policy, site, status, tenant, virtual_server};
use crate::inventory::stores::Stores;
use crate::inventory::tenancy::tenant_of;
use crate::{Ctx, Error};
use kube::ResourceExt;
use kube::api::DynamicObject;
use kube::runtime::reflector::ObjectRef;

/// How often a controller that waits for what it looks at looks again.
const UNTIL_READ: Duration = Duration::from_millis(100);

/// Does `work` once `read` says that everything it looks at has been read: what has not looks like what does not exist. One that
/// waits keeps no other from working.
async fn once(
    read: fn(&Stores) -> bool,
    stores: Stores,
    mut stop: watch::Receiver<bool>,
    work: impl Future<Output = ()>,
) {
    let is_read = async {
        while !read(&stores) {
            tokio::time::sleep(UNTIL_READ).await;
        }
    };
    let begin = tokio::select! {
        () = is_read => true,
        stopped = stop.wait_for(|stop| *stop) => {
            drop(stopped);
            false
        }
    };
    if begin {
        work.await;
    }
}

/// Starts every controller; they end when `stop` says so.
pub fn all(ctx: &Arc<Ctx>, stop: &watch::Receiver<bool>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    infrastructure(&mut tasks, ctx, stop);
    tenants(&mut tasks, ctx, stop);
    servers(&mut tasks, ctx, stop);
    broken(&mut tasks, ctx, stop);
    tasks
}

fn infrastructure(tasks: &mut JoinSet<()>, ctx: &Arc<Ctx>, stop: &watch::Receiver<bool>) {
    let s = &ctx.stores;
    let work = run(
        s.sites.clone(),
        vec![
            own(&s.sites),
            decisions(&ctx.plan),
            decisions(&ctx.verdict),
            any(&s.storage_classes),
        ],
        site::reconcile,
        Arc::clone(ctx),
        stop.clone(),
    );
    tasks.spawn(once(
        |s| s.storage_classes.is_synced(),
        s.clone(),
        stop.clone(),
        work,
    ));
    tasks.spawn(run(
        s.racks.clone(),
        vec![own(&s.racks), decisions(&ctx.plan)],
        rack::reconcile,
        Arc::clone(ctx),
        stop.clone(),
    ));
    let work = run(
        s.policies.clone(),
        vec![
            own(&s.policies),
            any(&s.sites),
            any(&s.storage_classes),
            any(&s.tenants),
            any(&s.virtual_servers),
            decisions(&ctx.plan),
        ],
        replication_policy::reconcile,
        Arc::clone(ctx),
        stop.clone(),
    );
    tasks.spawn(once(
        |s| s.storage_classes.is_synced(),
        s.clone(),
        stop.clone(),
        work,
    ));
    tasks.spawn(run(
        s.failovers.clone(),
        vec![
            own(&s.failovers),
            any(&s.sites),
            any(&s.racks),
            any(&s.tenants),
            any(&s.virtual_servers),
        ],
        action::failover,
        Arc::clone(ctx),
        stop.clone(),
    ));
    tasks.spawn(run(
        s.drills.clone(),
        vec![
            own(&s.drills),
            any(&s.sites),
            any(&s.racks),
            any(&s.tenants),
            any(&s.policies),
            any(&s.virtual_servers),
        ],
        action::drill,
        Arc::clone(ctx),
        stop.clone(),
    ));
}

fn tenants(tasks: &mut JoinSet<()>, ctx: &Arc<Ctx>, stop: &watch::Receiver<bool>) {
    let s = &ctx.stores;
    let (tenants, namespaces) = (s.tenants.clone(), s.namespaces.clone());
    let of_server = move |server: &VirtualServer| -> Option<ObjectRef<Tenant>> {
        let tenants = tenants.list();
        let namespace = server.namespace()?;
        let found = namespaces.get_cluster(&namespace);
        tenant_of(&tenants, &namespace, found.as_deref()).map(|tenant| ObjectRef::from_obj(tenant.as_ref()))
    };
    let (tenants, namespaces) = (s.tenants.clone(), s.namespaces.clone());
    let of_account = move |account: &ServiceAccount| -> Option<ObjectRef<Tenant>> {
        let tenants = tenants.list();
        let namespace = account.namespace()?;
        let found = namespaces.get_cluster(&namespace);
        tenant_of(&tenants, &namespace, found.as_deref()).map(|tenant| ObjectRef::from_obj(tenant.as_ref()))
    };
    let work = run(
        s.tenants.clone(),
        vec![
            own(&s.tenants),
            children(&s.namespaces, of_tenant),
            children(&s.role_bindings, of_tenant),
            children(&s.network_policies, of_tenant),
            children(&s.virtual_servers, of_server),
            children(&s.service_accounts, of_account),
            any(&s.colocations),
            decisions(&ctx.plan),
        ],
        tenant::reconcile,
        Arc::clone(ctx),
        stop.clone(),
    );
    tasks.spawn(once(walls_read, s.clone(), stop.clone(), work));
    tasks.spawn(run(
        s.colocations.clone(),
        vec![own(&s.colocations), decisions(&ctx.plan)],
        colocation::reconcile,
        Arc::clone(ctx),
        stop.clone(),
    ));
}

fn servers(tasks: &mut JoinSet<()>, ctx: &Arc<Ctx>, stop: &watch::Receiver<bool>) {
    let s = &ctx.stores;
    let (kubevirt, cdi, volsync) = (s.kubevirt.unchecked(), s.cdi.unchecked(), s.volsync.unchecked());
    let work = run(
        s.virtual_servers.clone(),
        vec![
            own(&s.virtual_servers),
            children(&kubevirt.vms, |child| by_label(child, SERVER_LABEL)),
            children(&kubevirt.vmis, |child| by_label(child, SERVER_LABEL)),
            children(&cdi.datavolumes, |child| by_label(child, SERVER_LABEL)),
            children(&s.pvcs, of_claim(ctx)),
            children(&s.persistent_volumes, of_volume(ctx)),
            children(&volsync.sources, |child| by_label(child, SERVER_LABEL)),
            children(&volsync.destinations, |child| by_label(child, SERVER_LABEL)),
            any(&cdi.datasources),
            any(&s.policies),
            any(&s.sites),
            any(&s.tenants),
            decisions(&ctx.plan),
        ],
        virtual_server::reconcile,
        Arc::clone(ctx),
        stop.clone(),
    );
    tasks.spawn(once(volumes_read, s.clone(), stop.clone(), work));
}

fn walls_read(s: &Stores) -> bool {
    let walls = s.namespaces.is_synced() && s.role_bindings.is_synced() && s.network_policies.is_synced();
    // A tenant that is deleted asks for the disks.
    walls && s.pvcs.is_synced()
}

fn volumes_read(s: &Stores) -> bool {
    s.pvcs.is_synced() && s.persistent_volumes.is_synced() && s.storage_classes.is_synced()
}

/// The tenant that something was made for, by its label.
fn of_tenant<K: kube::Resource>(made: &K) -> Option<ObjectRef<Tenant>> {
    let name = made.meta().labels.as_ref()?.get(TENANT_LABEL)?;
    Some(ObjectRef::new(name))
}

/// The server of a claim: by our label, or, for a claim that VolSync made for a copy, by the destination that owns it.
fn of_claim(ctx: &Arc<Ctx>) -> impl Fn(&PersistentVolumeClaim) -> Option<ObjectRef<VirtualServer>> + use<> {
    let ctx = Arc::clone(ctx);
    move |claim| {
        by_label(claim, SERVER_LABEL).or_else(|| {
            let owner = claim.owner_references().first()?;
            let stores = ctx.stores.volsync.get()?;
            let destination = stores.destinations.get(&claim.namespace()?, &owner.name)?;
            by_label(destination.as_ref(), SERVER_LABEL)
        })
    }
}

/// The server of a volume: the server of the claim that it is bound to.
fn of_volume(ctx: &Arc<Ctx>) -> impl Fn(&PersistentVolume) -> Option<ObjectRef<VirtualServer>> + use<> {
    let of_claim = of_claim(ctx);
    let claims = ctx.stores.pvcs.clone();
    move |volume| {
        let bound = volume.spec.as_ref()?.claim_ref.as_ref()?;
        let claim = claims.get(bound.namespace.as_deref()?, bound.name.as_deref()?)?;
        of_claim(claim.as_ref())
    }
}

fn end_server<'a>(
    ctx: &'a Ctx,
    live: &'a DynamicObject,
    now: Timestamp,
) -> BoxFuture<'a, Result<malformed::Ending, Error>> {
    Box::pin(virtual_server::unreadable::end(ctx, live, now))
}

fn broken(tasks: &mut JoinSet<()>, ctx: &Arc<Ctx>, stop: &watch::Receiver<bool>) {
    macro_rules! tell {
        ($($store:ident => $part:expr, $end:expr);* $(;)?) => {
            $(tasks.spawn(malformed::run(ctx.stores.$store.clone(), $part, $end, Arc::clone(ctx), stop.clone()));)*
        };
    }
    tell!(
        sites => &status::SITE, None;
        racks => &status::RACK, None;
        policies => &status::POLICY, None;
        tenants => &status::TENANT, None;
        virtual_servers => &status::SERVER, Some(end_server);
        colocations => &status::COLOCATION, None;
        failovers => &status::ACTION, None;
        drills => &status::ACTION, None;
    );
}
