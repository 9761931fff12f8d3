//! Bad input never stops the others, never panics, and never makes the planner forget what is recorded.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Pod};
use raidc_crds::{Rack, Site, VirtualServer};

use super::*;
use crate::foreign::kubevirt::VirtualMachine;
use crate::inventory::stores::Backend;
use serde_json::{Value, json};

pub(crate) fn made<K: serde::de::DeserializeOwned>(value: Value) -> Arc<K> {
    Arc::new(serde_json::from_value(value).expect("an object"))
}

pub(crate) fn site(name: &str) -> Arc<Site> {
    made(json!({
        "apiVersion": "raidc.dev/v1alpha1", "kind": "Site", "metadata": {"name": name},
        "spec": {"storage": {"class": "fast"}},
    }))
}

pub(crate) fn rack(name: &str, site: &str, more: &Value) -> Arc<Rack> {
    let mut spec = json!({
        "site": site,
        "feeds": [{"name": "a", "volts": 230, "amps": 16}, {"name": "b", "volts": 400, "amps": 16, "phases": 3}],
        "hostDefaults": {"idleWatts": 100, "maxWatts": 400},
    });
    for (key, value) in more.as_object().expect("an object") {
        spec[key] = value.clone();
    }
    made(
        json!({"apiVersion": "raidc.dev/v1alpha1", "kind": "Rack", "metadata": {"name": name}, "spec": spec}),
    )
}

pub(crate) fn node(name: &str, labels: &Value) -> Arc<Node> {
    let mut all = json!({"kubevirt.io/schedulable": "true"});
    for (key, value) in labels.as_object().expect("an object") {
        all[key] = value.clone();
    }
    made(json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": all},
        "status": {
            "allocatable": {"cpu": "32", "memory": "128Gi"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }))
}

pub(crate) fn placed(name: &str, site: &str, rack: &str, host: &str) -> Value {
    json!({
        "apiVersion": "raidc.dev/v1alpha1", "kind": "VirtualServer",
        "metadata": {"name": name, "namespace": "kuldiga", "uid": name},
        "spec": {"size": "m-4", "image": "debian-13"},
        "status": {
            "observedGeneration": 1, "site": site, "rack": rack, "host": host,
            "copySites": ["talsi"], "coresMilli": 4000, "memoryMib": 16700,
        },
    })
}

pub(crate) fn waiting(name: &str) -> Value {
    let mut server = placed(name, "", "", "");
    server["status"] = json!({"observedGeneration": -1});
    server
}

/// Two sites, a rack in each, a tenant, a policy, a size and an image.
pub(crate) fn world() -> Seen {
    let size = made(json!({
        "apiVersion": "instancetype.kubevirt.io/v1beta1", "kind": "VirtualMachineClusterInstancetype",
        "metadata": {"name": "m-4"}, "spec": {"cpu": {"guest": 4}, "memory": {"guest": "16Gi"}},
    }));
    Seen {
        sites: vec![site("kuldiga"), site("talsi")],
        racks: vec![
            rack("kuldiga-r1", "kuldiga", &json!({})),
            rack("talsi-r1", "talsi", &json!({})),
        ],
        policies: vec![made(json!({
            "apiVersion": "raidc.dev/v1alpha1", "kind": "ReplicationPolicy", "metadata": {"name": "silver"},
            "spec": {"copies": 2, "mode": "Async", "rpo": "15m", "failover": {"rto": "5m"}},
        }))],
        tenants: vec![made(json!({
            "apiVersion": "raidc.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": "kuldiga"},
            "spec": {"displayName": "Kuldīga", "defaultPolicy": "silver", "quota": {"memory": "640Gi"}},
        }))],
        nodes: vec![
            node("k1", &labels("kuldiga", "kuldiga-r1")),
            node("t1", &labels("talsi", "talsi-r1")),
        ],
        vms: Some(BTreeMap::new()),
        sizes: Some([("m-4".to_owned(), size)].into()),
        images: Some(["debian-13".to_owned()].into()),
        claims: Some(Vec::new()),
        data_volumes: Some(Vec::new()),
        ..Seen::default()
    }
}

