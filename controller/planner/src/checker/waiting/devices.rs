//! Why colocations wait: what each reason has to mean to be true. No I/O.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::room::Room;
use crate::checker::physics;
use crate::checker::totals::Totals;
use crate::fleet::{Colocation, ColocationSpread, Device, State};
use crate::ids::ColocationId;
use crate::reason::WaitingOn;

/// Tallest rack that is believed, in units.
const MAX_UNITS: i64 = 100;
/// Most steps of the search for places; a search that takes more refutes nothing.
const EFFORT: u32 = 20_000;

/// Judges one reason.
pub(super) fn judge(
    room: &Room<'_, '_>,
    totals: &Totals<'_>,
    id: &ColocationId,
    spec: &Colocation,
    on: &WaitingOn,
    say: &mut impl FnMut(String),
) {
    let places = room.model.plan.colocations.get(id).map_or(&[][..], Vec::as_slice);
    let missing: Vec<&Device> = spec
        .devices
        .iter()
        .filter(|device| !places.iter().any(|place| place.device == device.name))
        .collect();
    let racks: Vec<usize> = (0..room.model.base.racks.len())
        .filter(|&rack| may_use(room, spec, rack))
        .collect();
    let feeds = |rack: usize, watts| physics::feeds_that_carry(room.model.base.racks[rack].spec, watts);
    let wanted = |name: &str| missing.iter().find(|device| device.name == name);
    match on {
        WaitingOn::Quota { .. } => {
            let sum = |of: fn(&Device) -> i64| missing.iter().map(|device| i128::from(of(device))).sum();
            let asks = [0, 0, 0, 0, sum(|device| device.watts), sum(|device| device.units)];
            return super::quota(room, totals, &spec.tenant, asks, on, say);
        }
        // True when the fleet has no such tenant.
        WaitingOn::UnknownTenant => {
            if room.model.fleet.tenants.contains_key(&spec.tenant) {
                say("the tenant is known".to_owned());
            }
            return;
        }
        // True when a device has a figure out of bounds or a name twice, or there are too many.
        WaitingOn::Malformed { .. } => {
            let mut names: Vec<&str> = spec.devices.iter().map(|device| device.name.as_str()).collect();
            names.sort_unstable();
            let twice = names.windows(2).any(|pair| pair[0] == pair[1]);
            if spec.devices.len() <= 256 && !twice && spec.devices.iter().all(is_sound) {
                say("no figure of it is out of bounds".to_owned());
            }
            return;
        }
        // True when a rack could have every device and another demand waits.
        WaitingOn::Queue { .. } => {
            if room.model.plan.waiting.len() < 2 {
                say("nothing else waits".to_owned());
            }
            return;
        }
        // True when that is the most of any rack it may use that carry it alone, and less than the device asks.
        WaitingOn::Feeds {
            device,
            watts,
            asked,
            most,
        } => {
            let there = racks.iter().map(|&rack| feeds(rack, *watts)).max().unwrap_or(0);
            let other = |device: &&Device| device.feeds != *asked || device.watts != *watts;
            if wanted(device).is_none_or(other) || *most != there || asked <= most {
                say(format!("racks have {there} feeds that carry it, and not {most}"));
            }
        }
        // True when that is the largest gap of any rack it may use that has the feeds, and less than the device asks.
        WaitingOn::RackUnits {
            device,
            asked,
            largest,
        } => {
            let wired = |rack: &&usize| {
                wanted(device).is_some_and(|device| feeds(**rack, device.watts) >= device.feeds)
            };
            let gap = racks
                .iter()
                .filter(wired)
                .map(|&rack| gap(&units(room, rack)))
                .max()
                .unwrap_or(0);
            if wanted(device).is_none_or(|device| device.units != *asked)
                || *largest != gap
                || asked <= largest
            {
                say(format!("the largest gap is {gap}, and not {largest}"));
            }
        }
        // True when a device that waits asks so much and so much is left in that rack.
        WaitingOn::RackWatts {
            rack,
            asked,
            headroom,
        } => {
            let left = room.model.base.rack(rack).filter(|rack| racks.contains(rack));
            let left = left.map(|rack| headroom_mw(room, rack).div_euclid(1000));
            let asks = missing.iter().any(|device| device.watts == *asked);
            if !asks || left != Some(i128::from(*headroom)) || asked <= headroom {
                say(format!("{left:?} W are left in {rack}, and not {headroom}"));
            }
        }
        // True when no more of them stand apart at once, and that one needs a place.
        WaitingOn::DevicesApart {
            device,
            needed,
            there,
        } => {
            let all = i64::try_from(spec.devices.len()).unwrap_or(i64::MAX);
            let most = most_apart(&Search::new(room, spec, &racks, places), &missing);
            let out = i64::try_from(missing.len() - most).unwrap_or(i64::MAX);
            if wanted(device).is_none() || (*needed, *there) != (all, all - out) {
                say(format!(
                    "{} of {all} stand apart, and not {there} of {needed}",
                    all - out
                ));
            }
            if spec.spread == ColocationSpread::None {
                say("its devices need not be apart".to_owned());
            }
        }
        // True when it has that many devices and fewer find a place.
        WaitingOn::DevicesRoom { device, fit, needed } => {
            let all = i64::try_from(spec.devices.len()).unwrap_or(i64::MAX);
            if wanted(device).is_none() || *needed != all || !(0..all).contains(fit) {
                say(format!(
                    "it has {all} devices, and not {needed} of which {fit} fit"
                ));
            }
        }
        // True when no rack that it may use takes anything.
        WaitingOn::SitesClosed { .. } | WaitingOn::NotAllowedSite { .. } => {
            if !racks.is_empty() {
                say(format!("{} racks are open to it", racks.len()));
            }
        }
        _ => say("no device waits on that".to_owned()),
    }
    let mut search = Search::new(room, spec, &racks, places);
    let fits = match spec.spread {
        ColocationSpread::None => search.place(&missing),
        ColocationSpread::Rack | ColocationSpread::Site => most_apart(&search, &missing) == missing.len(),
    };
    if fits {
        say("every device of it would fit".to_owned());
    }
}

