//! Where devices stood, by what the racks say of it: the second witness for a Colocation whose own status is gone. No I/O.
//!
//! Hardware is bolted in. A Colocation that lost its status has it where its rack says; one that was deleted and made again (by a backup
//! that restores no status, by a pipeline) has it there too, as far as it asks for nothing that was not granted then and nobody else
//! has been granted the units since.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;
use raidc_crds::rack::{Reservation, ReservationState};
use raidc_crds::{Colocation, Rack};
use raidc_planner::{ColocationId, ColocationSpread, DevicePosition, Fleet};

use super::translate::{Notes, Seen};

/// Gives colocations without any place those that the racks remember.
pub(super) fn adopt(seen: &Seen, fleet: &mut Fleet, notes: &Notes) {
    let homeless: Vec<&Colocation> = seen
        .colocations
        .iter()
        .map(AsRef::as_ref)
        .filter(|colocation| {
            let of_fleet = fleet.colocations.get(&id_of(colocation));
            of_fleet.is_some_and(|known| known.current.is_empty())
        })
        .collect();
    if homeless.is_empty() {
        return;
    }
    let witness = Witness::of(seen);
    let mut taken = Taken::of(seen, fleet);
    // Those that were never deleted come first: what is theirs is no one's to take over.
    for granted in [true, false] {
        for colocation in &homeless {
            let id = id_of(colocation);
            let places = if granted {
                witness.lost(colocation)
            } else if notes.colocations.contains_key(&id) || !witness.is_granted(colocation, fleet) {
                continue;
            } else {
                witness.remembered(colocation)
            };
            let Some(known) = fleet.colocations.get_mut(&id) else {
                continue;
            };
            if !known.current.is_empty() {
                continue;
            }
            let all: usize = known.devices.len();
            let free: Vec<_> = places.into_iter().filter(|place| taken.is_free(place)).collect();
            if free.is_empty() || (!granted && free.len() < all) {
                continue;
            }
            for place in free {
                taken.take(&place);
                let position = DevicePosition {
                    rack: place.rack.name_any().as_str().into(),
                    lowest_unit: place.said.lowest_unit,
                };
                known.current.insert(place.said.device.clone(), position);
            }
        }
    }
}

fn id_of(colocation: &Colocation) -> ColocationId {
    ColocationId::new(colocation.namespace().unwrap_or_default(), colocation.name_any())
}

/// What a rack says of a device.
#[derive(Clone, Copy)]
struct Place<'s> {
    rack: &'s Rack,
    said: &'s Reservation,
}

/// What the racks say, by namespace and name of the Colocation.
struct Witness<'s>(BTreeMap<(&'s str, &'s str), Vec<Place<'s>>>);

impl<'s> Witness<'s> {
    fn of(seen: &'s Seen) -> Self {
        let mut all: BTreeMap<(&str, &str), Vec<Place<'_>>> = BTreeMap::new();
        for rack in &seen.racks {
            for said in rack.status.iter().flat_map(|status| &status.reservations) {
                let key = (said.namespace.as_str(), said.colocation.as_str());
                all.entry(key).or_default().push(Place { rack, said });
            }
        }
        Self(all)
    }

