//! Servers that belong on one host find one with room for all of them. No I/O.

#![allow(clippy::expect_used, reason = "a test may fail loudly")]

mod small;

use raidc_planner::{
    ApartBy, Fleet, HostName, Placement, Plan, PlanOptions, Server, ServerId, Together, check, plan,
};
use small::sites;

fn of(name: &str) -> ServerId {
    ServerId::new("city", name)
}

fn server(cores: i64, copies: i64) -> Server {
    Server {
        tenant: "city".into(),
        cpu_milli: cores * 1000,
        memory_mib: 512,
        copies,
        ..Server::default()
    }
}

fn run(fleet: &mut Fleet, name: &str, host: &str, backup: Option<&str>, cores: i64) {
    let site = |host: &str| host.split('-').next().expect("a site").into();
    let current = Placement {
        site: site(host),
        rack: format!("{}-r", &host[..1]).into(),
        host: Some(HostName::from(host)),
        backup: backup.map(HostName::from),
        copy_sites: backup.map(site).into_iter().collect(),
    };
    let spec = Server {
        current: Some(current),
        ..server(cores, 1 + i64::from(backup.is_some()))
    };
    fleet.servers.insert(of(name), spec);
}

/// Three servers that belong on one host.
fn three(fleet: &mut Fleet, cores: i64, copies: i64) {
    for name in ["one", "two", "zwei"] {
        let together = Together {
            group: "g".to_owned(),
            by: ApartBy::Host,
        };
        let member = Server {
            together: Some(together),
            ..server(cores, copies)
        };
        fleet.servers.insert(of(name), member);
    }
}

fn decide(fleet: &Fleet) -> Plan {
    let made = plan(fleet, &PlanOptions::default());
    assert_eq!(check(fleet, &made), vec![]);
    made
}

fn hosts(plan: &Plan) -> Vec<&str> {
    let members = ["one", "two", "zwei"].into_iter();
    let placed = members.filter_map(|name| plan.servers.get(&of(name)));
    placed.map(|decided| decided.placement.host.as_str()).collect()
}

#[test]
fn no_group_goes_where_only_some_of_it_has_room() {
    // Four of eight cores are free on the host that is on, and all three need six.
    let mut fleet = sites(&["a"]);
    run(&mut fleet, "busy", "a-h1", None, 4);
    three(&mut fleet, 2, 1);
    assert_eq!(hosts(&decide(&fleet)), ["a-h2"; 3]);
    // Nor where room is kept for the reserves of others.
    let mut fleet = sites(&["a", "b"]);
    fleet.hosts.remove(&"b-h2".into());
    run(&mut fleet, "busy", "a-h1", None, 2);
    run(&mut fleet, "register", "b-h1", Some("a-h1"), 2);
    run(&mut fleet, "rest", "b-h1", None, 5);
    three(&mut fleet, 2, 1);
    assert_eq!(hosts(&decide(&fleet)), ["a-h2"; 3]);
}

#[test]
fn no_group_is_reserved_where_only_some_of_it_has_room() {
    let mut fleet = sites(&["a", "b"]);
    run(&mut fleet, "busy", "b-h1", None, 4);
    fleet.sites.get_mut(&"b".into()).expect("there").ceiling_percent = 25;
    three(&mut fleet, 2, 2);
    let made = decide(&fleet);
    assert_eq!(hosts(&made).len(), 3, "{:?}", made.waiting);
    // As many as fit have a reserve when no host there has room for that of all.
    fleet.hosts.remove(&"b-h2".into());
    assert_eq!(hosts(&decide(&fleet)).len(), 2);
}
