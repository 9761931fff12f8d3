//! What CDI does for a DataVolume: where its data comes from, which claim it makes, what it says. No I/O.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::sim::engine::Seen;
use crate::sim::value::{Key, Look, rfc3339, with_condition};

/// Annotation that asks for the disk to be filled although the class waits for a consumer.
pub(crate) const IMMEDIATE: &str = "cdi.kubevirt.io/storage.bind.immediate.requested";
/// Annotation that lets a DataVolume take over a claim of its name.
const ADOPT: &str = "cdi.kubevirt.io/allowClaimAdoption";
/// Older annotation of a claim with the DataVolume that it was filled for.
const POPULATED_FOR: &str = "cdi.kubevirt.io/storage.populatedFor";
/// Older annotation of a DataVolume whose claim is there already.
const PREPOPULATED: &str = "cdi.kubevirt.io/storage.prePopulated";

/// Where the data comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Blank,
    /// From a registry, web server or bucket.
    Image,
    /// Waits for a user's upload, which nobody plays.
    Upload,
    CloneOfClaim(Key),
    CloneOfSnapshot(Key),
    /// By way of a DataSource.
    Reference(Key),
    /// The specification names no source.
    None,
}

/// Reads the source of a DataVolume, or of a DataSource with `field` `/spec/source`.
pub(crate) fn source(object: &Seen) -> Source {
    let own = object.key().ns;
    let key = |from: &Value| {
        let name = from["name"].as_str().unwrap_or_default();
        Key::new(from["namespace"].as_str().unwrap_or(&own), name)
    };
    let reference = object.at("/spec/sourceRef");
    if !reference.is_null() {
        return Source::Reference(key(reference));
    }
    let source = object.at("/spec/source");
    let has = |field: &str| !source[field].is_null();
    if has("blank") {
        Source::Blank
    } else if has("pvc") {
        Source::CloneOfClaim(key(&source["pvc"]))
    } else if has("snapshot") {
        Source::CloneOfSnapshot(key(&source["snapshot"]))
    } else if has("dataSource") {
        Source::Reference(key(&source["dataSource"]))
    } else if has("upload") {
        Source::Upload
    } else if ["registry", "http", "s3", "gcs", "imageio", "vddk"]
        .into_iter()
        .any(has)
    {
        Source::Image
    } else {
        Source::None
    }
}

/// The phases while the disk is filled.
pub(crate) fn phases(source: &Source) -> (&'static str, &'static str) {
    match source {
        Source::CloneOfClaim(_) => ("CloneScheduled", "CloneInProgress"),
        Source::CloneOfSnapshot(_) => ("CloneScheduled", "CloneFromSnapshotSourceInProgress"),
        _ => ("ImportScheduled", "ImportInProgress"),
    }
}

/// Whether a claim that is there already may be taken as this DataVolume's.
pub(crate) fn may_adopt(volume: &Seen, claim: &Seen) -> bool {
    let name = volume.key().name;
    volume.note(ADOPT) == "true"
        || claim.note(ADOPT) == "true"
        || claim.note(POPULATED_FOR) == name
        || volume.note(PREPOPULATED) == name
}

/// Why no claim can be made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) &'static str, pub(crate) String);

