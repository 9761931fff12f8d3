//! An object that may not match its schema: read in full, or as it is. No I/O.
//!
//! kube's `DeserializeGuard` keeps an object's metadata only. Here the whole is kept, because what it holds (a place, rack units, watts)
//! stays taken whether or not all of it can be read.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The object, or what there is of it.
#[derive(Clone, Debug)]
pub struct Guarded<K>(pub Result<K, Box<Raw>>);

/// An object that does not match its schema.
#[derive(Clone, Debug)]
pub struct Raw {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// What is wrong.
    pub error: String,
    /// The whole of it.
    pub object: Value,
}

impl<'de, K: DeserializeOwned + Resource> Deserialize<'de> for Guarded<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = Value::deserialize(deserializer)?;
        match K::deserialize(&object) {
            Ok(readable) => Ok(Self(Ok(readable))),
            Err(wrong) => {
                let metadata = object.get("metadata").cloned().unwrap_or_default();
                let metadata = serde_json::from_value(metadata).map_err(D::Error::custom)?;
                Ok(Self(Err(Box::new(Raw {
                    metadata,
                    error: wrong.to_string(),
                    object,
                }))))
            }
        }
    }
}

impl<K: Resource> Resource for Guarded<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(dt)
    }

    fn group(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::group(dt)
    }

    fn version(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::version(dt)
    }

    fn plural(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(dt)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.as_ref().map_or_else(|raw| &raw.metadata, K::meta)
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.as_mut().map_or_else(|raw| &mut raw.metadata, K::meta_mut)
    }
}
