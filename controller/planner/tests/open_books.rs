//! The planner that keeps its books, and consolidation, on random fleets. No I/O.

// Shared with tests that use more of it.
#[allow(dead_code)]
mod fleets;

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
