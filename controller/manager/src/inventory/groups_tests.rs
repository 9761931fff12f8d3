//! Groups: what must not happen to servers that stay apart or together.

use std::sync::Arc;

use raidc_crds::{Tenant, VirtualServer};
use raidc_planner::{ApartBy, DemandId, Fleet, HostName, Plan, PlanOptions, ServerId, TenantName};
use serde_json::{Value, json};

use super::super::translate::{Seen, translate, waits};

fn made<K: serde::de::DeserializeOwned>(value: Value) -> Arc<K> {
    Arc::new(serde_json::from_value(value).expect("an object"))
}

fn node(name: &str, rack: &str, cores: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {
            "kubevirt.io/schedulable": "true", "topology.kubernetes.io/zone": "kuldiga", "raidc.dev/rack": rack,
        }},
        "status": {
            "allocatable": {"cpu": cores, "memory": "128Gi"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    })
}

fn tenant(name: &str) -> Arc<Tenant> {
    made(json!({
        "apiVersion": "raidc.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name},
        "spec": {"displayName": name, "defaultPolicy": "bronze"},
    }))
}

/// A server of a namespace with some spec, made at this second of 2026.
fn server(namespace: &str, name: &str, second: u8, more: &Value) -> Arc<VirtualServer> {
    let mut spec = json!({"resources": {"cores": 4, "memory": "8Gi"}, "image": "debian-13"});
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    made(json!({
        "apiVersion": "raidc.dev/v1alpha1", "kind": "VirtualServer",
        "metadata": {
            "name": name, "namespace": namespace, "uid": format!("{namespace}-{name}"),
            "creationTimestamp": format!("2026-01-01T00:00:{second:02}Z"),
        },
        "spec": spec, "status": {"observedGeneration": -1},
    }))
}

/// One site with two racks of two hosts each, two tenants, and a policy of one copy.
fn world(servers: Vec<Arc<VirtualServer>>) -> Seen {
    let rack = |name: &str| {
        made(json!({
            "apiVersion": "raidc.dev/v1alpha1", "kind": "Rack", "metadata": {"name": name},
            "spec": {
                "site": "kuldiga", "hostDefaults": {"idleWatts": 100, "maxWatts": 400},
                "feeds": [{"name": "a", "volts": 230, "amps": 32}, {"name": "b", "volts": 230, "amps": 32}],
            },
        }))
    };
    Seen {
        sites: vec![made(json!({
            "apiVersion": "raidc.dev/v1alpha1", "kind": "Site", "metadata": {"name": "kuldiga"},
            "spec": {"storage": {"class": "fast"}, "ceilingPercent": 100, "cpuOvercommitPercent": 100},
        }))],
        racks: vec![rack("r1"), rack("r2")],
        policies: vec![made(json!({
            "apiVersion": "raidc.dev/v1alpha1", "kind": "ReplicationPolicy", "metadata": {"name": "bronze"},
            "spec": {"copies": 1},
        }))],
        tenants: vec![tenant("kuldiga"), tenant("talsi")],
        nodes: [("a1", "r1"), ("a2", "r1"), ("b1", "r2"), ("b2", "r2")]
            .map(|(name, rack)| made(node(name, rack, "8")))
            .into(),
        vms: Some(std::collections::BTreeMap::new()),
        images: Some(["debian-13".to_owned()].into()),
        servers,
        ..Seen::default()
    }
}

fn planned(seen: &Seen) -> (Fleet, Plan) {
    let (fleet, notes) = translate(seen);
    assert!(notes.servers.is_empty(), "{:?}", notes.servers);
    let plan = raidc_planner::plan(
        &fleet,
        &PlanOptions {
            max_moves: 0,
            ..PlanOptions::default()
        },
    );
    assert_eq!(raidc_planner::check(&fleet, &plan), vec![]);
    (fleet, plan)
}

fn host(plan: &Plan, namespace: &str, name: &str) -> HostName {
    let id = ServerId::new(namespace, name);
    plan.servers
        .get(&id)
        .map_or_else(|| HostName::from(""), |s| s.placement.host.clone())
}

#[test]
fn a_group_never_reaches_into_another_tenants_namespace() {
    let shop = json!({"together": {"group": "shop", "by": "Host"}, "apart": {"group": "db", "by": "Site"}});
    let seen = world(vec![
        server("kuldiga", "web", 1, &shop),
        server("talsi", "web", 2, &shop),
    ]);
    let (fleet, plan) = planned(&seen);
    let mine = &fleet.servers[&ServerId::new("kuldiga", "web")];
    let its = &fleet.servers[&ServerId::new("talsi", "web")];
    assert_eq!((&mine.together, &mine.apart), (&its.together, &its.apart));
    assert_eq!(
        (&mine.tenant, &its.tenant),
        (&TenantName::from("kuldiga"), &TenantName::from("talsi"))
    );
    // There is one site: were they one group that stays apart by Site, one of them would wait.
    assert!(plan.waiting.is_empty(), "{:?}", plan.waiting);
}

