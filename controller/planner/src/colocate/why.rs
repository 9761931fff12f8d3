//! Why a colocation waits: what keeps the first of its devices out, or what keeps them from standing there all at once. No I/O.

use super::search::{carriers, may_use};
use super::{Space, headroom_mw};
use crate::fleet::{Colocation, ColocationSpread, Device};
use crate::reason::WaitingOn;
use crate::state::Books;
use crate::world::{World, count};

impl Space {
    /// What keeps the first device that has no place out.
    pub(super) fn why(
        &self,
        world: &World<'_>,
        books: &Books,
        index: usize,
        colocation: &Colocation,
    ) -> WaitingOn {
        let racks: Vec<usize> = (0..world.racks.len())
            .filter(|&rack| may_use(world, colocation, rack))
            .collect();
        if racks.is_empty() {
            return closed(world, colocation);
        }
        let missing = colocation.devices.iter().enumerate();
        let alone = missing
            .filter(|(at, _)| !self.stands(index, *at))
            .find_map(|(_, device)| self.keeps_out(world, books, &racks, device));
        alone.unwrap_or_else(|| match colocation.spread {
            ColocationSpread::None => self.beside(world, books, index, colocation),
            ColocationSpread::Rack | ColocationSpread::Site => self.apart(world, books, index, colocation),
        })
    }

    /// What keeps one device out of all of these racks, were it the only one.
    fn keeps_out(
        &self,
        world: &World<'_>,
        books: &Books,
        racks: &[usize],
        device: &Device,
    ) -> Option<WaitingOn> {
        let name = device.name.clone();
        let feeds = |rack: usize| carriers(world, rack, device.watts);
        let most = racks.iter().map(|&rack| feeds(rack)).max().unwrap_or(0);
        if device.feeds > most {
            return Some(WaitingOn::Feeds {
                device: name,
                watts: device.watts,
                asked: device.feeds,
                most,
            });
        }
        let wired: Vec<usize> = racks
            .iter()
            .copied()
            .filter(|&rack| feeds(rack) >= device.feeds)
            .collect();
        let largest = wired.iter().map(|&rack| self.largest_gap(rack)).max();
        let largest = largest.unwrap_or(0);
        if device.units > largest {
            return Some(WaitingOn::RackUnits {
                device: name,
                asked: device.units,
                largest,
            });
        }
        let headroom = |rack: usize| headroom_mw(world, books, rack);
        let nearest = wired
            .into_iter()
            .filter(|&rack| self.lowest_gap(rack, device.units).is_some())
            .max_by_key(|&rack| (headroom(rack), std::cmp::Reverse(rack)))?;
        (device.watts * 1000 > headroom(nearest)).then(|| WaitingOn::RackWatts {
            rack: world.racks[nearest].name.clone(),
            asked: device.watts,
            headroom: headroom(nearest).div_euclid(1000),
        })
    }

    /// How many devices find a place in their order, each beside those before it.
    fn beside(&self, world: &World<'_>, books: &Books, index: usize, colocation: &Colocation) -> WaitingOn {
        let (mut space, mut books) = (self.clone(), books.clone());
        match space.in_order(world, &mut books, index, colocation) {
            Err(at) => WaitingOn::DevicesRoom {
                device: colocation.devices[at].name.clone(),
                fit: count(at),
                needed: count(colocation.devices.len()),
            },
            // The search ends with this very order, so that it does not come here.
            Ok(()) => WaitingOn::Queue { ahead: 0 },
        }
    }

    /// How many devices can stand apart at once.
    fn apart(&self, world: &World<'_>, books: &Books, index: usize, colocation: &Colocation) -> WaitingOn {
        let matched = self.matching(world, books, index, colocation).racks;
        let out = matched.iter().find(|(_, rack)| rack.is_none());
        let missing = matched.iter().filter(|(_, rack)| rack.is_none()).count();
        WaitingOn::DevicesApart {
            device: out.map_or_else(String::new, |&(at, _)| colocation.devices[at].name.clone()),
            needed: count(colocation.devices.len()),
            there: count(colocation.devices.len() - missing),
        }
    }
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
