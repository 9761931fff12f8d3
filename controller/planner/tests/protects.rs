//! What a running server lacks of its policy is made up for, as far as it can be had. No I/O.

#![allow(clippy::expect_used, reason = "a test may fail loudly")]

mod small;

use raidc_planner::{
    Fleet, HostName, HostUse, Placement, Plan, PlanOptions, Scenario, Server, ServerId, ServerPlan, SiteSet,
    State, check, plan, simulate_loss,
};
use small::sites;

fn register() -> ServerId {
    ServerId::new("city", "register")
}

/// The register runs at site a with a copy and a reserve at site b.
fn runs(fleet: &mut Fleet, backup: &str, copies: i64, warm: bool) {
    let server = Server {
        tenant: "city".into(),
        cpu_milli: 1000,
        memory_mib: 1024,
        copies,
        warm,
        current: Some(Placement {
            site: "a".into(),
            rack: "a-r".into(),
            host: Some("a-h1".into()),
            backup: Some(HostName::from(backup)),
            copy_sites: ["b".into()].into(),
        }),
        ..Server::default()
    };
    fleet.servers.insert(register(), server);
}

fn decide(fleet: &Fleet) -> Plan {
    let made = plan(fleet, &PlanOptions::default());
    assert_eq!(check(fleet, &made), vec![]);
    made
}

fn decided(plan: &Plan) -> &ServerPlan {
    &plan.servers[&register()]
}

fn reserve(plan: &Plan) -> Option<&str> {
    decided(plan).backup.as_ref().map(|spot| spot.host.as_str())
}

#[test]
fn one_that_must_start_at_once_never_waits_for_a_host_that_fell_asleep() {
    let mut fleet = sites(&["a", "b"]);
    runs(&mut fleet, "b-h2", 2, true);
    assert_eq!(reserve(&decide(&fleet)), Some("b-h1"));
    // One that has time stays where it is kept.
    runs(&mut fleet, "b-h2", 2, false);
    let made = decide(&fleet);
    assert_eq!(reserve(&made), Some("b-h2"));
    assert!(made.moves.is_empty());
}

#[test]
fn a_stricter_policy_never_leaves_out_the_further_copy() {
    let mut fleet = sites(&["a", "b", "c"]);
    runs(&mut fleet, "b-h1", 3, false);
    let made = decide(&fleet);
    let copies: Vec<&str> = decided(&made)
        .copy_sites
        .iter()
        .map(raidc_planner::SiteName::as_str)
        .collect();
    assert_eq!(copies, ["b", "c"]);
    assert_eq!(reserve(&made), Some("b-h1"));
    assert_eq!(made.moves.len(), 1, "the copy: {:?}", made.moves);
    // What has enough stays as it is.
    let mut carried_out = fleet.clone();
    made.feed_back(&mut carried_out);
    let again = decide(&carried_out);
    assert_eq!(again.servers, made.servers);
    assert!(again.moves.is_empty());
}

#[test]
fn a_copy_that_can_be_had_is_never_given_up_for_one_that_cannot() {
    let mut fleet = sites(&["a", "b", "c"]);
    fleet.sites.get_mut(&"c".into()).expect("there").state = State::Cordoned;
    // Two copies are asked for and only one site takes any.
    runs(&mut fleet, "b-h1", 3, false);
    fleet
        .servers
        .get_mut(&register())
        .expect("there")
        .current
        .as_mut()
        .expect("placed")
        .backup = None;
    let made = decide(&fleet);
    let copies: Vec<&str> = decided(&made)
        .copy_sites
        .iter()
        .map(raidc_planner::SiteName::as_str)
        .collect();
    assert_eq!(copies, ["b"]);
    assert!(decided(&made).unprotected.is_some(), "and it is said");
    // Without even that copy it gets one.
    let current = fleet
        .servers
        .get_mut(&register())
        .expect("there")
        .current
        .as_mut();
    current.expect("placed").copy_sites = SiteSet::default();
    let copies = decided(&decide(&fleet)).copy_sites.len();
    assert_eq!(copies, 1);
}

#[test]
fn a_reserve_never_takes_the_site_that_leaves_the_further_copy_none() {
    let mut fleet = sites(&["a", "b", "c", "d"]);
    // The second site shares a risk with each of the others; those two share none.
    for (site, risks) in [("b", &["rail", "river"][..]), ("c", &["rail"]), ("d", &["river"])] {
        let site = fleet.sites.get_mut(&site.into()).expect("there");
        site.shared_risks = risks.iter().map(|&risk| risk.into()).collect();
    }
    runs(&mut fleet, "b-h1", 3, false);
    let current = fleet
        .servers
        .get_mut(&register())
        .expect("there")
        .current
        .as_mut();
    let current = current.expect("placed");
    (current.backup, current.copy_sites) = (None, [].into());
    let made = decide(&fleet);
    let copies: Vec<&str> = decided(&made)
        .copy_sites
        .iter()
        .map(raidc_planner::SiteName::as_str)
        .collect();
    assert_eq!(copies, ["c", "d"]);
    assert!(decided(&made).unprotected.is_none());
}

