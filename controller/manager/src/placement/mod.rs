//! The one loop that decides where everything goes. I/O: reads stores, writes decisions.
//!
//! It works on a whole fleet (never on half a cache), takes everything that waits in one batch, has the plan checked by a checker
//! that shares no code with the planner, writes the changed decisions to `status`, assumes them until the watch shows them, and
//! publishes the decision. What the reconcilers carry out is what `status` records; the published decision says why.

mod aside;
mod decide;
mod plug;
mod tell;
mod write;

use std::sync::Arc;
use std::time::{Duration, Instant};

use raidc_planner::{Fleet, PlanOptions};
use tokio::sync::watch;

use crate::inventory::overlay::Overlay;
use crate::inventory::stores::Stores;
use crate::inventory::translate::{Notes, Seen, translate};
use crate::runtime::clock::Clock;
use crate::runtime::config::Config;
use crate::runtime::context::Decision;
use crate::runtime::metrics::Metrics;
use crate::runtime::words::Words;
use crate::runtime::writer::Writer;

use aside::Made;
pub use decide::{Wanted, wanted};
use tell::{log_moves, log_nowhere};

/// The world must be quiet for this long before a plan is made …
const QUIET: Duration = Duration::from_millis(50);
/// … but no change waits longer than this.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often the caches are looked at until what decisions need has been read …
const UNTIL_READ: Duration = Duration::from_millis(100);
/// … and how often it is decided anew while anything else has not: that it then is, is no change of the world.
const WHILE_UNSYNCED: Duration = Duration::from_secs(5);
/// The first and the longest wait before decisions that could not be written are decided anew.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// What runs is moved by no plan: to another site that is a planned failover, which this version does not carry out, and within its
/// rack it is `consolidate`'s, which records a move once it has happened. A plan that moves one on paper would only make the books wrong. Reserves and copies may move; servers that have lost their host are not limited by this.
pub(crate) const OPTIONS: PlanOptions = PlanOptions {
    max_moves: 0,
    make_room_by_moves: false,
};

/// What the loop needs.
pub struct Placement {
    /// What it looks at.
    pub stores: Stores,
    /// What it writes with.
    pub writer: Writer,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Flags.
    pub config: Arc<Config>,
    /// Where the decision is published.
    pub publish: watch::Sender<Arc<Decision>>,
}

impl Placement {
    /// Decides until `stop` says so.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.decide_for_ever() => {}
            stopped = stop.wait_for(|stop| *stop) => drop(stopped),
        }
    }

    async fn decide_for_ever(&self) {
        let mut world = self.stores.world.subscribe();
        let mut overlay = Overlay::default();
        let mut last: Option<Made> = None;
        let mut retry: Option<Duration> = None;
        let mut sequence = 0;
        let mut moves = Vec::new();
        let words = Words::default();
        loop {
            let mut worded = None;
            while !self.stores.unread().is_empty() {
                tokio::time::sleep(UNTIL_READ).await;
            }
            world.mark_unchanged();
            let servers = self.stores.virtual_servers.list();
            let colocations = self.stores.colocations.list();
            overlay.confirm(
                servers.iter().map(AsRef::as_ref),
                colocations.iter().map(AsRef::as_ref),
            );
            let seen = Seen::from_stores(&self.stores, &self.config.image_namespace, overlay.clone());
            let (fleet, mut notes) = translate(&seen);
            let known = last.take_if(|last| last.is_for(&fleet));
            let made = match known {
                Some(made) => Some(made),
                None => self.plan(fleet).await,
            };
            if let Some(made) = made {
                aside::tell(&made.aside, &mut notes);
                let written = if made.faults.is_empty() {
                    self.write(&seen, &made, &notes, &mut overlay, &words).await
                } else {
                    // Nothing of a plan with a fault is written; a person has to look, and a changed world may help.
                    write::Written::default()
                };
                worded = written.wait;
                if written.failed == 0 {
                    retry = None;
                } else {
                    let wait = retry.map_or(RETRY.0, |wait| (wait * 2).min(RETRY.1));
                    retry = Some(wait);
                }
                log_moves(&made.plan.moves, &mut moves);
                self.publish(&made, notes, &mut sequence);
                last = Some(made);
            }
            let unsynced = (!self.stores.unsynced().is_empty()).then_some(WHILE_UNSYNCED);
            let look = [retry, unsynced, worded].into_iter().flatten().min();
            settle(&mut world, look).await;
        }
    }

    /// Plans and has the plan checked. `None` when the planner did not come back, which is logged and counted.
    async fn plan(&self, fleet: Fleet) -> Option<Made> {
        let started = Instant::now();
        let work = tokio::task::spawn_blocking(move || aside::plan(fleet, &OPTIONS));
        match work.await {
            Ok(made) => {
                #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit 52 bits")]
                let at = self.clock.now().as_second() as f64;
                let faults = made.faults.len() + made.avoided.len();
                self.metrics.planned(&made.plan, faults, started.elapsed(), at);
                for fault in &made.faults {
                    tracing::error!(%fault, "the plan breaks a rule and is not carried out: this is a defect of the planner");
                }
                for fault in &made.avoided {
                    tracing::error!(
                        %fault,
                        aside = made.aside.len(),
                        "a plan broke a rule, and one without some that are new is carried out: this is a defect of the planner"
                    );
                }
                Some(made)
            }
            Err(error) => {
                tracing::error!(%error, "the planner ended without an answer");
                self.metrics.plan_failed();
                None
            }
        }
    }

    async fn write(
        &self,
        seen: &Seen,
        made: &Made,
        notes: &Notes,
        overlay: &mut Overlay,
        words: &Words,
    ) -> write::Written {
        let wanted = wanted(seen, &made.fleet, &made.plan, notes, self.clock.now());
        let pen = write::Pen {
            writer: &self.writer,
            words,
            now: self.clock.monotonic(),
        };
        write::all(&pen, wanted, overlay).await
    }

    fn publish(&self, made: &Made, notes: Notes, sequence: &mut u64) {
        self.metrics
            .unusable(notes.nodes.values().map(|node| node.note.reason));
        self.publish.send_if_modified(|decision| {
            log_nowhere(&notes, &decision.notes);
            // A plan that is not carried out is not shown as one that is.
            let (fleet, plan) = if made.faults.is_empty() {
                (&made.fleet, &made.plan)
            } else {
                (&decision.fleet, &decision.plan)
            };
            let same = decision.is_made()
                && decision.plan == *plan
                && decision.fleet == *fleet
                && decision.notes == notes
                && decision.faults == made.faults;
            if same {
                return false;
            }
            *sequence += 1;
            *decision = Arc::new(Decision {
                fleet: fleet.clone(),
                plan: plan.clone(),
                sequence: *sequence,
                notes,
                faults: made.faults.clone(),
            });
            true
        });
    }
}

/// Waits for a change (or for the next look), then until the world is quiet, but not for ever.
async fn settle(world: &mut watch::Receiver<u64>, look: Option<Duration>) {
    let changed = async {
        if world.changed().await.is_err() {
            // Nobody can change the world any more: the process is ending.
            std::future::pending::<()>().await;
        }
    };
    match look {
        Some(wait) => drop(tokio::time::timeout(wait, changed).await),
        None => changed.await,
    }
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < deadline
        && matches!(tokio::time::timeout(QUIET, world.changed()).await, Ok(Ok(())))
    {}
}
