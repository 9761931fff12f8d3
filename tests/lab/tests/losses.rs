//! What the simulated disks hold, so that a copy can be compared with its original: the same on both profiles.

#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod common;

use std::time::Duration;

use k8s_openapi::api::core::v1::PersistentVolume;
use kube::Api;
use kube::api::ListParams;
use raidc_lab::sim::WRITTEN;
use raidc_lab::{FleetSpec, Lab, LabOptions, Profile};
use serde_json::Value;

use common::{eventually, name};

const WORLD: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: town}
---
apiVersion: cdi.kubevirt.io/v1beta1
kind: DataVolume
metadata:
  name: db
  namespace: town
  annotations: {cdi.kubevirt.io/storage.bind.immediate.requested: "true"}
spec:
  source: {blank: {}}
  storage: {storageClassName: fast-site-1, resources: {requests: {storage: 1Gi}}}
---
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {name: db, namespace: town}
spec:
  runStrategy: Always
  template:
    spec:
      domain:
        cpu: {cores: 1}
        memory: {guest: 1Gi}
        devices:
          disks: [{name: root, disk: {bus: virtio}}]
          interfaces: [{name: default, masquerade: {}}]
      networks: [{name: default, pod: {}}]
      volumes: [{name: root, persistentVolumeClaim: {claimName: db}}]
---
apiVersion: volsync.backube/v1alpha1
kind: ReplicationDestination
metadata: {name: db, namespace: town}
spec:
  rsyncTLS:
    copyMethod: Snapshot
    capacity: 1Gi
    accessModes: [ReadWriteOnce]
    volumeMode: Block
    storageClassName: fast-site-2
"#;

const SOURCE: &str = r"
apiVersion: volsync.backube/v1alpha1
kind: ReplicationSource
metadata: {name: db, namespace: town}
spec:
  sourcePVC: db
  trigger: {manual: TOKEN}
  rsyncTLS: {address: ADDRESS, keySecret: volsync-rsync-tls-db, copyMethod: Snapshot, storageClassName: fast-site-1-scratch}
";

/// Generous: machines that build and test at once are slow.
const LONG: Duration = Duration::from_mins(2);

async fn apply(lab: &Lab, yaml: &str) {
    let file = lab.dir().join("test.yaml");
    std::fs::write(&file, yaml).expect("room for it");
    lab.kubectl(["apply", "-f", &file.display().to_string()])
        .await
        .expect("it is accepted");
}

/// Waits until a field of an object in `town` is as wanted, and gives it.
async fn field(lab: &Lab, what: &str, pointer: &str, good: impl Fn(&str) -> bool) -> String {
    eventually(&format!("{what} {pointer}"), LONG, || async {
        let text = lab.kubectl(["-n", "town", "get", what, "-o", "json"]).await;
        let text = text.map_err(|error| error.to_string())?;
        let object: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        match object.pointer(pointer).and_then(Value::as_str) {
            Some(value) if good(value) => Ok(value.to_owned()),
            _ => Err(object["status"].to_string()),
        }
    })
    .await
}

/// What is on the volume of a claim.
async fn written(lab: &Lab, claim: &str) -> Value {
    let volumes: Api<PersistentVolume> = Api::all(lab.client().expect("a client"));
    let all = volumes.list(&ListParams::default()).await.expect("volumes");
    let of_claim = all.items.into_iter().find(|volume| {
        let owner = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
        owner.and_then(|owner| owner.name.as_deref()) == Some(claim)
    });
    let notes = of_claim
        .and_then(|volume| volume.metadata.annotations)
        .unwrap_or_default();
    notes
        .get(WRITTEN)
        .and_then(|note| serde_json::from_str(note).ok())
        .unwrap_or_default()
}

async fn sync(lab: &Lab, address: &str, token: &str) -> u64 {
    apply(lab, &SOURCE.replace("ADDRESS", address).replace("TOKEN", token)).await;
    field(lab, "replicationsource/db", "/status/lastManualSync", |done| {
        done == token
    })
    .await;
    let copy = written(lab, "volsync-db-dst").await;
    assert_eq!(copy["writer"], "town/db", "{copy}");
    copy["counter"].as_u64().expect("a count")
}

async fn a_copy_never_holds_what_was_not_written_and_a_dead_host_writes_nothing(lab: &Lab) {
    apply(lab, WORLD).await;
    field(lab, "vmi/db", "/status/phase", |phase| phase == "Running").await;
    let address = field(
        lab,
        "replicationdestination/db",
        "/status/rsyncTLS/address",
        |a| !a.is_empty(),
    )
    .await;

    let first = sync(lab, &address, "first").await;
    let second = sync(lab, &address, "second").await;
    assert!(
        second > first,
        "the guest went on writing: {first}, then {second}"
    );

    lab.faults()
        .expect("the switches")
        .site_off("site-1")
        .await
        .expect("a switch");
    let dead = eventually("the disk frozen", LONG, || async {
        let disk = written(lab, "db").await;
        if disk["since"].is_null() {
            Ok(disk)
        } else {
            Err(disk.to_string())
        }
    })
    .await;
    let last = dead["counter"].as_u64().expect("a count");
    assert!(last >= second, "the copy has {second}, the original only {last}");

    // Nothing can be brought over from a site without power: the copy stays as old as it is.
    apply(
        lab,
        &SOURCE.replace("ADDRESS", &address).replace("TOKEN", "third"),
    )
    .await;
    field(
        lab,
        "replicationsource/db",
        "/status/lastSyncStartTime",
        |began| !began.is_empty(),
    )
    .await;
    assert_eq!(written(lab, "volsync-db-dst").await["counter"], second);

    // With the power back the transfer that waited ends, and brings what the disk held.
    lab.faults()
        .expect("the switches")
        .site_on("site-1")
        .await
        .expect("a switch");
    field(lab, "replicationsource/db", "/status/lastManualSync", |done| {
        done == "third"
    })
    .await;
    let copy = written(lab, "volsync-db-dst").await["counter"]
        .as_u64()
        .expect("a count");
    assert!(copy >= last, "the copy has {copy} of {last}");
}

async fn on(test: &str, profile: Profile) {
    let options = LabOptions::new(name(test))
        .profile(profile)
        .fleet(FleetSpec::sized(2, 1, 2, 8, 32));
    let lab = Lab::up(options).await.expect("it comes up");
    a_copy_never_holds_what_was_not_written_and_a_dead_host_writes_nothing(&lab).await;
    lab.down().await.expect("it goes away");
}

#[tokio::test]
async fn on_the_full_profile_a_copy_never_holds_what_was_not_written() {
    on("loss-full", Profile::Full).await;
}

#[tokio::test]
async fn on_the_light_profile_a_copy_never_holds_what_was_not_written() {
    on("loss-light", Profile::Light).await;
}
