//! The plan as status: what each object should say about its place. No I/O.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use raidc_crds::colocation::{ColocationStatus, DevicePlace};
use raidc_crds::condition::{self, PLACED, Status};
use raidc_crds::virtual_server::{Granted, Reserved, VirtualServerStatus};
use raidc_crds::{Colocation, VirtualServer};
use raidc_planner::{
    ColocationId, DemandId, DevicePosition, Fleet, MoveKind, Placement, Plan, Server, ServerId, ServerPlan,
};

use super::plug::Plugs;
use crate::inventory::data::Data;
use crate::inventory::sizes::with_sizes;
use crate::inventory::translate::{Note, Notes, Seen, waits};
use crate::inventory::{adopt, granted};
use crate::reconcile::virtual_server::provisioned::{LOST_DISK, READY_DISK};

/// What one object's status should say about its place, and what to assume once it does.
pub enum Wanted {
    /// Of a server.
    Server {
        /// As the watch shows it.
        object: Arc<VirtualServer>,
        /// Only the fields that the placement loop owns are set.
        status: Box<VirtualServerStatus>,
        /// Where it then is.
        placement: Option<Placement>,
    },
    /// Of a colocation.
    Colocation {
        /// As the watch shows it.
        object: Arc<Colocation>,
        /// Only the fields that the placement loop owns are set.
        status: Box<ColocationStatus>,
        /// Where its devices then stand.
        positions: BTreeMap<String, DevicePosition>,
    },
}

/// What every server's and colocation's status should say.
#[must_use]
pub fn wanted(seen: &Seen, fleet: &Fleet, plan: &Plan, notes: &Notes, now: Timestamp) -> Vec<Wanted> {
    let data = Data::of(seen);
    let servers = seen.servers.iter().map(|object| {
        let (status, placement) = server(seen, &data, fleet, plan, notes, object, now);
        Wanted::Server {
            object: Arc::clone(object),
            status: Box::new(status),
            placement,
        }
    });
    let mut plugs = Plugs::of(seen.colocations.iter().map(AsRef::as_ref));
    let colocations = seen.colocations.iter().map(move |object| {
        let (status, positions) = colocation(&mut plugs, fleet, plan, notes, object, now);
        Wanted::Colocation {
            object: Arc::clone(object),
            status: Box::new(status),
            positions,
        }
    });
    servers.chain(colocations).collect()
}

fn server(
    seen: &Seen,
    data: &Data<'_>,
    fleet: &Fleet,
    plan: &Plan,
    notes: &Notes,
    object: &VirtualServer,
    now: Timestamp,
) -> (VirtualServerStatus, Option<Placement>) {
    let id = ServerId::new(object.namespace().unwrap_or_default(), object.name_any());
    let demand = fleet.servers.get(&id);
    let current = demand.and_then(|server| server.current.clone());
    let decided = plan.servers.get(&id);
    let away: Option<Note> = decided
        .zip(current.as_ref())
        .filter(|(decided, before)| before.site != decided.placement.site)
        .filter(|_| has_machine(seen, &id) || had_disks(object) || data.is_there(object))
        .map(|(decided, before)| needs_failover(plan, &id, before, decided));
    let taken = decided.filter(|_| away.is_none());
    let placed = |status: Status, reason: &str, message: String| {
        condition::condition(PLACED, status, reason, message, object.metadata.generation, now)
    };
    let (placement, says) = match (decided, away) {
        (Some(decided), None) => {
            let says = match &decided.held {
                Some(held) => placed(Status::True, "Held", held.clone()),
                None => placed(Status::True, "Placed", told(decided)),
            };
            (Some(place_of(decided)), says)
        }
        // It keeps what is recorded of it, and says what it waits for.
        (Some(_), Some(note)) => (current, placed(Status::False, note.reason, note.message)),
        (None, _) => {
            let note = notes.servers.get(&id).cloned().unwrap_or_else(|| {
                plan.waiting
                    .get(&DemandId::Server(id.clone()))
                    .map_or_else(not_planned, |waiting| waits(&id.namespace, waiting))
            });
            (current, placed(Status::False, note.reason, note.message))
        }
    };
    let before = object.status.as_ref();
    let mut status = VirtualServerStatus {
        conditions: vec![says],
        ..VirtualServerStatus::default()
    };
    if let Some(placement) = &placement {
        status.site = Some(placement.site.to_string());
        status.rack = Some(placement.rack.to_string());
        status.host = placement.host.as_ref().map(ToString::to_string);
        status.copy_sites = placement.copy_sites.iter().map(ToString::to_string).collect();
        status.reserved = reserved(fleet, decided, placement, before);
        status.epoch = Some(epoch(seen, object, &id));
        let size = taken.map(|decided| decided.granted);
        let size = size.or_else(|| demand.map(Server::counted));
        status.cores_milli = size.map(|size| size.cpu_milli);
        status.memory_mib = size.map(|size| size.memory_mib.saturating_add(size.overhead_mib));
        status.granted = granted(seen, &id, object, taken);
        status.watts = decided
            .map(|decided| decided.watts)
            .or_else(|| before.and_then(|status| status.watts));
    }
    (status, placement)
}

