//! One server more, again and again, beside an exhaustive scan of host pairs for the same server. No I/O.

use std::time::Duration;

use raidc_planner::{PlanOptions, plan};

use super::Context;
use crate::engine::Engine;
use crate::fleets::synthetic::{self, Recipe};
use crate::stopwatch::{quantile, ratio, show, time};
use crate::yardstick::pairs::Books;

/// Admissions in a block, and scans after it.
const BLOCK: (usize, usize) = (500, 10);

/// Each admitted server leaves again, so that all meet the same fleet.
///
/// In blocks, each with its own scans right after it: processors change their pace within a run, and a slowest hundredth
/// that comes from slow moments compared with a median scan that does not would tell of the processor. A scan also
/// leaves the caches to the next admission, which must not be one of every fifty. The goal is for the median of the blocks' slowest
/// hundredths; beside it stands the slowest hundredth of all admissions over the median of all scans, which has the slow
/// moments of the machine in it.
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
        let mut refused = 0;
        let (mut all, mut all_scans): (Vec<Duration>, Vec<Duration>) = Default::default();
        let mut blocks: Vec<(f64, Duration, Duration)> = Vec::new();
        for _ in 0..2 * context.runs {
            let mut ours: Vec<Duration> = Vec::with_capacity(BLOCK.0);
            let mut wanted = Vec::with_capacity(BLOCK.1);
            for _ in 0..BLOCK.0 {
                let (id, server) = draw.next();
                let (took, placed) = engine.admit(&id, &server);
                ours.push(took);
                refused += usize::from(!placed);
                engine.remove(&id);
                if wanted.len() < BLOCK.1 {
                    wanted.push(server);
                }
            }
            all.extend(&ours);
            let scans: Vec<Duration> = wanted.iter().map(|server| time(|| books.scan(server))).collect();
            all_scans.extend(&scans);
            let (p99, scan) = (quantile(ours, 99), quantile(scans, 50));
            blocks.push((ratio(p99, scan), p99, scan));
        }
        blocks.sort_unstable_by(|one, two| one.0.total_cmp(&two.0));
        let (share, p99, scan) = blocks.get(blocks.len() / 2).copied().unwrap_or_default();
        let (number, p50, slowest) = (all.len(), quantile(all.clone(), 50), quantile(all, 99));
        let of_all = ratio(slowest, quantile(all_scans, 50));
        context.table.goal(
            &format!("admit one, {sizes} sizes, p99"),
            &format!(
                "{} in the median block, {} of all {number} (p50 {}, {refused} refused)",
                show(p99),
                show(slowest),
                show(p50)
            ),
            &format!("median scan of all host pairs {}", show(scan)),
            &format!("{share:.4} <= 0.05 in the median block, {of_all:.4} of all (idle: {idle})"),
            share <= 0.05,
        );
    }
}
