//! Live migrations that a consolidation began: what they take of their target while they run, and where a server is once it has
//! arrived. No I/O.
//!
//! The migration itself is the record. Until it has ended the server counts at both hosts, so that nobody is promised the room that it
//! is about to take; when it has arrived, its place is the host that it runs on, whatever its status still says.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::ResourceExt;
use raidc_crds::names;
use raidc_planner::{Fleet, HostName, Server, ServerId};

use super::translate::Seen;
use crate::foreign::migration::VirtualMachineInstanceMigration;

/// Label by which a migration is tied to one host.
pub const HOST_LABEL: &str = "kubernetes.io/hostname";

/// How far a migration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It has not ended.
    UnderWay,
    /// The machine runs at its target.
    Succeeded,
    /// The machine runs where it was.
    Failed,
}

/// A migration that a consolidation began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moving {
    /// Whose machine moves.
    pub server: ServerId,
    /// UID of that server, because a name can be used again.
    pub server_uid: String,
    /// The host that it leaves.
    pub from: HostName,
    /// The host that it goes to.
    pub to: HostName,
    /// How far it is.
    pub stage: Stage,
    /// When it was ordered.
    pub began: Timestamp,
}

/// How far any migration is.
#[must_use]
pub fn stage(migration: &VirtualMachineInstanceMigration) -> Stage {
    let phase = migration
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    match phase {
        Some("Succeeded") => Stage::Succeeded,
        Some("Failed") => Stage::Failed,
        _ => Stage::UnderWay,
    }
}

/// What a migration says of itself; `None` when no consolidation began it.
#[must_use]
pub fn read(migration: &VirtualMachineInstanceMigration) -> Option<Moving> {
    let labels = migration.labels();
    labels.get(names::CONSOLIDATION_LABEL)?;
    let to = migration.spec.added_node_selector.get(HOST_LABEL)?;
    Some(Moving {
        server: ServerId::new(migration.namespace()?, labels.get(names::SERVER_LABEL)?.as_str()),
        server_uid: labels.get(names::SERVER_UID_LABEL)?.clone(),
        from: migration
            .annotations()
            .get(names::FROM_HOST_ANNOTATION)?
            .as_str()
            .into(),
        to: to.as_str().into(),
        stage: stage(migration),
        began: migration.creation_timestamp()?.0,
    })
}

/// Puts what moves into the fleet.
pub(crate) fn apply(seen: &Seen, fleet: &mut Fleet) {
    if seen.moving.is_empty() {
        return;
    }
    let uids: BTreeMap<ServerId, Option<String>> = seen
        .servers
        .iter()
        .map(|s| {
            (
                ServerId::new(s.namespace().unwrap_or_default(), s.name_any()),
                s.uid(),
            )
        })
        .collect();
    for moving in &seen.moving {
        if uids.get(&moving.server).and_then(Option::as_ref) != Some(&moving.server_uid) {
            continue;
        }
        match moving.stage {
            Stage::Succeeded if runs_on(seen, moving, &moving.to) => arrive(fleet, moving),
            Stage::UnderWay if is_at(fleet, &moving.server, &moving.from) => {
                hold(fleet, &moving.server, &moving.to);
            }
            // Of two watches one is behind: it has arrived, and is not seen there yet.
            Stage::Succeeded
                if is_at(fleet, &moving.server, &moving.from) && runs_on(seen, moving, &moving.from) =>
            {
                hold(fleet, &moving.server, &moving.to);
            }
            Stage::Succeeded | Stage::UnderWay | Stage::Failed => {}
        }
    }
}

/// Whether the fleet has the server on that host.
#[must_use]
pub fn is_at(fleet: &Fleet, server: &ServerId, host: &HostName) -> bool {
    let current = fleet
        .servers
        .get(server)
        .and_then(|server| server.current.as_ref());
    current.and_then(|current| current.host.as_ref()) == Some(host)
}

/// Takes the room of a server on a second host, as its second pod does.
pub fn hold(fleet: &mut Fleet, server: &ServerId, at: &HostName) {
    let size = fleet.servers.get(server).map(Server::counted);
    let (Some(size), Some(host)) = (size, fleet.hosts.get_mut(at)) else {
        return;
    };
    let overcommit = fleet
        .sites
        .get(&host.site)
        .map_or(100, |site| site.cpu_overcommit_percent);
    // Cores of the host behind so many virtual ones, rounded up.
    let cpu = size
        .cpu_milli
        .saturating_mul(100)
        .saturating_add(overcommit.max(1) - 1)
        / overcommit.max(1);
    host.taken_cpu_milli = host.taken_cpu_milli.saturating_add(cpu);
    host.taken_memory_mib = host
        .taken_memory_mib
        .saturating_add(size.memory_mib)
        .saturating_add(size.overhead_mib);
}

fn runs_on(seen: &Seen, moving: &Moving, host: &HostName) -> bool {
    seen.runs
        .get(&moving.server)
        .is_some_and(|(uid, node)| *uid == moving.server_uid && node == host)
}

/// Its machine's template still says the rack that it was made for, so another rack is no place that could be recorded.
fn arrive(fleet: &mut Fleet, moving: &Moving) {
    let Some(rack) = fleet.hosts.get(&moving.to).map(|host| host.rack.clone()) else {
        return;
    };
    let server = fleet.servers.get_mut(&moving.server);
    if let Some(current) = server.and_then(|server| server.current.as_mut())
        && current.host.as_ref() == Some(&moving.from)
        && current.rack == rack
    {
        current.host = Some(moving.to.clone());
    }
}

#[cfg(test)]
#[path = "moving_tests.rs"]
mod tests;
