//! The main job from YAML to running, protected servers: what must not happen on the way.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "main_job/lives.rs"]
mod lives;

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use raidc_crds::Site;
use raidc_crds::condition;
use raidc_crds::condition::READY;
use raidc_crds::condition::WITHIN_CAPACITY;
use raidc_e2e::World;
use raidc_e2e::certificate;
use raidc_e2e::controller::USER;
use raidc_e2e::install;
use raidc_e2e::inventory;
use raidc_e2e::quiet;
use raidc_e2e::recount;
use raidc_e2e::rights;
use raidc_e2e::servers;
use raidc_e2e::world::PULL_SECRET;
use raidc_lab::AuditFilter;
use std::time::Duration;

// Less than the six minutes between two transfers of the examples' policy: each copy has to be proven by its first.
const WITHIN: Duration = Duration::from_mins(5);
/// Colocations of `examples/`.
const COLOCATIONS: usize = 6;
const QUIET: Duration = Duration::from_mins(1);
// Longer than mere words of a condition wait to be written.
const SETTLED: Duration = Duration::from_secs(65);
/// Between two looks at the audit log.
const LOOK: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn examples_leave_nothing_unplaced_unprotected_or_miscounted() {
    let mut world = World::up("main-job").await.unwrap();
    // A claim that outlives the pauses of a busy machine; what happens when it does not is for `killed_controller` and `faults`.
    world.lease_seconds = 60;
    world.start_controller("a").unwrap();
    world.start_controller("b").unwrap();
    install::examples(&world.cluster).await.unwrap();

    let ready = servers::until(&world.cluster, "forty servers are Ready", WITHIN, |s| {
        servers::every(s, READY, 40)
    });
    ready.await.unwrap();
    let servers = servers::until(&world.cluster, "every copy is proven", WITHIN, |s| {
        servers::protected(s, 20)
    })
    .await
    .unwrap();

    println!("no colocation waits");
    servers::colocations(&world.cluster, COLOCATIONS, WITHIN)
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

    println!("no machine, disk, copy, namespace, binding or wall is missing, too much or there twice");
    let have = inventory::ours(&world.cluster).await.unwrap();
    inventory::exactly_once(&inventory::wanted(&view), &have).unwrap();

    println!("no tenant's pods are without the platform's pull secret");
    let accounts: Api<ServiceAccount> = Api::namespaced(world.cluster.client(), "kuldiga");
    let named = accounts
        .get("default")
        .await
        .unwrap()
        .image_pull_secrets
        .unwrap_or_default();
    assert!(named.iter().any(|secret| secret.name == PULL_SECRET), "{named:?}");

    every_site_says_what_is_proven_of_its_plan(&world).await;
    idle_controller_never_writes(&world).await;
    lives::a_server_is_never_switched_without_a_word_nor_told_of_twice(&world).await;
    lives::what_is_no_longer_asked_for_never_stays(&world).await;
    lives::a_disk_that_grows_never_waits(&world).await;
    lives::a_first_boot_from_a_secret_is_never_refused(&world).await;
    lives::deleted_server_never_takes_its_disks_along(&world, &servers[0]).await;
    lives::disks_that_should_go_never_stay(&world).await;
    lives::an_order_that_is_not_carried_out_never_pretends(&world).await;
    lives::a_tenant_that_leaves_never_leaves_anything(&world).await;
    no_spec_is_ever_written_and_no_right_is_missing(&world);
    no_right_is_held_that_nothing_needs(&world);
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

/// The rights that the chart grants are those that a whole main job uses, but for what bad input alone needs.
fn no_right_is_held_that_nothing_needs(world: &World) {
    println!("no right is held that nothing needs");
    let filter = AuditFilter {
        user: Some(USER.to_owned()),
        ..AuditFilter::default()
    };
    let used = rights::used(&world.lab.audit(&filter).unwrap());
    assert_eq!(rights::differences(&used), Vec::<String>::new());
}

/// The certificate is made off the hot path: it comes some seconds after the plan has come to rest.
async fn every_site_says_what_is_proven_of_its_plan(world: &World) {
    println!("no site is without what is proven of the plan");
    let look = || async { unproven(world).await?.map_or(Ok(()), Err) };
    servers::eventually(
        "every site is within its capacity, with a safe load",
        WITHIN,
        look,
    )
    .await
    .unwrap();
}

/// The status of a site that does not say yet what is proven of the plan.
async fn unproven(world: &World) -> Result<Option<String>, String> {
    let sites = recount::list::<Site>(&world.cluster)
        .await
        .map_err(|e| e.to_string())?;
    let lacks = sites.into_iter().filter_map(|site| site.status).find(|status| {
        !condition::is_true(&status.conditions, WITHIN_CAPACITY) || status.max_safe_load_percent.is_none()
    });
    Ok(lacks.map(|status| format!("{status:?}")))
}

/// Exactly zero, but the leader's claim. The platform team lets copies be a week old, so that transfers are daily, and the minute
/// is one in which none is due.
async fn idle_controller_never_writes(world: &World) {
    println!("an idle controller writes nothing for {} s", QUIET.as_secs());
    let policy = [
        "patch",
        "replicationpolicy",
        "silver",
        "--type=merge",
        "-p",
        r#"{"spec":{"rpo":"7d"}}"#,
    ];
    world.cluster.kubectl(&policy).await.unwrap();
    let asked = jiff::Timestamp::now();
    servers::eventually(
        "no transfer is due and the last write is a minute old",
        WITHIN,
        || async {
            let now = jiff::Timestamp::now();
            let writes = quiet::writes(world, asked).map_err(|e| e.to_string())?;
            let last = writes.iter().map(|write| write.time).max().unwrap_or(asked);
            let due = quiet::due(world, now).await.map_err(|e| e.to_string())?;
            let left = SETTLED.saturating_sub(now.duration_since(last).unsigned_abs());
            // A certificate that is still to come would be written within the minute.
            match (left, due.first(), unproven(world).await?) {
                (Duration::ZERO, None, None) => Ok(()),
                other => {
                    // Nothing can make it true earlier, and the audit log is long.
                    tokio::time::sleep(left.max(LOOK)).await;
                    Err(format!("{other:?}; last: {:?}", writes.last()))
                }
            }
        },
    )
    .await
    .unwrap();
    let before = quiet::reports(world).await.unwrap();
    let since = jiff::Timestamp::now();
    tokio::time::sleep(QUIET).await;
    let seen = quiet::writes(world, since).unwrap();
    assert_eq!(
        quiet::reports(world).await.unwrap(),
        before,
        "a transfer ended: the minute was not idle"
    );
    assert!(seen.is_empty(), "written while nothing happened: {seen:?}");
}