/// The claim of a DataVolume. `profile` is the StorageProfile of the class, `size` that of a clone's source.
pub(crate) fn claim(
    volume: &Seen,
    profile: Option<&Seen>,
    size: Option<&str>,
    node: Option<&str>,
) -> Result<Value, Refusal> {
    let storage = volume.at("/spec/storage");
    let spec = if storage.is_null() {
        volume.at("/spec/pvc")
    } else {
        storage
    };
    let set = profile.map_or(&Value::Null, |p| p.at("/status/claimPropertySets"));
    let set = set.as_array().and_then(|sets| {
        let mode = &spec["volumeMode"];
        sets.iter()
            .find(|set| mode.is_null() || set["volumeMode"] == *mode)
    });
    let either = |field: &str| {
        if spec[field].is_null() {
            set.map(|set| set[field].clone())
        } else {
            Some(spec[field].clone())
        }
    };
    let Some(modes) = either("accessModes") else {
        let message =
            "no accessMode specified in StorageProfile: name one, or use a class with a profile".to_owned();
        return Err(Refusal("ErrClaimNotValid", message));
    };
    let requested = spec
        .pointer("/resources/requests/storage")
        .and_then(Value::as_str)
        .or(size);
    let Some(requested) = requested else {
        return Err(Refusal(
            "ErrClaimNotValid",
            "PVC size is missing and cannot be taken from the source".into(),
        ));
    };
    let Some(class) = spec["storageClassName"]
        .as_str()
        .filter(|class| !class.is_empty())
    else {
        return Err(Refusal(
            "ErrClaimNotValid",
            "no storageClassName, and no default class".into(),
        ));
    };
    let key = volume.key();
    let mut notes: Map<String, Value> = volume
        .metadata
        .annotations
        .iter()
        .flatten()
        .filter(|(name, _)| name.as_str() != "kubectl.kubernetes.io/last-applied-configuration")
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    notes.insert("cdi.kubevirt.io/storage.contentType".into(), "kubevirt".into());
    notes.insert("cdi.kubevirt.io/storage.condition.running".into(), "false".into());
    if let Some(node) = node {
        notes.insert(crate::sim::csi::provision::SELECTED_NODE.into(), node.into());
    }
    let mut labels: Map<String, Value> = volume
        .metadata
        .labels
        .iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    labels.insert("app".into(), "containerized-data-importer".into());
    labels.insert("app.kubernetes.io/managed-by".into(), "cdi-controller".into());
    labels.insert("app.kubernetes.io/component".into(), "storage".into());
    Ok(json!({
        "metadata": {
            "name": key.name, "namespace": key.ns, "labels": labels, "annotations": notes,
            "ownerReferences": [owner(volume)],
        },
        "spec": {
            "storageClassName": class,
            "accessModes": modes,
            "volumeMode": either("volumeMode").unwrap_or_else(|| "Filesystem".into()),
            "resources": {"requests": {"storage": requested}},
        },
    }))
}

