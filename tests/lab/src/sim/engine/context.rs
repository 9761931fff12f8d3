//! What every simulated component works with: the tables, the fleet, the faults, and writes to the API server, each
//! with a timeout and each skipped when it would change nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy};
use kube::core::DynamicObject;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::kind::Kind;
use super::world::{Seen, World};
use crate::fleet::Profile;
use crate::sim::faults::{Broken, Faults};
use crate::sim::places::Places;
use crate::sim::value::{Look, changes, whole};
use crate::sim::{Delays, SimError};

/// A call that has not been answered by then has an unknown result: the object is looked at again.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Shared by all components.
pub(crate) struct Context {
    pub(crate) client: kube::Client,
    pub(crate) handler: kube::Client,
    pub(crate) world: Arc<World>,
    pub(crate) places: Places,
    pub(crate) profile: Profile,
    pub(crate) delays: Delays,
    pub(crate) broken: Broken,
    timers: Mutex<HashMap<(String, &'static str), Instant>>,
}

impl Context {
    pub(crate) fn new(
        client: kube::Client,
        handler: kube::Client,
        places: Places,
        profile: Profile,
        delays: Delays,
    ) -> Self {
        Self {
            client,
            handler,
            world: Arc::default(),
            places,
            profile,
            delays,
            broken: Broken::default(),
            timers: Mutex::default(),
        }
    }

    /// What is broken now.
    pub(crate) fn faults(&self) -> Arc<Faults> {
        self.broken.now()
    }

    /// Time left until `delay` has passed since this was first asked about the object; `None` when it has passed.
    pub(crate) fn waiting(&self, uid: &str, what: &'static str, delay: Duration) -> Option<Duration> {
        let mut timers = self.timers.lock().unwrap_or_else(PoisonError::into_inner);
        let since = *timers.entry((uid.to_owned(), what)).or_insert_with(Instant::now);
        delay.checked_sub(since.elapsed()).filter(|left| !left.is_zero())
    }

    /// Starts a delay anew at the next [`Self::waiting`].
    pub(crate) fn reset(&self, uid: &str, what: &'static str) {
        let mut timers = self.timers.lock().unwrap_or_else(PoisonError::into_inner);
        timers.remove(&(uid.to_owned(), what));
    }

    /// Access to one kind in one namespace (ignored for objects of the cluster).
    pub(crate) fn api(&self, kind: Kind, ns: &str) -> Api<DynamicObject> {
        if kind.namespaced() {
            Api::namespaced_with(self.client.clone(), ns, &kind.resource())
        } else {
            Api::all_with(self.client.clone(), &kind.resource())
        }
    }

    /// Merges `patch` into the object, if that changes anything.
    pub(crate) async fn merge(&self, kind: Kind, object: &Seen, patch: Value) -> Result<(), SimError> {
        if !changes(&whole(object), &patch) {
            return Ok(());
        }
        let key = object.key();
        let api = self.api(kind, &key.ns);
        let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
        let call = api.patch(&key.name, &params, &patch);
        self.learned(kind, within(format!("patching {kind:?} {key}"), call).await?);
        Ok(())
    }

    /// Merges `status` into the object's status, if that changes anything.
    pub(crate) async fn merge_status(
        &self,
        kind: Kind,
        object: &Seen,
        status: Value,
    ) -> Result<(), SimError> {
        if !kind.has_status_subresource() {
            return self.merge(kind, object, json!({"status": status})).await;
        }
        let patch = json!({"metadata": {"uid": object.uid()}, "status": status});
        if !changes(&whole(object), &patch) {
            return Ok(());
        }
        let key = object.key();
        let api = self.api(kind, &key.ns);
        let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
        let call = api.patch_status(&key.name, &params, &patch);
        self.learned(
            kind,
            within(format!("patching the status of {kind:?} {key}"), call).await?,
        );
        Ok(())
    }

    /// Creates an object; one that is already there is left as it is. True when it was created now.
    pub(crate) async fn create(&self, kind: Kind, ns: &str, object: Value) -> Result<bool, SimError> {
        let what = format!(
            "creating {kind:?} {ns}/{}",
            object["metadata"]["name"].as_str().unwrap_or("?")
        );
        let resource = kind.resource();
        let mut object = object;
        object["apiVersion"] = resource.api_version.into();
        object["kind"] = resource.kind.into();
        let object: DynamicObject = serde_json::from_value(object).map_err(|source| SimError::Malformed {
            what: what.clone(),
            source,
        })?;
        let api = self.api(kind, ns);
        let params = PostParams::default();
        match within(what, api.create(&params, &object)).await {
            Ok(created) => {
                self.learned(kind, created);
                Ok(true)
            }
            Err(error) if error.code() == Some(409) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Replaces the whole object as it was seen; a conflict is a lost race.
    pub(crate) async fn replace(&self, kind: Kind, object: &DynamicObject) -> Result<(), SimError> {
        let key = object.key();
        let api = self.api(kind, &key.ns);
        let params = PostParams::default();
        let call = api.replace(&key.name, &params, object);
        self.learned(kind, within(format!("replacing {kind:?} {key}"), call).await?);
        Ok(())
    }

    /// Deletes exactly this object, not a successor of the same name. Gone already is fine.
    pub(crate) async fn delete(&self, kind: Kind, object: &Seen, grace: Option<u32>) -> Result<(), SimError> {
        let key = object.key();
        let params = DeleteParams {
            grace_period_seconds: grace,
            propagation_policy: Some(PropagationPolicy::Background),
            preconditions: Some(Preconditions {
                uid: object.metadata.uid.clone(),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let api = self.api(kind, &key.ns);
        match within(format!("deleting {kind:?} {key}"), api.delete(&key.name, &params)).await {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.code(), Some(404 | 409)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes in the answer to a write, so that the next look does not act on what was before it.
    pub(crate) fn learned(&self, kind: Kind, mut object: DynamicObject) {
        object.metadata.managed_fields = None;
        self.world.learn(kind, object);
    }
}

/// Awaits a call to the API server, with a bound.
pub(crate) async fn within<T>(
    what: String,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, SimError> {
    match tokio::time::timeout(TIMEOUT, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(SimError::Api {
            what,
            source: Box::new(source),
        }),
        Err(_) => Err(SimError::Timeout {
            what,
            seconds: TIMEOUT.as_secs(),
        }),
    }
}