/// The sites of its copies when it has these on record, no reserve, and so many copies in its policy.
fn keeps(fleet: &Fleet, copies: i64, recorded: &[&str]) -> Vec<String> {
    let mut fleet = fleet.clone();
    runs(&mut fleet, "b-h1", copies, false);
    let current = fleet
        .servers
        .get_mut(&register())
        .expect("there")
        .current
        .as_mut();
    let current = current.expect("placed");
    current.backup = None;
    current.copy_sites = recorded.iter().map(|&site| site.into()).collect();
    let made = decide(&fleet);
    let copies = decided(&made).copy_sites.iter();
    copies.map(ToString::to_string).collect()
}

#[test]
fn no_copy_is_ever_forgotten_for_want_of_a_host_to_start_on() {
    let mut fleet = sites(&["a", "b", "c", "d"]);
    fleet.sites.get_mut(&"d".into()).expect("there").state = State::Cordoned;
    for host in ["b-h1", "b-h2"] {
        fleet.hosts.get_mut(&host.into()).expect("there").usable = HostUse::Cordoned;
    }
    // One too few can be had: those there are stay, with a reserve where there is a host, and without one.
    assert_eq!(keeps(&fleet, 4, &["b", "c"]), ["b", "c"]);
    fleet.sites.get_mut(&"c".into()).expect("there").state = State::Cordoned;
    assert_eq!(keeps(&fleet, 4, &["b"]), ["b"]);
    assert_eq!(keeps(&fleet, 3, &["b", "c"]), ["b", "c"]);
    // A site that is proven to be off keeps nothing.
    fleet.sites.get_mut(&"c".into()).expect("there").state = State::Fenced;
    assert_eq!(keeps(&fleet, 4, &["b", "c"]), ["b"]);
    // One that is being emptied keeps them until there is another place.
    let mut fleet = sites(&["a", "b"]);
    fleet.sites.get_mut(&"b".into()).expect("there").state = State::Draining;
    assert_eq!(keeps(&fleet, 2, &["b"]), ["b"]);
    // Of two that share a risk only one counts.
    let mut fleet = sites(&["a", "b", "c"]);
    for site in ["b", "c"] {
        let site = fleet.sites.get_mut(&site.into()).expect("there");
        site.shared_risks.insert("river".into());
    }
    assert_eq!(keeps(&fleet, 4, &["b", "c"]).len(), 1);
    for host in fleet.hosts.values_mut() {
        host.usable = HostUse::Cordoned;
    }
    assert_eq!(keeps(&fleet, 4, &["b", "c"]).len(), 1);
}

#[test]
fn no_copy_leaves_a_site_for_one_with_more_room() {
    let mut fleet = sites(&["a", "b", "c", "d"]);
    for server in 0..3 {
        runs(&mut fleet, "b-h1", 1, false);
        let mut full = fleet.servers.remove(&register()).expect("there");
        full.storage_mib = 100;
        let current = full.current.as_mut().expect("placed");
        (current.backup, current.copy_sites) = (None, [].into());
        let site = ["b", "c", "d"][server];
        (current.site, current.rack) = (site.into(), format!("{site}-r").into());
        current.host = Some(HostName::from(format!("{site}-h1")));
        if site != "b" {
            fleet.servers.insert(ServerId::new("city", site), full);
        }
    }
    assert_eq!(keeps(&fleet, 3, &["c", "d"]), ["c", "d"]);
}

#[test]
fn one_that_has_lost_its_reserve_is_never_told_as_one_that_asked_for_none() {
    let mut fleet = sites(&["a", "b"]);
    fleet.sites.get_mut(&"b".into()).expect("there").state = State::Cordoned;
    runs(&mut fleet, "b-h1", 2, false);
    let mut map = fleet.servers[&register()].clone();
    let current = fleet
        .servers
        .get_mut(&register())
        .expect("there")
        .current
        .as_mut();
    current.expect("placed").backup = None;
    map.copies = 1;
    let current = map.current.as_mut().expect("placed");
    (current.backup, current.copy_sites) = (None, [].into());
    fleet.servers.insert(ServerId::new("city", "map"), map);
    let made = decide(&fleet);
    assert!(decided(&made).backup.is_none());
    let lost = simulate_loss(&fleet, &made, &Scenario::Site("a".into()));
    assert_eq!(lost.stranded, [register()]);
    assert_eq!(lost.single_copy, [ServerId::new("city", "map")]);
}

#[test]
fn a_third_copy_is_never_out_of_reach_within_one_set_of_sites() {
    let mut fleet = sites(&["a", "b", "c", "d"]);
    runs(&mut fleet, "b-h1", 3, false);
    let server = fleet.servers.get_mut(&register()).expect("there");
    server.current = None;
    server.site_sets = vec![["b".into(), "c".into(), "d".into()].into()];
    let made = decide(&fleet);
    let placed = decided(&made);
    let mut all = vec![placed.placement.site.to_string()];
    all.extend(placed.copy_sites.iter().map(ToString::to_string));
    all.sort();
    assert_eq!(all, ["b", "c", "d"]);
}
