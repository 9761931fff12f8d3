//! Moves are told, all and only those that happen. No I/O.

use crate::fixture::{found, id, running};
use raidc_planner::{Move, MoveKind, MoveReason, PlanOptions, Rule, ServerId, State, check, plan};

#[test]
fn no_move_is_forgotten_invented_or_false() {
    let (mut fleet, again) = running();
    let mut invented = again.clone();
    let home = again.servers[&id(5)].placement.clone();
    let false_move = |kind: MoveKind| Move {
        server: id(5),
        kind,
        from: home.clone(),
        to: home.clone(),
        reason: MoveReason::Draining,
    };
    invented.moves.push(false_move(MoveKind::Primary));
    found(&fleet, &invented, Rule::Moves, "server/kuldiga/s5", "it stays");
    for kind in [MoveKind::Backup, MoveKind::Copy] {
        let mut invented = again.clone();
        invented.moves.push(false_move(kind));
        found(
            &fleet,
            &invented,
            Rule::Moves,
            "server/kuldiga/s5",
            "nothing of it moves",
        );
    }
    let mut stranger = again.clone();
    stranger.moves.push(Move {
        server: ServerId::new("kuldiga", "zz"),
        ..false_move(MoveKind::Primary)
    });
    found(&fleet, &stranger, Rule::Moves, "server/kuldiga/zz", "not placed");

    fleet.sites.get_mut(&home.site).expect("site").state = State::Draining;
    let moving = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &moving), vec![]);
    assert!(moving.moves.iter().any(|moved| moved.kind == MoveKind::Primary));
    for at in 0..moving.moves.len() {
        let what = format!("server/{}", moving.moves[at].server);
        let mut forgotten = moving.clone();
        forgotten.moves.remove(at);
        found(&fleet, &forgotten, Rule::Moves, &what, "no move");
        let mut astray = moving.clone();
        astray.moves[at].to.site = "zz".into();
        found(&fleet, &astray, Rule::Moves, &what, "");
        let mut twice = moving.clone();
        twice.moves.push(moving.moves[at].clone());
        found(&fleet, &twice, Rule::Moves, &what, "");
        if moving.moves[at].kind == MoveKind::Primary {
            let mut from = moving.clone();
            from.moves[at].from.rack = "zz".into();
            found(&fleet, &from, Rule::Moves, &what, "does not start");
        }
    }
}

#[test]
fn no_move_makes_room_that_copies_data_leaves_its_site_or_serves_nobody_as_important() {
    let (mut fleet, again) = running();
    let home = again.servers[&id(5)].placement.clone();
    let makes_room = |kind: MoveKind, to: &str| {
        let to = crate::fixture::spot(to);
        Move {
            server: id(5),
            kind,
            from: home.clone(),
            to,
            reason: MoveReason::MakesRoom,
        }
    };
    let (here, away) = (
        format!("{}-r2-h2", home.site),
        if home.site.as_str() == "d" {
            "c-r2-h2"
        } else {
            "d-r2-h2"
        },
    );
    let said = |fleet: &raidc_planner::Fleet, made: &raidc_planner::Plan, moved: Move| {
        let mut forged = made.clone();
        forged.moves = vec![moved];
        let faults = check(fleet, &forged).into_iter();
        faults
            .filter(|fault| fault.message.contains("room"))
            .map(|fault| fault.message)
            .collect::<Vec<_>>()
    };
    let nobody = "makes room and nobody as important came";
    assert_eq!(
        said(&fleet, &again, makes_room(MoveKind::Primary, &here)),
        [nobody]
    );
    let with_tier = |tier: i64| raidc_planner::Server {
        tier,
        created_at: 99,
        ..fleet.servers[&id(9)].clone()
    };
    let tier = fleet.servers[&id(5)].tier;
    for (new, expected) in [(tier - 1, None), (tier, None), (tier + 1, Some(nobody))] {
        let mut fleet = fleet.clone();
        let stranger = raidc_planner::Server {
            current: None,
            ..with_tier(new)
        };
        fleet.servers.insert(id(99), stranger);
        let made = plan(&fleet, &PlanOptions::default());
        assert_eq!(check(&fleet, &made), vec![]);
        let all = said(&fleet, &made, makes_room(MoveKind::Primary, &here));
        assert_eq!(all, Vec::from_iter(expected), "tier {new}");
        assert_eq!(
            said(&fleet, &made, makes_room(MoveKind::Primary, away)),
            ["leaves its site to make room"]
        );
        assert_eq!(
            said(&fleet, &made, makes_room(MoveKind::Copy, &here)),
            ["copies data to make room"]
        );
        assert_eq!(
            said(&fleet, &made, makes_room(MoveKind::Backup, away)),
            Vec::<String>::new()
        );
    }
    // A move for another reason is not asked whom it serves.
    fleet.servers.get_mut(&id(5)).expect("server").tier = 1;
    let other = Move {
        reason: MoveReason::Draining,
        ..makes_room(MoveKind::Copy, away)
    };
    assert_eq!(said(&fleet, &again, other), Vec::<String>::new());
}
