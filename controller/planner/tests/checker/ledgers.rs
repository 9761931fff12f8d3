//! Every figure of a plan is the one that is counted. No I/O.

use crate::fixture::{found, id, sound};
use proptest::prelude::*;
use proptest::sample::Index;
use raidc_planner::{
    Plan, PlanOptions, Rule, Scenario, SiteSet, Spot, Survival, Waiting, WaitingOn, check, plan,
};
use serde_json::Value;

#[test]
fn no_ledger_is_missing_invented_or_of_another_place() {
    let (fleet, made) = sound();
    let change = |change: &dyn Fn(&mut Plan)| {
        let mut changed = made.clone();
        change(&mut changed);
        changed
    };
    let found = |plan: &Plan, what: &str, why: &str| found(&fleet, plan, Rule::Ledger, what, why);
    found(
        &change(&|plan| drop(plan.racks.remove(&"a-r1".into()))),
        "rack/a-r1",
        "has no ledger",
    );
    found(
        &change(&|plan| drop(plan.sites.remove(&"a".into()))),
        "site/a",
        "has no ledger",
    );
    found(
        &change(&|plan| drop(plan.scenarios.pop())),
        "plan",
        "scenarios of",
    );
    found(&change(&|plan| plan.pairs.clear()), "pair/", "None");
    found(
        &change(&|plan| drop(plan.racks.insert("zz".into(), made.racks[&"a-r1".into()].clone()))),
        "rack/zz",
        "",
    );
    found(
        &change(&|plan| drop(plan.sites.insert("zz".into(), made.sites[&"a".into()].clone()))),
        "site/zz",
        "",
    );
    found(
        &change(&|plan| {
            drop(
                plan.pairs
                    .entry("zz".into())
                    .or_default()
                    .insert("a".into(), <_>::default()),
            )
        }),
        "pair/zz/a",
        "nothing falls",
    );
    found(
        &change(&|plan| plan.scenarios[0].scenario = Scenario::Site("zz".into())),
        "",
        "",
    );
    let twice = change(&|plan| {
        let last = plan.scenarios.len() - 1;
        plan.scenarios[last] = plan.scenarios[0].clone();
    });
    found(&twice, "plan", "scenarios of");
    // Their order is free.
    assert_eq!(check(&fleet, &change(&|plan| plan.scenarios.reverse())), vec![]);
    let reserved = made
        .racks
        .iter()
        .find(|(_, ledger)| ledger.reserved_watts > 0)
        .expect("a reserve")
        .0;
    for worst in [
        None,
        Some(Scenario::Rack(reserved.clone())),
        Some(Scenario::Site("zz".into())),
    ] {
        let forged = change(&|plan| plan.racks.get_mut(reserved).expect("rack").worst = worst.clone());
        found(&forged, &format!("rack/{reserved}"), "worst");
    }
    found(
        &change(&|plan| plan.racks.get_mut(reserved).expect("rack").site = "zz".into()),
        "rack/",
        "its site",
    );
    for survives in [
        Survival::Unknown,
        Survival::Loses {
            first: id(0),
            servers: 1,
        },
    ] {
        let forged =
            change(&|plan| plan.sites.get_mut(&"a".into()).expect("site").survives = survives.clone());
        found(&forged, "site/a", "strands");
    }
}

/// Every number under `value`.
fn numbers(value: &mut Value) -> Vec<&mut Value> {
    match value {
        Value::Number(_) => vec![value],
        Value::Array(items) => items.iter_mut().flat_map(numbers).collect(),
        Value::Object(fields) => fields.iter_mut().flat_map(|(_, field)| numbers(field)).collect(),
        _ => Vec::new(),
    }
}

/// Every figure of the ledgers, of the excesses, and of what servers draw.
fn figures(plan: &mut Value) -> Vec<&mut Value> {
    let Value::Object(fields) = plan else {
        return Vec::new();
    };
    let ledgers = ["racks", "sites", "pairs", "scenarios", "excesses"];
    let mut all = Vec::new();
    for (name, field) in fields {
        if ledgers.contains(&name.as_str()) {
            all.extend(numbers(field));
        } else if name == "servers" {
            let servers = field.as_object_mut().into_iter().flatten();
            all.extend(servers.filter_map(|(_, server)| server.get_mut("watts")));
        }
    }
    all
}

