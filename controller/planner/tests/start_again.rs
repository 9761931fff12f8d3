//! A server that has lost its place starts where its data is, or is told what is short there. No I/O.

#![allow(clippy::expect_used, reason = "a test may fail loudly")]

mod small;

use raidc_planner::{
    DemandId, Fleet, HostUse, Placement, Plan, PlanOptions, Resource, Server, ServerId, State, Waiting,
    WaitingOn, check, confirm_waiting, explain, plan,
};
use small::sites;

fn register() -> ServerId {
    ServerId::new("city", "register")
}

/// Site a is lost and its register released. Its copy is at b; c has all the room in the world and no copy.
fn lost() -> Fleet {
    let mut fleet = sites(&["a", "b", "c"]);
    fleet.sites.get_mut(&"a".into()).expect("there").state = State::Fenced;
    let server = Server {
        tenant: "city".into(),
        cpu_milli: 4000,
        memory_mib: 1024,
        copies: 2,
        released: true,
        current: Some(Placement {
            site: "a".into(),
            rack: "a-r".into(),
            host: Some("a-h1".into()),
            backup: None,
            copy_sites: ["b".into()].into(),
        }),
        ..Server::default()
    };
    fleet.servers.insert(register(), server);
    fleet
}

fn decide(fleet: &Fleet) -> Plan {
    let made = plan(fleet, &PlanOptions::default());
    assert_eq!(check(fleet, &made), vec![]);
    assert_eq!(confirm_waiting(fleet, &made), vec![]);
    made
}

fn waits(fleet: &Fleet) -> Waiting {
    decide(fleet)
        .waiting
        .remove(&DemandId::Server(register()))
        .expect("it waits")
}

#[test]
fn one_whose_host_is_gone_never_leaves_its_data_because_the_store_is_full() {
    // Its disk is at the site and takes no more room there when it starts on another host.
    let mut fleet = sites(&["a", "b"]);
    fleet.hosts.remove(&"a-h1".into());
    let server = Server {
        tenant: "city".into(),
        cpu_milli: 4000,
        memory_mib: 1024,
        storage_mib: 1000,
        copies: 1,
        current: Some(Placement {
            site: "a".into(),
            rack: "a-r".into(),
            host: Some("a-h1".into()),
            backup: None,
            copy_sites: [].into(),
        }),
        ..Server::default()
    };
    fleet.servers.insert(register(), server);
    let limit = |fleet: &mut Fleet, mib| {
        fleet.sites.get_mut(&"a".into()).expect("there").storage_mib = Some(mib);
    };
    limit(&mut fleet, 900);
    let made = decide(&fleet);
    let place = &made.servers[&register()].placement;
    assert_eq!((place.site.as_str(), place.host.as_str()), ("a", "a-h2"));

    // Nor is it told so where something else is short.
    fleet.hosts.get_mut(&"a-h2".into()).expect("there").cpu_milli = 3000;
    fleet.sites.get_mut(&"b".into()).expect("there").state = State::Cordoned;
    let short = WaitingOn::HostCores {
        asked: 4000,
        largest: 3000,
    };
    assert_eq!(waits(&fleet).on, short);
}

#[test]
fn one_that_has_a_copy_never_stays_down_for_want_of_a_second() {
    let mut fleet = lost();
    fleet.sites.get_mut(&"c".into()).expect("there").state = State::Cordoned;
    let made = decide(&fleet);
    assert_eq!(made.servers[&register()].placement.site.as_str(), "b");
    assert!(made.servers[&register()].unprotected.is_some(), "and it is said");
}

