//! A risk that the policy lets a server and its reserve share is still shared last. No I/O.

#![allow(clippy::expect_used, reason = "a test may fail loudly")]

mod small;

use raidc_planner::{
    Fleet, HostName, Placement, Plan, PlanOptions, Server, ServerId, ServerPlan, Spread, State, check, plan,
};
use small::sites;

/// Three sites, two of which a river may flood together; the third is the fullest.
fn at_a_river() -> Fleet {
    let mut fleet = sites(&["a", "b", "c"]);
    for site in ["a", "b"] {
        let spec = fleet.sites.get_mut(&site.into()).expect("there");
        spec.shared_risks.insert("river".into());
    }
    let mut busy = register(1);
    busy.cpu_milli = 4000;
    busy.current = Some(at("c"));
    fleet.servers.insert(ServerId::new("city", "busy"), busy);
    fleet
}

fn at(site: &str) -> Placement {
    Placement {
        site: site.into(),
        rack: format!("{site}-r").into(),
        host: Some(HostName::from(format!("{site}-h1"))),
        ..Placement::default()
    }
}

/// One that may have its copies at sites that share a risk.
fn register(copies: i64) -> Server {
    Server {
        tenant: "city".into(),
        cpu_milli: 1000,
        memory_mib: 64,
        copies,
        spread: Spread::Site,
        ..Server::default()
    }
}

fn decide(fleet: &Fleet) -> Plan {
    let made = plan(fleet, &PlanOptions::default());
    assert_eq!(check(fleet, &made), vec![]);
    made
}

/// Whether the river takes both the server and its reserve.
fn flooded(decided: &ServerPlan) -> bool {
    let reserve = decided.backup.as_ref().expect("reserved");
    decided.placement.site.as_str() != "c" && reserve.site.as_str() != "c"
}

#[test]
fn no_reserve_shares_a_risk_while_another_site_has_room() {
    let id = ServerId::new("city", "register");
    let mut fleet = at_a_river();
    // A new one, and one that runs and has no reserve yet.
    for current in [None, Some(at("a"))] {
        let mut server = register(2);
        server.current = current;
        fleet.servers.insert(id.clone(), server);
        assert!(!flooded(&decide(&fleet).servers[&id]));
    }
    // Its policy lets it: better so than without a reserve.
    fleet.sites.get_mut(&"c".into()).expect("there").state = State::Cordoned;
    assert!(flooded(&decide(&fleet).servers[&id]));
}

#[test]
fn no_batch_shares_a_risk_while_another_site_has_room() {
    let mut fleet = at_a_river();
    for host in fleet.hosts.values_mut() {
        host.cpu_milli = 100_000;
    }
    for number in 0..70 {
        let id = ServerId::new("city", format!("new-{number:02}"));
        fleet.servers.insert(id, register(2));
    }
    let made = decide(&fleet);
    let new = made.servers.iter().filter(|(id, _)| &*id.name != "busy");
    let flooded: Vec<_> = new.filter(|(_, decided)| flooded(decided)).collect();
    assert!(made.waiting.is_empty() && flooded.is_empty(), "{flooded:#?}");
}
