//! The planner that keeps its books, and consolidation, on random fleets. No I/O.

#![allow(clippy::expect_used, reason = "a test may fail loudly")]

// Shared with tests that use more of it.
#[allow(dead_code)]
mod fleets;
mod small;

use proptest::prelude::*;
use raidc_planner::{
    ConsolidationOptions, Feed, Fleet, Host, HostName, Placement, PlanOptions, Planner, Rack, Server,
    ServerId, Site, SiteName, Tenant, check, consolidate, plan,
};

fn options() -> PlanOptions {
    PlanOptions::default()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_came_one_by_one_is_never_moved_by_a_plan(
        fleet in fleets::new_fleet(),
        leave in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut bare = fleet.clone();
        bare.servers.clear();
        let mut planner = Planner::new(&bare, &options());
        for (id, server) in &fleet.servers {
            let _ = planner.admit(id.clone(), server.clone());
        }
        let ids: Vec<ServerId> = fleet.servers.keys().cloned().collect();
        for at in leave {
            if ids.is_empty() {
                break;
            }
            let id = at.get(&ids);
            let was_there = planner.remove(id);
            prop_assert!(!planner.remove(id));
            // Who left may come again.
            if was_there && let Some(server) = fleet.servers.get(id) {
                let _ = planner.admit(id.clone(), server.clone());
            }
        }
        let now = planner.fleet();
        prop_assert_eq!(now.servers.len(), planner.len());
        let planned = plan(&now, &options());
        prop_assert_eq!(check(&now, &planned), vec![]);
        prop_assert_eq!(&planned.moves, &vec![]);
        for id in now.servers.keys() {
            prop_assert!(planned.servers.contains_key(id));
        }
    }

    #[test]
    fn consolidation_never_breaks_a_rule_or_costs_watts(fleet in fleets::new_fleet()) {
        let mut fleet = fleet;
        let first = plan(&fleet, &options());
        first.feed_back(&mut fleet);
        let proposal = consolidate(&fleet, &first, &ConsolidationOptions::default());
        prop_assert_eq!(check(&fleet, &proposal.plan), vec![]);
        prop_assert!(proposal.idle_watts_after <= proposal.idle_watts_before);
        for id in first.servers.keys() {
            prop_assert!(proposal.plan.servers.contains_key(id));
        }
        for decided in proposal.plan.servers.values() {
            prop_assert!(!proposal.may_sleep.contains(&decided.placement.host));
        }
        for decided in first.servers.values() {
            prop_assert!(!proposal.wake.contains(&decided.placement.host));
        }
        let none = ConsolidationOptions { max_moves: 0, ..ConsolidationOptions::default() };
        prop_assert_eq!(consolidate(&fleet, &first, &none).moves, vec![]);
    }
}

#[test]
fn one_that_has_left_never_counts_against_its_quota() {
    let mut fleet = small::sites(&["a"]);
    let quota = raidc_planner::Quota {
        servers: Some(1),
        ..raidc_planner::Quota::default()
    };
    fleet.tenants.insert("city".into(), Tenant { quota });
    let mut planner = Planner::new(&fleet, &options());
    let [one, two] = ["one", "two"].map(|name| ServerId::new("city", name));
    let server = Server {
        tenant: "city".into(),
        cpu_milli: 1000,
        memory_mib: 512,
        ..Server::default()
    };
    assert!(planner.admit(one.clone(), server.clone()).is_ok());
    assert!(planner.admit(two.clone(), server.clone()).is_err());
    assert!(planner.remove(&one));
    assert!(planner.admit(two, server).is_ok());
}

