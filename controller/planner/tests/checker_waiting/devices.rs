//! Why devices wait. No I/O.

use raidc_planner::{
    Colocation, ColocationId, ColocationSpread, DemandId, Device, DevicePosition, Fleet, Plan, Waiting,
    WaitingOn, confirm_waiting,
};

use crate::fixture::{decide, small};

#[test]
fn no_device_waits_for_a_false_reason() {
    let device = |units: i64, watts: i64, feeds: i64| Colocation {
        tenant: "kuldiga".into(),
        devices: vec![Device {
            name: "d".to_owned(),
            units,
            watts,
            feeds,
        }],
        spread: ColocationSpread::None,
        ..Colocation::default()
    };
    let colocation = ColocationId::new("kuldiga", "c");
    for (spec, expected) in [
        (
            device(7, 10, 1),
            WaitingOn::RackUnits {
                device: "d".to_owned(),
                asked: 7,
                largest: 6,
            },
        ),
        (
            device(1, 10, 3),
            WaitingOn::Feeds {
                device: "d".to_owned(),
                watts: 10,
                asked: 3,
                most: 2,
            },
        ),
        (
            device(1, 750, 1),
            WaitingOn::RackWatts {
                rack: "a-r".into(),
                asked: 750,
                headroom: 700,
            },
        ),
    ] {
        let mut fleet = small();
        fleet.colocations.insert(colocation.clone(), spec);
        let mut made = decide(&fleet);
        let id = DemandId::Colocation(colocation.clone());
        assert_eq!(
            made.waiting.get(&id).map(|waiting| waiting.on.clone()),
            Some(expected)
        );
        assert_eq!(confirm_waiting(&fleet, &made), vec![]);
        for on in [
            WaitingOn::RackUnits {
                device: "d".to_owned(),
                asked: 7,
                largest: 5,
            },
            WaitingOn::Feeds {
                device: "d".to_owned(),
                watts: 10,
                asked: 3,
                most: 1,
            },
            WaitingOn::RackWatts {
                rack: "a-r".into(),
                asked: 750,
                headroom: 699,
            },
            WaitingOn::DevicesApart {
                device: "d".to_owned(),
                needed: 1,
                there: 2,
            },
            WaitingOn::SitesClosed { allowed: 2 },
            WaitingOn::Queue { ahead: 1 },
            WaitingOn::UnknownTenant,
        ] {
            made.waiting.insert(id.clone(), Waiting::on(on.clone()));
            assert_ne!(confirm_waiting(&fleet, &made), vec![], "{on:?}");
        }
        // Something smaller would fit, whatever is said of it.
        fleet.colocations.insert(colocation.clone(), device(1, 10, 1));
        assert_ne!(confirm_waiting(&fleet, &made), vec![]);
    }
}

fn racked(devices: &[(&str, i64, i64)]) -> Colocation {
    let devices = devices.iter().map(|&(name, units, watts)| Device {
        name: name.to_owned(),
        units,
        watts,
        feeds: 1,
    });
    Colocation {
        tenant: "kuldiga".into(),
        devices: devices.collect(),
        spread: ColocationSpread::None,
        ..Colocation::default()
    }
}

/// What is said of this reason for the devices.
fn said(fleet: &Fleet, made: &Plan, on: WaitingOn) -> String {
    let mut forged = made.clone();
    let id = DemandId::Colocation(ColocationId::new("kuldiga", "c"));
    forged.waiting.insert(id, Waiting::on(on));
    let faults = confirm_waiting(fleet, &forged).into_iter();
    let of_it = faults.filter(|fault| fault.what == "colocation/kuldiga/c");
    of_it.map(|fault| fault.message).collect::<Vec<_>>().join("; ")
}

/// The plan, in which they wait, and what they wait on: confirmed.
#[track_caller]
fn wait(fleet: &Fleet) -> (Plan, WaitingOn) {
    let made = decide(fleet);
    assert_eq!(confirm_waiting(fleet, &made), vec![]);
    let id = DemandId::Colocation(ColocationId::new("kuldiga", "c"));
    let on = made.waiting.get(&id).expect("they wait").on.clone();
    (made, on)
}