pub(crate) fn labels(site: &str, rack: &str) -> Value {
    json!({"topology.kubernetes.io/zone": site, "raidc.dev/rack": rack})
}

fn reason(notes: &Notes, node: &str) -> &'static str {
    notes.nodes.get(&node.into()).map_or("", |note| note.note.reason)
}

pub(crate) fn id(name: &str) -> ServerId {
    ServerId::new("kuldiga", name)
}

#[test]
fn a_good_world_leaves_nothing_out() {
    let mut seen = world();
    seen.servers = vec![made(waiting("web"))];
    let (fleet, notes) = translate(&seen);
    assert_eq!(notes, Notes::default());
    let server = &fleet.servers[&id("web")];
    assert_eq!(
        (server.cpu_milli, server.memory_mib, server.copies),
        (4000, 16384, 2)
    );
    assert!(server.warm && server.overhead_mib > 200 && server.current.is_none());
    assert_eq!(server.storage_mib, 20 * 1024);
    let host = &fleet.hosts[&"k1".into()];
    assert_eq!((host.cpu_milli, host.memory_mib), (32_000, 131_072));
    assert_eq!(
        (host.idle_watts, host.max_watts, host.watts_known),
        (100, 400, true)
    );
    // 230 V x 16 A, and 400 V x 16 A x the square root of three.
    let feeds: Vec<i64> = fleet.racks[&"kuldiga-r1".into()]
        .feeds
        .iter()
        .map(|f| f.watts)
        .collect();
    assert_eq!(feeds, [3680, 11084]);
    assert_eq!(
        fleet.tenants[&"kuldiga".into()].quota.memory_mib,
        Some(640 * 1024)
    );
}

#[test]
fn a_node_claimed_by_two_racks_takes_nothing_new_and_forgets_nothing() {
    let mut seen = world();
    let claim = json!({"hosts": [{"node": "k1"}]});
    seen.racks.push(rack("kuldiga-r2", "kuldiga", &claim));
    seen.servers = vec![made(placed("web", "kuldiga", "kuldiga-r1", "k1"))];
    let (fleet, notes) = translate(&seen);
    assert_eq!(reason(&notes, "k1"), "ClaimedByTwoRacks");
    assert_eq!(notes.nodes[&"k1".into()].site, Some("kuldiga".into()));
    let racks: Vec<_> = notes
        .racks
        .iter()
        .map(|(rack, note)| (rack.as_str(), note.reason))
        .collect();
    let reason = "ClaimedByTwoRacks";
    assert_eq!(racks, [("kuldiga-r1", reason), ("kuldiga-r2", reason)]);
    assert_eq!(fleet.hosts[&"k1".into()].usable, HostUse::Unknown);
    assert_eq!(fleet.hosts[&"t1".into()].usable, HostUse::Usable);
    let plan = raidc_planner::plan(&fleet, &raidc_planner::PlanOptions::default());
    assert_eq!(plan.servers[&id("web")].placement.host, "k1".into());
}

