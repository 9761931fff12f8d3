//! The reserve of one that grows stays where it can, and else goes no further than it must. No I/O.

use raidc_planner::{Fleet, MoveReason, Placement, Plan, PlanOptions, Server, State, plan};

use crate::small::sites;
use crate::{ask, carry_out, id, of};

/// One that runs at site a, with its reserve on the second host of site b and copies at these sites.
fn reserved(copies: &[&str]) -> Fleet {
    let mut fleet = sites(&["a", "b", "c"]);
    let mut spec = Server {
        tenant: "city".into(),
        cpu_milli: 2000,
        memory_mib: 1024,
        storage_mib: 10,
        copies: 1 + i64::try_from(copies.len()).expect("few"),
        ..Server::default()
    };
    spec.granted = Some(spec.asked());
    spec.current = Some(Placement {
        site: "a".into(),
        rack: "a-r".into(),
        host: Some("a-h1".into()),
        backup: Some("b-h2".into()),
        copy_sites: copies.iter().map(|&site| site.into()).collect(),
    });
    fleet.servers.insert(id("first"), spec);
    fleet
}

fn reserve(plan: &Plan) -> Option<&str> {
    let backup = of(plan, "first").backup.as_ref();
    backup.map(|spot| spot.host.as_str())
}

#[test]
fn a_reserve_that_can_follow_never_moves() {
    let mut fleet = reserved(&["b"]);
    ask(&mut fleet, "first").cpu_milli = 3000;
    let made = carry_out(&mut fleet);
    assert_eq!(
        (of(&made, "first").growth.is_none(), reserve(&made)),
        (true, Some("b-h2"))
    );
    // Of more disk it takes nothing more, wherever it is.
    let mut closed = fleet.racks[&"b-r".into()].clone();
    closed.state = State::Cordoned;
    fleet.racks.insert("b-r2".into(), closed);
    fleet.hosts.get_mut(&"b-h2".into()).expect("host").rack = "b-r2".into();
    ask(&mut fleet, "first").storage_mib = 50;
    let made = carry_out(&mut fleet);
    assert_eq!(
        (of(&made, "first").growth.is_none(), reserve(&made)),
        (true, Some("b-h2"))
    );
}

#[test]
fn a_reserve_that_cannot_follow_stays_at_its_site_if_it_can() {
    let mut fleet = reserved(&["b", "c"]);
    fleet.hosts.get_mut(&"b-h2".into()).expect("host").cpu_milli = 2000;
    ask(&mut fleet, "first").cpu_milli = 3000;
    let made = plan(&fleet, &PlanOptions::default());
    assert_eq!(reserve(&made), Some("b-h1"));
    let reasons: Vec<_> = made.moves.iter().map(|moved| moved.reason).collect();
    assert_eq!(reasons, [MoveReason::ReserveInvalid]);
    // A further copy at a closed site does not hold up what needs no more disk.
    fleet.sites.get_mut(&"c".into()).expect("site").state = State::Cordoned;
    let made = carry_out(&mut fleet);
    assert!(of(&made, "first").growth.is_none());
}