#[test]
fn no_figure_of_a_device_is_taken_for_anothers() {
    let mut fleet = small();
    let mut three = racked(&[("d", 1, 10)]);
    three.devices[0].feeds = 3;
    fleet.colocations.insert(ColocationId::new("kuldiga", "c"), three);
    let (made, on) = wait(&fleet);
    let feeds = |asked: i64, watts: i64| WaitingOn::Feeds {
        device: "d".to_owned(),
        watts,
        asked,
        most: 2,
    };
    assert_eq!(on, feeds(3, 10));
    assert!(!said(&fleet, &made, feeds(4, 10)).is_empty() && !said(&fleet, &made, feeds(3, 20)).is_empty());
    // Three of four units each, and two racks of six: two fit.
    let many = racked(&[("d", 4, 10), ("e", 4, 10), ("f", 4, 10)]);
    fleet.colocations.insert(ColocationId::new("kuldiga", "c"), many);
    let (made, on) = wait(&fleet);
    let room = |device: &str, fit: i64, needed: i64| WaitingOn::DevicesRoom {
        device: device.to_owned(),
        fit,
        needed,
    };
    assert!(matches!(on, WaitingOn::DevicesRoom { needed: 3, .. }), "{on:?}");
    assert_eq!(said(&fleet, &made, room("d", 2, 3)), "");
    for forged in [
        room("zz", 2, 3),
        room("d", 2, 2),
        room("d", 3, 3),
        room("d", -1, 3),
    ] {
        assert!(!said(&fleet, &made, forged).is_empty());
    }
    // Of what must stand apart the one that has no place is named.
    let spec = fleet.colocations.get_mut(&ColocationId::new("kuldiga", "c"));
    spec.expect("there").spread = ColocationSpread::Site;
    let (made, on) = wait(&fleet);
    let WaitingOn::DevicesApart { needed, there, .. } = on else {
        panic!("{on:?}")
    };
    let stranger = WaitingOn::DevicesApart {
        device: "zz".to_owned(),
        needed,
        there,
    };
    assert!(!said(&fleet, &made, stranger).is_empty());
}

#[test]
fn a_device_that_stands_is_never_counted_among_those_that_wait() {
    let mut fleet = small();
    let mut spec = racked(&[("d", 1, 10), ("e", 7, 10)]);
    let at = DevicePosition {
        rack: "a-r".into(),
        lowest_unit: 1,
    };
    spec.current.insert("d".to_owned(), at);
    fleet.colocations.insert(ColocationId::new("kuldiga", "c"), spec);
    let (_, on) = wait(&fleet);
    let gap = WaitingOn::RackUnits {
        device: "e".to_owned(),
        asked: 7,
        largest: 6,
    };
    assert_eq!(on, gap);
}

#[test]
fn devices_queue_behind_others_that_wait_and_never_alone() {
    let mut fleet = small();
    for name in ["c", "other"] {
        fleet
            .colocations
            .insert(ColocationId::new("kuldiga", name), racked(&[("d", 7, 10)]));
    }
    let (made, _) = wait(&fleet);
    assert_eq!(said(&fleet, &made, WaitingOn::Queue { ahead: 1 }), "");
}

#[test]
fn devices_that_fit_in_another_order_are_never_told_that_they_do_not() {
    let closed = WaitingOn::SitesClosed { allowed: 2 };
    let mut fleet = small();
    fleet.racks.get_mut(&"b-r".into()).expect("there").max_watts = Some(400);
    // 700 W are left in one rack and 300 W in the other: the first device has to make way for the second.
    let both = racked(&[("d", 1, 200), ("e", 1, 600)]);
    let made = decide(&fleet);
    fleet.colocations.insert(ColocationId::new("kuldiga", "c"), both);
    let how = said(&fleet, &made, closed.clone());
    assert!(how.contains("every device of it would fit"), "{how}");
    let three = racked(&[("d", 1, 200), ("e", 1, 600), ("f", 1, 600)]);
    fleet.colocations.insert(ColocationId::new("kuldiga", "c"), three);
    let how = said(&fleet, &made, closed.clone());
    assert!(!how.contains("every device of it would fit"), "{how}");
    // One that cannot be is not looked for.
    let nothing = racked(&[("d", 0, 10)]);
    fleet
        .colocations
        .insert(ColocationId::new("kuldiga", "c"), nothing);
    let how = said(&fleet, &made, closed);
    assert!(!how.contains("every device of it would fit"), "{how}");
}