    /// What is said of the devices that it asks for as they were: of each by one rack only, or nothing.
    fn each(&self, colocation: &Colocation, right: impl Fn(&Reservation) -> bool) -> Vec<Place<'s>> {
        let (namespace, name) = (colocation.namespace().unwrap_or_default(), colocation.name_any());
        let all = self.0.get(&(namespace.as_str(), name.as_str()));
        let devices = colocation.spec.devices.iter();
        devices
            .filter_map(|device| {
                let mut said = all.into_iter().flatten().filter(|place| {
                    place.said.device == device.name
                        && place.said.units == i64::from(device.units)
                        && right(place.said)
                });
                let one = said.next()?;
                said.next().is_none().then_some(*one)
            })
            .collect()
    }

    /// Of one whose status was lost.
    fn lost(&self, colocation: &Colocation) -> Vec<Place<'s>> {
        let uid = colocation.uid().unwrap_or_default();
        self.each(colocation, |said| {
            said.uid == uid && said.state == ReservationState::Reserved
        })
    }

    /// Of one that was deleted and made again.
    fn remembered(&self, colocation: &Colocation) -> Vec<Place<'s>> {
        let uid = colocation.uid().unwrap_or_default();
        self.each(colocation, |said| said.uid != uid)
    }

    /// Whether one that was made again asks for no more than it was granted, for what its tenant may still have, and where it may be.
    fn is_granted(&self, colocation: &Colocation, fleet: &Fleet) -> bool {
        let Some(asks) = fleet.colocations.get(&id_of(colocation)) else {
            return false;
        };
        let places = self.remembered(colocation);
        let watts = |name: &str| {
            let device = asks.devices.iter().find(|device| device.name == name);
            device.map_or(i64::MAX, |device| device.watts)
        };
        let no_more = places
            .iter()
            .all(|place| watts(&place.said.device) <= place.said.watts);
        let allowed = places.iter().all(|place| {
            let sites = asks.sites_allowed.as_ref();
            sites.is_none_or(|sites| sites.contains(&place.rack.spec.site.as_str().into()))
        });
        let apart: BTreeSet<String> = places
            .iter()
            .map(|place| match asks.spread {
                ColocationSpread::None => format!("{}/{}", place.rack.name_any(), place.said.lowest_unit),
                ColocationSpread::Rack => place.rack.name_any(),
                ColocationSpread::Site => place.rack.spec.site.clone(),
            })
            .collect();
        no_more && allowed && apart.len() == places.len() && within_quota(asks, fleet)
    }
}

/// Whether the tenant may have it beside what has a place already.
fn within_quota(asks: &raidc_planner::Colocation, fleet: &Fleet) -> bool {
    let Some(tenant) = fleet.tenants.get(&asks.tenant) else {
        return false;
    };
    let of_tenant = fleet
        .colocations
        .values()
        .filter(|other| other.tenant == asks.tenant);
    let standing = of_tenant.flat_map(|other| {
        let stands = |device: &&raidc_planner::Device| other.current.contains_key(&device.name);
        other.devices.iter().filter(stands)
    });
    let (watts, units) = standing.chain(&asks.devices).fold((0_i64, 0_i64), |sum, device| {
        (
            sum.0.saturating_add(device.watts),
            sum.1.saturating_add(device.units),
        )
    });
    let within = |limit: Option<i64>, amount: i64| limit.is_none_or(|limit| amount <= limit);
    within(tenant.quota.watts, watts) && within(tenant.quota.rack_units, units)
}

/// Units that are somebody's, as first and last, by rack.
struct Taken(BTreeMap<String, Vec<(i64, i64)>>);

impl Taken {
    fn of(seen: &Seen, fleet: &Fleet) -> Self {
        let mut taken: BTreeMap<String, Vec<(i64, i64)>> = BTreeMap::new();
        for rack in &seen.racks {
            let spec = &rack.spec;
            let occupied = spec.occupied.iter().map(|o| (o.lowest_unit, o.units));
            let hosts = spec.hosts.iter().filter_map(|h| Some((h.lowest_unit?, h.units)));
            let all = taken.entry(rack.name_any()).or_default();
            all.extend(
                occupied
                    .chain(hosts)
                    .map(|(at, units)| run(at.into(), units.into())),
            );
            // What is above the top is nobody's.
            all.push((i64::from(spec.units) + 1, i64::MAX));
        }
        for colocation in fleet.colocations.values() {
            for device in &colocation.devices {
                if let Some(at) = colocation.current.get(&device.name) {
                    let all = taken.entry(at.rack.to_string()).or_default();
                    all.push(run(at.lowest_unit, device.units));
                }
            }
        }
        Self(taken)
    }

    fn is_free(&self, place: &Place<'_>) -> bool {
        let (first, last) = run(place.said.lowest_unit, place.said.units);
        let all = self.0.get(&place.rack.name_any());
        first >= 1
            && all
                .into_iter()
                .flatten()
                .all(|(from, to)| last < *from || first > *to)
    }

    fn take(&mut self, place: &Place<'_>) {
        let all = self.0.entry(place.rack.name_any()).or_default();
        all.push(run(place.said.lowest_unit, place.said.units));
    }
}

/// First and last unit.
fn run(lowest: i64, units: i64) -> (i64, i64) {
    (lowest, lowest.saturating_add(units).saturating_sub(1))
}

#[cfg(test)]
#[path = "reservations_tests.rs"]
mod tests;
