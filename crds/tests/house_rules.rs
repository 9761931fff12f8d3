//! Rules that every schema of ours keeps, whatever it says: what the API conventions ask, and what GitOps tools stumble over.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]

mod support;

use serde_json::Value;
use std::collections::BTreeSet;
use support::schema;
use support::schema::walk;

/// Largest CRD that client-side apply can keep in its annotation.
const LARGEST: usize = 256 * 1024;
/// Columns that fit a terminal.
const MOST_COLUMNS: usize = 6;

/// Faults that the rule finds in every schema, as `Kind path: fault`.
fn faults(rule: impl Fn(&str, &Value) -> Option<String>) -> Vec<String> {
    let mut found = Vec::new();
    for (kind, crd) in support::crds() {
        walk(support::schema_of(&crd), "", &mut |path, node| {
            if let Some(fault) = rule(path, node) {
                found.push(format!("{kind} {path}: {fault}"));
            }
        });
    }
    found
}

fn in_spec(path: &str) -> bool {
    path.starts_with("spec")
}

const NONE: [&str; 0] = [];

#[test]
fn no_unsigned_or_floating_number() {
    let found = faults(|_, node| {
        let format = node["format"].as_str().unwrap_or_default();
        let allowed = ["", "int32", "int64", "date-time"].contains(&format);
        (!allowed || node["type"] == "number").then(|| format!("{} {format}", node["type"]))
    });
    assert_eq!(found, NONE);
}

#[test]
fn no_bound_written_as_a_fraction() {
    let found = faults(|_, node| {
        let fraction = ["minimum", "maximum"].into_iter().find(|b| node[b].is_f64());
        fraction.map(|bound| format!("{bound} {}", node[bound]))
    });
    assert_eq!(found, NONE);
}

#[test]
fn no_boolean() {
    assert_eq!(
        faults(|_, node| (node["type"] == "boolean").then(|| "boolean".to_owned())),
        NONE
    );
}

#[test]
fn no_map_with_free_keys() {
    assert_eq!(
        faults(|_, node| node.get("additionalProperties").map(ToString::to_string)),
        NONE
    );
}

#[test]
fn no_nullable_field() {
    assert_eq!(
        faults(|_, node| node.get("nullable").map(ToString::to_string)),
        NONE
    );
}

#[test]
fn no_unbounded_text() {
    // A date-time is as long as RFC 3339 makes it.
    let found = faults(|_, node| {
        let text = node["type"] == "string" || node["x-kubernetes-int-or-string"] == true;
        let bounded = node["maxLength"].is_u64() || node["enum"].is_array() || node["format"] == "date-time";
        (text && !bounded).then(|| "neither maxLength nor enum".to_owned())
    });
    assert_eq!(found, NONE);
}

#[test]
fn no_unbounded_number_in_a_spec() {
    let found = faults(|path, node| {
        let bounded = node["minimum"].is_i64() && node["maximum"].is_i64();
        (in_spec(path) && node["type"] == "integer" && !bounded).then(|| "no range".to_owned())
    });
    assert_eq!(found, NONE);
}

#[test]
fn no_unbounded_list_and_none_without_a_merge_rule() {
    let found = faults(|_, node| {
        let good = node["maxItems"].is_u64() && node["x-kubernetes-list-type"].is_string();
        (node["type"] == "array" && !good).then(|| "no maxItems or no x-kubernetes-list-type".to_owned())
    });
    assert_eq!(found, NONE);
}

#[test]
fn no_list_of_named_things_without_its_key() {
    let found = faults(|path, node| {
        let named = node["items"]["properties"]["name"].is_object();
        // A reference needs both its namespace and its name, and its list is written as a whole.
        let reference = node["items"]["properties"]["namespace"].is_object();
        let map = node["x-kubernetes-list-type"] == "map";
        (named && !reference && !map).then(|| format!("{path} is not a map by name"))
    });
    assert_eq!(found, NONE);
}

#[test]
fn no_field_without_a_description_that_begins_with_its_name() {
    let found = faults(|path, node| {
        let name = path.rsplit('.').next().unwrap_or_default();
        let description = node["description"].as_str().unwrap_or_default();
        if name.is_empty() || name.ends_with("[]") {
            return None; // the kind itself, and the things in a list: their field says what they are
        }
        let rest = description.strip_prefix(name);
        let good = rest.is_some_and(|r| r.starts_with([' ', ':', ','])) && description.ends_with('.');
        (!good).then(|| format!("\"{description}\""))
    });
    assert_eq!(found, NONE);
}

