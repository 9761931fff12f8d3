//! A controller that is killed again and again ends in the same state, with no object twice.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use raidc_crds::condition::PROTECTED;
use raidc_crds::condition::READY;
use raidc_e2e::World;
use raidc_e2e::certificate;
use raidc_e2e::install;
use raidc_e2e::inventory;
use raidc_e2e::servers;
use raidc_lab::Profile;
use std::time::Duration;

// Less than the six minutes between two transfers of the examples' policy: each copy has to be proven by its first.
const WITHIN: Duration = Duration::from_mins(5);
/// How often it is killed.
const KILLS: u64 = 20;

#[test]
fn controller_killed_twenty_times_never_makes_anything_twice_or_forgets_it() {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut world = World::up("killed", Profile::Full).await.unwrap();
        // Short, so that the next run leads and works before it is killed in its turn.
        world.lease_seconds = 3;
        let applied = tokio::spawn({
            let cluster = world.cluster.clone();
            async move { install::examples(&cluster).await }
        });
        // Moments spread by a fixed sequence over start-up, first writes and steady work, so that a failure can be had again.
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut led = 0;
        for kill in 0..KILLS {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            world.start_controller(&format!("run-{kill}")).unwrap();
            tokio::time::sleep(Duration::from_millis(4_000 + (state >> 33) % 3_000)).await;
            let log = world.controllers.first().map(|controller| controller.log.clone());
            world.kill_controllers();
            let text = log
                .and_then(|log| std::fs::read_to_string(log).ok())
                .unwrap_or_default();
            led += usize::from(text.contains("this replica leads"));
        }
        // One that never led was killed while it did nothing: that would prove little.
        assert!(
            led >= 10,
            "only {led} of {KILLS} runs got to work before they were killed"
        );
        world.start_controller("last").unwrap();
        applied.await.unwrap().unwrap();
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
        let have = inventory::ours(&world.cluster).await.unwrap();
        inventory::exactly_once(&servers, &have).unwrap();
        let pairs = have
            .iter()
            .filter(|o| o.starts_with("replicationsources"))
            .count();
        let sinks = have
            .iter()
            .filter(|o| o.starts_with("replicationdestinations"))
            .count();
        assert_eq!(pairs, sinks, "every copy has one source and one destination");
        certificate::verify(&world.cluster).await.unwrap();
    });
}
