//! One kind, watched: its store, its changes, and those objects of it that cannot be read. I/O: lists and watches.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::reflector::store::Writer as StoreWriter;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;
use tokio::sync::{broadcast, watch};

use super::freshness::{Followed, Freshness};
use super::guard::{Guarded, Raw};
use crate::runtime::metrics::Metrics;
use crate::runtime::writer::Object;

/// Changes that a slow listener may lag behind before it is told to look at everything instead.
const CHANGES_KEPT: usize = 4096;
/// Objects per page of a list: few calls, and each small enough for the API server.
const PAGE: u32 = 500;
/// Seconds after which the API server ends a watch, and it is begun anew where it ended. Whatever is silent for longer than this has
/// been lost, which is what lets the client bound every read.
pub const WATCH_SECONDS: u32 = 60;

/// What happened to the objects of a kind.
#[derive(Debug)]
pub enum Change<K> {
    /// Was made or has changed.
    Set(Arc<K>),
    /// Is gone; this is how it last looked.
    Gone(Arc<K>),
    /// Look at everything: the list was read anew, or changes were missed.
    All,
}

impl<K> Clone for Change<K> {
    fn clone(&self) -> Self {
        match self {
            Self::Set(object) => Self::Set(Arc::clone(object)),
            Self::Gone(object) => Self::Gone(Arc::clone(object)),
            Self::All => Self::All,
        }
    }
}

/// An object that does not match its schema.
#[derive(Clone, Debug)]
pub struct Malformed {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// What is wrong.
    pub error: String,
}

type Events<K> = BoxStream<'static, watcher::Result<watcher::Event<Guarded<K>>>>;

impl<K: Object> Followed for Watched<K> {
    fn is_synced(&self) -> bool {
        Watched::is_synced(self)
    }

    fn freshness(&self) -> &Freshness {
        &self.freshness
    }
}

/// What there is of an object that does not match its schema.
#[derive(Clone, Debug)]
pub struct Unreadable<K> {
    /// The whole of it, as it is.
    pub object: Value,
    /// How it was when it was last read in full, if it ever was since the process began.
    pub last: Option<Arc<K>>,
}

/// By namespace and name.
type Broken<K> = BTreeMap<(String, String), (Malformed, Unreadable<K>)>;

/// One kind, watched. Clones share one store.
#[derive(Clone)]
pub struct Watched<K: Object> {
    store: Store<K>,
    writer: Arc<Mutex<Option<StoreWriter<K>>>>,
    changes: broadcast::Sender<Change<K>>,
    synced: Arc<AtomicBool>,
    broken: Arc<Mutex<Broken<K>>>,
    broken_changes: watch::Sender<u64>,
    freshness: Freshness,
}

impl<K: Object> Default for Watched<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Object> Watched<K> {
    /// An empty store that nobody fills yet.
    #[must_use]
    pub fn new() -> Self {
        let writer = StoreWriter::<K>::new(());
        Self {
            store: writer.as_reader(),
            writer: Arc::new(Mutex::new(Some(writer))),
            changes: broadcast::Sender::new(CHANGES_KEPT),
            synced: Arc::default(),
            broken: Arc::default(),
            broken_changes: watch::Sender::new(0),
            freshness: Freshness::default(),
        }
    }

