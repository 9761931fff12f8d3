//! Who stops after a loss, told wrongly: `confirm_shed` finds it. No I/O.

#![allow(clippy::expect_used, reason = "a test may fail loudly")]

mod small;

use raidc_planner::{
    Fleet, LossOutcome, Placement, Plan, PlanOptions, Scenario, Server, ServerId, check, confirm_shed, plan,
    simulate_loss,
};
use small::two_full_sites;

fn of(name: &str) -> ServerId {
    ServerId::new("city", name)
}

/// Two sites with one full host each; the register of b has its data at a too, and is more important than what runs there.
fn fleet() -> Fleet {
    let mut fleet = two_full_sites();
    for (name, site, cores, tier) in [
        ("kiosk", "a", 2, 3),
        ("map", "a", 2, 3),
        ("mail", "a", 4, 2),
        ("register", "b", 2, 1),
        ("other", "b", 6, 3),
    ] {
        let current = Placement {
            site: site.into(),
            rack: format!("{site}-r").into(),
            host: Some(format!("{site}-h1").into()),
            copy_sites: (name == "register").then(|| "a".into()).into_iter().collect(),
            ..Placement::default()
        };
        let server = Server {
            tenant: "city".into(),
            tier,
            cpu_milli: cores * 1000,
            memory_mib: cores * 1024,
            copies: if name == "register" { 2 } else { 1 },
            current: Some(current),
            ..Server::default()
        };
        fleet.servers.insert(of(name), server);
    }
    fleet
}

/// The loss of site b, told rightly.
fn lost() -> (Fleet, Plan, LossOutcome) {
    let fleet = fleet();
    let made = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &made), vec![]);
    let outcome = simulate_loss(&fleet, &made, &Scenario::Site("b".into()));
    assert_eq!(confirm_shed(&fleet, &made, &outcome), vec![]);
    (fleet, made, outcome)
}

#[test]
fn no_wrong_stop_after_a_loss_is_confirmed() {
    let (fleet, made, right) = lost();
    assert_eq!(right.starts_if_shed.len(), 1, "{right:#?}");
    assert_eq!(right.shed.len(), 1, "{right:#?}");
    let wrong = |change: &dyn Fn(&mut LossOutcome), why: &str| {
        let mut wrong = right.clone();
        change(&mut wrong);
        let faults = confirm_shed(&fleet, &made, &wrong);
        assert!(
            faults.iter().any(|fault| fault.message.contains(why)),
            "{why}: {faults:#?}"
        );
    };
    wrong(&|outcome| outcome.shed.clear(), "there is no room");
    wrong(&|outcome| outcome.starts_if_shed.clear(), "need not");
    wrong(&|outcome| outcome.shed.push(outcome.shed[0].clone()), "twice");
    wrong(&|outcome| outcome.shed[0].server = of("other"), "does not run");
    wrong(
        &|outcome| {
            (outcome.shed[0].server, outcome.shed[0].tier) = (of("mail"), 2);
        },
        "less important ones",
    );
    wrong(
        &|outcome| outcome.shed[0].running = false,
        "otherwise than it runs",
    );
    wrong(&|outcome| outcome.stranded.clear(), "is not stranded");
    wrong(
        &|outcome| outcome.starts_if_shed[0].server = of("other"),
        "where its data is not",
    );
    wrong(
        &|outcome| outcome.starts_if_shed[0].at.host = "ghost".into(),
        "not in the fleet",
    );
}