/// With what it is let in: what it asks for, once the plan that is carried out grants that; else as before. What has a place and
/// no record, from before there were records, is taken to have been let in with what it asks for.
fn granted(
    seen: &Seen,
    id: &ServerId,
    object: &VirtualServer,
    taken: Option<&ServerPlan>,
) -> Option<Granted> {
    let before = granted::recorded(seen, id, object);
    let asked = || with_sizes(seen, |sizes| granted::asked(object, sizes).ok());
    if taken.is_some_and(|decided| decided.growth.is_none()) {
        asked().or(before)
    } else {
        before.or_else(asked)
    }
}

/// The epoch never goes back: when the status was lost, the machine still says under which it was made.
fn epoch(seen: &Seen, object: &VirtualServer, id: &ServerId) -> i64 {
    let recorded = object.status.as_ref().and_then(|status| status.epoch);
    let made = seen
        .vms
        .as_ref()
        .and_then(|vms| vms.get(id))
        .and_then(|vm| adopt::epoch(object, vm));
    recorded.max(made).unwrap_or(1)
}

/// Whether a machine of that name is there, or may be: one that cannot be read is.
fn has_machine(seen: &Seen, id: &ServerId) -> bool {
    seen.unreadable_vms.contains(id) || seen.vms.as_ref().is_none_or(|vms| vms.contains_key(id))
}

/// Whether a disk of it was once ready. That one is listed says nothing: the root disk is, before anything is made of it.
fn had_disks(object: &VirtualServer) -> bool {
    let disks = object.status.iter().flat_map(|status| &status.disks);
    disks
        .into_iter()
        .any(|disk| [READY_DISK, LOST_DISK].contains(&disk.state.as_str()))
}

/// A server that has a machine or data at one site is not simply started at another: that is a failover, with a proof that it does not
/// run any more. Until there is one it stays recorded where it was, whoever recorded it: its status or, when that was lost, its machine.
fn needs_failover(plan: &Plan, id: &ServerId, before: &Placement, decided: &ServerPlan) -> Note {
    let why = plan
        .moves
        .iter()
        .find(|change| change.server == *id && change.kind == MoveKind::Primary)
        .map_or("changed".to_owned(), |change| format!("{:?}", change.reason));
    Note {
        reason: "NeedsFailover",
        message: format!(
            "its place at {} is gone ({why}) and its data is there: it could start at {}, which needs a failover, and this version carries none out; bring the host or rack at {} back",
            before.site, decided.placement.site, before.site
        ),
    }
}

fn not_planned() -> Note {
    Note {
        reason: "BeingDeleted",
        message: "it is being deleted and is not given a place".to_owned(),
    }
}

fn told(decided: &ServerPlan) -> String {
    let place = &decided.placement;
    format!("it has its place in rack {} at {}", place.rack, place.site)
}

