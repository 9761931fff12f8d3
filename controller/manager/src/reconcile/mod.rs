//! One reconciler per kind, each in five named steps: gather, validate, plan, apply, report.

pub mod action;
pub mod colocation;
pub mod copies;
pub mod malformed;
pub mod queue;
pub mod rack;
pub mod replication_policy;
pub mod site;
pub mod start;
pub mod status;
pub mod tenant;
pub mod virtual_server;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Error;
use crate::runtime::writer::Object;

/// A body as the type that is applied. The few foreign types that we keep know every field that a body sets; a test of each
/// executor's bodies guards that none is lost on the way.
///
/// # Errors
/// When the body does not fit the type: a fault of ours.
pub(crate) fn typed<K: Object + DeserializeOwned>(body: Value) -> Result<K, Error> {
    serde_json::from_value(body).map_err(|source| Error::Json {
        kind: K::kind(&()).into_owned(),
        source,
    })
}
