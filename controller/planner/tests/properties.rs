//! What must hold for every fleet, tried on random ones. No I/O but proptest's own record of failures.

mod fleets;

use proptest::prelude::*;
use raidc_planner::{Fleet, MoveKind, Plan, PlanOptions, check, explain, plan, simulate_loss};

fn decide(fleet: &Fleet) -> Plan {
    plan(fleet, &PlanOptions::default())
}

/// The decisions alone: what may not change between two plans of the same state.
fn decisions(plan: &Plan) -> impl PartialEq + std::fmt::Debug {
    let servers: Vec<_> = plan
        .servers
        .iter()
        .map(|(id, decided)| {
            (
                id.clone(),
                decided.placement.clone(),
                decided.backup.clone(),
                decided.copy_sites.clone(),
                (decided.granted, decided.growth.is_some()),
            )
        })
        .collect();
    (
        servers,
        plan.colocations.clone(),
        plan.waiting.keys().cloned().collect::<Vec<_>>(),
        plan.id.clone(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_plan_breaks_a_rule_or_changes_when_made_again(fleet in fleets::new_fleet()) {
        let first = decide(&fleet);
        prop_assert_eq!(check(&fleet, &first), vec![]);
        let mut after = fleet.clone();
        first.feed_back(&mut after);
        let again = decide(&after);
        prop_assert_eq!(check(&after, &again), vec![]);
        prop_assert_eq!(&again.moves, &vec![]);
        prop_assert_eq!(decisions(&again), decisions(&first));
    }

    #[test]
    fn no_series_of_events_leads_to_a_broken_rule(
        fleet in fleets::new_fleet(),
        events in proptest::collection::vec(fleets::event(), 1..12),
    ) {
        let mut fleet = fleet;
        decide(&fleet).feed_back(&mut fleet);
        for (number, event) in events.iter().enumerate() {
            fleets::happen(&mut fleet, event, number);
            let next = decide(&fleet);
            prop_assert_eq!(check(&fleet, &next), vec![], "after {:?}", event);
            let mut after = fleet.clone();
            next.feed_back(&mut after);
            let again = decide(&after);
            prop_assert_eq!(&again.moves, &vec![], "again after {:?}", event);
            prop_assert_eq!(decisions(&again), decisions(&next), "again after {:?}", event);
            fleet = after;
        }
    }

    #[test]
    fn removing_a_host_never_moves_what_was_elsewhere(
        fleet in fleets::new_fleet(),
        at in any::<prop::sample::Index>(),
    ) {
        let mut fleet = fleet;
        decide(&fleet).feed_back(&mut fleet);
        let names: Vec<_> = fleet.hosts.keys().cloned().collect();
        if names.is_empty() {
            return Ok(());
        }
        let gone = at.get(&names).clone();
        fleet.hosts.remove(&gone);
        let next = decide(&fleet);
        for moved in next.moves.iter().filter(|moved| moved.kind == MoveKind::Primary) {
            prop_assert_eq!(&moved.from.host, &gone);
        }
    }

    #[test]
    fn no_malformed_fleet_makes_it_panic_or_break_a_rule(
        fleet in fleets::new_fleet(),
        before in proptest::collection::vec(fleets::spoil(), 0..3),
        after in proptest::collection::vec(fleets::spoil(), 0..3),
    ) {
        let mut fleet = fleet;
        for spoil in &before {
            fleets::ruin(&mut fleet, spoil);
        }
        let first = decide(&fleet);
        prop_assert_eq!(check(&fleet, &first), vec![]);
        first.feed_back(&mut fleet);
        for spoil in &after {
            fleets::ruin(&mut fleet, spoil);
        }
        let next = decide(&fleet);
        prop_assert_eq!(check(&fleet, &next), vec![]);
        for id in next.waiting.keys().chain(&first.servers.keys().cloned().map(Into::into).collect::<Vec<_>>()) {
            prop_assert!(!explain(&fleet, &next, id).to_string().is_empty());
        }
        for summary in &next.scenarios {
            let loss = simulate_loss(&fleet, &next, &summary.scenario);
            prop_assert_eq!(i64::try_from(loss.starts.len()), Ok(summary.restarted));
        }
    }
}
