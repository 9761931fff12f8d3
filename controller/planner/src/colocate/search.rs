//! Finding a rack for every device of a colocation that has none. No I/O.
//!
//! Devices that keep apart share no rack, so that each of their places stands by itself: who goes where is a matching of devices
//! and racks (or sites), which is found exactly. Devices that may stand together fill racks, which is packing: what is hardest to
//! place goes first, and the search is bounded.

use super::{Position, Space, headroom_mw};
use crate::fleet::{Colocation, ColocationSpread, Device};
use crate::reason::WaitingOn;
use crate::site_set::SiteSet;
use crate::state::Books;
use crate::world::{World, count};

/// Most steps when packing devices that may stand together. If that does not do, they are taken in their order once, each where most
/// power is left.
const EFFORT: u32 = 4096;

/// Whether a rack takes something new of this colocation.
pub(super) fn may_use(world: &World<'_>, colocation: &Colocation, rack: usize) -> bool {
    let dense = &world.racks[rack];
    let allowed = |sites: &SiteSet| sites.contains(&world.sites[dense.site].name);
    dense.open && colocation.sites_allowed.as_ref().is_none_or(allowed)
}

/// Feeds of a rack that could each carry so many watts alone.
pub(super) fn carriers(world: &World<'_>, rack: usize, watts: i64) -> i64 {
    let feeds = &world.racks[rack].feed_watts;
    count(feeds.iter().filter(|&&carries| carries >= watts).count())
}

/// Which devices find places apart from each other.
pub(super) struct Matched {
    /// Per device that had none: its rack, if it finds one.
    pub(super) racks: Vec<(usize, Option<usize>)>,
}

impl Space {
    /// Finds a place for every device that has none, or changes nothing.
    pub(crate) fn place(
        &mut self,
        world: &World<'_>,
        books: &mut Books,
        index: usize,
        colocation: &Colocation,
    ) -> Result<(), WaitingOn> {
        let found = match colocation.spread {
            ColocationSpread::None => self.place_together(world, books, index, colocation),
            ColocationSpread::Rack | ColocationSpread::Site => {
                self.place_apart(world, books, index, colocation)
            }
        };
        if found {
            Ok(())
        } else {
            Err(self.why(world, books, index, colocation))
        }
    }

    /// The devices without a place.
    fn homeless(&self, index: usize) -> Vec<usize> {
        (0..self.positions[index].len())
            .filter(|&device| !self.stands(index, device))
            .collect()
    }

    fn put(
        &mut self,
        books: &mut Books,
        index: usize,
        device: usize,
        spec: &Device,
        (rack, lowest): Position,
    ) {
        self.fill(rack, lowest, spec.units, true);
        books.committed_mw[rack] += spec.watts * 1000;
        self.positions[index][device] = Some((rack, lowest));
    }

    fn take_back(
        &mut self,
        books: &mut Books,
        index: usize,
        device: usize,
        spec: &Device,
        (rack, lowest): Position,
    ) {
        self.positions[index][device] = None;
        books.committed_mw[rack] -= spec.watts * 1000;
        self.fill(rack, lowest, spec.units, false);
    }

    /// Whether the rack has the feeds, the power and the room for one more device.
    pub(super) fn fits(
        &self,
        world: &World<'_>,
        books: &Books,
        colocation: &Colocation,
        device: &Device,
        rack: usize,
    ) -> bool {
        may_use(world, colocation, rack)
            && device.feeds <= carriers(world, rack, device.watts)
            && device.watts * 1000 <= headroom_mw(world, books, rack)
            && self.lowest_gap(rack, device.units).is_some()
    }

    /// The racks that fit, the one with the most power left first: heat and risk are spread.
    fn candidates(
        &self,
        world: &World<'_>,
        books: &Books,
        colocation: &Colocation,
        device: &Device,
    ) -> Vec<usize> {
        let mut racks: Vec<usize> = (0..world.racks.len())
            .filter(|&rack| self.fits(world, books, colocation, device, rack))
            .collect();
        racks.sort_by_key(|&rack| (-headroom_mw(world, books, rack), rack));
        racks
    }

    fn place_apart(
        &mut self,
        world: &World<'_>,
        books: &mut Books,
        index: usize,
        colocation: &Colocation,
    ) -> bool {
        let matched = self.matching(world, books, index, colocation);
        if matched.racks.iter().any(|(_, rack)| rack.is_none()) {
            return false;
        }
        for (device, rack) in matched.racks {
            let spec = &colocation.devices[device];
            if let Some(rack) = rack
                && let Some(lowest) = self.lowest_gap(rack, spec.units)
            {
                self.put(books, index, device, spec, (rack, lowest));
            }
        }
        true
    }

