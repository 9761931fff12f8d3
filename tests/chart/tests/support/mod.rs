//! Runs Helm and reads what it rendered. Runs processes; touches no cluster.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

#[path = "../../../../crds/tests/support/mod.rs"]
pub mod cases;

use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

/// Namespace in which the charts are rendered.
pub const NAMESPACE: &str = "raidc-system";

/// The chart of that name.
pub fn chart(name: &str) -> PathBuf {
    cases::repository().join("charts").join(name)
}

/// The values files of the chart raidc, which stand for how it is installed.
pub fn value_files() -> Vec<PathBuf> {
    cases::yaml_files(&chart("raidc").join("ci"))
}

/// Path of Helm: the one that the lab uses, or the one on PATH.
fn helm_path() -> PathBuf {
    let cache = std::env::var_os("RAIDC_CACHE").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/raidc"));
    let list = cache.or(home).unwrap_or_default().join("parts/current.json");
    let parts = std::fs::read_to_string(list).unwrap_or_default();
    let parts: Value = serde_json::from_str(&parts).unwrap_or_default();
    parts["bin"]["helm"]
        .as_str()
        .map_or_else(|| PathBuf::from("helm"), PathBuf::from)
}

/// What Helm printed, or what it complained of.
pub fn helm(args: &[&str]) -> Result<String, String> {
    let home = tempfile::tempdir().expect("a folder for Helm's caches");
    let mut command = Command::new(helm_path());
    for what in ["CACHE", "CONFIG", "DATA"] {
        command.env(format!("HELM_{what}_HOME"), home.path().join(what));
    }
    let output = command
        .env("KUBECONFIG", home.path().join("none"))
        .args(args)
        .output()
        .unwrap_or_else(|e| panic!("Helm cannot be run ({e}): build it with tests/lab/parts/build"));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

/// `helm template` of a chart with more arguments.
pub fn template(name: &str, more: &[&str]) -> Result<Vec<Value>, String> {
    let path = chart(name);
    let path = path.to_str().expect("a path in Unicode");
    let args = [&["template", "raidc", path, "--namespace", NAMESPACE], more].concat();
    let documents: Vec<Value> = serde_saphyr::from_multiple(&helm(&args)?).expect("Helm renders YAML");
    Ok(documents.into_iter().filter(|d| !d.is_null()).collect())
}

/// The chart raidc as most install it.
pub fn rendered() -> Vec<Value> {
    template("raidc", &[]).expect("the defaults render")
}

/// What every values file renders, by its name.
pub fn all_rendered() -> Vec<(String, Vec<Value>)> {
    let render = |path: PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let objects = template("raidc", &["--values", path.to_str().expect("a path in Unicode")]);
        (name.clone(), objects.unwrap_or_else(|e| panic!("{name}: {e}")))
    };
    value_files().into_iter().map(render).collect()
}

/// Objects of a kind.
pub fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|o| o["kind"] == kind).collect()
}

/// The one object of a kind and name.
pub fn one<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut found = of_kind(objects, kind)
        .into_iter()
        .filter(|o| o["metadata"]["name"] == name);
    found
        .next()
        .unwrap_or_else(|| panic!("no {kind} {name} was rendered"))
}

/// The texts in a list.
pub fn texts(list: &Value) -> Vec<&str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}
