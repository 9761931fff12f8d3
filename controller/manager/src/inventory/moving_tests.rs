//! Servers on the move: room is never promised twice, and what has arrived is never looked for where it was.

use std::sync::Arc;

use raidc_crds::VirtualServer;
use serde_json::json;

use super::*;
use crate::certify::worlds;

fn seen(stage: Stage, node: &str) -> Seen {
    let server: VirtualServer = serde_json::from_value(json!({
        "apiVersion": "raidc.dev/v1alpha1", "kind": "VirtualServer",
        "metadata": {"name": "a", "namespace": "kuldiga", "uid": "uid-a"},
        "spec": {"image": "debian-13", "size": "s-1"},
    }))
    .expect("a server");
    let id = ServerId::new("kuldiga", "a");
    Seen {
        servers: vec![Arc::new(server)],
        moving: vec![Moving {
            server: id.clone(),
            server_uid: "uid-a".to_owned(),
            from: "talsi-h1".into(),
            to: "talsi-h2".into(),
            stage,
            began: Timestamp::UNIX_EPOCH,
        }],
        runs: [(id, ("uid-a".to_owned(), node.into()))].into(),
        ..Seen::default()
    }
}

fn applied(seen: &Seen) -> Fleet {
    let mut fleet = worlds::scattered().fleet;
    apply(seen, &mut fleet);
    fleet
}

fn host_of(fleet: &Fleet) -> String {
    let server = &fleet.servers[&ServerId::new("kuldiga", "a")];
    let current = server.current.as_ref().expect("a place");
    current.host.as_ref().expect("a host").to_string()
}

fn taken(fleet: &Fleet) -> (i64, i64) {
    let host = &fleet.hosts[&"talsi-h2".into()];
    (host.taken_cpu_milli, host.taken_memory_mib)
}

#[test]
fn the_room_that_a_server_is_about_to_take_is_never_promised_to_another() {
    let before = worlds::scattered().fleet;
    let server = &before.servers[&ServerId::new("kuldiga", "a")];
    // Also for the moment in which the end is known and the machine is not seen at its target yet.
    for stage in [Stage::UnderWay, Stage::Succeeded] {
        let fleet = applied(&seen(stage, "talsi-h1"));
        assert_eq!(host_of(&fleet), "talsi-h1", "it has not arrived");
        let (cpu, memory) = taken(&fleet);
        let overcommit = before.sites[&"talsi".into()].cpu_overcommit_percent;
        assert!(cpu * overcommit / 100 >= server.cpu_milli, "{cpu}");
        assert_eq!(memory, server.memory_mib + server.overhead_mib);
    }
}

#[test]
fn a_server_that_has_arrived_is_never_recorded_where_it_was() {
    let fleet = applied(&seen(Stage::Succeeded, "talsi-h2"));
    assert_eq!(host_of(&fleet), "talsi-h2");
    assert_eq!(taken(&fleet), (0, 0));
    let options = crate::placement::OPTIONS;
    let plan = raidc_planner::plan(&fleet, &options);
    assert_eq!(
        (plan.moves.clone(), raidc_planner::check(&fleet, &plan)),
        (vec![], vec![])
    );
}

#[test]
fn a_server_is_never_recorded_where_it_does_not_run() {
    for (stage, node) in [
        (Stage::Succeeded, "saldus-h1"),
        (Stage::Failed, "talsi-h1"),
        (Stage::Failed, "talsi-h2"),
    ] {
        let fleet = applied(&seen(stage, node));
        assert_eq!(
            (host_of(&fleet).as_str(), taken(&fleet)),
            ("talsi-h1", (0, 0)),
            "{stage:?} {node}"
        );
    }
}

#[test]
fn an_order_for_an_earlier_server_of_the_same_name_never_says_anything() {
    for stage in [Stage::UnderWay, Stage::Succeeded] {
        let mut seen = seen(stage, "talsi-h2");
        seen.moving[0].server_uid = "uid-of-another".to_owned();
        let fleet = applied(&seen);
        assert_eq!((host_of(&fleet).as_str(), taken(&fleet)), ("talsi-h1", (0, 0)));
    }
}

#[test]
fn a_server_is_never_recorded_in_a_rack_that_its_machine_may_not_be_in() {
    let mut seen = seen(Stage::Succeeded, "kuldiga-h1");
    seen.moving[0].to = "kuldiga-h1".into();
    assert_eq!(host_of(&applied(&seen)), "talsi-h1");
}

#[test]
fn a_migration_of_somebody_else_is_never_taken_for_one_of_ours() {
    let foreign: VirtualMachineInstanceMigration = serde_json::from_value(json!({
        "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstanceMigration",
        "metadata": {
            "name": "evacuation", "namespace": "kuldiga", "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"raidc.dev/server": "a", "raidc.dev/server-uid": "uid-a"},
        },
        "spec": {"vmiName": "a"},
    }))
    .expect("a migration");
    assert_eq!(read(&foreign), None);
}
