//! What is just enough is enough, and the least bit less is too little. No I/O.

#![allow(clippy::expect_used, reason = "a test may fail loudly")]

mod small;

use raidc_planner::{
    Colocation, ColocationId, Device, DevicePosition, Fleet, HostName, Placement, Plan, PlanOptions, Quota,
    Scenario, Server, ServerId, State, Tenant, check, confirm_waiting, explain, plan, simulate_loss,
};
use small::{Shape, fleet_of, sites};

fn of(name: &str) -> ServerId {
    ServerId::new("city", name)
}

fn server(cores: i64, copies: i64) -> Server {
    Server {
        tenant: "city".into(),
        cpu_milli: cores * 1000,
        memory_mib: cores * 512,
        copies,
        ..Server::default()
    }
}

fn at(host: &str, backup: Option<&str>) -> Placement {
    let site = |host: &str| host[..1].into();
    Placement {
        site: site(host),
        rack: format!("{}-r", &host[..1]).into(),
        host: Some(HostName::from(host)),
        backup: backup.map(HostName::from),
        copy_sites: backup.map(site).into_iter().collect(),
    }
}

fn run(fleet: &mut Fleet, name: &str, host: &str, backup: Option<&str>, cores: i64) {
    let spec = Server {
        current: Some(at(host, backup)),
        ..server(cores, 1 + i64::from(backup.is_some()))
    };
    fleet.servers.insert(of(name), spec);
}

fn feed(fleet: &mut Fleet, site: &str, watts: i64) {
    let rack = fleet.racks.get_mut(&format!("{site}-r").into()).expect("there");
    rack.feeds[0].watts = watts;
}

fn decide(fleet: &Fleet) -> Plan {
    let made = plan(fleet, &PlanOptions::default());
    assert_eq!(check(fleet, &made), vec![]);
    assert_eq!(confirm_waiting(fleet, &made), vec![]);
    made
}

fn host(plan: &Plan, name: &str) -> Option<String> {
    let decided = plan.servers.get(&of(name))?;
    Some(decided.placement.host.to_string())
}

#[test]
fn no_host_is_woken_with_watts_that_a_reserve_needs() {
    let mut fleet = sites(&["a", "b"]);
    fleet.hosts.remove(&"a-h2".into());
    run(&mut fleet, "register", "a-h1", Some("b-h1"), 2);
    // Only the host that sleeps has room for it: 100 W for the one, 20 W after a loss, and 180 W for the other.
    fleet.servers.insert(of("new"), server(8, 1));
    feed(&mut fleet, "b", 300);
    assert_eq!(host(&decide(&fleet), "new").as_deref(), Some("b-h2"));
    feed(&mut fleet, "b", 299);
    assert_eq!(host(&decide(&fleet), "new"), None);
}

#[test]
fn no_host_is_woken_twice() {
    let mut fleet = sites(&["a", "b"]);
    fleet.hosts.remove(&"a-h2".into());
    run(&mut fleet, "register", "a-h1", Some("b-h2"), 2);
    run(&mut fleet, "busy", "b-h1", None, 8);
    // 180 W are drawn, and 120 W after a loss. The new one wakes the host for 160 W: then the reserve draws 20 W.
    fleet.servers.insert(of("new"), server(6, 1));
    feed(&mut fleet, "a", 160);
    feed(&mut fleet, "b", 360);
    assert_eq!(host(&decide(&fleet), "new").as_deref(), Some("b-h2"));
    feed(&mut fleet, "b", 359);
    assert_eq!(host(&decide(&fleet), "new"), None);
}

#[test]
fn no_reserve_wants_a_watt_more_than_it_draws_or_takes_one_less() {
    let mut fleet = sites(&["a", "b"]);
    run(&mut fleet, "register", "a-h1", None, 2);
    let register = fleet.servers.get_mut(&of("register")).expect("there");
    register.copies = 2;
    for (asleep, watts) in [(false, 120), (true, 120)] {
        for host in ["b-h1", "b-h2"] {
            fleet.hosts.get_mut(&host.into()).expect("there").powered = !asleep && host == "b-h1";
        }
        for (watts, reserved) in [(watts, true), (watts - 1, false)] {
            feed(&mut fleet, "b", watts);
            let made = decide(&fleet);
            assert_eq!(
                made.servers[&of("register")].backup.is_some(),
                reserved,
                "{watts} W"
            );
        }
    }
}

