//! Virtual machines, disks and copies on a lab: the same on both profiles, so that the light one cannot drift.

#![allow(clippy::expect_used, reason = "a test ends where its steps cannot go on")]

mod common;

use std::time::Duration;

use raidc_lab::{FleetSpec, Lab, LabOptions, Profile};
use serde_json::Value;

use common::{eventually, name};

/// As a tenant's namespace: Pod Security is enforced, as KubeVirt and VolSync must bear.
const NAMESPACE: &str = r"
apiVersion: v1
kind: Namespace
metadata: {name: town, labels: {pod-security.kubernetes.io/enforce: restricted}}
";

const DISK: &str = r#"
apiVersion: cdi.kubevirt.io/v1beta1
kind: DataVolume
metadata:
  name: web-root
  namespace: town
  annotations: {cdi.kubevirt.io/storage.bind.immediate.requested: "true"}
spec:
  source: {registry: {url: "docker://registry.invalid/debian:13"}}
  storage: {storageClassName: fast-site-2, resources: {requests: {storage: 10Gi}}}
"#;

const MACHINE: &str = r"
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {name: web, namespace: town}
spec:
  runStrategy: Always
  template:
    spec:
      domain:
        cpu: {cores: 1}
        memory: {guest: 1Gi}
        devices:
          disks: [{name: root, disk: {bus: BUS}}]
          interfaces: [{name: default, masquerade: {}}]
      networks: [{name: default, pod: {}}]
      volumes: [{name: root, persistentVolumeClaim: {claimName: web-root}}]
";

const DESTINATION: &str = r#"
apiVersion: v1
kind: Secret
metadata: {name: web-root-key, namespace: town}
stringData: {psk.txt: "copy:0123456789abcdef0123456789abcdef"}
---
apiVersion: volsync.backube/v1alpha1
kind: ReplicationDestination
metadata: {name: web-root, namespace: town}
spec:
  rsyncTLS:
    copyMethod: Snapshot
    capacity: 10Gi
    accessModes: [ReadWriteOnce]
    volumeMode: Block
    storageClassName: fast-site-1
    keySecret: web-root-key
    moverSecurityContext: {runAsUser: 107, runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
"#;

const SOURCE: &str = r"
apiVersion: volsync.backube/v1alpha1
kind: ReplicationSource
metadata: {name: web-root, namespace: town}
spec:
  sourcePVC: web-root
  trigger: {manual: first}
  rsyncTLS:
    address: ADDRESS
    keySecret: web-root-key
    copyMethod: Snapshot
    moverSecurityContext: {runAsUser: 107, runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
";

/// Generous: machines that build and test at once are slow.
const LONG: Duration = Duration::from_mins(2);

async fn apply(lab: &Lab, yaml: &str) -> Result<String, String> {
    let file = lab.dir().join("test.yaml");
    std::fs::write(&file, yaml).expect("room for it");
    lab.kubectl(["apply", "-f", &file.display().to_string()])
        .await
        .map_err(|error| error.to_string())
}

async fn get(lab: &Lab, what: &[&str]) -> Value {
    let text = lab
        .kubectl([&["-n", "town", "get", "-o", "json"], what].concat())
        .await;
    text.ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default()
}

/// Waits for a field to be as wanted and gives the object.
async fn awaited(lab: &Lab, what: &[&str], pointer: &str, good: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("{what:?} {pointer}"), LONG, || async {
        let object = get(lab, what).await;
        match object.pointer(pointer) {
            Some(value) if good(value) => Ok(object),
            _ => Err(object["status"].to_string()),
        }
    })
    .await
}

/// The only site from which a volume can be reached.
async fn site_of(lab: &Lab, claim: &str) -> Option<String> {
    let claim = get(lab, &["pvc", claim]).await;
    let volume = get(lab, &["pv", claim.pointer("/spec/volumeName")?.as_str()?]).await;
    let terms = volume
        .pointer("/spec/nodeAffinity/required/nodeSelectorTerms")?
        .as_array()?;
    let values = terms.first()?.pointer("/matchExpressions/0/values")?.as_array()?;
    if terms.len() == 1 && values.len() == 1 {
        values[0].as_str().map(str::to_owned)
    } else {
        None
    }
}

async fn a_machine_runs_at_its_disk_and_its_copy_lies_elsewhere(lab: &Lab) {
    apply(lab, NAMESPACE).await.expect("a namespace");
    apply(lab, DISK).await.expect("a disk");
    apply(lab, &MACHINE.replace("BUS", "virtio"))
        .await
        .expect("a machine");
    awaited(lab, &["datavolume", "web-root"], "/status/phase", |phase| {
        phase == "Succeeded"
    })
    .await;
    let agent = |all: &Value| {
        let all = all.as_array().into_iter().flatten();
        all.into_iter()
            .any(|one| one["type"] == "AgentConnected" && one["status"] == "True")
    };
    let vmi = awaited(lab, &["vmi", "web"], "/status/conditions", agent).await;
    assert_eq!(vmi.pointer("/status/phase"), Some(&"Running".into()));
    awaited(lab, &["vm", "web"], "/status/ready", |ready| ready == true).await;
    assert_eq!(site_of(lab, "web-root").await.as_deref(), Some("site-2"));
    let node = vmi
        .pointer("/status/nodeName")
        .and_then(Value::as_str)
        .expect("a node");
    assert!(
        node.starts_with("site-2-"),
        "the disk is at site-2, the machine on {node}"
    );

    apply(lab, DESTINATION).await.expect("a destination");
    let destination = ["replicationdestination", "web-root"];
    let found = awaited(lab, &destination, "/status/rsyncTLS/address", Value::is_string).await;
    let address = found
        .pointer("/status/rsyncTLS/address")
        .and_then(Value::as_str)
        .expect("an address");
    apply(lab, &SOURCE.replace("ADDRESS", address))
        .await
        .expect("a source");
    awaited(
        lab,
        &["replicationsource", "web-root"],
        "/status/lastManualSync",
        |done| done == "first",
    )
    .await;
    awaited(lab, &destination, "/status/latestImage/name", Value::is_string).await;
    assert_eq!(
        site_of(lab, "volsync-web-root-dst").await.as_deref(),
        Some("site-1")
    );

    let patch = r#"{"spec": {"runStrategy": "Halted"}}"#;
    lab.kubectl(["-n", "town", "patch", "vm", "web", "--type=merge", "-p", patch])
        .await
        .expect("a patch");
    eventually("the machine off", LONG, || async {
        let all = get(lab, &["vmi,pod"]).await;
        let all = all["items"].as_array().ok_or("no answer")?;
        let names = all
            .iter()
            .filter_map(|one| one.pointer("/metadata/name")?.as_str());
        let left: Vec<&str> = names
            .filter(|name| *name == "web" || name.starts_with("virt-launcher-web"))
            .collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(left.join(", "))
        }
    })
    .await;
    assert_eq!(
        site_of(lab, "web-root").await.as_deref(),
        Some("site-2"),
        "the disk stays"
    );
}

