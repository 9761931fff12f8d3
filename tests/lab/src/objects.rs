//! Reading manifests and applying them. Reads files and talks to the API server.

use std::path::Path;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, TypeMeta};
use kube::{Client, ResourceExt as _};
use serde_json::Value;

use crate::error::LabError;

/// Field manager of everything that the lab installs.
const MANAGER: &str = "raidc-lab";
/// Requests under way at once.
const AT_ONCE: usize = 12;

/// Reads a JSON file (one object or a list of them) or every YAML file of a folder, in the order of their names.
pub(crate) fn read(path: &Path) -> Result<Vec<DynamicObject>, LabError> {
    if !path.is_dir() {
        let text = std::fs::read_to_string(path).map_err(LabError::file("read", path))?;
        let value = if path.extension().is_some_and(|extension| extension == "json") {
            vec![serde_json::from_str(&text).map_err(|error| broken(path, &error))?]
        } else {
            serde_saphyr::from_multiple(&text).map_err(|error| broken(path, &error))?
        };
        return value
            .into_iter()
            .map(|value| objects(path, value))
            .collect::<Result<Vec<_>, _>>()
            .map(flat);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(LabError::file("list", path))? {
        files.push(entry.map_err(LabError::file("list", path))?.path());
    }
    files.sort();
    let yaml = |file: &&std::path::PathBuf| file.extension().is_some_and(|e| e == "yaml" || e == "yml");
    files
        .iter()
        .filter(yaml)
        .map(|file| read(file))
        .collect::<Result<Vec<_>, _>>()
        .map(flat)
}

fn flat(lists: Vec<Vec<DynamicObject>>) -> Vec<DynamicObject> {
    lists.into_iter().flatten().collect()
}

fn broken(path: &Path, error: &dyn std::fmt::Display) -> LabError {
    LabError::Manifest {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

fn objects(path: &Path, value: Value) -> Result<Vec<DynamicObject>, LabError> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => items.into_iter().map(|item| object(path, item)).collect(),
        Value::Object(mut map) if map.get("kind").is_some_and(|kind| kind == "List") => {
            match map.remove("items") {
                Some(items @ Value::Array(_)) => objects(path, items),
                _ => Err(broken(path, &"a List without items")),
            }
        }
        other => object(path, other).map(|object| vec![object]),
    }
}

fn object(path: &Path, mut value: Value) -> Result<DynamicObject, LabError> {
    if let Some(map) = value.as_object_mut() {
        // The API server's to write, and generators leave empty ones behind.
        map.remove("status");
    }
    let object: DynamicObject = serde_json::from_value(value).map_err(|error| broken(path, &error))?;
    if object.types.is_none() || object.metadata.name.is_none() {
        return Err(broken(path, &"an object without apiVersion, kind or name"));
    }
    Ok(object)
}

/// Makes an object of JSON which is known to be one.
pub(crate) fn from_json(value: Value) -> Result<DynamicObject, LabError> {
    object(Path::new("(built in)"), value)
}

/// The resource of an object, its plural guessed from its kind (right for every kind that the lab installs).
fn resource(object: &DynamicObject) -> ApiResource {
    let types = object.types.clone().unwrap_or_else(|| TypeMeta {
        api_version: String::new(),
        kind: String::new(),
    });
    let (group, version) = types
        .api_version
        .split_once('/')
        .unwrap_or(("", &types.api_version));
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &types.kind))
}

/// The API of an object: that of its namespace if it has one.
pub(crate) fn api(client: &Client, object: &DynamicObject) -> Api<DynamicObject> {
    let resource = resource(object);
    match object.metadata.namespace.as_deref() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

/// Applies objects side by side; those that need one another must be applied in separate calls.
pub(crate) async fn apply(client: &Client, objects: Vec<DynamicObject>) -> Result<(), LabError> {
    let params = PatchParams::apply(MANAGER).force();
    let work = objects.into_iter().map(|object| {
        let (api, params) = (api(client, &object), params.clone());
        async move {
            let name = object.name_any();
            let kind = object
                .types
                .as_ref()
                .map_or_else(String::new, |types| types.kind.clone());
            let done = api.patch(&name, &params, &Patch::Apply(&object)).await;
            done.map(drop)
                .map_err(LabError::api(format!("take {kind} {name}")))
        }
    });
    stream::iter(work).buffer_unordered(AT_ONCE).try_collect().await
}

/// What a CRD asks to be served: group and version, plural.
pub(crate) fn versions(crd: &DynamicObject) -> impl Iterator<Item = (String, &str)> {
    let text = |pointer| crd.data.pointer(pointer).and_then(Value::as_str);
    let (group, plural) = (
        text("/spec/group").unwrap_or_default(),
        text("/spec/names/plural").unwrap_or_default(),
    );
    let all = crd
        .data
        .pointer("/spec/versions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let served = all
        .filter(|one| one["served"] == Value::Bool(true))
        .filter_map(|one| one["name"].as_str());
    served.map(move |version| (format!("{group}/{version}"), plural))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(name: &str, text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("room for it");
        (dir, path)
    }

    #[test]
    fn lists_and_several_documents_lose_no_object() {
        let map = |name| {
            format!(r#"{{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {{"name": "{name}"}}}}"#)
        };
        let list = format!(
            r#"{{"apiVersion": "v1", "kind": "List", "items": [{}, {}]}}"#,
            map("a"),
            map("b")
        );
        let (_dir, path) = write("x.json", &list);
        assert_eq!(read(&path).expect("two").len(), 2);
        let (dir, _) = write("x.yaml", &format!("{}\n---\n{}\n---\n", map("a"), map("b")));
        assert_eq!(read(dir.path()).expect("two").len(), 2);
    }

    #[test]
    fn an_object_without_a_kind_is_refused_with_the_files_name() {
        let (_dir, path) = write("x.yaml", "metadata: {name: a}\n");
        assert!(read(&path).expect_err("no kind").to_string().contains("x.yaml"));
    }

    #[test]
    fn a_version_that_is_not_served_is_not_waited_for() {
        let crd = from_json(serde_json::json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "x"},
            "spec": {"group": "g", "names": {"plural": "p"},
                     "versions": [{"name": "v1", "served": true}, {"name": "v0", "served": false}]},
        }));
        let crd = crd.expect("an object");
        assert_eq!(versions(&crd).collect::<Vec<_>>(), [("g/v1".to_owned(), "p")]);
    }

    #[test]
    fn status_of_a_manifest_is_never_applied() {
        let crd =
            serde_json::json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "status": {}});
        assert!(from_json(crd).expect("an object").data.get("status").is_none());
    }
}
