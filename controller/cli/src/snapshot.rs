//! Objects → the same fleet in as few words as it takes, for a file. No I/O.
//!
//! Planning the snapshot is planning the fleet: machines and our own pods are told by the status of their servers, the pods of others by one
//! stand-in per node.

use std::collections::BTreeMap;

use raidc_controller::inventory::pods;
use raidc_controller::inventory::servers::recorded;
use raidc_controller::inventory::translate::translate;
use raidc_crds::{VirtualServer, names};
use raidc_planner::{Fleet, Placement, ServerId};
use serde_json::{Map, Value, json};

use crate::kinds::{Id, Kind};
use crate::objects::Objects;

/// Namespace and name of what stands for the pods of others on a node.
const STAND_IN: &str = "taken";

/// What stays of `objects`.
#[must_use]
pub fn of(objects: &Objects, image_namespace: &str) -> Objects {
    let (seen, _) = objects.seen(image_namespace);
    let (fleet, _) = translate(&seen);
    let mut small = Objects {
        items: BTreeMap::new(),
        ..objects.clone()
    };
    for (id, object) in &objects.items {
        let kept = match id.kind {
            Kind::Machine | Kind::Pod | Kind::Failover | Kind::Drill => continue,
            Kind::Image if id.namespace != image_namespace => continue,
            Kind::Node => node(object),
            Kind::VirtualServer => with_status(object, server_status(id, object, &fleet)),
            Kind::Colocation => with_status(object, device_status(object)),
            Kind::Image => with_status(&json!({"metadata": object["metadata"]}), None),
            _ => with_status(object, None),
        };
        small.items.insert(id.clone(), identified(id.kind, kept));
    }
    for (node, taken) in pods::taken(&seen, &fleet) {
        let requests =
            json!({"cpu": format!("{}m", taken.cpu_milli), "memory": format!("{}Mi", taken.memory_mib)});
        // What does not keep its node on is told by its owner, as of the pods that it stands for.
        let owners = if taken.keeps_on {
            json!([])
        } else {
            json!([{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": STAND_IN, "uid": STAND_IN}])
        };
        let pod = json!({
            "metadata": {"name": node, "namespace": STAND_IN, "ownerReferences": owners},
            "spec": {"nodeName": node, "containers": [{"name": STAND_IN, "resources": {"requests": requests}}]},
        });
        small
            .items
            .insert(Id::new(Kind::Pod, STAND_IN, &node), identified(Kind::Pod, pod));
    }
    small
}

fn identified(kind: Kind, object: Value) -> Value {
    let mut whole = Map::new();
    whole.insert("apiVersion".to_owned(), json!(kind.api_version()));
    whole.insert("kind".to_owned(), json!(kind.name()));
    if let Value::Object(fields) = object {
        whole.extend(fields);
    }
    Value::Object(whole)
}

/// What of the metadata says who it is and how old.
fn metadata(object: &Value) -> Value {
    let keep = ["name", "namespace", "creationTimestamp", "deletionTimestamp"];
    let fields = object["metadata"].as_object().cloned().unwrap_or_default();
    fields
        .into_iter()
        .filter(|(name, value)| keep.contains(&name.as_str()) && !value.is_null())
        .collect::<Map<_, _>>()
        .into()
}

fn with_status(object: &Value, status: Option<Value>) -> Value {
    let mut kept = Map::new();
    kept.insert("metadata".to_owned(), metadata(object));
    if let Some(spec) = object.get("spec") {
        kept.insert("spec".to_owned(), spec.clone());
    }
    if let Some(status) = status {
        kept.insert("status".to_owned(), status);
    }
    Value::Object(kept)
}

fn node(object: &Value) -> Value {
    let mut metadata = metadata(object);
    let keep = [names::SITE_LABEL, names::RACK_LABEL, "kubevirt.io/schedulable"];
    let labels = object["metadata"]["labels"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    let labels: Map<String, Value> = labels
        .into_iter()
        .filter(|(name, _)| keep.contains(&name.as_str()))
        .collect();
    metadata["labels"] = labels.into();
    let mut spec = Map::new();
    if object["spec"]["unschedulable"] == true {
        spec.insert("unschedulable".to_owned(), json!(true));
    }
    let taints = object["spec"]["taints"].as_array().into_iter().flatten();
    let taints: Vec<Value> = taints
        .map(|taint| json!({"key": taint["key"], "effect": taint["effect"]}))
        .collect();
    if !taints.is_empty() {
        spec.insert("taints".to_owned(), taints.into());
    }
    let amounts: Map<String, Value> = ["cpu", "memory"]
        .into_iter()
        .filter_map(|name| {
            Some((
                name.to_owned(),
                object["status"]["allocatable"].get(name)?.clone(),
            ))
        })
        .collect();
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let conditions: Vec<Value> = conditions
        .filter(|condition| condition["type"] == "Ready")
        .map(|condition| json!({"type": "Ready", "status": condition["status"]}))
        .collect();
    json!({"metadata": metadata, "spec": spec, "status": {"allocatable": amounts, "conditions": conditions}})
}

/// Where the server is, by its status or by its machine, and what was counted for it.
fn server_status(id: &Id, object: &Value, fleet: &Fleet) -> Option<Value> {
    let known = fleet.servers.get(&ServerId::new(&*id.namespace, &*id.name));
    let placement: Placement = known.and_then(|server| server.current.clone()).or_else(|| {
        let server: VirtualServer = serde_json::from_value(object.clone()).ok()?;
        recorded(&server)
    })?;
    let mut status = json!({
        "observedGeneration": 0,
        "site": placement.site,
        "rack": placement.rack,
        "copySites": placement.copy_sites,
    });
    if let Some(host) = &placement.host {
        status["host"] = json!(host);
    }
    if let Some(host) = &placement.backup {
        let before = &object["status"]["reserved"];
        status["reserved"] = match fleet.hosts.get(host) {
            Some(there) => json!({"site": there.site, "rack": there.rack, "host": host}),
            None if before["host"] == host.as_str() => before.clone(),
            None => json!({"site": "", "rack": "", "host": host}),
        };
    }
    for field in ["coresMilli", "memoryMib", "granted"] {
        if let Some(counted) = object["status"].get(field) {
            status[field] = counted.clone();
        }
    }
    Some(status)
}

fn device_status(object: &Value) -> Option<Value> {
    let devices = object["status"]["devices"].as_array()?;
    let keep = |device: &Value| {
        json!({
            "name": device["name"], "site": device["site"], "rack": device["rack"],
            "lowestUnit": device["lowestUnit"], "units": device["units"],
        })
    };
    let devices: Vec<Value> = devices.iter().map(keep).collect();
    (!devices.is_empty()).then(|| json!({"observedGeneration": 0, "devices": devices}))
}
