//! Mending with the fewest moves: who leaves a rack that draws too much, and who follows one of its affinity group. No I/O.

#![allow(clippy::expect_used, reason = "a test may fail loudly")]

mod small;

use raidc_planner::{
    Apart, ApartBy, Fleet, HostUse, Placement, Plan, PlanOptions, Server, ServerId, State, Together, check,
    plan,
};
use small::sites;

/// A server of so many cores that runs on this host.
fn run(fleet: &mut Fleet, name: &str, host: &str, cores: i64, tier: i64) {
    let (site, _) = host.split_once('-').expect("a site's host");
    let current = Placement {
        site: site.into(),
        rack: format!("{site}-r").into(),
        host: Some(host.into()),
        ..Placement::default()
    };
    let server = Server {
        tenant: "city".into(),
        tier,
        cpu_milli: cores * 1000,
        memory_mib: 256,
        current: Some(current),
        ..Server::default()
    };
    fleet.servers.insert(ServerId::new("city", name), server);
}

fn limit(fleet: &mut Fleet, watts: i64) {
    let rack = fleet.racks.get_mut(&"a-r".into()).expect("rack");
    rack.max_watts = Some(watts);
}

/// Who moves, by name.
fn movers(fleet: &Fleet) -> Vec<String> {
    let made: Plan = plan(fleet, &PlanOptions::default());
    assert_eq!(check(fleet, &made), vec![]);
    let mut names: Vec<String> = made
        .moves
        .iter()
        .map(|moved| moved.server.name.to_string())
        .collect();
    names.sort();
    names
}

#[test]
fn nobody_leaves_a_rack_that_draws_no_less_without_them() {
    let mut fleet = sites(&["a", "b"]);
    for host in fleet.hosts.values_mut() {
        host.max_watts = host.idle_watts;
    }
    for name in ["one", "two", "three"] {
        run(&mut fleet, name, "a-h1", 1, 3);
    }
    limit(&mut fleet, 50);
    assert_eq!(movers(&fleet), Vec::<String>::new());
    // Nor when their going lessens it, and not enough: 100 W are drawn by the host itself.
    fleet.hosts.get_mut(&"a-h1".into()).expect("host").max_watts = 180;
    limit(&mut fleet, 99);
    assert_eq!(movers(&fleet), Vec::<String>::new());
    limit(&mut fleet, 100);
    assert_eq!(movers(&fleet), ["one", "three", "two"]);
    limit(&mut fleet, 120);
    assert_eq!(movers(&fleet), ["one"]);
}

#[test]
fn of_equals_the_important_one_never_leaves_first() {
    let mut fleet = sites(&["a", "b"]);
    // The rack's first host draws the same whatever runs; they run on its second.
    fleet.hosts.get_mut(&"a-h1".into()).expect("host").max_watts = 100;
    fleet.hosts.get_mut(&"a-h2".into()).expect("host").powered = true;
    for (name, tier) in [("register", 1), ("mail", 2), ("kiosk", 4), ("map", 3)] {
        run(&mut fleet, name, "a-h2", 1, tier);
    }
    limit(&mut fleet, 230);
    assert_eq!(movers(&fleet), ["kiosk"]);
    // None of them covers it alone.
    limit(&mut fleet, 225);
    assert_eq!(movers(&fleet), ["kiosk", "map"]);
}

#[test]
fn what_a_host_draws_until_it_sleeps_is_never_forgotten() {
    let mut fleet = sites(&["a", "b"]);
    run(&mut fleet, "big", "a-h1", 5, 3);
    run(&mut fleet, "alone", "a-h2", 1, 3);
    // 260 W are drawn. Without the small one its host sleeps, and 110 W fewer are.
    limit(&mut fleet, 200);
    assert_eq!(movers(&fleet), ["alone"]);
}

#[test]
fn a_member_that_leaves_a_host_never_takes_its_group_along_without_need() {
    let mut fleet = sites(&["a", "b"]);
    for (name, host) in [
        ("g1", "a-h1"),
        ("g2", "a-h2"),
        ("g3", "a-h1"),
        ("g4", "a-h2"),
        ("g5", "a-h2"),
    ] {
        run(&mut fleet, name, host, 1, 3);
    }
    for server in fleet.servers.values_mut() {
        server.together = Some(Together {
            group: "g".to_owned(),
            by: ApartBy::Site,
        });
    }
    fleet.hosts.get_mut(&"a-h1".into()).expect("host").usable = HostUse::Draining;
    assert_eq!(movers(&fleet), ["g1", "g3"]);
    // Of one host they all go.
    for server in fleet.servers.values_mut() {
        server.together.as_mut().expect("grouped").by = ApartBy::Host;
        server.current.as_mut().expect("placed").host = Some("a-h1".into());
    }
    assert_eq!(movers(&fleet).len(), 5);
}