#[test]
fn one_without_room_at_its_copy_is_never_told_of_sites_that_have_none() {
    // It was once told that its policy wants more sites than there are.
    let mut fleet = lost();
    fleet.racks.get_mut(&"b-r".into()).expect("there").max_watts = Some(120);
    let waiting = waits(&fleet);
    let WaitingOn::RackWatts {
        rack,
        asked,
        headroom,
    } = &waiting.on
    else {
        panic!("{waiting:?}");
    };
    // The first host is on and draws 100 W; four cores more draw 40.
    assert_eq!((rack.as_str(), *asked, *headroom), ("b-r", 40, 20));
    assert_eq!(waiting.considered.fit, 0);
    // Both hosts of c, and none of a, where what it left may be stale but would do if the site came back.
    assert_eq!(waiting.considered.refused["NoCopyThere"], 2);
    // What is said per site agrees: nothing fits anywhere, c has no copy and a is fenced.
    let explained = explain(&fleet, &decide(&fleet), &DemandId::Server(register()));
    assert!(
        explained.sites.values().all(|view| view.fit == 0),
        "{explained:?}"
    );
    let closed = |site: &str| explained.sites[&site.into()].closed.as_deref();
    assert_eq!(closed("a"), Some("no host takes anything now"));
    assert_eq!(closed("b"), None);
    assert_eq!(closed("c"), Some("has no copy of its data to start from"));
    assert_eq!(explained.fixes, ["free 20 W there", "add a feed"]);
}

#[test]
fn one_that_starts_at_the_price_of_a_ceiling_is_never_told_to_wait_for_it() {
    // It was once told of the ceiling that lacks the least, at a site without a copy.
    let mut fleet = lost();
    for (site, percent) in [("b", 12), ("c", 18)] {
        fleet.sites.get_mut(&site.into()).expect("there").ceiling_percent = percent;
    }
    assert_eq!(decide(&fleet).servers[&register()].placement.site.as_str(), "b");
    fleet.racks.get_mut(&"b-r".into()).expect("there").max_watts = Some(120);
    let waiting = waits(&fleet);
    assert!(
        matches!(&waiting.on, WaitingOn::RackWatts { rack, .. } if rack.as_str() == "b-r"),
        "{waiting:?}"
    );
}

#[test]
fn one_without_room_is_never_told_that_a_reserve_stands_in_its_way() {
    let mut fleet = lost();
    fleet.hosts.remove(&"b-h2".into());
    for (name, site, copies, cores) in [("map", "b", 1, 5), ("mail", "c", 2, 2)] {
        let server = Server {
            tenant: "city".into(),
            cpu_milli: cores * 1000,
            memory_mib: 1024,
            copies,
            current: Some(Placement {
                site: site.into(),
                rack: format!("{site}-r").into(),
                host: Some(format!("{site}-h1").into()),
                backup: (copies > 1).then(|| "b-h1".into()),
                copy_sites: (copies > 1).then(|| "b".into()).into_iter().collect(),
            }),
            ..Server::default()
        };
        fleet.servers.insert(ServerId::new("city", name), server);
    }
    // Five of eight cores are in use and two are reserved: three are free for one that is down.
    let full = WaitingOn::HostFull {
        resource: Resource::Cpu,
        asked: 4000,
        free: 3000,
    };
    assert_eq!(waits(&fleet).on, full);
}

#[test]
fn one_larger_than_the_hosts_at_its_copy_is_never_told_of_larger_ones_elsewhere() {
    let mut fleet = lost();
    for host in ["b-h1", "b-h2"] {
        fleet.hosts.get_mut(&host.into()).expect("there").cpu_milli = 2000;
    }
    let largest = WaitingOn::HostCores {
        asked: 4000,
        largest: 2000,
    };
    assert_eq!(waits(&fleet).on, largest);
}

#[test]
fn a_copy_at_a_closed_site_is_never_called_a_policy_with_too_many_copies() {
    let at_b = WaitingOn::CopySitesClosed {
        sites: vec!["b".into()],
    };
    let mut fleet = lost();
    for host in ["b-h1", "b-h2"] {
        fleet.hosts.get_mut(&host.into()).expect("there").usable = HostUse::NotReady;
    }
    let waiting = waits(&fleet);
    assert_eq!(waiting.on, at_b);
    assert_eq!(
        waiting.on.to_string(),
        "it may start only where a copy of its data is, at b, and no host there takes it now (cordoned, fenced or \
         unreadable): make a host there usable again"
    );
    // A site that comes back is one where it may start: what it left there is as good as it was.
    fleet.sites.get_mut(&"a".into()).expect("there").state = State::Active;
    assert!(decide(&fleet).waiting.is_empty());
}
