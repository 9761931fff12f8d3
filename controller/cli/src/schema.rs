//! Whether an object is one that the API server would accept: schema, then the CEL rules, as the CRDs say. No I/O.
//!
//! The schemas are those that are installed (`raidc_crds::documents`), the rules run in the engine that the kinds' own tests
//! use; the API server stays the judge (quotas of the cluster, admission policies and names of other objects are not seen here).

use std::collections::BTreeMap;
use std::sync::OnceLock;

use kube::core::cel::{CompiledSchema, Validator, apply_defaults, compile_schema};
use regex::Regex;
use serde_json::{Map, Value};

use crate::kinds::Kind;

struct Known {
    schema: Value,
    rules: CompiledSchema,
}

fn known(kind: Kind) -> Option<&'static Known> {
    static ALL: OnceLock<BTreeMap<String, Known>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let of = |(_, crd): (String, Value)| {
            let kind = crd.pointer("/spec/names/kind")?.as_str()?.to_owned();
            let mut schema = crd.pointer("/spec/versions/0/schema/openAPIV3Schema")?.clone();
            // What is applied never carries a status: the API server takes it away and so is its default here.
            schema["properties"].as_object_mut()?.remove("status");
            let rules = compile_schema(&schema);
            Some((kind, Known { schema, rules }))
        };
        raidc_crds::documents().into_iter().filter_map(of).collect()
    });
    all.get(kind.name())
}

/// Fields that were written as null are left out, as the API server does; then the defaults are filled in.
#[must_use]
pub fn with_defaults(kind: Kind, object: &Value) -> Value {
    let mut object = object.clone();
    without_null(&mut object);
    match known(kind) {
        Some(known) => apply_defaults(&known.schema, &object),
        None => object,
    }
}

fn without_null(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// What the API server would say against an object of ours, without its status. `old` is the object as it is now, for the rules
/// about changes. Other projects' objects have no schema here: nothing is said against them.
#[must_use]
pub fn faults(kind: Kind, object: &Value, old: Option<&Value>) -> Vec<String> {
    let Some(known) = known(kind) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    check(&known.schema, object, "", &mut found);
    if found.is_empty()
        && let Err(errors) = Validator::new().validate_compiled(&known.rules, object, old)
    {
        found.extend(errors.into_vec().into_iter().map(|error| error.to_string()));
    }
    found
}

fn check(schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    let mut fault = |message: String| {
        let at = if path.is_empty() { "the object" } else { path };
        found.push(format!("{at}: {message}"));
    };
    if let Some(wanted) = wrong_type(schema, value) {
        fault(format!("is {value}; {wanted} is wanted"));
        return;
    }
    if let Some(words) = schema["enum"].as_array().filter(|words| !words.contains(value)) {
        let words: Vec<String> = words.iter().map(Value::to_string).collect();
        fault(format!("{value} is not one of {}", words.join(", ")));
    }
    if let Some(text) = value.as_str() {
        check_text(schema, text, &mut fault);
    }
    if let Some(number) = value.as_f64() {
        let bound = |name: &str| schema[name].as_f64();
        if bound("minimum").is_some_and(|least| number < least) {
            fault(format!("{value} is less than {}", schema["minimum"]));
        }
        if bound("maximum").is_some_and(|most| number > most) {
            fault(format!("{value} is more than {}", schema["maximum"]));
        }
    }
    if let Some(items) = value.as_array() {
        check_list(schema, items, &mut fault);
        for (index, item) in items.iter().enumerate() {
            check(&schema["items"], item, &format!("{path}[{index}]"), found);
        }
    }
    if let Some(fields) = value.as_object() {
        check_fields(schema, fields, path, found);
    }
}

fn check_text(schema: &Value, text: &str, fault: &mut dyn FnMut(String)) {
    let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
    if schema["minLength"].as_u64().is_some_and(|least| length < least) {
        fault(format!(
            "{text:?} is too short: at least {} character(s)",
            schema["minLength"]
        ));
    }
    if schema["maxLength"].as_u64().is_some_and(|most| length > most) {
        fault(format!(
            "{text:?} is too long: at most {} character(s)",
            schema["maxLength"]
        ));
    }
    // A pattern that this engine cannot read is left to the API server.
    if let Some(pattern) = schema["pattern"].as_str()
        && Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(text))
    {
        fault(format!("{text:?} does not match {pattern}"));
    }
}

fn check_list(schema: &Value, items: &[Value], fault: &mut dyn FnMut(String)) {
    let length = u64::try_from(items.len()).unwrap_or(u64::MAX);
    if schema["minItems"].as_u64().is_some_and(|least| length < least) {
        fault(format!("has {length} item(s): at least {}", schema["minItems"]));
    }
    if schema["maxItems"].as_u64().is_some_and(|most| length > most) {
        fault(format!("has {length} items: at most {}", schema["maxItems"]));
    }
    let keys: Vec<Value> = match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => items.to_vec(),
        Some("map") => {
            let names: Vec<&str> = schema["x-kubernetes-list-map-keys"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let key = |item: &Value| names.iter().map(|name| item[name].clone()).collect();
            items.iter().map(key).collect()
        }
        _ => Vec::new(),
    };
    for (index, key) in keys.iter().enumerate() {
        if keys[..index].contains(key) {
            let key = key.as_array().and_then(|keys| keys.first()).unwrap_or(key);
            fault(format!("{key} is there twice: each may be there once"));
        }
    }
}

