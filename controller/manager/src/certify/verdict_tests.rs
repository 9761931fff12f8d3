//! Verdicts: what must never be shown as proven.

use raidc_planner::{HostUse, Scenario, ServerId};

use super::*;
use crate::certify::worlds::{decided, empty, server, steady};
use crate::certify::{Proposal, look};
use crate::runtime::config::ConsolidationMode;

fn at(minutes: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
}

fn given(of: &Decision) -> Verdict {
    let findings = look(of, ConsolidationMode::Off);
    assert!(findings.certificate.is_ok(), "{findings:?}");
    Verdict::Given {
        of: Arc::new(of.clone()),
        at: at(0),
        percent: Some(180),
        findings: Box::new(findings),
    }
}

fn told(verdict: &Verdict, decision: &Decision, now: Timestamp) -> (Option<i64>, Status, &'static str) {
    let said = verdict
        .says(decision, &"talsi".into(), now)
        .expect("something to say");
    (said.percent, said.status, said.reason)
}

#[test]
fn what_was_proven_of_another_plan_or_fleet_is_never_shown() {
    let of = steady();
    let verdict = given(&of);
    assert_eq!(
        told(&verdict, &of, at(1)),
        (Some(180), Status::True, "NoBottleneck")
    );
    let changed = |change: &dyn Fn(&mut Decision)| {
        let mut decision = of.clone();
        decision.sequence += 1;
        change(&mut decision);
        assert!(decision.plan != of.plan || decision.fleet != of.fleet);
        assert!(verdict.current(&decision, at(1)).is_none());
        told(&verdict, &decision, at(1))
    };
    let unknown = (None, Status::Unknown, "PlanChanged");
    assert_eq!(changed(&|d| d.plan.id = "another".to_owned()), unknown);
    let gone = |d: &mut Decision| drop(d.fleet.hosts.remove(&"talsi-h1".into()));
    assert_eq!(changed(&gone), unknown);
    let unready = |d: &mut Decision| {
        if let Some(host) = d.fleet.hosts.get_mut(&"talsi-h1".into()) {
            host.usable = HostUse::NotReady;
        }
    };
    assert_eq!(changed(&unready), unknown);
    let grown = |d: &mut Decision| {
        if let Some(server) = d.fleet.servers.get_mut(&ServerId::new("kuldiga", "a")) {
            server.cpu_milli += 1;
        }
    };
    assert_eq!(changed(&grown), unknown);
    let asked = |d: &mut Decision| drop(d.fleet.servers.insert(ServerId::new("kuldiga", "new"), server()));
    assert_eq!(changed(&asked), unknown);
}

#[test]
fn pods_of_others_that_come_and_go_never_make_a_certificate_void() {
    let of = steady();
    let mut now = of.clone();
    now.sequence += 1;
    for host in now.fleet.hosts.values_mut() {
        host.taken_cpu_milli += 100;
        host.taken_memory_mib += 64;
        host.kept_on = true;
    }
    assert_eq!(
        told(&given(&of), &now, at(1)),
        (Some(180), Status::True, "NoBottleneck")
    );
}

#[test]
fn an_old_certificate_is_never_shown_whatever_the_clock_does() {
    let of = steady();
    let verdict = given(&of);
    assert_eq!(told(&verdict, &of, at(30)).0, Some(180));
    for now in [at(31), at(24 * 60), at(-1)] {
        assert_eq!(
            told(&verdict, &of, now),
            (None, Status::Unknown, "CertificateTooOld")
        );
        assert!(verdict.current(&of, now).is_none());
    }
}

#[test]
fn a_refused_plan_is_never_shown_as_proven() {
    let of = steady();
    let verdict = given(&of);
    let mut refused = of.clone();
    refused.faults = vec![raidc_planner::Fault {
        rule: raidc_planner::Rule::Together,
        what: "server/a".to_owned(),
        message: "split".to_owned(),
    }];
    assert!(verdict.current(&refused, at(1)).is_none());
    for verdict in [&verdict, &Verdict::Awaited, &Verdict::Overdue] {
        assert_eq!(
            told(verdict, &refused, at(1)),
            (None, Status::Unknown, "PlanRefused")
        );
    }
}

