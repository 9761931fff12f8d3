//! Reasons for waiting are judged: true ones are confirmed, false ones are found. Reads tests/scenarios.

// A fixture that is not as expected ends the test, also outside of the test's own function; a forged reason is written
// where it is refuted.
#![allow(clippy::expect_used, clippy::needless_pass_by_value)]

mod again;
mod amounts;
mod devices;
mod fixture;
#[allow(dead_code)] // shared with the other property tests; not all of it is used here
#[path = "../fleets/mod.rs"]
mod fleets;
mod growth;
mod room;
#[allow(dead_code)] // shared with the stories' own test
#[path = "../story/mod.rs"]
mod story;
mod structure;

use fixture::decide;
use proptest::prelude::*;
use raidc_planner::{Fleet, Plan, confirm_waiting};

#[test]
fn no_story_tells_a_false_reason() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios");
    let mut judged = 0;
    for entry in std::fs::read_dir(folder).expect("tests/scenarios exists") {
        let path = entry.expect("readable").path();
        if path.extension().is_none_or(|ext| ext != "txt") {
            continue;
        }
        let mut story = story::Story {
            fleet: Fleet::default(),
            plan: Plan::default(),
            out: String::new(),
            age: 0,
        };
        let text = std::fs::read_to_string(&path).expect("readable story");
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            if line.starts_with("plan") {
                let made = decide(&story.fleet);
                judged += made.waiting.len();
                let faults = confirm_waiting(&story.fleet, &made);
                assert!(faults.is_empty(), "{}: {line}: {faults:#?}", path.display());
            }
            story.sentence(line).expect("a sentence");
        }
    }
    assert!(judged > 20, "{judged} reasons judged");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_new_demand_is_given_a_false_reason(
        fleet in fleets::new_fleet(),
        events in proptest::collection::vec(fleets::event(), 0..4),
    ) {
        let mut fleet = fleet;
        for (number, event) in events.iter().enumerate() {
            let made = decide(&fleet);
            let faults = confirm_waiting(&fleet, &made);
            prop_assert_eq!(faults, vec![]);
            made.feed_back(&mut fleet);
            fleets::happen(&mut fleet, event, number);
        }
    }
}
