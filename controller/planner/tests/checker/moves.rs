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