#[test]
fn reserves_that_can_share_a_host_are_packed_and_no_other_is_touched() {
    let mut fleet = small::sites(&["a", "b", "c", "d"]);
    let closed = Rack {
        state: raidc_planner::State::Cordoned,
        ..fleet.racks[&"b-r".into()].clone()
    };
    fleet.racks.insert("b-r2".into(), closed);
    let third = Host {
        rack: "b-r2".into(),
        ..fleet.hosts[&"b-h2".into()].clone()
    };
    fleet.hosts.insert("b-h3".into(), third);
    let kept = [
        ("one", "a", "b-h1"),
        ("two", "d", "b-h2"),
        ("in-a-closed-rack", "a", "b-h3"),
        ("at-a-closed-site", "a", "c-h2"),
        ("no-longer-allowed", "d", "b-h2"),
    ];
    for (name, site, reserve) in kept {
        let server = Server {
            tenant: "city".into(),
            cpu_milli: 1000,
            memory_mib: 512,
            copies: 2,
            sites_allowed: (name == "no-longer-allowed").then(|| [site.into()].into()),
            current: Some(Placement {
                site: site.into(),
                rack: format!("{site}-r").into(),
                host: Some(format!("{site}-h1").into()),
                backup: Some(reserve.into()),
                copy_sites: [reserve[..1].into()].into(),
            }),
            ..Server::default()
        };
        fleet.servers.insert(ServerId::new("city", name), server);
    }
    fleet.sites.get_mut(&"c".into()).expect("there").state = raidc_planner::State::Cordoned;
    let mut planner = Planner::new(&fleet, &options());
    let reserves = |planner: &Planner<'_>| {
        let now = planner.fleet();
        kept.map(|(name, ..)| {
            let current = now.servers[&ServerId::new("city", name)].current.clone();
            current.expect("placed").backup.map(|host| host.to_string())
        })
    };
    let before = kept.map(|(.., reserve)| Some(reserve.to_owned()));
    assert_eq!(reserves(&planner), before);
    assert!(planner.repack());
    let after = reserves(&planner);
    assert_eq!(after[0], after[1]);
    assert_eq!(after[2..], before[2..]);
}

#[test]
fn nobody_who_must_start_at_once_is_left_with_a_host_that_falls_asleep() {
    let mut fleet = small::sites(&["a", "b"]);
    let at = |host: &str, backup: Option<&str>| Placement {
        site: host[..1].into(),
        rack: format!("{}-r", &host[..1]).into(),
        host: Some(host.into()),
        backup: backup.map(HostName::from),
        copy_sites: backup.map(|host| host[..1].into()).into_iter().collect(),
    };
    let busy = ServerId::new("city", "busy");
    let register = ServerId::new("city", "register");
    let server = Server {
        tenant: "city".into(),
        cpu_milli: 1000,
        memory_mib: 512,
        current: Some(at("b-h2", None)),
        ..Server::default()
    };
    let warm = Server {
        copies: 2,
        warm: true,
        current: Some(at("a-h1", Some("b-h2"))),
        ..server.clone()
    };
    fleet.servers = [(busy.clone(), server), (register.clone(), warm)].into();
    let mut planner = Planner::new(&fleet, &options());
    let reserve = |planner: &Planner<'_>| {
        let current = planner.fleet().servers[&register].current.clone();
        current.expect("placed").backup
    };
    assert_eq!(reserve(&planner), Some("b-h2".into()));
    assert!(planner.remove(&busy));
    assert_eq!(reserve(&planner), Some("b-h1".into()));
}

#[test]
fn room_that_was_kept_for_one_that_left_again_never_puts_a_host_to_sleep() {
    let mut fleet = small::sites(&["a", "b"]);
    fleet.hosts.remove(&"b-h1".into());
    let server = Server {
        tenant: "city".into(),
        cpu_milli: 2000,
        memory_mib: 512,
        current: Some(Placement {
            site: "b".into(),
            rack: "b-r".into(),
            host: Some("b-h2".into()),
            ..Placement::default()
        }),
        ..Server::default()
    };
    let large = Server {
        cpu_milli: 8000,
        sites_allowed: Some(["b".into()].into()),
        current: None,
        ..server.clone()
    };
    let warm = Server {
        copies: 2,
        warm: true,
        current: None,
        ..server.clone()
    };
    // A full host beside it: the site may use eight of thirteen cores, and seven are in use.
    let small = Host {
        cpu_milli: 5000,
        ..fleet.hosts[&"b-h2".into()].clone()
    };
    fleet.hosts.insert("b-h3".into(), small);
    let mut full = Server {
        cpu_milli: 5000,
        ..server.clone()
    };
    full.current.as_mut().expect("placed").host = Some("b-h3".into());
    fleet.sites.get_mut(&"b".into()).expect("there").ceiling_percent = 62;
    fleet.servers.insert(ServerId::new("city", "full"), full);
    fleet.servers.insert(ServerId::new("city", "busy"), server);
    let mut planner = Planner::new(&fleet, &options());
    for _ in 0..2 {
        assert!(
            planner
                .admit(ServerId::new("city", "large"), large.clone())
                .is_err()
        );
    }
    // It runs at site a; that the host of its reserve is on has not changed.
    let decided = planner.admit(ServerId::new("city", "warm"), warm);
    let reserve = decided.expect("there is room").backup;
    assert_eq!(reserve.map(|spot| spot.host), Some("b-h2".into()));
}