#[test]
fn a_node_without_labels_is_named_and_the_rest_go_on() {
    for (labels, expected, site) in [
        (json!({}), "NoSiteLabel", None),
        (
            json!({"raidc.dev/rack": "kuldiga-r1"}),
            "NoSiteLabel",
            Some("kuldiga"),
        ),
        (
            json!({"topology.kubernetes.io/zone": "kuldiga"}),
            "NoRackLabel",
            Some("kuldiga"),
        ),
        (labels("nowhere", "kuldiga-r1"), "UnknownSite", Some("kuldiga")),
        (labels("nowhere", "nothing"), "UnknownSite", None),
        (labels("kuldiga", "nothing"), "UnknownRack", Some("kuldiga")),
        (labels("kuldiga", "talsi-r1"), "RackOfOtherSite", Some("kuldiga")),
    ] {
        let mut seen = world();
        seen.nodes.push(node("n1", &labels));
        let (fleet, notes) = translate(&seen);
        assert_eq!(reason(&notes, "n1"), expected, "{labels}");
        assert_eq!(
            notes.nodes[&"n1".into()].site,
            site.map(SiteName::from),
            "{labels}"
        );
        let usable = fleet.hosts.get(&"n1".into()).map(|host| host.usable);
        assert!(usable.is_none_or(|usable| usable == HostUse::Unknown), "{labels}");
        assert_eq!(fleet.hosts[&"k1".into()].usable, HostUse::Usable, "{labels}");
    }
}

#[test]
fn a_node_that_lost_its_labels_never_loses_its_servers() {
    let mut seen = world();
    seen.nodes[0] = node("k1", &json!({}));
    seen.servers = vec![made(placed("web", "kuldiga", "kuldiga-r1", "k1"))];
    let (fleet, _) = translate(&seen);
    let plan = raidc_planner::plan(&fleet, &raidc_planner::PlanOptions::default());
    assert_eq!(plan.servers[&id("web")].placement.host, "k1".into());
    assert!(plan.moves.is_empty(), "{:?}", plan.moves);
}

#[test]
fn a_site_that_cannot_be_read_is_never_taken_for_empty() {
    let mut seen = world();
    seen.sites.remove(0);
    seen.unreadable_sites = ["kuldiga".to_owned()].into();
    seen.servers = vec![made(placed("web", "kuldiga", "kuldiga-r1", "k1"))];
    let (fleet, _) = translate(&seen);
    assert_eq!(fleet.sites[&"kuldiga".into()].state, State::Unknown);
    let plan = raidc_planner::plan(&fleet, &raidc_planner::PlanOptions::default());
    assert_eq!(plan.servers[&id("web")].placement.site, "kuldiga".into());
}

