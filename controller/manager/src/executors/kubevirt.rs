//! KubeVirt: the `VirtualMachine` of a server. Pure; what cannot be expressed is an error, nothing is decided.

use super::Owner;
use super::canonical_mib;
use super::digest;
use raidc_crds::names::BACKUP_HOST_ANNOTATION;
use raidc_crds::names::COPY_SITES_ANNOTATION;
use raidc_crds::names::EPOCH_ANNOTATION;
use raidc_crds::names::HOST_ANNOTATION;
use raidc_crds::names::RACK_LABEL;
use raidc_crds::names::SERVER_LABEL;
use raidc_crds::names::SITE_LABEL;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use uuid::Uuid;

/// Label on the pods of a server in an anti-affinity group: the group.
pub const APART_LABEL: &str = "raidc.dev/apart";
/// Label on the pods of a server in a part of an anti-affinity group: the part, whose members may be together.
pub const APART_DOMAIN_LABEL: &str = "raidc.dev/apart-domain";
/// Time that a guest has to stop before it is switched off. KubeVirt's own default is 30 s, too short for a database.
const STOP_SECONDS: i64 = 180;
/// Longest user data that KubeVirt takes inline, in bytes (`cloudInitUserMaxLen` of its admission webhook).
pub const MAX_INLINE_USER_DATA: usize = 2048;

/// Run strategy of a machine that is switched off.
pub const HALTED: &str = "Halted";

/// The part of a machine's spec that switches it off.
#[must_use]
pub fn halted() -> Value {
    json!({"runStrategy": HALTED})
}

/// What the guest gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size<'a> {
    /// A cluster instancetype by name.
    Instancetype(&'a str),
    /// Cores and memory of the guest.
    Explicit {
        /// Virtual cores.
        cores: i32,
        /// Memory of the guest, in MiB.
        memory_mib: i64,
    },
}

/// What cloud-init is given at the first boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstBoot<'a> {
    /// The key `userdata` of this Secret, which only KubeVirt reads.
    Secret(&'a str),
    /// These public keys may log in as the image's default user.
    Keys(&'a [String]),
}

/// One disk of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineDisk {
    /// Name within the server; also the disk's serial, by which the guest finds it.
    pub name: String,
    /// PersistentVolumeClaim that holds it.
    pub claim: String,
}

/// Everything that the machine is made from.
#[derive(Clone, Debug)]
pub struct Machine<'a> {
    /// Whose machine it is.
    pub owner: Owner<'a>,
    /// Switched on.
    pub on: bool,
    /// Cores and memory.
    pub size: Size<'a>,
    /// Boot disk first.
    pub disks: Vec<MachineDisk>,
    /// Cloud-init.
    pub first_boot: FirstBoot<'a>,
    /// Networks besides the cluster's own: name of the interface, name of the attachment.
    pub networks: Vec<(&'a str, &'a str)>,
    /// Site that it must run at.
    pub site: &'a str,
    /// Rack that it must run in.
    pub rack: &'a str,
    /// Host that the scheduler should prefer.
    pub host: Option<&'a str>,
    /// Reserved place, `site/rack/host`.
    pub backup: Option<String>,
    /// Sites with copies, sorted.
    pub copy_sites: &'a [String],
    /// Epoch under which it may run.
    pub epoch: i64,
    /// Anti-affinity group.
    pub apart: Option<ApartFrom<'a>>,
}

/// An anti-affinity group, as far as Kubernetes is asked to keep it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApartFrom<'a> {
    /// The group.
    pub group: &'a str,
    /// The part of it whose members may be together.
    pub domain: Option<&'a str>,
}

/// The firmware UUID of a server: the same for as long as the server exists, wherever it runs.
#[must_use]
pub fn firmware_uuid(uid: &str) -> Uuid {
    let space = Uuid::parse_str(uid).unwrap_or(Uuid::NAMESPACE_OID);
    Uuid::new_v5(&space, format!("raidc.dev/firmware/{uid}").as_bytes())
}

/// The MAC address of one interface: locally administered, and the same for as long as the server exists.
#[must_use]
pub fn mac_address(uid: &str, interface: &str) -> String {
    let d = digest(&format!("{uid}/{interface}"));
    format!(
        "02:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}",
        d[0], d[1], d[2], d[3], d[4]
    )
}

/// User data that lets `keys` log in as the image's default user and sets nothing else.
#[must_use]
pub fn user_data(keys: &[String]) -> String {
    let mut text = String::from("#cloud-config\n");
    if !keys.is_empty() {
        text.push_str("ssh_authorized_keys:\n");
        for key in keys {
            // A JSON string is a YAML string; the schema keeps line breaks out, this keeps quotes and colons harmless.
            text.push_str("- ");
            text.push_str(&Value::from(key.as_str()).to_string());
            text.push('\n');
        }
    }
    text
}

/// The body of the `VirtualMachine`. The server is its controller, because a machine holds no data: its disks stand alone.
#[must_use]
pub fn machine(m: &Machine<'_>) -> Value {
    let mut labels = m.owner.labels();
    if let Some(apart) = m.apart {
        labels.insert(APART_LABEL.to_owned(), Value::from(apart.group));
        if let Some(domain) = apart.domain {
            labels.insert(APART_DOMAIN_LABEL.to_owned(), Value::from(domain));
        }
    }
    let mut spec = json!({
        "runStrategy": if m.on { "Always" } else { HALTED },
        "template": {"metadata": {"labels": labels}, "spec": guest(m)},
    });
    if let Size::Instancetype(name) = m.size {
        spec["instancetype"] = json!({"kind": "VirtualMachineClusterInstancetype", "name": name});
    }
    json!({
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {
            "name": m.owner.name,
            "namespace": m.owner.namespace,
            "labels": m.owner.labels(),
            "annotations": annotations(m),
            "ownerReferences": [{
                "apiVersion": format!("{}/{}", raidc_crds::names::GROUP, raidc_crds::names::VERSION),
                "kind": "VirtualServer",
                "name": m.owner.name,
                "uid": m.owner.uid,
                "controller": true,
            }],
        },
        "spec": spec,
    })
}

