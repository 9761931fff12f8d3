//! What can be read of an object that does not match its schema: each field for itself, over what was last read of it. No I/O.
//!
//! What such an object holds is not free for others: the planner keeps counting it, and nothing is written to it.

use std::sync::Arc;

use kube::ResourceExt;
use raidc_crds::{Colocation, Rack, VirtualServer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::watched::Unreadable;

/// Servers, as far as they can be read.
pub(super) fn servers(unreadable: &[Unreadable<VirtualServer>]) -> Vec<Arc<VirtualServer>> {
    each(unreadable, || json!({"image": ""}))
}

/// One server, as far as it can be read as it is now. `None` without metadata that can be read.
pub(crate) fn server(object: Value) -> Option<VirtualServer> {
    salvage(&Unreadable { object, last: None }, &json!({"image": ""}))
}

/// Colocations, as far as they can be read.
pub(super) fn colocations(unreadable: &[Unreadable<Colocation>]) -> Vec<Arc<Colocation>> {
    each(unreadable, || json!({"devices": []}))
}

/// Racks, as far as they can be read; one that does not say at which site it stands is left out.
pub(super) fn racks(unreadable: &[Unreadable<Rack>]) -> Vec<Arc<Rack>> {
    let mut racks = each(unreadable, || json!({"site": "", "feeds": []}));
    racks.retain(|rack: &Arc<Rack>| !rack.spec.site.is_empty());
    racks
}

fn each<K>(unreadable: &[Unreadable<K>], least: impl Fn() -> Value) -> Vec<Arc<K>>
where
    K: Serialize + DeserializeOwned + ResourceExt,
{
    let mut all: Vec<Arc<K>> = unreadable
        .iter()
        .filter_map(|one| salvage(one, &least()).map(Arc::new))
        .collect();
    all.sort_by_cached_key(|object| (object.namespace(), object.name_any()));
    all
}

/// `least` is the smallest spec that can be read; it serves where nothing better is known.
fn salvage<K: Serialize + DeserializeOwned>(unreadable: &Unreadable<K>, least: &Value) -> Option<K> {
    let before = unreadable.last.as_deref();
    let before = before.and_then(|known| serde_json::to_value(known).ok());
    let mut object = before.unwrap_or_else(|| json!({"spec": least}));
    for field in ["apiVersion", "kind", "metadata"] {
        object[field] = unreadable.object[field].clone();
    }
    for part in ["spec", "status"] {
        let Some(fields) = unreadable.object[part].as_object() else {
            continue;
        };
        for (name, value) in fields {
            take::<K>(&mut object, part, name, value);
        }
    }
    serde_json::from_value(object).ok()
}

/// Takes a field over, or of a list those of its items, with which the object can still be read.
fn take<K: DeserializeOwned>(object: &mut Value, part: &str, name: &str, value: &Value) {
    let mut with = |value: Value| {
        let mut tried = object.clone();
        tried[part][name] = value;
        let reads = K::deserialize(&tried).is_ok();
        if reads {
            *object = tried;
        }
        reads
    };
    if with(value.clone()) {
        return;
    }
    let mut good: Vec<Value> = Vec::new();
    for item in value.as_array().into_iter().flatten() {
        good.push(item.clone());
        if !with(json!(good)) {
            good.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unreadable<K>(object: Value, last: Option<K>) -> Unreadable<K> {
        Unreadable {
            object,
            last: last.map(Arc::new),
        }
    }

    #[test]
    fn what_is_reserved_is_never_lost_with_a_field_that_cannot_be_read() {
        let broken = json!({
            "apiVersion": "raidc.dev/v1alpha1", "kind": "Colocation",
            "metadata": {"name": "fw", "namespace": "kuldiga"},
            "spec": {"devices": [{"name": "a", "units": 2, "watts": "many"}, {"name": "b", "units": 1, "watts": 90}], "spread": "Moon"},
            "status": {"observedGeneration": 1, "watts": 290, "devices": [
                {"name": "a", "site": "talsi", "rack": "talsi-r1", "lowestUnit": 4, "units": 2, "feeds": ["a", "b"]},
                {"name": "b", "site": "talsi", "rack": "talsi-r1", "lowestUnit": 1, "units": 1, "feeds": ["a"]},
            ]},
        });
        let found = colocations(&[unreadable(broken.clone(), None)]);
        let status = found[0].status.as_ref().expect("a status");
        assert_eq!((status.devices.len(), status.watts), (2, Some(290)));
        let names: Vec<_> = found[0]
            .spec
            .devices
            .iter()
            .map(|device| device.name.as_str())
            .collect();
        assert_eq!(names, ["b"]);
        // What was last read of it says more, and no less than what can still be read.
        let mut before = broken.clone();
        before["spec"] = json!({"devices": [{"name": "a", "units": 2, "watts": 200}], "spread": "Site"});
        let before: Colocation = serde_json::from_value(before).expect("a colocation");
        let found = colocations(&[unreadable(broken, Some(before))]);
        assert_eq!(found[0].spec.spread, raidc_crds::colocation::Spread::Site);
    }

    #[test]
    fn a_server_without_an_image_never_loses_its_place() {
        let broken = json!({
            "apiVersion": "raidc.dev/v1alpha1", "kind": "VirtualServer",
            "metadata": {"name": "web", "namespace": "kuldiga", "uid": "u"},
            "spec": {"size": "m-4", "disks": "none"},
            "status": {"site": "talsi", "rack": "talsi-r1", "host": "t1", "coresMilli": 4000, "memoryMib": 16700},
        });
        let found = servers(&[unreadable(broken, None)]);
        let status = found[0].status.as_ref().expect("a status");
        assert_eq!(
            (status.site.as_deref(), status.cores_milli),
            (Some("talsi"), Some(4000))
        );
        assert_eq!(found[0].spec.size.as_deref(), Some("m-4"));
        assert_eq!(found[0].metadata.uid.as_deref(), Some("u"));
    }

    #[test]
    fn a_rack_is_never_put_at_no_site() {
        let rack = |spec: Value| {
            let raw = json!({"apiVersion": "raidc.dev/v1alpha1", "kind": "Rack", "metadata": {"name": "r"}, "spec": spec});
            racks(&[unreadable(raw, None)])
        };
        assert_eq!(
            rack(json!({"site": "talsi", "feeds": "two"}))[0].spec.site,
            "talsi"
        );
        assert!(rack(json!({"site": 7, "units": 42})).is_empty());
    }
}
