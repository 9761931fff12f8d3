//! The planner that keeps its books, and consolidation, on random fleets. No I/O.

// Shared with tests that use more of it.
#[allow(dead_code)]
mod fleets;

use proptest::prelude::*;
use raidc_planner::{ConsolidationOptions, PlanOptions, Planner, Server, ServerId, check, consolidate, plan};

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
    fn consolidation_never_breaks_a_rule_or_wakes_a_host(fleet in fleets::new_fleet()) {
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