#[test]
fn nodes_that_cannot_run_servers_are_never_usable() {
    let ready = |status: &str| json!([{"type": "Ready", "status": status}]);
    for (path, value, expected) in [
        (
            "/status/conditions",
            ready("False"),
            ("NotReady", HostUse::NotReady),
        ),
        (
            "/status/conditions",
            ready("Unknown"),
            ("ReadinessUnknown", HostUse::Unknown),
        ),
        (
            "/status/conditions",
            json!([]),
            ("ReadinessUnknown", HostUse::Unknown),
        ),
        (
            "/spec",
            json!({"unschedulable": true}),
            ("Cordoned", HostUse::Cordoned),
        ),
        (
            "/spec",
            json!({"taints": [{"key": "db", "effect": "NoSchedule"}]}),
            ("Tainted", HostUse::Cordoned),
        ),
        (
            "/spec",
            json!({"taints": [{"key": "db", "effect": "NoSchedule"}, {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]}),
            ("NotReady", HostUse::NotReady),
        ),
        (
            "/metadata/labels/kubevirt.io~1schedulable",
            json!("false"),
            ("NoKubeVirt", HostUse::NotReady),
        ),
    ] {
        let mut seen = world();
        let mut json = serde_json::to_value(seen.nodes[0].as_ref()).expect("JSON");
        if path == "/spec" {
            json["spec"] = value;
        } else {
            *json.pointer_mut(path).expect(path) = value;
        }
        seen.nodes[0] = made(json);
        let (fleet, notes) = translate(&seen);
        let host = &fleet.hosts[&"k1".into()];
        assert_eq!((reason(&notes, "k1"), host.usable), expected);
    }
}

#[test]
fn a_site_of_which_no_host_can_be_read_is_never_taken_for_down_unless_a_person_says_so() {
    let mut seen = world();
    let silent = |node: &Arc<Node>| {
        let mut json = serde_json::to_value(node.as_ref()).expect("JSON");
        json["status"]["conditions"] = json!([{"type": "Ready", "status": "Unknown"}]);
        made::<Node>(json)
    };
    let site = translate(&seen).0.hosts[&"k1".into()].site.clone();
    seen.nodes = seen.nodes.iter().map(silent).collect();
    assert_eq!(translate(&seen).0.sites[&site].state, State::Unknown);
    for (at, state) in [("Draining", State::Unknown), ("Fenced", State::Fenced)] {
        let mut seen = world();
        seen.nodes = seen.nodes.iter().map(silent).collect();
        for site in &mut seen.sites {
            let mut json = serde_json::to_value(site.as_ref()).expect("JSON");
            json["spec"]["state"] = json!(at);
            *site = made(json);
        }
        assert_eq!(translate(&seen).0.sites[&site].state, state, "{at}");
    }
}

#[test]
fn a_rack_of_an_unknown_site_is_named_and_the_rest_go_on() {
    let mut seen = world();
    seen.racks.push(rack("lost-r1", "nowhere", &json!({})));
    let (fleet, notes) = translate(&seen);
    assert_eq!(notes.racks[&"lost-r1".into()].reason, "UnknownSite");
    assert_eq!(notes.racks.len(), 1);
    let plan = raidc_planner::plan(&fleet, &raidc_planner::PlanOptions::default());
    assert!(plan.problems.iter().any(|problem| problem.what == "rack/lost-r1"));
}

#[test]
fn negative_numbers_never_make_room() {
    let mut seen = world();
    let bad = json!({"units": -1, "deratePercent": -80, "maxWatts": -5, "hostDefaults": {"idleWatts": -9, "maxWatts": -9}});
    seen.racks[0] = rack("kuldiga-r1", "kuldiga", &bad);
    let mut server = waiting("web");
    server["spec"] = json!({"resources": {"cores": -4, "memory": "-16Gi"}, "image": "debian-13"});
    seen.servers = vec![made(server), made(waiting("good"))];
    let mut node = serde_json::to_value(seen.nodes[0].as_ref()).expect("JSON");
    node["status"]["allocatable"] = json!({"cpu": "-3", "memory": "soup"});
    seen.nodes[0] = made(node);
    let (fleet, notes) = translate(&seen);
    assert_eq!(notes.servers[&id("web")].reason, "MalformedObject");
    assert!(!fleet.servers.contains_key(&id("web")));
    let plan = raidc_planner::plan(&fleet, &raidc_planner::PlanOptions::default());
    assert_eq!(raidc_planner::check(&fleet, &plan), vec![]);
    let on_bad = |server: &raidc_planner::ServerPlan| server.placement.host == "k1".into();
    assert!(!plan.servers.values().any(on_bad));
}

#[test]
fn who_cannot_be_served_is_told_why_and_never_stops_the_others() {
    let with = |path: &str, value: Value| {
        let mut server = waiting("web");
        server["spec"][path] = value;
        server
    };
    for (server, expected) in [
        (with("policy", json!("platinum")), "UnknownPolicy"),
        (with("size", json!("giant")), "UnknownSize"),
        (with("image", json!("cp-m")), "UnknownImage"),
        (with("rootDisk", json!({"size": "soup"})), "MalformedObject"),
    ] {
        let mut seen = world();
        seen.servers = vec![made(server), made(waiting("good"))];
        let (fleet, notes) = translate(&seen);
        assert_eq!(notes.servers[&id("web")].reason, expected);
        assert!(!fleet.servers.contains_key(&id("web")));
        assert!(fleet.servers.contains_key(&id("good")));
    }
}

#[test]
fn what_has_a_place_keeps_counting_when_its_words_are_no_longer_known() {
    let mut server = placed("web", "kuldiga", "kuldiga-r1", "k1");
    server["spec"]["size"] = json!("giant");
    server["spec"]["policy"] = json!("platinum");
    let mut seen = world();
    seen.servers = vec![made(server)];
    let (fleet, notes) = translate(&seen);
    assert_eq!(notes.servers[&id("web")].reason, "UnknownSize");
    let counted = &fleet.servers[&id("web")];
    assert_eq!(
        (counted.cpu_milli, counted.memory_mib, counted.copies),
        (4000, 16700, 2)
    );
}

#[test]
fn nobody_is_served_without_a_tenant_that_took_the_service() {
    let mut seen = world();
    let mut stranger = waiting("web");
    stranger["metadata"]["namespace"] = json!("default");
    seen.servers = vec![made(stranger)];
    seen.colocations = vec![made(json!({
        "apiVersion": "raidc.dev/v1alpha1", "kind": "Colocation",
        "metadata": {"name": "fw", "namespace": "kuldiga"},
        "spec": {"devices": [{"name": "a", "units": 1, "watts": 120}]},
    }))];
    let (fleet, notes) = translate(&seen);
    assert_eq!(notes.servers[&ServerId::new("default", "web")].reason, "NoTenant");
    assert_eq!(
        notes.colocations[&ColocationId::new("kuldiga", "fw")].reason,
        "ServiceNotEnabled"
    );
    assert!(fleet.servers.is_empty() && fleet.colocations.is_empty());
}

#[test]
fn without_kubevirt_nothing_new_is_placed_and_nothing_is_forgotten() {
    let mut seen = world();
    (seen.vms, seen.sizes, seen.images) = (None, None, None);
    seen.servers = vec![
        made(waiting("new")),
        made(placed("old", "kuldiga", "kuldiga-r1", "k1")),
    ];
    let (fleet, notes) = translate(&seen);
    assert_eq!(notes.servers[&id("new")].reason, "BackendUnavailable");
    assert!(
        notes.servers[&id("new")]
            .message
            .contains(Backend::KubeVirt.name())
    );
    assert!(!fleet.servers.contains_key(&id("new")));
    assert_eq!(fleet.servers[&id("old")].cpu_milli, 4000);
}

#[test]
fn pods_of_others_are_counted_and_ours_are_not_counted_twice() {
    let pod = |name: &str, labels: Value| -> Arc<Pod> {
        made(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "kuldiga", "labels": labels},
            "spec": {
                "nodeName": "k1", "overhead": {"memory": "10Mi"},
                "containers": [{"name": "c", "resources": {"requests": {"cpu": "250m", "memory": "100Mi"}}}],
                "initContainers": [
                    {"name": "side", "restartPolicy": "Always", "resources": {"requests": {"cpu": "50m"}}},
                    {"name": "first", "resources": {"requests": {"cpu": "1", "memory": "64Mi"}}},
                ],
            },
        }))
    };
    let ours = json!({"kubevirt.io": "virt-launcher", "raidc.dev/server": "web"});
    let mut seen = world();
    seen.servers = vec![made(placed("web", "kuldiga", "kuldiga-r1", "k1"))];
    seen.pods = vec![pod("other", json!({})), pod("launcher", ours)];
    let (fleet, _) = translate(&seen);
    let host = &fleet.hosts[&"k1".into()];
    assert_eq!((host.taken_cpu_milli, host.taken_memory_mib), (1050, 110));
    // The machine of a server that is not counted as one draws on its node all the same.
    seen.servers.clear();
    let (fleet, _) = translate(&seen);
    assert_eq!(fleet.hosts[&"k1".into()].taken_cpu_milli, 2100);
}

