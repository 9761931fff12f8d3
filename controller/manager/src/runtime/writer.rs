//! The only way to write: server-side apply and guarded deletes, by the leader, in time or not at all. I/O.
//!
//! Every call checks the leader claim, ends before the claim could have passed to another replica, and counts. A call
//! that gets no answer is unknown, not failed: the caller looks again before it acts again.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions};
use kube::core::Request;
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::applied;
use super::clock::Clock;
use super::covers::{covers, same};
use super::error::Error;
use super::lease::Claim;
use super::metrics::Metrics;

/// Field manager of finalizers.
pub const FINALIZER_MANAGER: &str = "raidc/finalizer";

/// How long any single call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Anything that the API server keeps and that we know at compile time.
pub trait Object:
    Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
}

impl<K> Object for K where
    K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
}

/// What became of an apply.
#[derive(Clone, Debug, PartialEq)]
pub enum Applied<K> {
    /// The live object already had every field; nothing was sent.
    Unchanged,
    /// It was sent; this is what the API server has now.
    Written(Box<K>),
}

/// The only way to write.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    claim: Claim,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

impl Writer {
    /// A writer that writes while `claim` is held.
    #[must_use]
    pub fn new(client: Client, claim: Claim, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        Self {
            client,
            claim,
            clock,
            metrics,
        }
    }

    /// How long writes would still be sent; `None` when they would not.
    #[must_use]
    pub fn claimed(&self) -> Option<Duration> {
        self.claim.remaining(self.clock.monotonic())
    }

    /// Applies `object` as `manager` and takes over fields that somebody else set: send only what is ours.
    pub async fn apply<K: Object>(&self, manager: &'static str, object: &K) -> Result<K, Error> {
        let mut body = to_json(object)?;
        strip(&mut body);
        self.patch("apply", manager, object, None, &body).await
    }

    /// The same with a mark (see [`super::applied`]), unless `live` was last applied with just this body and still has every field
    /// of it. What others have added to it stays.
    pub async fn apply_over<K: Object>(
        &self,
        manager: &'static str,
        object: &K,
        live: Option<&K>,
    ) -> Result<Applied<K>, Error> {
        self.apply_unless(manager, object, live, covers).await
    }

    /// The same, and also when anything was added to its `spec`: for what shuts a tenant in, where one more peer is a hole.
    pub async fn apply_exactly_over<K: Object>(
        &self,
        manager: &'static str,
        object: &K,
        live: Option<&K>,
    ) -> Result<Applied<K>, Error> {
        let exactly =
            |live: &Value, wanted: &Value| covers(live, wanted) && same(&live["spec"], &wanted["spec"]);
        self.apply_unless(manager, object, live, exactly).await
    }

    async fn apply_unless<K: Object>(
        &self,
        manager: &'static str,
        object: &K,
        live: Option<&K>,
        is_applied: impl Fn(&Value, &Value) -> bool,
    ) -> Result<Applied<K>, Error> {
        let mut body = to_json(object)?;
        strip(&mut body);
        applied::mark(&mut body);
        if let Some(live) = live
            && is_applied(&to_json(live)?, &body)
        {
            return Ok(Applied::Unchanged);
        }
        self.patch("apply", manager, object, None, &body)
            .await
            .map(|written| Applied::Written(Box::new(written)))
    }

    /// Applies only `spec`, a part of one, to exactly the object that `object` is: what it leaves out stays as it is and whose it is, and an
    /// object that has gone is not made anew.
    pub async fn apply_spec_part<K: Object>(
        &self,
        manager: &'static str,
        object: &K,
        spec: Value,
    ) -> Result<K, Error> {
        let mut body = identity(object);
        body["spec"] = spec;
        self.patch("apply a part of", manager, object, None, &body).await
    }

