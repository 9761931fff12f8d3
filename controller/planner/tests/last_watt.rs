//! A rack that is full to its last watt is full and not overloaded, also where draws are fractions of a watt. No I/O.

#![allow(clippy::expect_used, reason = "a test may fail loudly")]

mod small;

use raidc_planner::{
    Fleet, HostName, Placement, PlanOptions, Scenario, Server, ServerId, check, plan, simulate_loss,
};
use small::{Shape, fleet_of};

/// Two sites with one host of three cores each: 100 W idle, 110 W with all cores sold.
fn fleet(feed_watts: i64) -> Fleet {
    let shape = Shape {
        hosts: 1,
        cores: 3,
        max_watts: 110,
        feed_watts: 1000,
    };
    let mut fleet = fleet_of(&["a", "b"], &shape);
    let rack = fleet.racks.get_mut(&"b-r".into()).expect("there");
    rack.feeds[0].watts = feed_watts;
    for (name, site, copies) in [("register", "a", 2), ("map", "b", 1)] {
        let server = Server {
            tenant: "city".into(),
            copies,
            cpu_milli: 1000,
            memory_mib: 1024,
            current: Some(Placement {
                site: site.into(),
                rack: format!("{site}-r").into(),
                host: Some(HostName::from(format!("{site}-h1"))),
                ..Placement::default()
            }),
            ..Server::default()
        };
        fleet.servers.insert(ServerId::new("city", name), server);
    }
    fleet
}

#[test]
fn a_rack_full_to_its_last_watt_is_never_called_overloaded() {
    // 103.334 W are drawn and 3.334 W are added when site a is lost: 106.668 W, though 104 W and 4 W are shown.
    let fleet = fleet(107);
    let plan = plan(&fleet, &PlanOptions::default());
    let ledger = &plan.racks[&"b-r".into()];
    assert_eq!((ledger.committed_watts, ledger.reserved_watts), (104, 4));
    assert_eq!(ledger.headroom_watts, 0);
    assert!(plan.excesses.is_empty());
    assert_eq!(check(&fleet, &plan), vec![]);
    let lost = simulate_loss(&fleet, &plan, &Scenario::Site("a".into()));
    assert_eq!(lost.starts.len(), 1);
    let after = &lost.racks[&"b-r".into()];
    assert_eq!((after.after_watts, after.capacity_watts), (107, 107));
    assert!(lost.shed.is_empty());
}

#[test]
fn a_watt_too_few_is_never_called_enough() {
    let fleet = fleet(106);
    let plan = plan(&fleet, &PlanOptions::default());
    let register = &plan.servers[&ServerId::new("city", "register")];
    assert!(register.backup.is_none() && register.unprotected.is_some());
    assert_eq!(check(&fleet, &plan), vec![]);
}
