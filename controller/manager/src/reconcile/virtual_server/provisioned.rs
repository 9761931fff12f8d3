//! What there is of what a server needs: its disks, as CDI and the claims say, and its machine. No I/O.

use raidc_crds::VirtualServer;
use raidc_crds::condition::Status;
use raidc_crds::virtual_server::DiskStatus;

use super::gather::DiskSeen;
use super::gather::World;
use super::obstacles;
use super::overdue;
use crate::foreign::kubevirt::LooseCondition;
use crate::inventory::claims::ClaimSeen;

/// State of a disk that is filled and bound.
pub const READY_DISK: &str = "Ready";
/// State of a disk that was there and is gone.
pub const LOST_DISK: &str = "Lost";
/// State of a disk whose name another disk has: what is there is not this server's, and says nothing of it.
const TAKEN_DISK: &str = "NameTaken";
/// Importer restarts after which the image or the network is at fault rather than luck.
const MANY_RESTARTS: i64 = 3;

/// Whether a condition is there and True.
pub(super) fn is_true(conditions: &[LooseCondition], kind: &str) -> bool {
    conditions.iter().any(|c| c.type_ == kind && c.status == "True")
}

/// One word on a disk: Ready, or what it waits for.
#[must_use]
pub fn disk_state(disk: &DiskSeen, was_ready: bool) -> String {
    let phase = disk
        .volume
        .as_ref()
        .and_then(|v| v.status.as_ref()?.phase.as_deref());
    let claim = disk.claim.as_ref();
    if claim.is_some_and(ClaimSeen::is_lost) {
        return LOST_DISK.to_owned();
    }
    match (phase, claim) {
        // A claim without a DataVolume holds what it holds: it was restored or promoted.
        (Some("Succeeded"), Some(c)) if c.is_bound() => READY_DISK.to_owned(),
        (None, Some(c)) if c.is_bound() && disk.volume.is_none() => READY_DISK.to_owned(),
        (Some("Succeeded") | None, Some(_)) => "Binding".to_owned(),
        (None | Some(""), None) if disk.volume.is_none() && was_ready => LOST_DISK.to_owned(),
        (Some(phase), _) if !phase.is_empty() && phase != "Succeeded" => phase.to_owned(),
        _ => "Pending".to_owned(),
    }
}

/// What CDI complains about, when it has tried often enough. It never forgets how often it tried, also when it has succeeded.
pub(super) fn complaint(disk: &DiskSeen) -> Option<String> {
    let status = disk.volume.as_ref()?.status.as_ref()?;
    let phase = status.phase.as_deref();
    let failed = phase == Some("Failed");
    if phase == Some("Succeeded") || !failed && status.restart_count.unwrap_or(0) <= MANY_RESTARTS {
        return None;
    }
    let says = status
        .conditions
        .iter()
        .find(|c| c.type_ == "Running")
        .and_then(|c| c.message.clone());
    Some(says.unwrap_or_else(|| "no reason is given".to_owned()))
}

/// What the status says of each disk.
pub(super) fn disk_statuses(server: &VirtualServer, world: &World) -> Vec<DiskStatus> {
    let before = server
        .status
        .as_ref()
        .map(|s| s.disks.as_slice())
        .unwrap_or_default();
    if !world.backends.cdi {
        // Disks that cannot be read are neither ready nor lost.
        return before.to_vec();
    }
    world
        .disks
        .iter()
        .map(|disk| {
            let was_ready = before
                .iter()
                .any(|d| d.name == disk.name && (d.state == READY_DISK || d.state == LOST_DISK));
            let state = if obstacles::is_taken(disk, server, world) {
                TAKEN_DISK.to_owned()
            } else {
                disk_state(disk, was_ready)
            };
            DiskStatus {
                name: disk.name.clone(),
                claim: disk.claim_name.clone(),
                state,
            }
        })
        .collect()
}

/// What there is of a server.
pub(super) struct Provisioned {
    pub(super) status: Status,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// Whether everything that a server needs has been made, or what is missing first.
pub(super) fn provisioned(
    server: &VirtualServer,
    world: &World,
    disks: &[DiskStatus],
    cannot_grow: &[&str],
) -> Provisioned {
    let no = |reason, message: String| Provisioned {
        status: Status::False,
        reason,
        message,
    };
    if !world.backends.cdi || !world.backends.kubevirt {
        return Provisioned {
            status: Status::Unknown,
            reason: "BackendUnavailable",
            message: "disks and machines cannot be read now: KubeVirt or CDI is not installed, or is still being read".to_owned(),
        };
    }
    let site = server.status.as_ref().and_then(|status| status.site.as_deref());
    let nothing_made = world
        .disks
        .iter()
        .all(|d| d.volume.is_none() && d.claim.is_none());
    if site.is_none() && nothing_made && disks.iter().all(|d| d.state != LOST_DISK) {
        return no(
            "NotPlaced",
            "the server has no place yet, so nothing is made for it: see Ready for what it waits for"
                .to_owned(),
        );
    }
    if !cannot_grow.is_empty() {
        return no(
            "DiskCannotGrow",
            format!(
                "the storage class of disk {} does not let volumes grow: the platform team has to allow it (allowVolumeExpansion)",
                cannot_grow.join(", ")
            ),
        );
    }
    let waiting: Vec<String> = disks
        .iter()
        .filter(|d| d.state != READY_DISK)
        .map(|d| {
            let seen = world
                .disks
                .iter()
                .find(|seen| seen.name == d.name && d.state != TAKEN_DISK);
            format!(
                "{} is {}{}",
                d.name,
                d.state,
                seen.map(overdue::disk_says).unwrap_or_default()
            )
        })
        .collect();
    if !waiting.is_empty() || disks.is_empty() {
        return no(overdue::DISKS_NOT_READY, format!("disks: {}", waiting.join(", ")));
    }
    let Some(machine) = &world.machine else {
        return no(
            "NoMachine",
            "the disks are ready, the machine is not made yet".to_owned(),
        );
    };
    let not_retained: Vec<&str> = world
        .disks
        .iter()
        .filter(|d| d.claim.as_ref().and_then(ClaimSeen::is_retained) == Some(false))
        .map(|d| d.name.as_str())
        .collect();
    let mut message = "disks and machine are there".to_owned();
    if !not_retained.is_empty() {
        message = format!(
            "{message}; the volumes of {} go when their claims go (reclaim policy Delete): the platform team should set Retain",
            not_retained.join(", ")
        );
    }
    if machine
        .status
        .as_ref()
        .is_some_and(|s| is_true(&s.conditions, "RestartRequired"))
    {
        message.push_str("; a change takes effect when the server is next restarted");
    }
    Provisioned {
        status: Status::True,
        reason: "Provisioned",
        message,
    }
}