fn server<'f>(fleet: &'f mut Fleet, name: &str) -> &'f mut Server {
    let id = ServerId::new("city", name);
    fleet.servers.get_mut(&id).expect("there")
}

/// Gives one that runs a reserve, and copies at these sites.
fn reserve(fleet: &mut Fleet, name: &str, host: Option<&str>, copies: &[&str]) {
    let server = server(fleet, name);
    server.copies = 1 + i64::try_from(copies.len()).expect("few");
    let current = server.current.as_mut().expect("placed");
    current.backup = host.map(Into::into);
    current.copy_sites = copies.iter().map(|&site| site.into()).collect();
}

/// Where one runs, where its reserve is, and the sites of its copies.
fn place(plan: &Plan, name: &str) -> (String, Option<String>, Vec<String>) {
    let decided = &plan.servers[&ServerId::new("city", name)];
    (
        decided.placement.host.to_string(),
        decided.backup.as_ref().map(|spot| spot.host.to_string()),
        decided.copy_sites.iter().map(ToString::to_string).collect(),
    )
}

fn decide(fleet: &Fleet) -> Plan {
    let made = plan(fleet, &PlanOptions::default());
    assert_eq!(check(fleet, &made), vec![]);
    made
}

/// The register was lost with site a, of which it has copies at these sites; nobody may start anew anywhere.
fn lost(fleet: &mut Fleet, cores: i64, copies: &[&str]) {
    run(fleet, "register", "a-h1", cores, 1);
    reserve(fleet, "register", None, copies);
    server(fleet, "register").released = true;
    fleet.sites.get_mut(&"a".into()).expect("there").state = State::Fenced;
    for site in fleet.sites.values_mut() {
        site.ceiling_percent = 1;
    }
}

#[test]
fn no_reserve_is_counted_on_where_one_that_was_down_has_started() {
    let mut fleet = sites(&["a", "b", "c"]);
    fleet.hosts.remove(&"b-h2".into());
    run(&mut fleet, "other", "c-h1", 4, 3);
    reserve(&mut fleet, "other", Some("b-h1"), &["b"]);
    lost(&mut fleet, 8, &["b"]);
    let made = decide(&fleet);
    assert_eq!(place(&made, "register").0, "b-h1");
    assert_eq!(place(&made, "other").1, None);
    // With another host beside it no reserve has to give way.
    let mut second = fleet.hosts[&"b-h1".into()].clone();
    second.powered = false;
    fleet.hosts.insert("b-h2".into(), second);
    let made = decide(&fleet);
    assert_eq!(place(&made, "register").0, "b-h2");
    assert_eq!(place(&made, "other").1.as_deref(), Some("b-h1"));
}

#[test]
fn one_that_starts_again_never_forgets_the_copy_that_is_left() {
    let mut fleet = sites(&["a", "b", "c"]);
    for host in ["c-h1", "c-h2"] {
        fleet.hosts.get_mut(&host.into()).expect("there").usable = HostUse::Cordoned;
    }
    lost(&mut fleet, 1, &["b", "c"]);
    let (host, reserve, copies) = place(&decide(&fleet), "register");
    assert!(host.starts_with("b-") && reserve.is_none());
    assert_eq!(copies, ["c"]);
}

#[test]
fn a_reserve_never_moves_because_its_server_goes_to_the_next_host() {
    let mut fleet = sites(&["a", "b"]);
    run(&mut fleet, "register", "a-h1", 1, 3);
    fleet.hosts.get_mut(&"a-h1".into()).expect("there").usable = HostUse::Draining;
    for host in ["b-h1", "b-h2"] {
        reserve(&mut fleet, "register", Some(host), &["b"]);
        let made = decide(&fleet);
        assert_eq!(place(&made, "register").0, "a-h2");
        assert_eq!(
            (place(&made, "register").1.as_deref(), made.moves.len()),
            (Some(host), 1)
        );
    }
    // One that can have no reserve has to leave the host all the same.
    fleet.sites.get_mut(&"b".into()).expect("there").state = State::Cordoned;
    reserve(&mut fleet, "register", None, &["b"]);
    assert_eq!(place(&decide(&fleet), "register").0, "a-h2");
}

