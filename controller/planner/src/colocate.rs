//! Rack units: where tenants' own devices stand and where new ones fit. No I/O.
//!
//! A device that has a place keeps it, whatever else is wrong: it is bolted in. Its nameplate counts in its rack in
//! every scenario.

use crate::fleet::{Colocation, ColocationSpread, Device, DevicePosition};
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
/// Most steps when looking for racks that keep the devices of one colocation apart.
const EFFORT: u32 = 4096;

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

    fn fill(&mut self, rack: usize, lowest: i64, units: i64, taken: bool) {
        if let Some(range) = self.range(rack, lowest, units) {
            self.units[rack][range].fill(taken);
        }
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

    /// Finds a place for every device that has none, or changes nothing.
    pub(crate) fn place(
        &mut self,
        world: &World<'_>,
        books: &mut Books,
        index: usize,
        colocation: &Colocation,
    ) -> Result<(), WaitingOn> {
        let mut effort = EFFORT;
        if self.place_from(world, books, index, colocation, 0, &mut effort) {
            return Ok(());
        }
        Err(self.why(world, books, index, colocation))
    }

    fn place_from(
        &mut self,
        world: &World<'_>,
        books: &mut Books,
        index: usize,
        colocation: &Colocation,
        device: usize,
        effort: &mut u32,
    ) -> bool {
        let Some(spec) = colocation.devices.get(device) else {
            return true;
        };
        if self.stands(index, device) {
            return self.place_from(world, books, index, colocation, device + 1, effort);
        }
        let mut racks: Vec<usize> = (0..world.racks.len())
            .filter(|&rack| self.fits(world, books, index, colocation, spec, rack))
            .collect();
        // Where the most power is left: heat and risk are spread.
        racks.sort_by_key(|&rack| (-headroom_mw(world, books, rack), rack));
        for rack in racks {
            if *effort == 0 {
                return false;
            }
            *effort -= 1;
            let Some(lowest) = self.lowest_gap(rack, spec.units) else {
                continue;
            };
            self.fill(rack, lowest, spec.units, true);
            books.committed_mw[rack] += spec.watts * 1000;
            self.positions[index][device] = Some((rack, lowest));
            if self.place_from(world, books, index, colocation, device + 1, effort) {
                return true;
            }
            self.positions[index][device] = None;
            books.committed_mw[rack] -= spec.watts * 1000;
            self.fill(rack, lowest, spec.units, false);
        }
        false
    }

    fn fits(
        &self,
        world: &World<'_>,
        books: &Books,
        index: usize,
        colocation: &Colocation,
        device: &Device,
        rack: usize,
    ) -> bool {
        may_use(world, colocation, rack)
            && device.feeds <= feeds(world, rack)
            && device.watts * 1000 <= headroom_mw(world, books, rack)
            && self.is_apart(world, index, colocation.spread, rack)
            && self.lowest_gap(rack, device.units).is_some()
    }

    fn is_apart(&self, world: &World<'_>, index: usize, spread: ColocationSpread, rack: usize) -> bool {
        let mut others = self.positions[index].iter().flatten();
        match spread {
            ColocationSpread::None => true,
            ColocationSpread::Rack => others.all(|&(other, _)| other != rack),
            ColocationSpread::Site => {
                others.all(|&(other, _)| world.racks[other].site != world.racks[rack].site)
            }
        }
    }

    /// What keeps the first device that has no place out.
    fn why(&self, world: &World<'_>, books: &Books, index: usize, colocation: &Colocation) -> WaitingOn {
        let racks: Vec<usize> = (0..world.racks.len())
            .filter(|&rack| may_use(world, colocation, rack))
            .collect();
        if racks.is_empty() {
            return closed(world, colocation);
        }
        let missing = colocation.devices.iter().zip(&self.positions[index]);
        for (device, _) in missing.filter(|(_, position)| position.is_none()) {
            let name = device.name.clone();
            let most = racks.iter().map(|&rack| feeds(world, rack)).max().unwrap_or(0);
            if device.feeds > most {
                return WaitingOn::Feeds {
                    device: name,
                    asked: device.feeds,
                    most,
                };
            }
            let wired: Vec<usize> = racks
                .iter()
                .copied()
                .filter(|&rack| feeds(world, rack) >= device.feeds)
                .collect();
            let largest = wired
                .iter()
                .map(|&rack| self.largest_gap(rack))
                .max()
                .unwrap_or(0);
            if device.units > largest {
                return WaitingOn::RackUnits {
                    device: name,
                    asked: device.units,
                    largest,
                };
            }
            let nearest = wired
                .iter()
                .filter(|&&rack| self.lowest_gap(rack, device.units).is_some())
                .max_by_key(|&&rack| (headroom_mw(world, books, rack), std::cmp::Reverse(rack)));
            if let Some(&rack) = nearest
                && device.watts * 1000 > headroom_mw(world, books, rack)
            {
                return WaitingOn::RackWatts {
                    rack: world.racks[rack].name.clone(),
                    asked: device.watts,
                    headroom: headroom_mw(world, books, rack).div_euclid(1000),
                };
            }
        }
        if colocation.spread == ColocationSpread::None {
            return self.beside(world, books, index, colocation);
        }
        let sites = |racks: &[usize]| {
            let mut sites: Vec<usize> = racks.iter().map(|&rack| world.racks[rack].site).collect();
            sites.sort_unstable();
            sites.dedup();
            count(sites.len())
        };
        let device = colocation
            .devices
            .iter()
            .zip(&self.positions[index])
            .find(|(_, position)| position.is_none());
        WaitingOn::DevicesApart {
            device: device.map(|(device, _)| device.name.clone()).unwrap_or_default(),
            needed: count(colocation.devices.len()),
            there: if colocation.spread == ColocationSpread::Site {
                sites(&racks)
            } else {
                count(racks.len())
            },
        }
    }
}

