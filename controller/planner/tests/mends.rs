//! Mending with the fewest moves: who leaves a rack that draws too much, and who follows one of its affinity group. No I/O.

#![allow(clippy::expect_used, reason = "a test may fail loudly")]

mod small;

use raidc_planner::{
    ApartBy, Fleet, HostUse, Placement, Plan, PlanOptions, Server, ServerId, Together, check, plan,
};
use small::sites;

/// A server of so many cores that runs on this host.
fn run(fleet: &mut Fleet, name: &str, host: &str, cores: i64, tier: i64) {
    let (site, _) = host.split_once('-').expect("a site's host");
    let current = Placement {
        site: site.into(),
        rack: format!("{site}-r").into(),
        host: Some(host.into()),
        ..Placement::default()
    };
    let server = Server {
        tenant: "city".into(),
        tier,
        cpu_milli: cores * 1000,
        memory_mib: 256,
        current: Some(current),
        ..Server::default()
    };
    fleet.servers.insert(ServerId::new("city", name), server);
}

fn limit(fleet: &mut Fleet, watts: i64) {
    let rack = fleet.racks.get_mut(&"a-r".into()).expect("rack");
    rack.max_watts = Some(watts);
}

/// Who moves, by name.
fn movers(fleet: &Fleet) -> Vec<String> {
    let made: Plan = plan(fleet, &PlanOptions::default());
    assert_eq!(check(fleet, &made), vec![]);
    let mut names: Vec<String> = made
        .moves
        .iter()
        .map(|moved| moved.server.name.to_string())
        .collect();
    names.sort();
    names
}

#[test]
fn nobody_leaves_a_rack_that_draws_no_less_without_them() {
    let mut fleet = sites(&["a", "b"]);
    for host in fleet.hosts.values_mut() {
        host.max_watts = host.idle_watts;
    }
    for name in ["one", "two", "three"] {
        run(&mut fleet, name, "a-h1", 1, 3);
    }
    limit(&mut fleet, 50);
    assert_eq!(movers(&fleet), Vec::<String>::new());
    // Nor when their going lessens it, and not enough: 100 W are drawn by the host itself.
    fleet.hosts.get_mut(&"a-h1".into()).expect("host").max_watts = 180;
    limit(&mut fleet, 99);
    assert_eq!(movers(&fleet), Vec::<String>::new());
    limit(&mut fleet, 120);
    assert_eq!(movers(&fleet), ["one"]);
}

#[test]
fn of_equals_the_important_one_never_leaves_first() {
    let mut fleet = sites(&["a", "b"]);
    // The rack's first host draws the same whatever runs; they run on its second.
    fleet.hosts.get_mut(&"a-h1".into()).expect("host").max_watts = 100;
    fleet.hosts.get_mut(&"a-h2".into()).expect("host").powered = true;
    for (name, tier) in [("register", 1), ("mail", 2), ("kiosk", 4), ("map", 3)] {
        run(&mut fleet, name, "a-h2", 1, tier);
    }
    limit(&mut fleet, 230);
    assert_eq!(movers(&fleet), ["kiosk"]);
    // None of them covers it alone.
    limit(&mut fleet, 225);
    assert_eq!(movers(&fleet), ["kiosk", "map"]);
}

#[test]
fn what_a_host_draws_until_it_sleeps_is_never_forgotten() {
    let mut fleet = sites(&["a", "b"]);
    run(&mut fleet, "big", "a-h1", 5, 3);
    run(&mut fleet, "alone", "a-h2", 1, 3);
    // 260 W are drawn. Without the small one its host sleeps, and 110 W fewer are.
    limit(&mut fleet, 200);
    assert_eq!(movers(&fleet), ["alone"]);
}

#[test]
fn a_member_that_leaves_a_host_never_takes_its_group_along_without_need() {
    let mut fleet = sites(&["a", "b"]);
    for (name, host) in [
        ("g1", "a-h1"),
        ("g2", "a-h2"),
        ("g3", "a-h1"),
        ("g4", "a-h2"),
        ("g5", "a-h2"),
    ] {
        run(&mut fleet, name, host, 1, 3);
    }
    for server in fleet.servers.values_mut() {
        server.together = Some(Together {
            group: "g".to_owned(),
            by: ApartBy::Site,
        });
    }
    fleet.hosts.get_mut(&"a-h1".into()).expect("host").usable = HostUse::Draining;
    assert_eq!(movers(&fleet), ["g1", "g3"]);
    // Of one host they all go.
    for server in fleet.servers.values_mut() {
        server.together.as_mut().expect("grouped").by = ApartBy::Host;
        server.current.as_mut().expect("placed").host = Some("a-h1".into());
    }
    assert_eq!(movers(&fleet).len(), 5);
}