fn is_sound(device: &Device) -> bool {
    (1..=MAX_UNITS).contains(&device.units)
        && (0..=1_000_000).contains(&device.watts)
        && (1..=4).contains(&device.feeds)
}

fn may_use(room: &Room<'_, '_>, spec: &Colocation, rack: usize) -> bool {
    let rack = &room.model.base.racks[rack];
    let site = &room.model.base.sites[rack.site];
    let allowed = spec
        .sites_allowed
        .as_ref()
        .is_none_or(|sites| sites.contains(site.name));
    site.state == State::Active && rack.spec.state == State::Active && allowed
}

fn headroom_mw(room: &Room<'_, '_>, rack: usize) -> i128 {
    room.model.base.racks[rack].capacity_mw - room.model.drawn_mw[rack] - room.most_mw[rack]
}

/// Per unit of a rack from the bottom: taken.
fn units(room: &Room<'_, '_>, rack: usize) -> Vec<bool> {
    let rack = &room.model.base.racks[rack];
    let height = rack.spec.units.clamp(0, MAX_UNITS);
    let equipment = rack
        .spec
        .units_taken
        .iter()
        .map(|range| (range.lowest, range.units));
    let devices = room
        .model
        .plan
        .colocations
        .values()
        .flatten()
        .filter(|place| place.rack == *rack.name);
    let devices = devices.map(|place| (place.lowest_unit, place.units));
    let taken: Vec<(i64, i64)> = equipment.chain(devices).collect();
    let fills =
        |unit: i64, &(lowest, units): &(i64, i64)| lowest <= unit && unit < lowest.saturating_add(units);
    (1..=height)
        .map(|unit| taken.iter().any(|range| fills(unit, range)))
        .collect()
}

/// The most free units in a row.
fn gap(units: &[bool]) -> i64 {
    let runs = units.split(|taken| *taken).map(<[bool]>::len);
    i64::try_from(runs.max().unwrap_or(0)).unwrap_or(0)
}

/// A search for places of all devices that have none.
struct Search<'r, 'm, 'a> {
    room: &'r Room<'m, 'a>,
    racks: &'r [usize],
    units: Vec<Vec<bool>>,
    left: Vec<i128>,
    spread: ColocationSpread,
    /// Racks of devices with a place.
    stand: Vec<usize>,
    effort: u32,
}

