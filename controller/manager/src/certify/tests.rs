//! The task: what must not happen while plans come and certifiers fail.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use raidc_crds::condition::Status;

use super::worlds::{decided, empty, scattered, server, steady};
use super::*;
use crate::runtime::clock::SystemClock;

/// Longest wait for anything that should come.
const PATIENCE: Duration = Duration::from_secs(20);

fn quick() -> Pace {
    Pace {
        quiet: Duration::from_millis(20),
        every: Duration::from_millis(60),
        again: Duration::from_hours(1),
        deadline: Duration::from_secs(30),
        grace: Duration::from_hours(1),
    }
}

/// The other ends of a task.
struct Desk {
    plan: watch::Sender<Arc<Decision>>,
    verdict: watch::Receiver<Arc<Verdict>>,
    metrics: Arc<Metrics>,
    _stop: watch::Sender<bool>,
}

fn start(look: Look, pace: Pace) -> Desk {
    let (plan, decisions) = watch::channel(Arc::new(Decision::default()));
    let (publish, verdict) = watch::channel(Arc::default());
    let (stop, stopping) = watch::channel(false);
    let metrics = Arc::new(Metrics::new());
    let certifier = Certifier {
        plan: decisions,
        publish,
        metrics: Arc::clone(&metrics),
        clock: Arc::new(SystemClock),
        consolidation: ConsolidationMode::Propose,
        look,
        pace,
    };
    tokio::spawn(certifier.run(stopping));
    Desk {
        plan,
        verdict,
        metrics,
        _stop: stop,
    }
}

impl Desk {
    fn decide(&self, decision: Decision) {
        self.plan.send_replace(Arc::new(decision));
    }

