//! Machines: what must never be asked of KubeVirt.

use super::*;

fn example<'a>() -> Machine<'a> {
    Machine {
        owner: Owner {
            namespace: "kuldiga",
            name: "registry",
            uid: "0b9b4e3e-6a53-4f0f-8f5d-0d5f3a9c2f11",
        },
        on: true,
        size: Size::Instancetype("m-4"),
        disks: vec![
            MachineDisk {
                name: "root".into(),
                claim: "registry-root".into(),
            },
            MachineDisk {
                name: "data".into(),
                claim: "registry-data".into(),
            },
        ],
        first_boot: FirstBoot::Keys(&[]),
        networks: vec![("lan", "office")],
        site: "kuldiga",
        rack: "kuldiga-r1",
        host: Some("kuldiga-r1-h2"),
        backup: Some("talsi/talsi-r1/talsi-r1-h1".into()),
        copy_sites: &[],
        epoch: 1,
        apart: None,
    }
}

#[test]
fn an_instancetype_is_never_mixed_with_cores_or_memory() {
    let body = machine(&example());
    assert_eq!(body["spec"]["instancetype"]["name"], "m-4");
    let domain = &body["spec"]["template"]["spec"]["domain"];
    assert!(domain.get("cpu").is_none() && domain.get("memory").is_none());

    let body = machine(&Machine {
        size: Size::Explicit {
            cores: 3,
            memory_mib: 6144,
        },
        ..example()
    });
    assert!(body["spec"].get("instancetype").is_none());
    let domain = &body["spec"]["template"]["spec"]["domain"];
    assert_eq!(domain["cpu"], json!({"cores": 3}));
    assert_eq!(domain["memory"], json!({"guest": "6Gi"}));
}

#[test]
fn a_machine_never_owns_its_disks_and_never_makes_them() {
    let body = machine(&example());
    assert!(body["spec"].get("dataVolumeTemplates").is_none());
    let volumes = &body["spec"]["template"]["spec"]["volumes"];
    assert_eq!(
        volumes[1],
        json!({"name": "data", "persistentVolumeClaim": {"claimName": "registry-data"}})
    );
}

#[test]
fn site_and_rack_are_never_wishes_and_the_host_never_law() {
    let body = machine(&example());
    let node = &body["spec"]["template"]["spec"]["affinity"]["nodeAffinity"];
    assert_eq!(
        node["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"],
        json!([{"matchExpressions": [
            {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["kuldiga"]},
            {"key": "raidc.dev/rack", "operator": "In", "values": ["kuldiga-r1"]},
        ]}])
    );
    assert_eq!(
        node["preferredDuringSchedulingIgnoredDuringExecution"][0]["preference"]["matchExpressions"][0]["values"],
        json!(["kuldiga-r1-h2"])
    );
    let nowhere = machine(&Machine {
        host: None,
        ..example()
    });
    assert!(
        nowhere["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]
            .get("preferredDuringSchedulingIgnoredDuringExecution")
            .is_none()
    );
}

#[test]
fn a_move_of_the_reserve_never_changes_the_template() {
    let before = machine(&example());
    let after = machine(&Machine {
        backup: Some("liepaja/liepaja-r1/liepaja-r1-h1".into()),
        copy_sites: &["liepaja".to_owned()],
        epoch: 2,
        ..example()
    });
    assert_eq!(before["spec"], after["spec"]);
    assert_ne!(
        before["metadata"]["annotations"],
        after["metadata"]["annotations"]
    );
    assert_eq!(after["metadata"]["annotations"]["raidc.dev/epoch"], "2");
    assert_eq!(
        after["metadata"]["annotations"]["raidc.dev/copy-sites"],
        "liepaja"
    );
}

#[test]
fn identity_never_changes_with_the_place() {
    let here = machine(&example());
    let there = machine(&Machine {
        site: "talsi",
        rack: "talsi-r1",
        host: None,
        ..example()
    });
    for path in [
        "/spec/template/spec/domain/firmware",
        "/spec/template/spec/domain/devices/interfaces",
    ] {
        assert_eq!(here.pointer(path), there.pointer(path), "{path}");
    }
    let mac = mac_address(example().owner.uid, "default");
    assert!(mac.starts_with("02:") && mac.len() == 17, "{mac}");
    assert_ne!(mac, mac_address(example().owner.uid, "lan"));
    assert_ne!(
        mac,
        mac_address("1b9b4e3e-6a53-4f0f-8f5d-0d5f3a9c2f11", "default")
    );
}

#[test]
fn only_the_boot_disk_has_a_boot_order_and_every_disk_a_serial() {
    let body = machine(&example());
    let disks = &body["spec"]["template"]["spec"]["domain"]["devices"]["disks"];
    assert_eq!(disks[0]["bootOrder"], 1);
    assert!(disks[1].get("bootOrder").is_none());
    assert_eq!(disks[1]["serial"], "data");
    assert_eq!(disks[2]["name"], "cloudinit");
}

#[test]
fn a_key_never_breaks_out_of_the_user_data() {
    let keys = vec!["ssh-ed25519 AAAA admin: \"me\" # not a comment".to_owned()];
    assert_eq!(
        user_data(&keys),
        "#cloud-config\nssh_authorized_keys:\n- \"ssh-ed25519 AAAA admin: \\\"me\\\" # not a comment\"\n"
    );
    assert_eq!(user_data(&[]), "#cloud-config\n");
}

#[test]
fn a_secret_is_only_named() {
    let body = machine(&Machine {
        first_boot: FirstBoot::Secret("registry-init"),
        ..example()
    });
    let volumes = &body["spec"]["template"]["spec"]["volumes"];
    assert_eq!(
        volumes[2]["cloudInitNoCloud"],
        json!({"secretRef": {"name": "registry-init"}})
    );
}

#[test]
fn a_group_never_keeps_a_server_away_from_itself() {
    let body = machine(&Machine {
        apart: Some(ApartFrom {
            group: "db",
            domain: None,
        }),
        ..example()
    });
    let term = &body["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        [0];
    assert_eq!(
        term["labelSelector"]["matchExpressions"][1],
        json!({"key": "raidc.dev/server", "operator": "NotIn", "values": ["registry"]})
    );
    assert_eq!(
        body["spec"]["template"]["metadata"]["labels"]["raidc.dev/apart"],
        "db"
    );
}

#[test]
fn servers_of_one_domain_are_never_kept_apart_and_those_of_two_always_are() {
    let body = machine(&Machine {
        apart: Some(ApartFrom {
            group: "db",
            domain: Some("half-a"),
        }),
        ..example()
    });
    let template = &body["spec"]["template"];
    assert_eq!(template["metadata"]["labels"]["raidc.dev/apart-domain"], "half-a");
    let term = &template["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        [0]["labelSelector"]["matchExpressions"];
    let keys: Vec<_> = term.as_array().into_iter().flatten().map(|e| &e["key"]).collect();
    assert_eq!(
        keys,
        ["raidc.dev/apart", "raidc.dev/server", "raidc.dev/apart-domain"]
    );
    assert_eq!(
        term[2],
        json!({"key": "raidc.dev/apart-domain", "operator": "NotIn", "values": ["half-a"]})
    );
}
