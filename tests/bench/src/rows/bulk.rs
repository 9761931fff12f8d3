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
            [Some(10.0), Some(0.5)],
            1.03,
        );
    }
}

/// As many sizes as half of the servers: requests in free form instead of a catalogue. It may take three times what a catalogue
/// may, and no more: nothing here may grow with the square of the sizes.
pub(crate) fn many_sizes(context: &mut Context) {
    let recipe = synthetic::Recipe {
        sizes: 5000,
        ..synthetic::Recipe::standard(1, 640)
    };
    let fleet = synthetic::make(recipe).fleet;
    rows(
        context,
        "synthetic 10,000 of 5,000 sizes",
        &fleet,
        [Some(30.0), None],
        1.03,
    );
}

/// The real trace.
pub(crate) fn real(context: &mut Context) {
    let read = fleets::data()
        .ok_or_else(|| "no data folder".to_owned())
        .and_then(|data| trace::read(&data));
    match read {
        Ok(fleet) => rows(context, "openb", &fleet, [None, None], 1.02),
        Err(why) => context.table.absent("openb", &format!("no data ({why})")),
    }
}

/// Unplaced, times, watts. `goals` are for the times of bulk plan and checker, in times of first-fit-decreasing; stated for
/// synthetic fleets only.
fn rows(context: &mut Context, name: &str, fleet: &Fleet, goals: [Option<f64>; 2], most: f64) {
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
        ("bulk plan", bulk, goals[0], "100 ms"),
        ("checker", checker, goals[1], "5 ms"),
    ] {
        let times = ratio(took, first_fit);
        let measure = format!("{name}: {what}");
        if let Some(goal) = goal {
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