    /// As many devices as possible, each in a rack (or at a site) of its own, by augmenting paths: at most as many walks over
    /// the candidates as there are devices.
    pub(super) fn matching(
        &self,
        world: &World<'_>,
        books: &Books,
        index: usize,
        colocation: &Colocation,
    ) -> Matched {
        let group = |rack: usize| match colocation.spread {
            ColocationSpread::Site => world.racks[rack].site,
            ColocationSpread::None | ColocationSpread::Rack => rack,
        };
        let standing: Vec<usize> = self.positions[index]
            .iter()
            .flatten()
            .map(|&(rack, _)| group(rack))
            .collect();
        let devices = self.homeless(index);
        // Per device its racks, one for each group: of a site the one with the most power left.
        let racks: Vec<Vec<usize>> = devices
            .iter()
            .map(|&device| {
                let mut racks = self.candidates(world, books, colocation, &colocation.devices[device]);
                let mut seen = standing.clone();
                racks.retain(|&rack| {
                    let fresh = !seen.contains(&group(rack));
                    seen.push(group(rack));
                    fresh
                });
                racks
            })
            .collect();
        let groups = world.racks.len().max(world.sites.len());
        let mut holder: Vec<Option<usize>> = vec![None; groups];
        let mut at: Vec<Option<usize>> = vec![None; devices.len()];
        for device in 0..devices.len() {
            // What is free first: a device that has found its place moves only if it must.
            let free = racks[device].iter().find(|&&rack| holder[group(rack)].is_none());
            if let Some(&rack) = free {
                (holder[group(rack)], at[device]) = (Some(device), Some(rack));
            } else {
                augment(
                    &racks,
                    &group,
                    device,
                    &mut vec![false; groups],
                    &mut holder,
                    &mut at,
                );
            }
        }
        Matched {
            racks: devices.into_iter().zip(at).collect(),
        }
    }

    fn place_together(
        &mut self,
        world: &World<'_>,
        books: &mut Books,
        index: usize,
        colocation: &Colocation,
    ) -> bool {
        let mut order = self.homeless(index);
        let spec = |device: usize| &colocation.devices[device];
        let open: Vec<usize> = (0..world.racks.len())
            .filter(|&rack| may_use(world, colocation, rack))
            .collect();
        let sum = |of: &dyn Fn(usize) -> i64, all: &[usize]| all.iter().map(|&at| of(at)).sum::<i64>();
        if sum(&|device| spec(device).units, &order) > sum(&|rack| self.free(rack), &open)
            || sum(&|device| spec(device).watts * 1000, &order)
                > sum(&|rack| headroom_mw(world, books, rack).max(0), &open)
        {
            return false;
        }
        // The hardest first: few racks, then high, then hungry.
        order.sort_by_cached_key(|&device| {
            let spec = spec(device);
            let racks = self.candidates(world, books, colocation, spec).len();
            (racks, -spec.units, -spec.watts, device)
        });
        let mut effort = EFFORT;
        self.pack(world, books, index, colocation, &order, &mut effort)
            || self.in_order(world, books, index, colocation).is_ok()
    }

    fn pack(
        &mut self,
        world: &World<'_>,
        books: &mut Books,
        index: usize,
        colocation: &Colocation,
        order: &[usize],
        effort: &mut u32,
    ) -> bool {
        let Some((&device, rest)) = order.split_first() else {
            return true;
        };
        let spec = &colocation.devices[device];
        let mut tried: Vec<usize> = Vec::new();
        for rack in self.candidates(world, books, colocation, spec) {
            if *effort == 0 {
                return false;
            }
            // What failed in one rack fails in one that is just like it.
            let alike = |&other: &usize| {
                headroom_mw(world, books, other) == headroom_mw(world, books, rack)
                    && world.racks[other].feed_watts == world.racks[rack].feed_watts
                    && self.units[other] == self.units[rack]
            };
            if tried.iter().any(alike) {
                continue;
            }
            tried.push(rack);
            *effort -= 1;
            let Some(lowest) = self.lowest_gap(rack, spec.units) else {
                continue;
            };
            self.put(books, index, device, spec, (rack, lowest));
            if self.pack(world, books, index, colocation, rest, effort) {
                return true;
            }
            self.take_back(books, index, device, spec, (rack, lowest));
        }
        false
    }

    /// Every device in its order, each beside those before it, or nothing. The error is the first that finds no place.
    pub(super) fn in_order(
        &mut self,
        world: &World<'_>,
        books: &mut Books,
        index: usize,
        colocation: &Colocation,
    ) -> Result<(), usize> {
        let mut placed: Vec<(usize, Position)> = Vec::new();
        for device in self.homeless(index) {
            let spec = &colocation.devices[device];
            let best = self.candidates(world, books, colocation, spec).into_iter().next();
            if let Some(place) = best.and_then(|rack| Some((rack, self.lowest_gap(rack, spec.units)?))) {
                self.put(books, index, device, spec, place);
                placed.push((device, place));
                continue;
            }
            for (other, place) in placed.into_iter().rev() {
                self.take_back(books, index, other, &colocation.devices[other], place);
            }
            return Err(device);
        }
        Ok(())
    }
}

/// Finds `device` a rack, moving those that hold it to others of theirs. No deeper than there are devices.
fn augment(
    racks: &[Vec<usize>],
    group: &dyn Fn(usize) -> usize,
    device: usize,
    seen: &mut [bool],
    holder: &mut [Option<usize>],
    at: &mut [Option<usize>],
) -> bool {
    for &rack in &racks[device] {
        if std::mem::replace(&mut seen[group(rack)], true) {
            continue;
        }
        let moves =
            |other: usize, seen: &mut [bool], holder: &mut [Option<usize>], at: &mut [Option<usize>]| {
                augment(racks, group, other, seen, holder, at)
            };
        let free = match holder[group(rack)] {
            None => true,
            Some(other) => moves(other, seen, holder, at),
        };
        if free {
            (holder[group(rack)], at[device]) = (Some(device), Some(rack));
            return true;
        }
    }
    false
}