    /// Applies `status` (only the fields that `manager` owns) to the object that `object` is. With a resource version the
    /// API server refuses when the object has changed since (see [`Error::is_conflict`]).
    pub async fn apply_status<K: Object>(
        &self,
        manager: &'static str,
        object: &K,
        status: Value,
        resource_version: Option<String>,
    ) -> Result<K, Error> {
        let mut body = identity(object);
        if let Some(version) = resource_version {
            body["metadata"]["resourceVersion"] = Value::String(version);
        }
        body["status"] = status;
        self.patch("apply status of", manager, object, Some("status"), &body)
            .await
    }

    /// The same for an object whose type does not fit what is stored.
    pub async fn apply_status_of(
        &self,
        resource: &ApiResource,
        manager: &'static str,
        object: &DynamicObject,
        status: Value,
    ) -> Result<(), Error> {
        self.patch_of("apply status of", resource, manager, object, Some(status))
            .await
    }

    /// Makes `object`, and never touches one that is there (see [`Error::is_already_there`]). For orders, which are given
    /// once. `trial`: the API server answers what it would keep, and keeps nothing.
    pub async fn create<K: Object>(
        &self,
        manager: &'static str,
        object: &K,
        trial: bool,
    ) -> Result<K, Error> {
        let mut body = to_json(object)?;
        strip(&mut body);
        let params = PostParams {
            dry_run: trial,
            field_manager: Some(manager.to_owned()),
        };
        let verb = if trial { "try" } else { "create" };
        let path = Request::new(K::url_path(&(), object.namespace().as_deref()));
        let request = path
            .create(&params, body.to_string().into_bytes())
            .map_err(|source| request_error::<K>(verb, object, source))?;
        self.send(verb, object, request).await
    }

    /// Deletes exactly the object that `object` is: it is read again first, must have the same UID, and must not change in
    /// between. An object that is gone, or has been replaced by another of the same name, is no error.
    pub async fn delete<K: Object>(&self, object: &K) -> Result<(), Error> {
        let name = object.name_any();
        let path = Request::new(K::url_path(&(), object.namespace().as_deref()));
        let get = path
            .get(&name, &kube::api::GetParams::default())
            .map_err(|source| request_error::<K>("read", object, source))?;
        let live: K = match self.send("read", object, get).await {
            Ok(live) => live,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error),
        };
        if live.uid() != object.uid() || live.meta().deletion_timestamp.is_some() {
            return Ok(());
        }
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: live.uid(),
                resource_version: live.resource_version(),
            }),
            ..DeleteParams::background()
        };
        let delete = path
            .delete(&name, &params)
            .map_err(|source| request_error::<K>("delete", object, source))?;
        // The answer is the object or a Status, as the API server likes: neither is needed.
        match self.send::<K, Value>("delete", object, delete).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// Adds `finalizer` to the object, unless it has it.
    pub async fn add_finalizer<K: Object>(&self, object: &K, finalizer: &str) -> Result<(), Error> {
        if object.finalizers().iter().any(|f| f == finalizer) {
            return Ok(());
        }
        let mut body = identity(object);
        body["metadata"]["finalizers"] = json!([finalizer]);
        self.patch("add finalizer to", FINALIZER_MANAGER, object, None, &body)
            .await
            .map(|_: K| ())
    }

    /// Removes the finalizer that [`Writer::add_finalizer`] added. An object that is gone is no error.
    pub async fn remove_finalizer<K: Object>(&self, object: &K, finalizer: &str) -> Result<(), Error> {
        if !object.finalizers().iter().any(|f| f == finalizer) {
            return Ok(());
        }
        let body = identity(object);
        match self
            .patch("remove finalizer from", FINALIZER_MANAGER, object, None, &body)
            .await
        {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// As [`Writer::remove_finalizer`], of an object that cannot be read as one of its kind: neither is the answer.
    pub async fn remove_finalizer_of(
        &self,
        resource: &ApiResource,
        object: &DynamicObject,
    ) -> Result<(), Error> {
        let done = self.patch_of("remove finalizer from", resource, FINALIZER_MANAGER, object, None);
        match done.await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// Applies a status, or nothing but the identity, to an object that cannot be read as one of its kind.
    async fn patch_of(
        &self,
        verb: &'static str,
        resource: &ApiResource,
        manager: &'static str,
        object: &DynamicObject,
        status: Option<Value>,
    ) -> Result<(), Error> {
        let (kind, name) = (resource.kind.clone(), object.name_any());
        let mut body = json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": name, "namespace": object.namespace(), "uid": object.uid()},
        });
        let path = Request::new(DynamicObject::url_path(resource, object.namespace().as_deref()));
        let params = PatchParams::apply(manager).force();
        let request = match status {
            Some(status) => {
                body["status"] = status;
                path.patch_subresource("status", &name, &params, &Patch::Apply(&body))
            }
            None => path.patch(&name, &params, &Patch::Apply(&body)),
        };
        let request = request
            .map_err(kube::Error::BuildRequest)
            .map_err(|source| Error::kube(verb, kind.clone(), name.clone(), source))?;
        self.call::<Value>(verb, kind, name, request).await.map(|_| ())
    }

    async fn patch<K: Object>(
        &self,
        verb: &'static str,
        manager: &'static str,
        object: &K,
        subresource: Option<&str>,
        body: &Value,
    ) -> Result<K, Error> {
        let name = object.name_any();
        let path = Request::new(K::url_path(&(), object.namespace().as_deref()));
        let params = PatchParams::apply(manager).force();
        let request = match subresource {
            Some(sub) => path.patch_subresource(sub, &name, &params, &Patch::Apply(body)),
            None => path.patch(&name, &params, &Patch::Apply(body)),
        }
        .map_err(|source| request_error::<K>(verb, object, source))?;
        self.send(verb, object, request).await
    }

    async fn send<K: Object, T: DeserializeOwned>(
        &self,
        verb: &'static str,
        object: &K,
        request: http::Request<Vec<u8>>,
    ) -> Result<T, Error> {
        self.call(verb, K::kind(&()).into_owned(), name_of(object), request)
            .await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        verb: &'static str,
        kind: String,
        name: String,
        request: http::Request<Vec<u8>>,
    ) -> Result<T, Error> {
        let Some(remaining) = self.claimed() else {
            self.metrics.wrote(verb, &kind, "NotLeader");
            return Err(Error::NotLeader);
        };
        let answer =
            tokio::time::timeout(remaining.min(CALL_TIMEOUT), self.client.request::<T>(request)).await;
        let result = match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => Err(Error::kube(verb, kind.clone(), name, source)),
            Err(_) => Err(Error::Unknown {
                verb,
                kind: kind.clone(),
                name,
            }),
        };
        self.metrics
            .wrote(verb, &kind, result.as_ref().err().map_or("Ok", Error::reason));
        result
    }
}

