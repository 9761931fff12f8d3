//! Do colocated devices stand where they can, without overlap, on enough feeds, as far apart as asked? No I/O.

use std::collections::BTreeMap;

use super::model::{Model, fault};
use super::physics;
use crate::fault::{Fault, Rule};
use crate::fleet::{ColocationSpread, Rack, State};
use crate::ids::RackName;

/// Tallest rack that is believed, in units.
const MAX_UNITS: i64 = 100;

/// The units that other equipment fills, of a rack with 100.
fn filled(rack: &Rack) -> impl Iterator<Item = i64> + '_ {
    rack.units_taken.iter().flat_map(|range| {
        let end = range.lowest.saturating_add(range.units);
        range.lowest.max(1)..end.min(MAX_UNITS + 1)
    })
}

/// Per rack the units in which nothing stands. Of what reaches beyond the rack the part that is in it counts.
fn free_units(model: &Model<'_>) -> Vec<i64> {
    let height = |rack: &Rack| rack.units.clamp(0, MAX_UNITS);
    let racks = model.base.racks.iter();
    let mut taken: Vec<Vec<bool>> = racks
        .map(|rack| {
            let mut units = vec![false; usize::try_from(height(rack.spec)).unwrap_or(0)];
            for unit in filled(rack.spec) {
                let unit = usize::try_from(unit - 1).ok().and_then(|at| units.get_mut(at));
                if let Some(unit) = unit {
                    *unit = true;
                }
            }
            units
        })
        .collect();
    for place in model.plan.colocations.values().flatten() {
        let Some(rack) = model.base.rack(&place.rack) else {
            continue;
        };
        for (unit, taken) in (1i64..).zip(&mut taken[rack]) {
            *taken |= unit >= place.lowest_unit && unit.saturating_sub(place.lowest_unit) < place.units;
        }
    }
    let free = |units: &Vec<bool>| i64::try_from(units.iter().filter(|unit| !**unit).count()).unwrap_or(0);
    taken.iter().map(free).collect()
}

/// Runs the checks of this file. Returns per rack how many units are free.
pub(super) fn check(model: &Model<'_>, faults: &mut Vec<Fault>) -> Vec<i64> {
    if !model.plan.colocations.is_empty() {
        places(model, faults);
    }
    free_units(model)
}

/// Who stands in a unit.
#[derive(Clone)]
struct Standing {
    /// `None` of equipment that is nobody's device.
    colocation: Option<String>,
    name: String,
    /// It was there before.
    stayed: bool,
}

/// Per rack and unit.
type Units = BTreeMap<(usize, i64), Standing>;

/// Puts a device into its units. Whoever came to what stood there did wrong, and not whoever is looked at later.
fn stand(
    units: &mut Units,
    (rack, rack_name): (usize, &RackName),
    range: std::ops::RangeInclusive<i64>,
    me: &Standing,
    faults: &mut Vec<Fault>,
) {
    for unit in range {
        let Some(other) = units.insert((rack, unit), me.clone()) else {
            continue;
        };
        if other.stayed && me.stayed {
            continue;
        }
        let (guilty, with) = if me.stayed { (&other, me) } else { (me, &other) };
        if let Some(what) = &guilty.colocation {
            let how = format!(
                "{} shares unit {unit} of {rack_name} with {}",
                guilty.name, with.name
            );
            faults.push(fault(Rule::RackUnits, what.clone(), how));
        }
    }
}

fn places(model: &Model<'_>, faults: &mut Vec<Fault>) {
    let mut units = Units::new();
    for (at, rack) in model.base.racks.iter().enumerate() {
        for unit in filled(rack.spec) {
            let equipment = Standing {
                colocation: None,
                name: "other equipment".to_owned(),
                stayed: true,
            };
            units.insert((at, unit), equipment);
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
            if place.units != device.units {
                let how = format!("device {} is said to have {} units", device.name, place.units);
                faults.push(fault(Rule::RackUnits, what.clone(), how));
            }
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
            let Some(rack) = model.base.rack(&place.rack) else {
                if !stayed {
                    let how = format!("rack {} does not exist", place.rack);
                    faults.push(fault(Rule::PlaceExists, what.clone(), how));
                }
                continue;
            };
            let spec = model.base.racks[rack].spec;
            if place.site != spec.site {
                let how = format!("rack {} is not at {}", place.rack, place.site);
                faults.push(fault(Rule::PlaceExists, what.clone(), how));
            }
            let top = place.lowest_unit.saturating_add(device.units - 1);
            if !stayed {
                arrival(model, &what, colocation, device, place, rack, faults);
            }
            let me = Standing {
                colocation: Some(what.clone()),
                name: format!("{what} {}", device.name),
                stayed,
            };
            let range = place.lowest_unit..=top.min(place.lowest_unit.saturating_add(100));
            stand(&mut units, (rack, &place.rack), range, &me, faults);
        }
        spread(model, &what, colocation, places, faults);
    }
}

/// What keeps a device out of a place that it did not have before.
fn arrival(
    model: &Model<'_>,
    what: &str,
    colocation: &crate::fleet::Colocation,
    device: &crate::fleet::Device,
    place: &crate::plan::DevicePlace,
    rack: usize,
    faults: &mut Vec<Fault>,
) {
    let spec = model.base.racks[rack].spec;
    let top = place.lowest_unit.saturating_add(device.units - 1);
    if place.lowest_unit < 1 || top > spec.units.min(MAX_UNITS) {
        let how = format!("device {} leaves rack {}", device.name, place.rack);
        faults.push(fault(Rule::RackUnits, what.to_owned(), how));
    }
    let carriers = physics::feeds_that_carry(spec, device.watts);
    if carriers < device.feeds {
        let how = format!(
            "device {} has too few feeds in rack {}: it wants {} and {carriers} can carry its {} W alone",
            device.name, place.rack, device.feeds, device.watts
        );
        faults.push(fault(Rule::Devices, what.to_owned(), how));
    }
    if spec.state != State::Active || model.base.site_state(&spec.site) != State::Active {
        let how = format!(
            "device {} came to {}, which takes nothing new",
            device.name, place.rack
        );
        faults.push(fault(Rule::PlaceExists, what.to_owned(), how));
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
        faults.push(fault(Rule::PlaceExists, what.to_owned(), how));
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