    async fn given(&mut self) -> Findings {
        let given = |verdict: &Arc<Verdict>| matches!(**verdict, Verdict::Given { .. });
        let wait = tokio::time::timeout(PATIENCE, self.verdict.wait_for(given)).await;
        let verdict = wait.expect("in time").expect("a task");
        match &**verdict {
            Verdict::Given { findings, .. } => findings.as_ref().clone(),
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the metrics' text is as wanted.
    async fn shows(&self, what: &str, wanted: impl Fn(&str) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !wanted(&self.metrics.text()) {
            assert!(Instant::now() < until, "{what}: {}", self.metrics.text());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn has(text: &str, line: &str) -> bool {
    text.lines().any(|l| l.starts_with(line))
}

#[tokio::test]
async fn a_plan_at_rest_is_certified_and_its_numbers_are_gone_when_it_changes() {
    let mut desk = start(Arc::new(look), quick());
    desk.decide(steady());
    let certificate = desk.given().await.certificate.expect("a certificate");
    assert!(certificate.idle_watts >= certificate.bound_watts && certificate.bound_watts > 0);
    let idle = format!("raidc_plan_idle_watts{{}} {}", certificate.idle_watts);
    desk.shows("the numbers", |text| {
        has(text, &idle)
            && has(text, "raidc_plan_idle_watts_bound{} ")
            && has(text, "raidc_plan_idle_watts_gap_ratio{} ")
            && has(text, "raidc_max_safe_load_ratio{} ")
            && has(text, "raidc_bottlenecks{} 0")
            && has(text, "raidc_consolidation_saved_watts{} ")
            && has(text, "raidc_certifications_total{outcome=\"Proven\"} 1")
    })
    .await;
    let mut fleet = empty();
    fleet
        .servers
        .insert(raidc_planner::ServerId::new("kuldiga", "other"), server());
    desk.decide(decided(fleet, 2));
    desk.shows("no old number", |text| {
        !has(text, "raidc_plan_idle_watts{} ") && !has(text, "raidc_max_safe_load_ratio{} ")
    })
    .await;
}

#[tokio::test]
async fn a_certifier_that_never_answers_blocks_nothing_and_is_never_started_twice() {
    let begun = Arc::new(AtomicUsize::new(0));
    let (release, hold) = mpsc::channel::<()>();
    let hold = Mutex::new(hold);
    let counted = Arc::clone(&begun);
    let stuck: Look = Arc::new(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        drop(hold.lock().map(|hold| hold.recv()));
        Findings::none("too late to count")
    });
    let pace = Pace {
        deadline: Duration::from_millis(50),
        ..quick()
    };
    let mut desk = start(stuck, pace);
    desk.decide(steady());
    let why = desk.given().await.certificate.expect_err("no certificate");
    assert!(why.contains("no answer"), "{why}");
    desk.shows("the outcome", |text| {
        has(text, "raidc_certifications_total{outcome=\"TimedOut\"} 1")
    })
    .await;
    assert!(!has(&desk.metrics.text(), "raidc_bottlenecks{} "));
    // Many times its turn has come, and its thread is still there.
    tokio::time::sleep(pace.every * 5).await;
    assert_eq!(begun.load(Ordering::SeqCst), 1);
    drop(release);
    let until = Instant::now() + PATIENCE;
    while begun.load(Ordering::SeqCst) < 2 {
        assert!(
            Instant::now() < until,
            "it is tried again once the thread has ended"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_certifier_that_breaks_is_told_and_tried_again() {
    let begun = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&begun);
    let (go, may_go) = mpsc::channel::<()>();
    let may_go = Mutex::new(may_go);
    let broken: Look = Arc::new(move |decision, mode| {
        assert!(counted.fetch_add(1, Ordering::SeqCst) > 0, "the first one breaks");
        // The next verdict takes the place of the first, so that none comes before that has been looked at.
        let told = may_go.lock().expect("not poisoned").recv();
        assert!(told.is_err(), "the sender is dropped, and sends nothing");
        look(decision, mode)
    });
    let mut desk = start(broken, quick());
    desk.decide(steady());
    let why = desk.given().await.certificate.expect_err("no certificate");
    assert!(why.contains("without an answer"), "{why}");
    drop(go);
    desk.shows("the second", |text| {
        has(text, "raidc_certifications_total{outcome=\"Proven\"} 1")
    })
    .await;
}

#[tokio::test]
async fn nothing_is_certified_of_an_empty_fleet_and_the_wait_is_told() {
    let begun = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&begun);
    let counting: Look = Arc::new(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        Findings::none("nobody asked")
    });
    let pace = Pace {
        grace: Duration::from_millis(80),
        ..quick()
    };
    let mut desk = start(counting, pace);
    let nothing = decided(empty(), 1);
    desk.decide(nothing.clone());
    assert!(matches!(**desk.verdict.borrow(), Verdict::Awaited));
    let overdue = |verdict: &Arc<Verdict>| matches!(**verdict, Verdict::Overdue);
    let wait = tokio::time::timeout(PATIENCE, desk.verdict.wait_for(overdue)).await;
    drop(wait.expect("in time").expect("a task"));
    let said = desk
        .verdict
        .borrow()
        .says(&nothing, &"talsi".into(), jiff::Timestamp::now());
    let said = said.expect("something to say");
    assert_eq!((said.status, said.reason), (Status::Unknown, "NotCertifiedYet"));
    assert_eq!(begun.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_plan_that_keeps_changing_is_never_certified_meanwhile() {
    let begun = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&begun);
    let counting: Look = Arc::new(move |decision, mode| {
        counted.fetch_add(1, Ordering::SeqCst);
        look(decision, mode)
    });
    let pace = Pace {
        quiet: Duration::from_secs(5),
        ..quick()
    };
    let desk = start(counting, pace);
    for sequence in 1..=8 {
        let mut decision = if sequence % 2 == 0 { steady() } else { scattered() };
        decision.sequence = sequence;
        desk.decide(decision);
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert_eq!(begun.load(Ordering::SeqCst), 0);
}
