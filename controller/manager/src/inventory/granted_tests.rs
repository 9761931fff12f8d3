//! What a server was let in with is what counts, what is recorded and what is kept while more waits.

use jiff::Timestamp;
use raidc_crds::condition::PLACED;
use raidc_planner::{Plan, PlanOptions, plan};

use super::*;
use crate::inventory::granted::{amounts, held};
use crate::placement::{Wanted, wanted};

/// A server of four cores that asks for eight, and its root disk of 20 GiB for as much as is said.
fn asks_more(name: &str, root: &str) -> Value {
    let mut server = placed(name, "kuldiga", "kuldiga-r1", "k1");
    server["spec"]["size"] = json!("l-8");
    server["spec"]["rootDisk"] = json!({"size": root});
    server["status"]["granted"] = json!({
        "size": "m-4", "coresMilli": 4000, "memoryMib": 16384, "disks": [{"name": "root", "size": "20Gi"}],
    });
    server
}

fn world_of(servers: &[Value]) -> Seen {
    let mut seen = world();
    let large = made(json!({
        "apiVersion": "instancetype.kubevirt.io/v1beta1", "kind": "VirtualMachineClusterInstancetype",
        "metadata": {"name": "l-8"}, "spec": {"cpu": {"guest": 8}, "memory": {"guest": "32Gi"}},
    }));
    seen.sizes
        .as_mut()
        .expect("sizes")
        .insert("l-8".to_owned(), large);
    seen.servers = servers.iter().map(|server| made(server.clone())).collect();
    seen
}

fn decided(seen: &Seen) -> (raidc_planner::Fleet, Plan, Vec<Wanted>) {
    let (fleet, notes) = translate(seen);
    let made = plan(&fleet, &PlanOptions::default());
    assert_eq!(raidc_planner::check(&fleet, &made), vec![]);
    let wanted = wanted(seen, &fleet, &made, &notes, Timestamp::UNIX_EPOCH);
    (fleet, made, wanted)
}

fn status(wanted: &[Wanted]) -> Value {
    let Some(Wanted::Server { status, .. }) = wanted.first() else {
        panic!("a server");
    };
    serde_json::to_value(status).expect("json")
}

#[test]
fn a_larger_spec_never_counts_before_it_is_granted() {
    let mut seen = world_of(&[asks_more("web", "20Gi")]);
    // Eight cores are beyond the quota.
    let mut tenant = seen.tenants[0].as_ref().clone();
    tenant.spec.quota.cores = Some(6);
    seen.tenants = vec![Arc::new(tenant)];
    let (fleet, made, wanted) = decided(&seen);
    let server = &fleet.servers[&id("web")];
    assert_eq!((server.cpu_milli, server.counted().cpu_milli), (8000, 4000));
    assert_eq!(made.servers[&id("web")].granted, server.counted());
    let status = status(&wanted);
    assert_eq!(status["granted"]["size"], "m-4");
    assert_eq!(status["coresMilli"], 4000);
    let placed = &status["conditions"][0];
    assert_eq!(
        (&placed["type"], &placed["status"]),
        (&json!(PLACED), &json!("True"))
    );
}

#[test]
fn what_is_granted_is_recorded_with_the_decision() {
    let (_, made, wanted) = decided(&world_of(&[asks_more("web", "50Gi")]));
    assert!(made.servers[&id("web")].growth.is_none());
    let status = status(&wanted);
    assert_eq!(status["granted"]["size"], "l-8");
    assert_eq!(
        status["granted"]["disks"],
        json!([{"name": "root", "size": "50Gi"}])
    );
    assert_eq!(status["coresMilli"], 8000);
}

#[test]
fn a_server_from_before_there_were_records_is_recorded_with_what_it_asks() {
    let old = placed("web", "kuldiga", "kuldiga-r1", "k1");
    let (fleet, _, wanted) = decided(&world_of(&[old]));
    assert_eq!(fleet.servers[&id("web")].granted, None);
    assert_eq!(status(&wanted)["granted"]["size"], "m-4");
}

#[test]
fn a_lost_status_never_grants_what_waited() {
    let mut server = asks_more("web", "20Gi");
    server["status"] = json!({"observedGeneration": -1});
    let term = |key: &str, value: &str| json!({"key": key, "operator": "In", "values": [value]});
    let mut seen = world_of(&[server]);
    for (spec, cores) in [
        (json!({"instancetype": {"name": "m-4"}}), 4000),
        (
            json!({"template": {"spec": {"domain": {"cpu": {"cores": 2}, "memory": {"guest": "4Gi"}}}}}),
            2000,
        ),
    ] {
        let mut spec = spec;
        spec["template"]["spec"]["affinity"] = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
            {"nodeSelectorTerms": [{"matchExpressions": [
                term("topology.kubernetes.io/zone", "kuldiga"), term("raidc.dev/rack", "kuldiga-r1")]}]}}});
        let vm = made(json!({
            "metadata": {"name": "web", "namespace": "kuldiga", "labels": {"raidc.dev/server-uid": "web"}}, "spec": spec,
        }));
        seen.vms = Some([(id("web"), vm)].into());
        let (fleet, _) = translate(&seen);
        let server = &fleet.servers[&id("web")];
        assert!(server.current.is_some());
        assert_eq!((server.counted().cpu_milli, server.cpu_milli), (cores, 8000));
    }
}

#[test]
fn only_more_than_the_record_is_held_back() {
    let sizes = world_of(&[]).sizes.expect("sizes");
    let find = |name: &str| sizes.get(name).cloned();
    let holds = |change: &dyn Fn(&mut Value)| {
        let mut server = asks_more("web", "20Gi");
        server["spec"]["size"] = json!("m-4");
        change(&mut server);
        let server: VirtualServer = serde_json::from_value(server).expect("a server");
        held(&server, Some(&find)).map(|granted| amounts(&granted).cpu_milli)
    };
    assert_eq!(holds(&|_| {}), None);
    assert_eq!(holds(&|server| server["spec"]["size"] = json!("l-8")), Some(4000));
    assert_eq!(
        holds(&|server| server["spec"]["rootDisk"]["size"] = json!("21Gi")),
        Some(4000)
    );
    let more = json!([{"name": "data", "size": "1Gi"}]);
    assert_eq!(
        holds(&|server| server["spec"]["disks"] = more.clone()),
        Some(4000)
    );
    assert_eq!(
        holds(&|server| server["status"]["granted"]["coresMilli"] = json!(9000)),
        None
    );
    // What cannot be told is refused, and not held back.
    assert_eq!(holds(&|server| server["spec"]["size"] = json!("none")), None);
}
