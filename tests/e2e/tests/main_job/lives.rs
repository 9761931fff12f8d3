//! What happens to servers, orders and tenants after they were made: switched, grown, deleted, given up.

use kube::Api;
use kube::ResourceExt;
use kube::api::DeleteParams;
use raidc_crds::VirtualServer;
use raidc_crds::condition::READY;
use raidc_e2e::World;
use raidc_e2e::servers;
use serde_json::Value;
use std::time::Duration;

const SOON: Duration = Duration::from_mins(2);
/// A server of the examples with a single copy, so that nothing else happens to it.
const NAMESPACE: &str = "kuldiga";
const NAME: &str = "single";

async fn get(world: &World, what: &[&str]) -> Result<Value, String> {
    let args = [&["get", "--ignore-not-found", "-o", "json"], what].concat();
    let text = world.cluster.kubectl(&args).await.map_err(|e| e.to_string())?;
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&text).map_err(|e| e.to_string())
}

/// Applies a server and waits until it is Ready for the spec as it then is.
async fn ready(world: &World, name: &str, spec: &str) {
    let yaml = format!(
        "{{apiVersion: raidc.dev/v1alpha1, kind: VirtualServer, metadata: {{name: {name}, namespace: {NAMESPACE}}}, spec: {{size: s-1, image: debian-13, policy: bronze, {spec}}}}}"
    );
    world.cluster.apply(&yaml).await.unwrap();
    let api: Api<VirtualServer> = Api::namespaced(world.cluster.client(), NAMESPACE);
    servers::eventually(&format!("{name} is Ready with {spec}"), SOON, || async {
        let server = api.get(name).await.map_err(|e| e.to_string())?;
        if servers::holds(&server, READY) {
            Ok(())
        } else {
            Err(servers::told(&server, READY))
        }
    })
    .await
    .unwrap();
}

/// Events of the server with this reason.
async fn events(world: &World, reason: &str) -> Result<Vec<Value>, String> {
    let list = get(world, &["events.events.k8s.io", "-n", NAMESPACE]).await?;
    let all = list["items"].as_array().cloned().unwrap_or_default();
    let of = |e: &Value| {
        e["regarding"]["kind"] == "VirtualServer" && e["regarding"]["name"] == NAME && e["reason"] == reason
    };
    Ok(all.into_iter().filter(of).collect())
}

pub(crate) async fn a_server_is_never_switched_without_a_word_nor_told_of_twice(world: &World) {
    println!("no switch of a server goes untold, and none is told as two events");
    for power in ["On", "Off", "On", "Off", "On"] {
        ready(world, NAME, &format!("power: \"{power}\"")).await;
    }
    let told = servers::eventually("the switches are told", SOON, || async {
        let stopped = events(world, "Stopped").await?;
        if stopped.is_empty() {
            Err("no event says Stopped".to_owned())
        } else {
            Ok(stopped)
        }
    })
    .await
    .unwrap();
    assert_eq!(
        told.len(),
        1,
        "one event with a count, not one per time: {told:?}"
    );
    // At most: an event is told once and not again when the API server does not answer in time; the condition says it too.
    let times = told[0]["series"]["count"].as_i64().unwrap_or(1);
    assert!(times <= 2, "switched off twice and told more often: {told:?}");
    assert_eq!(events(world, "Running").await.unwrap().len(), 1);
}