fn place_of(decided: &ServerPlan) -> Placement {
    Placement {
        site: decided.placement.site.clone(),
        rack: decided.placement.rack.clone(),
        host: Some(decided.placement.host.clone()).filter(|host| !host.as_str().is_empty()),
        backup: decided.backup.as_ref().map(|spot| spot.host.clone()),
        copy_sites: decided.copy_sites.clone(),
    }
}

/// The reserve with its site and rack: from the plan, or from the host as the fleet knows it, or as it was recorded.
fn reserved(
    fleet: &Fleet,
    decided: Option<&ServerPlan>,
    placement: &Placement,
    before: Option<&VirtualServerStatus>,
) -> Option<Reserved> {
    let host = placement.backup.as_ref()?;
    if let Some(spot) = decided
        .and_then(|decided| decided.backup.as_ref())
        .filter(|spot| spot.host == *host)
    {
        return Some(Reserved {
            site: spot.site.to_string(),
            rack: spot.rack.to_string(),
            host: spot.host.to_string(),
        });
    }
    if let Some(known) = fleet.hosts.get(host) {
        return Some(Reserved {
            site: known.site.to_string(),
            rack: known.rack.to_string(),
            host: host.to_string(),
        });
    }
    before
        .and_then(|status| status.reserved.clone())
        .filter(|reserved| reserved.host == host.as_str())
}

fn colocation(
    plugs: &mut Plugs,
    fleet: &Fleet,
    plan: &Plan,
    notes: &Notes,
    object: &Colocation,
    now: Timestamp,
) -> (ColocationStatus, BTreeMap<String, DevicePosition>) {
    let id = ColocationId::new(object.namespace().unwrap_or_default(), object.name_any());
    let places = plan.colocations.get(&id).map_or(&[][..], Vec::as_slice);
    let waiting = plan.waiting.get(&DemandId::Colocation(id.clone()));
    let note = notes
        .colocations
        .get(&id)
        .cloned()
        .or_else(|| waiting.map(|waiting| waits(&id.namespace, waiting)));
    let before = object.status.as_ref();
    let mut devices: Vec<DevicePlace> = Vec::new();
    let mut positions = BTreeMap::new();
    for device in &object.spec.devices {
        let old = before.and_then(|status| status.devices.iter().find(|d| d.name == device.name));
        if let Some(place) = places.iter().find(|place| place.device == device.name) {
            devices.push(DevicePlace {
                name: device.name.clone(),
                site: place.site.to_string(),
                rack: place.rack.to_string(),
                lowest_unit: place.lowest_unit,
                units: place.units,
                feeds: plugs.choose(&place.rack, fleet.racks.get(&place.rack), device, old),
            });
        } else if let Some(old) = old {
            // The planner set its rack aside; the hardware stands there all the same.
            devices.push(old.clone());
        }
    }
    for device in &devices {
        positions.insert(
            device.name.clone(),
            DevicePosition {
                rack: device.rack.as_str().into(),
                lowest_unit: device.lowest_unit,
            },
        );
    }
    let all = devices.len() == object.spec.devices.len();
    let say = |status: Status, reason: &str, message: String| {
        condition::condition(PLACED, status, reason, message, object.metadata.generation, now)
    };
    let says = match note {
        None if all => say(Status::True, "Placed", "every device has its place".to_owned()),
        Some(note) if !all => say(Status::False, note.reason, note.message),
        Some(note) => say(Status::True, note.reason, note.message),
        None => {
            let note = if fleet.colocations.contains_key(&id) {
                Note {
                    reason: "RackUnknown",
                    message: "the rack of a device cannot be read".to_owned(),
                }
            } else {
                not_planned()
            };
            say(Status::False, note.reason, note.message)
        }
    };
    let of_placed = |device: &&raidc_crds::colocation::Device| devices.iter().any(|d| d.name == device.name);
    let watts: i64 = object
        .spec
        .devices
        .iter()
        .filter(of_placed)
        .map(|d| d.watts)
        .sum();
    let status = ColocationStatus {
        conditions: vec![says],
        units: Some(devices.iter().map(|device| device.units).sum()),
        watts: Some(watts),
        devices,
        ..ColocationStatus::default()
    };
    (status, positions)
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
