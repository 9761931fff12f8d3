//! A VirtualServer: gather → validate → build → apply → report. I/O: reads stores, writes through the writer.
//!
//! The place (site, rack, host, sites of copies) is decided by the placement loop and read here from the server's own status.

pub mod build;
pub mod delete;
pub mod gather;
mod obstacles;
mod overdue;
pub mod place;
mod power;
pub mod provisioned;
pub mod report;
pub mod silent;
#[cfg(test)]
mod tests;
pub mod unreadable;
pub mod validate;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt as _;
use kube::runtime::controller::Action;
use raidc_crds::VirtualServer;
use raidc_crds::condition::Status;
use raidc_crds::replication_policy::ReplicationMode;

use self::build::Desired;
use self::build::DiskStep;
use self::gather::World;
use self::validate::Refusal;
use self::validate::Wanted;
use super::copies;
use super::copies::evidence;
use super::copies::evidence::Verdict;
use super::status;
use super::typed;
use crate::Class;
use crate::Ctx;
use crate::Error;
use crate::executors::volsync::Pair;
use crate::foreign::cdi::DataVolume;
use crate::foreign::kubevirt::VirtualMachine;

/// Field manager of machines and disks.
pub const MANAGER: &str = "raidc/server";
/// Finalizer of a VirtualServer.
pub const FINALIZER: &str = "raidc.dev/virtualserver";
/// How often a server that waits for nothing in particular is looked at: time passing makes no event.
const RESYNC: Duration = Duration::from_mins(10);
/// How often a deletion looks whether it may go on.
const DELETION_POLL: Duration = Duration::from_secs(5);

/// Brings one server to what it asks for, or says why not.
///
/// # Errors
/// What may pass by itself; what a person must mend is in the status instead.
pub async fn reconcile(server: Arc<VirtualServer>, ctx: Arc<Ctx>) -> Result<Action, Error> {
    let now = ctx.clock.now();
    // gather
    let world = gather::gather(&ctx, &server);
    if server.metadata.deletion_timestamp.is_some() {
        return end(&ctx, &server, &world, now).await;
    }
    ctx.writer.add_finalizer(server.as_ref(), FINALIZER).await?;
    // validate
    let valid = validate::validate(&server, &world);
    // build and apply
    let mut refusal = valid.as_ref().err().cloned();
    let mut passing = None;
    if let Ok(wanted) = &valid {
        let desired = build::build(wanted, &ctx.config.image_namespace);
        if let Err(error) = apply(&ctx, &server, &world, wanted, desired).await {
            match error.class() {
                Class::Stalled => refusal = Some(refused(&error)),
                Class::Retry | Class::Wait => passing = Some(error),
            }
        }
    }
    if (refusal.is_some() || passing.is_some())
        && let Err(error) = power::off(&ctx, &server, &world).await
    {
        passing.get_or_insert(error);
    }
    // report
    let cannot_grow = valid.as_ref().map(build::cannot_grow).unwrap_or_default();
    let protected = protected(&server, &world, now);
    let report = report::report(&server, &world, refusal.as_ref(), &cannot_grow, &protected, now);
    status::write(&ctx, &status::SERVER, server.as_ref(), &report.status).await?;
    match passing {
        Some(error) => Err(error),
        None => Ok(Action::requeue(next_look(report.look_again_at, now))),
    }
}

/// A call that was refused for good, in the words of who refused it.
fn refused(error: &Error) -> Refusal {
    Refusal {
        stalled: true,
        reason: error.reason().to_owned(),
        message: error.chain(),
    }
}

fn next_look(at: Option<Timestamp>, now: Timestamp) -> Duration {
    let until = at.and_then(|at| Duration::try_from(at.duration_since(now)).ok());
    // A moment after, so that it is late by then.
    until.map_or(RESYNC, |d| (d + Duration::from_secs(1)).min(RESYNC))
}

async fn apply(
    ctx: &Ctx,
    server: &VirtualServer,
    world: &World,
    wanted: &Wanted<'_>,
    desired: Desired,
) -> Result<(), Error> {
    let Desired { disks, machine } = desired;
    for (step, disk) in disks.into_iter().zip(&world.disks) {
        match step {
            DiskStep::Make(body) => {
                // Made once and never changed, so that it needs no mark: CDI would copy that to the claim.
                let body: DataVolume = typed(body)?;
                ctx.writer.apply(MANAGER, &body).await?;
            }
            DiskStep::Keep(body) => {
                let body: PersistentVolumeClaim = typed(body)?;
                let live = disk.claim.as_ref().map(|c| c.claim.as_ref());
                ctx.writer.apply_over(MANAGER, &body, live).await?;
            }
            DiskStep::Wait => {}
        }
    }
    let machine: VirtualMachine = typed(machine)?;
    ctx.writer
        .apply_over(MANAGER, &machine, world.machine.as_deref())
        .await?;
    if let Some(ask) = copy_ask(server, world, wanted) {
        let steps = copies::steps(&ask, &world.copies, ctx.clock.now());
        copies::carry_out(ctx, &world.copies, steps).await?;
    }
    Ok(())
}

