//! A controller that dies between any two of its writes, and one that takes over with caches that are behind: both see and reach the
//! API server through a gate.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Api;
use kube::ResourceExt;
use kube::api::Patch;
use kube::api::PatchParams;
use raidc_crds::Colocation;
use raidc_crds::Tenant;
use raidc_crds::VirtualServer;
use raidc_crds::condition;
use raidc_crds::condition::PROTECTED;
use raidc_crds::condition::READY;
use raidc_crds::names::SERVER_LABEL;
use raidc_e2e::Cluster;
use raidc_e2e::World;
use raidc_e2e::certificate;
use raidc_e2e::controller::NAMESPACE;
use raidc_e2e::gate::ALL;
use raidc_e2e::install;
use raidc_e2e::inventory;
use raidc_e2e::recount::list;
use raidc_e2e::servers;
use serde_json::json;
use std::time::Duration;

/// For everything that one life, or none, brings about.
const WITHIN: Duration = Duration::from_mins(3);
/// More lives than there are writes to be made: beyond them something is written again and again.
const MOST: usize = 120;
/// Sites of the examples.
const SITES: [&str; 4] = ["ventspils", "kuldiga", "talsi", "liepaja"];
/// How long a controller that should do nothing is watched.
const STILL: Duration = Duration::from_secs(5);

/// What is brought about one write a life.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Tenant,
    Server,
    ServerGone,
    TenantGone,
}

fn tenant(name: &str) -> String {
    format!(
        "{{apiVersion: raidc.dev/v1alpha1, kind: Tenant, metadata: {{name: {name}}}, spec: {{displayName: {name}, admins: {{groups: [{name}-it]}}, \
         viewers: {{users: [auditor]}}, services: [VirtualServers, Colocation], defaultPolicy: silver}}}}"
    )
}

fn things(name: &str) -> String {
    format!(
        "{{apiVersion: raidc.dev/v1alpha1, kind: VirtualServer, metadata: {{name: register, namespace: {name}}}, spec: {{size: s-2, image: debian-13, \
         deletionPolicy: Delete, disks: [{{name: data, size: 8Gi}}]}}}}\n---\n\
         {{apiVersion: raidc.dev/v1alpha1, kind: Colocation, metadata: {{name: firewalls, namespace: {name}}}, spec: {{spread: Site, \
         devices: [{{name: fw-a, units: 1, watts: 120, feeds: 2}}, {{name: fw-b, units: 1, watts: 120, feeds: 2}}]}}}}"
    )
}

/// Whether a phase has come to its end in the tenant's namespace, or what is still lacking.
async fn reached(cluster: &Cluster, phase: Phase, name: &str) -> Result<(), String> {
    let all = |kind: &str, left: usize| {
        if left == 0 {
            Ok(())
        } else {
            Err(format!("{left} {kind} are left"))
        }
    };
    let told = |e: kube::Error| e.to_string();
    match phase {
        Phase::Tenant => {
            let tenant = Api::<Tenant>::all(cluster.client())
                .get(name)
                .await
                .map_err(told)?;
            let ready = tenant
                .status
                .is_some_and(|s| condition::is_true(&s.conditions, READY));
            if ready {
                Ok(())
            } else {
                Err("the tenant is not Ready".to_owned())
            }
        }
        Phase::Server => {
            let api: Api<VirtualServer> = Api::namespaced(cluster.client(), name);
            let server = api.get("register").await.map_err(told)?;
            for kind in [READY, PROTECTED] {
                if !servers::holds(&server, kind) {
                    return Err(servers::told(&server, kind));
                }
            }
            let api: Api<Colocation> = Api::namespaced(cluster.client(), name);
            let status = api.get("firewalls").await.map_err(told)?.status;
            let ready = status.is_some_and(|s| condition::is_true(&s.conditions, READY));
            if ready {
                Ok(())
            } else {
                Err("the colocation is not Ready".to_owned())
            }
        }
        Phase::ServerGone => {
            let servers = list::<VirtualServer>(cluster).await.map_err(|e| e.to_string())?;
            all(
                "servers",
                servers
                    .iter()
                    .filter(|s| s.namespace().as_deref() == Some(name))
                    .count(),
            )?;
            let claims = list::<PersistentVolumeClaim>(cluster)
                .await
                .map_err(|e| e.to_string())?;
            let ours = |c: &&PersistentVolumeClaim| {
                c.namespace().as_deref() == Some(name) && c.labels().contains_key(SERVER_LABEL)
            };
            all("claims", claims.iter().filter(ours).count())?;
            let rest = inventory::ours(cluster).await.map_err(|e| e.to_string())?;
            let of_servers = ["machine ", "disk ", "source ", "destination "];
            let left = within(&rest, name)
                .into_iter()
                .filter(|o| of_servers.iter().any(|kind| o.starts_with(kind)));
            all("objects of a server", left.count())
        }
        Phase::TenantGone => {
            let tenants = list::<Tenant>(cluster).await.map_err(|e| e.to_string())?;
            all("tenants", tenants.iter().filter(|t| t.name_any() == name).count())?;
            let namespaces = list::<Namespace>(cluster).await.map_err(|e| e.to_string())?;
            all(
                "namespaces",
                namespaces.iter().filter(|n| n.name_any() == name).count(),
            )
        }
    }
}

