//! Who has to stop when physics leaves no other way: never one too many, never the more important one. No I/O.

#![allow(clippy::expect_used, reason = "a test may fail loudly")]

#[allow(dead_code, reason = "each test binary uses its own part")]
mod fleets;
mod small;

use proptest::prelude::*;
use raidc_planner::{
    ExcessOf, Fleet, HostName, HostUse, Placement, Plan, PlanOptions, Server, ServerId, ShedReason, check,
    confirm_shed, plan, simulate_loss,
};
use small::two_full_sites;

fn decide(fleet: &Fleet) -> Plan {
    plan(fleet, &PlanOptions::default())
}

fn run(fleet: &mut Fleet, name: &str, site: &str, cores: i64, tier: i64) {
    let server = Server {
        tenant: "city".into(),
        tier,
        cpu_milli: cores * 1000,
        memory_mib: cores * 1024,
        current: Some(Placement {
            site: site.into(),
            rack: format!("{site}-r").into(),
            host: Some(HostName::from(format!("{site}-h1"))),
            ..Placement::default()
        }),
        ..Server::default()
    };
    fleet.servers.insert(ServerId::new("city", name), server);
}

fn stopped(plan: &Plan) -> Vec<&str> {
    plan.shed.iter().map(|shed| &*shed.server.name).collect()
}

fn cut(fleet: &mut Fleet, site: &str, watts: i64) {
    let rack = fleet.racks.get_mut(&format!("{site}-r").into()).expect("there");
    rack.max_watts = Some(watts);
}

/// Both hosts full: nobody can move.
fn full() -> Fleet {
    let mut fleet = two_full_sites();
    for (name, cores, tier) in [("register", 3, 1), ("mail", 3, 2), ("kiosk", 1, 3), ("map", 1, 3)] {
        run(&mut fleet, name, "a", cores, tier);
    }
    run(&mut fleet, "other", "b", 8, 1);
    fleet
}

#[test]
fn nobody_important_ever_stops_while_lesser_ones_would_do() {
    let mut fleet = full();
    cut(&mut fleet, "a", 160);
    let plan = decide(&fleet);
    assert_eq!(check(&fleet, &plan), vec![]);
    assert_eq!(stopped(&plan), ["kiosk", "map"]);
    let reason = ShedReason::Rack {
        rack: "a-r".into(),
        over_watts: 20,
    };
    assert_eq!(plan.shed[0].reason, reason);
    // They keep their places: they are to be stopped, not deleted.
    assert_eq!(plan.servers.len(), 5);
    assert!(plan.waiting.is_empty() && plan.moves.is_empty());
}

#[test]
fn nobody_stops_whose_stop_another_has_made_needless() {
    let mut fleet = full();
    // 30 W too much: the small ones do not do, and with the mail server stopped they need not stop.
    cut(&mut fleet, "a", 150);
    let plan = decide(&fleet);
    assert_eq!(check(&fleet, &plan), vec![]);
    assert_eq!(stopped(&plan), ["mail"]);
}

#[test]
fn the_first_tier_never_stops_before_all_others() {
    let mut fleet = full();
    cut(&mut fleet, "a", 129);
    let plan = decide(&fleet);
    assert_eq!(check(&fleet, &plan), vec![]);
    // All others together are 1 W too few. With the register stopped the small ones need not stop.
    assert_eq!(stopped(&plan), ["mail", "register"]);
    cut(&mut fleet, "a", 130);
    assert_eq!(stopped(&decide(&fleet)), ["kiosk", "map", "mail"]);
}

#[test]
fn nobody_ever_stops_for_a_ceiling_or_while_there_is_room_elsewhere() {
    let mut fleet = full();
    for site in fleet.sites.values_mut() {
        site.ceiling_percent = 10;
    }
    assert_eq!(stopped(&decide(&fleet)), [""; 0]);
    let mut fleet = full();
    fleet.servers.remove(&ServerId::new("city", "other"));
    cut(&mut fleet, "a", 160);
    let plan = decide(&fleet);
    assert_eq!(check(&fleet, &plan), vec![]);
    assert!(plan.shed.is_empty() && !plan.moves.is_empty());
}

