//! Reads the cases of `crds/tests/cases` and the schemas that they are about. Shared by the offline tests and by the test against the
//! API server, so that both speak of the same objects. Reads files of this repository only.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

pub mod schema;

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// What one kind may and may not say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    /// The object that every case is merged into.
    pub base: Value,
    /// Accepted objects that between them use every field.
    pub accepts: Vec<Value>,
    /// Cases of the CEL rules.
    pub rules: Vec<RuleCases>,
    /// Cases of patterns, enums and ranges.
    pub values: Vec<ValueCases>,
}

/// Cases of one CEL rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleCases {
    /// Schema path that holds the rule, such as `spec.disks[].size`; empty for the object itself.
    pub at: String,
    /// The rule's message.
    pub message: String,
    /// For a rule about changes: the object before, merged into the base.
    pub from: Option<Value>,
    /// Accepted.
    pub accepts: Vec<Value>,
    /// Refused by this rule and by nothing else.
    pub refuses: Vec<Value>,
}

/// Cases of one field.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueCases {
    /// Schema path of the field.
    pub at: String,
    /// Accepted.
    pub accepts: Vec<Value>,
    /// Refused by the field's schema.
    pub refuses: Vec<Value>,
}

impl Cases {
    /// The base with a case merged in.
    pub fn with(&self, case: &Value) -> Value {
        let mut object = self.base.clone();
        merge(&mut object, case);
        object
    }

    /// Every accepted object of this file, each with the object before it if it is an update.
    pub fn accepted(&self) -> Vec<(Value, Option<Value>)> {
        let plain = self
            .accepts
            .iter()
            .chain(self.values.iter().flat_map(|v| &v.accepts));
        let of_rules = self.rules.iter().flat_map(|r| {
            let before = r.from.as_ref().map(|from| self.with(from));
            r.accepts
                .iter()
                .map(move |case| (self.with(case), before.clone()))
        });
        plain
            .map(|case| (self.with(case), None))
            .chain(of_rules)
            .collect()
    }
}

/// JSON merge patch (RFC 7386): null takes a field away, lists are replaced.
pub fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = Value::Object(serde_json::Map::new());
    }
    let fields = object.as_object_mut().expect("just made one");
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name.clone()).or_insert(Value::Null), change);
        }
    }
}

/// The CRDs by kind, as they are installed.
pub fn crds() -> BTreeMap<String, Value> {
    let by_kind = |crd: Value| (text(&crd, "/spec/names/kind").to_owned(), crd);
    raidc_crds::documents()
        .into_iter()
        .map(|(_, crd)| by_kind(crd))
        .collect()
}

/// The schema of a CRD's only version.
pub fn schema_of(crd: &Value) -> &Value {
    crd.pointer("/spec/versions/0/schema/openAPIV3Schema")
        .expect("a schema")
}

/// A text inside a document.
pub fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    document
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Every file of cases, by kind.
pub fn all_cases() -> BTreeMap<String, Cases> {
    let read = |path: &Path| {
        let source = fs::read_to_string(path).expect("a readable file of cases");
        let cases: Cases =
            serde_saphyr::from_str(&source).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        (text(&cases.base, "/kind").to_owned(), cases)
    };
    yaml_files(&repository().join("crds/tests/cases"))
        .iter()
        .map(|path| read(path))
        .collect()
}

/// The repository: the folder above that has `crds/yaml`.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().find(|folder| folder.join("crds/yaml").is_dir());
    root.expect("a folder above that has crds/yaml").to_owned()
}

/// The YAML files of a folder, by name.
pub fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|ext| ext == "yaml"));
    files.sort();
    assert!(!files.is_empty(), "{} has no YAML", folder.display());
    files
}
