//! A server and its copies within the sites of one storage class, where there are several. No I/O.

#![allow(clippy::expect_used, reason = "a test may fail loudly")]

mod small;

use raidc_planner::{
    Fleet, Placement, Plan, PlanOptions, Server, ServerId, SiteName, State, WaitingOn, check,
    confirm_waiting, plan,
};
use small::sites;

/// Four sites; the classes of the policy span a and b, and c and d.
fn fleet(servers: i64, copies: i64) -> Fleet {
    let mut fleet = sites(&["a", "b", "c", "d"]);
    for at in 0..servers {
        let server = Server {
            tenant: "city".into(),
            cpu_milli: 250,
            memory_mib: 128,
            copies,
            created_at: at,
            site_sets: vec![["a".into(), "b".into()].into(), ["c".into(), "d".into()].into()],
            ..Server::default()
        };
        fleet
            .servers
            .insert(ServerId::new("city", format!("s{at}")), server);
    }
    fleet
}

fn decide(fleet: &Fleet) -> Plan {
    let made = plan(fleet, &PlanOptions::default());
    assert_eq!(check(fleet, &made), vec![]);
    assert_eq!(confirm_waiting(fleet, &made), vec![]);
    made
}

/// The sites of the primary and the copies, in order.
fn places(made: &Plan) -> Vec<String> {
    let of = |placed: &raidc_planner::ServerPlan| {
        let mut sites: Vec<&SiteName> = placed.copy_sites.iter().collect();
        sites.push(&placed.placement.site);
        sites.sort();
        sites.iter().map(ToString::to_string).collect()
    };
    made.servers.values().map(of).collect()
}

#[test]
fn no_copy_is_put_where_the_class_of_the_server_does_not_reach() {
    // One by one, and all at once.
    for servers in [8, 100] {
        let made = decide(&fleet(servers, 2));
        assert!(made.waiting.is_empty());
        let places = places(&made);
        assert!(
            places.iter().all(|sites| ["ab", "cd"].contains(&&**sites)),
            "{places:?}"
        );
        // Many fill both.
        let both = places.contains(&"ab".to_owned()) && places.contains(&"cd".to_owned());
        assert!(both || servers < 100, "{places:?}");
    }
}

#[test]
fn a_server_whose_classes_are_all_too_narrow_is_never_told_to_wait_for_room() {
    let made = decide(&fleet(1, 3));
    let waiting = made.waiting.values().next().expect("it waits");
    assert_eq!(waiting.on, WaitingOn::NoSecondSite { copies: 3, sites: 2 });
    let mut closed = fleet(1, 2);
    for site in ["b", "c"] {
        closed.sites.get_mut(&site.into()).expect("site").state = State::Cordoned;
    }
    let made = decide(&closed);
    let waiting = made.waiting.values().next().expect("it waits");
    assert_eq!(waiting.on, WaitingOn::NoSecondSite { copies: 2, sites: 1 });
}

#[test]
fn a_copy_that_has_to_leave_never_goes_to_another_class() {
    let mut fleet = fleet(4, 2);
    decide(&fleet).feed_back(&mut fleet);
    fleet.sites.get_mut(&"b".into()).expect("site").state = State::Draining;
    let made = decide(&fleet);
    let places = places(&made);
    assert!(
        places.iter().all(|sites| !sites.contains('b') || sites == "ab"),
        "{places:?}"
    );
    assert!(
        places.iter().all(|sites| sites != "ac" && sites != "ad"),
        "{places:?}"
    );
}

#[test]
fn copies_that_lie_across_classes_already_are_never_thrown_away() {
    let mut fleet = fleet(1, 2);
    let id = ServerId::new("city", "s0");
    let placed = Placement {
        site: "a".into(),
        rack: "a-r".into(),
        host: Some("a-h1".into()),
        backup: Some("c-h1".into()),
        copy_sites: ["c".into()].into(),
    };
    fleet.servers.get_mut(&id).expect("server").current = Some(placed);
    let made = decide(&fleet);
    assert_eq!(places(&made), ["ac"]);
    // The checker asks it of what is new.
    fleet.servers.get_mut(&id).expect("server").current = None;
    assert!(!check(&fleet, &made).is_empty());
}

#[test]
fn a_server_that_may_run_only_where_its_copies_may_not_be_is_never_told_of_too_few_sites() {
    let mut fleet = fleet(2, 2);
    let apart = |by| {
        Some(raidc_planner::Apart {
            group: "db".to_owned(),
            by,
            domain: None,
        })
    };
    let mut servers = fleet.servers.values_mut();
    let (first, second) = (servers.next().expect("one"), servers.next().expect("two"));
    first.site_sets.pop();
    first.apart = apart(raidc_planner::ApartBy::Host);
    // All of it fits the first set, where the group is; the second has two sites that exist.
    second.copies = 3;
    second.site_sets = vec![
        ["a".into(), "b".into(), "c".into()].into(),
        ["d".into(), "c".into(), "gone".into()].into(),
    ];
    second.apart = apart(raidc_planner::ApartBy::Site);
    fleet.hosts.retain(|_, host| host.site != "c".into());
    let made = decide(&fleet);
    let waiting = made.waiting.values().next().expect("the second waits");
    assert!(
        matches!(waiting.on, WaitingOn::ApartGroup { .. }),
        "{:?}",
        waiting.on
    );
}