/// On the machine and not on its template: a changed template would ask for a restart.
fn annotations(m: &Machine<'_>) -> Map<String, Value> {
    let mut all = Map::new();
    all.insert(EPOCH_ANNOTATION.to_owned(), Value::from(m.epoch.to_string()));
    if let Some(host) = m.host {
        all.insert(HOST_ANNOTATION.to_owned(), Value::from(host));
    }
    if let Some(backup) = &m.backup {
        all.insert(BACKUP_HOST_ANNOTATION.to_owned(), Value::from(backup.as_str()));
    }
    if !m.copy_sites.is_empty() {
        all.insert(
            COPY_SITES_ANNOTATION.to_owned(),
            Value::from(m.copy_sites.join(",")),
        );
    }
    all
}

fn guest(m: &Machine<'_>) -> Value {
    let mut disks: Vec<Value> = m.disks.iter().enumerate().map(|(i, d)| disk(i, d)).collect();
    disks.push(json!({"name": "cloudinit", "disk": {"bus": "virtio"}}));
    let mut volumes: Vec<Value> = m
        .disks
        .iter()
        .map(|d| json!({"name": d.name, "persistentVolumeClaim": {"claimName": d.claim}}))
        .collect();
    volumes.push(cloud_init(m.first_boot));
    let mut interfaces = vec![json!({
        "name": "default",
        "masquerade": {},
        "macAddress": mac_address(m.owner.uid, "default"),
    })];
    let mut networks = vec![json!({"name": "default", "pod": {}})];
    for (name, attachment) in &m.networks {
        interfaces.push(json!({"name": name, "bridge": {}, "macAddress": mac_address(m.owner.uid, name)}));
        networks.push(json!({"name": name, "multus": {"networkName": attachment}}));
    }
    let mut domain = json!({
        "firmware": {"uuid": firmware_uuid(m.owner.uid).to_string(), "serial": m.owner.uid},
        "devices": {"disks": disks, "interfaces": interfaces, "rng": {}},
    });
    // With an instancetype KubeVirt refuses cores or memory here.
    if let Size::Explicit { cores, memory_mib } = m.size {
        domain["cpu"] = json!({"cores": cores});
        domain["memory"] = json!({"guest": canonical_mib(memory_mib)});
    }
    json!({
        "affinity": affinity(m),
        "domain": domain,
        "evictionStrategy": "LiveMigrateIfPossible",
        "hostname": m.owner.name,
        "networks": networks,
        "terminationGracePeriodSeconds": STOP_SECONDS,
        "volumes": volumes,
    })
}

fn disk(index: usize, disk: &MachineDisk) -> Value {
    let mut body = json!({"name": disk.name, "disk": {"bus": "virtio"}, "serial": disk.name});
    if index == 0 {
        body["bootOrder"] = json!(1);
    }
    body
}

fn cloud_init(first_boot: FirstBoot<'_>) -> Value {
    let source = match first_boot {
        FirstBoot::Secret(name) => json!({"secretRef": {"name": name}}),
        FirstBoot::Keys(keys) => json!({"userData": user_data(keys)}),
    };
    json!({"name": "cloudinit", "cloudInitNoCloud": source})
}

/// Site and rack are law; the host is a wish, because Kubernetes binds. A group that stays apart does so at the host, by pods:
/// racks and sites are kept apart by the plan itself. A group that stays together does so by the plan alone, which names one host,
/// rack or site for all: pods that insisted on each other could never be moved off a host that is being emptied.
fn affinity(m: &Machine<'_>) -> Value {
    let is = |key: &str, value: &str| json!({"key": key, "operator": "In", "values": [value]});
    let mut node = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [is(SITE_LABEL, m.site), is(RACK_LABEL, m.rack)]}
    ]}});
    if let Some(host) = m.host {
        node["preferredDuringSchedulingIgnoredDuringExecution"] = json!([
            {"weight": 100, "preference": {"matchExpressions": [is("kubernetes.io/hostname", host)]}}
        ]);
    }
    let mut all = json!({"nodeAffinity": node});
    if let Some(apart) = m.apart {
        let is_not = |key: &str, value: &str| json!({"key": key, "operator": "NotIn", "values": [value]});
        // A server does not keep away from itself: during a live migration it has two pods.
        let mut others = vec![is(APART_LABEL, apart.group), is_not(SERVER_LABEL, m.owner.name)];
        // Pods without the label are of no part, and every part keeps away from them.
        others.extend(apart.domain.map(|domain| is_not(APART_DOMAIN_LABEL, domain)));
        all["podAntiAffinity"] = json!({"requiredDuringSchedulingIgnoredDuringExecution": [{
            "labelSelector": {"matchExpressions": others},
            "topologyKey": "kubernetes.io/hostname",
        }]});
    }
    all
}

#[cfg(test)]
#[path = "kubevirt_tests.rs"]
mod tests;
