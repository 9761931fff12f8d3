//! The same again: nothing moves, whatever the order in which things were written down. No I/O.

use std::collections::BTreeMap;

use raidc_planner::{Fleet, PlanOptions, plan};

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
    let mut ids = vec![again.id.clone()];
    let mut dice = Dice::new(context.seed);
    for _ in 0..context.runs.min(3) {
        ids.push(plan(&shuffled(&fleet, &mut dice), &options).id);
    }
    let same = ids.iter().all(|id| *id == made.id);
    context.table.goal(
        "shuffled input",
        &format!(
            "{} plans, {}",
            ids.len(),
            if same { "one hash" } else { "different hashes" }
        ),
        "hosts, racks, servers inserted in drawn order",
        "identical",
        same,
    );
    threads(context, &fleet, &made.id);
}

/// Everything taken out and put back in another order.
fn shuffled(fleet: &Fleet, dice: &mut Dice) -> Fleet {
    fn shuffle<K: Clone + Ord, V: Clone>(map: &BTreeMap<K, V>, dice: &mut Dice) -> BTreeMap<K, V> {
        let mut list: Vec<(K, V)> = map
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        for at in (1..list.len()).rev() {
            list.swap(at, dice.index(at + 1));
        }
        let mut shuffled = BTreeMap::new();
        for (key, value) in list {
            shuffled.insert(key, value);
        }
        shuffled
    }
    Fleet {
        sites: shuffle(&fleet.sites, dice),
        racks: shuffle(&fleet.racks, dice),
        hosts: shuffle(&fleet.hosts, dice),
        servers: shuffle(&fleet.servers, dice),
        ..fleet.clone()
    }
}

#[cfg(feature = "events")]
fn threads(context: &mut Context, fleet: &Fleet, id: &str) {
    let most = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .clamp(2, 8);
    let same = (1..=most).all(|threads| {
        let options = PlanOptions {
            threads,
            ..PlanOptions::default()
        };
        plan(fleet, &options).id == id
    });
    let said = if same { "one hash" } else { "different hashes" };
    context
        .table
        .goal(&format!("1..{most} threads"), said, "", "identical", same);
}

#[cfg(not(feature = "events"))]
fn threads(context: &mut Context, _: &Fleet, _: &str) {
    context
        .table
        .absent("1..N threads", "this planner has one thread");
}