pub(crate) async fn what_is_no_longer_asked_for_never_stays(world: &World) {
    println!("a server that leaves its group is kept apart from nobody, and a hole in a wall is shut");
    let machine = ["vm", "-n", NAMESPACE, NAME];
    let apart = |machine: &Value| {
        let template = &machine["spec"]["template"];
        let rule = template["spec"]["affinity"].get("podAntiAffinity").is_some();
        let label = template["metadata"]["labels"].get("raidc.dev/apart").is_some();
        (rule, label)
    };
    for (spec, wanted) in [
        ("power: \"Off\", apart: {group: pair}", (true, true)),
        ("power: \"Off\"", (false, false)),
    ] {
        ready(world, NAME, spec).await;
        servers::eventually("the machine is as asked", SOON, || async {
            let has = apart(&get(world, &machine).await?);
            if has == wanted {
                Ok(())
            } else {
                Err(format!("{has:?}"))
            }
        })
        .await
        .unwrap();
    }
    for hole in [
        r#"{"spec":{"ingress":[{}]}}"#,
        r#"{"spec":{"podSelector":{"matchLabels":{"of":"nobody"}}}}"#,
    ] {
        let wall = ["networkpolicy", "-n", NAMESPACE, "raidc-default-deny"];
        let open = [&["patch"][..], &wall, &["--type=merge", "-p", hole]].concat();
        world.cluster.kubectl(&open).await.unwrap();
        servers::eventually("the wall stands again", SOON, || async {
            let spec = get(world, &wall).await?["spec"].clone();
            if spec == serde_json::json!({"podSelector": {}, "policyTypes": ["Egress", "Ingress"]}) {
                Ok(())
            } else {
                Err(spec.to_string())
            }
        })
        .await
        .unwrap();
    }
}

pub(crate) async fn a_disk_that_grows_never_waits(world: &World) {
    println!("a disk that is to grow is made to");
    ready(world, NAME, "power: \"On\", rootDisk: {size: 40Gi}").await;
    let claim = format!("{NAME}-root");
    servers::eventually("the claim asks for more", SOON, || async {
        let pvc = get(world, &["pvc", "-n", NAMESPACE, &claim]).await?;
        let asked = pvc["spec"]["resources"]["requests"]["storage"].clone();
        if asked == "40Gi" {
            Ok(())
        } else {
            Err(asked.to_string())
        }
    })
    .await
    .unwrap();
}

pub(crate) async fn a_first_boot_from_a_secret_is_never_refused(world: &World) {
    println!("a server whose first boot is in a Secret is taken by KubeVirt, and names the Secret only");
    let secret = format!(
        "{{apiVersion: v1, kind: Secret, metadata: {{name: first-boot, namespace: {NAMESPACE}}}, stringData: {{userdata: '#cloud-config'}}}}"
    );
    world.cluster.apply(&secret).await.unwrap();
    ready(world, "first-boot", "cloudInit: {secretName: first-boot}").await;
    let machine = get(world, &["vm", "-n", NAMESPACE, "first-boot"]).await.unwrap();
    let volumes = machine["spec"]["template"]["spec"]["volumes"]
        .as_array()
        .unwrap()
        .clone();
    let first_boot: Vec<_> = volumes.iter().filter(|v| v["name"] == "cloudinit").collect();
    assert_eq!(first_boot.len(), 1, "{volumes:?}");
    assert_eq!(
        first_boot[0]["cloudInitNoCloud"],
        serde_json::json!({"secretRef": {"name": "first-boot"}})
    );
    let delete = [
        "delete",
        "virtualserver",
        "-n",
        NAMESPACE,
        "first-boot",
        "--wait=false",
    ];
    world.cluster.kubectl(&delete).await.unwrap();
}

pub(crate) async fn disks_that_should_go_never_stay(world: &World) {
    println!("disks go with their server where it was asked for");
    ready(
        world,
        NAME,
        "power: \"On\", rootDisk: {size: 40Gi}, deletionPolicy: Delete",
    )
    .await;
    let delete = ["delete", "virtualserver", "-n", NAMESPACE, NAME, "--wait=false"];
    world.cluster.kubectl(&delete).await.unwrap();
    let claim = format!("{NAME}-root");
    servers::eventually("server, disk and claim are gone", SOON, || async {
        for (kind, name) in [("virtualserver", NAME), ("datavolume", &claim), ("pvc", &claim)] {
            let left = get(world, &[kind, "-n", NAMESPACE, name]).await?;
            if !left.is_null() {
                return Err(left.to_string());
            }
        }
        Ok(())
    })
    .await
    .unwrap();
}