#[test]
fn one_that_is_down_starts_in_the_last_core_mib_and_watt() {
    // On a host that is empty, and on one that is half full.
    for full in [0, 4] {
        let shape = Shape {
            hosts: 1,
            cores: 8,
            max_watts: 180,
            feed_watts: 180,
        };
        let mut fleet = fleet_of(&["a", "b"], &shape);
        if full > 0 {
            run(&mut fleet, "mail", "b-h1", None, full);
        }
        let mut lost = server(8 - full, 2);
        lost.memory_mib = 8192 - 512 * full;
        lost.released = true;
        lost.current = Some(at("a-h1", Some("b-h1")));
        fleet.servers.insert(of("register"), lost);
        fleet.sites.get_mut(&"a".into()).expect("there").state = State::Fenced;
        // A ceiling does not hold up one that is down.
        fleet.sites.get_mut(&"b".into()).expect("there").ceiling_percent = 1;
        let starts = |change: &dyn Fn(&mut Fleet)| {
            let mut fleet = fleet.clone();
            change(&mut fleet);
            host(&decide(&fleet), "register").is_some()
        };
        let more = |fleet: &mut Fleet, cpu: i64, memory: i64| {
            let server = fleet.servers.get_mut(&of("register")).expect("there");
            (server.cpu_milli, server.memory_mib) = (server.cpu_milli + cpu, server.memory_mib + memory);
        };
        assert!(starts(&|_| ()));
        assert!(!starts(&|fleet| more(fleet, 1, 0)) && !starts(&|fleet| more(fleet, 0, 1)));
        assert!(!starts(&|fleet| feed(fleet, "b", 179)));
    }
}

#[test]
fn what_stores_nothing_never_waits_for_a_store_that_is_too_full() {
    let mut fleet = sites(&["a"]);
    run(&mut fleet, "archive", "a-h1", None, 1);
    fleet.servers.get_mut(&of("archive")).expect("there").storage_mib = 200;
    fleet.sites.get_mut(&"a".into()).expect("there").storage_mib = Some(100);
    fleet.servers.insert(of("new"), server(1, 1));
    assert!(host(&decide(&fleet), "new").is_some());
    fleet.servers.get_mut(&of("new")).expect("there").storage_mib = 1;
    assert_eq!(host(&decide(&fleet), "new"), None);
}

#[test]
fn no_growth_counts_against_a_quota_with_what_is_used_already() {
    let mut fleet = sites(&["a"]);
    run(&mut fleet, "archive", "a-h1", None, 1);
    let archive = fleet.servers.get_mut(&of("archive")).expect("there");
    archive.storage_mib = 200;
    archive.granted = Some(archive.asked());
    (archive.cpu_milli, archive.memory_mib, archive.storage_mib) = (2000, 1024, 300);
    let granted = |servers: [i64; 3]| {
        let mut fleet = fleet.clone();
        let quota = Quota {
            // One too many already: that is not asked of a larger size.
            servers: Some(0),
            cpu_milli: Some(servers[0]),
            memory_mib: Some(servers[1]),
            storage_mib: Some(servers[2]),
            ..Quota::default()
        };
        fleet.tenants.insert("city".into(), Tenant { quota });
        decide(&fleet).servers[&of("archive")].growth.is_none()
    };
    assert!(granted([2000, 1024, 300]));
    for less in [[1999, 1024, 300], [2000, 1023, 300], [2000, 1024, 299]] {
        assert!(!granted(less), "{less:?}");
    }
}

fn device(name: &str, watts: i64, units: i64) -> Device {
    Device {
        name: name.to_owned(),
        units,
        watts,
        feeds: 1,
    }
}

/// Devices of the tenant, of which those with a unit stand in rack `b-r`.
fn racked(fleet: &mut Fleet, name: &str, devices: &[(Device, Option<i64>)]) {
    let stands = devices.iter().filter_map(|(device, unit)| {
        let at = DevicePosition {
            rack: "b-r".into(),
            lowest_unit: (*unit)?,
        };
        Some((device.name.clone(), at))
    });
    let spec = Colocation {
        tenant: "city".into(),
        devices: devices.iter().map(|(device, _)| device.clone()).collect(),
        sites_allowed: Some(["b".into()].into()),
        current: stands.collect(),
        ..Colocation::default()
    };
    fleet.colocations.insert(ColocationId::new("city", name), spec);
}

#[test]
fn no_device_waits_for_watts_that_a_reserve_keeps_in_another_rack() {
    let mut fleet = sites(&["a", "b"]);
    run(&mut fleet, "register", "b-h1", Some("a-h1"), 4);
    racked(&mut fleet, "c", &[(device("d", 60, 1), None)]);
    for (watts, waits) in [(200, false), (199, true)] {
        feed(&mut fleet, "b", watts);
        assert_eq!(!decide(&fleet).waiting.is_empty(), waits, "{watts} W");
    }
}

