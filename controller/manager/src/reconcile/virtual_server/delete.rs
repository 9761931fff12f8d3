//! What happens when a server is deleted: the machine goes, then the copies; the disks stay unless they were told to go. I/O.
//!
//! Each step waits for the one before, and no wait is for ever: when everything that should go has been told to, and still has not
//! gone after [`PATIENCE`], the server is let go. What is left carries its own finalizers and a deletion mark, so it ends when
//! the site that holds it back returns; the labels stay, so that it can be found. The last look is at the API server itself: a disk
//! that was made a moment ago may not have reached the watches, and nobody would look for it again.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Resource;
use kube::ResourceExt as _;
use kube::api::ListParams;
use kube::core::ObjectList;
use kube::core::Request;
use raidc_crds::VirtualServer;
use raidc_crds::names;
use raidc_crds::virtual_server::DeletionPolicy;
use raidc_planner::counted;

use super::gather::World;
use crate::Ctx;
use crate::Error;
use crate::foreign::cdi::DataVolume;
use crate::foreign::volsync::{ReplicationDestination, ReplicationSource};
use crate::inventory::stores::Backend;
use crate::reconcile::copies;
use crate::runtime::writer::Object;

/// How long one read of the API server may take.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a deletion may wait for a machine or a disk: longer than any guest takes to stop, short enough that a lost site does
/// not hold names and quota for a day.
pub const PATIENCE: SignedDuration = SignedDuration::from_mins(15);

/// What a deletion waits for; `None` when it may end.
///
/// # Errors
/// What the writer says.
pub async fn carry_out(
    ctx: &Ctx,
    server: &VirtualServer,
    world: &World,
    now: Timestamp,
) -> Result<Option<String>, Error> {
    let late = is_late(server, now);
    let with_disks = server.spec.deletion_policy == DeletionPolicy::Delete;
    if let Some(backend) = unread(ctx, world, with_disks)
        && !late
    {
        return Ok(Some(format!("what {backend} has of it is still being read")));
    }
    if let Some(machine) = &world.machine {
        ctx.writer.delete(machine.as_ref()).await?;
        if !late {
            return Ok(Some("the machine is stopping".to_owned()));
        }
    }
    if world.instance.is_some() && !late {
        return Ok(Some("the machine is stopping".to_owned()));
    }
    copies::carry_out(ctx, &world.copies, copies::drop_all(&world.copies)).await?;
    if with_disks {
        let left = delete_disks(ctx, server).await?;
        if left > 0 && !late {
            return Ok(Some(under_way(left, "disk")));
        }
    }
    match delete_unseen(ctx, server, with_disks).await {
        Ok(left) if left > 0 && !late => Ok(Some(under_way(left, "object"))),
        Err(error) if !late => Err(error),
        Err(error) => {
            tracing::warn!(
                server = server.name_any(),
                namespace = server.namespace(),
                error = error.chain(),
                "let go without a last look at what it leaves; its label finds it"
            );
            Ok(None)
        }
        Ok(_) => Ok(None),
    }
}

/// What is said while the API server still has something that was told to go.
fn under_way(left: usize, what: &str) -> String {
    let left = counted(i64::try_from(left).unwrap_or(i64::MAX), what);
    format!("the deletion of {left} that it had is under way")
}

/// A backend whose objects are not known: that none of them is this server's cannot be assumed.
fn unread(ctx: &Ctx, world: &World, with_disks: bool) -> Option<&'static str> {
    let (stores, read) = (&ctx.stores, world.backends);
    let unread = |read: bool, served: bool, backend: Backend| (!read && served).then(|| backend.name());
    unread(read.kubevirt, stores.kubevirt.is_served(), Backend::KubeVirt)
        .or_else(|| unread(read.volsync, stores.volsync.is_served(), Backend::VolSync))
        .or_else(|| unread(read.cdi || !with_disks, stores.cdi.is_served(), Backend::Cdi))
}

