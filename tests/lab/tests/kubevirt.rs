//! The full profile: KubeVirt's and VolSync's own controllers judge and act.

mod common;

use raidc_lab::{FleetSpec, Lab, LabOptions};

use common::name;

const VM: &str = r"
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {name: web, namespace: default}
spec:
  runStrategy: Halted
  template:
    spec:
      domain:
        memory: {guest: 1Gi}
        devices: {disks: [{name: root, disk: {bus: BUS}}]}
      volumes: [{name: root, persistentVolumeClaim: {claimName: web-root}}]
";

#[tokio::test]
async fn a_virtual_machine_that_kubevirt_would_refuse_is_refused() {
    let lab = Lab::up(LabOptions::new(name("kubevirt")).fleet(FleetSpec::sized(2, 1, 2, 8, 32))).await;
    let lab = lab.expect("it comes up");
    let file = lab.dir().join("vm.yaml");
    let path = file.display().to_string();

    std::fs::write(&file, VM.replace("BUS", "quantum")).expect("room for it");
    let refused = lab
        .kubectl(["apply", "-f", &path])
        .await
        .expect_err("KubeVirt knows its buses")
        .to_string();
    assert!(refused.contains("unrecognized bus quantum"), "{refused}");

    std::fs::write(&file, VM.replace("BUS", "virtio")).expect("room for it");
    lab.kubectl(["apply", "-f", &path])
        .await
        .expect("a bus that exists");
    let parts: Vec<String> = lab.running().into_iter().map(|one| one.part).collect();
    for part in ["virt-api", "virt-controller", "volsync"] {
        assert!(
            parts.iter().any(|one| one == part),
            "{part} is not among {parts:?}"
        );
    }
    lab.down().await.expect("it goes away");
}