#[test]
fn devices_that_stand_count_once_against_a_quota() {
    let quota = |watts: i64, units: i64| Tenant {
        quota: Quota {
            watts: Some(watts),
            rack_units: Some(units),
            ..Quota::default()
        },
    };
    // One of two stands: the other comes in when both are within the quota.
    let mut both = sites(&["a", "b"]);
    racked(
        &mut both,
        "c",
        &[(device("d", 60, 2), Some(1)), (device("e", 40, 1), None)],
    );
    // One stands, and the other is of another colocation.
    let mut two = sites(&["a", "b"]);
    racked(&mut two, "c", &[(device("d", 60, 2), Some(1))]);
    racked(&mut two, "d", &[(device("e", 40, 1), None)]);
    for fleet in [&mut both, &mut two] {
        for (watts, units, waits) in [(100, 3, false), (99, 3, true), (100, 2, true)] {
            fleet.tenants.insert("city".into(), quota(watts, units));
            assert_eq!(
                !decide(fleet).waiting.is_empty(),
                waits,
                "{watts} W, {units} units"
            );
        }
    }
}

#[test]
fn nobody_is_overlooked_in_a_loss_beside_one_that_is_gone() {
    let mut fleet = sites(&["a", "b"]);
    for name in ["gone", "register"] {
        run(&mut fleet, name, "a-h1", Some("b-h2"), 1);
    }
    let made = decide(&fleet);
    fleet.servers.remove(&of("gone"));
    let lost = simulate_loss(&fleet, &made, &Scenario::Site("a".into()));
    assert_eq!(lost.starts.len(), 1);
    assert_eq!(lost.wake, ["b-h2".into()]);
    // A host that others' pods keep on is not woken.
    let host = fleet.hosts.get_mut(&"b-h2".into()).expect("there");
    host.taken_cpu_milli = 1000;
    let lost = simulate_loss(&fleet, &decide(&fleet), &Scenario::Site("a".into()));
    assert_eq!((lost.starts.len(), lost.wake.len()), (1, 0));
}

#[test]
fn no_two_plans_that_differ_are_taken_for_one() {
    let base = || {
        let mut fleet = sites(&["a", "b", "c"]);
        run(&mut fleet, "register", "a-h1", Some("b-h1"), 2);
        racked(&mut fleet, "c", &[(device("d", 60, 1), Some(1))]);
        fleet
    };
    let name = |change: &dyn Fn(&mut Fleet)| {
        let mut fleet = base();
        change(&mut fleet);
        decide(&fleet).id
    };
    let register = |fleet: &mut Fleet, change: &dyn Fn(&mut Server)| {
        change(fleet.servers.get_mut(&of("register")).expect("there"));
    };
    let place = |fleet: &mut Fleet, change: &dyn Fn(&mut Placement)| {
        register(fleet, &|server| change(server.current.as_mut().expect("placed")));
    };
    let mut names = vec![
        name(&|_| ()),
        name(&|fleet| place(fleet, &|at| at.host = Some("a-h2".into()))),
        name(&|fleet| place(fleet, &|at| at.backup = Some("b-h2".into()))),
        name(&|fleet| register(fleet, &|server| server.copies = 3)),
        name(&|fleet| {
            let spec = fleet.colocations.values_mut().next().expect("there");
            spec.current.get_mut("d").expect("placed").lowest_unit = 2;
        }),
        name(&|fleet| {
            let spec = fleet.colocations.values_mut().next().expect("there");
            spec.devices[0].name = "e".to_owned();
            spec.current.clear();
        }),
        name(&|fleet| drop(fleet.servers.insert(of("large"), server(99, 1)))),
        name(&|fleet| drop(fleet.servers.insert(of("huge"), server(99, 1)))),
        name(&|fleet| {
            register(fleet, &|server| {
                server.granted = Some(server.asked());
                server.cpu_milli = 99_000;
            });
        }),
        name(&|fleet| drop(fleet.servers.remove(&of("register")))),
    ];
    assert_eq!(names[0], name(&|_| ()));
    // Nor two names that are one when put together.
    for (namespace, name) in [("ci", "tyx"), ("cit", "yx")] {
        let mut fleet = base();
        fleet.servers.insert(ServerId::new(namespace, name), server(1, 1));
        names.push(decide(&fleet).id);
    }
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all, "{names:?}");
}

#[test]
fn a_colocation_is_never_left_without_a_word_on_where_it_stands_and_what_is_left() {
    let mut fleet = sites(&["a", "b"]);
    let devices = [(device("d", 60, 2), Some(1)), (device("e", 40, 1), Some(5))];
    racked(&mut fleet, "c", &devices);
    let id = ColocationId::new("city", "c");
    let told = explain(&fleet, &decide(&fleet), &id.into());
    assert_eq!(
        told.placed,
        [
            "device d stands at b, rack b-r, units 1 to 2",
            "device e stands at b, rack b-r, unit 5",
        ]
    );
    let closed = ["a", "b"].map(|site| told.sites[&site.into()].closed.is_some());
    assert_eq!(closed, [true, false]);
    // 2000 W but for the host that is on and the devices, and 42 units but for three.
    let left = told.sites[&"b".into()].refused.keys();
    assert_eq!(left.collect::<Vec<_>>(), ["b-r: 1800 W and 39 U free"]);
}
