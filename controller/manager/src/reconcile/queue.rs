//! One kube `Controller` per kind, fed by our own stores: what wakes it, how it counts, how it backs off, how it stops. I/O: none
//! of its own.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use kube::runtime::Controller;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};
use tokio::sync::{broadcast, watch};

use crate::inventory::watched::{Change, Watched};
use crate::runtime::words::Words;
use crate::runtime::writer::Object;
use crate::{Class, Ctx, Error};

/// Reconciles of one kind at once.
const AT_ONCE: u16 = 8;
/// Changes of one object within this time are looked at together.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// Every object is looked at again this often, whatever the watches say: time passes, and a lost wake-up must not be for ever.
const RESYNC: Duration = Duration::from_mins(5);
/// A look after an error that waits for something else, should its wake-up be lost.
const WAIT: Duration = Duration::from_mins(1);
/// A look after an error that a person must mend, should its wake-up be lost.
const STALLED: Duration = Duration::from_mins(10);

/// Objects of one kind that wait at once for their words; more are looked at with everything else.
const WORDED: usize = 10_000;

/// What wakes a controller.
pub enum Wake<K: Object> {
    /// Look at one object.
    One(ObjectRef<K>),
    /// Look at every object of the kind.
    All,
}

/// Wakes of one controller.
pub type Wakes<K> = BoxStream<'static, Wake<K>>;

/// Every change of the kind itself.
pub fn own<K: Object>(watched: &Watched<K>) -> Wakes<K> {
    watched
        .changes()
        .map(|change| match change {
            Change::Set(object) => Wake::One(ObjectRef::from_obj(object.as_ref())),
            // What is gone is not reconciled, but its neighbours (quotas, claims) may care.
            Change::Gone(_) | Change::All => Wake::All,
        })
        .boxed()
}

/// Every change of another kind wakes everything.
pub fn any<K: Object, Other: Object>(watched: &Watched<Other>) -> Wakes<K> {
    watched.changes().map(|_| Wake::All).boxed()
}

/// A change of another kind wakes the object that `whose` names: a child its parent.
pub fn children<K: Object, Other: Object>(
    watched: &Watched<Other>,
    whose: impl Fn(&Other) -> Option<ObjectRef<K>> + Send + 'static,
) -> Wakes<K> {
    watched
        .changes()
        .filter_map(move |change| {
            let wake = match &change {
                Change::Set(other) | Change::Gone(other) => whose(other).map(Wake::One),
                Change::All => Some(Wake::All),
            };
            std::future::ready(wake)
        })
        .boxed()
}

/// Every new decision (or verdict on it) wakes everything: what has not changed costs a comparison.
pub fn decisions<K: Object, T: Send + Sync + 'static>(plan: &watch::Receiver<Arc<T>>) -> Wakes<K> {
    stream::unfold(plan.clone(), |mut plan| async move {
        plan.changed().await.ok()?;
        Some((Wake::All, plan))
    })
    .boxed()
}

/// Objects whose words were held back, once these may be written.
fn worded<K: Object>(words: &Words) -> Wakes<K> {
    let kind = K::kind(&()).into_owned();
    let held = stream::unfold(words.held(), |mut held| async move {
        loop {
            match held.recv().await {
                Ok(one) => return Some((one, held)),
                // What was missed is looked at with everything else.
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    });
    held.filter(move |held| std::future::ready(held.kind == kind))
        .map(|held| async move {
            tokio::time::sleep(held.wait).await;
            let one = ObjectRef::new(&held.name);
            Wake::One(match &held.namespace {
                Some(namespace) => one.within(namespace),
                None => one,
            })
        })
        .buffer_unordered(WORDED)
        .boxed()
}

/// Reconciles a kind until `stop` says so: everything at first, and then whatever `wakes` say.
pub async fn run<K, Reconcile, Ended>(
    watched: Watched<K>,
    wakes: Vec<Wakes<K>>,
    reconcile: Reconcile,
    ctx: Arc<Ctx>,
    mut stop: watch::Receiver<bool>,
) where
    K: Object + Unpin,
    Reconcile: Fn(Arc<K>, Arc<Ctx>) -> Ended + Clone + Send + 'static,
    Ended: Future<Output = Result<Action, Error>> + Send + 'static,
{
    let kind = K::kind(&()).into_owned();
    let store = watched.store();
    let every = stream::unfold((), |()| async {
        tokio::time::sleep(RESYNC).await;
        Some((Wake::All, ()))
    });
    let first = stream::once(async { Wake::All });
    let wakes = stream::select(stream::select_all(wakes), first.chain(every));
    let wakes = stream::select(wakes, worded(&ctx.words));
    let refs = wakes.flat_map(move |wake| match wake {
        Wake::One(one) => stream::iter(vec![one]),
        Wake::All => {
            let all = watched.list();
            stream::iter(
                all.iter()
                    .map(|o| ObjectRef::from_obj(o.as_ref()))
                    .collect::<Vec<_>>(),
            )
        }
    });
    let stopped = async move {
        drop(stop.wait_for(|stop| *stop).await);
    };
    // The controller's own trigger is never used: ours know more (deletions, missed changes).
    Controller::for_shared_stream(stream::pending(), store)
        .with_config(Config::default().concurrency(AT_ONCE).debounce(DEBOUNCE))
        .reconcile_on(refs)
        .graceful_shutdown_on(stopped)
        .run(
            move |object, ctx| counted(reconcile.clone(), object, ctx),
            error_policy,
            ctx,
        )
        .for_each(|result| {
            if let Err(error) = result {
                // An object that has gone meanwhile; errors of reconciles are logged where they happen.
                tracing::debug!(kind, %error, "not reconciled");
            }
            std::future::ready(())
        })
        .await;
}

fn key<K: Object>(object: &K) -> String {
    format!(
        "{}/{}/{}",
        K::kind(&()),
        object.namespace().unwrap_or_default(),
        object.name_any()
    )
}

async fn counted<K, Reconcile, Ended>(
    reconcile: Reconcile,
    object: Arc<K>,
    ctx: Arc<Ctx>,
) -> Result<Action, Error>
where
    K: Object,
    Reconcile: Fn(Arc<K>, Arc<Ctx>) -> Ended,
    Ended: Future<Output = Result<Action, Error>>,
{
    let started = Instant::now();
    let result = reconcile(Arc::clone(&object), Arc::clone(&ctx)).await;
    let outcome = result.as_ref().err().map_or("Ok", Error::reason);
    ctx.metrics.reconciled(&K::kind(&()), outcome, started.elapsed());
    match &result {
        Ok(_) => ctx.backoff.reset(&key(object.as_ref())),
        Err(error) if error.is_conflict() => {
            tracing::debug!(
                object = key(object.as_ref()),
                "it changed meanwhile; looking again"
            );
        }
        Err(error) => {
            tracing::warn!(
                object = key(object.as_ref()),
                error = error.chain(),
                "not reconciled"
            );
        }
    }
    result
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the controller hands it over like this"
)]
fn error_policy<K: Object>(object: Arc<K>, error: &Error, ctx: Arc<Ctx>) -> Action {
    Action::requeue(match error.class() {
        Class::Retry => ctx.backoff.next(&key(object.as_ref())),
        Class::Wait => WAIT,
        Class::Stalled => STALLED,
    })
}

/// The parent by a label with its name, in the child's own namespace.
pub fn by_label<K: Object, Child: Resource>(child: &Child, label: &str) -> Option<ObjectRef<K>> {
    let name = child.meta().labels.as_ref()?.get(label)?;
    let namespace = child.meta().namespace.as_ref()?;
    Some(ObjectRef::new(name).within(namespace))
}