#[test]
fn a_certifier_that_fails_never_leaves_a_number_and_says_why() {
    let of = steady();
    let Verdict::Given {
        of: decision,
        at: when,
        percent,
        ..
    } = given(&of)
    else {
        panic!("given");
    };
    let verdict = Verdict::Given {
        of: decision,
        at: when,
        percent,
        findings: Box::new(Findings::none("the solver sleeps")),
    };
    let said = verdict
        .says(&of, &"talsi".into(), at(1))
        .expect("something to say");
    assert_eq!(
        (said.percent, said.status, said.reason),
        (None, Status::Unknown, "NotCertified")
    );
    assert!(said.message.contains("the solver sleeps"), "{}", said.message);
}

#[test]
fn a_bottleneck_is_told_where_it_is_and_nowhere_else() {
    // Twelve of eight cores that may only be at talsi: 96 of the 48 below its ceiling.
    let mut fleet = empty();
    for n in 0..12 {
        let bound = Server {
            copies: 1,
            cpu_milli: 8_000,
            memory_mib: 1024,
            sites_allowed: Some(["talsi".into()].into()),
            ..server()
        };
        fleet
            .servers
            .insert(ServerId::new("kuldiga", format!("s{n:02}")), bound);
    }
    let of = decided(fleet, 1);
    assert!(!of.plan.waiting.is_empty());
    let verdict = given(&of);
    let said = verdict
        .says(&of, &"talsi".into(), at(1))
        .expect("something to say");
    assert_eq!((said.status, said.reason), (Status::False, "Bottleneck"));
    assert!(
        said.message.contains("talsi") && said.message.contains("cores"),
        "{}",
        said.message
    );
    let elsewhere = verdict
        .says(&of, &"saldus".into(), at(1))
        .expect("something to say");
    assert_eq!(elsewhere.status, Status::True);
}

#[test]
fn many_bottlenecks_never_make_a_message_without_end() {
    let one = |n: i64| Bottleneck {
        loss: Some(Scenario::Site("saldus".into())),
        resource: raidc_planner::Resource::Memory,
        servers: n,
        size: None,
        only: None,
        sites: vec!["talsi".into()],
        needed: 2048,
        room: 1024,
    };
    let many: Vec<Bottleneck> = (1..=40).map(one).collect();
    let text = sentences(&touching(&many, &"talsi".into()));
    assert!(text.len() < 600 && text.contains("37 more"), "{text}");
}

#[test]
fn the_limit_never_says_more_than_is_proven_and_never_trembles() {
    let run = |proofs: &[i64]| {
        let (mut shown, mut changes) = (None, 0);
        for &permille in proofs {
            let next = steady_percent(shown, permille);
            assert!(next * 10 <= permille, "{next} % of {permille}");
            changes += i32::from(shown != Some(next));
            shown = Some(next);
        }
        (shown, changes)
    };
    // Around a whole percent it falls once and stays.
    assert_eq!(run(&[1131, 1129, 1130, 1134, 1129, 1133, 1130]), (Some(112), 2));
    // It follows what is more than trembling, both ways.
    assert_eq!(run(&[1139, 1145, 1200, 1100]), (Some(110), 4));
}

#[test]
fn no_proposal_is_ever_made_where_consolidation_is_off() {
    let scattered = crate::certify::worlds::scattered();
    assert_eq!(look(&scattered, ConsolidationMode::Off).proposal, None);
    let proposed = look(&scattered, ConsolidationMode::Propose)
        .proposal
        .expect("a proposal");
    assert_ne!(proposed, Proposal::default());
}
