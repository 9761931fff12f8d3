//! One server more, again and again, beside an exhaustive scan of host pairs for the same server. No I/O.

use std::time::Duration;

use raidc_planner::{PlanOptions, plan};

use super::Context;
use crate::engine::Engine;
use crate::fleets::synthetic::{self, Recipe};
use crate::stopwatch::{quantile, ratio, show, time};
use crate::yardstick::pairs::Books;

/// Each admitted server leaves again, so that all meet the same fleet.
pub(crate) fn admit(context: &mut Context) {
    for (sizes, idle) in [(14, "100 µs"), (100, "300 µs")] {
        let made = synthetic::make(Recipe {
            sizes,
            ..Recipe::standard(1, 600)
        });
        let (mut fleet, mut draw) = (made.fleet, made.draw);
        let decided = plan(&fleet, &PlanOptions::default());
        let books = Books::of(&fleet, &decided);
        decided.feed_back(&mut fleet);
        let mut engine = Engine::new(&fleet);
        let (mut ours, mut scans): (Vec<Duration>, Vec<Duration>) = (Vec::new(), Vec::new());
        let mut refused = 0;
        for number in 0..context.runs * 1000 {
            let (id, server) = draw.next();
            let (took, placed) = engine.admit(&id, &server);
            ours.push(took);
            refused += usize::from(!placed);
            engine.remove(&id);
            if number % 50 == 0 {
                scans.push(time(|| books.scan(&server)));
            }
        }
        let (p50, p99) = (quantile(ours.clone(), 50), quantile(ours, 99));
        let scan = quantile(scans, 50);
        let share = ratio(p99, scan);
        context.table.goal(
            &format!("admit one, {sizes} sizes, p99"),
            &format!("{} (p50 {}, {refused} refused)", show(p99), show(p50)),
            &format!("median scan of all host pairs {}", show(scan)),
            &format!("{share:.4} <= 0.05 (idle: {idle})"),
            share <= 0.05,
        );
    }
}