/// What there is for a tenant and in its namespace, which has the tenant's name, without that name and those of sites, as two servers
/// have their copies where there is room; what is there twice is there twice.
fn within(all: &[String], name: &str) -> Vec<String> {
    let inside = format!("{name}/");
    let without = |one: &String| -> String {
        let words = one.split(' ').map(|word| match word.strip_prefix(&inside) {
            Some(server) => format!("*/{server}"),
            None if word == name => "*".to_owned(),
            None => word.to_owned(),
        });
        words.collect::<Vec<_>>().join(" ")
    };
    let mut found: Vec<_> = all
        .iter()
        .map(|one| (one, without(one)))
        .filter(|(one, stripped)| *one != stripped)
        .map(|(_, stripped)| SITES.iter().fold(stripped, |one, site| one.replace(site, "site")))
        .collect();
    found.sort();
    found
}

/// As the lease is after an orderly stop: the next life need not wait for the claim of the dead.
async fn free_the_lease(cluster: &Cluster) {
    let leases: Api<Lease> = Api::namespaced(cluster.client(), NAMESPACE);
    let free = Patch::Merge(json!({"spec": {"holderIdentity": null}}));
    leases
        .patch("raidc-controller", &PatchParams::default(), &free)
        .await
        .unwrap();
}

/// One life after another, each killed when its first write has landed and before it hears of it, until the phase is reached. Returns
/// how many it took.
async fn one_write_a_life(world: &mut World, phase: Phase, name: &str) -> usize {
    let mut passed = Vec::new();
    for life in 1..=MOST {
        let gate = world.gate("one-write", 1).await.unwrap();
        world
            .start_behind(&gate, &format!("{phase:?}-{life}").to_lowercase())
            .unwrap();
        let cluster = world.cluster.clone();
        let what = format!("{phase:?} after {life} lives that wrote {passed:?}");
        let done = servers::eventually(&what, WITHIN, || reached(&cluster, phase, name));
        let ended = tokio::select! {
            done = done => { done.unwrap(); true }
            () = gate.closed() => false,
        };
        world.kill_controllers();
        passed.extend(
            gate.passed()
                .into_iter()
                .filter(|write| !write.contains("/leases")),
        );
        free_the_lease(&world.cluster).await;
        if ended {
            return life;
        }
    }
    let passed: Vec<_> = passed.iter().rev().take(20).collect();
    let lacks = reached(&world.cluster, phase, name).await;
    panic!("{phase:?} is not reached with {MOST} writes: {lacks:?}; the last: {passed:#?}");
}