fn check_fields(schema: &Value, fields: &Map<String, Value>, path: &str, found: &mut Vec<String>) {
    let below = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    for name in schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if !fields.contains_key(name) {
            found.push(format!("{}: is missing", below(name)));
        }
    }
    for (name, value) in fields {
        if let Some(child) = schema["properties"].get(name) {
            check(child, value, &below(name), found);
        } else if schema["additionalProperties"].is_object() {
            check(&schema["additionalProperties"], value, &below(name), found);
        } else if !(path.is_empty() && ["apiVersion", "kind", "metadata"].contains(&name.as_str())) {
            let known: Vec<&str> = schema["properties"]
                .as_object()
                .into_iter()
                .flat_map(|fields| fields.keys())
                .map(String::as_str)
                .filter(|name| !path.is_empty() || !["apiVersion", "kind", "metadata"].contains(name))
                .collect();
            found.push(format!(
                "{}: there is no such field; there are {}",
                below(name),
                known.join(", ")
            ));
        }
    }
}

/// What is wanted instead, when the value has the wrong type.
fn wrong_type(schema: &Value, value: &Value) -> Option<String> {
    let whole = value.is_i64() || value.is_u64();
    let (fits, wanted) = if schema["x-kubernetes-int-or-string"] == true {
        (whole || value.is_string(), "a text or a whole number")
    } else {
        match schema["type"].as_str() {
            Some("string") => (value.is_string(), "a text"),
            Some("integer") => (whole, "a whole number"),
            Some("number") => (value.is_number(), "a number"),
            Some("boolean") => (value.is_boolean(), "true or false"),
            Some("array") => (value.is_array(), "a list"),
            Some("object") => (value.is_object(), "a group of fields"),
            _ => (true, ""),
        }
    };
    if fits {
        return None;
    }
    let choice = schema["enum"].as_array().map(|words| {
        let words: Vec<String> = words.iter().map(Value::to_string).collect();
        words.join(" or ")
    });
    let quotes = if value.is_boolean() && schema["type"] == "string" {
        " in quotation marks (YAML takes On, Off, Yes and No without them for true and false)"
    } else {
        ""
    };
    Some(choice.unwrap_or_else(|| wanted.to_owned()) + quotes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn server(spec: &Value) -> Value {
        json!({
            "apiVersion": "raidc.dev/v1alpha1", "kind": "VirtualServer",
            "metadata": {"name": "a", "namespace": "n"}, "spec": spec,
        })
    }

    #[test]
    fn nothing_wrong_is_let_through_and_each_is_said_in_words() {
        for (spec, want) in [
            (
                json!({"sze": "m-4", "image": "x", "size": "m-4"}),
                "spec.sze: there is no such field",
            ),
            (json!({"size": "m-4"}), "spec.image: is missing"),
            (
                json!({"size": 4, "image": "x"}),
                "spec.size: is 4; a text is wanted",
            ),
            (
                json!({"size": "m-4", "image": "x", "power": true}),
                "\"On\" or \"Off\" in quotation marks",
            ),
            (
                json!({"size": "m-4", "image": "x", "tier": 9}),
                "spec.tier: 9 is more than 5",
            ),
            (
                json!({"size": "m-4", "image": "x", "disks": [{"name": "d", "size": "16GB"}]}),
                "spec.disks[0].size: \"16GB\" does not match",
            ),
            (
                json!({"size": "m-4", "image": "x", "resources": {"cores": 1, "memory": "1Gi"}}),
                "say either size or resources, not both",
            ),
            (
                json!({"size": "m", "image": "x", "disks": [{"name": "d", "size": "1Gi"}, {"name": "d", "size": "1Gi"}]}),
                "spec.disks: \"d\" is there twice",
            ),
        ] {
            let found = faults(Kind::VirtualServer, &server(&spec), None);
            assert!(
                found.iter().any(|fault| fault.contains(want)),
                "{spec}: {found:?}"
            );
        }
        let good = server(&json!({"size": "m-4", "image": "x"}));
        assert_eq!(faults(Kind::VirtualServer, &good, None), [] as [&str; 0]);
    }

    #[test]
    fn a_change_that_the_api_server_would_refuse_is_never_planned() {
        let old = server(&json!({"size": "m-4", "image": "x"}));
        let new = server(&json!({"size": "m-4", "image": "y"}));
        let found = faults(Kind::VirtualServer, &new, Some(&old));
        assert!(found.iter().any(|f| f.contains("cannot be changed")), "{found:?}");
    }

    #[test]
    fn a_null_is_never_a_mistake() {
        let written = server(&json!({"size": "m-4", "image": "x", "policy": null}));
        let object = with_defaults(Kind::VirtualServer, &written);
        assert_eq!(faults(Kind::VirtualServer, &object, None), [] as [&str; 0]);
        assert_eq!(object["spec"]["power"], "On");
    }
}