#[test]
fn the_same_server_never_gets_two_places() {
    let fleet = raidc_planner::Fleet::default();
    let mut planner = Planner::new(&fleet, &options());
    assert!(planner.is_empty());
    let refused = planner.admit(ServerId::new("city", "a"), Server::default());
    assert!(
        refused.is_err(),
        "a server without cores in a fleet without hosts"
    );
    assert!(planner.is_empty());
    assert!(!planner.remove(&ServerId::new("city", "a")));
}

/// Two hosts of 32 cores that are on, each more than half full, and one of 64 that sleeps and draws less than both.
fn two_small_and_a_large() -> Fleet {
    let mut fleet = Fleet::default();
    let site = SiteName::from("talsi");
    fleet.sites.insert(site.clone(), Site::default());
    let feed = |name: &str| Feed {
        name: name.to_owned(),
        watts: 5000,
        panel: None,
    };
    let rack = Rack {
        site: site.clone(),
        feeds: vec![feed("a"), feed("b")],
        ..Rack::default()
    };
    fleet.racks.insert("talsi-r1".into(), rack);
    fleet.tenants.insert("city".into(), Tenant::default());
    for (name, cores, idle_watts) in [("a", 32, 105), ("b", 32, 105), ("large", 64, 165)] {
        let host = Host {
            site: site.clone(),
            rack: "talsi-r1".into(),
            cpu_milli: cores * 1000,
            memory_mib: cores * 4096,
            idle_watts,
            max_watts: idle_watts * 3,
            ..Host::default()
        };
        fleet.hosts.insert(HostName::from(name), host);
    }
    for name in ["a", "b"] {
        let server = Server {
            tenant: "city".into(),
            cpu_milli: 20_000,
            memory_mib: 65_536,
            copies: 1,
            current: Some(Placement {
                site: site.clone(),
                rack: "talsi-r1".into(),
                host: Some(HostName::from(name)),
                ..Placement::default()
            }),
            ..Server::default()
        };
        fleet.servers.insert(ServerId::new("city", name), server);
    }
    fleet
}

#[test]
fn two_hosts_do_not_stay_on_where_one_that_sleeps_would_do() {
    let fleet = two_small_and_a_large();
    let now = plan(&fleet, &options());
    let proposal = consolidate(&fleet, &now, &ConsolidationOptions::default());
    assert_eq!(check(&fleet, &proposal.plan), vec![]);
    assert_eq!(proposal.wake, ["large".into()]);
    assert_eq!(proposal.may_sleep, ["a".into(), "b".into()]);
    assert_eq!(
        (proposal.idle_watts_before, proposal.idle_watts_after),
        (210, 165)
    );
    assert_eq!(proposal.servers_moved, 2);
}

#[test]
fn one_that_rests_is_not_moved_and_keeps_its_host_on() {
    let fleet = two_small_and_a_large();
    let now = plan(&fleet, &options());
    let resting = ConsolidationOptions {
        resting: [ServerId::new("city", "b")].into(),
        ..ConsolidationOptions::default()
    };
    assert_eq!(consolidate(&fleet, &now, &resting).moves, vec![]);
}

#[test]
fn nobody_is_lost_because_a_neighbour_left() {
    let mut fleet = small::sites(&["a", "b"]);
    fleet.hosts.remove(&"b-h1".into());
    let server = Server {
        tenant: "city".into(),
        cpu_milli: 1000,
        memory_mib: 512,
        ..Server::default()
    };
    let busy = Server {
        current: Some(Placement {
            site: "b".into(),
            rack: "b-r".into(),
            host: Some("b-h2".into()),
            ..Placement::default()
        }),
        ..server.clone()
    };
    let warm = Server {
        copies: 2,
        warm: true,
        sites_allowed: Some(["a".into(), "b".into()].into()),
        ..server
    };
    let [busy_id, warm_id] = ["busy", "warm"].map(|name| ServerId::new("city", name));
    fleet.servers.insert(busy_id.clone(), busy);
    fleet.sites.get_mut(&"b".into()).expect("there").ceiling_percent = 1;
    let mut planner = Planner::new(&fleet, &options());
    let reserve = planner
        .admit(warm_id.clone(), warm)
        .expect("there is room")
        .backup;
    assert_eq!(reserve.map(|spot| spot.host), Some("b-h2".into()));
    assert!(planner.remove(&busy_id));
    // It runs: without a reserve that is on it is unprotected, and not gone.
    assert!(planner.fleet().servers[&warm_id].current.is_some());
}