#[test]
fn controller_killed_after_any_one_write_never_makes_anything_twice_or_forgets_it() {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut world = World::up("between-calls").await.unwrap();
        world.lease_seconds = 3;
        world.start_controller("first").unwrap();
        install::platform(&world.cluster).await.unwrap();
        // One that nobody kills, to compare with.
        for yaml in [tenant("reference"), things("reference")] {
            servers::retried("apply", || world.cluster.apply(&yaml))
                .await
                .unwrap();
        }
        let cluster = world.cluster.clone();
        servers::eventually("the reference", WITHIN, || {
            reached(&cluster, Phase::Server, "reference")
        })
        .await
        .unwrap();
        world.kill_controllers();
        free_the_lease(&world.cluster).await;

        let mut lives = Vec::new();
        world.cluster.apply(&tenant("dundaga")).await.unwrap();
        lives.push(one_write_a_life(&mut world, Phase::Tenant, "dundaga").await);
        world.cluster.apply(&things("dundaga")).await.unwrap();
        lives.push(one_write_a_life(&mut world, Phase::Server, "dundaga").await);
        let all = inventory::ours(&world.cluster).await.unwrap();
        assert_eq!(
            within(&all, "dundaga"),
            within(&all, "reference"),
            "what one has that was never killed"
        );
        certificate::verify(&world.cluster).await.unwrap();

        let gone = [
            "delete",
            "virtualserver/register",
            "colocation/firewalls",
            "-n",
            "dundaga",
            "--wait=false",
        ];
        world.cluster.kubectl(&gone).await.unwrap();
        lives.push(one_write_a_life(&mut world, Phase::ServerGone, "dundaga").await);
        world
            .cluster
            .kubectl(&["delete", "tenant", "dundaga", "--wait=false"])
            .await
            .unwrap();
        lives.push(one_write_a_life(&mut world, Phase::TenantGone, "dundaga").await);
        let all = inventory::ours(&world.cluster).await.unwrap();
        assert!(!within(&all, "reference").is_empty(), "a neighbour is untouched");
        println!("lives of one write for a tenant, its server, the server's end and the tenant's: {lives:?}");
        assert!(
            lives.iter().sum::<usize>() > 20,
            "too few writes for a test: {lives:?}"
        );
    });
}

/// Kinds that tell who has which place.
const PLACES: &[&str] = &[
    "/virtualservers",
    "/colocations",
    "/virtualmachines",
    "/virtualmachineinstances",
    "/datavolumes",
    "/persistentvolumeclaims",
    "/pods",
];

fn waits(name: &str) -> String {
    format!(
        "{{apiVersion: raidc.dev/v1alpha1, kind: VirtualServer, metadata: {{name: {name}, namespace: kuldiga}}, spec: {{image: debian-13, \
         resources: {{cores: 2, memory: 160Gi}}, sites: [talsi], policy: {name}}}}}"
    )
}

fn single_copy(name: &str) -> String {
    format!(
        "{{apiVersion: raidc.dev/v1alpha1, kind: ReplicationPolicy, metadata: {{name: {name}}}, spec: {{copies: 1}}}}"
    )
}

async fn placed(cluster: &Cluster, name: &str) -> String {
    let api: Api<VirtualServer> = Api::namespaced(cluster.client(), "kuldiga");
    servers::eventually(&format!("{name} has a place"), WITHIN, || async {
        let server = api.get(name).await.map_err(|e| e.to_string())?;
        let host = server.status.as_ref().and_then(|s| s.host.clone());
        host.ok_or_else(|| servers::told(&server, READY))
    })
    .await
    .unwrap()
}

#[test]
fn successor_whose_caches_are_behind_never_gives_the_same_room_twice() {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut world = World::up("behind").await.unwrap();
        world.lease_seconds = 5;
        world.start_controller("first").unwrap();
        install::platform(&world.cluster).await.unwrap();
        let gate = world.gate("behind", ALL).await.unwrap();
        gate.expect("zzz-second");
        world.start_behind(&gate, "second").unwrap();
        // Both ask for more than half of a host at the same site, and wait for a policy of their own.
        for name in ["zzz-first", "zzz-second"] {
            let yaml = waits(name);
            servers::retried("apply", || world.cluster.apply(&yaml))
                .await
                .unwrap();
        }
        gate.told().await;
        gate.hold(PLACES);
        // The first is placed, which the successor cannot see.
        world.cluster.apply(&single_copy("zzz-first")).await.unwrap();
        let first = placed(&world.cluster, "zzz-first").await;
        world.controllers.remove(0).kill();
        gate.expect("zzz-second");
        world.cluster.apply(&single_copy("zzz-second")).await.unwrap();
        gate.told().await;
        let leases: Api<Lease> = Api::namespaced(world.cluster.client(), NAMESPACE);
        servers::eventually("the second leads", WITHIN, || async {
            let lease = leases.get("raidc-controller").await.map_err(|e| e.to_string())?;
            let holder = lease.spec.and_then(|s| s.holder_identity).unwrap_or_default();
            if holder.starts_with("second") {
                Ok(())
            } else {
                Err(holder)
            }
        })
        .await
        .unwrap();
        // Time for it to do what it must not.
        tokio::time::sleep(STILL).await;
        gate.hold(&[]);
        let second = placed(&world.cluster, "zzz-second").await;
        assert_ne!(first, second, "two servers of 160 GiB on a host of 256");
        assert_eq!(
            placed(&world.cluster, "zzz-first").await,
            first,
            "what was decided stays"
        );
        certificate::verify(&world.cluster).await.unwrap();
    });
}
