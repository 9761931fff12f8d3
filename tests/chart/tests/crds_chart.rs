//! The chart raidc-crds installs exactly the schemas of `crds/yaml`. `make crds` rewrites its templates.

#![allow(clippy::expect_used, reason = "a test may fail loudly")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use support::cases;

/// Deleting a CRD deletes every object of its kind, so Helm never deletes one.
const KEEP: &str = "metadata:\n  annotations:\n    helm.sh/resource-policy: keep\n";

#[test]
fn the_templates_are_never_older_than_the_schemas() {
    let templates = support::chart("raidc-crds").join("templates");
    let mut names = BTreeSet::new();
    for path in cases::yaml_files(&cases::repository().join("crds/yaml")) {
        let schema = fs::read_to_string(&path).expect("a readable CRD");
        assert!(
            !schema.contains("{{"),
            "{}: Helm would take this for a template",
            path.display()
        );
        let want = schema.replacen("metadata:\n", KEEP, 1);
        let name = path.file_name().expect("a name").to_owned();
        let template = templates.join(&name);
        if std::env::var_os("UPDATE_CRDS").is_some() {
            fs::write(&template, &want).expect("a writable template");
        }
        let have = fs::read_to_string(&template).unwrap_or_default();
        assert_eq!(have, want, "{} is stale: run `make crds`", template.display());
        names.insert(name);
    }
    let have: BTreeSet<_> = fs::read_dir(&templates)
        .expect("the templates can be read")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(have, names, "templates of kinds that are gone");
}

#[test]
fn what_helm_renders_never_differs_from_what_the_types_say() {
    let mut rendered = support::template("raidc-crds", &[]).expect("it renders");
    for crd in &mut rendered {
        let metadata = crd["metadata"].as_object_mut().expect("metadata");
        let annotations = metadata.remove("annotations").expect("annotations");
        assert_eq!(
            annotations,
            serde_json::json!({"helm.sh/resource-policy": "keep"})
        );
    }
    let by_name = |crd: &serde_json::Value| cases::text(crd, "/metadata/name").to_owned();
    rendered.sort_by_key(by_name);
    let mut wanted: Vec<_> = raidc_crds::documents().into_iter().map(|(_, crd)| crd).collect();
    wanted.sort_by_key(by_name);
    assert_eq!(rendered, wanted);
}
