//! What a loss takes, what it leaves, and what the plan says of it. No I/O.

use crate::fixture::{at, found, id, running, sound, spot};
use raidc_planner::{ApartBy, Plan, PlanOptions, Rule, Scenario, State, Survival, check, plan};

#[test]
fn no_group_meets_now_or_after_a_loss() {
    let (fleet, made) = sound();
    let mut now = made.clone();
    at(&mut now, 1).placement = made.servers[&id(0)].placement.clone();
    found(&fleet, &now, Rule::Apart, "server/kuldiga/s0", "now");
    // Both fall with site a, and both would start on one host.
    let mut after = made.clone();
    for (server, host) in [(0, "a-r1-h1"), (1, "a-r2-h1")] {
        let plan = at(&mut after, server);
        (plan.placement, plan.backup) = (spot(host), Some(spot("b-r1-h1")));
        plan.copy_sites = ["b".into()].into();
    }
    found(&fleet, &after, Rule::Apart, "server/kuldiga/s0", "after site/a");
    // One falls and starts where the other runs.
    at(&mut after, 1).placement = spot("b-r1-h1");
    at(&mut after, 1).backup = Some(spot("c-r1-h1"));
    found(
        &fleet,
        &after,
        Rule::Apart,
        "server/kuldiga/s0",
        "after rack/a-r1",
    );
    for by in [ApartBy::Rack, ApartBy::Site] {
        let mut fleet = fleet.clone();
        let apart = fleet.servers.get_mut(&id(0)).expect("server").apart.as_mut();
        apart.expect("in a group").by = by;
        at(&mut now, 0).placement = spot("c-r1-h1");
        at(&mut now, 1).placement = spot(if by == ApartBy::Rack { "c-r1-h2" } else { "c-r2-h1" });
        found(&fleet, &now, Rule::Apart, "server/kuldiga/s0", "now");
    }
}

#[test]
fn no_loss_leaves_more_on_a_host_or_rack_than_it_carries() {
    let (fleet, made) = sound();
    let mut heap = made.clone();
    for server in 0..9 {
        let plan = at(&mut heap, server);
        (plan.placement, plan.backup) = (spot("a-r1-h1"), Some(spot("b-r2-h1")));
        plan.copy_sites = ["b".into()].into();
    }
    found(&fleet, &heap, Rule::Survives, "host/b-r2-h1", "after site/a");
    let mut poor = fleet.clone();
    poor.racks.get_mut(&"b-r2".into()).expect("rack").max_watts = Some(250);
    found(&poor, &heap, Rule::Survives, "rack/b-r2", "after rack/a-r1");
}

#[test]
fn no_held_server_falls_with_anything_but_its_rack_or_site() {
    let (mut fleet, _) = running();
    let server = fleet.servers.get_mut(&id(5)).expect("server");
    let place = server.current.clone().expect("a place");
    fleet.hosts.remove(place.host.as_ref().expect("a host"));
    fleet.sites.get_mut(&place.site).expect("site").state = State::Unknown;
    let held = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &held), vec![]);
    assert!(held.servers[&id(5)].held.is_some());
    let displaced = |plan: &Plan, scenario: &str| {
        let scenario: Scenario = scenario.parse().expect("a scenario");
        let mut summaries = plan.scenarios.iter();
        summaries
            .find(|summary| summary.scenario == scenario)
            .map(|summary| summary.displaced)
    };
    let rack = format!("rack/{}", place.rack);
    assert!(displaced(&held, &rack) > Some(0));
    // A record of a rack that stands elsewhere is not believed: it falls with the recorded site only.
    let other = if place.site.as_str() == "a" {
        "b-r1"
    } else {
        "a-r1"
    };
    let mut torn = fleet.clone();
    let current = torn.servers.get_mut(&id(5)).expect("server").current.as_mut();
    current.expect("a place").rack = other.into();
    let mut plan = held.clone();
    at(&mut plan, 5).placement.rack = other.into();
    found(&torn, &plan, Rule::Ledger, &rack, "was counted");
    let faults = check(&torn, &plan);
    let wrong = |what: String| {
        faults
            .iter()
            .any(|fault| fault.what == what && fault.rule == Rule::Ledger)
    };
    assert!(
        !wrong(format!("rack/{other}")) && !wrong(format!("site/{}", place.site)),
        "{faults:#?}"
    );
}

#[test]
fn no_site_is_said_to_survive_what_strands_a_server() {
    let (mut fleet, _) = running();
    // Only one site is left that takes anything: nobody there can have a reserve.
    for site in ["b", "c", "d"] {
        fleet.sites.get_mut(&site.into()).expect("site").state = State::Cordoned;
    }
    for server in fleet.servers.values_mut() {
        server.current = None;
    }
    fleet.servers.get_mut(&id(7)).expect("server").current = Some(raidc_planner::Placement {
        site: "a".into(),
        rack: "a-r1".into(),
        host: Some("a-r1-h1".into()),
        ..raidc_planner::Placement::default()
    });
    let bare = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &bare), vec![]);
    let loses = Survival::Loses {
        first: id(7),
        servers: 1,
    };
    assert_eq!(bare.sites[&"a".into()].survives, loses);
    for survives in [
        Survival::Survives,
        Survival::Loses {
            first: id(6),
            servers: 1,
        },
        Survival::Loses {
            first: id(7),
            servers: 2,
        },
    ] {
        let mut forged = bare.clone();
        forged.sites.get_mut(&"a".into()).expect("site").survives = survives;
        found(&fleet, &forged, Rule::Ledger, "site/a", "strands");
    }
}

#[test]
fn no_host_is_full_after_a_loss_before_the_last_core_or_mib_or_after_it() {
    let (mut fleet, mut made) = sound();
    // Two that start there when their site is lost, beside one that runs there; all others are elsewhere.
    for server in 0..10 {
        let plan = at(&mut made, server);
        (plan.placement, plan.backup) = (spot("c-r1-h1"), Some(spot("d-r1-h1")));
        plan.copy_sites = ["d".into()].into();
    }
    for server in [5, 6] {
        let plan = at(&mut made, server);
        (plan.placement, plan.backup) = (spot("a-r1-h1"), Some(spot("b-r2-h1")));
    }
    at(&mut made, 7).placement = spot("b-r2-h1");
    let mut full = |cpu: i64, memory: i64| {
        let host = fleet.hosts.get_mut(&"b-r2-h1".into()).expect("host");
        (host.cpu_milli, host.memory_mib) = (cpu, memory);
        let mut faults = check(&fleet, &made).into_iter();
        faults.any(|fault| fault.rule == Rule::Survives && fault.what == "host/b-r2-h1")
    };
    let (cpu, memory) = (2500 + 2600 + 2700, 3 * 4196);
    assert!(!full(cpu, memory));
    assert!(full(cpu - 1, memory) && full(cpu, memory - 1));
    assert!(full(2700, memory) && full(cpu, 4196));
}
