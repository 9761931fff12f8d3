//! What there is of everything that the controller makes, to compare two runs by. Runs kubectl.

use crate::cluster::Cluster;
use crate::error::Error;
use kube::ResourceExt;
use raidc_crds::VirtualServer;
use std::collections::BTreeSet;

/// Kinds that the controller (or what it asks of KubeVirt, CDI and VolSync) makes for servers and tenants.
const KINDS: [&str; 7] = [
    "namespaces",
    "rolebindings.rbac.authorization.k8s.io",
    "networkpolicies.networking.k8s.io",
    "virtualmachines.kubevirt.io",
    "datavolumes.cdi.kubevirt.io",
    "replicationsources.volsync.backube",
    "replicationdestinations.volsync.backube",
];

/// `kind namespace/name` of every object of these kinds that bears a label of ours.
pub async fn ours(cluster: &Cluster) -> Result<BTreeSet<String>, Error> {
    let format = "jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name}{\"\\n\"}{end}";
    let mut all = BTreeSet::new();
    for kind in KINDS {
        let selector = "app.kubernetes.io/managed-by=raidc";
        let text = cluster
            .kubectl(&["get", kind, "-A", "-l", selector, "-o", format])
            .await?;
        all.extend(text.lines().map(|line| format!("{kind} {line}")));
    }
    Ok(all)
}

/// One VirtualMachine per server and one DataVolume per disk: what is missing, and what is too much.
pub fn exactly_once(servers: &[VirtualServer], have: &BTreeSet<String>) -> Result<(), Error> {
    let mut want = BTreeSet::new();
    for server in servers {
        let (namespace, name) = (server.namespace().unwrap_or_default(), server.name_any());
        want.insert(format!("virtualmachines.kubevirt.io {namespace}/{name}"));
        want.insert(format!("datavolumes.cdi.kubevirt.io {namespace}/{name}-root"));
        for disk in &server.spec.disks {
            want.insert(format!(
                "datavolumes.cdi.kubevirt.io {namespace}/{name}-{}",
                disk.name
            ));
        }
    }
    let have: BTreeSet<String> = have
        .iter()
        .filter(|o| o.starts_with("virtualmachines") || o.starts_with("datavolumes"))
        .cloned()
        .collect();
    let missing: Vec<_> = want.difference(&have).collect();
    let surplus: Vec<_> = have.difference(&want).collect();
    if missing.is_empty() && surplus.is_empty() {
        Ok(())
    } else {
        Err(Error::Wrong(format!(
            "missing: {missing:?}; more than asked for: {surplus:?}"
        )))
    }
}
