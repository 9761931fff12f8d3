//! A fleet's objects and what is to be applied to them → the objects as they would be. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use raidc_crds::names;
use serde::Serialize;
use serde_json::{Value, json};

use crate::documents::{Fault, Origin};
use crate::kinds::{Id, Kind};
use crate::objects::Objects;
use crate::schema;
use crate::written::Written;

/// What becomes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// It is new.
    Created,
    /// Its spec (of a Node: what is read of it) is another.
    Changed,
    /// It goes.
    Deleted,
    /// It is written and as it was.
    Same,
}

/// The objects as they would be.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// All of them.
    pub objects: Objects,
    /// What becomes of those that were named.
    pub changes: BTreeMap<Id, Change>,
    /// What was taken for granted because the documents do not say it.
    pub assumed: Vec<String>,
}

/// KubeVirt's label of nodes that can run its machines.
const SCHEDULABLE: &str = "kubevirt.io/schedulable";

/// Applies what was written, then takes away what is to go.
pub fn apply(
    base: &Objects,
    written: &Written,
    delete: &BTreeSet<Id>,
    prune: bool,
) -> Result<Applied, Vec<Fault>> {
    let mut applied = Applied {
        objects: base.clone(),
        ..Applied::default()
    };
    let mut faults = Vec::new();
    let mut ready = 0_usize;
    let created_at = after_all(base);
    for (id, (origin, object)) in &written.objects {
        let fault = |message: String| Fault {
            origin: origin.clone(),
            object: id.to_string(),
            message,
        };
        let before = base.items.get(id);
        let after = match (id.kind, before) {
            (Kind::Node, before) => {
                let mut node = overlaid(before, object);
                ready += usize::from(assume_ready(&mut node));
                faults.extend(no_capacity(&node).map(&fault));
                node
            }
            (_, Some(before)) => {
                let mut old = schema::with_defaults(id.kind, before);
                if let Some(fields) = old.as_object_mut() {
                    fields.remove("status");
                }
                // Against the object as it is, for the rules about changes.
                faults.extend(
                    schema::faults(id.kind, object, Some(&old))
                        .into_iter()
                        .map(&fault),
                );
                kept(before, object)
            }
            (_, None) => fresh(object, created_at.as_deref()),
        };
        let change = match before {
            None => Change::Created,
            Some(before) if same(id.kind, before, &after) => Change::Same,
            Some(_) => Change::Changed,
        };
        applied.changes.insert(id.clone(), change);
        applied.objects.items.insert(id.clone(), after);
    }
    let mut gone = delete.clone();
    if prune {
        gone.extend(left_out(base, written));
    }
    for id in &gone {
        if applied.objects.items.remove(id).is_none() {
            faults.push(Fault {
                origin: Origin {
                    file: "--delete".to_owned(),
                    document: 1,
                    item: None,
                },
                object: id.to_string(),
                message: "is not there: correct the name".to_owned(),
            });
            continue;
        }
        if id.kind == Kind::VirtualServer {
            forget_machine(&mut applied.objects, id);
        }
        applied.changes.insert(id.clone(), Change::Deleted);
    }
    if ready > 0 {
        applied.assumed.push(format!(
            "whether the host is ready is not said in {}: taken as ready, with KubeVirt on it",
            crate::number(ready, "Node document")
        ));
    }
    if faults.is_empty() {
        Ok(applied)
    } else {
        Err(faults)
    }
}

/// What is new is younger than all there is, so that it does not push ahead of those that wait.
fn after_all(base: &Objects) -> Option<String> {
    let youngest = base
        .items
        .values()
        .filter_map(|object| {
            object["metadata"]["creationTimestamp"]
                .as_str()?
                .parse::<Timestamp>()
                .ok()
        })
        .max();
    let youngest = youngest.or_else(|| (!base.items.is_empty()).then_some(Timestamp::UNIX_EPOCH))?;
    let next = youngest
        .checked_add(SignedDuration::from_secs(1))
        .unwrap_or(youngest);
    Some(next.to_string())
}

fn fresh(object: &Value, created_at: Option<&str>) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in [
            "uid",
            "resourceVersion",
            "generation",
            "managedFields",
            "deletionTimestamp",
        ] {
            metadata.remove(field);
        }
        if let Some(created_at) = created_at {
            metadata.insert("creationTimestamp".to_owned(), json!(created_at));
        }
    }
    object
}

/// The new spec in the object that is there: identity, age and status are the API server's and the operator's.
fn kept(before: &Value, object: &Value) -> Value {
    let mut after = object.clone();
    after["metadata"] = before["metadata"].clone();
    if let (Some(fields), Some(status)) = (after.as_object_mut(), before.get("status")) {
        fields.insert("status".to_owned(), status.clone());
    }
    after
}

/// A Node is laid over the one that is there: what it does not say stays.
fn overlaid(before: Option<&Value>, object: &Value) -> Value {
    let Some(before) = before else {
        return object.clone();
    };
    let mut after = before.clone();
    for pointer in ["/metadata/labels", "/spec", "/status/allocatable"] {
        if let Some(Value::Object(fields)) = object.pointer(pointer) {
            let mut at = &mut after;
            for name in pointer.split('/').skip(1) {
                if !at[name].is_object() {
                    at[name] = json!({});
                }
                at = &mut at[name];
            }
            for (name, value) in fields {
                at[name] = value.clone();
            }
        }
    }
    if object["status"]["conditions"].is_array() {
        after["status"]["conditions"] = object["status"]["conditions"].clone();
    }
    after
}

/// A host that is planned says nothing about its health: it counts as ready. True when that had to be assumed.
fn assume_ready(node: &mut Value) -> bool {
    if node["status"]["conditions"].is_array() {
        return false;
    }
    node["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    if node["metadata"]["labels"][SCHEDULABLE].is_null() {
        node["metadata"]["labels"][SCHEDULABLE] = json!("true");
    }
    true
}

fn no_capacity(node: &Value) -> Option<String> {
    let missing = |name: &str| node["status"]["allocatable"][name].is_null();
    (missing("cpu") || missing("memory")).then(|| {
        "status.allocatable.cpu and status.allocatable.memory are missing, so nothing would fit on it: add them".to_owned()
    })
}

fn same(kind: Kind, before: &Value, after: &Value) -> bool {
    match kind {
        Kind::Node => return before == after,
        // All that matters of an image is that it is there.
        Kind::Image => return true,
        _ => {}
    }
    schema::with_defaults(kind, before)["spec"] == after["spec"]
}

/// Servers and colocations that are not written, of the namespaces of which some are.
fn left_out(base: &Objects, written: &Written) -> Vec<Id> {
    let demand = |id: &Id| matches!(id.kind, Kind::VirtualServer | Kind::Colocation);
    let spoken_of: BTreeSet<&str> = written
        .objects
        .keys()
        .filter(|id| demand(id))
        .map(|id| id.namespace.as_str())
        .collect();
    base.items
        .keys()
        .filter(|id| {
            demand(id) && spoken_of.contains(id.namespace.as_str()) && !written.objects.contains_key(*id)
        })
        .cloned()
        .collect()
}

/// The machine of a server that goes, and the pod that it runs in, go with it.
fn forget_machine(objects: &mut Objects, server: &Id) {
    objects.items.retain(|id, object| match id.kind {
        Kind::Machine => (&id.namespace, &id.name) != (&server.namespace, &server.name),
        Kind::Pod => {
            id.namespace != server.namespace
                || object["metadata"]["labels"][names::SERVER_LABEL].as_str() != Some(server.name.as_str())
        }
        _ => true,
    });
}