#[test]
fn of_two_that_must_keep_apart_and_do_not_the_later_leaves() {
    let mut fleet = sites(&["a"]);
    for (name, created_at) in [("early", 1), ("late", 2)] {
        run(&mut fleet, name, "a-h1", 1, 3);
        server(&mut fleet, name).created_at = created_at;
        server(&mut fleet, name).apart = Some(Apart {
            group: "g".to_owned(),
            by: ApartBy::Host,
            domain: None,
        });
    }
    assert_eq!(movers(&fleet), ["late"]);
    server(&mut fleet, "early").created_at = 3;
    assert_eq!(movers(&fleet), ["early"]);
    // Of one fault domain they may stay.
    for name in ["early", "late"] {
        server(&mut fleet, name).apart.as_mut().expect("grouped").domain = Some("d".to_owned());
    }
    assert_eq!(movers(&fleet), Vec::<String>::new());
}

#[test]
fn a_group_never_moves_in_part_when_not_all_of_it_may_move() {
    let mut fleet = sites(&["a"]);
    for name in ["one", "two"] {
        run(&mut fleet, name, "a-h1", 1, 3);
        server(&mut fleet, name).together = Some(Together {
            group: "g".to_owned(),
            by: ApartBy::Host,
        });
    }
    fleet.hosts.get_mut(&"a-h1".into()).expect("there").usable = HostUse::Draining;
    for (max_moves, moves) in [(0, 0), (1, 0), (2, 2), (3, 2)] {
        let options = PlanOptions {
            max_moves,
            ..PlanOptions::default()
        };
        let made = plan(&fleet, &options);
        assert_eq!(check(&fleet, &made), vec![]);
        assert_eq!(made.moves.len(), moves, "at most {max_moves}");
    }
}

#[test]
fn nobody_goes_to_a_rack_that_shares_a_risk_with_a_further_copy() {
    let mut fleet = sites(&["a", "b", "c", "d"]);
    // The other rack of its site, and the site of its second copy, are at one river.
    let mut rack = fleet.racks[&"a-r".into()].clone();
    rack.shared_risks.insert("river".into());
    fleet.racks.insert("a-r2".into(), rack);
    fleet.hosts.get_mut(&"a-h2".into()).expect("there").rack = "a-r2".into();
    let site = fleet.sites.get_mut(&"c".into()).expect("there");
    site.shared_risks.insert("river".into());
    run(&mut fleet, "register", "a-h1", 1, 3);
    reserve(&mut fleet, "register", Some("b-h1"), &["b", "c"]);
    fleet.hosts.get_mut(&"a-h1".into()).expect("there").usable = HostUse::Draining;
    let (host, _, copies) = place(&decide(&fleet), "register");
    assert!(host != "a-h1" && copies.len() == 2, "{host} {copies:?}");
}

#[test]
fn no_more_moves_are_made_than_allowed() {
    let mut fleet = sites(&["a"]);
    for name in ["one", "two", "alone", "other"] {
        run(&mut fleet, name, "a-h1", 1, 3);
    }
    for name in ["one", "two"] {
        server(&mut fleet, name).together = Some(Together {
            group: "g".to_owned(),
            by: ApartBy::Host,
        });
    }
    fleet.hosts.get_mut(&"a-h1".into()).expect("there").usable = HostUse::Draining;
    for max_moves in 0..5 {
        let options = PlanOptions {
            max_moves,
            ..PlanOptions::default()
        };
        let made = plan(&fleet, &options);
        assert_eq!(check(&fleet, &made), vec![]);
        assert_eq!(i64::try_from(made.moves.len()), Ok(max_moves.min(4)));
    }
}

#[test]
fn one_that_was_released_starts_where_its_room_was_kept() {
    for host in ["b-h1", "b-h2"] {
        let mut fleet = sites(&["a", "b"]);
        run(&mut fleet, "register", "a-h1", 1, 3);
        reserve(&mut fleet, "register", Some(host), &["b"]);
        fleet.sites.get_mut(&"a".into()).expect("there").state = State::Fenced;
        server(&mut fleet, "register").released = true;
        assert_eq!(place(&decide(&fleet), "register").0, host);
        // One that was not released stays where it is, whatever is known of it.
        server(&mut fleet, "register").released = false;
        assert_eq!(
            place(&plan(&fleet, &PlanOptions::default()), "register").0,
            "a-h1"
        );
    }
}
