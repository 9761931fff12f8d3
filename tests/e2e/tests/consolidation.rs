//! Two hosts of one rack that one could do for: nothing moves until the platform team says so, and then no server is stopped, moved twice
//! or lost sight of, also when the controller dies while one is on its way.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use kube::ResourceExt;
use raidc_controller::foreign::kubevirt::VirtualMachine;
use raidc_controller::foreign::kubevirt::VirtualMachineInstance;
use raidc_controller::foreign::migration::VirtualMachineInstanceMigration;
use raidc_controller::inventory::moving;
use raidc_controller::inventory::moving::Stage;
use raidc_crds::condition::READY;
use raidc_crds::names::HOST_ANNOTATION;
use raidc_e2e::World;
use raidc_e2e::certificate;
use raidc_e2e::controller::USER;
use raidc_e2e::install;
use raidc_e2e::recount;
use raidc_e2e::rights;
use raidc_e2e::servers;
use raidc_e2e::world::PULL_SECRET;
use raidc_lab::AuditFilter;
use raidc_lab::FleetSpec;
use raidc_lab::SiteSpec;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

const WITHIN: Duration = Duration::from_mins(4);
/// Longer than a plan must stand before something is moved, twice over.
const QUIET: Duration = Duration::from_secs(40);
const NAMESPACE: &str = "kuldiga";

async fn migrations(world: &World) -> Vec<VirtualMachineInstanceMigration> {
    recount::list(&world.cluster).await.unwrap()
}

/// UID of each run, and its node.
async fn runs(world: &World) -> BTreeMap<String, (String, String)> {
    let all = recount::list::<VirtualMachineInstance>(&world.cluster)
        .await
        .unwrap();
    let run = |vmi: VirtualMachineInstance| {
        let node = vmi.status.as_ref().and_then(|status| status.node_name.clone());
        (
            vmi.name_any(),
            (vmi.uid().unwrap_or_default(), node.unwrap_or_default()),
        )
    };
    all.into_iter().map(run).collect()
}

/// Applies servers of one copy at one site and waits until all there are run; returns the hosts of these.
async fn start(world: &World, names: &[&str], in_all: usize) -> BTreeSet<String> {
    for name in names {
        let yaml = format!(
            "{{apiVersion: raidc.dev/v1alpha1, kind: VirtualServer, metadata: {{name: {name}, namespace: {NAMESPACE}}}, spec: {{size: s-1, image: debian-13, policy: bronze, sites: [talsi]}}}}"
        );
        servers::retried(name, || world.cluster.apply(&yaml))
            .await
            .unwrap();
    }
    servers::until(&world.cluster, "the servers are Ready", WITHIN, |s| {
        servers::every(s, READY, in_all)
    })
    .await
    .unwrap();
    let runs = runs(world).await;
    names.iter().map(|name| runs[*name].1.clone()).collect()
}

/// Where each server is by its status.
async fn recorded(world: &World) -> BTreeMap<String, Option<String>> {
    let all = servers::all(&world.cluster).await.unwrap();
    all.into_iter()
        .map(|server| (server.name_any(), server.status.and_then(|status| status.host)))
        .collect()
}

/// Who was where before anything moved.
struct Scene {
    /// The host that stays on.
    target: String,
    /// The host that could be switched off.
    source: String,
    /// UID of each run, and its node.
    before: BTreeMap<String, (String, String)>,
}

async fn scattered(world: &World) -> Scene {
    println!("three servers on one host and two on another of the same rack");
    let stay = start(world, &["a1", "a2", "a3"], 3).await;
    assert_eq!(stay.len(), 1, "they are not together: {stay:?}");
    let target = stay.first().unwrap().clone();
    world.cluster.kubectl(&["cordon", &target]).await.unwrap();
    let leave = start(world, &["b1", "b2"], 5).await;
    world.cluster.kubectl(&["uncordon", &target]).await.unwrap();
    assert_eq!(leave.len(), 1, "they are not together: {leave:?}");
    let source = leave.first().unwrap().clone();
    assert_ne!(source, target);
    Scene {
        before: runs(world).await,
        target,
        source,
    }
}

async fn nothing_moves_while_it_is_only_proposed(world: &World, scene: &Scene) {
    println!("nothing moves while it is only proposed");
    let log = world.controllers[0].log.clone();
    servers::eventually("the proposal is told", WITHIN, || async {
        let text = std::fs::read_to_string(&log).map_err(|e| e.to_string())?;
        text.contains("a consolidation would let")
            .then_some(())
            .ok_or("no word of it".to_owned())
    })
    .await
    .unwrap();
    tokio::time::sleep(QUIET).await;
    assert_eq!(migrations(world).await.len(), 0);
    assert_eq!(runs(world).await, scene.before);
}