/// Tells to go what the API server has of this server and the watches have not shown: copies, and disks where they go too. Returns
/// how many there were; those of the copies that are going already do not count.
async fn delete_unseen(ctx: &Ctx, server: &VirtualServer, with_disks: bool) -> Result<usize, Error> {
    let mut left = 0;
    for source in live::<ReplicationSource>(ctx, server).await? {
        left += usize::from(source.meta().deletion_timestamp.is_none());
        ctx.writer.delete(&source).await?;
    }
    for destination in live::<ReplicationDestination>(ctx, server).await? {
        left += usize::from(destination.meta().deletion_timestamp.is_none());
        ctx.writer.delete(&destination).await?;
    }
    if with_disks {
        for volume in live::<DataVolume>(ctx, server).await? {
            left += 1;
            ctx.writer.delete(&volume).await?;
        }
        for claim in live::<PersistentVolumeClaim>(ctx, server).await? {
            left += 1;
            ctx.writer.delete(&claim).await?;
        }
    }
    Ok(left)
}

/// Everything of a kind that has this server's UID, from the API server itself. A kind that is not served has nothing.
async fn live<K: Object>(ctx: &Ctx, server: &VirtualServer) -> Result<Vec<K>, Error> {
    let (Some(uid), Some(namespace)) = (server.uid(), server.namespace()) else {
        return Ok(Vec::new());
    };
    let kind = K::kind(&()).into_owned();
    let verb = "list";
    let fails = |source| Error::kube(verb, &kind, server.name_any(), source);
    let params = ListParams::default().labels(&format!("{}={uid}", names::SERVER_UID_LABEL));
    let request = Request::new(K::url_path(&(), Some(&namespace)))
        .list(&params)
        .map_err(|source| fails(kube::Error::BuildRequest(source)))?;
    let asked = ctx.client.request::<ObjectList<K>>(request);
    match tokio::time::timeout(READ_TIMEOUT, asked).await {
        Err(_) => Err(Error::Unknown {
            verb,
            kind: kind.clone(),
            name: server.name_any(),
        }),
        Ok(Ok(list)) => Ok(list.items),
        Ok(Err(kube::Error::Api(status))) if status.is_not_found() => Ok(Vec::new()),
        Ok(Err(source)) => Err(fails(source)),
    }
}

/// Deletes every DataVolume and claim of this server, disks of the list and others that carry its UID. Returns how many are left.
async fn delete_disks(ctx: &Ctx, server: &VirtualServer) -> Result<usize, Error> {
    let uid = server.uid().unwrap_or_default();
    let namespace = server.namespace().unwrap_or_default();
    let mut left = 0;
    if let Some(cdi) = ctx.stores.cdi.get() {
        for volume in of_server::<DataVolume>(cdi.datavolumes.in_namespace(&namespace), &uid) {
            left += 1;
            ctx.writer.delete(volume.as_ref()).await?;
        }
    }
    for claim in of_server::<PersistentVolumeClaim>(ctx.stores.pvcs.in_namespace(&namespace), &uid) {
        left += 1;
        ctx.writer.delete(claim.as_ref()).await?;
    }
    Ok(left)
}

fn of_server<K: Resource>(all: Vec<Arc<K>>, uid: &str) -> Vec<Arc<K>> {
    all.into_iter()
        .filter(|k| !uid.is_empty() && k.labels().get(names::SERVER_UID_LABEL).is_some_and(|l| l == uid))
        .collect()
}

