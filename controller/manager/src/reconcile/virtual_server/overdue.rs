//! Waits for KubeVirt and CDI: what they say is in the way, since when, and what a person can do when it has lasted too long. No I/O; the
//! time is an argument.
//!
//! Nothing here is remembered outside the status: `waitingSince` says when the state that Ready's reason names began. What is said names a
//! moment and never a span, so that time alone changes nothing but Reconciling to Stalled, once.

use jiff::SignedDuration;
use jiff::Timestamp;
use raidc_crds::VirtualServer;
use raidc_crds::condition;
use raidc_crds::condition::Status;
use raidc_planner::State;

use super::gather::DiskSeen;
use super::gather::World;
use super::provisioned;
use super::validate::owner;
use crate::foreign::kubevirt::LooseCondition;
use crate::reconcile::status::Outcome;

/// Reason of a server that is switched on and does not run yet.
pub(super) const STARTING: &str = "Starting";
/// Reason of a server that is switched off and still runs.
pub(super) const STOPPING: &str = "Stopping";
/// Reason of a server some of whose disks are not filled and bound.
pub(super) const DISKS_NOT_READY: &str = "DisksNotReady";

/// How long a machine may take to start or to stop, or a disk on which nobody works may wait, before a person should look: several
/// times what a guest, a scheduler or an importer needs, and short enough for whoever waits for the server.
pub(super) const PATIENCE: SignedDuration = SignedDuration::from_mins(10);
/// Most characters that are quoted of one condition of another project.
const MAX_QUOTE: usize = 200;

/// Since when the server is in the state that `outcome` names; `None` when it is as asked. A changed spec begins anew.
pub(super) fn since(server: &VirtualServer, outcome: &Outcome, now: Timestamp) -> Option<Timestamp> {
    let reason = match outcome {
        Outcome::Ready { .. } => return None,
        Outcome::Reconciling { reason, .. } | Outcome::Stalled { reason, .. } => reason,
    };
    let before = server.status.as_ref().and_then(|status| {
        let ready = status.conditions.iter().find(|c| c.type_ == condition::READY)?;
        let same = ready.status == Status::False.as_str()
            && &ready.reason == reason
            && ready.observed_generation == server.metadata.generation;
        status.waiting_since.as_ref().filter(|_| same).map(|time| time.0)
    });
    Some(before.unwrap_or(now))
}

/// The outcome once time is counted, and when time alone changes it.
pub(super) fn judge(
    server: &VirtualServer,
    world: &World,
    outcome: Outcome,
    since: Option<Timestamp>,
    now: Timestamp,
) -> (Outcome, Option<Timestamp>) {
    let (Outcome::Reconciling { reason, message }, Some(since)) = (&outcome, since) else {
        return (outcome, None);
    };
    // A site out of sight ends by itself, however long it takes.
    if matches!(world.told.site, Some(State::Unknown | State::Fenced)) {
        return (outcome, None);
    }
    let Some(advice) = advice(server, world, reason) else {
        return (outcome, None);
    };
    let Ok(deadline) = since.checked_add(PATIENCE) else {
        return (outcome, None);
    };
    if now < deadline {
        return (outcome, Some(deadline));
    }
    let since = since.strftime("%Y-%m-%d %H:%M UTC");
    let message = format!(
        "{message}. It has been so since {since}: {advice}. It goes on by itself once that is mended"
    );
    (Outcome::stalled(reason, message), None)
}

/// What a person can do about a wait; `None` for one that may last.
fn advice(server: &VirtualServer, world: &World, reason: &str) -> Option<String> {
    let of = owner(server);
    let machine = format!("(kubectl describe vmi -n {} {})", of.namespace, of.name);
    match reason {
        STARTING if server.spec.cloud_init.is_some() => Some(format!(
            "see that the Secret and its key are there; if they are, ask the platform team to look at the machine {machine}"
        )),
        STARTING => Some(format!("ask the platform team to look at the machine {machine}")),
        STOPPING => Some(format!(
            "ask the platform team to look at the machine and its host {machine}"
        )),
        DISKS_NOT_READY => world
            .disks
            .iter()
            .find(|d| is_stuck(d))
            .map(|disk| disk_advice(&disk.name)),
        _ => None,
    }
}

