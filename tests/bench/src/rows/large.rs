//! Ten times as much: 15,000 hosts, 100,000 servers. No I/O.

use std::time::Duration;

use raidc_planner::{PlanOptions, check, plan};

use super::{Context, watts};
use crate::fleets::synthetic::{self, Recipe};
use crate::machine;
use crate::stopwatch::{keep, ratio, show, time};

/// The row.
pub(crate) fn large(context: &mut Context) {
    let options = PlanOptions::default();
    let small = synthetic::make(Recipe::standard(1, 655)).fleet;
    let fleet = synthetic::make(Recipe {
        hosts: 15_000,
        servers: 100_000,
        ..Recipe::standard(1, 655)
    })
    .fleet;
    let reset = machine::reset_peak();
    let made = plan(&fleet, &options);
    let peak = machine::peak_mib();
    let faults = check(&fleet, &made);
    context.table.goal(
        "synthetic 100,000: unplaced",
        &format!("{} unplaced, {} faults", made.waiting.len(), faults.len()),
        "15,000 hosts, load 655 ‰",
        "0 unplaced, 0 faults",
        made.waiting.is_empty() && faults.is_empty(),
    );
    // The large one takes as long as a dozen small ones, and processors change their pace within that time: each is
    // compared with the small one just before it, and the median of that is told.
    keep(&plan(&small, &options));
    let mut turns: Vec<(f64, Duration, Duration)> = (0..2 * context.runs - 1)
        .map(|_| {
            let ten = time(|| plan(&small, &options));
            let hundred = time(|| plan(&fleet, &options));
            (ratio(hundred, ten), hundred, ten)
        })
        .collect();
    turns.sort_unstable_by(|one, two| one.0.total_cmp(&two.0));
    let (times, hundred, ten) = turns.get(turns.len() / 2).copied().unwrap_or_default();
    context.table.goal(
        "synthetic 100,000: bulk plan",
        &show(hundred),
        &format!("10,000 servers: {}", show(ten)),
        &format!("{times:.2} <= 15 (idle: 2 s)"),
        times <= 15.0,
    );
    let peak = peak.map_or_else(|| "unknown".to_owned(), |mib| format!("{mib} MiB"));
    let of = if reset {
        "fleet and plan"
    } else {
        "of the whole run so far"
    };
    context.table.info("synthetic 100,000: most resident", &peak, of);
    watts(context, "synthetic 100,000", &fleet, &made, 1.02);
}
