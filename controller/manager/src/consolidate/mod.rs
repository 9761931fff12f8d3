//! Carries consolidations out, where the platform team allows it: one live migration at a time, within a rack. I/O: reads stores,
//! orders and removes migrations.
//!
//! What to do is decided by [`next`] from the newest decision before each step; what was ordered is read back from the cluster. A
//! migration is its own record (`inventory::moving`), so that nothing depends on this process to live. `docs/adr/0012-consolidation-executed.md`.

mod movable;
mod next;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use kube::ResourceExt;
use kube::runtime::events::EventType;
use raidc_planner::ServerId;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::certify::same_question;
use crate::executors::{Owner, migration};
use crate::foreign::migration::VirtualMachineInstanceMigration;
use crate::inventory::moving::{self, Stage};
use crate::inventory::stores::AllSynced;
use crate::reconcile::typed;
use crate::runtime::config::Config;
use crate::runtime::error::Error;
use crate::runtime::writer::Object;
use crate::{Ctx, Decision};

pub use next::{Limits, Sight, Step, Still, next, over};

/// Field manager of the orders.
pub const MANAGER: &str = "raidc/consolidation";
/// Between two looks.
const LOOK: Duration = Duration::from_secs(5);
/// A decision must have stood for this long: while servers come and go, what is worth it now may not be in a moment.
const QUIET: Duration = Duration::from_secs(15);
/// How long to wait after an order that was refused or not answered, and for the watch to show one that was taken.
const AFTER_ORDER: Duration = Duration::from_mins(1);

/// Carries consolidations out.
pub struct Consolidator {
    ctx: Arc<Ctx>,
    limits: Limits,
    /// The decision that was looked at last, and since when it has stood.
    stood: (Arc<Decision>, Instant),
    /// Orders that were seen under way and whose end is still to be told, by UID.
    under_way: BTreeMap<String, ServerId>,
    /// The last order given, until a watch shows it, and when it is looked past.
    ordered: Option<(String, Instant)>,
    /// Why nothing was done, as it was last told.
    told: Option<Still>,
}

impl Limits {
    /// As the flags say.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let minutes = |minutes: u32| SignedDuration::from_mins(i64::from(minutes));
        Self {
            moves_per_hour: usize::try_from(config.consolidation_moves_per_hour).unwrap_or(1),
            rest: minutes(config.consolidation_rest_minutes),
            rest_after_failure: minutes(config.consolidation_rest_after_failure_minutes),
            least_watts: i64::from(config.consolidation_least_watts),
        }
    }
}

impl Consolidator {
    /// One that has done nothing yet.
    #[must_use]
    pub fn new(ctx: Arc<Ctx>) -> Self {
        Self {
            limits: Limits::of(&ctx.config),
            ctx,
            stood: (Arc::default(), Instant::now()),
            under_way: BTreeMap::new(),
            ordered: None,
            told: None,
        }
    }

