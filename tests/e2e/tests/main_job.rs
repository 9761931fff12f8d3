//! The main job from YAML to running, protected servers, on both profiles of the lab: what must not happen on the way.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use kube::Api;
use kube::api::DeleteParams;
use raidc_crds::VirtualServer;
use raidc_crds::condition::PROTECTED;
use raidc_crds::condition::READY;
use raidc_e2e::World;
use raidc_e2e::certificate;
use raidc_e2e::controller::USER;
use raidc_e2e::install;
use raidc_e2e::inventory;
use raidc_e2e::recount;
use raidc_e2e::servers;
use raidc_lab::AuditFilter;
use raidc_lab::Profile;
use std::time::Duration;

// A copy whose first transfer proves nothing yet (it began in the second in which its destination was made) waits for the next on schedule.
const WITHIN: Duration = Duration::from_mins(14);
const QUIET: Duration = Duration::from_mins(1);

#[test]
fn examples_leave_nothing_unplaced_unprotected_or_miscounted_with_real_controllers() {
    tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(main_job("main-job-full", Profile::Full));
}

#[test]
fn examples_leave_nothing_unplaced_unprotected_or_miscounted_in_the_light_lab() {
    tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(main_job("main-job-light", Profile::Light));
}

async fn main_job(name: &str, profile: Profile) {
    let mut world = World::up(name, profile).await.unwrap();
    world.start_controller("a").unwrap();
    world.start_controller("b").unwrap();
    install::examples(&world.cluster).await.unwrap();

    let ready = servers::until(&world.cluster, "forty servers are Ready", WITHIN, |s| {
        servers::every(s, READY, 40)
    });
    ready.await.unwrap();
    let servers = servers::until(&world.cluster, "every copy is proven", WITHIN, |s| {
        let with_copies: Vec<_> = s
            .iter()
            .filter(|s| s.status.as_ref().is_some_and(|t| !t.copy_sites.is_empty()))
            .cloned()
            .collect();
        servers::every(&with_copies, PROTECTED, 20)
    })
    .await
    .unwrap();

    println!("no copy shares a site or a risk with its original");
    let view = recount::View::read(&world.cluster).await.unwrap();
    assert_eq!(recount::shared(&view), Vec::<String>::new());

    println!(
        "no single loss strands a protected server, by the independent checker over what is in the cluster"
    );
    let proof = certificate::verify(&world.cluster).await.unwrap();
    assert!(
        proof.scenarios >= 4,
        "{} scenarios are too few for four sites",
        proof.scenarios
    );

    println!("no rack counts a watt too few or too many");
    recount::compare(&view).unwrap();

    println!("no server has two machines or a disk twice");
    let have = inventory::ours(&world.cluster).await.unwrap();
    inventory::exactly_once(&servers, &have).unwrap();

    no_spec_is_ever_written_and_no_right_is_missing(&world);
    idle_controller_never_writes(&world).await;
    deleted_server_never_takes_its_disks_along(&world, &servers[0]).await;
    world.lab.check().unwrap();
}

/// Of RAIDC's own kinds the controller writes the status, and the object only for its finalizer.
fn no_spec_is_ever_written_and_no_right_is_missing(world: &World) {
    let filter = AuditFilter {
        user: Some(USER.to_owned()),
        ..AuditFilter::default()
    };
    let entries = world.lab.audit(&filter).unwrap();
    assert!(!entries.is_empty(), "the audit log knows nothing of {USER}");
    let refused: Vec<_> = entries.iter().filter(|e| e.code == 403).collect();
    assert!(refused.is_empty(), "the chart's rights do not cover: {refused:?}");
    let touched: Vec<_> = entries
        .iter()
        .filter(|e| e.group == "raidc.dev" && e.mutating() && e.subresource != "status")
        .filter(|e| e.verb != "patch" || !["virtualservers", "tenants"].contains(&e.resource.as_str()))
        .collect();
    assert!(
        touched.is_empty(),
        "written besides status and finalizers: {touched:?}"
    );
}

async fn idle_controller_never_writes(world: &World) {
    println!("an idle controller writes nothing for {} s", QUIET.as_secs());
    let changes = |since| {
        let entries = world.lab.audit(&AuditFilter::writes_by(USER, since)).unwrap();
        // The leader's claim is its heartbeat: the one thing that must be written while nothing happens.
        entries
            .into_iter()
            .filter(|e| e.resource != "leases")
            .collect::<Vec<_>>()
    };
    // Settle first: the last copies' evidence may still be coming in.
    servers::eventually("ten seconds pass without a write", WITHIN, || async {
        let since = jiff::Timestamp::now();
        tokio::time::sleep(Duration::from_secs(10)).await;
        let seen = changes(since);
        if seen.is_empty() {
            Ok(())
        } else {
            Err(format!("{:?}", seen.first()))
        }
    })
    .await
    .unwrap();
    let since = jiff::Timestamp::now();
    tokio::time::sleep(QUIET).await;
    // A copy made on schedule in this minute brings newer evidence for its server, and with it for the server's policy.
    let evidence = ["virtualservers", "replicationpolicies"];
    let seen: Vec<_> = changes(since)
        .into_iter()
        .filter(|e| {
            let told = evidence.contains(&e.resource.as_str()) && e.subresource == "status";
            !(told && synced_since(world, since))
        })
        .collect();
    assert!(seen.is_empty(), "written while nothing happened: {seen:?}");
}

/// Whether a copy was made after `since`, by the audit log: the movers' results are somebody else's writes.
fn synced_since(world: &World, since: jiff::Timestamp) -> bool {
    let entries = world
        .lab
        .audit(&AuditFilter {
            since: Some(since),
            ..AuditFilter::default()
        })
        .unwrap();
    entries
        .iter()
        .any(|e| e.resource == "replicationsources" && e.subresource == "status" && e.user != USER)
}

async fn deleted_server_never_takes_its_disks_along(world: &World, server: &VirtualServer) {
    use kube::ResourceExt;
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
