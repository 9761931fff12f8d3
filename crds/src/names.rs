//! Names that more than one part of RAIDC must agree on: API group, labels, annotations, child names. No I/O.

/// API group of every kind of ours.
pub const GROUP: &str = "raidc.dev";
/// API version of every kind of ours.
pub const VERSION: &str = "v1alpha1";

/// Node label that names the site; Kubernetes' own zone label, so that storage and spreading agree with us.
pub const SITE_LABEL: &str = "topology.kubernetes.io/zone";
/// Node label that names the rack.
pub const RACK_LABEL: &str = "raidc.dev/rack";
/// Label on what we make for a `VirtualServer`: its name.
pub const SERVER_LABEL: &str = "raidc.dev/server";
/// Label on what we make for a `VirtualServer`: its UID, because a name can be used again.
pub const SERVER_UID_LABEL: &str = "raidc.dev/server-uid";
/// Label on what we make for a `Tenant` (its namespace, roles, policies): the tenant's name.
pub const TENANT_LABEL: &str = "raidc.dev/tenant";
/// Label on a disk's objects: the disk's name within its server.
pub const DISK_LABEL: &str = "raidc.dev/disk";
/// Label on a copy's objects: the site that holds the copy.
pub const COPY_SITE_LABEL: &str = "raidc.dev/copy-site";
/// Annotation on a VirtualMachine: the epoch under which it may run. A lower epoch may not run.
pub const EPOCH_ANNOTATION: &str = "raidc.dev/epoch";
/// Annotation on a VirtualMachine: host that the plan prefers, so that a lost status can be adopted from the world.
pub const HOST_ANNOTATION: &str = "raidc.dev/host";
/// Annotation on a VirtualMachine: site/rack/host reserved for the loss of its own site, for the same reason.
pub const BACKUP_HOST_ANNOTATION: &str = "raidc.dev/backup-host";
/// Annotation on a VirtualMachine: comma-separated sites that hold its copies, for the same reason.
pub const COPY_SITES_ANNOTATION: &str = "raidc.dev/copy-sites";
/// Label on a live migration that a consolidation began; its value says nothing.
pub const CONSOLIDATION_LABEL: &str = "raidc.dev/consolidation";
/// Annotation on such a migration: the host that the server leaves.
pub const FROM_HOST_ANNOTATION: &str = "raidc.dev/from-host";

/// Watts that a host whose draw nobody gave counts for, idle or not: the nameplate of a common two-socket 1U server (the
/// `maximum_draw` of a PowerEdge R640 in the public device-type library). Unknown draw is never 0.
pub const UNKNOWN_HOST_WATTS: i64 = 750;

/// Longest name of a `VirtualServer`; with the longest disk name it still makes a legal label value (63).
pub const MAX_SERVER_NAME: usize = 40;
/// Longest name of a disk, see [`MAX_SERVER_NAME`].
pub const MAX_DISK_NAME: usize = 20;
/// Name of the disk that every server boots from.
pub const ROOT_DISK: &str = "root";

/// Name of the DataVolume and PersistentVolumeClaim of one disk. The name of a disk has no `-`, so that what stands behind the last
/// one is the disk, and no two disks of a namespace ever share a claim (docs/adr/0014).
#[must_use]
pub fn disk_claim(server: &str, disk: &str) -> String {
    format!("{server}-{disk}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longest value of a label, and longest name of a Service that a copy's mover needs.
    const LABEL: usize = 63;

    #[test]
    fn the_longest_names_never_make_an_illegal_claim() {
        let claim = disk_claim(&"s".repeat(MAX_SERVER_NAME), &"d".repeat(MAX_DISK_NAME));
        assert!(claim.len() <= LABEL, "{claim}");
        assert_eq!(disk_claim("web", ROOT_DISK), "web-root");
    }

    #[test]
    fn the_schemas_never_allow_longer_names_than_the_claims_can_bear() {
        let crd = crate::documents()
            .into_iter()
            .find(|(name, _)| name == "virtualservers.raidc.dev");
        let (_, crd) = crd.expect("the CRD");
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let disk = &schema["properties"]["spec"]["properties"]["disks"]["items"]["properties"]["name"];
        assert_eq!(disk["maxLength"], MAX_DISK_NAME);
        let rules = disk["x-kubernetes-validations"].to_string();
        assert!(
            rules.contains("!self.contains('-')"),
            "two disks could share a claim: {rules}"
        );
        let rules = schema["x-kubernetes-validations"].to_string();
        assert!(
            rules.contains(&format!("self.metadata.name.size() <= {MAX_SERVER_NAME}")),
            "{rules}"
        );
    }
}
