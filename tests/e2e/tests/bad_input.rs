//! Bad input: each broken object gets a condition that says what, why and what to do; nothing else is disturbed; mended, it
//! recovers by itself. One lab for all tests of this file; each has names of its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Api;
use kube::Client;
use kube::ResourceExt;
use raidc_crds::Rack;
use raidc_crds::Site;
use raidc_crds::VirtualServer;
use raidc_crds::condition::READY;
use raidc_crds::condition::STALLED;
use raidc_e2e::Cluster;
use raidc_e2e::World;
use raidc_e2e::install;
use raidc_e2e::servers;
use raidc_lab::Profile;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::runtime::Runtime;

const SOON: Duration = Duration::from_mins(1);

/// The lab that all tests of this file share, and the runtime that its clients live on.
fn shared() -> &'static (Runtime, World) {
    static SHARED: OnceLock<(Runtime, World)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let runtime = Runtime::new().unwrap();
        let world = runtime.block_on(async {
            let mut world = World::up("bad-input", Profile::Light).await.unwrap();
            world.start_controller("a").unwrap();
            install::platform(&world.cluster).await.unwrap();
            world
        });
        (runtime, world)
    })
}

fn run<F: Future<Output = ()>>(test: impl FnOnce(&'static Cluster) -> F) {
    let (runtime, world) = shared();
    runtime.block_on(test(&world.cluster));
}

fn server(name: &str, spec: &str) -> String {
    format!(
        "{{apiVersion: raidc.dev/v1alpha1, kind: VirtualServer, metadata: {{name: {name}, namespace: kuldiga}}, spec: {{{spec}}}}}"
    )
}

async fn apply(cluster: &Cluster, yaml: &str) {
    servers::retried("apply", || cluster.apply(yaml)).await.unwrap();
}

async fn one(client: Client, name: &str) -> Result<VirtualServer, String> {
    Api::<VirtualServer>::namespaced(client, "kuldiga")
        .get(name)
        .await
        .map_err(|e| e.to_string())
}

fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.type_ == kind)
}

/// Waits until the server's Ready condition has one of the reasons and returns its message.
async fn not_ready(cluster: &Cluster, name: &str, reasons: &[&str]) -> String {
    servers::eventually(&format!("{name} says {reasons:?}"), SOON, || async {
        let server = one(cluster.client(), name).await?;
        let status = server.status.clone().ok_or("no status")?;
        let ready = find(&status.conditions, READY).ok_or("no Ready condition")?;
        if ready.status == "False" && reasons.contains(&ready.reason.as_str()) {
            Ok(ready.message.clone())
        } else {
            Err(servers::told(&server, READY))
        }
    })
    .await
    .unwrap()
}

async fn becomes_ready(cluster: &Cluster, name: &str) {
    servers::eventually(&format!("{name} is Ready"), SOON, || async {
        let server = one(cluster.client(), name).await?;
        if servers::holds(&server, READY) {
            Ok(())
        } else {
            Err(servers::told(&server, READY))
        }
    })
    .await
    .unwrap();
}

fn tells(message: &str, words: &[&str]) {
    for word in words {
        assert!(
            message.contains(word),
            "the message does not say \"{word}\": {message}"
        );
    }
}

#[test]
fn unknown_policy_never_places_a_server() {
    run(|cluster| async {
        apply(
            cluster,
            &server("bad-policy", "size: s-2, image: debian-13, policy: platinum"),
        )
        .await;
        let message = not_ready(cluster, "bad-policy", &["UnknownPolicy"]).await;
        tells(&message, &["platinum"]);
        let seen = one(cluster.client(), "bad-policy").await.unwrap();
        assert!(seen.status.unwrap().site.is_none());
        apply(
            cluster,
            &server("bad-policy", "size: s-2, image: debian-13, policy: bronze"),
        )
        .await;
        becomes_ready(cluster, "bad-policy").await;
    });
}

#[test]
fn unknown_size_never_places_a_server() {
    run(|cluster| async {
        apply(
            cluster,
            &server("bad-size", "size: gigantic, image: debian-13, policy: bronze"),
        )
        .await;
        let message = not_ready(cluster, "bad-size", &["UnknownSize"]).await;
        tells(&message, &["gigantic"]);
        apply(
            cluster,
            &server("bad-size", "size: s-2, image: debian-13, policy: bronze"),
        )
        .await;
        becomes_ready(cluster, "bad-size").await;
    });
}