impl<'r, 'm, 'a> Search<'r, 'm, 'a> {
    fn new(
        room: &'r Room<'m, 'a>,
        spec: &Colocation,
        racks: &'r [usize],
        places: &[crate::plan::DevicePlace],
    ) -> Self {
        let all = 0..room.model.base.racks.len();
        Self {
            room,
            racks,
            units: all.clone().map(|rack| units(room, rack)).collect(),
            left: all.map(|rack| headroom_mw(room, rack)).collect(),
            spread: spec.spread,
            stand: places
                .iter()
                .filter_map(|place| room.model.base.rack(&place.rack))
                .collect(),
            effort: EFFORT,
        }
    }

    /// What of a rack may not be shared: the rack, or its site.
    fn group(&self, rack: usize) -> usize {
        match self.spread {
            ColocationSpread::Site => self.room.model.base.racks[rack].site,
            ColocationSpread::None | ColocationSpread::Rack => rack,
        }
    }

    /// Where in the rack the device fits, if it has the feeds and the power.
    fn room_in(&self, rack: usize, device: &Device) -> Option<usize> {
        let watts = i128::from(device.watts) * 1000;
        let feeds = physics::feeds_that_carry(self.room.model.base.racks[rack].spec, device.watts);
        lowest(&self.units[rack], device.units).filter(|_| feeds >= device.feeds && watts <= self.left[rack])
    }

    fn place(&mut self, missing: &[&Device]) -> bool {
        let Some((device, rest)) = missing.split_first() else {
            return true;
        };
        for &rack in self.racks {
            if self.effort == 0 {
                return false;
            }
            self.effort -= 1;
            let Some(lowest) = self.room_in(rack, device) else {
                continue;
            };
            let watts = i128::from(device.watts) * 1000;
            let range = lowest..lowest + usize::try_from(device.units).unwrap_or(0);
            self.units[rack][range.clone()].fill(true);
            self.left[rack] -= watts;
            if self.place(rest) {
                return true;
            }
            self.left[rack] += watts;
            self.units[rack][range].fill(false);
        }
        false
    }
}

/// The lowest place with so many free units in a row.
fn lowest(units: &[bool], wanted: i64) -> Option<usize> {
    let wanted = usize::try_from(wanted).ok().filter(|&wanted| wanted > 0)?;
    units
        .windows(wanted)
        .position(|window| window.iter().all(|taken| !taken))
}

/// How many of the devices can stand apart at once, each in a rack (or at a site) of its own: as many as there are groups of places
/// that can be handed out one after the other, where whoever holds one may be sent to another that is free to it.
fn most_apart(search: &Search<'_, '_, '_>, missing: &[&Device]) -> usize {
    let taken: BTreeSet<usize> = search.stand.iter().map(|&rack| search.group(rack)).collect();
    let free_to = |device: &Device| -> BTreeSet<usize> {
        let racks = search.racks.iter();
        let fitting = racks.filter(|&&rack| search.room_in(rack, device).is_some());
        let groups = fitting.map(|&rack| search.group(rack));
        groups.filter(|group| !taken.contains(group)).collect()
    };
    let wishes: Vec<BTreeSet<usize>> = missing.iter().map(|device| free_to(device)).collect();
    let mut given: BTreeMap<usize, usize> = BTreeMap::new();
    for start in 0..wishes.len() {
        // Breadth first: from whom each group would be taken, until one is reached that nobody holds.
        let mut from: BTreeMap<usize, usize> = BTreeMap::new();
        let mut line = VecDeque::from([start]);
        let mut end = None;
        while let (Some(device), None) = (line.pop_front(), end) {
            for &group in &wishes[device] {
                if end.is_none() && !from.contains_key(&group) {
                    from.insert(group, device);
                    match given.get(&group) {
                        Some(&holder) => line.push_back(holder),
                        None => end = Some(group),
                    }
                }
            }
        }
        while let Some(group) = end {
            let device = from[&group];
            let before = given.iter().find(|&(_, &holder)| holder == device);
            end = before.map(|(&group, _)| group);
            if let Some(group) = end {
                given.remove(&group);
            }
            given.insert(group, device);
        }
    }
    given.len()
}