    /// Moves what is worth moving until `stop` says so.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let looks = async {
            loop {
                tokio::time::sleep(LOOK).await;
                self.look().await;
            }
        };
        tokio::select! {
            () = looks => {}
            stopped = stop.wait_for(|stop| *stop) => drop(stopped),
        }
    }

    async fn look(&mut self) {
        let Some(sight) = sight(&self.ctx) else {
            return;
        };
        self.tell_ends(&sight).await;
        self.clean(&sight).await;
        if !self.may_order(&sight) {
            return;
        }
        let (limits, now, number) = (self.limits, self.ctx.clock.now(), sight.decision.sequence);
        let thought = tokio::task::spawn_blocking(move || next(&sight, &limits, now)).await;
        let outcome = match thought {
            // What was decided meanwhile counts, and is looked at next time.
            Ok(_) if self.ctx.decision().sequence != number => return,
            Ok(Ok(step)) => self.order(&step).await,
            Ok(Err(still)) => Err(still),
            Err(error) => Err(Still::new(
                "Defect",
                format!("the search for a move ended without an answer: {error}"),
            )),
        };
        self.tell(outcome.err()).await;
    }

    /// Whether the decision has come to rest and nothing that was ordered is still to be seen.
    fn may_order(&mut self, sight: &Sight) -> bool {
        let now = Instant::now();
        // What others' pods take changes all the time, and is looked at in each step.
        let same = same_question(&self.stood.0, &sight.decision);
        let since = if same { self.stood.1 } else { now };
        self.stood = (Arc::clone(&sight.decision), since);
        let seen = |name: &String| sight.migrations.iter().any(|m| m.name_any() == *name);
        if self
            .ordered
            .as_ref()
            .is_some_and(|(name, until)| seen(name) || now >= *until)
        {
            self.ordered = None;
        }
        sight.decision.is_made() && self.ordered.is_none() && now >= self.stood.1 + QUIET
    }

    /// Orders one migration. It is tried first: an API server that does not know how to tie a migration to a host would drop just that.
    async fn order(&mut self, step: &Step) -> Result<(), Still> {
        let (from, to) = (step.from.as_str(), step.to.as_str());
        let owner = Owner {
            namespace: &step.server.namespace,
            name: &step.server.name,
            uid: &step.server_uid,
        };
        let refused = |error: &Error| Still {
            server: Some(step.server.clone()),
            ..Still::new("Refused", error.chain())
        };
        let body = migration::migration(owner, &step.instance_uid, from, to);
        let body: VirtualMachineInstanceMigration = typed(body).map_err(|error| refused(&error))?;
        self.ordered = Some((body.name_any(), Instant::now() + AFTER_ORDER));
        let writer = &self.ctx.writer;
        // It was ordered before, by a call that got no answer or by the replica that led then.
        let trial = match writer.create(MANAGER, &body, true).await {
            Ok(trial) => trial,
            Err(error) if error.is_already_there() => return Ok(()),
            Err(error) => return Err(refused(&error)),
        };
        if trial.spec != body.spec {
            return Err(Still::new(
                "KubeVirtTooOld",
                "this KubeVirt cannot tie a live migration to a host (addedNodeSelector): nothing is moved; upgrade it to 1.7 or later",
            ));
        }
        match writer.create(MANAGER, &body, false).await {
            Ok(_) => {}
            Err(error) if error.is_already_there() => return Ok(()),
            Err(error) => return Err(refused(&error)),
        }
        let note = format!(
            "it moves live from {from} to {to} in the same rack, so that {from}, which draws {} W when idle, can be switched off",
            step.watts
        );
        tracing::info!(server = %step.server, from, to, watts = step.watts, "a server is moved to empty its host");
        self.ctx.metrics.moves.ended("Begun");
        self.say(&step.server, EventType::Normal, "Moving", note).await;
        Ok(())
    }

    /// Tells each end once. Orders of a process before this one that are under way are found here as well, and waited for.
    async fn tell_ends(&mut self, sight: &Sight) {
        for order in &sight.migrations {
            let (Some(moving), Some(uid)) = (moving::read(order), order.uid()) else {
                continue;
            };
            if moving.stage == Stage::UnderWay {
                self.under_way.insert(uid, moving.server);
                continue;
            }
            if self.under_way.remove(&uid).is_none() {
                continue;
            }
            let (from, to) = (&moving.from, &moving.to);
            if moving.stage == Stage::Succeeded {
                tracing::info!(server = %moving.server, %from, %to, "a server was moved");
                self.ctx.metrics.moves.ended("Succeeded");
                let note = format!("it runs on {to} now; it was not stopped");
                self.say(&moving.server, EventType::Normal, "Moved", note).await;
            } else {
                let state = order
                    .status
                    .as_ref()
                    .and_then(|status| status.migration_state.as_ref());
                let why = state
                    .and_then(|state| state.failure_reason.as_deref())
                    .unwrap_or("KubeVirt gives no reason");
                tracing::warn!(server = %moving.server, %from, %to, why, "a server could not be moved");
                self.ctx.metrics.moves.ended("Failed");
                let note = format!("it could not be moved to {to} and runs on {from} as before: {why}");
                self.say(&moving.server, EventType::Warning, "MoveFailed", note)
                    .await;
            }
        }
        let there = |uid: &String| sight.migrations.iter().any(|m| m.uid().as_ref() == Some(uid));
        self.under_way.retain(|uid, _| there(uid));
    }

    /// Removes orders that carry nothing any more.
    async fn clean(&self, sight: &Sight) {
        for order in over(&sight.migrations, &self.limits, self.ctx.clock.now()) {
            if order.metadata.deletion_timestamp.is_none()
                && let Err(error) = self.ctx.writer.delete(order.as_ref()).await
            {
                tracing::warn!(
                    name = order.name_any(),
                    error = error.chain(),
                    "an old order could not be removed"
                );
            }
        }
    }

    /// Says why nothing is done, when that is news.
    async fn tell(&mut self, still: Option<Still>) {
        self.ctx
            .metrics
            .moves
            .waits(still.as_ref().map(|still| still.reason));
        if still == self.told {
            return;
        }
        if let Some(still) = &still {
            let server = still.server.as_ref().map(ToString::to_string);
            tracing::info!(
                reason = still.reason,
                server,
                "no server is moved: {}",
                still.message
            );
            if let Some(server) = &still.server {
                self.say(server, EventType::Normal, "NotMoved", still.message.clone())
                    .await;
            }
        }
        self.told = still;
    }

    async fn say(&self, server: &ServerId, type_: EventType, reason: &str, note: String) {
        let object = self
            .ctx
            .stores
            .virtual_servers
            .get(&server.namespace, &server.name);
        if let Some(object) = object {
            self.ctx
                .recorder
                .say(object.as_ref(), type_, reason, "Consolidation", note)
                .await;
        }
    }
}

/// What the stores hold now; `None` while they have not been read, or KubeVirt is not served.
fn sight(ctx: &Ctx) -> Option<Sight> {
    let stores = &ctx.stores;
    let kubevirt = stores.kubevirt.get()?;
    if !stores.moves.all_synced() {
        return None;
    }
    Some(Sight {
        decision: ctx.decision(),
        servers: by_id(stores.virtual_servers.list()),
        machines: by_id(kubevirt.vms.list()),
        instances: by_id(kubevirt.vmis.list()),
        migrations: stores.moves.migrations.list(),
        kubevirts: stores.moves.kubevirts.list(),
    })
}

fn by_id<K: Object>(all: Vec<Arc<K>>) -> BTreeMap<ServerId, Arc<K>> {
    let id = |object: &Arc<K>| ServerId::new(object.namespace().unwrap_or_default(), object.name_any());
    all.into_iter().map(|object| (id(&object), object)).collect()
}

#[cfg(test)]
mod tests;
