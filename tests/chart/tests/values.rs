//! Values: every key is known, an unknown one is refused, and what cannot work is refused before anything is installed.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]

mod support;

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

fn values() -> Value {
    let source = fs::read_to_string(support::chart("raidc").join("values.yaml")).expect("values.yaml");
    serde_saphyr::from_str(&source).expect("YAML")
}

fn schema() -> Value {
    let source = fs::read_to_string(support::chart("raidc").join("values.schema.json")).expect("a schema");
    serde_json::from_str(&source).expect("JSON")
}

/// Paths of the objects inside the values.
fn objects(value: &Value, path: &str, found: &mut Vec<String>) {
    for (name, child) in value.as_object().into_iter().flatten() {
        if child.is_object() {
            let below = format!("{path}{name}.");
            objects(child, &below, found);
            found.push(below);
        }
    }
}

/// Free maps of labels and the like.
const FREE: [&str; 5] = [
    "serviceAccount.annotations.",
    "nodeSelector.",
    "podLabels.",
    "podAnnotations.",
    "metrics.serviceMonitor.labels.",
];

#[test]
fn an_unknown_key_is_never_ignored() {
    let mut paths = vec![String::new()];
    objects(&values(), "", &mut paths);
    for path in paths.iter().filter(|path| !FREE.contains(&path.as_str())) {
        let set = format!("{path}unknownKey=1");
        let refused = support::template("raidc", &["--set", &set]).expect_err(&set);
        assert!(refused.contains("unknownKey"), "{set}: {refused}");
    }
    let refused = support::template("raidc-crds", &["--set", "unknownKey=1"]).expect_err("the other chart");
    assert!(refused.contains("unknownKey"), "{refused}");
}

#[test]
fn no_key_is_missing_from_the_schema_or_from_the_values() {
    fn compare(schema: &Value, values: &Value, path: &str) {
        let Some(properties) = schema["properties"].as_object() else {
            return; // a free map
        };
        assert_eq!(schema["additionalProperties"], false, "{path}");
        let known: BTreeSet<_> = properties.keys().filter(|k| *k != "global").collect();
        let given: BTreeSet<_> = values.as_object().expect(path).keys().collect();
        assert_eq!(known, given, "{path}: schema (left), values.yaml (right)");
        for key in given {
            if properties[key]["type"] == "object" && path != "resources" {
                compare(&properties[key], &values[key], key);
            }
        }
    }
    compare(&schema(), &values(), "values");
}

#[test]
fn a_value_that_cannot_work_is_never_installed() {
    for (set, says) in [
        ("replicas=-1", "replicas"),
        ("replicas=two", "replicas"),
        ("leaseSeconds=1", "leaseSeconds"),
        ("image.digest=sha256:abc", "digest"),
        ("image.repository=Not An Image", "repository"),
        ("networkPolicy.mode=On", "mode"),
        ("consolidation.mode=Always", "mode"),
        ("consolidation.movesPerHour=0", "movesPerHour"),
        ("consolidation.restMinutes=half an hour", "restMinutes"),
        ("consolidation.leastWatts=0", "leastWatts"),
        ("admissionPolicies.trustedUsers={it's}", "trustedUsers"),
        ("spread=Required,replicas=1", "raise replicas"),
        ("images.namespace=raidc-system", "image catalogue"),
        ("images.namespace=kube-system", "image catalogue"),
        ("serviceAccount.name=default", "name of its own"),
    ] {
        let refused = support::template("raidc", &["--set", set]).expect_err(set);
        assert!(refused.contains(says), "{set}: {refused}");
    }
    let digest = format!("image.tag=v1,image.digest=sha256:{}", "a".repeat(64));
    let refused = support::template("raidc", &["--set", &digest]).expect_err("both");
    assert!(refused.contains("only the digest would count"), "{refused}");
    for namespace in ["kube-system", "default"] {
        let refused = support::template("raidc", &["--namespace", namespace]).expect_err(namespace);
        assert!(refused.contains("namespace of its own"), "{refused}");
    }
}

#[test]
fn no_chart_or_values_file_fails_lint() {
    let lint = |chart: &str, more: &[&str]| {
        let path = support::chart(chart);
        let args = [
            &["lint", "--strict", path.to_str().expect("a path in Unicode")],
            more,
        ]
        .concat();
        support::helm(&args).unwrap_or_else(|e| panic!("{chart} {more:?}: {e}"))
    };
    lint("raidc-crds", &[]);
    for file in support::value_files() {
        let file = file.to_str().expect("a path in Unicode");
        lint("raidc", &["--namespace", support::NAMESPACE, "--values", file]);
    }
}

#[test]
fn the_image_is_never_another_than_the_values_say() {
    let image = |set: &str| {
        let objects = support::template("raidc", &["--set", set]).expect(set);
        let pod = &support::one(&objects, "Deployment", "raidc-controller")["spec"]["template"]["spec"];
        pod["containers"][0]["image"]
            .as_str()
            .expect("an image")
            .to_owned()
    };
    let digest = format!("sha256:{}", "a".repeat(64));
    assert_eq!(image("image.tag=1.2.3"), "raidc-controller:1.2.3");
    assert_eq!(
        image(&format!("image.digest={digest}")),
        format!("raidc-controller@{digest}")
    );
    assert_eq!(
        image("image.repository=r.example/x"),
        format!("r.example/x:{}", env!("CARGO_PKG_VERSION"))
    );
}

/// What Helm tells whoever installs the chart, without a cluster.
fn notes(set: &str) -> String {
    let chart = support::chart("raidc");
    let chart = chart.to_str().expect("a path in Unicode");
    let args = [
        "install",
        "raidc",
        chart,
        "--namespace",
        support::NAMESPACE,
        "--dry-run=client",
        "--set",
        set,
    ];
    let printed = support::helm(&args).expect("it renders");
    let (_, notes) = printed.split_once("NOTES:").expect("notes");
    notes.to_owned()
}

#[test]
fn an_image_that_nobody_can_pull_is_never_installed_without_a_word() {
    let says = "image.repository is raidc-controller, without a registry";
    let notes_of_defaults = notes("replicas=2");
    assert!(
        notes_of_defaults.contains(says) && notes_of_defaults.contains("docs/install.md"),
        "{notes_of_defaults}"
    );
    let given = notes("image.repository=registry.example/raidc/raidc-controller");
    assert!(!given.contains("image.repository"), "{given}");
}

#[test]
fn a_pause_is_never_refused_nor_taken_for_one_replica() {
    let paused = notes("replicas=0,spread=Required");
    assert!(
        paused.contains("RAIDC is paused") && !paused.contains("one replica"),
        "{paused}"
    );
    let single = notes("replicas=1");
    assert!(
        single.contains("there is one replica") && !single.contains("paused"),
        "{single}"
    );
}