/// What a person can do about a disk that cannot be filled.
pub(super) fn disk_advice(disk: &str) -> String {
    let field = if disk == raidc_crds::names::ROOT_DISK {
        "a larger rootDisk.size".to_owned()
    } else {
        format!("a larger size of disk {disk}")
    };
    format!(
        "if it says that the image is larger than the disk, delete the server with deletionPolicy: Delete and make it again with {field}; \
         otherwise ask the platform team to look at the storage and the image"
    )
}

/// Whether nobody works on a disk that is not ready: copying a large image may take hours, and says that it is under way.
fn is_stuck(disk: &DiskSeen) -> bool {
    if provisioned::disk_state(disk, false) == provisioned::READY_DISK {
        return false;
    }
    let Some(status) = disk.volume.as_ref().and_then(|v| v.status.as_ref()) else {
        return true;
    };
    let running = status.conditions.iter().find(|c| c.type_ == "Running");
    let under_way = status.phase.as_deref().is_some_and(|p| p.ends_with("InProgress"));
    let complains = running.is_some_and(|c| said(c).is_some());
    running.is_none_or(|c| c.status != "True") && (!under_way || complains)
}

/// What CDI says is in a disk's way, to be put behind the disk's state; empty when it says nothing.
pub(super) fn disk_says(disk: &DiskSeen) -> String {
    let conditions = disk
        .volume
        .as_ref()
        .and_then(|v| v.status.as_ref())
        .map(|s| s.conditions.as_slice())
        .unwrap_or_default();
    // Running names the cause where there is one: Bound only repeats that the claim waits.
    let says = ["Running", "Bound"].iter().find_map(|kind| {
        let found = conditions.iter().find(|c| c.type_ == *kind)?;
        said(found).filter(|_| found.status != "True")
    });
    says.map(|says| format!(" ({says})")).unwrap_or_default()
}

/// What a server that starts waits for, as far as KubeVirt says.
pub(super) fn starting(server: &VirtualServer, world: &World) -> String {
    let status = world.machine.as_ref().and_then(|m| m.status.as_ref());
    let mut message = "the server is starting".to_owned();
    if let Some(says) = status.and_then(|s| s.printable_status.as_deref()) {
        message = format!("{message} (KubeVirt says {says})");
    }
    let run = world.instance.as_ref().and_then(|i| i.status.as_ref());
    let of_run = run.map(|s| s.conditions.as_slice()).unwrap_or_default();
    let of_machine = status.map(|s| s.conditions.as_slice()).unwrap_or_default();
    // Only those that tell a cause: Ready changes its words several times in every healthy start.
    let cause = [
        (of_machine, "Failure", "True"),
        (of_run, "PodScheduled", "False"),
        (of_run, "Synchronized", "False"),
        (of_run, "DataVolumesReady", "False"),
    ]
    .into_iter()
    .find_map(|(all, kind, status)| {
        let found = all.iter().find(|c| c.type_ == kind && c.status == status)?;
        said(found)
    });
    if let Some(cause) = cause {
        message = format!("{message}: {cause}");
    }
    if let Some(cloud_init) = &server.spec.cloud_init {
        message = format!(
            "{message}; it needs the Secret {} with the key userdata in this namespace, which RAIDC never reads",
            cloud_init.secret_name
        );
    }
    message
}

/// The words of a condition, on one line and no longer than is bearable in another's message.
fn said(condition: &LooseCondition) -> Option<String> {
    let words: Vec<&str> = condition.message.as_deref()?.split_whitespace().collect();
    let line = words.join(" ");
    let line = line.trim_end_matches('.');
    if line.is_empty() {
        return None;
    }
    if line.chars().count() <= MAX_QUOTE {
        return Some(line.to_owned());
    }
    let cut: String = line.chars().take(MAX_QUOTE).collect();
    Some(format!("{cut}…"))
}

#[cfg(test)]
#[path = "overdue_tests.rs"]
mod tests;
