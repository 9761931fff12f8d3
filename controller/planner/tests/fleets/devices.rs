//! What owners do to the devices of a colocation between two plans, also to those that stand in a rack. No I/O.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use raidc_planner::{Colocation, ColocationId, ColocationSpread, Fleet};

/// One edit. The API refuses some of them of a device that stands; an object stored before it did may say them all the same.
#[derive(Clone, Debug)]
pub(crate) enum DeviceEvent {
    New(Box<Colocation>),
    /// Units, watts, feeds.
    Grows(i64, i64, i64),
    Gone,
    Renamed,
    Apart(ColocationSpread),
}

/// How far devices stay apart.
pub(crate) fn spread() -> impl Strategy<Value = ColocationSpread> {
    select(vec![
        ColocationSpread::None,
        ColocationSpread::Rack,
        ColocationSpread::Site,
    ])
}

/// Any edit.
pub(crate) fn event() -> impl Strategy<Value = DeviceEvent> {
    let grown = (1i64..14, 0i64..5000, 1i64..5);
    prop_oneof![
        1 => super::colocation().prop_map(|colocation| DeviceEvent::New(Box::new(colocation))),
        2 => grown.prop_map(|(units, watts, feeds)| DeviceEvent::Grows(units, watts, feeds)),
        1 => Just(DeviceEvent::Gone),
        1 => Just(DeviceEvent::Renamed),
        1 => spread().prop_map(DeviceEvent::Apart),
    ]
}

/// Lets an edit of the colocation at `at` happen.
pub(crate) fn happen(fleet: &mut Fleet, at: Index, event: &DeviceEvent, number: usize) {
    if let DeviceEvent::New(colocation) = event {
        let id = ColocationId::new(colocation.tenant.as_str(), format!("n{number:02}"));
        fleet.colocations.insert(id, (**colocation).clone());
        return;
    }
    let Some((_, colocation)) = super::pick(&mut fleet.colocations, at) else {
        return;
    };
    let devices = &mut colocation.devices;
    match event {
        DeviceEvent::Grows(units, watts, feeds) => {
            if let Some(device) = devices.last_mut() {
                (device.units, device.watts, device.feeds) = (*units, *watts, *feeds);
            }
        }
        DeviceEvent::Gone => drop(devices.pop()),
        DeviceEvent::Renamed => {
            if let Some(device) = devices.first_mut() {
                device.name = format!("r{number:02}");
            }
        }
        DeviceEvent::Apart(spread) => colocation.spread = *spread,
        DeviceEvent::New(_) => {}
    }
    // A device that is off the list is off the record.
    let listed: Vec<&String> = colocation.devices.iter().map(|device| &device.name).collect();
    colocation.current.retain(|name, _| listed.contains(&name));
}