#[test]
fn a_lost_status_is_taken_from_the_machine_and_never_decided_anew() {
    let machine = |uid: &str| {
        let expression = |key: &str, value: &str| json!({"key": key, "operator": "In", "values": [value]});
        made::<VirtualMachine>(json!({
            "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine",
            "metadata": {
                "name": "web", "namespace": "kuldiga", "labels": {"raidc.dev/server-uid": uid},
                "annotations": {
                    "raidc.dev/epoch": "7", "raidc.dev/host": "t1", "raidc.dev/backup-host": "kuldiga/kuldiga-r1/k1",
                    "raidc.dev/copy-sites": "kuldiga",
                },
            },
            "spec": {"template": {"spec": {"domain": {"devices": {}}, "affinity": {"nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [
                    expression("topology.kubernetes.io/zone", "talsi"), expression("raidc.dev/rack", "talsi-r1"),
                ]}]},
            }}}}},
        }))
    };
    let mut seen = world();
    seen.servers = vec![made(waiting("web"))];
    seen.vms = Some([(id("web"), machine("web"))].into());
    let (fleet, _) = translate(&seen);
    let current = fleet.servers[&id("web")].current.clone().expect("adopted");
    assert_eq!((current.site, current.rack), ("talsi".into(), "talsi-r1".into()));
    assert_eq!(
        (current.host, current.backup),
        (Some("t1".into()), Some("k1".into()))
    );
    assert_eq!(current.copy_sites, ["kuldiga".into()].into());
    let plan = raidc_planner::plan(&fleet, &raidc_planner::PlanOptions::default());
    let written = crate::placement::wanted(
        &seen,
        &fleet,
        &plan,
        &Notes::default(),
        jiff::Timestamp::UNIX_EPOCH,
    );
    let [crate::placement::Wanted::Server { status, .. }] = written.as_slice() else {
        panic!("one server");
    };
    assert_eq!((status.site.as_deref(), status.epoch), (Some("talsi"), Some(7)));
    // The machine of an earlier server of the same name says nothing.
    seen.vms = Some([(id("web"), machine("another"))].into());
    let (fleet, _) = translate(&seen);
    assert_eq!(fleet.servers[&id("web")].current, None);
}

