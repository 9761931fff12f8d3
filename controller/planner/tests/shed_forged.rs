//! Who stops after a loss, told wrongly: `confirm_shed` finds it. No I/O.

#![allow(clippy::expect_used, reason = "a test may fail loudly")]

mod small;

use raidc_planner::{
    Fleet, LossOutcome, Placement, Plan, PlanOptions, Resource, Scenario, Server, ServerId, ShedReason,
    check, confirm_shed, plan, simulate_loss,
};
use small::two_full_sites;

fn of(name: &str) -> ServerId {
    ServerId::new("city", name)
}

/// Two sites with one full host each; the register of b has its data at a too, and is more important than what runs there.
fn fleet() -> Fleet {
    let mut fleet = two_full_sites();
    for (name, site, cores, tier) in [
        ("kiosk", "a", 2, 3),
        ("map", "a", 2, 3),
        ("mail", "a", 4, 2),
        ("register", "b", 2, 1),
        ("other", "b", 6, 3),
    ] {
        let current = Placement {
            site: site.into(),
            rack: format!("{site}-r").into(),
            host: Some(format!("{site}-h1").into()),
            copy_sites: (name == "register").then(|| "a".into()).into_iter().collect(),
            ..Placement::default()
        };
        let server = Server {
            tenant: "city".into(),
            tier,
            cpu_milli: cores * 1000,
            memory_mib: cores * 1024,
            copies: if name == "register" { 2 } else { 1 },
            current: Some(current),
            ..Server::default()
        };
        fleet.servers.insert(of(name), server);
    }
    fleet
}

/// The loss of site b, told rightly.
fn lost() -> (Fleet, Plan, LossOutcome) {
    let fleet = fleet();
    let made = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &made), vec![]);
    let outcome = simulate_loss(&fleet, &made, &Scenario::Site("b".into()));
    assert_eq!(confirm_shed(&fleet, &made, &outcome), vec![]);
    (fleet, made, outcome)
}

#[test]
fn no_wrong_stop_after_a_loss_is_confirmed() {
    let (fleet, made, right) = lost();
    assert_eq!(right.starts_if_shed.len(), 1, "{right:#?}");
    assert_eq!(right.shed.len(), 1, "{right:#?}");
    let wrong = |change: &dyn Fn(&mut LossOutcome), why: &str| {
        let mut wrong = right.clone();
        change(&mut wrong);
        let faults = confirm_shed(&fleet, &made, &wrong);
        assert!(
            faults.iter().any(|fault| fault.message.contains(why)),
            "{why}: {faults:#?}"
        );
    };
    wrong(&|outcome| outcome.shed.clear(), "there is no room");
    wrong(&|outcome| outcome.starts_if_shed.clear(), "need not");
    wrong(&|outcome| outcome.shed.push(outcome.shed[0].clone()), "twice");
    wrong(&|outcome| outcome.shed[0].server = of("other"), "does not run");
    wrong(
        &|outcome| {
            (outcome.shed[0].server, outcome.shed[0].tier) = (of("mail"), 2);
        },
        "less important ones",
    );
    wrong(
        &|outcome| outcome.shed[0].running = false,
        "otherwise than it runs",
    );
    wrong(&|outcome| outcome.stranded.clear(), "is not stranded");
    wrong(
        &|outcome| outcome.starts_if_shed[0].server = of("other"),
        "where its data is not",
    );
    wrong(
        &|outcome| outcome.starts_if_shed[0].at.host = "ghost".into(),
        "not in the fleet",
    );
}

#[test]
fn no_false_reason_to_stop_is_believed() {
    let mut fleet = fleet();
    fleet.hosts.get_mut(&"a-h1".into()).expect("there").memory_mib = 8000;
    let right = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &right), vec![]);
    let of_host = |host: &str, resource: Resource, over: i64| ShedReason::Host {
        host: host.into(),
        resource,
        over,
    };
    let host = |host: &str, over: i64| of_host(host, Resource::Memory, over);
    assert_eq!(right.shed[0].reason, host("a-h1", 192));
    let nothing = ShedReason::Rack {
        rack: "a-r".into(),
        over_watts: 0,
    };
    let cores = of_host("a-h1", Resource::Cpu, 192);
    for reason in [
        host("b-h1", 192),
        host("a-h1", 191),
        host("a-h1", 0),
        nothing,
        cores,
    ] {
        let mut wrong = right.clone();
        wrong.shed[0].reason = reason.clone();
        let faults = check(&fleet, &wrong);
        let untrue = |fault: &raidc_planner::Fault| fault.message.contains("that is not true");
        assert!(faults.iter().any(untrue), "{reason:?}");
    }
}

