//! The same again: nothing moves, whatever the order in which things were written down. No I/O.

use raidc_planner::{Fleet, PlanOptions, UnitRange, plan};

use super::Context;
use crate::dice::Dice;
use crate::fleets::synthetic::{self, Recipe};

/// The row.
pub(crate) fn stable(context: &mut Context) {
    let options = PlanOptions::default();
    let fleet = synthetic::make(Recipe::standard(1, 660)).fleet;
    let made = plan(&fleet, &options);
    let mut after = fleet.clone();
    made.feed_back(&mut after);
    let again = plan(&after, &options);
    context.table.goal(
        "planned again",
        &format!("{} moves, plan {}", again.moves.len(), again.id),
        &format!("first plan {}", made.id),
        "0 moves, same plan",
        again.moves.is_empty() && again.id == made.id,
    );
    shuffled(context, fleet);
    at_once(context);
}

/// Maps have one order however they were filled; what can come in another order are the lists in them. (The devices of a
/// colocation are not drawn anew: their order is the request's, and they are placed in it.)
fn shuffled(context: &mut Context, mut fleet: Fleet) {
    let options = PlanOptions::default();
    for (at, rack) in fleet.racks.values_mut().enumerate() {
        for (feed, number) in rack.feeds.iter_mut().zip(1..) {
            feed.watts += 100 * number;
            feed.panel = Some(format!("panel-{at}-{}", feed.name));
        }
        rack.units_taken = (0..4)
            .map(|run| UnitRange {
                lowest: 1 + 3 * run,
                units: 2,
            })
            .collect();
    }
    let made = plan(&fleet, &options);
    let mut dice = Dice::new(context.seed);
    let orders = context.runs.min(3);
    let same = (0..orders).all(|_| {
        for rack in fleet.racks.values_mut() {
            dice.shuffle(&mut rack.feeds);
            dice.shuffle(&mut rack.units_taken);
        }
        plan(&fleet, &options).id == made.id
    });
    context.table.goal(
        "shuffled input",
        &format!("{} plans, {}", orders + 1, hashes(same)),
        "feeds and taken units of every rack in drawn order",
        "identical",
        same,
    );
}

/// The planner itself uses one thread; what could differ is what plans share while several are made at once.
fn at_once(context: &mut Context) {
    let options = PlanOptions::default();
    let alone: Vec<(Fleet, String)> = [(1, 660), (2, 640), (3, 670)]
        .map(|(seed, load)| synthetic::make(Recipe::standard(seed, load)).fleet)
        .into_iter()
        .map(|fleet| {
            let id = plan(&fleet, &options).id;
            (fleet, id)
        })
        .collect();
    let threads = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .clamp(2, 8);
    let same = std::thread::scope(|scope| {
        let plans: Vec<_> = alone
            .iter()
            .cycle()
            .take(threads.max(alone.len()))
            .map(|(fleet, id)| scope.spawn(|| plan(fleet, &PlanOptions::default()).id == *id))
            .collect();
        plans.into_iter().all(|made| made.join().is_ok_and(|same| same))
    });
    context.table.goal(
        &format!("{} plans of 3 fleets at once", threads.max(alone.len())),
        hashes(same),
        "each fleet planned alone",
        "identical",
        same,
    );
}

fn hashes(same: bool) -> &'static str {
    if same { "one hash each" } else { "different hashes" }
}
