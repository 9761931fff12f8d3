//! A rack that is full to its last watt is full and not overloaded, also where draws are fractions of a watt. No I/O.

#![allow(clippy::expect_used, reason = "a test may fail loudly")]

use raidc_planner::{
    Feed, Fleet, Host, HostName, Placement, PlanOptions, Rack, Scenario, Server, ServerId, Site, Tenant,
    check, plan, simulate_loss,
};

/// Two sites with one host of three cores each: 100 W idle, 110 W with all cores sold.
fn fleet(feed_watts: i64) -> Fleet {
    let mut fleet = Fleet::default();
    fleet.tenants.insert("city".into(), Tenant::default());
    for site in ["a", "b"] {
        let spec = Site {
            ceiling_percent: 100,
            ..Site::default()
        };
        fleet.sites.insert(site.into(), spec);
        let rack = Rack {
            site: site.into(),
            derate_percent: 100,
            feeds: vec![Feed {
                name: "f".to_owned(),
                watts: if site == "b" { feed_watts } else { 1000 },
                panel: None,
            }],
            ..Rack::default()
        };
        fleet.racks.insert(format!("{site}-r").into(), rack);
        let host = Host {
            rack: format!("{site}-r").into(),
            site: site.into(),
            cpu_milli: 3000,
            memory_mib: 8192,
            idle_watts: 100,
            max_watts: 110,
            powered: true,
            ..Host::default()
        };
        fleet.hosts.insert(format!("{site}-h").into(), host);
    }
    for (name, site, copies) in [("register", "a", 2), ("map", "b", 1)] {
        let server = Server {
            tenant: "city".into(),
            copies,
            cpu_milli: 1000,
            memory_mib: 1024,
            current: Some(Placement {
                site: site.into(),
                rack: format!("{site}-r").into(),
                host: Some(HostName::from(format!("{site}-h"))),
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
