//! What a structural schema says, for tests: a walk over its nodes, and the check of one object against everything but CEL. No I/O.
//! The API server is the judge (tests/chart asks it the same questions); this is here so that a mistake shows in a second.

use regex::Regex;
use serde_json::Value;

/// Calls `visit` for every node with its path, such as `spec.disks[].size`.
pub fn walk<'a>(schema: &'a Value, path: &str, visit: &mut dyn FnMut(&str, &'a Value)) {
    visit(path, schema);
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        let below = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        walk(child, &below, visit);
    }
    if schema["items"].is_object() {
        walk(&schema["items"], &format!("{path}[]"), visit);
    }
}

/// Paths of every field that an object uses.
pub fn used(object: &Value, path: &str, found: &mut dyn FnMut(&str)) {
    found(path);
    match object {
        Value::Object(fields) => {
            for (name, value) in fields {
                let below = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                used(value, &below, found);
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| used(item, &format!("{path}[]"), found)),
        _ => {}
    }
}

/// `spec.disks[3].size` → `spec.disks[].size`.
pub fn without_indices(path: &str) -> String {
    let mut inside = false;
    let keep = |c: &char| {
        inside = *c == '[' || (inside && *c != ']');
        *c == '[' || !inside
    };
    path.chars().filter(keep).collect()
}

/// What is wrong with a value: the path and the part of the schema that says so.
pub fn faults(schema: &Value, value: &Value, path: &str) -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    check(schema, value, path, &mut found);
    found
}

fn check(schema: &Value, value: &Value, path: &str, found: &mut Vec<(String, &'static str)>) {
    let mut fault = |what| found.push((path.to_owned(), what));
    if !has_type(schema, value) {
        fault("type");
        return;
    }
    if schema["enum"]
        .as_array()
        .is_some_and(|words| !words.contains(value))
    {
        fault("enum");
    }
    if let Some(text) = value.as_str() {
        let length = text.chars().count() as u64;
        if schema["minLength"].as_u64().is_some_and(|min| length < min) {
            fault("minLength");
        }
        if schema["maxLength"].as_u64().is_some_and(|max| length > max) {
            fault("maxLength");
        }
        if let Some(pattern) = schema["pattern"].as_str()
            && !Regex::new(pattern).expect("a regular expression").is_match(text)
        {
            fault("pattern");
        }
    }
    if let Some(number) = value.as_f64() {
        if schema["minimum"].as_f64().is_some_and(|min| number < min) {
            fault("minimum");
        }
        if schema["maximum"].as_f64().is_some_and(|max| number > max) {
            fault("maximum");
        }
    }
    if let Some(items) = value.as_array() {
        check_list(schema, items, &mut fault);
        for item in items {
            check(&schema["items"], item, &format!("{path}[]"), found);
        }
    }
    if let Some(fields) = value.as_object() {
        check_fields(schema, fields, path, found);
    }
}

fn check_list(schema: &Value, items: &[Value], fault: &mut dyn FnMut(&'static str)) {
    let length = items.len() as u64;
    if schema["minItems"].as_u64().is_some_and(|min| length < min) {
        fault("minItems");
    }
    if schema["maxItems"].as_u64().is_some_and(|max| length > max) {
        fault("maxItems");
    }
    let keys: Vec<Value> = match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => items.to_vec(),
        Some("map") => {
            let names = schema["x-kubernetes-list-map-keys"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let key = |item: &Value| {
                names
                    .iter()
                    .filter_map(|n| Some(item[n.as_str()?].clone()))
                    .collect()
            };
            items.iter().map(key).collect()
        }
        _ => Vec::new(),
    };
    if keys.iter().enumerate().any(|(i, key)| keys[..i].contains(key)) {
        fault("duplicate");
    }
}

fn check_fields(
    schema: &Value,
    fields: &serde_json::Map<String, Value>,
    path: &str,
    found: &mut Vec<(String, &'static str)>,
) {
    for name in schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if !fields.contains_key(name) {
            found.push((path.to_owned(), "required"));
        }
    }
    for (name, value) in fields {
        let below = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        match schema["properties"].get(name) {
            Some(child) => check(child, value, &below, found),
            // The API server adds these three to the root itself.
            None if path.is_empty() && ["apiVersion", "kind", "metadata"].contains(&name.as_str()) => {}
            None => found.push((below, "unknown field")),
        }
    }
}

fn has_type(schema: &Value, value: &Value) -> bool {
    if schema["x-kubernetes-int-or-string"] == true {
        return value.is_i64() || value.is_u64() || value.is_string();
    }
    match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => false,
    }
}