/// The DataVolume as the controller of its claim.
pub(crate) fn owner(volume: &Seen) -> Value {
    json!({
        "apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataVolume", "name": volume.key().name, "uid": volume.uid(),
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// What CDI says about a DataVolume.
pub(crate) struct Report<'a> {
    pub(crate) phase: &'a str,
    pub(crate) progress: &'a str,
    pub(crate) restarts: i64,
    /// Reason and message.
    pub(crate) bound: (bool, &'a str, &'a str),
    pub(crate) running: (bool, &'a str, &'a str),
    pub(crate) ready: bool,
}

/// The status for a report. Heartbeats stay as they are while nothing else changes.
pub(crate) fn status(volume: &Seen, report: &Report<'_>, now: Timestamp) -> Value {
    let word = |yes: bool| if yes { "True" } else { "False" };
    let wanted = [
        ("Bound", report.bound.0, report.bound.1, report.bound.2),
        (
            "Ready",
            report.ready,
            if report.ready || report.phase == "Pending" {
                ""
            } else {
                "TransferRunning"
            },
            "",
        ),
        ("Running", report.running.0, report.running.1, report.running.2),
    ];
    let have = volume.list("/status/conditions");
    let conditions = wanted.iter().fold(have.to_vec(), |all, (kind, yes, reason, message)| {
        let known = all.iter().find(|c| c["type"] == *kind);
        let same = known.is_some_and(|c| {
            c["status"] == word(*yes)
                && c["reason"].as_str().unwrap_or_default() == *reason
                && c["message"].as_str().unwrap_or_default() == *message
        });
        if same {
            return all;
        }
        let condition = json!({
            "type": kind, "status": word(*yes), "reason": reason, "message": message, "lastHeartbeatTime": rfc3339(now),
        });
        with_condition(&all, condition, now)
    });
    let mut status = json!({
        "claimName": volume.key().name,
        "phase": report.phase,
        "progress": report.progress,
        "conditions": conditions,
    });
    if report.restarts > 0 {
        status["restartCount"] = report.restarts.into();
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::value::{changes, object};
    use std::sync::Arc;

    fn volume(spec: Value) -> Seen {
        Arc::new(object(json!({
            "metadata": {"name": "web-root", "namespace": "t", "uid": "u", "labels": {"mine": "yes"},
                         "annotations": {IMMEDIATE: "true"}},
            "spec": spec,
        })))
    }

    fn profile() -> Seen {
        Arc::new(object(json!({"status": {"claimPropertySets": [
            {"accessModes": ["ReadWriteMany"], "volumeMode": "Block"},
            {"accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem"},
        ]}})))
    }

    #[test]
    fn the_profile_fills_what_the_disk_leaves_open() {
        let request = json!({"requests": {"storage": "40Gi"}});
        let v = volume(
            json!({"source": {"blank": {}}, "storage": {"storageClassName": "fast-a", "resources": request}}),
        );
        let made = claim(&v, Some(&profile()), None, Some("n1")).expect("a claim");
        assert_eq!(made["spec"]["accessModes"], json!(["ReadWriteMany"]));
        assert_eq!(made["spec"]["volumeMode"], "Block");
        assert_eq!(made["metadata"]["labels"]["mine"], "yes");
        assert_eq!(
            made["metadata"]["annotations"]["volume.kubernetes.io/selected-node"],
            "n1"
        );
        let v = volume(
            json!({"storage": {"storageClassName": "fast-a", "volumeMode": "Filesystem", "resources": request}}),
        );
        let made = claim(&v, Some(&profile()), None, None).expect("a claim");
        assert_eq!(made["spec"]["accessModes"], json!(["ReadWriteOnce"]));
    }

    #[test]
    fn a_disk_without_size_or_class_is_refused_with_a_reason() {
        let v = volume(json!({"storage": {"storageClassName": "fast-a"}}));
        assert_eq!(
            claim(&v, Some(&profile()), None, None).expect_err("no size").0,
            "ErrClaimNotValid"
        );
        assert!(claim(&v, Some(&profile()), Some("3Gi"), None).is_ok());
        let v = volume(json!({"storage": {"resources": {"requests": {"storage": "1Gi"}}}}));
        assert!(claim(&v, Some(&profile()), None, None).is_err());
    }

    #[test]
    fn a_foreign_claim_is_not_taken_without_leave() {
        let v = volume(json!({}));
        let foreign = Arc::new(object(
            json!({"metadata": {"name": "web-root", "namespace": "t"}}),
        ));
        assert!(!may_adopt(&v, &foreign));
        let filled =
            object(json!({"metadata": {"name": "web-root", "annotations": {POPULATED_FOR: "web-root"}}}));
        assert!(may_adopt(&v, &Arc::new(filled)));
    }

    #[test]
    fn sources_are_told_apart() {
        let of = |spec: Value| source(&volume(spec));
        assert_eq!(of(json!({"source": {"blank": {}}})), Source::Blank);
        assert_eq!(
            of(json!({"source": {"registry": {"url": "docker://x"}}})),
            Source::Image
        );
        assert_eq!(
            of(json!({"source": {"pvc": {"name": "a", "namespace": "images"}}})),
            Source::CloneOfClaim(Key::new("images", "a"))
        );
        assert_eq!(
            of(json!({"sourceRef": {"kind": "DataSource", "name": "debian"}})),
            Source::Reference(Key::new("t", "debian"))
        );
        assert_eq!(of(json!({})), Source::None);
    }

    #[test]
    fn saying_the_same_again_changes_nothing() {
        let report = Report {
            phase: "Succeeded",
            progress: "100.0%",
            restarts: 0,
            bound: (true, "Bound", "PVC web-root Bound"),
            running: (false, "Completed", "Import Complete"),
            ready: true,
        };
        let v = volume(json!({}));
        let first = status(&v, &report, Timestamp::UNIX_EPOCH);
        let mut seen = object(serde_json::to_value(&*v).expect("json"));
        seen.data["status"] = first.clone();
        let later: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        assert!(!changes(&first, &status(&Arc::new(seen), &report, later)));
    }
}