#[test]
fn an_important_server_never_stays_down_for_a_lesser_one_where_its_data_is() {
    let mut fleet = full();
    let lost = fleet
        .servers
        .get_mut(&ServerId::new("city", "other"))
        .expect("there");
    (lost.cpu_milli, lost.memory_mib, lost.copies) = (2000, 2048, 2);
    lost.current
        .as_mut()
        .expect("placed")
        .copy_sites
        .insert("a".into());
    fleet.hosts.remove(&"b-h1".into());
    let down = decide(&fleet);
    assert_eq!(check(&fleet, &down), vec![]);
    assert_eq!(stopped(&down), ["kiosk", "map"]);
    assert_eq!(down.starts_if_shed.len(), 1);
    // The text is for the owner of the one that stops.
    assert!(!down.shed[0].to_string().contains("other"), "{}", down.shed[0]);
    // Nobody stops for one that is no more important.
    fleet
        .servers
        .get_mut(&ServerId::new("city", "other"))
        .expect("there")
        .tier = 3;
    assert_eq!(stopped(&decide(&fleet)), [""; 0]);
}

/// What has lost its host at site b and has a copy at site a.
fn lost(fleet: &mut Fleet, name: &str, cores: i64, tier: i64) {
    run(fleet, name, "b", cores, tier);
    let server = fleet
        .servers
        .get_mut(&ServerId::new("city", name))
        .expect("there");
    server.copies = 2;
    let current = server.current.as_mut().expect("placed");
    current.copy_sites.insert("a".into());
}

#[test]
fn nobody_is_told_to_stop_for_one_that_is_no_more_important() {
    let mut fleet = two_full_sites();
    let second = fleet.hosts[&"a-h1".into()].clone();
    fleet.hosts.insert("a-h2".into(), second);
    run(&mut fleet, "kiosk", "a", 8, 3);
    let kiosk = fleet
        .servers
        .get_mut(&ServerId::new("city", "kiosk"))
        .expect("there");
    kiosk.current.as_mut().expect("placed").host = Some("a-h2".into());
    lost(&mut fleet, "register", 7, 1);
    lost(&mut fleet, "map", 2, 3);
    fleet.hosts.remove(&"b-h1".into());
    // 280 W are drawn. The register starts on the first host when the kiosk stops; then there is room for the map where the kiosk was.
    fleet.racks.get_mut(&"a-r".into()).expect("there").feeds[0].watts = 290;
    let plan = decide(&fleet);
    assert_eq!(stopped(&plan), ["kiosk"]);
    assert_eq!(plan.starts_if_shed.len(), 2);
    let reason = ShedReason::Starts {
        server: ServerId::new("city", "register"),
        tier: 1,
    };
    assert_eq!(plan.shed[0].reason, reason);
    assert_eq!(check(&fleet, &plan), vec![]);
}

#[test]
fn a_checker_never_lets_a_wrong_stop_pass() {
    let mut fleet = full();
    cut(&mut fleet, "a", 160);
    let right = decide(&fleet);
    let faults = |change: &dyn Fn(&mut Plan)| {
        let mut wrong = right.clone();
        change(&mut wrong);
        check(&fleet, &wrong).len()
    };
    assert_ne!(faults(&|plan| drop(plan.shed.pop())), 0, "too few");
    assert_ne!(faults(&|plan| plan.shed.clear()), 0, "nobody");
    assert_ne!(faults(&|plan| plan.shed.push(plan.shed[0].clone())), 0, "twice");
    assert_ne!(faults(&|plan| plan.shed[0].tier = 1), 0, "another tier");
    let of = |name: &str| ServerId::new("city", name);
    assert_ne!(
        faults(&|plan| {
            plan.shed.truncate(1);
            plan.shed[0].server = of("mail");
            plan.shed[0].tier = 2;
        }),
        0,
        "a more important one"
    );
    assert_ne!(
        faults(&|plan| plan.shed[0].reason = ShedReason::Rack {
            rack: "a-r".into(),
            over_watts: 1
        }),
        0,
        "other watts"
    );
    let mut whole = fleet.clone();
    cut(&mut whole, "a", 180);
    let mut wrong = decide(&whole);
    wrong.shed.clone_from(&right.shed);
    assert_ne!(check(&whole, &wrong).len(), 0, "without need");
}

