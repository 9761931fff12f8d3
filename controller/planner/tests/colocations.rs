//! Rack space: what fits exactly gets in, what does not is told what is missing, and what is wrong takes nothing. No I/O.

#![allow(clippy::expect_used, reason = "a test may fail loudly")]

use raidc_planner::{
    Colocation, ColocationId, ColocationSpread, DemandId, Device, Feed, Fleet, Plan, PlanOptions, Rack, Rule,
    Site, State, Tenant, WaitingOn, check, confirm_waiting, plan,
};

/// One site; racks with two feeds of 1000 W each and so many units.
fn racks(units: &[i64]) -> Fleet {
    let mut fleet = Fleet::default();
    fleet.tenants.insert("city".into(), Tenant::default());
    fleet.sites.insert("a".into(), Site::default());
    for (at, &units) in units.iter().enumerate() {
        let feed = |name: &str| Feed {
            name: name.to_owned(),
            watts: 1000,
            panel: None,
        };
        let rack = Rack {
            site: "a".into(),
            units,
            derate_percent: 100,
            feeds: vec![feed("x"), feed("y")],
            ..Rack::default()
        };
        fleet.racks.insert(format!("a-r{at}").into(), rack);
    }
    fleet
}

fn device(name: &str, units: i64, watts: i64, feeds: i64) -> Device {
    Device {
        name: name.to_owned(),
        units,
        watts,
        feeds,
    }
}

fn id(name: &str) -> ColocationId {
    ColocationId::new("city", name)
}

fn ask(fleet: &mut Fleet, name: &str, devices: Vec<Device>) {
    let colocation = Colocation {
        tenant: "city".into(),
        devices,
        ..Colocation::default()
    };
    fleet.colocations.insert(id(name), colocation);
}

fn decide(fleet: &Fleet) -> Plan {
    let made = plan(fleet, &PlanOptions::default());
    assert_eq!(check(fleet, &made), vec![]);
    assert_eq!(confirm_waiting(fleet, &made), vec![]);
    made
}

/// Why the colocation `x` waits, or `None` when it does not.
fn waits(fleet: &Fleet) -> Option<WaitingOn> {
    let made = decide(fleet);
    let waiting = made.waiting.get(&DemandId::Colocation(id("x")));
    assert_eq!(waiting.is_none(), made.colocations.contains_key(&id("x")));
    waiting.map(|waiting| waiting.on.clone())
}

fn one(device: Device) -> Option<WaitingOn> {
    let mut fleet = racks(&[10]);
    ask(&mut fleet, "x", vec![device]);
    waits(&fleet)
}

#[test]
fn a_wrong_request_never_takes_anything_nor_keeps_others_out() {
    let wrong = [
        vec![device("d", 0, 100, 1)],
        vec![device("d", -1, 100, 1)],
        vec![device("d", 101, 100, 1)],
        vec![device("d", 1, -1, 1)],
        vec![device("d", 1, 1_000_001, 1)],
        vec![device("d", 1, 100, 0)],
        vec![device("d", 1, 100, 5)],
        vec![device("d", 1, 100, 1), device("d", 1, 100, 1)],
        (0..257).map(|at| device(&format!("d{at}"), 1, 0, 1)).collect(),
    ];
    for devices in wrong {
        let mut fleet = racks(&[10]);
        let what = format!("{:?} of {}", devices[0], devices.len());
        ask(&mut fleet, "x", devices);
        ask(&mut fleet, "y", vec![device("d", 10, 1000, 2)]);
        assert!(
            matches!(waits(&fleet), Some(WaitingOn::Malformed { .. })),
            "{what}"
        );
        let made = decide(&fleet);
        assert!(made.colocations.contains_key(&id("y")), "{what}");
        assert_eq!(made.racks[&"a-r0".into()].units_free, 0, "{what}");
    }
    let mut fleet = racks(&[10]);
    ask(
        &mut fleet,
        "x",
        (0..256).map(|at| device(&format!("d{at}"), 1, 0, 1)).collect(),
    );
    let too_many = waits(&fleet);
    assert!(
        matches!(too_many, Some(WaitingOn::DevicesRoom { .. })),
        "{too_many:?}"
    );
}

#[test]
fn what_fits_to_the_last_unit_and_watt_never_waits() {
    assert_eq!(one(device("d", 10, 1000, 2)), None);
    assert_eq!(
        one(device("d", 11, 1000, 2)),
        Some(WaitingOn::RackUnits {
            device: "d".to_owned(),
            asked: 11,
            largest: 10
        })
    );
    assert_eq!(
        one(device("d", 10, 1001, 2)),
        Some(WaitingOn::Feeds {
            device: "d".to_owned(),
            watts: 1001,
            asked: 2,
            most: 0
        })
    );
    let mut fleet = racks(&[10]);
    ask(&mut fleet, "w", vec![device("d", 1, 1, 1)]);
    decide(&fleet).feed_back(&mut fleet);
    ask(&mut fleet, "x", vec![device("d", 9, 1000, 2)]);
    assert_eq!(
        waits(&fleet),
        Some(WaitingOn::RackWatts {
            rack: "a-r0".into(),
            asked: 1000,
            headroom: 999
        })
    );
    assert_eq!(
        one(device("d", 10, 1000, 3)),
        Some(WaitingOn::Feeds {
            device: "d".to_owned(),
            watts: 1000,
            asked: 3,
            most: 2
        })
    );
}

