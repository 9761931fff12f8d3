//! Colocations → the planner's colocations. No I/O.

use std::collections::BTreeMap;

use kube::ResourceExt;
use raidc_crds::Colocation;
use raidc_crds::colocation::DevicePlace;
use raidc_crds::tenant::Service;
use raidc_planner::{
    ColocationId, ColocationSpread, Device, DevicePosition, Fleet, RackName, State, TenantName,
};

use super::translate::{Note, Notes, Seen, created_at};
use super::{reservations, servers};

/// Adds every colocation that can be placed, or has a place, to the fleet; says of the others why not.
///
/// Racks where something stands that draws nobody knows how much are named in the answer: nothing new may come there.
pub(crate) fn add(seen: &Seen, fleet: &mut Fleet, notes: &mut Notes) -> Vec<RackName> {
    let mut closed = Vec::new();
    for colocation in &seen.colocations {
        if let Some((id, translated)) = translate(seen, colocation, notes, true) {
            fleet.colocations.insert(id, translated);
        }
    }
    for colocation in &seen.unreadable_colocations {
        let Some((id, mut translated)) = translate(seen, colocation, notes, false) else {
            continue;
        };
        if !hold(colocation, &mut translated) {
            closed.extend(translated.current.values().map(|at| at.rack.clone()));
        }
        fleet.colocations.insert(id, translated);
    }
    reservations::adopt(seen, fleet, notes);
    closed
}

fn translate(
    seen: &Seen,
    colocation: &Colocation,
    notes: &mut Notes,
    readable: bool,
) -> Option<(ColocationId, raidc_planner::Colocation)> {
    let id = ColocationId::new(colocation.namespace().unwrap_or_default(), colocation.name_any());
    let mut current: BTreeMap<String, DevicePosition> = places(colocation)
        .map(|place| {
            let position = DevicePosition {
                rack: RackName::from(place.rack.as_str()),
                lowest_unit: place.lowest_unit,
            };
            (place.name.clone(), position)
        })
        .collect();
    if let Some(assumed) = seen.overlay.colocation(colocation) {
        current.clone_from(assumed);
    }
    let entitled = if readable {
        seen.entitled(&id.namespace, Service::Colocation)
    } else {
        Err(unreadable())
    };
    let tenant = match entitled {
        Ok(tenant) => Some(tenant),
        Err(note) => {
            notes.colocations.insert(id.clone(), note);
            if current.is_empty() {
                return None;
            }
            // What stands in a rack draws power whoever may use it.
            seen.tenant_of(&id.namespace)
        }
    };
    if current.is_empty() && colocation.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let spec = &colocation.spec;
    let devices = spec.devices.iter().map(|device| Device {
        name: device.name.clone(),
        units: i64::from(device.units),
        watts: device.watts,
        feeds: i64::from(device.feeds),
    });
    let translated = raidc_planner::Colocation {
        tenant: TenantName::from(tenant.map_or_else(String::new, |tenant| tenant.name_any())),
        created_at: created_at(colocation),
        devices: devices.collect(),
        spread: match spec.spread {
            raidc_crds::colocation::Spread::None => ColocationSpread::None,
            raidc_crds::colocation::Spread::Rack => ColocationSpread::Rack,
            raidc_crds::colocation::Spread::Site => ColocationSpread::Site,
        },
        sites_allowed: servers::sites_allowed(&spec.sites),
        current,
    };
    Some((id, translated))
}

fn places(colocation: &Colocation) -> impl Iterator<Item = &DevicePlace> {
    let status = colocation.status.as_ref();
    status.into_iter().flat_map(|status| &status.devices)
}

/// What is said of an object that does not match its schema, by the inventory.
pub(super) fn unreadable() -> Note {
    Note::new(
        "MalformedObject",
        "this object does not match the schema of its kind; what it has stays its own until the field is corrected",
    )
}

/// Keeps of a colocation that cannot be read in full what stands in racks, and asks for nothing more. False when nobody can tell how
/// much of it draws how much.
fn hold(colocation: &Colocation, translated: &mut raidc_planner::Colocation) -> bool {
    let current = &translated.current;
    translated
        .devices
        .retain(|device| current.contains_key(&device.name));
    let known: i64 = translated.devices.iter().map(|device| device.watts).sum();
    // The sum was written when all of it could be read; what is missing of it is drawn by those that can no longer be.
    let watts = colocation.status.as_ref().and_then(|status| status.watts);
    let mut rest = watts.map_or(0, |watts| watts.saturating_sub(known)).max(0);
    let mut is_known = true;
    for place in places(colocation).filter(|place| current.contains_key(&place.name)) {
        if translated.devices.iter().any(|device| device.name == place.name) {
            continue;
        }
        is_known &= rest > 0;
        translated.devices.push(Device {
            name: place.name.clone(),
            units: place.units,
            // The planner takes no device that draws nothing.
            watts: std::mem::take(&mut rest).max(1),
            feeds: i64::try_from(place.feeds.len()).unwrap_or(1).clamp(1, 2),
        });
    }
    is_known
}

/// Lets nothing new into these racks.
pub(crate) fn close(fleet: &mut Fleet, racks: Vec<RackName>) {
    for name in racks {
        if let Some(rack) = fleet.racks.get_mut(&name)
            && rack.state == State::Active
        {
            rack.state = State::Cordoned;
        }
    }
}
