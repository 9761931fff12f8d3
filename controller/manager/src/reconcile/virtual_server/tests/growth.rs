//! A server that asks for more than it was granted goes on with what it has, and says why.

use raidc_crds::virtual_server::Granted;
use raidc_planner::Growth;
use raidc_planner::QuotaResource;
use raidc_planner::Resource;

use super::*;

fn amounts(cpu_milli: i64) -> raidc_planner::Granted {
    raidc_planner::Granted {
        cpu_milli,
        memory_mib: 16384,
        overhead_mib: 300,
        storage_mib: 20480,
    }
}

fn granted() -> Granted {
    serde_json::from_value(json!({"size": "m-4", "coresMilli": 4000, "memoryMib": 16384,
        "disks": [{"name": "root", "size": "20Gi"}]}))
    .expect("a record")
}

/// A server that asks for l-32 and one more disk, and a world in which it runs with m-4.
fn held() -> (VirtualServer, World) {
    let spec = json!({"size": "l-32", "image": "debian-13", "disks": [{"name": "data", "size": "500Ti"}]});
    let mut world = running();
    world.held = Some(granted());
    (server(&spec, &placed()), world)
}

fn waits_on(on: WaitingOn) -> (VirtualServer, World) {
    let (server, mut world) = held();
    world.told.growth = Some((amounts(4000), amounts(32_000), Growth { on }));
    (server, world)
}

fn ready(server: &VirtualServer, world: &World) -> (Vec<(String, String, String)>, String) {
    let valid = validate(server, world);
    let grow = valid.as_ref().map(cannot_grow).unwrap_or_default();
    let protected = crate::reconcile::virtual_server::protected(server, world, now());
    let report = report(server, world, valid.as_ref().err(), &grow, &protected, now());
    let list = report.status["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let message = list
        .iter()
        .find(|c| c["type"] == "Ready")
        .map(|c| c["message"].as_str().unwrap_or_default().to_owned());
    (conditions(server, world), message.unwrap_or_default())
}

#[test]
fn a_machine_never_gets_a_size_that_waits() {
    let (server, mut world) = held();
    let machine = |world: &World| {
        let wanted = validate(&server, world).expect("nothing is in the way");
        build(&wanted, "raidc-images").machine
    };
    let body = machine(&world);
    assert_eq!(body["spec"]["instancetype"]["name"], "m-4");
    let disks = body["spec"]["template"]["spec"]["domain"]["devices"]["disks"].to_string();
    assert!(!disks.contains("data"), "{disks}");
    if let Some(held) = &mut world.held {
        held.size = None;
    }
    let domain = machine(&world)["spec"]["template"]["spec"]["domain"].clone();
    assert_eq!(domain["cpu"]["cores"], 4);
    assert_eq!(domain["memory"]["guest"], "16Gi");
}

#[test]
fn other_edits_go_through_while_a_size_waits() {
    let (mut server, world) = held();
    server.spec.power = raidc_crds::virtual_server::Power::Off;
    let wanted = validate(&server, &world).expect("nothing is in the way");
    let body = build(&wanted, "raidc-images").machine;
    assert_eq!(body["spec"]["runStrategy"], "Halted");
}

#[test]
fn a_size_that_waits_is_not_ready_and_says_the_numbers() {
    let (server, world) = waits_on(WaitingOn::HostFull {
        resource: Resource::Cpu,
        asked: 28_000,
        free: 3000,
    });
    let (all, message) = ready(&server, &world);
    assert!(has(&all, "Ready", "False", "GrowthWaits"), "{all:?}");
    assert!(has(&all, "Reconciling", "True", "GrowthWaits"), "{all:?}");
    assert!(has(&all, "Provisioned", "True", "Provisioned"), "{all:?}");
    for part in [
        "goes on with 4 cores",
        "32 cores",
        "3 cores left",
        "28 cores more",
    ] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
}

#[test]
fn a_size_that_only_a_person_can_let_in_is_stalled() {
    let (server, world) = waits_on(WaitingOn::Quota {
        resource: QuotaResource::Cpu,
        used: 10_000,
        limit: 12_000,
        asked: 28_000,
    });
    let (all, message) = ready(&server, &world);
    assert!(has(&all, "Stalled", "True", "GrowthWaits"), "{all:?}");
    assert!(message.contains("quota cores"), "{message}");
}

#[test]
fn an_edit_that_is_not_decided_yet_is_not_called_ready() {
    let (server, world) = held();
    let (all, _) = ready(&server, &world);
    assert!(has(&all, "Ready", "False", "GrowthWaits"), "{all:?}");
    assert!(has(&all, "Reconciling", "True", "GrowthWaits"), "{all:?}");
}
