//! Reading objects of any kind as JSON, and telling whether a merge patch would change one. No I/O.

use jiff::Timestamp;
use kube::core::DynamicObject;
use serde_json::Value;

/// Name within its namespace; the namespace is empty for objects of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) ns: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(ns: &str, name: &str) -> Self {
        Self {
            ns: ns.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Key of an object of the cluster.
    pub(crate) fn cluster(name: &str) -> Self {
        Self::new("", name)
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.ns.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.ns, self.name)
        }
    }
}

/// Reading an object without knowing its type; what is absent reads as empty.
pub(crate) trait Look {
    fn at(&self, pointer: &str) -> &Value;
    fn key(&self) -> Key;
    fn label(&self, name: &str) -> &str;
    fn note(&self, name: &str) -> &str;
    fn uid(&self) -> &str;
    fn deleting(&self) -> bool;

    fn text(&self, pointer: &str) -> &str {
        self.at(pointer).as_str().unwrap_or_default()
    }

    fn list(&self, pointer: &str) -> &[Value] {
        self.at(pointer).as_array().map_or(&[], Vec::as_slice)
    }

    fn flag(&self, pointer: &str) -> bool {
        self.at(pointer).as_bool().unwrap_or_default()
    }

    /// Status of a condition: `True`, `False`, `Unknown` or empty.
    fn condition(&self, kind: &str) -> &str {
        self.list("/status/conditions")
            .iter()
            .find(|c| c["type"] == kind)
            .and_then(|c| c["status"].as_str())
            .unwrap_or_default()
    }
}

impl Look for DynamicObject {
    fn at(&self, pointer: &str) -> &Value {
        self.data.pointer(pointer).unwrap_or(&Value::Null)
    }

    fn key(&self) -> Key {
        Key {
            ns: self.metadata.namespace.clone().unwrap_or_default(),
            name: self.metadata.name.clone().unwrap_or_default(),
        }
    }

    fn label(&self, name: &str) -> &str {
        let labels = self.metadata.labels.as_ref();
        labels.and_then(|l| l.get(name)).map_or("", String::as_str)
    }

    fn note(&self, name: &str) -> &str {
        let notes = self.metadata.annotations.as_ref();
        notes.and_then(|a| a.get(name)).map_or("", String::as_str)
    }

    fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    fn deleting(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }
}

/// Number of the version of an object; newer versions have greater numbers.
pub(crate) fn version(object: &DynamicObject) -> u64 {
    let version = object.metadata.resource_version.as_deref();
    version.and_then(|v| v.parse().ok()).unwrap_or_default()
}

/// Whether an RFC 7386 merge patch would change `current`.
pub(crate) fn changes(current: &Value, patch: &Value) -> bool {
    match patch {
        Value::Object(fields) => match current {
            Value::Object(have) => fields.iter().any(|(name, wanted)| match have.get(name) {
                None => !is_empty_patch(wanted),
                Some(_) if wanted.is_null() => true,
                Some(now) => changes(now, wanted),
            }),
            _ => !is_empty_patch(patch),
        },
        _ => current != patch,
    }
}

/// A patch that only removes what is not there leaves nothing behind.
fn is_empty_patch(patch: &Value) -> bool {
    match patch {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(is_empty_patch),
        _ => false,
    }
}

/// The whole object as JSON, metadata included.
pub(crate) fn whole(object: &DynamicObject) -> Value {
    serde_json::to_value(object).unwrap_or(Value::Null)
}

/// A time as Kubernetes writes it, in whole seconds.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A time as leases hold it, in microseconds.
pub(crate) fn rfc3339_micro(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// Reads a time; anything else is absent.
pub(crate) fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// Puts a condition in place of the one of its type. The transition time is kept while the status stays the same.
pub(crate) fn with_condition(conditions: &[Value], mut wanted: Value, now: Timestamp) -> Vec<Value> {
    let mut all = conditions.to_vec();
    let place = all.iter().position(|c| c["type"] == wanted["type"]);
    let kept = place.map(|i| &all[i]).filter(|c| c["status"] == wanted["status"]);
    wanted["lastTransitionTime"] = match kept {
        Some(same) if same["lastTransitionTime"].is_string() => same["lastTransitionTime"].clone(),
        _ => Value::String(rfc3339(now)),
    };
    match place {
        Some(i) => all[i] = wanted,
        None => all.push(wanted),
    }
    all
}

/// A short stable number of a text (FNV-1a), for addresses and choices that must not change between runs.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// An object of a test.
#[cfg(test)]
pub(crate) fn object(value: Value) -> DynamicObject {
    let mut value = value;
    if value.get("metadata").is_none() {
        value["metadata"] = serde_json::json!({});
    }
    serde_json::from_value(value).expect("an object")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_patch_that_says_what_is_already_so_is_not_written() {
        let now = json!({"a": 1, "b": {"c": "x", "d": [1, 2]}});
        assert!(!changes(&now, &json!({"b": {"d": [1, 2]}})));
        assert!(!changes(&now, &json!({"gone": null, "b": {"also": null}})));
        assert!(!changes(&now, &json!({"absent": {"deeper": null}})));
        assert!(changes(&now, &json!({"a": null})));
        assert!(changes(&now, &json!({"b": {"d": [2, 1]}})));
        assert!(changes(&now, &json!({"e": "new"})));
        assert!(changes(&json!({"a": 1}), &json!({"a": {"b": 1}})));
    }

    #[test]
    fn a_condition_keeps_its_transition_time_while_its_status_stays() {
        let at = |s: &str| s.parse::<Timestamp>().expect("a time");
        let first = with_condition(
            &[],
            json!({"type": "Ready", "status": "True"}),
            at("2026-01-01T00:00:00Z"),
        );
        let same = json!({"type": "Ready", "status": "True", "message": "still"});
        let second = with_condition(&first, same, at("2026-01-01T00:01:00Z"));
        assert_eq!(second[0]["lastTransitionTime"], "2026-01-01T00:00:00Z");
        assert_eq!(second[0]["message"], "still");
        let turned = json!({"type": "Ready", "status": "False"});
        let third = with_condition(&second, turned, at("2026-01-01T00:02:00Z"));
        assert_eq!(
            (third.len(), &third[0]["lastTransitionTime"]),
            (1, &json!("2026-01-01T00:02:00Z"))
        );
    }

    #[test]
    fn what_is_absent_reads_as_empty() {
        let pod = object(
            json!({"spec": {"nodeName": "n"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}),
        );
        assert_eq!((pod.text("/spec/nodeName"), pod.text("/spec/none")), ("n", ""));
        assert_eq!((pod.condition("Ready"), pod.condition("Other")), ("True", ""));
        assert!(pod.list("/spec/volumes").is_empty() && !pod.flag("/spec/hostNetwork"));
    }
}