#[test]
fn servers_that_belong_together_are_never_split() {
    for (by, level) in [
        ("Host", ApartBy::Host),
        ("Rack", ApartBy::Rack),
        ("Site", ApartBy::Site),
    ] {
        let shop = json!({"together": {"group": "shop", "by": by}});
        let seen = world(vec![
            server("kuldiga", "web", 1, &shop),
            server("kuldiga", "db", 2, &shop),
        ]);
        let (fleet, plan) = planned(&seen);
        let together = fleet.servers[&ServerId::new("kuldiga", "db")].together.clone();
        assert_eq!(together.map(|together| together.by), Some(level));
        let (web, db) = (host(&plan, "kuldiga", "web"), host(&plan, "kuldiga", "db"));
        let rack = |host: &HostName| fleet.hosts[host].rack.clone();
        assert!(by != "Host" || web == db, "{web} {db}");
        assert!(by == "Site" || rack(&web) == rack(&db), "{web} {db}");
    }
}

#[test]
fn who_finds_no_room_beside_its_group_is_never_left_without_the_reason() {
    let waiting = |members: &[(&str, Value)]| {
        let servers = (1..).zip(members);
        let servers = servers.map(|(second, (name, spec))| server("kuldiga", name, second, spec));
        let (_, plan) = planned(&world(servers.collect()));
        let id = ServerId::new("kuldiga", members.last().expect("a member").0);
        plan.waiting[&DemandId::Server(id)].clone()
    };
    // Eight cores a host: the third of four cores has no room beside the others, and three hosts are empty.
    let shop = json!({"together": {"group": "shop", "by": "Host"}});
    let full = waiting(&[
        ("web", shop.clone()),
        ("db", shop.clone()),
        ("queue", shop.clone()),
    ]);
    let note = waits("kuldiga", &full);
    assert_eq!(note.reason, "HostFull");
    assert!(
        note.message.contains("its group stays together"),
        "{}",
        note.message
    );
    // Its own rules do not allow any host: only the one who wrote them can end this.
    let alone = json!({"together": {"group": "shop", "by": "Host"}, "apart": {"group": "db", "by": "Host"}});
    let never = waiting(&[("web", alone.clone()), ("db", alone)]);
    let note = waits("kuldiga", &never);
    assert!(note.message.contains("group"), "{}", note.message);
    assert!(
        crate::reconcile::virtual_server::place::needs_a_person(&never),
        "{never:?}"
    );
    // Who waits for room and is in no group is told of none.
    let large = json!({"resources": {"cores": 8, "memory": "100Gi"}});
    let many: Vec<(&str, Value)> = ["a", "b", "c", "d", "e"].map(|name| (name, large.clone())).into();
    assert!(!waits("kuldiga", &waiting(&many)).message.contains("group"));
}

#[test]
fn what_runs_is_never_moved_because_a_group_was_named_later() {
    let shop = json!({"together": {"group": "shop", "by": "Host"}});
    let at = |name: &str, second: u8, host: &str, rack: &str| {
        let mut object = serde_json::to_value(server("kuldiga", name, second, &shop).as_ref()).expect("JSON");
        object["status"] = json!({"observedGeneration": 1, "site": "kuldiga", "rack": rack, "host": host});
        made::<VirtualServer>(object)
    };
    let seen = world(vec![at("web", 1, "a1", "r1"), at("db", 2, "b2", "r2")]);
    let (_, plan) = planned(&seen);
    assert!(plan.moves.is_empty(), "{:?}", plan.moves);
    assert_eq!(
        (host(&plan, "kuldiga", "web"), host(&plan, "kuldiga", "db")),
        ("a1".into(), "b2".into())
    );
}

#[test]
fn servers_of_one_domain_never_wait_for_rooms_of_their_own() {
    let half = |domain: &str| json!({"apart": {"group": "db", "by": "Rack", "domain": domain}});
    let mut servers = vec![
        server("kuldiga", "a-1", 1, &half("a")),
        server("kuldiga", "a-2", 2, &half("a")),
        server("kuldiga", "b-1", 3, &half("b")),
        server("kuldiga", "b-2", 4, &half("b")),
    ];
    // Two racks, two halves: nobody waits, and the halves do not share a rack.
    let (fleet, plan) = planned(&world(servers.clone()));
    assert!(plan.waiting.is_empty(), "{:?}", plan.waiting);
    let rack = |name: &str| fleet.hosts[&host(&plan, "kuldiga", name)].rack.clone();
    assert_eq!((rack("a-1"), rack("b-1")), (rack("a-2"), rack("b-2")));
    assert_ne!(rack("a-1"), rack("b-1"));
    // One of no domain keeps apart from both.
    servers.push(server(
        "kuldiga",
        "c",
        5,
        &json!({"apart": {"group": "db", "by": "Rack"}}),
    ));
    let (_, plan) = planned(&world(servers));
    assert!(
        plan.waiting
            .contains_key(&DemandId::Server(ServerId::new("kuldiga", "c")))
    );
}