#[test]
fn nobody_starts_who_has_lost_no_place() {
    let mut fleet = fleet();
    fleet.hosts.remove(&"b-h1".into());
    let large = Server {
        tenant: "city".into(),
        cpu_milli: 99_000,
        memory_mib: 1024,
        ..Server::default()
    };
    fleet.servers.insert(of("large"), large);
    let right = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &right), vec![]);
    assert_eq!(right.starts_if_shed.len(), 1, "{right:#?}");
    // One that runs, and one that is new and waits.
    for name in ["mail", "large"] {
        let mut wrong = right.clone();
        wrong.starts_if_shed[0].server = of(name);
        let faults = check(&fleet, &wrong);
        let kept = |fault: &raidc_planner::Fault| fault.message.contains("has not lost its place");
        assert!(faults.iter().any(kept), "{name}: {faults:#?}");
    }
}

#[test]
fn nobody_stays_down_whose_data_is_known_by_its_reserve_alone() {
    let mut fleet = fleet();
    let register = fleet.servers.get_mut(&of("register")).expect("there");
    let current = register.current.as_mut().expect("placed");
    current.copy_sites = [].into();
    current.backup = Some("a-h1".into());
    fleet.hosts.remove(&"b-h1".into());
    let made = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &made), vec![]);
    assert_eq!(made.starts_if_shed.len(), 1, "{made:#?}");
}

#[test]
fn nobody_starts_where_only_the_power_or_only_the_host_is_used_up() {
    for (cores, feed) in [(16, 180), (8, 500)] {
        let mut fleet = fleet();
        fleet.racks.get_mut(&"a-r".into()).expect("there").feeds[0].watts = feed;
        let host = fleet.hosts.get_mut(&"a-h1".into()).expect("there");
        // 10 W for each core.
        (host.cpu_milli, host.memory_mib) = (cores * 1000, cores * 1024);
        host.max_watts = 100 + 10 * cores;
        let made = plan(&fleet, &PlanOptions::default());
        assert_eq!(check(&fleet, &made), vec![]);
        let right = simulate_loss(&fleet, &made, &Scenario::Site("b".into()));
        assert_eq!(confirm_shed(&fleet, &made, &right), vec![]);
        assert_eq!((right.shed.len(), right.starts_if_shed.len()), (1, 1));
        let mut wrong = right.clone();
        wrong.shed.clear();
        let faults = confirm_shed(&fleet, &made, &wrong);
        let no_room = |fault: &raidc_planner::Fault| fault.message.contains("there is no room");
        assert!(faults.iter().any(no_room), "{cores} cores: {faults:#?}");
    }
}

#[test]
fn nobody_stops_for_an_equal_or_one_of_another_tier_than_told() {
    let (fleet, made, right) = lost();
    let reason = |tier: i64| ShedReason::Starts {
        server: of("register"),
        tier,
    };
    assert_eq!(right.shed[0].reason, reason(1));
    let untrue = |fleet: &Fleet, made: &Plan, tier: i64| {
        let mut wrong = right.clone();
        wrong.shed[0].reason = reason(tier);
        let faults = confirm_shed(fleet, made, &wrong);
        faults
            .iter()
            .any(|fault| fault.message.contains("that is not true"))
    };
    assert!(!untrue(&fleet, &made, 1) && untrue(&fleet, &made, 2));
    let mut equal = fleet.clone();
    equal.servers.get_mut(&of("register")).expect("there").tier = 3;
    let made = plan(&equal, &PlanOptions::default());
    assert!(untrue(&equal, &made, 3));
}

#[test]
fn nobody_starts_in_a_rack_that_the_same_loss_takes() {
    let mut fleet = fleet();
    // A second rack at site a, with an idle host: the river takes it and site b.
    let mut rack = fleet.racks[&"a-r".into()].clone();
    rack.shared_risks.insert("river".into());
    fleet.racks.insert("a-r2".into(), rack);
    let spare = raidc_planner::Host {
        rack: "a-r2".into(),
        ..fleet.hosts[&"a-h1".into()].clone()
    };
    fleet.hosts.insert("a-h2".into(), spare);
    let site = fleet.sites.get_mut(&"b".into()).expect("there");
    site.shared_risks.insert("river".into());
    let register = fleet.servers.get_mut(&of("register")).expect("there");
    register.spread = raidc_planner::Spread::Site;
    let made = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &made), vec![]);
    let lost = simulate_loss(&fleet, &made, &Scenario::Risk("river".into()));
    assert_eq!(confirm_shed(&fleet, &made, &lost), vec![]);
    assert_eq!(lost.stranded, [of("register")]);
    assert_eq!(lost.starts_if_shed[0].at.host, "a-h1".into());
    assert_eq!(lost.shed.len(), 1);
    // Nor is it believed.
    let mut wrong = lost.clone();
    wrong.shed.clear();
    let there = &mut wrong.starts_if_shed[0].at;
    (there.rack, there.host) = ("a-r2".into(), "a-h2".into());
    let faults = confirm_shed(&fleet, &made, &wrong);
    let unusable = |fault: &raidc_planner::Fault| fault.message.contains("at what cannot be used");
    assert!(faults.iter().any(unusable), "{faults:#?}");
}
