//! Draining said beforehand: never otherwise than it then comes. No I/O.

#![allow(clippy::expect_used, reason = "a test may fail loudly")]

#[allow(dead_code, reason = "each test binary uses its own part")]
mod fleets;
mod small;

use proptest::prelude::*;
use raidc_planner::{
    Blocker, DrainTarget, Fleet, HostUse, MoveKind, Plan, PlanOptions, Server, Spot, State, Verdict, check,
    plan, preflight_drain,
};

fn targets(fleet: &Fleet) -> Vec<DrainTarget> {
    let hosts = fleet.hosts.keys().cloned().map(DrainTarget::Host);
    let racks = fleet.racks.keys().cloned().map(DrainTarget::Rack);
    let sites = fleet.sites.keys().cloned().map(DrainTarget::Site);
    hosts.chain(racks).chain(sites).collect()
}

fn draining(fleet: &Fleet, target: &DrainTarget) -> Fleet {
    let mut fleet = fleet.clone();
    match target {
        DrainTarget::Host(name) => fleet.hosts.get_mut(name).expect("there").usable = HostUse::Draining,
        DrainTarget::Rack(name) => fleet.racks.get_mut(name).expect("there").state = State::Draining,
        DrainTarget::Site(name) => fleet.sites.get_mut(name).expect("there").state = State::Draining,
    }
    fleet
}

fn is_there(target: &DrainTarget, spot: &Spot) -> bool {
    match target {
        DrainTarget::Host(name) => spot.host == *name,
        DrainTarget::Rack(name) => spot.rack == *name,
        DrainTarget::Site(name) => spot.site == *name,
    }
}

fn stranded(plan: &Plan, target: &DrainTarget) -> Vec<i64> {
    let own = target.to_string();
    let others = plan
        .scenarios
        .iter()
        .filter(|summary| summary.scenario.to_string() != own);
    others.map(|summary| summary.stranded).collect()
}

#[test]
fn no_drain_is_called_harmless_that_keeps_a_new_server_out() {
    let mut fleet = small::sites(&["a", "b"]);
    let server = Server {
        tenant: "city".into(),
        cpu_milli: 1000,
        memory_mib: 512,
        copies: 2,
        ..Server::default()
    };
    let at = raidc_planner::Placement {
        site: "a".into(),
        rack: "a-r".into(),
        host: Some("a-h1".into()),
        backup: Some("b-h1".into()),
        copy_sites: [raidc_planner::SiteName::from("b")].into(),
    };
    let runs = Server {
        current: Some(at),
        ..server.clone()
    };
    let [register, new] = ["register", "new"].map(|name| raidc_planner::ServerId::new("city", name));
    fleet.servers = [(register.clone(), runs), (new.clone(), server)].into();
    // The one that runs keeps its reserve as long as there is no other; the new one would have found a place today.
    let target = DrainTarget::Site("b".into());
    let found = preflight_drain(&fleet, &target, &PlanOptions::default());
    assert_eq!(found.waiting, [new.into()]);
    assert_eq!(found.verdict, Verdict::Blocked);
    // Without the new one nothing waits for the drain.
    fleet.servers.retain(|id, _| *id == register);
    let found = preflight_drain(&fleet, &target, &PlanOptions::default());
    assert!(found.waiting.is_empty(), "{:?}", found.waiting);
}

#[test]
fn a_fenced_site_is_never_taken_for_one_that_can_be_drained() {
    let mut fleet = Fleet::default();
    fleet.sites.insert(
        "a".into(),
        raidc_planner::Site {
            state: State::Fenced,
            ..raidc_planner::Site::default()
        },
    );
    let options = PlanOptions::default();
    let found = preflight_drain(&fleet, &DrainTarget::Site("a".into()), &options);
    assert_eq!(found.verdict, Verdict::Blocked);
    assert_eq!(found.blocked, [Blocker::Unreadable { state: State::Fenced }]);
    let found = preflight_drain(&fleet, &DrainTarget::Host("h".into()), &options);
    assert_eq!(found.blocked, [Blocker::NotInFleet]);
}