#[test]
fn devices_that_fit_only_one_by_one_are_never_let_in_by_halves() {
    for (first, second) in [((6, 100), (5, 100)), ((1, 600), (1, 401))] {
        let mut fleet = racks(&[10]);
        ask(
            &mut fleet,
            "x",
            vec![
                device("d", first.0, first.1, 1),
                device("e", second.0, second.1, 1),
            ],
        );
        assert_eq!(
            waits(&fleet),
            Some(WaitingOn::DevicesRoom {
                device: "e".to_owned(),
                fit: 1,
                needed: 2
            })
        );
        assert_eq!(decide(&fleet).racks[&"a-r0".into()].units_free, 10);
    }
    let mut fleet = racks(&[10]);
    ask(
        &mut fleet,
        "x",
        vec![device("d", 5, 600, 1), device("e", 5, 400, 1)],
    );
    assert_eq!(waits(&fleet), None);
}

#[test]
fn a_first_device_never_takes_the_only_place_of_the_second() {
    let mut fleet = racks(&[10, 5]);
    // The large rack has as much power left and comes first; the second device fits nowhere else.
    ask(
        &mut fleet,
        "x",
        vec![device("d", 5, 100, 1), device("e", 10, 100, 1)],
    );
    assert_eq!(waits(&fleet), None);
    let made = decide(&fleet);
    let places = &made.colocations[&id("x")];
    let of = |name: &str| {
        let place = places.iter().find(|place| place.device == name);
        place.expect("placed").rack.to_string()
    };
    assert_eq!((of("d"), of("e")), ("a-r1".to_owned(), "a-r0".to_owned()));
}

#[test]
fn a_site_that_is_closed_is_never_told_as_one_that_is_not_there() {
    let mut fleet = racks(&[10]);
    ask(&mut fleet, "x", vec![device("d", 1, 100, 1)]);
    let allow = |fleet: &mut Fleet, sites: &[&str]| {
        let x = fleet.colocations.get_mut(&id("x")).expect("there");
        x.sites_allowed = Some(sites.iter().map(|&site| site.into()).collect());
    };
    allow(&mut fleet, &["nowhere"]);
    assert!(matches!(waits(&fleet), Some(WaitingOn::NotAllowedSite { .. })));
    allow(&mut fleet, &["a", "nowhere"]);
    assert_eq!(waits(&fleet), None);
    fleet.sites.get_mut(&"a".into()).expect("there").state = State::Cordoned;
    assert!(matches!(
        waits(&fleet),
        Some(WaitingOn::SitesClosed { allowed: 2 })
    ));
}

#[test]
fn a_device_that_is_edited_to_outgrow_its_rack_never_stops_others() {
    let mut fleet = racks(&[42]);
    ask(
        &mut fleet,
        "x",
        vec![device("d", 8, 100, 1), device("e", 1, 100, 1)],
    );
    decide(&fleet).feed_back(&mut fleet);
    // The second stands in unit 9 and now says that it reaches unit 48.
    fleet.colocations.get_mut(&id("x")).expect("there").devices[1].units = 40;
    ask(&mut fleet, "y", vec![device("d", 1, 100, 1)]);
    ask(&mut fleet, "z", vec![device("d", 8, 100, 1)]);
    let made = decide(&fleet);
    assert_eq!(made.racks[&"a-r0".into()].units_free, 0);
    assert_eq!(made.waiting.len(), 2);
    // What is recorded below the rack's first unit fills what of it is in the rack.
    let stands = &mut fleet.colocations.get_mut(&id("x")).expect("there").current;
    stands.get_mut("e").expect("placed").lowest_unit = -30;
    let made = decide(&fleet);
    assert_eq!(made.colocations[&id("y")][0].lowest_unit, 10);
    assert_eq!(made.colocations[&id("z")][0].lowest_unit, 11);
}