#[test]
fn no_status_that_counts_as_healthy_before_it_was_looked_at() {
    for (kind, crd) in support::crds() {
        let version = &crd["spec"]["versions"][0];
        let status = &support::schema_of(&crd)["properties"]["status"];
        assert_eq!(
            status["default"],
            serde_json::json!({"observedGeneration": -1}),
            "{kind}"
        );
        assert!(version["subresources"]["status"].is_object(), "{kind}");
        let required = support::schema_of(&crd)["required"].clone();
        assert_eq!(
            required,
            serde_json::json!(["spec"]),
            "{kind}: status is never required"
        );
        assert!(status.get("required").is_none(), "{kind}: {}", status["required"]);
    }
}

#[test]
fn no_conditions_that_two_writers_would_overwrite() {
    for (kind, crd) in support::crds() {
        let conditions = &support::schema_of(&crd)["properties"]["status"]["properties"]["conditions"];
        assert_eq!(
            conditions["x-kubernetes-list-map-keys"],
            serde_json::json!(["type"]),
            "{kind}"
        );
        for field in [
            "lastTransitionTime",
            "message",
            "observedGeneration",
            "reason",
            "status",
            "type",
        ] {
            assert!(
                conditions["items"]["properties"][field].is_object(),
                "{kind} {field}"
            );
        }
    }
}

#[test]
fn no_more_columns_than_a_terminal_holds() {
    for (kind, crd) in support::crds() {
        let columns = crd["spec"]["versions"][0]["additionalPrinterColumns"]
            .as_array()
            .expect("columns");
        let shown = columns
            .iter()
            .filter(|c| c["priority"].as_i64().unwrap_or(0) == 0);
        assert!(shown.count() <= MOST_COLUMNS, "{kind}");
        let names: Vec<_> = columns.iter().map(|c| support::text(c, "/name")).collect();
        assert!(
            names.contains(&"Ready") && names.contains(&"Age"),
            "{kind}: {names:?}"
        );
        for column in columns {
            assert!(
                ["string", "integer", "date"].contains(&support::text(column, "/type")),
                "{kind}: {column}"
            );
        }
    }
}

#[test]
fn no_column_or_selectable_field_that_does_not_exist() {
    for (kind, crd) in support::crds() {
        let mut paths = BTreeSet::new();
        walk(support::schema_of(&crd), "", &mut |path, _| {
            paths.insert(path.to_owned());
        });
        let version = &crd["spec"]["versions"][0];
        let columns = version["additionalPrinterColumns"]
            .as_array()
            .into_iter()
            .flatten();
        let fields = version["selectableFields"].as_array().into_iter().flatten();
        for path in columns.chain(fields).map(|c| support::text(c, "/jsonPath")) {
            let plain = schema::without_indices(path.trim_start_matches('.'));
            assert!(
                paths.contains(&plain) || plain.starts_with("metadata."),
                "{kind}: {path} is not in the schema"
            );
        }
    }
}

#[test]
fn no_name_is_taken_twice_and_every_kind_is_in_the_category() {
    let mut names = BTreeSet::new();
    for (kind, crd) in support::crds() {
        let categories = crd["spec"]["names"]["categories"].as_array().expect("categories");
        assert!(categories.contains(&Value::from("raidc")), "{kind}");
        let short = crd["spec"]["names"]["shortNames"]
            .as_array()
            .expect("short names");
        for name in short
            .iter()
            .chain([&crd["spec"]["names"]["plural"], &crd["spec"]["names"]["singular"]])
        {
            assert!(
                names.insert(name.to_string()),
                "{kind}: {name} is taken by another kind"
            );
        }
        // Words that kubectl already knows: taking them would hide Kubernetes' own kinds or those that we stand on.
        for taken in [
            "vm", "vms", "vmi", "dv", "pv", "pvc", "rs", "rd", "po", "no", "ns", "sc",
        ] {
            assert!(!short.contains(&Value::from(taken)), "{kind}: {taken}");
        }
    }
}

#[test]
fn no_crd_is_too_large_for_client_side_apply() {
    for (kind, crd) in support::crds() {
        let size = crd.to_string().len();
        assert!(size < LARGEST, "{kind}: {size} bytes");
    }
}
