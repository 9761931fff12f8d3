//! Bad input: each broken object gets a condition that says what, why and what to do; nothing else is disturbed; mended, it
//! recovers by itself. One lab for all tests of this file; each has names of its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "bad_input/growth.rs"]
mod growth;
#[path = "bad_input/infrastructure.rs"]
mod infrastructure;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Api;
use kube::Client;
use kube::ResourceExt;
use raidc_crds::Rack;
use raidc_crds::Site;
use raidc_crds::VirtualServer;
use raidc_crds::condition::PLACED;
use raidc_crds::condition::READY;
use raidc_crds::condition::STALLED;
use raidc_e2e::Cluster;
use raidc_e2e::World;
use raidc_e2e::controller::USER;
use raidc_e2e::install;
use raidc_e2e::servers;
use raidc_lab::AuditEntry;
use raidc_lab::AuditFilter;
use std::process::Command;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::runtime::Runtime;

// Words of a condition that change again within a minute wait for its end.
const SOON: Duration = Duration::from_mins(2);

/// The lab that all tests of this file share, and the runtime that its clients live on. The last of them takes it down; once one has
/// failed it stays, with its logs, until the process ends.
struct Shared {
    runtime: Runtime,
    cluster: Cluster,
    world: Mutex<Option<World>>,
    /// Tests that have not ended yet.
    left: AtomicUsize,
    failed: AtomicBool,
}

fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        let runtime = Runtime::new().unwrap();
        let world = runtime.block_on(async {
            let mut world = World::up("bad-input").await.unwrap();
            world.start_controller("a").unwrap();
            install::platform(&world.cluster).await.unwrap();
            world
        });
        Shared {
            runtime,
            cluster: world.cluster.clone(),
            world: Mutex::new(Some(world)),
            left: AtomicUsize::new(asked_for()),
            failed: AtomicBool::new(false),
        }
    })
}

/// How many tests this process was asked to run: what it lists under the same arguments.
fn asked_for() -> usize {
    let listed = Command::new(std::env::current_exe().unwrap())
        .args(std::env::args_os().skip(1))
        .arg("--list")
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    listed.lines().filter(|line| line.ends_with(": test")).count()
}

/// One test's use of the lab.
struct Turn(&'static Shared);

impl Drop for Turn {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.failed.store(true, Ordering::Release);
        }
        if self.0.left.fetch_sub(1, Ordering::AcqRel) == 1 && !self.0.failed.load(Ordering::Acquire) {
            drop(self.0.world.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}

fn run<F: Future<Output = ()>>(test: impl FnOnce(&'static Cluster) -> F) {
    let shared = shared();
    let _turn = Turn(shared);
    shared.runtime.block_on(test(&shared.cluster));
}

/// What the operator asked of the API server until now.
fn asked_by_the_operator() -> Vec<AuditEntry> {
    let world = shared().world.lock().unwrap();
    let filter = AuditFilter {
        user: Some(USER.to_owned()),
        ..AuditFilter::default()
    };
    world.as_ref().unwrap().lab.audit(&filter).unwrap()
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
fn namespace_without_a_tenant_never_gets_two_reasons() {
    run(|cluster| async {
        let yaml = "{apiVersion: raidc.dev/v1alpha1, kind: VirtualServer, metadata: {name: stray, namespace: default}, spec: {size: s-2, image: debian-13, policy: bronze}}";
        apply(cluster, yaml).await;
        let says = servers::eventually("Ready and Placed say the same", SOON, || async {
            let stray = Api::<VirtualServer>::namespaced(cluster.client(), "default")
                .get("stray")
                .await;
            let status = stray.map_err(|e| e.to_string())?.status.unwrap_or_default();
            let words = [READY, PLACED]
                .map(|kind| find(&status.conditions, kind).map(|c| (c.reason.clone(), c.message.clone())));
            match words {
                [Some(ready), Some(placed)] if ready == placed => Ok(ready),
                other => Err(format!("{other:?}")),
            }
        })
        .await
        .unwrap();
        assert_eq!(says.0, "NoTenant");
        tells(&says.1, &["Tenant", "platform team"]);
        cluster
            .kubectl(&["delete", "virtualserver", "-n", "default", "stray"])
            .await
            .unwrap();
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
        let message = not_ready(cluster, "giant", &["HostMemory"]).await;
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
