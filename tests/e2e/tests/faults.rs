//! The operator while things fail under it: a site without power, sites that cannot reach each other, a leader that sleeps through its
//! claim, a host, an import, a copy. What it must not do then.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "faults/switches.rs"]
mod switches;

use kube::ResourceExt;
use raidc_crds::Site;
use raidc_crds::VirtualServer;
use raidc_crds::condition::READY;
use raidc_crds::condition::SURVIVES_SITE_LOSS;
use raidc_crds::virtual_server::Power;
use raidc_e2e::World;
use raidc_e2e::controller::USER;
use raidc_e2e::install;
use raidc_e2e::inventory;
use raidc_e2e::inventory::things;
use raidc_e2e::recount;
use raidc_e2e::servers;
use raidc_e2e::servers::places;
use raidc_lab::AuditFilter;
use raidc_lab::guard;
use std::time::Duration;

/// Kubernetes takes 40 to 50 seconds to call a silent node lost; the rest is for a busy machine.
const WITHIN: Duration = Duration::from_mins(5);
/// The site that fails.
const SITE: &str = "talsi";
async fn settled(world: &World) -> Vec<VirtualServer> {
    servers::until(
        &world.cluster,
        "every server is Ready and every copy proven",
        WITHIN,
        |s| {
            servers::every(s, READY, 40)?;
            servers::protected(s, 20)
        },
    )
    .await
    .unwrap()
}

fn at_site(server: &VirtualServer) -> bool {
    server.status.as_ref().and_then(|s| s.site.as_deref()) == Some(SITE)
}

/// Nothing was deleted by the operator since then.
fn nothing_deleted(world: &World, since: jiff::Timestamp) {
    let deleted: Vec<_> = world
        .lab
        .audit(&AuditFilter::writes_by(USER, since))
        .unwrap()
        .into_iter()
        .filter(|e| e.verb.starts_with("delete"))
        .collect();
    assert!(
        deleted.is_empty(),
        "deleted while something had failed: {deleted:?}"
    );
}

