//! Rack units: where tenants' own devices stand (here), where new ones fit (`search`), and why one waits (`why`). No I/O.
//!
//! A device that has a place keeps it, whatever else is wrong: it is bolted in. Its nameplate counts in its rack in
//! every scenario.

mod search;
mod why;

use crate::fleet::{Colocation, Device, DevicePosition};
use crate::ids::ColocationId;
use crate::plan::Problem;
use crate::reason::WaitingOn;
use crate::state::Books;
use crate::world::{World, count};

/// Tallest rack that is believed, in units.
const MAX_UNITS: i64 = 100;
/// Largest draw of one device that is believed, in watts.
const MAX_WATTS: i64 = 1_000_000;
/// Most devices in one colocation.
const MAX_DEVICES: usize = 256;
/// Where a device stands: rack and lowest unit.
pub(crate) type Position = (usize, i64);

/// The space in every rack, and where every device is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Space {
    /// Per rack, per unit from the bottom: taken.
    units: Vec<Vec<bool>>,
    /// Per colocation in the order of their names, per device: where it stands.
    pub(crate) positions: Vec<Vec<Option<Position>>>,
    /// Per colocation and device: recorded in a rack that is not known. It stays recorded there.
    pub(crate) elsewhere: Vec<Vec<bool>>,
    /// Found wrong while adopting.
    pub(crate) problems: Vec<Problem>,
}

impl Space {
    /// Takes over what stands in the racks, and books its watts.
    pub(crate) fn adopt(world: &World<'_>, books: &mut Books) -> Self {
        let mut space = Self::default();
        for rack in &world.racks {
            let spec = world.fleet.racks.get(&rack.name);
            let height = spec.map_or(0, |spec| spec.units.clamp(0, MAX_UNITS));
            let mut units = vec![false; usize::try_from(height).unwrap_or(0)];
            for range in spec.into_iter().flat_map(|spec| &spec.units_taken) {
                let end = range.lowest.saturating_add(range.units);
                for unit in range.lowest.max(1)..end.min(height + 1) {
                    units[usize::try_from(unit - 1).unwrap_or(0)] = true;
                }
            }
            space.units.push(units);
        }
        for (id, colocation) in &world.fleet.colocations {
            let mut positions = vec![None; colocation.devices.len()];
            let mut elsewhere = vec![false; colocation.devices.len()];
            let devices = colocation.devices.iter().take(MAX_DEVICES);
            let mut seen = std::collections::BTreeSet::new();
            for ((device, position), elsewhere) in devices.zip(&mut positions).zip(&mut elsewhere) {
                // What stands in a rack draws power, whatever is wrong with the rest of the request.
                let sound = wrong_device(device).is_none() && seen.insert(&device.name);
                let Some(current) = colocation.current.get(&device.name).filter(|_| sound) else {
                    continue;
                };
                *position = space.adopt_device(world, books, id, device, current);
                *elsewhere = position.is_none();
            }
            space.positions.push(positions);
            space.elsewhere.push(elsewhere);
        }
        space
    }

    fn adopt_device(
        &mut self,
        world: &World<'_>,
        books: &mut Books,
        id: &ColocationId,
        device: &Device,
        current: &DevicePosition,
    ) -> Option<Position> {
        let (lowest, highest) = (
            current.lowest_unit,
            current.lowest_unit.saturating_add(device.units - 1),
        );
        let Some(rack) = world.rack(&current.rack) else {
            let what = format!("colocation/{id}");
            let message = format!(
                "device {} is recorded in rack {}, which is not known",
                device.name, current.rack
            );
            self.problems.push(Problem { what, message });
            return None;
        };
        if !self.is_free(rack, lowest, device.units) {
            let what = format!("rack/{}", world.racks[rack].name);
            let message = format!(
                "units {lowest} to {highest} are recorded for a device and are taken or not there: look which is right"
            );
            self.problems.push(Problem { what, message });
        }
        self.fill(rack, lowest, device.units, true);
        books.committed_mw[rack] += device.watts * 1000;
        Some((rack, lowest))
    }

