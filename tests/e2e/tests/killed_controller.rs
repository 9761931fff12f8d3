//! A controller that is killed again and again ends in the same state, with no object twice, and never changes its mind on the way.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use raidc_crds::condition::READY;
use raidc_e2e::World;
use raidc_e2e::certificate;
use raidc_e2e::install;
use raidc_e2e::inventory;
use raidc_e2e::inventory::Things;
use raidc_e2e::recount;
use raidc_e2e::servers;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

// Less than the six minutes between two transfers of the examples' policy: each copy has to be proven by its first.
const WITHIN: Duration = Duration::from_mins(5);
/// How often it is killed.
const KILLS: u64 = 20;
/// A run is killed at a moment up to this after it was started, or after it began to lead.
const UP_TO: u64 = 3_000;

/// What was seen between two kills: it must still be so at the end.
#[derive(Default)]
struct Memory {
    /// Where servers were put, by name.
    places: BTreeMap<String, String>,
    /// Machines and disks, by UID.
    things: Things,
}

impl Memory {
    /// Takes in what is there now. A place that was told once stays; of a disk that was made, the volume may still come.
    async fn add(&mut self, world: &World) {
        let servers = servers::all(&world.cluster).await.unwrap();
        for (name, place) in servers::places(&servers) {
            let before = self.places.entry(name.clone()).or_insert_with(|| place.clone());
            assert_eq!(*before, place, "{name} was put elsewhere by the next run");
        }
        let now = inventory::things(&world.cluster).await.unwrap();
        let gone: Vec<_> = self
            .things
            .iter()
            .filter(|(uid, _)| !now.contains_key(*uid))
            .collect();
        assert!(gone.is_empty(), "made once and gone, or made anew: {gone:?}");
        self.things = now;
    }
}

/// Waits until the run whose log this is leads.
async fn leads(log: &Path) {
    servers::eventually("the next run leads", WITHIN, || async {
        let text = std::fs::read_to_string(log).map_err(|e| e.to_string())?;
        if text.contains("this replica leads") {
            Ok(())
        } else {
            Err(text.lines().last().unwrap_or_default().to_owned())
        }
    })
    .await
    .unwrap();
}

#[test]
fn controller_killed_twenty_times_never_makes_anything_twice_forgets_it_or_moves_it() {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut world = World::up("killed").await.unwrap();
        // Short, so that the next run leads and works before it is killed in its turn.
        world.lease_seconds = 3;
        let applied = tokio::spawn({
            let cluster = world.cluster.clone();
            async move { install::examples(&cluster).await }
        });
        let mut memory = Memory::default();
        // Moments spread by a fixed sequence, so that a failure can be had again: every other run is killed while it starts, the
        // others while they lead, however long this machine takes until then.
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        for kill in 0..KILLS {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            world.start_controller(&format!("run-{kill}")).unwrap();
            if kill % 2 == 1 {
                leads(&world.controllers[0].log).await;
            }
            tokio::time::sleep(Duration::from_millis((state >> 33) % UP_TO)).await;
            world.kill_controllers();
            memory.add(&world).await;
        }
        world.start_controller("last").unwrap();
        applied.await.unwrap().unwrap();
        servers::until(
            &world.cluster,
            "forty servers are Ready and every copy is proven",
            WITHIN,
            |s| {
                servers::every(s, READY, 40)?;
                servers::protected(s, 20)
            },
        )
        .await
        .unwrap();
        memory.add(&world).await;
        let view = recount::View::read(&world.cluster).await.unwrap();
        let have = inventory::ours(&world.cluster).await.unwrap();
        inventory::exactly_once(&inventory::wanted(&view), &have).unwrap();
        certificate::verify(&world.cluster).await.unwrap();
    });
}