impl Space {
    /// How many devices find a place in their order, each beside those before it.
    fn beside(&self, world: &World<'_>, books: &Books, index: usize, colocation: &Colocation) -> WaitingOn {
        let (mut space, mut books) = (self.clone(), books.clone());
        for (at, device) in colocation.devices.iter().enumerate() {
            if !space.stands(index, at) {
                let racks = (0..world.racks.len())
                    .filter(|&rack| space.fits(world, &books, index, colocation, device, rack));
                let best =
                    racks.max_by_key(|&rack| (headroom_mw(world, &books, rack), std::cmp::Reverse(rack)));
                let place = best.and_then(|rack| Some((rack, space.lowest_gap(rack, device.units)?)));
                let Some((rack, lowest)) = place else {
                    return WaitingOn::DevicesRoom {
                        device: device.name.clone(),
                        fit: count(at),
                        needed: count(colocation.devices.len()),
                    };
                };
                space.fill(rack, lowest, device.units, true);
                books.committed_mw[rack] += device.watts * 1000;
                space.positions[index][at] = Some((rack, lowest));
            }
        }
        // In their order they fit: the search for all at once was cut short.
        WaitingOn::Queue { ahead: 0 }
    }
}

fn feeds(world: &World<'_>, rack: usize) -> i64 {
    world
        .fleet
        .racks
        .get(&world.racks[rack].name)
        .map_or(0, |spec| count(spec.feeds.len()))
}

/// What is left of a rack after the worst loss elsewhere, in milliwatts.
pub(crate) fn headroom_mw(world: &World<'_>, books: &Books, rack: usize) -> i64 {
    world.racks[rack].capacity_mw - books.committed_mw[rack] - books.most_added_mw(rack)
}

fn may_use(world: &World<'_>, colocation: &Colocation, rack: usize) -> bool {
    let dense = &world.racks[rack];
    let allowed = |sites: &std::collections::BTreeSet<_>| sites.contains(&world.sites[dense.site].name);
    dense.open && colocation.sites_allowed.as_ref().is_none_or(allowed)
}

fn closed(world: &World<'_>, colocation: &Colocation) -> WaitingOn {
    match &colocation.sites_allowed {
        Some(sites) if sites.iter().all(|site| !world.fleet.sites.contains_key(site)) => {
            WaitingOn::NotAllowedSite {
                allowed: sites.iter().cloned().collect(),
            }
        }
        Some(sites) => WaitingOn::SitesClosed {
            allowed: count(sites.len()),
        },
        None => WaitingOn::SitesClosed {
            allowed: count(world.fleet.sites.len()),
        },
    }
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