/// What is wanted of VolSync; `None` when it cannot be told, and then nothing is made and nothing goes.
fn copy_ask<'a>(server: &'a VirtualServer, world: &'a World, wanted: &Wanted<'a>) -> Option<copies::Ask<'a>> {
    if !world.backends.volsync {
        return None;
    }
    let policy = world.policy.as_deref()?;
    let protection = validate::protection(policy);
    let asynchronous = protection.mode == Some(ReplicationMode::Async);
    let snapshot_class = |site: &str| {
        world
            .sites
            .get(site)
            .map(|s| s.spec.storage.snapshot_class.as_deref())
    };
    let mut targets = Vec::new();
    if asynchronous {
        for site in wanted.place.copy_sites {
            targets.push(copies::Target {
                site,
                class: &world.sites.get(site.as_str())?.spec.storage.class,
                snapshot_class: snapshot_class(site)?,
            });
        }
    }
    // A synchronous policy may let asynchronous pairs go only when the disks really span the sites.
    let synchronous_is_proven = || protected_now(server, world).status == Status::True;
    let complete = match protection.mode {
        Some(ReplicationMode::Async) => targets.len() + 1 >= protection.copies,
        Some(ReplicationMode::Sync) => synchronous_is_proven(),
        None => true,
    };
    Some(copies::Ask {
        owner: wanted.owner,
        disks: world
            .disks
            .iter()
            .map(|d| copies::DiskAsk {
                name: &d.name,
                claim: d.claim.as_ref(),
            })
            .collect(),
        targets,
        snapshot_class: snapshot_class(wanted.place.site)?,
        transfer_class: world
            .sites
            .get(wanted.place.site)
            .and_then(|s| s.spec.storage.transfer_class.as_deref()),
        rpo_seconds: protection.rpo.map_or(i64::MAX, |(seconds, _)| seconds),
        complete,
    })
}

fn protected_now(server: &VirtualServer, world: &World) -> Verdict {
    protected(server, world, Timestamp::MIN)
}

/// How well the server is protected, from evidence alone.
fn protected(server: &VirtualServer, world: &World, now: Timestamp) -> Verdict {
    let Some(policy) = world.policy.as_deref() else {
        return Verdict::bare(
            Status::Unknown,
            "UnknownPolicy",
            "there is no such policy, so nothing is promised",
        );
    };
    let protection = validate::protection(policy);
    let Some(mode) = protection.mode else {
        return Verdict::bare(
            Status::False,
            "NotRequested",
            format!(
                "policy {} keeps a single copy: if its site is lost, the server is down until the site returns",
                protection.policy
            ),
        );
    };
    let status = server.status.as_ref();
    let Some((status, site)) = status.and_then(|s| Some((s, s.site.as_deref()?))) else {
        return Verdict::bare(
            Status::False,
            "NotPlaced",
            "the server has no place yet, so there is nothing to protect",
        );
    };
    let mut verdict = match mode {
        ReplicationMode::Sync => {
            let disks: Vec<_> = world.disks.iter().map(|d| d.claim.as_ref()).collect();
            evidence::synchronous(&protection, site, &status.copy_sites, &disks)
        }
        ReplicationMode::Async if !world.backends.volsync => Verdict::bare(
            Status::Unknown,
            "BackendUnavailable",
            "VolSync cannot be read now: it is not installed, or its lists are still being read",
        ),
        ReplicationMode::Async => {
            let owner = validate::owner(server);
            let copies: Vec<_> = status
                .copy_sites
                .iter()
                .map(|site| {
                    let each = world.disks.iter().map(|disk| {
                        world.copies.copy(&Pair {
                            owner,
                            disk: &disk.name,
                            site,
                        })
                    });
                    (site.as_str(), each.collect())
                })
                .collect();
            evidence::asynchronous(&protection, &copies, &status.copies, now)
        }
    };
    // The planner knows better than a count why a copy or a reserve is missing.
    if let Some(waiting) = &world.told.unprotected
        && (verdict.status != Status::False || verdict.reason == "CopiesMissing")
    {
        verdict.status = Status::False;
        waiting.reason().clone_into(&mut verdict.reason);
        verdict.message = waiting.to_string();
    }
    verdict
}

/// A deletion, as far as it goes now.
async fn end(ctx: &Ctx, server: &VirtualServer, world: &World, now: Timestamp) -> Result<Action, Error> {
    if !server.finalizers().iter().any(|f| f == FINALIZER) {
        return Ok(Action::await_change());
    }
    let Some(waits_for) = delete::carry_out(ctx, server, world, now).await? else {
        ctx.writer.remove_finalizer(server, FINALIZER).await?;
        return Ok(Action::await_change());
    };
    let deleting = Refusal {
        stalled: false,
        reason: "Deleting".to_owned(),
        message: format!("it is being deleted: {waits_for}"),
    };
    let protected = protected(server, world, now);
    let report = report::report(server, world, Some(&deleting), &[], &protected, now);
    status::write(ctx, &status::SERVER, server, &report.status).await?;
    Ok(Action::requeue(DELETION_POLL))
}
