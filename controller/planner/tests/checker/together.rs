//! Servers that belong together are, now and after a loss. No I/O.

use crate::fixture::{at, fleet, id, spot};
use raidc_planner::{ApartBy, Fleet, Plan, PlanOptions, Rule, Together, check, plan};

/// The fleet with 5, 6 and 7 in a group that stays at one site.
fn grouped() -> (Fleet, Plan) {
    let mut fleet = fleet();
    for server in 5..8 {
        together(&mut fleet, server, "t", ApartBy::Site);
    }
    let made = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &made), vec![]);
    (fleet, made)
}

fn together(fleet: &mut Fleet, server: i64, group: &str, by: ApartBy) {
    let group = group.to_owned();
    fleet.servers.get_mut(&id(server)).expect("server").together = Some(Together { group, by });
}

/// What the checker says of groups that are torn.
fn torn(fleet: &Fleet, plan: &Plan) -> Vec<String> {
    let faults = check(fleet, plan).into_iter();
    faults
        .filter(|fault| fault.rule == Rule::Together)
        .map(|fault| format!("{} {}", fault.what, fault.message))
        .collect()
}

/// Puts the servers and their reserves there.
fn put(plan: &mut Plan, places: &[(i64, &str, &str)]) {
    for &(server, host, reserve) in places {
        let plan = at(plan, server);
        (plan.placement, plan.backup) = (spot(host), Some(spot(reserve)));
        plan.copy_sites = plan.backup.iter().map(|spot| spot.site.clone()).collect();
    }
}

#[test]
fn no_group_is_torn_unseen() {
    let (fleet, mut made) = grouped();
    put(
        &mut made,
        &[
            (5, "a-r1-h1", "b-r1-h1"),
            (6, "a-r1-h2", "b-r2-h1"),
            (7, "a-r2-h1", "b-r1-h2"),
        ],
    );
    assert_eq!(torn(&fleet, &made), Vec::<String>::new());
    // Each pair is looked at once.
    put(&mut made, &[(7, "c-r1-h1", "b-r1-h1")]);
    assert_eq!(
        torn(&fleet, &made),
        [
            "server/kuldiga/s5 is not with kuldiga/s7 now",
            "server/kuldiga/s6 is not with kuldiga/s7 now",
        ]
    );
    // The same rack or host is asked for by one of two, and that holds for both.
    for (by, places) in [
        (
            ApartBy::Rack,
            [(5, "a-r1-h1", "b-r1-h1"), (6, "a-r2-h1", "b-r1-h2")],
        ),
        (
            ApartBy::Host,
            [(5, "a-r1-h1", "b-r1-h1"), (6, "a-r1-h2", "b-r1-h1")],
        ),
    ] {
        let mut fleet = fleet.clone();
        fleet.servers.get_mut(&id(7)).expect("server").together = None;
        put(&mut made, &places);
        assert_eq!(torn(&fleet, &made), Vec::<String>::new());
        together(&mut fleet, 6, "t", by);
        assert_eq!(
            torn(&fleet, &made),
            ["server/kuldiga/s5 is not with kuldiga/s6 now"]
        );
    }
}

#[test]
fn no_group_starts_torn_after_a_loss() {
    let (mut fleet, mut made) = grouped();
    fleet.servers.get_mut(&id(7)).expect("server").together = None;
    put(&mut made, &[(5, "a-r1-h1", "b-r1-h1"), (6, "a-r1-h2", "c-r1-h1")]);
    let all = torn(&fleet, &made);
    assert!(
        all.contains(&"server/kuldiga/s5 is not with kuldiga/s6 after site/a".to_owned()),
        "{all:?}"
    );
    assert!(
        all.contains(&"server/kuldiga/s5 is not with kuldiga/s6 after rack/a-r1".to_owned()),
        "{all:?}"
    );
    // Of two in different racks a rack's loss takes one alone: that is no tear.
    put(&mut made, &[(5, "a-r1-h1", "b-r1-h1"), (6, "a-r2-h2", "c-r1-h1")]);
    assert_eq!(
        torn(&fleet, &made),
        ["server/kuldiga/s5 is not with kuldiga/s6 after site/a"]
    );
    // Where a loss takes one of the reserves as well, nothing starts apart.
    for site in ["a", "c"] {
        let site = fleet.sites.get_mut(&site.into()).expect("site");
        site.shared_risks.insert("water".into());
    }
    let all = torn(&fleet, &made);
    assert_eq!(all, ["server/kuldiga/s5 is not with kuldiga/s6 after site/a"]);
    // Reserves that are together, or one without.
    put(&mut made, &[(5, "a-r1-h1", "b-r1-h1"), (6, "a-r1-h2", "b-r2-h1")]);
    assert_eq!(torn(&fleet, &made), Vec::<String>::new());
    at(&mut made, 6).backup = None;
    assert_eq!(torn(&fleet, &made), Vec::<String>::new());
}

#[test]
fn nobody_is_told_to_be_torn_who_was_so_and_stays_or_is_of_another_group() {
    let (fleet, mut made) = grouped();
    put(
        &mut made,
        &[
            (5, "a-r1-h1", "b-r1-h1"),
            (6, "c-r1-h1", "b-r1-h1"),
            (7, "a-r1-h2", "b-r1-h2"),
        ],
    );
    let mut stays = fleet.clone();
    made.feed_back(&mut stays);
    assert_eq!(torn(&stays, &made), Vec::<String>::new());
    // One of them moves away: that is the plan's doing.
    let mut moved = made.clone();
    put(&mut moved, &[(7, "d-r1-h1", "b-r1-h1")]);
    assert_eq!(
        torn(&stays, &moved),
        [
            "server/kuldiga/s5 is not with kuldiga/s7 now",
            "server/kuldiga/s6 is not with kuldiga/s7 now",
        ]
    );
    let mut other = fleet.clone();
    together(&mut other, 6, "u", ApartBy::Site);
    assert_eq!(torn(&other, &made), Vec::<String>::new());
}
