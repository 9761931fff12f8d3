//! A server that has its place is edited to more than it may have: it goes on as it was, nobody else notices, and it recovers.

use kube::Api;
use kube::Client;
use raidc_crds::VirtualServer;
use raidc_crds::condition::PLACED;
use raidc_crds::condition::READY;
use raidc_e2e::Cluster;
use raidc_e2e::servers;

use super::SOON;
use super::apply;
use super::find;
use super::run;
use super::tells;

fn tenant(cores: u32) -> String {
    format!(
        "{{apiVersion: raidc.dev/v1alpha1, kind: Tenant, metadata: {{name: growing}}, spec: {{displayName: Growing, \
         defaultPolicy: bronze, quota: {{cores: {cores}, storage: 100Gi}}}}}}"
    )
}

fn server(name: &str, spec: &str) -> String {
    format!(
        "{{apiVersion: raidc.dev/v1alpha1, kind: VirtualServer, metadata: {{name: {name}, namespace: growing}}, \
         spec: {{image: debian-13, {spec}}}}}"
    )
}

fn api(client: Client) -> Api<VirtualServer> {
    Api::namespaced(client, "growing")
}

async fn ready(cluster: &Cluster, name: &str) {
    servers::eventually(&format!("{name} is Ready"), SOON, || async {
        let seen = api(cluster.client()).get(name).await.map_err(|e| e.to_string())?;
        if servers::holds(&seen, READY) {
            Ok(())
        } else {
            Err(servers::told(&seen, READY))
        }
    })
    .await
    .unwrap();
}

/// Waits until the larger size is said to wait for something that `word` names; the server has its place all the while.
async fn waits(cluster: &Cluster, name: &str, word: &str) -> String {
    servers::eventually(&format!("{name} waits for {word}"), SOON, || async {
        let seen = api(cluster.client()).get(name).await.map_err(|e| e.to_string())?;
        let status = seen.status.clone().ok_or("no status")?;
        let placed = find(&status.conditions, PLACED).ok_or("not Placed")?;
        assert_eq!(placed.status, "True", "it never loses its place: {placed:?}");
        match find(&status.conditions, READY) {
            Some(c) if c.reason == "GrowthWaits" && c.message.contains(word) => Ok(c.message.clone()),
            _ => Err(servers::told(&seen, READY)),
        }
    })
    .await
    .unwrap()
}

/// The size of its machine, and which run of it this is.
async fn machine(cluster: &Cluster, name: &str) -> (String, String) {
    let get = |kind: &'static str, path: &'static str| async move {
        cluster
            .kubectl(&["get", kind, "-n", "growing", name, "-o", path])
            .await
            .unwrap()
    };
    (
        get("virtualmachines", "jsonpath={.spec.instancetype.name}").await,
        get("virtualmachineinstances", "jsonpath={.metadata.uid}").await,
    )
}

#[test]
fn server_grown_beyond_what_it_may_have_never_changes_and_disturbs_nobody() {
    run(|cluster| async {
        apply(cluster, &tenant(6)).await;
        // The namespace is made for the tenant.
        apply(cluster, &server("grower", "size: s-2")).await;
        apply(cluster, &server("neighbour", "size: s-2")).await;
        for name in ["grower", "neighbour"] {
            ready(cluster, name).await;
        }
        let before = machine(cluster, "grower").await;
        assert_eq!(before.0, "s-2");
        let beside = machine(cluster, "neighbour").await;

        apply(cluster, &server("grower", "size: m-8")).await;
        let message = waits(cluster, "grower", "quota cores").await;
        tells(&message, &["2 cores", "8 cores", "6 cores"]);
        apply(cluster, &server("grower", "resources: {cores: 2, memory: 900Gi}")).await;
        let message = waits(cluster, "grower", "largest host").await;
        tells(&message, &["900 GiB"]);
        apply(
            cluster,
            &server("neighbour", "size: s-2, disks: [{name: data, size: 500Ti}]"),
        )
        .await;
        waits(cluster, "neighbour", "quota storage").await;
        let disks = cluster
            .kubectl(&["get", "datavolumes", "-n", "growing", "-o", "name"])
            .await
            .unwrap();
        assert!(!disks.contains("neighbour-data"), "{disks}");
        assert_eq!(machine(cluster, "grower").await, before);
        assert_eq!(machine(cluster, "neighbour").await, beside);
        // Nothing of that disk was made, so that it may be asked for smaller, and comes.
        apply(
            cluster,
            &server("neighbour", "size: s-2, disks: [{name: data, size: 10Gi}]"),
        )
        .await;
        ready(cluster, "neighbour").await;
        let disk = ["get", "pvc", "-n", "growing", "neighbour-data", "-o", "name"];
        cluster.kubectl(&disk).await.expect("it has come");

        // Edited back it is as you asked again; with the quota for it, it gets the larger size.
        apply(cluster, &server("grower", "size: s-2")).await;
        ready(cluster, "grower").await;
        apply(cluster, &server("grower", "size: m-8")).await;
        waits(cluster, "grower", "quota cores").await;
        apply(cluster, &tenant(20)).await;
        ready(cluster, "grower").await;
        assert_eq!(machine(cluster, "grower").await.0, "m-8");
    });
}