#[test]
fn unknown_image_never_makes_a_disk() {
    run(|cluster| async {
        apply(
            cluster,
            &server("bad-image", "size: s-2, image: templeos, policy: bronze"),
        )
        .await;
        let message = not_ready(cluster, "bad-image", &["UnknownImage"]).await;
        tells(&message, &["templeos"]);
        let claims = cluster
            .kubectl(&["get", "datavolumes", "-n", "kuldiga", "-o", "name"])
            .await
            .unwrap();
        assert!(!claims.contains("bad-image"), "{claims}");
        // It is mended by the catalogue: the image appears.
        let source = "{apiVersion: cdi.kubevirt.io/v1beta1, kind: DataSource, metadata: {name: templeos, namespace: raidc-images, \
            labels: {sim.raidc.dev/image: 'true'}}, spec: {source: {pvc: {name: templeos, namespace: raidc-images}}}}";
        apply(cluster, source).await;
        becomes_ready(cluster, "bad-image").await;
    });
}

#[test]
fn server_beyond_quota_never_starts_and_is_told_the_numbers() {
    run(|cluster| async {
        let tenant = |cores: u32| {
            format!(
                "{{apiVersion: raidc.dev/v1alpha1, kind: Tenant, metadata: {{name: tiny}}, spec: {{displayName: Tiny, defaultPolicy: bronze, \
                 quota: {{cores: {cores}}}}}}}"
            )
        };
        apply(cluster, &tenant(2)).await;
        let big = "{apiVersion: raidc.dev/v1alpha1, kind: VirtualServer, metadata: {name: big, namespace: tiny}, spec: {size: m-4, image: debian-13}}";
        apply(cluster, big).await;
        let api: Api<VirtualServer> = Api::namespaced(cluster.client(), "tiny");
        let message = servers::eventually("the quota is named", SOON, || async {
            let seen = api.get("big").await.map_err(|e| e.to_string())?;
            let status = seen.status.clone().ok_or("no status")?;
            match find(&status.conditions, READY) {
                Some(c) if c.reason.contains("Quota") => Ok(c.message.clone()),
                _ => Err(servers::told(&seen, READY)),
            }
        })
        .await
        .unwrap();
        tells(&message, &["4", "2"]);
        apply(cluster, &tenant(8)).await;
        servers::eventually("the raised quota lets it in", SOON, || async {
            let seen = api.get("big").await.map_err(|e| e.to_string())?;
            if servers::holds(&seen, READY) {
                Ok(())
            } else {
                Err(servers::told(&seen, READY))
            }
        })
        .await
        .unwrap();
    });
}

#[test]
fn server_bigger_than_any_host_never_waits_in_silence() {
    run(|cluster| async {
        apply(
            cluster,
            &server(
                "giant",
                "resources: {cores: 4, memory: 900Gi}, image: debian-13, policy: bronze",
            ),
        )
        .await;
        let message = not_ready(cluster, "giant", &["HostMemory", "Quota"]).await;
        tells(&message, &["GiB"]);
        let seen = one(cluster.client(), "giant").await.unwrap().status.unwrap();
        assert!(
            find(&seen.conditions, STALLED).is_some_and(|c| c.status == "True"),
            "only a person can mend this: {seen:?}"
        );
        apply(
            cluster,
            &server(
                "giant",
                "resources: {cores: 4, memory: 8Gi}, image: debian-13, policy: bronze",
            ),
        )
        .await;
        becomes_ready(cluster, "giant").await;
    });
}