async fn the_controller_dies_with_its_first_order(world: &mut World) {
    println!("the platform team allows it, and the controller dies as soon as it has ordered the first move");
    world.kill_controllers();
    let pull_secret = format!("tenants.pullSecrets={{{PULL_SECRET}}}");
    let allowed = ["--set", &pull_secret, "--set", "consolidation.mode=Execute"];
    install::charts(&world.cluster, &allowed).await.unwrap();
    world.flags = ["--consolidation", "execute"].map(str::to_owned).to_vec();
    world.start_controller("dies").unwrap();
    servers::eventually("a move is ordered", WITHIN, || async {
        let all = recount::list::<VirtualMachineInstanceMigration>(&world.cluster).await;
        let none = all.map_err(|e| e.to_string())?.is_empty();
        if none { Err("none".to_owned()) } else { Ok(()) }
    })
    .await
    .unwrap();
    world.kill_controllers();
    servers::eventually("KubeVirt carries it out", WITHIN, || async {
        let all = recount::list::<VirtualMachineInstanceMigration>(&world.cluster).await;
        let all = all.map_err(|e| e.to_string())?;
        let ended = all.iter().all(|m| moving::stage(m) == Stage::Succeeded);
        if ended { Ok(()) } else { Err(format!("{all:?}")) }
    })
    .await
    .unwrap();
    let alone = migrations(world).await;
    assert_eq!(alone.len(), 1, "{alone:?}");
}

async fn each_server_moves_once(world: &World, scene: &Scene) {
    let Scene {
        target,
        source,
        before,
    } = scene;
    println!("its successor finds the first move, records it and makes the second, and no third");
    servers::eventually(
        "every server is recorded on one host and runs there",
        WITHIN,
        || async {
            let (recorded, runs) = (recorded(world).await, runs(world).await);
            let there = recorded.values().all(|host| host.as_ref() == Some(target))
                && runs.values().all(|(_, node)| node == target);
            if there {
                Ok(())
            } else {
                Err(format!("{recorded:?} {runs:?}"))
            }
        },
    )
    .await
    .unwrap();
    tokio::time::sleep(QUIET).await;
    let after = runs(world).await;
    for (name, (uid, node)) in before {
        assert_eq!(
            (&after[name].0, &after[name].1),
            (uid, target),
            "{name} was on {node}"
        );
    }
    let all = migrations(world).await;
    let moved: Vec<_> = all.iter().filter_map(moving::read).collect();
    let mut names: Vec<_> = moved.iter().map(|m| &*m.server.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["b1", "b2"], "each moves once: {all:?}");
    assert_eq!(all.len(), 2, "{all:?}");
    for moving in &moved {
        assert_eq!(
            (moving.from.as_str(), moving.to.as_str()),
            (source.as_str(), target.as_str())
        );
    }
}

async fn the_machines_wish_for_their_new_host(world: &World, target: &str) {
    println!("the machines wish for their new host, ask for no restart, and the plan has nothing left to do");
    for machine in recount::list::<VirtualMachine>(&world.cluster).await.unwrap() {
        assert_eq!(
            machine.annotations().get(HOST_ANNOTATION),
            Some(&target.to_owned())
        );
        let spec = serde_json::to_value(&machine.spec).unwrap();
        let wish = &spec["template"]["spec"]["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"];
        assert!(wish.to_string().contains(target), "{wish}");
        let conditions = machine.status.map(|status| status.conditions).unwrap_or_default();
        let restart = conditions
            .iter()
            .any(|c| c.type_ == "RestartRequired" && c.status == "True");
        assert!(!restart, "{conditions:?}");
    }
    certificate::verify(&world.cluster).await.unwrap();
    let events = [
        "get",
        "events.events.k8s.io",
        "-n",
        NAMESPACE,
        "-o",
        "jsonpath={.items[*].reason}",
    ];
    let events = world.cluster.kubectl(&events).await.unwrap();
    // Both words may be lost with a controller that ends at that moment; of two moves one is told.
    assert!(events.contains("Moving") || events.contains("Moved"), "{events}");
}

fn no_right_was_missing_or_beyond_the_table(world: &World) {
    println!("and it was done with the rights of the chart");
    let filter = AuditFilter {
        user: Some(USER.to_owned()),
        ..AuditFilter::default()
    };
    let entries = world.lab.audit(&filter).unwrap();
    let used = rights::used(&entries);
    let beyond: Vec<_> = used
        .iter()
        .filter(|right| !rights::granted().contains(*right) && !rights::granted_to_move().contains(*right))
        .collect();
    assert_eq!(beyond, Vec::<&rights::Used>::new());
    // The watches of the first controller end when it does, so that nothing is refused.
    let refused: Vec<_> = entries.iter().filter(|e| e.code == 403).collect();
    assert!(refused.is_empty(), "the chart's rights do not cover: {refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consolidation_never_begins_unasked_stops_a_server_or_moves_one_twice() {
    let sites = ["ventspils", "kuldiga", "talsi", "liepaja"];
    let fleet = FleetSpec {
        sites: sites.map(|name| SiteSpec::sized(name, 1, 4, 32, 256)).to_vec(),
    };
    let mut world = World::with("consolidation", fleet).await.unwrap();
    world.lease_seconds = 5;
    world.start_controller("proposes").unwrap();
    install::platform(&world.cluster).await.unwrap();

    let scene = scattered(&world).await;
    nothing_moves_while_it_is_only_proposed(&world, &scene).await;
    the_controller_dies_with_its_first_order(&mut world).await;
    // It is to last: a busy machine may keep it from renewing a short claim.
    world.lease_seconds = 15;
    world.start_controller("returns").unwrap();
    each_server_moves_once(&world, &scene).await;
    the_machines_wish_for_their_new_host(&world, &scene.target).await;
    no_right_was_missing_or_beyond_the_table(&world);
    world.lab.check().unwrap();
}
