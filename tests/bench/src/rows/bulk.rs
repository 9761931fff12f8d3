//! A whole plan from nothing, its checker, and its watts. No I/O but reading the trace.

use raidc_planner::{Fleet, PlanOptions, check, plan};

use super::{Context, watts};
use crate::fleets::{self, openb as trace, synthetic};
use crate::stopwatch::{keep, medians, ratio, show};
use crate::yardstick::first_fit;

/// Three synthetic fleets.
pub(crate) fn synthetic(context: &mut Context) {
    for (seed, load) in [(1, 660), (2, 640), (3, 670)] {
        let fleet = synthetic::make(synthetic::Recipe::standard(seed, load)).fleet;
        rows(
            context,
            &format!("synthetic 10,000 seed {seed}"),
            &fleet,
            true,
            1.03,
        );
    }
}

/// As many sizes as half of the servers: requests in free form instead of a catalogue. Held to the same time as the
/// catalogue; the watts stand beside it.
pub(crate) fn many_sizes(context: &mut Context) {
    let recipe = synthetic::Recipe {
        sizes: 5000,
        ..synthetic::Recipe::standard(1, 640)
    };
    rows(
        context,
        "synthetic 10,000 of 5,000 sizes",
        &synthetic::make(recipe).fleet,
        true,
        1.03,
    );
}

/// The real trace.
pub(crate) fn real(context: &mut Context) {
    let read = fleets::data()
        .ok_or_else(|| "no data folder".to_owned())
        .and_then(|data| trace::read(&data));
    match read {
        Ok(fleet) => rows(context, "openb", &fleet, false, 1.02),
        Err(why) => context.table.absent("openb", &format!("no data ({why})")),
    }
}

/// Unplaced, times, watts. The goals for times are stated for the synthetic fleets only.
fn rows(context: &mut Context, name: &str, fleet: &Fleet, goals_for_time: bool, most: f64) {
    let options = PlanOptions::default();
    let made = plan(fleet, &options);
    let faults = check(fleet, &made);
    let unprotected = made
        .servers
        .values()
        .filter(|decided| decided.unprotected.is_some())
        .count();
    let load = fleets::load(fleet);
    context.table.goal(
        &format!("{name}: unplaced"),
        &format!(
            "{} unplaced, {unprotected} unprotected, {} faults",
            made.waiting.len(),
            faults.len()
        ),
        &format!(
            "{} servers, {} hosts, load {}/{} ‰, {} scenarios",
            fleet.servers.len(),
            fleet.hosts.len(),
            load[0],
            load[1],
            made.scenarios.len()
        ),
        "0 unplaced, 0 faults",
        made.waiting.is_empty() && unprotected == 0 && faults.is_empty(),
    );
    let (hosts, servers) = first_fit::arrays(fleet);
    let [bulk, first_fit, bare, checker] = medians(
        3 * context.runs,
        [
            &mut || keep(&plan(fleet, &options)),
            &mut || keep(&first_fit::named(fleet)),
            &mut || keep(&first_fit::bare(&hosts, &servers)),
            &mut || keep(&check(fleet, &made)),
        ],
    );
    let beside = format!(
        "first-fit-decreasing {} (bare arrays {})",
        show(first_fit),
        show(bare)
    );
    for (what, took, goal, idle) in [
        ("bulk plan", bulk, 10.0, "100 ms"),
        ("checker", checker, 0.5, "5 ms"),
    ] {
        let times = ratio(took, first_fit);
        let measure = format!("{name}: {what}");
        if goals_for_time {
            let goal_text = format!("{times:.2} <= {goal} (idle: {idle})");
            context
                .table
                .goal(&measure, &show(took), &beside, &goal_text, times <= goal);
        } else {
            context
                .table
                .info(&measure, &format!("{}, {times:.2} x", show(took)), &beside);
        }
    }
    watts(context, name, fleet, &made, most);
}