    /// A store that holds `objects` and counts as synced: for tests of what reads stores.
    #[must_use]
    pub fn holding(objects: impl IntoIterator<Item = K>) -> Self {
        let watched = Self::new();
        let taken = watched
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut writer) = taken {
            writer.apply_watcher_event(&watcher::Event::Init);
            for object in objects {
                writer.apply_watcher_event(&watcher::Event::InitApply(object));
            }
            writer.apply_watcher_event(&watcher::Event::InitDone);
        }
        watched.synced.store(true, Ordering::Release);
        watched
    }

    /// The reflector's store, for a kube `Controller`.
    #[must_use]
    pub fn store(&self) -> Store<K> {
        self.store.clone()
    }

    /// A namespaced object.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        self.store.get(&ObjectRef::new(name).within(namespace))
    }

    /// A cluster-wide object.
    #[must_use]
    pub fn get_cluster(&self, name: &str) -> Option<Arc<K>> {
        self.store.get(&ObjectRef::new(name))
    }

    /// Every object, sorted by namespace and name, so that nothing depends on the order of a hash map.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<K>> {
        let mut all = self.store.state();
        all.sort_by_cached_key(|object| (object.namespace(), object.name_any()));
        all
    }

    /// Every object, in no order: for sums and look-ups.
    #[must_use]
    pub fn unsorted(&self) -> Vec<Arc<K>> {
        self.store.state()
    }

    /// Every object of a namespace, sorted by name.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Vec<Arc<K>> {
        let mut some = self
            .store
            .state_filter(|object| object.meta().namespace.as_deref() == Some(namespace));
        some.sort_by_cached_key(|object| object.name_any());
        some
    }

    /// Whether the first list has been read to its end.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.synced.load(Ordering::Acquire)
    }

    /// Objects that do not match their schema, sorted by namespace and name.
    #[must_use]
    pub fn malformed(&self) -> Vec<Malformed> {
        self.broken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .map(|(told, _)| told.clone())
            .collect()
    }

    /// The same objects, for those who count what they hold.
    #[must_use]
    pub fn unreadable(&self) -> Vec<Unreadable<K>> {
        self.broken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .map(|(_, unreadable)| unreadable.clone())
            .collect()
    }

    /// Changes with the set of malformed objects.
    #[must_use]
    pub fn malformed_changes(&self) -> watch::Receiver<u64> {
        self.broken_changes.subscribe()
    }

    /// Every change from now on. A listener that is too slow gets [`Change::All`].
    pub fn changes(&self) -> BoxStream<'static, Change<K>> {
        let receiver = self.changes.subscribe();
        stream::unfold(receiver, |mut receiver| async move {
            match receiver.recv().await {
                Ok(change) => Some((change, receiver)),
                Err(broadcast::error::RecvError::Lagged(_)) => Some((Change::All, receiver)),
                Err(broadcast::error::RecvError::Closed) => None,
            }
        })
        .boxed()
    }

    /// Fills the store for ever. `trim` drops what nobody reads; `bump` counts up with each change.
    /// Does nothing when the store is being filled already.
    pub async fn fill(
        self,
        client: Client,
        config: watcher::Config,
        trim: fn(&mut K),
        bump: Option<watch::Sender<u64>>,
        metrics: Arc<Metrics>,
    ) {
        let taken = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(writer) = taken else { return };
        let api = Api::<Guarded<K>>::all(client);
        let config = config.page_size(PAGE).timeout(WATCH_SECONDS);
        let begin = || watcher(api.clone(), config.clone()).default_backoff().boxed();
        self.follow(writer, begin, trim, bump, &metrics).await;
    }

    /// Takes every event of a watch. Begins another, with its list, when that is asked for or a failed one stays silent.
    async fn follow(
        &self,
        mut writer: StoreWriter<K>,
        begin: impl Fn() -> Events<K>,
        trim: fn(&mut K),
        bump: Option<watch::Sender<u64>>,
        metrics: &Metrics,
    ) {
        let kind = K::kind(&()).into_owned();
        let mut asked = self.freshness.asked();
        loop {
            let ticket = *asked.borrow_and_update();
            let mut events = begin();
            // Malformed objects of a list that is being read; they replace the known ones when it ends, like the store's.
            let mut listed = Broken::<K>::new();
            loop {
                let event = tokio::select! {
                    // The sender is our own and cannot have gone.
                    _ = asked.changed() => break,
                    () = self.freshness.doubtful() => break,
                    event = events.next() => event,
                };
                match event {
                    None => return,
                    Some(Err(error)) => {
                        metrics.watch_failed(&kind);
                        tracing::warn!(kind, %error, "a watch failed and is tried again");
                        self.freshness.fails();
                        continue;
                    }
                    Some(Ok(event)) => {
                        // The beginning of a list is no answer yet.
                        if !matches!(event, watcher::Event::Init) {
                            self.freshness.speaks();
                        }
                        let listed_all = matches!(event, watcher::Event::InitDone);
                        self.take(&mut writer, &mut listed, event, trim);
                        if listed_all {
                            self.freshness.renewed(ticket);
                        }
                    }
                }
                if self.is_synced() {
                    let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner).len();
                    metrics.stored(&kind, self.store.len(), broken);
                    if let Some(bump) = &bump {
                        bump.send_modify(|n| *n = n.wrapping_add(1));
                    }
                }
            }
        }
    }

    fn take(
        &self,
        writer: &mut StoreWriter<K>,
        listed: &mut Broken<K>,
        event: watcher::Event<Guarded<K>>,
        trim: fn(&mut K),
    ) {
        use watcher::Event;
        match event {
            Event::Apply(Guarded(Ok(mut object))) => {
                clean(&mut object, trim);
                self.mend(object.meta());
                let change = Change::Set(Arc::new(object.clone()));
                writer.apply_watcher_event(&Event::Apply(object));
                self.tell(change);
            }
            Event::Apply(Guarded(Err(invalid))) => {
                let entry = self.broken_entry(*invalid);
                let known = entry.1.1.last.clone();
                let stored = known.filter(|known| self.stored(known.meta()).is_some());
                self.broken
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend([entry]);
                if let Some(known) = stored {
                    writer.apply_watcher_event(&Event::Delete(K::clone(&known)));
                    self.tell(Change::Gone(known));
                }
                self.broken_changes.send_modify(|n| *n = n.wrapping_add(1));
            }
            Event::Delete(guard) => {
                let metadata = match &guard.0 {
                    Ok(object) => object.meta().clone(),
                    Err(invalid) => invalid.metadata.clone(),
                };
                self.mend(&metadata);
                let known = self.store.find(|object| same(object.meta(), &metadata));
                if let Some(known) = known {
                    writer.apply_watcher_event(&Event::Delete(K::clone(&known)));
                    // The last state that the server sent says more than the one that we knew.
                    let last = guard.0.map_or(known, Arc::new);
                    self.tell(Change::Gone(last));
                }
            }
            Event::Init => {
                listed.clear();
                writer.apply_watcher_event(&Event::Init);
            }
            Event::InitApply(Guarded(Ok(mut object))) => {
                clean(&mut object, trim);
                writer.apply_watcher_event(&Event::InitApply(object));
            }
            Event::InitApply(Guarded(Err(invalid))) => {
                // The store still shows what was known before this list.
                listed.extend([self.broken_entry(*invalid)]);
            }
            Event::InitDone => {
                writer.apply_watcher_event(&Event::InitDone);
                *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = std::mem::take(listed);
                self.broken_changes.send_modify(|n| *n = n.wrapping_add(1));
                self.synced.store(true, Ordering::Release);
                self.tell(Change::All);
            }
        }
    }

    /// What is kept of an object that does not match its schema: how it is, and how it was before.
    fn broken_entry(&self, invalid: Raw) -> ((String, String), (Malformed, Unreadable<K>)) {
        let key = key(&invalid.metadata);
        let last = self.stored(&invalid.metadata).or_else(|| {
            let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
            let (known, before) = broken.get(&key)?;
            // One that was deleted and made again under its name is another.
            (known.metadata.uid == invalid.metadata.uid)
                .then(|| before.last.clone())
                .flatten()
        });
        let mut object = invalid.object;
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        let told = Malformed {
            metadata: invalid.metadata,
            error: invalid.error,
        };
        (key, (told, Unreadable { object, last }))
    }

    /// The object of that name and UID that the store shows.
    fn stored(&self, metadata: &ObjectMeta) -> Option<Arc<K>> {
        let name = ObjectRef::new(metadata.name.as_deref()?);
        let found = match metadata.namespace.as_deref() {
            Some(namespace) => self.store.get(&name.within(namespace)),
            None => self.store.get(&name),
        };
        found.filter(|found| found.meta().uid == metadata.uid)
    }

    /// An object can be read again, or is gone.
    fn mend(&self, metadata: &ObjectMeta) {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        if broken.remove(&key(metadata)).is_some() {
            drop(broken);
            self.broken_changes.send_modify(|n| *n = n.wrapping_add(1));
        }
    }

    fn tell(&self, change: Change<K>) {
        // An error means that nobody listens, which is how it is on a replica that does not lead.
        let _nobody = self.changes.send(change);
    }
}

fn clean<K: Object>(object: &mut K, trim: fn(&mut K)) {
    object.managed_fields_mut().clear();
    trim(object);
}

fn key(metadata: &ObjectMeta) -> (String, String) {
    (
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    )
}

fn same(a: &ObjectMeta, b: &ObjectMeta) -> bool {
    a.name == b.name && a.namespace == b.namespace
}

#[cfg(test)]
#[path = "watched_tests.rs"]
mod tests;
