//! Do colocated devices stand where they can, without overlap, on enough feeds, as far apart as asked? No I/O.

use std::collections::BTreeMap;

use super::model::{Model, fault};
use crate::fault::{Fault, Rule};
use crate::fleet::{ColocationSpread, State};

/// Runs the checks of this file.
pub(super) fn check(model: &Model<'_>, faults: &mut Vec<Fault>) {
    // Per rack and unit: who is there, and whether it was there before.
    let mut units: BTreeMap<(usize, i64), (String, bool)> = BTreeMap::new();
    for (at, rack) in model.racks.iter().enumerate() {
        for range in &rack.spec.units_taken {
            for unit in range.lowest.max(1)..range.lowest.saturating_add(range.units).min(101) {
                units.insert((at, unit), ("other equipment".to_owned(), true));
            }
        }
    }
    for (id, places) in &model.plan.colocations {
        let what = format!("colocation/{id}");
        let Some(colocation) = model.fleet.colocations.get(id) else {
            faults.push(fault(
                Rule::Accounted,
                what,
                "is in the plan and not in the fleet",
            ));
            continue;
        };
        for place in places {
            let Some(device) = colocation
                .devices
                .iter()
                .find(|device| device.name == place.device)
            else {
                faults.push(fault(
                    Rule::Accounted,
                    what.clone(),
                    format!("has no device {}", place.device),
                ));
                continue;
            };
            let before = colocation.current.get(&device.name);
            let stayed =
                before.is_some_and(|at| at.rack == place.rack && at.lowest_unit == place.lowest_unit);
            if before.is_some() && !stayed {
                faults.push(fault(
                    Rule::Moves,
                    what.clone(),
                    format!("device {} was moved", device.name),
                ));
            }
            let Some(rack) = model.rack(&place.rack) else {
                if !stayed {
                    let how = format!("rack {} does not exist", place.rack);
                    faults.push(fault(Rule::PlaceExists, what.clone(), how));
                }
                continue;
            };
            let spec = model.racks[rack].spec;
            let top = place.lowest_unit.saturating_add(device.units - 1);
            if !stayed {
                if place.lowest_unit < 1 || top > spec.units.min(100) {
                    let how = format!("device {} leaves rack {}", device.name, place.rack);
                    faults.push(fault(Rule::RackUnits, what.clone(), how));
                }
                if i64::try_from(spec.feeds.len()).unwrap_or(0) < device.feeds {
                    let how = format!("device {} has too few feeds in rack {}", device.name, place.rack);
                    faults.push(fault(Rule::Devices, what.clone(), how));
                }
                if spec.state != State::Active || model.site_state(&spec.site) != State::Active {
                    let how = format!(
                        "device {} came to {}, which takes nothing new",
                        device.name, place.rack
                    );
                    faults.push(fault(Rule::PlaceExists, what.clone(), how));
                }
                if colocation
                    .sites_allowed
                    .as_ref()
                    .is_some_and(|sites| !sites.contains(&spec.site))
                {
                    let how = format!(
                        "device {} came to {}, which it may not use",
                        device.name, place.site
                    );
                    faults.push(fault(Rule::PlaceExists, what.clone(), how));
                }
            }
            for unit in place.lowest_unit..=top.min(place.lowest_unit.saturating_add(100)) {
                let mine = (format!("{what} {}", device.name), stayed);
                if let Some((other, was)) = units.insert((rack, unit), mine)
                    && !(was && stayed)
                {
                    let how = format!(
                        "device {} shares unit {unit} of {} with {other}",
                        device.name, place.rack
                    );
                    faults.push(fault(Rule::RackUnits, what.clone(), how));
                }
            }
        }
        spread(model, &what, colocation, places, faults);
    }
}

fn spread(
    model: &Model<'_>,
    what: &str,
    colocation: &crate::fleet::Colocation,
    places: &[crate::plan::DevicePlace],
    faults: &mut Vec<Fault>,
) {
    for (at, one) in places.iter().enumerate() {
        for two in &places[at + 1..] {
            let kept = |place: &crate::plan::DevicePlace| colocation.current.contains_key(&place.device);
            if kept(one) && kept(two) {
                continue;
            }
            let site =
                |place: &crate::plan::DevicePlace| model.fleet.racks.get(&place.rack).map(|rack| &rack.site);
            let close = match colocation.spread {
                ColocationSpread::None => false,
                ColocationSpread::Rack => one.rack == two.rack,
                ColocationSpread::Site => site(one) == site(two),
            };
            if close {
                let how = format!("devices {} and {} are not apart", one.device, two.device);
                faults.push(fault(Rule::Devices, what, how));
            }
        }
    }
}
