//! What happens when a server is deleted: the machine goes, then the copies; the disks stay unless they were told to go. I/O.
//!
//! Each step waits for the one before, and no wait is for ever: when everything that should go has been told to, and still has not
//! gone after [`PATIENCE`], the server is let go. What is left carries its own finalizers and a deletion mark, so it ends when
//! the site that holds it back returns; the labels stay, so that it can be found.

use std::sync::Arc;

use jiff::SignedDuration;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Resource;
use kube::ResourceExt as _;
use raidc_crds::VirtualServer;
use raidc_crds::names;
use raidc_crds::virtual_server::DeletionPolicy;

use super::gather::World;
use crate::Ctx;
use crate::Error;
use crate::foreign::cdi::DataVolume;
use crate::reconcile::copies;

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
    if !world.backends.kubevirt && ctx.stores.kubevirt.is_served() {
        return Ok(Some("KubeVirt's machines are still being read".to_owned()));
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
    if server.spec.deletion_policy == DeletionPolicy::Delete {
        let left = delete_disks(ctx, server).await?;
        if left > 0 && !late {
            return Ok(Some(format!("{left} disk(s) are being deleted")));
        }
    }
    Ok(None)
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
