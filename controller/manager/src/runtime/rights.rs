//! Every right that the operator needs, and why: the chart's ClusterRole is compared with this table. No I/O.

/// Where a right is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In every namespace, or for cluster-wide kinds.
    Cluster,
    /// The same, and only when tenants get pull secrets (`tenants.pullSecrets` of the chart).
    PullSecrets,
    /// The same, and only when consolidations are carried out (`consolidation.mode: Execute` of the chart).
    Execute,
    /// Only in the namespace that the operator runs in.
    Own,
}

/// A right, as Kubernetes writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// API group; empty is the core group.
    pub group: &'static str,
    /// Resource, with its subresource.
    pub resource: &'static str,
    /// Verbs.
    pub verbs: &'static [&'static str],
    /// Where.
    pub scope: Scope,
    /// What for.
    pub why: &'static str,
}

const READ: &[&str] = &["get", "list", "watch"];
const WATCH: &[&str] = &["list", "watch"];

const fn right(
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
    why: &'static str,
) -> Right {
    Right {
        group,
        resource,
        verbs,
        scope: Scope::Cluster,
        why,
    }
}

const SPECS: &str =
    "what people ask for; get: an object that cannot be read is looked at again before it is told so";
const STATUS: &str = "what became of it, by server-side apply";
const FINALIZERS: &str = "its finalizer, by server-side apply; the spec is never written";
const CHILD: &str = "made, kept and removed for a VirtualServer; get: read again before it is deleted";
const TENANCY: &str = "made, kept and removed for a Tenant; get: read again before it is deleted";
const SEEN: &str = "read for decisions";

/// Every right of the operator itself. Besides these it holds the rights of the ClusterRoles that it binds for tenants.
pub const RIGHTS: &[Right] = &[
    right("raidc.dev", "sites", READ, SPECS),
    right("raidc.dev", "racks", READ, SPECS),
    right("raidc.dev", "replicationpolicies", READ, SPECS),
    right("raidc.dev", "colocations", READ, SPECS),
    right("raidc.dev", "failovers", READ, SPECS),
    right("raidc.dev", "drills", READ, SPECS),
    right("raidc.dev", "tenants", READ, SPECS),
    right("raidc.dev", "tenants", &["patch"], FINALIZERS),
    right("raidc.dev", "virtualservers", READ, SPECS),
    right("raidc.dev", "virtualservers", &["patch"], FINALIZERS),
    right("raidc.dev", "sites/status", &["patch"], STATUS),
    right("raidc.dev", "racks/status", &["patch"], STATUS),
    right("raidc.dev", "replicationpolicies/status", &["patch"], STATUS),
    right("raidc.dev", "colocations/status", &["patch"], STATUS),
    right("raidc.dev", "failovers/status", &["patch"], STATUS),
    right("raidc.dev", "drills/status", &["patch"], STATUS),
    right("raidc.dev", "tenants/status", &["patch"], STATUS),
    right("raidc.dev", "virtualservers/status", &["patch"], STATUS),
    right("", "nodes", WATCH, "what there is to run on, and where it stands"),
    right("", "pods", WATCH, "what others ask of the nodes"),
    right("", "namespaces", WATCH, SEEN),
    right("", "namespaces", &["get", "create", "patch", "delete"], TENANCY),
    right("", "persistentvolumes", WATCH, "where data really lies"),
    right("", "persistentvolumeclaims", WATCH, "where data really lies"),
    right(
        "",
        "persistentvolumeclaims",
        &["get", "patch", "delete"],
        "grown, and deleted only with deletionPolicy Delete",
    ),
    right(
        "snapshot.storage.k8s.io",
        "volumesnapshots",
        &["list"],
        "whether a namespace holds any before it is deleted; none is read otherwise",
    ),
    right("storage.k8s.io", "storageclasses", WATCH, SEEN),
    right("kubevirt.io", "virtualmachines", WATCH, SEEN),
    right(
        "kubevirt.io",
        "virtualmachines",
        &["get", "create", "patch", "delete"],
        CHILD,
    ),
    right("kubevirt.io", "virtualmachineinstances", WATCH, SEEN),
    right(
        "instancetype.kubevirt.io",
        "virtualmachineclusterinstancetypes",
        WATCH,
        "sizes of the catalogue",
    ),
    right("cdi.kubevirt.io", "datavolumes", WATCH, SEEN),
    right(
        "cdi.kubevirt.io",
        "datavolumes",
        &["get", "create", "patch", "delete"],
        CHILD,
    ),
    right("cdi.kubevirt.io", "datasources", WATCH, "images of the catalogue"),
    right("volsync.backube", "replicationsources", WATCH, SEEN),
    right(
        "volsync.backube",
        "replicationsources",
        &["get", "create", "patch", "delete"],
        CHILD,
    ),
    right("volsync.backube", "replicationdestinations", WATCH, SEEN),
    right(
        "volsync.backube",
        "replicationdestinations",
        &["get", "create", "patch", "delete"],
        CHILD,
    ),
    right(
        "rbac.authorization.k8s.io",
        "rolebindings",
        &["get", "list", "watch", "create", "patch", "delete"],
        TENANCY,
    ),
    right(
        "networking.k8s.io",
        "networkpolicies",
        &["get", "list", "watch", "create", "patch", "delete"],
        TENANCY,
    ),
    right(
        "events.k8s.io",
        "events",
        &["create", "patch"],
        "what changed, told on edges only",
    ),
    Right {
        group: "",
        resource: "serviceaccounts",
        verbs: &["list", "watch", "patch"],
        scope: Scope::PullSecrets,
        why: "the names of pull secrets on the account `default` of tenants' namespaces; never the secrets",
    },
    Right {
        group: "kubevirt.io",
        resource: "virtualmachineinstancemigrations",
        verbs: &["get", "list", "watch", "create", "delete"],
        scope: Scope::Execute,
        why: "servers moved live to empty a host; get: read again before an old order is deleted",
    },
    Right {
        group: "kubevirt.io",
        resource: "kubevirts",
        verbs: WATCH,
        scope: Scope::Execute,
        why: "whether a changed affinity reaches a machine that runs",
    },
    Right {
        group: "coordination.k8s.io",
        resource: "leases",
        verbs: &["get", "create", "patch"],
        scope: Scope::Own,
        why: "which replica leads",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_right_is_ever_a_wildcard_nor_reaches_secrets() {
        for right in RIGHTS {
            assert!(!right.verbs.is_empty() && !right.why.is_empty());
            for word in right.verbs.iter().chain([&right.group, &right.resource]) {
                assert!(!word.contains('*'), "{right:?}");
            }
            assert_ne!(right.resource, "secrets");
            for verb in ["escalate", "bind", "impersonate", "deletecollection", "update"] {
                assert!(!right.verbs.contains(&verb), "{right:?}");
            }
        }
    }

    #[test]
    fn no_right_reaches_a_spec_of_ours_but_for_finalizers() {
        for right in RIGHTS.iter().filter(|right| right.group == "raidc.dev") {
            let writes = right.verbs.iter().any(|verb| !READ.contains(verb));
            assert!(!writes || right.resource.ends_with("/status") || right.why == FINALIZERS);
        }
    }
}