/// Names the object in a body, by UID where it is known, so that an object of the same name made meanwhile is not taken for it.
fn identity<K: Object>(object: &K) -> Value {
    let mut body = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": {"name": object.name_any()},
    });
    if let Some(namespace) = object.namespace() {
        body["metadata"]["namespace"] = Value::String(namespace);
    }
    if let Some(uid) = object.uid() {
        body["metadata"]["uid"] = Value::String(uid);
    }
    body
}

/// Takes out what may not be in an applied body.
fn strip(body: &mut Value) {
    if let Some(object) = body.as_object_mut() {
        object.remove("status");
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            for key in [
                "managedFields",
                "creationTimestamp",
                "generation",
                "selfLink",
                "resourceVersion",
            ] {
                metadata.remove(key);
            }
        }
    }
}

fn to_json<K: Object>(object: &K) -> Result<Value, Error> {
    serde_json::to_value(object).map_err(|source| Error::Json {
        kind: K::kind(&()).into_owned(),
        source,
    })
}

fn name_of<K: Object>(object: &K) -> String {
    match object.namespace() {
        Some(namespace) => format!("{namespace}/{}", object.name_any()),
        None => object.name_any(),
    }
}

fn request_error<K: Object>(verb: &'static str, object: &K, source: kube::core::request::Error) -> Error {
    Error::kube(
        verb,
        K::kind(&()).into_owned(),
        name_of(object),
        kube::Error::BuildRequest(source),
    )
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
