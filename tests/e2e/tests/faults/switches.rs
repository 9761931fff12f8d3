//! The lab's smaller switches, on the lab of `faults.rs`: an import that fails, a copy that is stuck, a host without power.

use super::*;
use raidc_controller::foreign::volsync::ReplicationSource;
use raidc_crds::condition::PROTECTED;
use raidc_crds::condition::STALLED;
use raidc_crds::names::SERVER_LABEL;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// Who has the two servers that fail.
const TENANT: &str = "kuldiga";
/// Its root disk cannot be imported.
const UNLUCKY: &str = "unlucky";
/// Its copy is stuck: two minutes are the shortest objective that is sent on a schedule.
const STUCK: &str = "stuck";

const WRITTEN: &str = "
apiVersion: raidc.dev/v1alpha1
kind: ReplicationPolicy
metadata: {name: hasty}
spec: {copies: 2, mode: Async, rpo: 2m}
---
apiVersion: raidc.dev/v1alpha1
kind: VirtualServer
metadata: {name: stuck, namespace: kuldiga}
spec: {size: s-1, image: debian-13, policy: hasty}
---
apiVersion: raidc.dev/v1alpha1
kind: VirtualServer
metadata: {name: unlucky, namespace: kuldiga}
spec: {size: s-1, image: debian-13, policy: bronze}
";

/// Waits until one of the two has a condition that `good` takes: status, reason, message.
async fn says(world: &World, name: &str, kind: &str, good: impl Fn(&str, &str, &str) -> bool) {
    servers::eventually(&format!("{name} tells of {kind}"), WITHIN, || async {
        let all = servers::all(&world.cluster).await.map_err(|e| e.to_string())?;
        let one = all
            .iter()
            .find(|s| s.name_any() == name && s.namespace().as_deref() == Some(TENANT))
            .ok_or("no such server")?;
        let mut conditions = one.status.iter().flat_map(|s| &s.conditions);
        match conditions.find(|c| c.type_ == kind) {
            Some(c) if good(&c.status, &c.reason, &c.message) => Ok(()),
            _ => Err(servers::told(one, kind)),
        }
    })
    .await
    .unwrap();
}

async fn holds(world: &World, name: &str, kind: &str) {
    says(world, name, kind, |status, _, _| status == "True").await;
}

/// The three of them, one within the other because each mostly waits.
pub(crate) async fn a_fault_below_is_never_hidden_and_never_outlasts_itself(world: &World) {
    let faults = world.lab.faults().unwrap();
    println!("an import fails and no copy gets done");
    faults
        .import_error(&format!("{TENANT}/{UNLUCKY}-root"))
        .await
        .unwrap();
    faults.sync_stuck("*").await.unwrap();
    servers::retried("apply", || world.cluster.apply(WRITTEN))
        .await
        .unwrap();
    a_failed_import_never_goes_untold(world).await;
    a_copy_that_never_arrived_is_never_called_protected(world).await;
    faults.clear().await.unwrap();
    holds(world, UNLUCKY, READY).await;
    holds(world, STUCK, PROTECTED).await;

    for source in sources(world).await {
        let name = format!("{TENANT}/{}", source.name_any());
        faults.sync_stuck(&name).await.unwrap();
    }
    a_dead_host_never_takes_a_server_or_a_watt_along(world).await;
    println!("a copy that got stuck is never called protected for longer than was promised");
    says(world, STUCK, PROTECTED, |status, reason, message| {
        status == "False" && reason == "RecoveryPointLate" && message.contains("2m")
    })
    .await;
    // The guest is none the worse for it.
    holds(world, STUCK, READY).await;
    faults.clear().await.unwrap();
    holds(world, STUCK, PROTECTED).await;
    world
        .cluster
        .kubectl(&["delete", "virtualserver", "-n", TENANT, STUCK, UNLUCKY])
        .await
        .unwrap();
}

async fn a_failed_import_never_goes_untold(world: &World) {
    println!("a failed import is told in CDI's words, and that a person has to act");
    says(world, UNLUCKY, READY, |status, reason, message| {
        status == "False" && reason == "DiskFailed" && message.contains("connection refused")
    })
    .await;
    holds(world, UNLUCKY, STALLED).await;
}