#[test]
fn a_limit_of_moves_is_never_told_as_a_lack_of_room() {
    let mut fleet = Fleet::default();
    fleet
        .tenants
        .insert("city".into(), raidc_planner::Tenant::default());
    fleet.sites.insert("a".into(), raidc_planner::Site::default());
    let feed = raidc_planner::Feed {
        name: "f".to_owned(),
        watts: 5000,
        panel: None,
    };
    let rack = raidc_planner::Rack {
        site: "a".into(),
        feeds: vec![feed],
        ..raidc_planner::Rack::default()
    };
    fleet.racks.insert("r".into(), rack);
    for name in ["h1", "h2"] {
        let host = raidc_planner::Host {
            rack: "r".into(),
            site: "a".into(),
            cpu_milli: 8000,
            memory_mib: 32768,
            ..raidc_planner::Host::default()
        };
        fleet.hosts.insert(name.into(), host);
    }
    let server = Server {
        tenant: "city".into(),
        cpu_milli: 1000,
        memory_mib: 1024,
        ..Server::default()
    };
    fleet
        .servers
        .insert(raidc_planner::ServerId::new("city", "s"), server);
    let options = PlanOptions::default();
    let first = plan(&fleet, &options);
    first.feed_back(&mut fleet);
    let at = first
        .servers
        .values()
        .next()
        .expect("placed")
        .placement
        .host
        .clone();
    let target = DrainTarget::Host(at);
    let free = preflight_drain(&fleet, &target, &options);
    assert_eq!((free.verdict, free.moves.len()), (Verdict::Ready, 1));
    let none = PlanOptions {
        max_moves: 0,
        ..options
    };
    let found = preflight_drain(&fleet, &target, &none);
    assert_eq!(found.verdict, Verdict::Blocked);
    assert_eq!(found.stays[0].reason, "MoveLimit");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_drain_never_comes_otherwise_than_it_was_said(
        fleet in fleets::new_fleet(),
        events in proptest::collection::vec(fleets::event(), 0..6),
        at in any::<prop::sample::Index>(),
    ) {
        let options = PlanOptions::default();
        let mut fleet = fleet;
        plan(&fleet, &options).feed_back(&mut fleet);
        for (number, event) in events.iter().enumerate() {
            fleets::happen(&mut fleet, event, number);
            plan(&fleet, &options).feed_back(&mut fleet);
        }
        let targets = targets(&fleet);
        if targets.is_empty() {
            return Ok(());
        }
        let target = at.get(&targets);
        let found = preflight_drain(&fleet, target, &options);
        if matches!(found.blocked[..], [Blocker::Unreadable { .. } | Blocker::NotInFleet]) {
            prop_assert_eq!(&found.plan, &plan(&fleet, &options));
            return Ok(());
        }
        let before = plan(&fleet, &options);
        let drained = draining(&fleet, target);
        let then = plan(&drained, &options);
        prop_assert_eq!(&found.plan, &then);
        prop_assert_eq!(check(&drained, &then), vec![]);
        // Whoever is there either leaves or is said to stay.
        for (id, decided) in &before.servers {
            let stays = found.stays.iter().any(|stays| stays.server == *id);
            let leaves = found.moves.iter().any(|moved| moved.server == *id);
            let waits = found.waiting.contains(&id.clone().into());
            if is_there(target, &decided.placement) && fleet.servers[id].current.is_some() {
                prop_assert!(stays ^ (leaves || waits), "{} in {:?}", id, found);
            }
        }
        for stays in &found.stays {
            prop_assert!(is_there(target, &then.servers[&stays.server].placement));
            prop_assert!(!stays.fixes.is_empty() && !stays.why.is_empty());
        }
        for moved in &found.moves {
            prop_assert!(then.moves.iter().any(|other| other.kind == MoveKind::Primary && other.server == moved.server));
        }
        // A loss that is not survived now is never said to be.
        for loss in &found.losses {
            prop_assert!(loss.stranded_after > loss.stranded_before);
        }
        let lost = found.losses.iter().filter(|loss| loss.stranded_before == 0).count();
        let said = found.blocked.iter().find_map(|blocker| match blocker {
            Blocker::LossesNotSurvived { losses } => Some(*losses),
            _ => None,
        });
        prop_assert_eq!(said.unwrap_or(0), i64::try_from(lost).unwrap_or(i64::MAX));
        if found.verdict == Verdict::Blocked {
            prop_assert!(!found.blocked.is_empty());
        } else {
            let spots = then.servers.values().flat_map(|decided| decided.backup.iter().chain([&decided.placement]));
            prop_assert_eq!(spots.filter(|spot| is_there(target, spot)).count(), 0);
            let (now, meanwhile) = (stranded(&before, target), stranded(&then, target));
            prop_assert!(now.iter().zip(&meanwhile).all(|(now, meanwhile)| meanwhile <= now));
        }
    }
}
