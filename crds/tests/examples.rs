//! The files under `examples/`: each object is one that the schemas accept, and what it names exists in the other files. That the
//! examples can all be placed is shown by the demo; that a real API server accepts them, by tests/chart.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]

mod support;

use kube::core::cel::Validator;
use serde_json::Value;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use support::schema;
use support::text;

/// Every object of the examples with the name of its file.
fn objects() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for path in support::yaml_files(&support::repository().join("examples")) {
        let file = path.file_name().expect("a name").to_string_lossy().into_owned();
        let source = fs::read_to_string(&path).expect("a readable example");
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(&source).unwrap_or_else(|e| panic!("{file}: {e}"));
        found.extend(documents.into_iter().map(|object| (file.clone(), object)));
    }
    found
}

/// Names of the objects of each kind.
fn names() -> BTreeMap<String, BTreeSet<String>> {
    let mut names: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (_, object) in objects() {
        let kind = text(&object, "/kind").to_owned();
        names
            .entry(kind)
            .or_default()
            .insert(text(&object, "/metadata/name").to_owned());
    }
    names
}

fn list<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a str> {
    object
        .pointer(pointer)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

#[test]
fn no_example_is_refused() {
    let crds = support::crds();
    for (file, object) in objects() {
        let Some(crd) = crds.get(text(&object, "/kind")) else {
            continue; // KubeVirt's and CDI's own kinds: the API server knows them
        };
        let schema = support::schema_of(crd);
        assert_eq!(schema::faults(schema, &object, ""), [], "{file}: {object}");
        assert_eq!(
            Validator::new().validate(schema, &object, None),
            Ok(()),
            "{file}: {object}"
        );
    }
}

#[test]
fn no_example_file_is_without_a_word_on_what_it_shows() {
    for path in support::yaml_files(&support::repository().join("examples")) {
        let source = fs::read_to_string(&path).expect("a readable example");
        assert!(source.starts_with("# Shows "), "{}", path.display());
    }
}

#[test]
fn no_example_names_what_does_not_exist() {
    let names = names();
    let mut missing = Vec::new();
    let mut check = |file: &str, kind: &str, name: &str| {
        if !name.is_empty() && !names.get(kind).is_some_and(|of_kind| of_kind.contains(name)) {
            missing.push(format!("{file}: there is no {kind} {name}"));
        }
    };
    for (file, object) in objects() {
        match text(&object, "/kind") {
            "Rack" => check(&file, "Site", text(&object, "/spec/site")),
            "ReplicationPolicy" => {
                for class in object
                    .pointer("/spec/sync/storageClasses")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                {
                    list(class, "/sites").for_each(|site| check(&file, "Site", site));
                    let joined: Vec<_> = list(class, "/sites").collect();
                    assert_eq!(
                        text(class, "/class"),
                        format!("sync-{}", joined.join("-")),
                        "{file}"
                    );
                }
            }
            "Tenant" => check(&file, "ReplicationPolicy", text(&object, "/spec/defaultPolicy")),
            "VirtualServer" => {
                check(&file, "Tenant", text(&object, "/metadata/namespace"));
                check(&file, "ReplicationPolicy", text(&object, "/spec/policy"));
                check(
                    &file,
                    "VirtualMachineClusterInstancetype",
                    text(&object, "/spec/size"),
                );
                check(&file, "DataSource", text(&object, "/spec/image"));
                list(&object, "/spec/sites").for_each(|site| check(&file, "Site", site));
                let of = format!("50-{}.yaml", text(&object, "/metadata/namespace"));
                assert_eq!(file, of, "a server lies in its tenant's file");
            }
            "Colocation" => {
                check(&file, "Tenant", text(&object, "/metadata/namespace"));
                list(&object, "/spec/sites").for_each(|site| check(&file, "Site", site));
            }
            _ => {}
        }
    }
    assert_eq!(missing, [] as [&str; 0]);
}

#[test]
fn the_examples_are_never_fewer_than_the_demo_promises() {
    let count = |kind: &str| objects().iter().filter(|(_, o)| text(o, "/kind") == kind).count();
    assert_eq!(
        (
            count("Site"),
            count("Rack"),
            count("Tenant"),
            count("ReplicationPolicy")
        ),
        (4, 8, 5, 3)
    );
    assert!(count("VirtualServer") >= 40, "{}", count("VirtualServer"));
    assert_eq!(count("Colocation"), 6);
}

#[test]
fn no_tenant_of_the_examples_asks_for_more_than_its_quota() {
    let mut servers: BTreeMap<String, u64> = BTreeMap::new();
    let mut units: BTreeMap<String, u64> = BTreeMap::new();
    for (_, object) in objects() {
        let tenant = text(&object, "/metadata/namespace").to_owned();
        match text(&object, "/kind") {
            "VirtualServer" => *servers.entry(tenant).or_default() += 1,
            "Colocation" => {
                let devices = object
                    .pointer("/spec/devices")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten();
                let sum: u64 = devices.map(|d| d["units"].as_u64().expect("units")).sum();
                *units.entry(tenant).or_default() += sum;
            }
            _ => {}
        }
    }
    for (file, tenant) in objects()
        .into_iter()
        .filter(|(_, o)| text(o, "/kind") == "Tenant")
    {
        let name = text(&tenant, "/metadata/name");
        let quota = &tenant["spec"]["quota"];
        assert!(
            servers[name] <= quota["servers"].as_u64().expect("servers"),
            "{file}: {name}"
        );
        assert!(
            units.get(name).copied().unwrap_or(0) <= quota["rackUnits"].as_u64().expect("rackUnits"),
            "{name}"
        );
    }
}