async fn a_copy_that_never_arrived_is_never_called_protected(world: &World) {
    println!("a copy whose first transfer is stuck is never called protected");
    holds(world, STUCK, READY).await;
    servers::eventually("the first transfer is under way", WITHIN, || async {
        let begun = |source: &ReplicationSource| {
            let status = source.status.as_ref();
            status.is_some_and(|status| status.last_sync_start_time.is_some())
        };
        let ours = sources(world).await;
        if ours.iter().any(begun) {
            Ok(())
        } else {
            Err(format!("{} sources, none at work", ours.len()))
        }
    })
    .await
    .unwrap();
    says(world, STUCK, PROTECTED, |status, reason, message| {
        status == "Unknown" && reason == "NoEvidence" && message.contains("nothing proves")
    })
    .await;
}

/// The sources of the stuck server's copies.
async fn sources(world: &World) -> Vec<ReplicationSource> {
    let mut all = recount::list::<ReplicationSource>(&world.cluster).await.unwrap();
    all.retain(|source| source.labels().get(SERVER_LABEL).is_some_and(|l| l == STUCK));
    all
}

/// One host fails: its servers start again on another of their site, or say why not; their data, their site and the watts stay.
async fn a_dead_host_never_takes_a_server_or_a_watt_along(world: &World) {
    let sites = |all: &[VirtualServer]| -> BTreeMap<String, String> {
        let of = |s: &VirtualServer| Some((s.uid()?, s.status.as_ref()?.site.clone()?));
        all.iter().filter_map(of).collect()
    };
    let uids = |things: inventory::Things| things.into_keys().collect::<BTreeSet<_>>();
    let node = |s: &VirtualServer| s.status.as_ref().and_then(|s| s.node.clone());
    let all = servers::all(&world.cluster).await.unwrap();
    let runs = |s: &&VirtualServer| servers::holds(s, READY) && s.name_any() != STUCK;
    let host = all.iter().filter(runs).find_map(node).unwrap();
    let on_it = all.iter().filter(|s| node(s).as_deref() == Some(&host));
    let there: BTreeSet<String> = on_it.filter_map(ResourceExt::uid).collect();
    let was_there = |s: &&VirtualServer| s.uid().is_some_and(|uid| there.contains(&uid));
    let sites_before = sites(&all);
    let things_before = uids(things(&world.cluster).await.unwrap());
    let since = jiff::Timestamp::now();

    println!("the host {host} loses its power with {} servers", there.len());
    let faults = world.lab.faults().unwrap();
    faults.node_off(&host).await.unwrap();
    let what = "each of its servers runs elsewhere or says why not";
    let after = servers::until(&world.cluster, what, WITHIN, |all| {
        let pretends = |s: &&VirtualServer| {
            let ready = servers::holds_now(s, READY);
            let silent = servers::told(s, READY).ends_with(": ");
            was_there(s) && (silent || (ready && node(s).as_deref() == Some(&host)))
        };
        match all.iter().find(pretends) {
            None => Ok(()),
            Some(server) => Err(servers::told(server, READY)),
        }
    })
    .await
    .unwrap();
    for server in after.iter().filter(was_there) {
        println!("   {}", servers::told(server, READY));
    }
    let others: Vec<_> = after.iter().filter(|s| !was_there(s)).cloned().collect();
    servers::every(&others, READY, 1).unwrap();
    assert_eq!(
        sites(&after),
        sites_before,
        "a server changed its site for a host"
    );
    assert_eq!(uids(things(&world.cluster).await.unwrap()), things_before);
    nothing_deleted(world, since);
    // A host that is silent may draw as much as ever.
    servers::eventually("every rack counts its watts", WITHIN, || async {
        let view = recount::View::read(&world.cluster).await;
        recount::compare(&view.map_err(|e| e.to_string())?).map_err(|e| e.to_string())
    })
    .await
    .unwrap();

    faults.node_on(&host).await.unwrap();
    let back = servers::until(&world.cluster, "every server is Ready again", WITHIN, |all| {
        servers::every(all, READY, 40)?;
        let others: Vec<_> = all.iter().filter(|s| s.name_any() != STUCK).cloned().collect();
        servers::protected(&others, 20)
    })
    .await
    .unwrap();
    assert_eq!(sites(&back), sites_before);
    assert_eq!(uids(things(&world.cluster).await.unwrap()), things_before);
}
