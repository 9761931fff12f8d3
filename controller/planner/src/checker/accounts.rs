//! Is everything accounted for, at places that exist and may be used? No I/O.

use super::base::{Base, readable};
use super::model::{Model, Placed, fault};
use crate::fault::{Fault, Rule};
use crate::fleet::{Device, HostUse, State};
use crate::ids::DemandId;

/// Colocations: every device placed or waiting, and nothing waits that is not in the fleet. (For servers the walk of
/// the model has seen to it.)
pub(super) fn check(model: &Model<'_>, faults: &mut Vec<Fault>) {
    for (id, colocation) in &model.fleet.colocations {
        let places = model.plan.colocations.get(id).map_or(&[][..], Vec::as_slice);
        let mut devices: Vec<&str> = places.iter().map(|place| place.device.as_str()).collect();
        devices.sort_unstable();
        let mut say = |how: String| faults.push(fault(Rule::Accounted, format!("colocation/{id}"), how));
        let pairs = devices.iter().zip(devices.iter().skip(1));
        for (twice, _) in pairs.filter(|(one, other)| one == other) {
            say(format!("has device {twice} at two places"));
        }
        let stands = |device: &Device| devices.binary_search(&device.name.as_str()).is_ok();
        let waits = model.plan.waiting.contains_key(&DemandId::Colocation(id.clone()));
        if !waits && !colocation.devices.iter().all(stands) {
            say("has devices that are neither placed nor waiting".to_owned());
        }
    }
    for id in model.plan.waiting.keys().rev() {
        // Colocations come last in the order of demands.
        let DemandId::Colocation(colocation) = id else {
            break;
        };
        if !model.fleet.colocations.contains_key(colocation) {
            let how = "waits and is not in the fleet";
            faults.push(fault(Rule::Accounted, id.to_string(), how));
        }
    }
}

/// The place of one server.
pub(super) fn place(base: &Base<'_>, server: &Placed<'_>, faults: &mut Vec<Fault>) {
    let mut say = |how: String| faults.push(fault(Rule::PlaceExists, format!("server/{}", server.id), how));
    let spot = &server.plan.placement;
    let Some(host) = server.host else {
        let recorded = server.spec.current.as_ref().is_some_and(|current| {
            current.site == spot.site
                && current.rack == spot.rack
                && current.host.as_ref().map_or("", |host| host.as_str()) == spot.host.as_str()
        });
        if server.plan.held.is_none() || !recorded {
            say(format!("runs on {}, which does not exist", spot.host));
        }
        return;
    };
    let host = &base.hosts[host];
    if *base.racks[host.rack].name != spot.rack || host.site != server.site {
        say(format!("host {} is not in {}", spot.host, spot.rack));
    }
    if server.stayed || host.open && server.spec.sites_allowed.is_none() {
        return;
    }
    // One that was down may start where its reserve was, or where its data is, on anything that works.
    let recovers = server.spec.current.as_ref().is_some_and(|current| {
        current.backup.as_ref() == Some(host.name)
            || current.copy_sites.contains(&spot.site)
            || current.site == spot.site
    });
    if !(host.open || host.works && recovers) {
        say(format!("came to {}, which takes nothing new", spot.host));
    }
    let allowed = server.spec.sites_allowed.as_ref();
    if allowed.is_some_and(|sites| !sites.contains(&spot.site)) && !recovers {
        say(format!("came to {}, which it may not use", spot.site));
    }
}

/// Whether nothing may be concluded about a host: its figures may be too high without the plan saying so.
pub(super) fn known(model: &Model<'_>, host: usize) -> bool {
    let host = &model.base.hosts[host];
    readable(model.base.sites[host.site].state)
        && readable(model.base.racks[host.rack].spec.state)
        && !matches!(host.spec.usable, HostUse::NotReady | HostUse::Unknown)
}

/// Whether a site is neither off, unreadable nor being emptied.
pub(super) fn settled(state: State) -> bool {
    readable(state) && state != State::Draining
}
