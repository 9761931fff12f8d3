//! Devices in racks: units that are filled, the top of a rack, what came beside what was there. No I/O.

use crate::fixture::{fleet, found, running};
use raidc_planner::{
    Colocation, ColocationId, ColocationSpread, Device, DevicePlace, Fleet, Plan, PlanOptions, Rule, Tenant,
    UnitRange, check, plan,
};

fn firewalls() -> ColocationId {
    ColocationId::new("kuldiga", "firewalls")
}

#[track_caller]
fn agreed(fleet: &Fleet) -> Plan {
    let made = plan(fleet, &PlanOptions::default());
    assert_eq!(check(fleet, &made), vec![]);
    assert!(made.waiting.is_empty(), "{:?}", made.waiting);
    made
}

#[test]
fn no_unit_is_counted_free_that_is_filled_or_filled_that_is_free() {
    // Racks that are just as high as a device, racks with their lowest or highest units filled.
    for (height, taken) in [
        (2, vec![]),
        (3, vec![UnitRange { lowest: 1, units: 1 }]),
        (42, vec![UnitRange { lowest: 41, units: 2 }]),
        (
            42,
            vec![
                UnitRange { lowest: -3, units: 8 },
                UnitRange { lowest: 42, units: 9 },
            ],
        ),
    ] {
        let mut fleet = fleet();
        for rack in fleet.racks.values_mut() {
            (rack.units, rack.units_taken) = (height, taken.clone());
        }
        let made = agreed(&fleet);
        let place = &made.colocations[&firewalls()][0];
        let free = made.racks[&place.rack].units_free;
        for wrong in [free - 1, free + 1] {
            let mut forged = made.clone();
            forged.racks.get_mut(&place.rack).expect("rack").units_free = wrong;
            found(&fleet, &forged, Rule::Ledger, &format!("rack/{}", place.rack), "");
        }
    }
}

#[test]
fn no_new_device_comes_upon_or_beside_one_that_was_there() {
    let (mut fleet, again) = running();
    let there = again.colocations[&firewalls()][0].clone();
    let spec = fleet.colocations.get_mut(&firewalls()).expect("there");
    spec.devices.push(Device {
        name: "three".to_owned(),
        ..spec.devices[0].clone()
    });
    let with = |change: &dyn Fn(&mut DevicePlace)| {
        let mut came = again.clone();
        let mut place = DevicePlace {
            device: "three".to_owned(),
            ..there.clone()
        };
        change(&mut place);
        came.colocations
            .get_mut(&firewalls())
            .expect("placed")
            .push(place);
        came
    };
    let what = "colocation/kuldiga/firewalls";
    found(&fleet, &with(&|_| ()), Rule::RackUnits, what, "shares unit");
    let beside = with(&|place| place.lowest_unit += 10);
    found(&fleet, &beside, Rule::Devices, what, "not apart");
    let spec = fleet.colocations.get_mut(&firewalls()).expect("there");
    spec.spread = ColocationSpread::Rack;
    found(&fleet, &beside, Rule::Devices, what, "not apart");
    let faults = check(&fleet, &{
        let mut other = beside.clone();
        let placed = other.colocations.get_mut(&firewalls()).expect("placed");
        let elsewhere = if there.rack.as_str().ends_with('1') { 2 } else { 1 };
        placed[2].rack = format!("{}-r{elsewhere}", there.site).as_str().into();
        other
    });
    assert!(
        !faults.iter().any(|fault| fault.rule == Rule::Devices),
        "{faults:#?}"
    );
    // Two that shared units before and stay are nobody's doing.
    let mut shared = fleet.clone();
    let both = with(&|_| ());
    both.feed_back(&mut shared);
    let faults = check(&shared, &both);
    assert!(
        !faults
            .iter()
            .any(|fault| [Rule::RackUnits, Rule::Devices].contains(&fault.rule)),
        "{faults:#?}"
    );
}

#[test]
fn no_quota_is_broken_by_the_watts_and_units_of_another_device() {
    let mut fleet = fleet();
    fleet.tenants.insert("valka".into(), Tenant::default());
    let device = |name: &str, units: i64, watts: i64| Device {
        name: name.to_owned(),
        units,
        watts,
        feeds: 1,
    };
    let spec = Colocation {
        tenant: "valka".into(),
        devices: vec![
            device("small", 1, 10),
            device("large", 3, 500),
            device("other", 1, 40),
        ],
        ..Colocation::default()
    };
    fleet.colocations.insert(ColocationId::new("valka", "c"), spec);
    let quota = |fleet: &mut Fleet, units: i64, watts: i64| {
        let quota = &mut fleet.tenants.get_mut(&"valka".into()).expect("tenant").quota;
        (quota.rack_units, quota.watts) = (Some(units), Some(watts));
    };
    // Used up to the last unit and watt is not broken; what was there before may be too much.
    quota(&mut fleet, 5, 550);
    let made = agreed(&fleet);
    for (units, watts) in [(4, 550), (5, 549)] {
        let mut fleet = fleet.clone();
        quota(&mut fleet, units, watts);
        found(&fleet, &made, Rule::Quota, "tenant/valka", " of it new");
        made.feed_back(&mut fleet);
        agreed(&fleet);
    }
}
