//! A site is lost: what our plan says, and what schedulers without scenarios come to. No I/O.

use raidc_planner::{PlanOptions, Scenario, plan, simulate_loss};

use super::{Context, share};
use crate::fleets::synthetic::{self, Recipe};
use crate::stopwatch::{keep, medians, ratio, show};
use crate::yardstick::spread::{self, Prefer};

/// The row.
pub(crate) fn loss(context: &mut Context) {
    let options = PlanOptions::default();
    let mut fleet = synthetic::make(Recipe::standard(1, 660)).fleet;
    let fresh = fleet.clone();
    let made = plan(&fleet, &options);
    made.feed_back(&mut fleet);
    let losses: Vec<Scenario> = fleet.sites.keys().cloned().map(Scenario::Site).collect();
    let outcomes = losses
        .iter()
        .map(|loss| (loss, simulate_loss(&fleet, &made, loss)));
    let Some((worst, outcome)) =
        outcomes.max_by_key(|(_, outcome)| (outcome.stranded.len(), outcome.starts.len()))
    else {
        return;
    };
    let [decision, bulk] = medians(
        3 * context.runs,
        [&mut || keep(&simulate_loss(&fleet, &made, worst)), &mut || {
            keep(&plan(&fresh, &options));
        }],
    );
    let times = ratio(decision, bulk);
    context.table.goal(
        "site loss: decision",
        &format!("{} for {} starts", show(decision), outcome.starts.len()),
        &format!("bulk plan {}", show(bulk)),
        &format!("{times:.4} <= 0.1 (idle: 10 ms)"),
        times <= 0.1,
    );
    let beside: Vec<String> = [
        ("least-allocated", Prefer::LeastAllocated),
        ("most-allocated", Prefer::MostAllocated),
    ]
    .into_iter()
    .map(|(name, prefer)| {
        let other = spread::worst_loss(&fresh, prefer);
        let watts = share(other.idle_watts, raidc_certifier::idle_watts(&fleet, &made));
        format!(
            "{name} {} of {} ({} unplaced, {watts:.2} x watts)",
            other.stranded, other.displaced, other.unplaced
        )
    })
    .collect();
    context.table.goal(
        "site loss: stranded",
        &format!(
            "{} of {}, worst of {} sites",
            outcome.stranded.len(),
            outcome.starts.len(),
            losses.len()
        ),
        &beside.join("; "),
        "0 stranded",
        outcome.stranded.is_empty() && outcome.single_copy.is_empty(),
    );
}