#[test]
fn spread_that_cannot_be_met_never_puts_two_copies_together() {
    run(|cluster| async {
        let policy = "{apiVersion: raidc.dev/v1alpha1, kind: ReplicationPolicy, metadata: {name: local-copy}, spec: {copies: 2, mode: Async, rpo: 15m}}";
        apply(cluster, policy).await;
        apply(
            cluster,
            &server(
                "lonely",
                "size: s-2, image: debian-13, policy: local-copy, sites: [talsi]",
            ),
        )
        .await;
        let message = not_ready(cluster, "lonely", &["NoSecondSite"]).await;
        tells(&message, &["2"]);
        let seen = one(cluster.client(), "lonely").await.unwrap().status.unwrap();
        assert!(seen.copy_sites.is_empty(), "{seen:?}");
        apply(
            cluster,
            &server(
                "lonely",
                "size: s-2, image: debian-13, policy: local-copy, sites: [talsi, liepaja]",
            ),
        )
        .await;
        becomes_ready(cluster, "lonely").await;
    });
}

#[test]
fn rack_of_an_unknown_site_never_takes_a_server() {
    run(|cluster| async {
        let rack = |site: &str| {
            format!(
                "{{apiVersion: raidc.dev/v1alpha1, kind: Rack, metadata: {{name: rack-{site}}}, spec: {{site: {site}, feeds: [{{name: a, volts: 230, amps: 16}}]}}}}"
            )
        };
        apply(cluster, &rack("atlantis")).await;
        let racks: Api<Rack> = Api::all(cluster.client());
        let message = servers::eventually("the rack says that its site is unknown", SOON, || async {
            let rack = racks.get("rack-atlantis").await.map_err(|e| e.to_string())?;
            let status = rack.status.ok_or("no status")?;
            match find(&status.conditions, READY) {
                Some(c) if c.reason == "UnknownSite" => Ok(c.message.clone()),
                other => Err(format!("{other:?}")),
            }
        })
        .await
        .unwrap();
        tells(&message, &["atlantis"]);
        // Mended by the Site that it names.
        let site = "{apiVersion: raidc.dev/v1alpha1, kind: Site, metadata: {name: atlantis}, spec: {storage: {class: none}}}";
        apply(cluster, site).await;
        servers::eventually("the rack recovers", SOON, || async {
            let rack = racks.get("rack-atlantis").await.map_err(|e| e.to_string())?;
            let conditions = rack.status.map(|s| s.conditions).unwrap_or_default();
            if raidc_crds::condition::is_true(&conditions, READY) {
                Ok(())
            } else {
                Err(format!("{conditions:?}"))
            }
        })
        .await
        .unwrap();
        cluster
            .kubectl(&["delete", "rack/rack-atlantis", "site/atlantis"])
            .await
            .unwrap();
    });
}