#[test]
fn nobody_who_has_to_stop_is_ever_left_out_of_a_plan() {
    // The hosts are full to the last core and MiB, or nearly; there is more than enough power.
    let short = |slack: i64, change: &dyn Fn(&mut Fleet)| {
        let mut fleet = full();
        for rack in fleet.racks.values_mut() {
            rack.feeds[0].watts = 500;
        }
        for host in fleet.hosts.values_mut() {
            (host.cpu_milli, host.memory_mib) = (host.cpu_milli + slack, host.memory_mib + slack);
        }
        change(&mut fleet);
        let right = decide(&fleet);
        assert_eq!(check(&fleet, &right), vec![]);
        assert_eq!(stopped(&right), ["kiosk"]);
        let mut silent = right.clone();
        silent.shed.clear();
        let faults = check(&fleet, &silent);
        let left_out = |fault: &raidc_planner::Fault| {
            fault.rule == raidc_planner::Rule::Shed && fault.message.contains("runs on")
        };
        assert!(faults.iter().any(left_out), "{faults:#?}");
    };
    for slack in [0, 100] {
        short(slack, &|fleet| cut(fleet, "a", 175));
        short(slack, &|fleet| {
            fleet.hosts.get_mut(&"a-h1".into()).expect("there").cpu_milli = 7500;
        });
        short(slack, &|fleet| {
            fleet.hosts.get_mut(&"a-h1".into()).expect("there").memory_mib = 8000;
        });
    }
}

#[test]
fn nobody_stops_who_would_not_help_for_one_of_whom_nothing_is_known() {
    let mut fleet = full();
    cut(&mut fleet, "a", 160);
    let host = fleet.hosts.get_mut(&"a-h1".into()).expect("there");
    host.usable = HostUse::NotReady;
    let plan = decide(&fleet);
    assert_eq!(check(&fleet, &plan), vec![]);
    assert_eq!(stopped(&plan), [""; 0]);
    // Nor for what it may have too little of.
    let mut small = fleet.clone();
    small.racks.get_mut(&"a-r".into()).expect("there").max_watts = None;
    small.hosts.get_mut(&"a-h1".into()).expect("there").memory_mib = 8000;
    let plan = decide(&small);
    assert_eq!(check(&small, &plan), vec![]);
    assert_eq!(stopped(&plan), [""; 0]);
    // Beside it one that draws the same whether it works or rests.
    let even = raidc_planner::Host {
        usable: HostUse::Usable,
        max_watts: 100,
        ..fleet.hosts[&"a-h1".into()].clone()
    };
    fleet.hosts.insert("a-h2".into(), even);
    run(&mut fleet, "clock", "a", 8, 3);
    let clock = fleet.servers.get_mut(&ServerId::new("city", "clock"));
    clock.expect("there").current.as_mut().expect("placed").host = Some("a-h2".into());
    let plan = decide(&fleet);
    assert_eq!(check(&fleet, &plan), vec![]);
    assert_eq!(stopped(&plan), [""; 0]);
}

/// The hosts of site a, one with the mail and one with the kiosk, and the register, which has lost its place at site b.
fn one_of_two() -> Fleet {
    let mut fleet = two_full_sites();
    fleet.racks.get_mut(&"a-r".into()).expect("there").feeds[0].watts = 500;
    let second = fleet.hosts[&"a-h1".into()].clone();
    fleet.hosts.insert("a-h2".into(), second);
    run(&mut fleet, "mail", "a", 8, 2);
    run(&mut fleet, "kiosk", "a", 8, 3);
    let kiosk = fleet.servers.get_mut(&ServerId::new("city", "kiosk"));
    kiosk.expect("there").current.as_mut().expect("placed").host = Some("a-h2".into());
    lost(&mut fleet, "register", 8, 1);
    fleet.hosts.remove(&"b-h1".into());
    fleet
}

