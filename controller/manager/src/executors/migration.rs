//! KubeVirt: the order to move a server's machine to another host of its rack. Pure.

use raidc_crds::names::{CONSOLIDATION_LABEL, FROM_HOST_ANNOTATION};
use serde_json::{Value, json};

use super::{Owner, digest};
use crate::inventory::moving::HOST_LABEL;

/// The name of the order: the same for the same run, host and target, so that it cannot be given twice.
#[must_use]
pub fn name(server: &str, instance_uid: &str, from: &str, to: &str) -> String {
    let [a, b, c, d, ..] = digest(&format!("{instance_uid}/{from}/{to}"));
    format!("{server}-{a:02x}{b:02x}{c:02x}{d:02x}")
}

/// The body of the `VirtualMachineInstanceMigration`. It has no owner: it carries the cool-down, and says where the server is until
/// that is recorded.
#[must_use]
pub fn migration(owner: Owner<'_>, instance_uid: &str, from: &str, to: &str) -> Value {
    let mut labels = owner.labels();
    labels.insert(CONSOLIDATION_LABEL.to_owned(), Value::from("true"));
    json!({
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstanceMigration",
        "metadata": {
            "name": name(owner.name, instance_uid, from, to),
            "namespace": owner.namespace,
            "labels": labels,
            "annotations": {FROM_HOST_ANNOTATION: from},
        },
        "spec": {"vmiName": owner.name, "addedNodeSelector": {HOST_LABEL: to}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_move_never_has_two_names_and_two_moves_never_one() {
        let first = name("web", "uid-1", "h1", "h2");
        assert_eq!(first, name("web", "uid-1", "h1", "h2"));
        for other in [
            name("web", "uid-2", "h1", "h2"),
            name("web", "uid-1", "h2", "h1"),
            name("web", "uid-1", "h1", "h3"),
        ] {
            assert_ne!(first, other);
        }
        let longest = name(&"s".repeat(raidc_crds::names::MAX_SERVER_NAME), "u", "a", "b");
        assert!(longest.len() <= 63, "{longest}");
    }

    #[test]
    fn an_order_never_leaves_its_target_open() {
        let owner = Owner {
            namespace: "kuldiga",
            name: "web",
            uid: "u-1",
        };
        let body = migration(owner, "run-1", "h1", "h2");
        assert_eq!(
            body["spec"],
            json!({"vmiName": "web", "addedNodeSelector": {"kubernetes.io/hostname": "h2"}})
        );
        assert_eq!(body["metadata"]["labels"]["raidc.dev/server-uid"], "u-1");
        assert_eq!(body["metadata"]["annotations"]["raidc.dev/from-host"], "h1");
    }
}