#[test]
fn no_device_hangs_on_a_feed_that_cannot_carry_it_alone() {
    // Three feeds of 2944 W: the rack has 5888 W without one of them, and no breaker has.
    let mut fleet = racks(&[10]);
    let rack = fleet.racks.get_mut(&"a-r0".into()).expect("there");
    let feed = |name: &str, watts: i64| Feed {
        name: name.to_owned(),
        watts,
        panel: None,
    };
    rack.derate_percent = 80;
    rack.feeds = vec![feed("x", 3680), feed("y", 3680), feed("z", 3680)];
    let mut ask_for = |watts: i64, feeds: i64| {
        ask(&mut fleet, "x", vec![device("d", 1, watts, feeds)]);
        waits(&fleet)
    };
    for feeds in 1..=3 {
        assert_eq!(ask_for(2944, feeds), None, "{feeds}");
        let too_much = Some(WaitingOn::Feeds {
            device: "d".to_owned(),
            watts: 2945,
            asked: feeds,
            most: 0,
        });
        assert_eq!(ask_for(2945, feeds), too_much);
    }
    // Two that carry it, and one that does not.
    fleet.racks.get_mut(&"a-r0".into()).expect("there").feeds[0].watts = 1000;
    ask(&mut fleet, "x", vec![device("d", 1, 2944, 2)]);
    assert_eq!(waits(&fleet), None);
    ask(&mut fleet, "x", vec![device("d", 1, 2944, 3)]);
    assert!(matches!(waits(&fleet), Some(WaitingOn::Feeds { most: 2, .. })));
    // Nor does the checker believe it.
    ask(&mut fleet, "x", vec![device("d", 1, 2000, 2)]);
    let made = decide(&fleet);
    fleet.colocations.get_mut(&id("x")).expect("there").devices[0].watts = 2945;
    let faults = check(&fleet, &made);
    assert!(
        faults.iter().any(|fault| fault.rule == Rule::Devices),
        "{faults:?}"
    );
}

/// `sites` sites of `racks` racks each; those of the first have two feeds, the others one.
fn sites(sites: &[&str], racks: usize) -> Fleet {
    let mut fleet = self::racks(&[42]);
    let model = fleet.racks.remove(&"a-r0".into()).expect("there");
    for (number, site) in sites.iter().enumerate() {
        fleet.sites.insert((*site).into(), Site::default());
        for at in 0..racks {
            let mut rack = model.clone();
            rack.site = (*site).into();
            rack.feeds.truncate(if number == 0 { 2 } else { 1 });
            fleet.racks.insert(format!("{site}-r{at:02}").into(), rack);
        }
    }
    fleet
}

#[test]
fn devices_apart_never_wait_while_any_order_of_them_fits() {
    for spread in [ColocationSpread::Site, ColocationSpread::Rack] {
        let mut fleet = sites(&["a", "b", "c", "d"], 16);
        let mut devices: Vec<Device> = (1..=4).map(|at| device(&format!("d{at}"), 1, 100, 1)).collect();
        devices[3].feeds = 2;
        ask(&mut fleet, "x", devices);
        fleet.colocations.get_mut(&id("x")).expect("there").spread = spread;
        assert_eq!(waits(&fleet), None, "{spread:?}");
    }
}

#[test]
fn more_devices_than_sites_are_never_looked_for_at_length() {
    let mut fleet = sites(&["a", "b", "c", "d"], 64);
    ask(
        &mut fleet,
        "x",
        (0..32).map(|at| device(&format!("d{at}"), 1, 100, 1)).collect(),
    );
    fleet.colocations.get_mut(&id("x")).expect("there").spread = ColocationSpread::Site;
    let begun = std::time::Instant::now();
    assert_eq!(
        waits(&fleet),
        Some(WaitingOn::DevicesApart {
            device: "d4".to_owned(),
            needed: 32,
            there: 4
        })
    );
    // Four thousand steps over 256 racks take minutes in a build like this.
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn devices_that_fit_in_one_way_only_never_wait() {
    // Units, and watts that others use, of the two racks; whichever comes first. The devices are as high as three and two and two
    // units, or as hungry: the first has to go where nothing else fits beside it.
    for (units, used, devices) in [
        ([4, 3], [0, 0], [(3, 10), (2, 10), (2, 10)]),
        ([9, 9], [600, 700], [(1, 300), (1, 200), (1, 200)]),
    ] {
        for turn in [false, true] {
            let order = |mut two: [i64; 2]| {
                if turn {
                    two.reverse();
                }
                two
            };
            let mut fleet = racks(&order(units));
            for (rack, used) in fleet.racks.values_mut().zip(order(used)) {
                rack.other_watts = used;
            }
            let devices = devices.iter().zip(["x", "y", "z"]);
            let devices = devices.map(|(&(units, watts), name)| device(name, units, watts, 1));
            ask(&mut fleet, "x", devices.collect());
            assert_eq!(waits(&fleet), None, "{units:?} {used:?} {turn}");
        }
    }
}

#[test]
fn a_record_of_units_that_are_taken_is_told_and_no_device_stands_twice() {
    let mut fleet = racks(&[10]);
    ask(
        &mut fleet,
        "x",
        vec![device("d", 2, 60, 1), device("d", 2, 60, 1)],
    );
    let spec = fleet.colocations.get_mut(&id("x")).expect("there");
    let at = raidc_planner::DevicePosition {
        rack: "a-r0".into(),
        lowest_unit: 3,
    };
    spec.current.insert("d".to_owned(), at);
    let made = decide(&fleet);
    let rack = &made.racks[&"a-r0".into()];
    assert_eq!((rack.committed_watts, rack.units_free), (60, 8));
    assert!(made.problems.is_empty(), "{:?}", made.problems);
    // Another's equipment is said to be in the upper one of the two.
    let taken = raidc_planner::UnitRange { lowest: 4, units: 1 };
    fleet.racks.get_mut(&"a-r0".into()).expect("there").units_taken = vec![taken];
    let told = decide(&fleet).problems;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].message.contains("units 3 to 4"), "{told:?}");
}
