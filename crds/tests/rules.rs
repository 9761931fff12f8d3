//! What each kind may and may not say: every CEL rule and every pattern of the installed schemas, with accepted and refused objects.
//! The same cases are put to a real API server in tests/chart.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]

mod support;

use kube::CustomResourceExt;
use kube::core::cel::Validator;
use kube::core::cel::validate_cel;
use kube::core::cel::validate_cel_update;
use raidc_crds::{Colocation, Drill, Failover, Rack, ReplicationPolicy, Site, Tenant, VirtualServer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;
use support::schema;

/// Messages of the CEL rules that refuse an object, each with the path of its field.
fn refusals(schema: &Value, object: &Value, before: Option<&Value>) -> BTreeSet<(String, String)> {
    let Err(errors) = Validator::new().validate(schema, object, before) else {
        return BTreeSet::new();
    };
    errors
        .into_iter()
        .map(|e| (schema::without_indices(&e.field_path), e.message))
        .collect()
}

/// The same question through the Rust types: whether the object can be read, and kube's own verdict on it.
fn typed(kind: &str, object: &Value, before: Option<&Value>) -> Result<(), String> {
    fn judge<T>(object: &Value, before: Option<&Value>) -> Result<(), String>
    where
        T: CustomResourceExt + DeserializeOwned + Serialize,
    {
        let read = |value: &Value| {
            serde_json::from_value::<T>(value.clone()).unwrap_or_else(|e| panic!("{e}: {value}"))
        };
        match before {
            Some(before) => validate_cel_update(&read(object), &read(before)),
            None => validate_cel(&read(object)),
        }
        .map_err(|errors| errors.to_string())
    }
    match kind {
        "VirtualServer" => judge::<VirtualServer>(object, before),
        "Colocation" => judge::<Colocation>(object, before),
        "Tenant" => judge::<Tenant>(object, before),
        "ReplicationPolicy" => judge::<ReplicationPolicy>(object, before),
        "Site" => judge::<Site>(object, before),
        "Rack" => judge::<Rack>(object, before),
        "Failover" => judge::<Failover>(object, before),
        "Drill" => judge::<Drill>(object, before),
        other => panic!("no type for {other}"),
    }
}

#[test]
fn no_rule_is_without_an_accepted_and_a_refused_case() {
    let cases = support::all_cases();
    for (kind, crd) in support::crds() {
        let mut rules = BTreeSet::new();
        schema::walk(support::schema_of(&crd), "", &mut |path, node| {
            for rule in node["x-kubernetes-validations"].as_array().into_iter().flatten() {
                let message = rule["message"].as_str().expect("every rule has a message");
                assert!(
                    rules.insert((path.to_owned(), message.to_owned())),
                    "{kind} {path}: two rules say: {message}"
                );
            }
        });
        let tested: BTreeSet<_> = cases[&kind]
            .rules
            .iter()
            .filter(|r| !r.accepts.is_empty() && !r.refuses.is_empty())
            .map(|r| (r.at.clone(), r.message.clone()))
            .collect();
        assert_eq!(
            rules, tested,
            "{kind}: rules of the schema (left) and rules with both cases (right)"
        );
    }
}

#[test]
fn no_pattern_is_without_an_accepted_and_a_refused_case() {
    let cases = support::all_cases();
    for (kind, crd) in support::crds() {
        schema::walk(
            &support::schema_of(&crd)["properties"]["spec"],
            "spec",
            &mut |path, node| {
                // A quantity is the same text everywhere; VirtualServer's disks try it once for all.
                if node["pattern"].is_string() && node["x-kubernetes-int-or-string"] != true {
                    let tested = |v: &support::ValueCases| {
                        v.at == path && !v.accepts.is_empty() && !v.refuses.is_empty()
                    };
                    assert!(
                        cases[&kind].values.iter().any(tested),
                        "{kind} {path}: the pattern has no accepted and refused case under `values`"
                    );
                }
            },
        );
    }
}

#[test]
fn no_accepted_case_is_refused() {
    let crds = support::crds();
    for (kind, cases) in support::all_cases() {
        let schema = support::schema_of(&crds[&kind]);
        for (object, before) in cases.accepted() {
            assert_eq!(schema::faults(schema, &object, ""), [], "{object}");
            assert_eq!(
                refusals(schema, &object, before.as_ref()),
                BTreeSet::new(),
                "{object}"
            );
            assert_eq!(typed(&kind, &object, before.as_ref()), Ok(()), "{object}");
        }
    }
}

#[test]
fn no_rule_lets_its_refused_case_pass_nor_hides_behind_another() {
    let crds = support::crds();
    for (kind, cases) in support::all_cases() {
        let schema = support::schema_of(&crds[&kind]);
        for rule in &cases.rules {
            let before = rule.from.as_ref().map(|from| cases.with(from));
            for case in &rule.refuses {
                let object = cases.with(case);
                let want = BTreeSet::from([(rule.at.clone(), rule.message.clone())]);
                assert_eq!(refusals(schema, &object, before.as_ref()), want, "{object}");
                assert_eq!(
                    schema::faults(schema, &object, ""),
                    [],
                    "not a matter of CEL: {object}"
                );
            }
        }
    }
}

#[test]
fn no_pattern_or_range_lets_its_refused_case_pass() {
    let crds = support::crds();
    for (kind, cases) in support::all_cases() {
        let schema = support::schema_of(&crds[&kind]);
        for value in &cases.values {
            for case in &value.refuses {
                let object = cases.with(case);
                let faults = schema::faults(schema, &object, "");
                let below = |path: &str| path.starts_with(value.at.trim_end_matches("[]"));
                assert!(
                    faults.iter().any(|(path, _)| below(path)),
                    "{kind} {}: {faults:?} {object}",
                    value.at
                );
            }
        }
    }
}

#[test]
fn no_field_of_a_spec_is_never_used_by_an_accepted_case() {
    let crds = support::crds();
    for (kind, cases) in support::all_cases() {
        let mut used = BTreeSet::new();
        for (object, _) in cases.accepted() {
            schema::used(&object, "", &mut |path| {
                used.insert(path.to_owned());
            });
        }
        let mut unused = Vec::new();
        schema::walk(
            &support::schema_of(&crds[&kind])["properties"]["spec"],
            "spec",
            &mut |path, _| {
                if !used.contains(path) {
                    unused.push(path.to_owned());
                }
            },
        );
        assert_eq!(
            unused,
            [] as [&str; 0],
            "{kind}: no accepted case uses these fields"
        );
    }
}