fn options(test: &str, profile: Profile) -> LabOptions {
    LabOptions::new(name(test))
        .profile(profile)
        .fleet(FleetSpec::sized(2, 1, 2, 8, 32))
}

#[tokio::test]
async fn on_the_full_profile_no_machine_runs_away_from_its_disk_and_no_copy_lies_beside_its_original() {
    let lab = Lab::up(options("full", Profile::Full))
        .await
        .expect("it comes up");
    let parts: Vec<String> = lab.running().into_iter().map(|one| one.part).collect();
    for part in ["virt-api", "virt-controller", "volsync"] {
        assert!(
            parts.iter().any(|one| one == part),
            "{part} is not among {parts:?}"
        );
    }
    let refused = apply(
        &lab,
        &MACHINE.replace("BUS", "quantum").replace("town", "default"),
    )
    .await;
    let refused = refused.expect_err("KubeVirt's own webhook knows its buses");
    assert!(refused.contains("unrecognized bus quantum"), "{refused}");

    a_machine_runs_at_its_disk_and_its_copy_lies_elsewhere(&lab).await;
    lab.down().await.expect("it goes away");
}

#[tokio::test]
async fn on_the_light_profile_no_machine_runs_away_from_its_disk_and_no_copy_lies_beside_its_original() {
    let lab = Lab::up(options("light", Profile::Light))
        .await
        .expect("it comes up");
    assert!(
        !lab.running()
            .iter()
            .any(|one| one.part.starts_with("virt") || one.part == "volsync")
    );
    a_machine_runs_at_its_disk_and_its_copy_lies_elsewhere(&lab).await;
    lab.down().await.expect("it goes away");
}