fn is_late(server: &VirtualServer, now: Timestamp) -> bool {
    server
        .metadata
        .deletion_timestamp
        .as_ref()
        .and_then(|t| t.0.checked_add(PATIENCE).ok())
        .is_some_and(|deadline| deadline < now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Decision;
    use crate::inventory::stores::{CdiStores, KubeVirtStores, Optional, Stores};
    use crate::inventory::watched::Watched;
    use crate::reconcile::virtual_server::gather::gather;
    use crate::runtime::testing;
    use serde_json::{Value, json};

    const UID: &str = "u-1";

    fn server(policy: &str, deleted: &str) -> VirtualServer {
        serde_json::from_value(json!({
            "apiVersion": "raidc.dev/v1alpha1", "kind": "VirtualServer",
            "metadata": {"name": "web", "namespace": "kuldiga", "uid": UID, "deletionTimestamp": deleted},
            "spec": {"size": "m-4", "image": "debian-13", "deletionPolicy": policy},
        }))
        .expect("a server")
    }

    fn meta(name: &str, server_uid: &str) -> Value {
        json!({"name": name, "namespace": "kuldiga", "uid": format!("uid-{name}"), "resourceVersion": "7",
            "labels": {"raidc.dev/server": "web", "raidc.dev/server-uid": server_uid}})
    }

    fn stores(machine: bool) -> Stores {
        let claim = |name: &str, uid: &str| {
            serde_json::from_value::<PersistentVolumeClaim>(json!({"metadata": meta(name, uid)}))
                .expect("a claim")
        };
        let machines = machine.then(|| {
            let body = json!({"metadata": meta("web", UID), "spec": {}});
            serde_json::from_value(body).expect("a machine")
        });
        Stores {
            pvcs: Watched::holding([claim("web-root", UID), claim("web-old", "u-0")]),
            cdi: Optional::served_by(CdiStores {
                datavolumes: Watched::holding([]),
                datasources: Watched::holding([]),
            }),
            kubevirt: Optional::served_by(KubeVirtStores {
                vms: Watched::holding(machines),
                vmis: Watched::holding([]),
                instancetypes: Watched::holding([]),
            }),
            ..Stores::default()
        }
    }

    fn now() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().expect("a time")
    }

    const JUST_NOW: &str = "2026-11-22T11:59:00Z";
    const LONG_AGO: &str = "2026-11-22T11:00:00Z";

    /// Answers a list of the API server; returns what was listed.
    async fn listed(api: &mut testing::Server, kind: &str, items: Value) -> String {
        let list = json!({"apiVersion": "v1", "kind": format!("{kind}List"), "metadata": {}, "items": items});
        let (method, path, _) = testing::answer(api, 200, &list).await;
        assert_eq!(method, "GET");
        assert!(
            path.contains("labelSelector=raidc.dev%2Fserver-uid%3Du-1"),
            "{path}"
        );
        path
    }

    async fn no_copies(api: &mut testing::Server) {
        for (kind, plural) in [
            ("ReplicationSource", "/replicationsources?"),
            ("ReplicationDestination", "/replicationdestinations?"),
        ] {
            let path = listed(api, kind, json!([])).await;
            assert!(path.contains(plural), "{path}");
        }
    }

    #[tokio::test]
    async fn disks_never_go_unasked() {
        let (client, mut api) = testing::mock();
        let ctx = testing::ctx(client, stores(false), Decision::default());
        let server = server("Retain", JUST_NOW);
        let world = gather(&ctx, &server);
        let (waits, ()) = tokio::join!(carry_out(&ctx, &server, &world, now()), no_copies(&mut api));
        assert_eq!(waits.expect("done"), None);
        drop(ctx);
        assert!(api.next_request().await.is_none(), "a call about disks was made");
    }

    #[tokio::test]
    async fn a_disk_that_no_watch_has_shown_yet_never_stays_behind() {
        let (client, mut api) = testing::mock();
        let unseen = Stores {
            pvcs: Watched::holding([]),
            ..stores(false)
        };
        let ctx = testing::ctx(client, unseen, Decision::default());
        let server = server("Delete", JUST_NOW);
        let world = gather(&ctx, &server);
        let volume = json!({"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataVolume", "metadata": meta("web-root", UID), "spec": {}});
        let answers = async {
            no_copies(&mut api).await;
            listed(&mut api, "DataVolume", json!([volume])).await;
            testing::answer(&mut api, 200, &volume).await;
            let deleted = testing::answer(&mut api, 200, &volume).await;
            listed(&mut api, "PersistentVolumeClaim", json!([])).await;
            deleted
        };
        let (waits, (method, path, _)) = tokio::join!(carry_out(&ctx, &server, &world, now()), answers);
        assert_eq!(
            waits.expect("done").as_deref(),
            Some("the deletion of 1 object that it had is under way")
        );
        assert_eq!(method, "DELETE");
        assert!(path.contains("/datavolumes/web-root"), "{path}");
    }

    #[tokio::test]
    async fn a_backend_that_is_not_read_is_never_taken_for_an_empty_one() {
        let (client, mut api) = testing::mock();
        let unread = Stores {
            cdi: Optional::served_by(CdiStores::default()),
            ..stores(false)
        };
        let ctx = testing::ctx(client, unread, Decision::default());
        let deleted = server("Delete", JUST_NOW);
        let world = gather(&ctx, &deleted);
        let waits = carry_out(&ctx, &deleted, &world, now()).await.expect("done");
        assert_eq!(waits.as_deref(), Some("what CDI has of it is still being read"));
        // Nothing of CDI's goes here, so that nothing of it need be known.
        let kept = server("Retain", JUST_NOW);
        let (waits, ()) = tokio::join!(carry_out(&ctx, &kept, &world, now()), no_copies(&mut api));
        assert_eq!(waits.expect("done"), None);
    }

    #[tokio::test]
    async fn only_disks_of_this_very_server_go_and_only_as_they_were_seen() {
        let (client, mut api) = testing::mock();
        let ctx = testing::ctx(client, stores(false), Decision::default());
        let server = server("Delete", JUST_NOW);
        let world = gather(&ctx, &server);
        let ended = carry_out(&ctx, &server, &world, now());
        let answers = async {
            let live = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta("web-root", UID)});
            let read = testing::answer(&mut api, 200, &live).await;
            let delete = testing::answer(&mut api, 200, &live).await;
            (read, delete)
        };
        let (waits, (read, delete)) = tokio::join!(ended, answers);
        assert_eq!(
            waits.expect("done").as_deref(),
            Some("the deletion of 1 disk that it had is under way")
        );
        assert_eq!((read.0.as_str(), delete.0.as_str()), ("GET", "DELETE"));
        assert!(
            delete.1.contains("/persistentvolumeclaims/web-root"),
            "{}",
            delete.1
        );
        assert_eq!(delete.2["preconditions"]["uid"], "uid-web-root");
        drop(ctx);
        assert!(
            api.next_request().await.is_none(),
            "another server's disk was touched"
        );
    }

    #[tokio::test]
    async fn disks_never_go_before_the_machine_and_no_wait_is_for_ever() {
        let (client, mut api) = testing::mock();
        let ctx = testing::ctx(client, stores(true), Decision::default());
        let machine = json!({"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": meta("web", UID), "spec": {}});
        let server_now = server("Delete", JUST_NOW);
        let world = gather(&ctx, &server_now);
        let answers = async {
            testing::answer(&mut api, 200, &machine).await;
            testing::answer(&mut api, 200, &machine).await
        };
        let (waits, asked) = tokio::join!(carry_out(&ctx, &server_now, &world, now()), answers);
        assert_eq!(waits.expect("done").as_deref(), Some("the machine is stopping"));
        assert!(asked.1.contains("/virtualmachines/web"), "{}", asked.1);

        // Its site is gone and the machine cannot end: after a while the server is let go, with everything told to end.
        let late = server("Retain", LONG_AGO);
        let mut ending = machine.clone();
        ending["metadata"]["deletionTimestamp"] = json!(LONG_AGO);
        let answers = async {
            testing::answer(&mut api, 200, &ending).await;
            no_copies(&mut api).await;
        };
        let (waits, ()) = tokio::join!(carry_out(&ctx, &late, &world, now()), answers);
        assert_eq!(waits.expect("done"), None);
    }
}