fn nudge(plan: &Plan, at: usize, by: i64) -> Plan {
    let mut value = serde_json::to_value(plan).expect("plans are written");
    let figure = figures(&mut value).remove(at);
    let was = figure.as_i64().expect("an integer");
    *figure = was.saturating_add(by).into();
    serde_json::from_value(value).expect("plans are read")
}

#[test]
fn no_figure_of_any_ledger_is_one_too_many_or_too_few() {
    let (fleet, made) = sound();
    let count = figures(&mut serde_json::to_value(&made).expect("written")).len();
    assert!(count > 150, "{count} figures");
    for at in 0..count {
        for by in [-1, 1] {
            let forged = nudge(&made, at, by);
            assert_ne!(check(&fleet, &forged), vec![], "figure {at} changed by {by}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_change_of_a_running_plan_goes_unnoticed(
        fleet in crate::fleets::new_fleet(),
        events in proptest::collection::vec(crate::fleets::event(), 0..4),
        which in any::<Index>(),
        other in any::<Index>(),
        by in prop::sample::select(vec![-1i64, 1, 1000]),
    ) {
        let mut fleet = fleet;
        plan(&fleet, &PlanOptions::default()).feed_back(&mut fleet);
        for (number, event) in events.iter().enumerate() {
            crate::fleets::happen(&mut fleet, event, number);
        }
        plan(&fleet, &PlanOptions::default()).feed_back(&mut fleet);
        let made = plan(&fleet, &PlanOptions::default());
        prop_assert_eq!(check(&fleet, &made), vec![]);

        let count = figures(&mut serde_json::to_value(&made).expect("written")).len();
        if count > 0 {
            let forged = nudge(&made, which.index(count), by);
            prop_assert!(forged == made || !check(&fleet, &forged).is_empty(), "figure {}", which.index(count));
        }
        if let Some(id) = made.waiting.keys().nth(which.index(made.waiting.len().max(1))) {
            let mut forged = made.clone();
            forged.waiting.remove(id);
            prop_assert!(!check(&fleet, &forged).is_empty(), "{id} no longer waits");
        }
        if made.servers.is_empty() {
            return Ok(());
        }
        let (id, was) = made.servers.iter().nth(which.index(made.servers.len())).expect("in range");
        let hosts: Vec<_> = fleet.hosts.iter().collect();
        let mut changed = vec![("gone", None)];
        let mut change = |name: &'static str, change: &dyn Fn(&mut raidc_planner::ServerPlan)| {
            let mut decided = was.clone();
            change(&mut decided);
            if decided != *was {
                changed.push((name, Some(decided)));
            }
        };
        if !hosts.is_empty() {
            let (host, spec) = hosts[other.index(hosts.len())];
            let there = Spot { site: spec.site.clone(), rack: spec.rack.clone(), host: host.clone() };
            change("elsewhere", &|plan| plan.placement = there.clone());
            change("host", &|plan| plan.placement.host = host.clone());
            change("rack", &|plan| plan.placement.rack = there.rack.clone());
            change("site", &|plan| plan.placement.site = there.site.clone());
            change("reserve", &|plan| plan.backup = Some(there.clone()));
            change("copy", &|plan| {
                plan.copy_sites.insert(there.site.clone());
            });
        }
        change("no reserve", &|plan| plan.backup = None);
        // One that is told to be unprotected may have fewer copies than it had.
        if was.unprotected.is_none() {
            change("no copies", &|plan| plan.copy_sites = SiteSet::default());
        }
        change("unprotected", &|plan| {
            let on = Waiting::on(WaitingOn::UnknownTenant);
            plan.unprotected = plan.unprotected.is_none().then_some(Box::new(on));
        });
        for (name, decided) in changed {
            let mut forged = made.clone();
            forged.servers.remove(id);
            forged.servers.extend(decided.map(|decided| (id.clone(), decided)));
            prop_assert!(!check(&fleet, &forged).is_empty(), "{id}: {name}");
        }
    }
}
