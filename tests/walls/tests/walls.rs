//! Who may import whom (docs/design.md §3), proved from Cargo's own graph of what is linked: normal dependencies, not those of tests.
//! Runs `cargo tree` and `cargo metadata`.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

fn cargo(args: &[&str]) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(env!("CARGO"))
        .args(args)
        .current_dir(root)
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "cargo {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

/// Names of all crates that are linked into a crate of ours, itself included.
fn linked(package: &str) -> BTreeSet<String> {
    let tree = cargo(&[
        "tree", "--locked", "-p", package, "--edges", "normal", "--prefix", "none", "--format", "{p}",
    ]);
    tree.lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

/// Crates that bring a runtime, a network, a cluster, a clock's zone files or chance.
const OUTSIDE_WORLD: [&str; 15] = [
    "async-std",
    "axum",
    "chrono",
    "futures",
    "getrandom",
    "hyper",
    "jiff",
    "k8s-openapi",
    "kube",
    "kube-client",
    "mio",
    "rand",
    "rustls",
    "smol",
    "tokio",
];

#[test]
fn the_planner_never_sees_the_outside_world() {
    let linked = linked("raidc-planner");
    assert!(linked.contains("raidc-planner") && linked.len() > 1, "{linked:?}");
    let seen: Vec<_> = OUTSIDE_WORLD
        .into_iter()
        .filter(|name| linked.contains(*name))
        .collect();
    assert_eq!(seen, [] as [&str; 0]);
    let ours: Vec<_> = linked.iter().filter(|name| name.starts_with("raidc-")).collect();
    assert_eq!(ours, ["raidc-planner"], "it imports nothing of ours");
}

/// Every source below a folder of the repository, with its text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut folders = vec![
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(folder),
    ];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let source = std::fs::read_to_string(&path).expect("a source");
                found.push((path, source));
            }
        }
    }
    assert!(found.len() > 5, "the sources of {folder} were not found");
    found
}

#[test]
fn the_planners_own_code_never_asks_for_time_files_or_environment() {
    for (path, source) in sources("controller/planner/src") {
        for word in [
            "std::env",
            "std::fs",
            "std::net",
            "std::process",
            "std::thread",
            "SystemTime",
            "Instant::now",
            "async fn",
        ] {
            assert!(!source.contains(word), "{} uses {word}", path.display());
        }
    }
}

#[test]
fn the_command_line_never_reaches_past_the_operators_inventory() {
    for (path, source) in sources("controller/cli/src") {
        for (at, name) in source.match_indices("raidc_controller") {
            let rest = &source[at + name.len()..];
            assert!(
                rest.starts_with("::inventory"),
                "{} names raidc_controller{}",
                path.display(),
                rest.lines().next().unwrap_or_default()
            );
        }
    }
}

#[test]
fn the_kinds_never_bring_a_client_with_them() {
    let linked = linked("raidc-crds");
    for name in ["tokio", "hyper", "rustls", "kube-client", "kube-runtime", "axum"] {
        assert!(!linked.contains(name), "raidc-crds links {name}");
    }
    let ours: Vec<_> = linked.iter().filter(|name| name.starts_with("raidc-")).collect();
    assert_eq!(ours, ["raidc-crds"], "it imports nothing of ours");
}

#[test]
fn nobody_imports_the_command_line_or_a_test() {
    let metadata: Value = serde_json::from_str(&cargo(&[
        "metadata",
        "--locked",
        "--no-deps",
        "--format-version",
        "1",
    ]))
    .expect("JSON");
    let mut seen = 0;
    for package in metadata["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("a name");
        let test = package["manifest_path"]
            .as_str()
            .expect("a path")
            .contains("/tests/");
        seen += 1;
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let on = dependency["name"].as_str().expect("a name");
            let normal = dependency["kind"].is_null();
            assert_ne!(on, "raidc", "{name} imports the command line");
            let tests = [
                "raidc-bench",
                "raidc-lab",
                "raidc-e2e",
                "raidc-chart-tests",
                "raidc-walls",
            ];
            assert!(test || !normal || !tests.contains(&on), "{name} imports {on}");
            let may_certify = test || ["raidc", "raidc-controller"].contains(&name);
            assert!(may_certify || on != "raidc-certifier", "{name} imports {on}");
        }
    }
    assert!(seen >= 10, "the workspace was not found");
}

#[test]
fn the_command_line_never_imports_more_than_it_may() {
    let linked = linked("raidc");
    let ours: Vec<_> = linked.iter().filter(|name| name.starts_with("raidc")).collect();
    // The certifier stands beside the planner: pure, and what it says of a fleet is said offline too (ADR 0007).
    let may = [
        "raidc",
        "raidc-certifier",
        "raidc-controller",
        "raidc-crds",
        "raidc-planner",
    ];
    assert_eq!(ours, may);
}

#[test]
fn neither_program_ever_links_a_second_way_to_speak_tls() {
    for program in ["raidc-controller", "raidc"] {
        let linked = linked(program);
        for name in ["openssl", "openssl-sys", "native-tls", "aws-lc-rs"] {
            assert!(
                !linked.contains(name),
                "{program}: a static program cannot have {name}"
            );
        }
    }
}

#[test]
fn the_certifier_sees_nothing_of_ours_but_the_planner() {
    let linked = linked("raidc-certifier");
    let seen: Vec<_> = OUTSIDE_WORLD
        .into_iter()
        .filter(|name| linked.contains(*name))
        .collect();
    assert_eq!(seen, [] as [&str; 0]);
    let ours: Vec<_> = linked.iter().filter(|name| name.starts_with("raidc-")).collect();
    assert_eq!(ours, ["raidc-certifier", "raidc-planner"]);
}