pub(crate) async fn an_order_that_is_not_carried_out_never_pretends(world: &World) {
    println!("a Failover and a Drill say that this version does not carry them out");
    let orders = r"
apiVersion: raidc.dev/v1alpha1
kind: Failover
metadata: {name: exercise}
spec: {mode: Unplanned, from: {site: talsi}, acceptLoss: 5m, reason: substation fire}
---
apiVersion: raidc.dev/v1alpha1
kind: Drill
metadata: {name: exercise}
spec: {lose: {site: talsi}, scope: {tenant: kuldiga}}
";
    world.cluster.apply(orders).await.unwrap();
    for kind in ["failover", "drill"] {
        servers::eventually("it is answered", SOON, || async {
            let order = get(world, &[kind, "exercise"]).await?;
            let says = order["status"]["conditions"].to_string();
            if says.contains("Stalled") && says.contains("NotImplemented") {
                Ok(())
            } else {
                Err(says)
            }
        })
        .await
        .unwrap();
    }
}

pub(crate) async fn a_tenant_that_leaves_never_leaves_anything(world: &World) {
    println!("a tenant without data leaves nothing behind");
    let tenant = "{apiVersion: raidc.dev/v1alpha1, kind: Tenant, metadata: {name: leaver}, spec: {displayName: Leaver, defaultPolicy: silver, admins: {groups: [leaver-it]}}}";
    world.cluster.apply(tenant).await.unwrap();
    servers::eventually("the tenant is Ready", SOON, || async {
        let tenant = get(world, &["tenant", "leaver"]).await?;
        let says = tenant["status"]["conditions"].to_string();
        if says.contains("\"AsAsked\"") {
            Ok(())
        } else {
            Err(says)
        }
    })
    .await
    .unwrap();
    world
        .cluster
        .kubectl(&["delete", "tenant", "leaver", "--wait=false"])
        .await
        .unwrap();
    servers::eventually(
        "tenant, namespace and its binding at the catalogue are gone",
        SOON,
        || async {
            for what in [
                &["tenant", "leaver"][..],
                &["namespace", "leaver"],
                &["rolebinding", "-n", "raidc-images", "raidc-catalogue-leaver"],
            ] {
                let left = get(world, what).await?;
                if !left.is_null() {
                    return Err(left.to_string());
                }
            }
            Ok(())
        },
    )
    .await
    .unwrap();
}

pub(crate) async fn deleted_server_never_takes_its_disks_along(world: &World, server: &VirtualServer) {
    let (namespace, name) = (server.namespace().unwrap(), server.name_any());
    println!("deleting {namespace}/{name} leaves its disks");
    let claim = format!("{name}-root");
    let volume = |cluster: raidc_e2e::Cluster| {
        let (namespace, claim) = (namespace.clone(), claim.clone());
        async move {
            cluster
                .kubectl(&[
                    "get",
                    "pvc",
                    "-n",
                    &namespace,
                    &claim,
                    "-o",
                    "jsonpath={.spec.volumeName}",
                ])
                .await
        }
    };
    let before = volume(world.cluster.clone()).await.unwrap();
    assert!(!before.is_empty());
    let api: Api<VirtualServer> = Api::namespaced(world.cluster.client(), &namespace);
    api.delete(&name, &DeleteParams::default()).await.unwrap();
    servers::eventually(
        "the server and its machine are gone",
        Duration::from_mins(2),
        || async {
            let left = world
                .cluster
                .kubectl(&["get", "vm,vmi,virtualserver", "-n", &namespace, "-o", "name"])
                .await;
            let left = left.map_err(|e| e.to_string())?;
            let mine: Vec<_> = left
                .lines()
                .filter(|l| l.ends_with(&format!("/{name}")))
                .collect();
            if mine.is_empty() {
                Ok(())
            } else {
                Err(format!("{mine:?}"))
            }
        },
    )
    .await
    .unwrap();
    assert_eq!(
        volume(world.cluster.clone()).await.unwrap(),
        before,
        "the disk is still the same volume"
    );
    let pairs = world
        .cluster
        .kubectl(&["get", "replicationsources", "-n", &namespace, "-o", "name"])
        .await
        .unwrap();
    assert!(
        !pairs.contains(&format!("/{name}-")),
        "no copy is kept going of a server that is gone: {pairs}"
    );
}
