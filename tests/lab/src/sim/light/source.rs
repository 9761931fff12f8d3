//! Plays VolSync's manager and mover for ReplicationSources: pins the data when a transfer begins, brings it over,
//! reports. Writes what the receiving volume holds, a note on the destination, and the status.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use super::destination::{RECEIVED, claim_name, wait_until};
use super::schedule::{self, Due};
use crate::sim::SimError;
use crate::sim::csi::content::volume_of;
use crate::sim::engine::{Change, Context, Keeper, Kind, Next, Seen, within};
use crate::sim::guest::{WRITTEN, Written};
use crate::sim::places::sites_of_volume;
use crate::sim::value::{Key, Look, time};

/// How often a sending end looks again for its destination: the volume that it listens with tells no sender when it is bound.
const SEARCH: Duration = Duration::from_secs(2);

/// Keeps the sending ends.
pub(crate) struct Sources {
    context: Arc<Context>,
    /// What each transfer under way brings over: the data when it began. A simulator that starts anew pins anew.
    pinned: Mutex<HashMap<String, Written>>,
}

impl Sources {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self {
            context,
            pinned: Mutex::default(),
        }
    }

    fn pinned(&self) -> std::sync::MutexGuard<'_, HashMap<String, Written>> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The destination that listens where this source sends to.
    fn destination(&self, source: &Seen) -> Option<Seen> {
        let address = source.text("/spec/rsyncTLS/address");
        let found = self
            .context
            .world
            .find(Kind::ReplicationDestination, "address", address);
        found.into_iter().find(|destination| {
            let since = time(destination.text("/status/lastSyncStartTime"));
            // It listens from its beginning until it has received everything.
            let received = time(destination.note(RECEIVED));
            since.is_some_and(|since| received.is_none_or(|at| at.as_second() < since.as_second()))
        })
    }

    async fn say(&self, source: &Seen, status: Value) -> Result<Next, SimError> {
        self.context
            .merge_status(Kind::ReplicationSource, source, status)
            .await?;
        Ok(Next::OnChange)
    }

    async fn transfer(&self, source: &Seen, since: Timestamp) -> Result<Next, SimError> {
        let context = &self.context;
        let key = source.key();
        let faults = context.faults();
        if faults.sync_hangs(&key) {
            return Ok(Next::OnChange);
        }
        let Some(have) = volume_of(context, &Key::new(&key.ns, source.text("/spec/sourcePVC"))) else {
            return Ok(Next::OnChange);
        };
        let pinned = self
            .pinned()
            .entry(source.uid().to_owned())
            .or_insert_with(|| Written::of(&have).frozen(Timestamp::now()))
            .clone();
        if source.at("/spec/rsyncTLS").is_null() {
            // A repository outside: nothing here holds the copy.
            return match context.waiting(source.uid(), "sync", context.delays.sync) {
                Some(left) => Ok(Next::After(left)),
                None => self.finish(source, since).await,
            };
        }
        let destination = self.destination(source);
        let copy = destination
            .as_ref()
            .and_then(|d| volume_of(context, &Key::new(&d.key().ns, &claim_name(d))));
        let linked = copy.as_ref().is_some_and(|copy| {
            let (from, to) = (sites_of_volume(&have), sites_of_volume(copy));
            from.iter()
                .any(|a| to.iter().any(|b| faults.site_reached(a) && faults.linked(a, b)))
        });
        let (Some(destination), Some(copy), true) = (destination, copy, linked) else {
            context.reset(source.uid(), "sync");
            if let Some(left) = context.waiting(source.uid(), "connect", context.delays.connect) {
                return Ok(Next::After(left.min(SEARCH)));
            }
            // VolSync's Job then starts another mover, which tries anew; nothing else would call for this look again.
            context.reset(source.uid(), "connect");
            let failed = json!({"result": "Failed", "logs": "could not connect to the destination"});
            self.say(source, json!({"latestMoverStatus": failed})).await?;
            return Ok(Next::After(SEARCH));
        };
        if let Some(left) = context.waiting(source.uid(), "sync", context.delays.sync) {
            return Ok(Next::After(left));
        }
        let patch = json!({"metadata": {"annotations": {WRITTEN: pinned.note()}}});
        context.merge(Kind::Volume, &copy, patch).await?;
        let note = json!({"metadata": {"annotations": {RECEIVED: Timestamp::now().to_string()}}});
        context
            .merge(Kind::ReplicationDestination, &destination, note)
            .await?;
        self.finish(source, since).await
    }

    async fn finish(&self, source: &Seen, since: Timestamp) -> Result<Next, SimError> {
        self.pinned().remove(source.uid());
        for timer in ["sync", "connect"] {
            self.context.reset(source.uid(), timer);
        }
        self.say(source, schedule::done(source, since, Timestamp::now()))
            .await
    }
}

impl Keeper for Sources {
    const NAME: &'static str = "volsync/source";

    fn concerned(&self, change: &Change) -> Vec<Key> {
        let world = &self.context.world;
        let keys = |sources: Vec<Seen>| sources.iter().map(|source| source.key()).collect();
        match change {
            Change::Object {
                kind: Kind::ReplicationSource,
                key,
                old,
                new,
            } => {
                if let (Some(old), None) = (old, new) {
                    self.pinned().remove(old.uid());
                }
                vec![key.clone()]
            }
            Change::Object {
                kind: Kind::ReplicationDestination,
                ..
            } => {
                let address = change
                    .object()
                    .map(|d| d.text("/status/rsyncTLS/address").to_owned());
                address
                    .filter(|a| !a.is_empty())
                    .map(|a| keys(world.find(Kind::ReplicationSource, "address", &a)))
                    .unwrap_or_default()
            }
            Change::Object {
                kind: Kind::Claim,
                key,
                ..
            } => keys(world.find(Kind::ReplicationSource, "claim", &key.to_string())),
            Change::Object { .. } => vec![],
            Change::Faults => keys(world.all(Kind::ReplicationSource)),
        }
    }

    async fn look(&self, key: Key) -> Result<Next, SimError> {
        let Some(source) = self.context.world.get(Kind::ReplicationSource, &key) else {
            return Ok(Next::OnChange);
        };
        if source.deleting() || source.flag("/spec/paused") {
            return Ok(Next::OnChange);
        }
        let now = Timestamp::now();
        match schedule::due(&source, now) {
            Due::Now => self.say(&source, schedule::begun(&source, now)).await,
            Due::At(at) => Ok(wait_until(at, now)),
            Due::Manual => Ok(Next::OnChange),
            Due::Broken(why) => self.say(&source, schedule::broken(&source, &why, now)).await,
            Due::Syncing(since) => self.transfer(&source, since).await,
        }
    }
}

/// Creates a secret unless it is there; secrets are not watched.
pub(super) async fn create_secret(context: &Context, ns: &str, secret: Value) -> Result<(), SimError> {
    let what = format!(
        "creating Secret {ns}/{}",
        secret["metadata"]["name"].as_str().unwrap_or("?")
    );
    let secret: Secret = serde_json::from_value(secret).map_err(|source| SimError::Malformed {
        what: what.clone(),
        source,
    })?;
    let api: Api<Secret> = Api::namespaced(context.client.clone(), ns);
    match within(what, api.create(&PostParams::default(), &secret)).await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some(409) => Ok(()),
        Err(error) => Err(error),
    }
}