#[test]
fn what_was_written_is_assumed_before_the_watch_shows_it() {
    let mut seen = world();
    let mut written = waiting("web");
    written["metadata"]["resourceVersion"] = json!("7");
    let written: Arc<VirtualServer> = made(written);
    let somewhere = raidc_planner::Placement {
        site: "talsi".into(),
        rack: "talsi-r1".into(),
        ..Default::default()
    };
    seen.overlay.assume_server(&written, somewhere.clone());
    seen.servers = vec![made(waiting("web"))];
    let (fleet, _) = translate(&seen);
    assert_eq!(fleet.servers[&id("web")].current, Some(somewhere));
}

#[test]
fn synchronous_copies_are_never_looked_for_across_storage_classes() {
    let mut seen = world();
    seen.policies.push(made(json!({
        "apiVersion": "raidc.dev/v1alpha1", "kind": "ReplicationPolicy", "metadata": {"name": "gold"},
        "spec": {"copies": 2, "mode": "Sync", "sync": {"storageClasses": [
            {"class": "west", "sites": ["kuldiga", "ventspils"]},
            {"class": "east", "sites": ["liepaja", "talsi"]},
        ]}},
    })));
    let mut gold = waiting("web");
    gold["spec"]["policy"] = json!("gold");
    seen.servers = vec![made(gold), made(waiting("silver"))];
    let (fleet, _) = translate(&seen);
    let sets = [["kuldiga", "ventspils"], ["liepaja", "talsi"]];
    let sets: Vec<raidc_planner::SiteSet> = sets.map(|sites| sites.map(SiteName::from).into()).into();
    assert_eq!(fleet.servers[&id("web")].site_sets, sets);
    assert!(fleet.servers[&id("silver")].site_sets.is_empty());
    // One class holds one of the two sites there are, the other the other.
    let plan = raidc_planner::plan(&fleet, &raidc_planner::PlanOptions::default());
    assert_eq!(raidc_planner::check(&fleet, &plan), vec![]);
    assert!(!plan.servers.contains_key(&id("web")));
}

#[path = "granted_tests.rs"]
mod granted;