#[test]
fn the_less_important_of_two_stops_where_either_would_do() {
    let fleet = one_of_two();
    let plan = decide(&fleet);
    assert_eq!(check(&fleet, &plan), vec![]);
    assert_eq!(stopped(&plan), ["kiosk"]);
}

fn server<'f>(fleet: &'f mut Fleet, name: &str) -> &'f mut Server {
    let id = ServerId::new("city", name);
    fleet.servers.get_mut(&id).expect("there")
}

#[test]
fn nobody_stops_for_one_that_could_not_start_there_even_so() {
    let stops = |change: &dyn Fn(&mut Fleet)| {
        let mut fleet = one_of_two();
        change(&mut fleet);
        let plan = decide(&fleet);
        assert_eq!(check(&fleet, &plan), vec![]);
        stopped(&plan).join(" ")
    };
    let use_of = |fleet: &mut Fleet, used: HostUse| {
        fleet.hosts.get_mut(&"a-h2".into()).expect("there").usable = used;
    };
    // Of a host that does not answer nothing is known; what runs on the other is more important.
    assert_eq!(stops(&|fleet| use_of(fleet, HostUse::NotReady)), "mail");
    // A rack that takes nothing new still starts what has its data there.
    assert_eq!(
        stops(&|fleet| {
            fleet.racks.get_mut(&"a-r".into()).expect("there").state = raidc_planner::State::Cordoned;
        }),
        "kiosk"
    );
    let apart = Some(raidc_planner::Apart {
        group: "g".to_owned(),
        by: raidc_planner::ApartBy::Host,
        domain: None,
    });
    assert_eq!(
        stops(&|fleet| {
            server(fleet, "kiosk").apart.clone_from(&apart);
            server(fleet, "register").apart.clone_from(&apart);
        }),
        "mail"
    );
    let together = Some(raidc_planner::Together {
        group: "t".to_owned(),
        by: raidc_planner::ApartBy::Host,
    });
    assert_eq!(
        stops(&|fleet| {
            let mut other = server(fleet, "mail").clone();
            other.current = None;
            (other.cpu_milli, other.together) = (16_000, together.clone());
            fleet.servers.insert(ServerId::new("city", "other"), other);
            server(fleet, "register").together.clone_from(&together);
        }),
        ""
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_ever_stops_without_need_or_before_a_lesser_one(
        fleet in fleets::new_fleet(),
        events in proptest::collection::vec(fleets::event(), 1..10),
        budget in prop_oneof![Just(0i64), Just(i64::MAX)],
    ) {
        let options = PlanOptions { max_moves: budget, ..PlanOptions::default() };
        let mut fleet = fleet;
        plan(&fleet, &options).feed_back(&mut fleet);
        for (number, event) in events.iter().enumerate() {
            fleets::happen(&mut fleet, event, number);
            let next = plan(&fleet, &options);
            prop_assert_eq!(check(&fleet, &next), vec![], "after {:?}", event);
            let excess = next.excesses.iter().any(|excess| !matches!(excess.of, ExcessOf::Site(_)));
            let homeless = next.waiting.keys().any(|id| match id {
                raidc_planner::DemandId::Server(id) => fleet.servers[id].current.is_some(),
                raidc_planner::DemandId::Colocation(_) => false,
            });
            prop_assert!(excess || homeless || next.shed.is_empty());
            for summary in &next.scenarios {
                let outcome = simulate_loss(&fleet, &next, &summary.scenario);
                prop_assert_eq!(confirm_shed(&fleet, &next, &outcome), vec![], "{}", &summary.scenario);
                let over = outcome.racks.values().any(|rack| rack.after_watts > rack.capacity_watts);
                let calm = !over && outcome.stranded.is_empty() && next.excesses.is_empty();
                prop_assert!(!calm || outcome.shed.is_empty());
            }
            next.feed_back(&mut fleet);
        }
    }
}
