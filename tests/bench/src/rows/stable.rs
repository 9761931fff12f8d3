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

/// The planner itself uses one thread; what could differ is what plans share while several are made at once.
fn threads(context: &mut Context, fleet: &Fleet, id: &str) {
    let most = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .clamp(2, 8);
    let at_once = |threads: usize| {
        std::thread::scope(|scope| {
            let plans: Vec<_> = (0..threads)
                .map(|_| scope.spawn(|| plan(fleet, &PlanOptions::default()).id))
                .collect();
            plans
                .into_iter()
                .all(|made| made.join().is_ok_and(|made| made == id))
        })
    };
    let same = (1..=most).all(at_once);
    let said = if same { "one hash" } else { "different hashes" };
    let what = format!("1..{most} threads, a plan on each at once");
    context.table.goal(&what, said, "", "identical", same);
}