    fn range(&self, rack: usize, lowest: i64, units: i64) -> Option<std::ops::Range<usize>> {
        let from = usize::try_from(lowest.checked_sub(1)?).ok()?;
        let to = from.checked_add(usize::try_from(units).ok()?)?;
        (to <= self.units[rack].len()).then_some(from..to)
    }

    fn is_free(&self, rack: usize, lowest: i64, units: i64) -> bool {
        self.range(rack, lowest, units)
            .is_some_and(|range| self.units[rack][range].iter().all(|taken| !taken))
    }

    /// Marks what of these units is in the rack: a record that reaches beyond it fills the part that is there.
    fn fill(&mut self, rack: usize, lowest: i64, units: i64, taken: bool) {
        let height = self.units[rack].len();
        let within = |unit: i64| usize::try_from(unit.max(0)).map_or(height, |unit| unit.min(height));
        let (from, to) = (
            within(lowest.saturating_sub(1)),
            within(lowest.saturating_sub(1).saturating_add(units)),
        );
        self.units[rack][from..to].fill(taken);
    }

    /// Free units of a rack.
    pub(crate) fn free(&self, rack: usize) -> i64 {
        count(self.units[rack].iter().filter(|taken| !**taken).count())
    }

    /// The most free units in a row.
    pub(crate) fn largest_gap(&self, rack: usize) -> i64 {
        let (mut run, mut most) = (0, 0);
        for taken in &self.units[rack] {
            run = if *taken { 0 } else { run + 1 };
            most = most.max(run);
        }
        most
    }

    /// The lowest unit of the lowest gap that is large enough.
    fn lowest_gap(&self, rack: usize, units: i64) -> Option<i64> {
        let wanted = usize::try_from(units).ok().filter(|&wanted| wanted > 0)?;
        let mut run = 0;
        for (at, taken) in self.units[rack].iter().enumerate() {
            run = if *taken { 0 } else { run + 1 };
            if run == wanted {
                return Some(count(at + 1 - wanted) + 1);
            }
        }
        None
    }

    /// Whether a device has a place, in a rack of the books or as recorded.
    pub(crate) fn stands(&self, colocation: usize, device: usize) -> bool {
        self.positions[colocation][device].is_some() || self.elsewhere[colocation][device]
    }

    /// Devices of a colocation that have no place yet.
    pub(crate) fn missing(&self, colocation: usize) -> bool {
        (0..self.positions[colocation].len()).any(|device| !self.stands(colocation, device))
    }
}

/// What is left of a rack after the worst loss elsewhere, in milliwatts.
pub(crate) fn headroom_mw(world: &World<'_>, books: &Books, rack: usize) -> i64 {
    world.racks[rack].capacity_mw - books.committed_mw[rack] - books.most_added_mw(rack)
}

/// What is wrong with the request itself, if anything.
pub(crate) fn malformed(colocation: &Colocation) -> Option<WaitingOn> {
    let wrong = |field: &str, message: String| {
        Some(WaitingOn::Malformed {
            field: field.to_owned(),
            message,
        })
    };
    if colocation.devices.len() > MAX_DEVICES {
        return wrong(
            "devices",
            format!("are {} and may be {MAX_DEVICES}", colocation.devices.len()),
        );
    }
    let mut names = std::collections::BTreeSet::new();
    for device in &colocation.devices {
        if !names.insert(&device.name) {
            return wrong("devices", format!("name {} twice", device.name));
        }
        if let Some(message) = wrong_device(device) {
            return wrong("devices", message);
        }
    }
    None
}

/// What is wrong with one device, if anything.
fn wrong_device(device: &Device) -> Option<String> {
    let name = &device.name;
    if !(1..=MAX_UNITS).contains(&device.units) {
        return Some(format!(
            "name {name} with {} units, of 1 to {MAX_UNITS}",
            device.units
        ));
    }
    if !(0..=MAX_WATTS).contains(&device.watts) {
        return Some(format!(
            "name {name} with {} watts, of 0 to {MAX_WATTS}",
            device.watts
        ));
    }
    if !(1..=4).contains(&device.feeds) {
        return Some(format!("name {name} with {} feeds, of 1 to 4", device.feeds));
    }
    None
}