#[test]
fn node_claimed_by_two_racks_is_never_used_and_both_say_so() {
    run(|cluster| async {
        let claim = |name: &str, nodes: &str| {
            format!(
                "{{apiVersion: raidc.dev/v1alpha1, kind: Rack, metadata: {{name: {name}}}, spec: {{site: liepaja, feeds: [{{name: a, volts: 230, amps: 16}}], hosts: [{nodes}]}}}}"
            )
        };
        let node = "{node: liepaja-r1-h4, units: 1}";
        apply(cluster, &claim("claims-one", node)).await;
        apply(cluster, &claim("claims-two", node)).await;
        let sites: Api<Site> = Api::all(cluster.client());
        let racks: Api<Rack> = Api::all(cluster.client());
        servers::eventually("the site names the node", SOON, || async {
            let site = sites.get("liepaja").await.map_err(|e| e.to_string())?;
            let named = site.status.map(|s| s.unusable_nodes).unwrap_or_default();
            if named
                .iter()
                .any(|n| n.name == "liepaja-r1-h4" && n.reason == "ClaimedByTwoRacks")
            {
                Ok(())
            } else {
                Err(format!("{named:?}"))
            }
        })
        .await
        .unwrap();
        for name in ["claims-one", "claims-two"] {
            servers::eventually("the rack says that it is not alone", SOON, || async {
                let rack = racks.get(name).await.map_err(|e| e.to_string())?;
                let conditions = rack.status.map(|s| s.conditions).unwrap_or_default();
                match find(&conditions, READY) {
                    Some(c) if c.status == "False" && c.message.contains("liepaja-r1-h4") => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            })
            .await
            .unwrap();
        }
        cluster
            .kubectl(&["delete", "rack", "claims-one", "claims-two"])
            .await
            .unwrap();
        servers::eventually("the node is used again", SOON, || async {
            let site = sites.get("liepaja").await.map_err(|e| e.to_string())?;
            let named = site.status.map(|s| s.unusable_nodes).unwrap_or_default();
            if named.iter().any(|n| n.name == "liepaja-r1-h4") {
                Err(format!("{named:?}"))
            } else {
                Ok(())
            }
        })
        .await
        .unwrap();
    });
}

#[test]
fn node_without_a_rack_label_is_never_used_and_its_site_says_so() {
    run(|cluster| async {
        cluster
            .kubectl(&[
                "label",
                "node",
                "talsi-r2-h4",
                "raidc.dev/rack-was=talsi-r2",
                "raidc.dev/rack-",
            ])
            .await
            .unwrap();
        let sites: Api<Site> = Api::all(cluster.client());
        let named = servers::eventually("the site names the node", SOON, || async {
            let site = sites.get("talsi").await.map_err(|e| e.to_string())?;
            let named = site.status.map(|s| s.unusable_nodes).unwrap_or_default();
            named
                .iter()
                .find(|n| n.name == "talsi-r2-h4" && n.reason == "NoRackLabel")
                .cloned()
                .ok_or_else(|| format!("{named:?}"))
        })
        .await
        .unwrap();
        tells(&named.message, &["raidc.dev/rack"]);
        cluster
            .kubectl(&[
                "label",
                "node",
                "talsi-r2-h4",
                "raidc.dev/rack=talsi-r2",
                "raidc.dev/rack-was-",
            ])
            .await
            .unwrap();
        servers::eventually("the node is used again", SOON, || async {
            let site = sites.get("talsi").await.map_err(|e| e.to_string())?;
            let named = site.status.map(|s| s.unusable_nodes).unwrap_or_default();
            if named.iter().any(|n| n.name == "talsi-r2-h4") {
                Err(format!("{named:?}"))
            } else {
                Ok(())
            }
        })
        .await
        .unwrap();
    });
}

#[test]
fn object_older_than_the_schema_never_stops_the_others() {
    run(|cluster| async {
        // An older schema knew no image: written while the schema is open, kept when it closes again.
        let crd = "virtualservers.raidc.dev";
        let saved = cluster.kubectl(&["get", "crd", crd, "-o", "json"]).await.unwrap();
        let open = r#"[{"op":"replace","path":"/spec/versions/0/schema/openAPIV3Schema","value":{"type":"object","x-kubernetes-preserve-unknown-fields":true,
            "properties":{"spec":{"type":"object","x-kubernetes-preserve-unknown-fields":true,"properties":{"size":{"type":"string"},"policy":{"type":"string"}}}}}}]"#;
        cluster
            .kubectl(&["patch", "crd", crd, "--type=json", "-p", open])
            .await
            .unwrap();
        apply(cluster, &server("ancient", "size: s-2")).await;
        let before: serde_json::Value = serde_json::from_str(&saved).unwrap();
        let schema = &before["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let close = serde_json::json!([{"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema", "value": schema}]);
        cluster
            .kubectl(&["patch", "crd", crd, "--type=json", "-p", &close.to_string()])
            .await
            .unwrap();
        // The others go on.
        apply(
            cluster,
            &server("modern", "size: s-2, image: debian-13, policy: bronze"),
        )
        .await;
        becomes_ready(cluster, "modern").await;
        // It is told what is wrong, and recovers when mended.
        servers::eventually("the old object is told", SOON, || async {
            let text = cluster
                .kubectl(&["get", "virtualserver", "-n", "kuldiga", "ancient", "-o", "json"])
                .await
                .map_err(|e| e.to_string())?;
            if text.contains("MalformedObject") {
                Ok(())
            } else {
                Err(text)
            }
        })
        .await
        .unwrap();
        apply(
            cluster,
            &server("ancient", "size: s-2, image: debian-13, policy: bronze"),
        )
        .await;
        becomes_ready(cluster, "ancient").await;
        let named = Api::<VirtualServer>::namespaced(cluster.client(), "kuldiga")
            .get("modern")
            .await
            .unwrap();
        assert_eq!(named.name_any(), "modern");
    });
}
