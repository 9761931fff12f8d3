//! Ten times as much: 15,000 hosts, 100,000 servers. No I/O.

use raidc_planner::{PlanOptions, check, plan};

use super::{Context, watts};
use crate::fleets::synthetic::{self, Recipe};
use crate::machine;
use crate::stopwatch::{keep, medians, ratio, show};

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
    let [ten, hundred] = medians(
        context.runs,
        [&mut || keep(&plan(&small, &options)), &mut || {
            keep(&plan(&fleet, &options));
        }],
    );
    let times = ratio(hundred, ten);
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
