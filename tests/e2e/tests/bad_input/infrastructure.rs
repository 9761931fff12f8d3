//! Broken racks, nodes and objects of an older schema.

use super::*;

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
fn node_that_no_label_ties_to_a_site_is_named_by_every_site() {
    run(|cluster| async {
        apply(
            cluster,
            "{apiVersion: v1, kind: Node, metadata: {name: stray-node}}",
        )
        .await;
        let sites: Api<Site> = Api::all(cluster.client());
        let named = |name: &'static str| {
            let sites = sites.clone();
            async move {
                let site = sites.get(name).await.map_err(|e| e.to_string())?;
                let named = site.status.map(|s| s.unusable_nodes).unwrap_or_default();
                Ok::<_, String>(named.into_iter().find(|n| n.name == "stray-node"))
            }
        };
        for site in ["talsi", "liepaja"] {
            let node = servers::eventually("the site names the node", SOON, || async {
                named(site).await?.ok_or_else(|| "it does not".to_owned())
            })
            .await
            .unwrap();
            assert_eq!(node.reason, "NoSiteLabel");
            tells(&node.message, &["topology.kubernetes.io/zone", "Site"]);
        }
        cluster.kubectl(&["delete", "node", "stray-node"]).await.unwrap();
        servers::eventually("the site names it no more", SOON, || async {
            named("talsi")
                .await?
                .map_or(Ok(()), |node| Err(format!("{node:?}")))
        })
        .await
        .unwrap();
    });
}

/// How many servers of a tenant are counted.
async fn counted(cluster: &Cluster, tenant: &str) -> Result<i64, String> {
    let tenants: Api<raidc_crds::Tenant> = Api::all(cluster.client());
    let found = tenants.get(tenant).await.map_err(|e| e.to_string())?;
    let usage = found.status.and_then(|s| s.usage).ok_or("nothing is counted")?;
    Ok(usage.servers.used)
}

/// A server of the tenant `elder`.
fn elders(name: &str) -> String {
    format!(
        "{{apiVersion: raidc.dev/v1alpha1, kind: VirtualServer, metadata: {{name: {name}, namespace: elder}}, spec: {{size: s-2, image: debian-13}}}}"
    )
}

async fn elder_is_ready(cluster: &Cluster, name: &str) -> VirtualServer {
    let api: Api<VirtualServer> = Api::namespaced(cluster.client(), "elder");
    servers::eventually(&format!("{name} is Ready"), SOON, || async {
        let seen = api.get(name).await.map_err(|e| e.to_string())?;
        if servers::holds(&seen, READY) {
            Ok(seen)
        } else {
            Err(servers::told(&seen, READY))
        }
    })
    .await
    .unwrap()
}

/// Waits until the server, which cannot be read as one, is told so.
async fn told_malformed(cluster: &Cluster, namespace: &str, name: &str) {
    servers::eventually(&format!("{name} is told that it is malformed"), SOON, || async {
        let text = cluster
            .kubectl(&["get", "virtualserver", "-n", namespace, name, "-o", "json"])
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
}

#[test]
fn object_older_than_the_schema_never_stops_the_others() {
    run(|cluster| async {
        // One that has a place when it can no longer be read.
        let tenant = "{apiVersion: raidc.dev/v1alpha1, kind: Tenant, metadata: {name: elder}, spec: {displayName: Elder, defaultPolicy: bronze}}";
        apply(cluster, tenant).await;
        servers::eventually("the namespace is there", SOON, || async {
            cluster
                .kubectl(&["get", "namespace", "elder"])
                .await
                .map_err(|e| e.to_string())
        })
        .await
        .unwrap();
        apply(cluster, &elders("settled")).await;
        apply(cluster, &elders("leaver")).await;
        let placed = elder_is_ready(cluster, "settled").await.status.unwrap();
        elder_is_ready(cluster, "leaver").await;
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
        let no_image = r#"[{"op":"remove","path":"/spec/image"}]"#;
        for name in ["settled", "leaver"] {
            let server = format!("virtualserver/{name}");
            let patch = ["patch", &server, "-n", "elder", "--type=json", "-p", no_image];
            cluster.kubectl(&patch).await.unwrap();
        }
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
        told_malformed(cluster, "kuldiga", "ancient").await;
        apply(
            cluster,
            &server("ancient", "size: s-2, image: debian-13, policy: bronze"),
        )
        .await;
        becomes_ready(cluster, "ancient").await;
        // What has a place is told as well, and counts for what it has: beside one more it makes two.
        told_malformed(cluster, "elder", "settled").await;
        // One that nobody wants any more is deleted as it is, and its disk stays.
        let delete = ["delete", "virtualserver", "-n", "elder", "leaver", "--wait=false"];
        cluster.kubectl(&delete).await.unwrap();
        servers::eventually("the one that is deleted has gone", SOON, || async {
            let left = ["get", "virtualserver,virtualmachine", "-n", "elder", "-o", "name"];
            let left = cluster.kubectl(&left).await.map_err(|e| e.to_string())?;
            if left.contains("leaver") {
                Err(left)
            } else {
                Ok(())
            }
        })
        .await
        .unwrap();
        let disk = ["get", "pvc", "-n", "elder", "leaver-root", "-o", "name"];
        cluster.kubectl(&disk).await.expect("its disk is there");
        apply(cluster, &elders("second")).await;
        elder_is_ready(cluster, "second").await;
        servers::eventually("both are counted", SOON, || async {
            match counted(cluster, "elder").await? {
                2 => Ok(()),
                other => Err(format!("{other}")),
            }
        })
        .await
        .unwrap();
        apply(cluster, &elders("settled")).await;
        let mended = elder_is_ready(cluster, "settled").await.status.unwrap();
        assert_eq!(
            (mended.site, mended.rack, mended.epoch),
            (placed.site, placed.rack, placed.epoch)
        );
        // The one reading of a single object that the whole main job does not need.
        let asked = asked_by_the_operator();
        let read = |e: &&AuditEntry| e.verb == "get" && e.resource == "virtualservers" && e.code == 200;
        assert!(
            asked.iter().any(|e| read(&e)),
            "an object that cannot be read was told without a look"
        );
        let refused: Vec<_> = asked.iter().filter(|e| e.code == 403).collect();
        assert!(refused.is_empty(), "{refused:?}");
        let named = Api::<VirtualServer>::namespaced(cluster.client(), "kuldiga")
            .get("modern")
            .await
            .unwrap();
        assert_eq!(named.name_any(), "modern");
    });
}
