//! Room that is there in pieces: who may be put elsewhere so that another gets in, and who may not. No I/O.

#[allow(dead_code, reason = "each test binary uses its own part")]
mod fleets;

use proptest::prelude::*;
use raidc_planner::{
    Feed, Fleet, Host, HostName, MoveKind, MoveReason, Placement, PlanOptions, Rack, Server, ServerId, Site,
    Tenant, check, plan,
};

const MOVING: PlanOptions = PlanOptions {
    max_moves: i64::MAX,
    make_room_by_moves: true,
};

/// Two hosts of eight cores at one site; on each a server of two cores, so that six and six are left.
fn in_pieces() -> Fleet {
    let mut fleet = Fleet::default();
    fleet.tenants.insert("city".into(), Tenant::default());
    fleet.sites.insert(
        "a".into(),
        Site {
            ceiling_percent: 100,
            ..Site::default()
        },
    );
    fleet.racks.insert(
        "r".into(),
        Rack {
            site: "a".into(),
            feeds: vec![Feed {
                name: "f".to_owned(),
                watts: 5000,
                panel: None,
            }],
            ..Rack::default()
        },
    );
    for name in ["h1", "h2"] {
        let host = Host {
            rack: "r".into(),
            site: "a".into(),
            cpu_milli: 8000,
            memory_mib: 32768,
            powered: true,
            ..Host::default()
        };
        fleet.hosts.insert(name.into(), host);
        let server = Server {
            current: Some(Placement {
                site: "a".into(),
                rack: "r".into(),
                host: Some(HostName::from(name)),
                ..Placement::default()
            }),
            ..server(2, 2)
        };
        fleet
            .servers
            .insert(ServerId::new("city", format!("on-{name}")), server);
    }
    fleet.servers.insert(ServerId::new("city", "large"), server(8, 2));
    fleet
}

fn server(cores: i64, tier: i64) -> Server {
    Server {
        tenant: "city".into(),
        tier,
        cpu_milli: cores * 1000,
        memory_mib: cores * 1024,
        ..Server::default()
    }
}

fn large() -> ServerId {
    ServerId::new("city", "large")
}

#[test]
fn what_runs_is_never_moved_for_a_new_one_unless_that_is_allowed() {
    let fleet = in_pieces();
    let kept = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &kept), vec![]);
    assert!(kept.moves.is_empty());
    assert!(kept.waiting.contains_key(&large().into()));

    let moved = plan(&fleet, &MOVING);
    assert_eq!(check(&fleet, &moved), vec![]);
    assert!(moved.servers.contains_key(&large()));
    assert_eq!(moved.moves.len(), 1, "{:?}", moved.moves);
    assert_eq!(moved.moves[0].reason, MoveReason::MakesRoom);
}

#[test]
fn no_important_server_ever_moves_for_a_less_important_one() {
    let mut fleet = in_pieces();
    fleet.servers.insert(large(), server(8, 3));
    let plan = plan(&fleet, &MOVING);
    assert_eq!(check(&fleet, &plan), vec![]);
    assert!(plan.moves.is_empty());
    assert!(plan.waiting.contains_key(&large().into()));
}

#[test]
fn a_budget_of_no_moves_is_never_spent_on_making_room() {
    let fleet = in_pieces();
    let options = PlanOptions {
        max_moves: 0,
        ..MOVING
    };
    let plan = plan(&fleet, &options);
    assert!(plan.moves.is_empty());
    assert!(plan.waiting.contains_key(&large().into()));
}

#[test]
fn a_server_never_waits_because_of_where_a_new_one_was_put_first() {
    // The first of the batch takes a whole host's worth of neither; the second needs a whole host.
    let mut fleet = in_pieces();
    fleet.servers.remove(&ServerId::new("city", "on-h2"));
    for (name, cores, tier) in [("first", 3, 1), ("second", 3, 1), ("large", 5, 2)] {
        fleet
            .servers
            .insert(ServerId::new("city", name), server(cores, tier));
    }
    let plan = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &plan), vec![]);
    assert!(plan.waiting.is_empty(), "{:?}", plan.waiting);
    assert!(plan.moves.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn making_room_never_breaks_a_rule_copies_data_or_goes_on_for_ever(
        fleet in fleets::new_fleet(),
        events in proptest::collection::vec(fleets::event(), 1..8),
    ) {
        let mut fleet = fleet;
        plan(&fleet, &MOVING).feed_back(&mut fleet);
        for (number, event) in events.iter().enumerate() {
            fleets::happen(&mut fleet, event, number);
            let next = plan(&fleet, &MOVING);
            prop_assert_eq!(check(&fleet, &next), vec![], "after {:?}", event);
            for moved in next.moves.iter().filter(|moved| moved.reason == MoveReason::MakesRoom) {
                let server = &fleet.servers[&moved.server];
                let before = server.current.as_ref().map(|current| &current.copy_sites);
                prop_assert_eq!(before, Some(&next.servers[&moved.server].copy_sites));
                prop_assert!(moved.kind != MoveKind::Copy);
            }
            let strict = plan(&fleet, &PlanOptions::default());
            let live = |moved: &raidc_planner::Move| {
                moved.kind == MoveKind::Primary && moved.reason == MoveReason::MakesRoom
            };
            prop_assert!(!strict.moves.iter().any(live));
            let mut after = fleet.clone();
            next.feed_back(&mut after);
            let again = plan(&after, &MOVING);
            prop_assert_eq!(&again.moves, &vec![], "again after {:?}", event);
            prop_assert_eq!(&again.id, &next.id);
            fleet = after;
        }
    }
}
