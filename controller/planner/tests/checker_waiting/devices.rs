//! Why devices wait. No I/O.

use raidc_planner::{
    Colocation, ColocationId, ColocationSpread, DemandId, Device, Waiting, WaitingOn, confirm_waiting,
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