/// Switches a server as its owner does.
async fn power(world: &World, to: &str, namespace: &str, name: &str) {
    let patch = format!("{{\"spec\":{{\"power\":\"{to}\"}}}}");
    let patch = [
        "patch",
        "virtualserver",
        "-n",
        namespace,
        name,
        "--type=merge",
        "-p",
        &patch,
    ];
    world.cluster.kubectl(&patch).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_site_never_moves_deletes_or_hides_anything_and_its_return_never_needs_a_hand() {
    let mut world = World::up("faults").await.unwrap();
    world.start_controller("a").unwrap();
    world.start_controller("b").unwrap();
    install::examples(&world.cluster).await.unwrap();
    settled(&world).await;
    switches::a_fault_below_is_never_hidden_and_never_outlasts_itself(&world).await;
    // One that is stopped when its site is lost is as unknown as the others.
    let stopped = settled(&world).await.into_iter().find(at_site).unwrap();
    power(&world, "Off", &stopped.namespace().unwrap(), &stopped.name_any()).await;
    let before = settled(&world).await;
    let there = before.iter().filter(|s| at_site(s)).count();
    assert!(there > 0, "nothing runs at {SITE}, so that nothing is shown");
    let (things_before, places_before) = (things(&world.cluster).await.unwrap(), places(&before));
    let since = jiff::Timestamp::now();

    println!("{SITE} loses its power with {there} servers");
    world.lab.faults().unwrap().site_off(SITE).await.unwrap();
    let lost = servers::until(
        &world.cluster,
        "no server of the lost site says Ready",
        WITHIN,
        |all| match all.iter().find(|s| at_site(s) && servers::holds_now(s, READY)) {
            None => Ok(()),
            Some(server) => Err(servers::told(server, READY)),
        },
    )
    .await
    .unwrap();
    assert_eq!(
        places(&lost),
        places_before,
        "a place was changed without a failover"
    );
    let others = lost.iter().filter(|s| !at_site(s)).cloned().collect::<Vec<_>>();
    servers::every(&others, READY, 1).unwrap();
    servers::eventually(
        "nothing is promised of a site that cannot be read",
        WITHIN,
        || async {
            let sites = recount::list::<Site>(&world.cluster)
                .await
                .map_err(|e| e.to_string())?;
            let site = sites
                .iter()
                .find(|s| s.name_any() == SITE)
                .ok_or("no such site")?;
            let conditions = site.status.iter().flat_map(|s| &s.conditions);
            let survives = conditions.into_iter().find(|c| c.type_ == SURVIVES_SITE_LOSS);
            match survives {
                Some(c) if c.status == "Unknown" => Ok(()),
                other => Err(format!("{other:?}")),
            }
        },
    )
    .await
    .unwrap();
    assert_eq!(things(&world.cluster).await.unwrap(), things_before);
    nothing_deleted(&world, since);

    println!("the power is back");
    world.lab.faults().unwrap().site_on(SITE).await.unwrap();
    let after = settled(&world).await;
    assert_eq!(places(&after), places_before);
    assert_eq!(things(&world.cluster).await.unwrap(), things_before);
    nothing_deleted(&world, since);

    println!("{SITE} is cut off from the others, both sides with power");
    let rest = ["kuldiga", "liepaja", "ventspils"].map(str::to_owned).to_vec();
    // The API server stays with the first group.
    let cut = [rest, vec![SITE.to_owned()]];
    world.lab.faults().unwrap().partition(&cut).await.unwrap();
    let switched = before
        .iter()
        .find(|s| !at_site(s) && s.spec.power == Power::On)
        .unwrap();
    a_leader_that_slept_never_undoes_what_its_successor_did(&mut world, switched).await;
    let during = servers::all(&world.cluster).await.unwrap();
    assert_eq!(places(&during), places_before, "a partition is not a loss");
    world.lab.faults().unwrap().clear().await.unwrap();
    let after = settled(&world).await;
    assert_eq!(places(&after), places_before);
    assert_eq!(things(&world.cluster).await.unwrap(), things_before);
    nothing_deleted(&world, since);
    world.lab.check().unwrap();
}

/// Stops the process of the leader for longer than its claim lasts, lets its successor work, and wakes it: what it then knows is old.
async fn a_leader_that_slept_never_undoes_what_its_successor_did(
    world: &mut World,
    switched: &VirtualServer,
) {
    let (namespace, name) = (switched.namespace().unwrap(), switched.name_any());
    let holder = || async {
        let lease = [
            "get",
            "lease",
            "-n",
            "raidc-system",
            "raidc-controller",
            "-o",
            "jsonpath={.spec.holderIdentity}",
        ];
        world.cluster.kubectl(&lease).await.unwrap()
    };
    let leads = holder().await;
    let index = usize::from(!leads.starts_with("a_"));
    let before = world.controllers[index].restarts();
    let sleeper = world.controllers[index].id();
    println!("the leader {leads} falls asleep");
    assert!(guard::pause(sleeper));
    power(world, "Off", &namespace, &name).await;
    let off = servers::eventually("the successor has stopped the server", WITHIN, || async {
        let all = servers::all(&world.cluster).await.map_err(|e| e.to_string())?;
        let one = all
            .iter()
            .find(|s| s.uid() == switched.uid())
            .ok_or("no server")?;
        let stopped = one
            .status
            .iter()
            .flat_map(|s| &s.conditions)
            .any(|c| c.reason == "Stopped");
        if stopped && servers::holds(one, READY) {
            Ok(())
        } else {
            Err(servers::told(one, READY))
        }
    })
    .await;
    // It is woken whatever came of it: a stopped process outlives the test otherwise.
    assert!(guard::resume(sleeper));
    off.unwrap();
    let successor = holder().await;
    assert_ne!(successor, leads);
    servers::eventually("the old leader has ended by itself", WITHIN, || {
        let ended = world.controllers[index].restarts() > before;
        async move {
            if ended {
                Ok(())
            } else {
                Err("it still runs".to_owned())
            }
        }
    })
    .await
    .unwrap();
    assert_eq!(holder().await, successor);
    let machine = [
        "get",
        "vm",
        "-n",
        &namespace,
        &name,
        "-o",
        "jsonpath={.spec.runStrategy}",
    ];
    assert_eq!(
        world.cluster.kubectl(&machine).await.unwrap(),
        "Halted",
        "the sleeper started it again"
    );
    power(world, "On", &namespace, &name).await;
}
