//! Any fleet: its snapshot plans as it does, and without names it plans as it does up to the names. No I/O.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]
#![allow(
    clippy::too_many_lines,
    clippy::type_complexity,
    clippy::similar_names,
    reason = "a table of cases is one thing"
)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use raidc_cli::args::Redact;
use raidc_cli::documents::{self, Document, Origin};
use raidc_cli::objects::Objects;
use raidc_cli::world::World;
use raidc_cli::{redact, snapshot};
use serde_json::{Value, json};

const IMAGES: &str = "raidc-images";

/// What a fleet is drawn from.
#[derive(Clone, Debug)]
struct Draw {
    /// Letters that names begin with, so that their order is any.
    letters: Vec<String>,
    /// Per site: shared risks by number, racks, hosts per rack, state.
    sites: Vec<(Vec<u8>, u8, u8, u8)>,
    /// Copies and whether a policy avoids shared risks.
    policies: Vec<(u8, bool)>,
    /// Cores that tenants may use.
    tenants: Vec<u16>,
    /// Tenant, policy, cores, memory in GiB, group, tier, age, and where it is recorded (host, reserve), if anywhere.
    servers: Vec<(u8, u8, u8, u8, u8, u8, u8, Option<(u8, u8)>)>,
    /// Tenant, devices, spread.
    colocations: Vec<(u8, u8, u8)>,
    /// Host, cores in thousandths, whether it is the pod of a server (by number).
    pods: Vec<(u8, u16, Option<u8>)>,
}

fn draw() -> impl Strategy<Value = Draw> {
    let site = (prop::collection::vec(0..3_u8, 0..2), 1..3_u8, 1..4_u8, 0..8_u8);
    let server = (
        any::<u8>(),
        any::<u8>(),
        1..9_u8,
        1..33_u8,
        0..6_u8,
        1..6_u8,
        any::<u8>(),
        prop::option::of((any::<u8>(), any::<u8>())),
    );
    (
        prop::collection::vec("[a-z]{2}", 64),
        prop::collection::vec(site, 1..5),
        prop::collection::vec((1..4_u8, any::<bool>()), 1..4),
        prop::collection::vec(4..60_u16, 1..4),
        prop::collection::vec(server, 0..16),
        prop::collection::vec((any::<u8>(), 1..4_u8, 0..3_u8), 0..4),
        prop::collection::vec((any::<u8>(), 1..4000_u16, prop::option::of(any::<u8>())), 0..6),
    )
        .prop_map(
            |(letters, sites, policies, tenants, servers, colocations, pods)| Draw {
                letters,
                sites,
                policies,
                tenants,
                servers,
                colocations,
                pods,
            },
        )
}

fn pick<T>(all: &[T], number: u8) -> &T {
    &all[usize::from(number) % all.len()]
}

fn object(api_version: &str, kind: &str, metadata: &Value, spec: &Value, status: Option<Value>) -> Value {
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec});
    if let Some(status) = status {
        object["status"] = status;
    }
    object
}

/// Every name is of this fleet alone and no part of another, so that names can be exchanged in text.
fn build(draw: &Draw) -> Objects {
    const OURS: &str = "raidc.dev/v1alpha1";
    let mut named = 0_usize;
    let mut name = |what: &str| {
        named += 1;
        format!(
            "{}-{what}{named:03}",
            pick(&draw.letters, u8::try_from(named % 64).expect("small"))
        )
    };
    let mut items = Vec::new();
    let risks: Vec<String> = (0..3).map(|_| name("risk")).collect();
    let mut hosts: Vec<(String, String, String)> = Vec::new();
    let mut sites = Vec::new();
    for (own, racks, per_rack, state) in &draw.sites {
        let site = name("site");
        let shared: std::collections::BTreeSet<&String> =
            own.iter().map(|risk| pick(&risks, *risk)).collect();
        let state = ["Cordoned", "Draining", "Fenced"]
            .get(usize::from(*state))
            .unwrap_or(&"Active");
        let spec = json!({"storage": {"class": name("class")}, "sharedRisks": shared, "state": state, "displayName": "The Place"});
        items.push(object(OURS, "Site", &json!({"name": site}), &spec, None));
        for _ in 0..*racks {
            let rack = name("rack");
            let feed =
                |name: String, panel: String| json!({"name": name, "volts": 230, "amps": 10, "panel": panel});
            let spec = json!({
                "site": site, "hostDefaults": {"idleWatts": 100, "maxWatts": 400},
                "feeds": [feed(name("feed"), name("panel")), feed(name("feed"), name("panel"))],
                "occupied": [{"lowestUnit": 42, "by": "The Switch", "watts": 150}],
            });
            items.push(object(OURS, "Rack", &json!({"name": rack}), &spec, None));
            for _ in 0..*per_rack {
                let host = name("host");
                let labels = json!({
                    "topology.kubernetes.io/zone": site, "raidc.dev/rack": rack, "kubevirt.io/schedulable": "true", "other": "label",
                });
                let status = json!({
                    "allocatable": {"cpu": "8", "memory": "64Gi"}, "conditions": [{"type": "Ready", "status": "True"}],
                });
                items.push(object(
                    "v1",
                    "Node",
                    &json!({"name": host, "labels": labels}),
                    &json!({}),
                    Some(status),
                ));
                hosts.push((site.clone(), rack.clone(), host));
            }
        }
        sites.push(site);
    }
    let mut policies = Vec::new();
    for (copies, avoid) in &draw.policies {
        let policy = name("policy");
        let mut spec = json!({"copies": copies, "sharedRisks": if *avoid { "Avoid" } else { "Ignore" }});
        if *copies > 1 {
            spec["mode"] = json!("Async");
            spec["rpo"] = json!("15m");
        }
        items.push(object(
            OURS,
            "ReplicationPolicy",
            &json!({"name": policy}),
            &spec,
            None,
        ));
        policies.push(policy);
    }
    let mut namespaces = Vec::new();
    for (index, cores) in draw.tenants.iter().enumerate() {
        let tenant = name("tenant");
        let mut spec = json!({
            "displayName": "The Town", "quota": {"cores": cores}, "services": ["VirtualServers", "Colocation"], "defaultPolicy": policies[0],
            "admins": {"groups": ["The People"]},
        });
        let mut namespace = tenant.clone();
        if index % 2 == 1 {
            namespace = name("ns");
            spec["namespace"] = json!(namespace);
        }
        items.push(object(OURS, "Tenant", &json!({"name": tenant}), &spec, None));
        namespaces.push(namespace);
    }
    let groups: Vec<String> = (0..2).map(|_| name("group")).collect();
    let image = name("image");
    let in_images = json!({"name": image, "namespace": IMAGES});
    items.push(object(
        "cdi.kubevirt.io/v1beta1",
        "DataSource",
        &in_images,
        &json!({}),
        None,
    ));
    let mut servers = Vec::new();
    for (tenant, policy, cores, gib, group, tier, age, at) in &draw.servers {
        let (namespace, server) = (pick(&namespaces, *tenant).clone(), name("server"));
        let mut spec = json!({
            "resources": {"cores": cores, "memory": format!("{gib}Gi")}, "image": image, "policy": pick(&policies, *policy), "tier": tier,
            "purpose": "The Purpose",
        });
        if let Some(group) = groups.get(usize::from(*group)) {
            spec["apart"] = json!({"group": group, "by": if *age % 2 == 0 { "Host" } else { "Site" }});
        }
        let metadata = json!({
            "name": server, "namespace": namespace, "uid": server, "creationTimestamp": format!("2026-01-01T00:{:02}:00Z", age % 60),
            "annotations": {"note": "The Note"},
        });
        let status = at.map(|(at, reserve)| {
            let (site, rack, host) = pick(&hosts, at);
            let (there, other, backup) = pick(&hosts, reserve);
            let mut status = json!({"site": site, "rack": rack, "host": host, "coresMilli": i64::from(*cores) * 1000, "memoryMib": 1000});
            if site != there {
                status["reserved"] = json!({"site": there, "rack": other, "host": backup});
                status["copySites"] = json!([there]);
            }
            status
        });
        items.push(object(OURS, "VirtualServer", &metadata, &spec, status));
        servers.push((namespace, server));
    }
    for (tenant, devices, spread) in &draw.colocations {
        let metadata = json!({"name": name("colo"), "namespace": pick(&namespaces, *tenant)});
        let devices: Vec<Value> = (0..*devices)
            .map(|_| json!({"name": name("device"), "units": 1, "watts": 90, "feeds": 2}))
            .collect();
        let spec = json!({"devices": devices, "spread": pick(&["None", "Rack", "Site"], *spread)});
        items.push(object(OURS, "Colocation", &metadata, &spec, None));
    }
    for (index, (host, milli, of)) in draw.pods.iter().enumerate() {
        let mut metadata = json!({"name": format!("pod-{index}"), "namespace": "others"});
        if let Some(of) = of.filter(|_| !servers.is_empty()) {
            let (namespace, server) = pick(&servers, of);
            metadata["namespace"] = json!(namespace);
            metadata["labels"] = json!({"kubevirt.io": "virt-launcher", "raidc.dev/server": server});
        }
        let requests = json!({"cpu": format!("{milli}m"), "memory": format!("{milli}Mi")});
        let spec = json!({"nodeName": pick(&hosts, *host).2, "containers": [{"name": "c", "resources": {"requests": requests}}]});
        items.push(object("v1", "Pod", &metadata, &spec, None));
    }
    let document = |value| Document {
        origin: Origin::default(),
        value,
    };
    Objects::from_dump(items.into_iter().map(document).collect())
}

/// A plan with every name exchanged for its pseudonym; the digest of names goes.
fn exchanged(value: &Value, names: &BTreeMap<String, String>) -> Value {
    let text = |text: &str| {
        let mut out = String::new();
        let mut word = String::new();
        for c in text.chars().chain(['\n']) {
            if c.is_ascii_alphanumeric() || c == '-' {
                word.push(c);
            } else {
                out += names.get(&word).unwrap_or(&word);
                word.clear();
                out.push(c);
            }
        }
        out.pop();
        out
    };
    match value {
        Value::String(of) => Value::String(text(of)),
        Value::Array(items) => items.iter().map(|item| exchanged(item, names)).collect(),
        Value::Object(fields) => {
            let of = |(name, value): (&String, &Value)| (text(name), exchanged(value, names));
            fields.iter().filter(|(name, _)| *name != "id").map(of).collect()
        }
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_snapshot_never_plans_otherwise_than_the_fleet(draw in draw()) {
        let objects = build(&draw);
        let small = snapshot::of(&objects, IMAGES);
        let (whole, small) = (World::of(&objects, IMAGES), World::of(&small, IMAGES));
        prop_assert_eq!(&whole.fleet, &small.fleet);
        prop_assert_eq!(&whole.plan, &small.plan);
        prop_assert_eq!(&whole.faults, &Vec::<String>::new());
    }

    #[test]
    fn a_redacted_snapshot_never_plans_otherwise_but_for_the_names(draw in draw(), all in any::<bool>()) {
        let small = snapshot::of(&build(&draw), IMAGES);
        let whose = if all { Redact::All } else { Redact::Names };
        let (redacted, pseudonyms) = redact::of(&small, whose);
        let names: BTreeMap<String, String> = pseudonyms.into_values().flatten().collect();
        let plan = |objects: &Objects| serde_json::to_value(World::of(objects, IMAGES).plan).expect("a plan has a JSON form");
        let without_id = BTreeMap::new();
        prop_assert_eq!(exchanged(&plan(&small), &names), exchanged(&plan(&redacted), &without_id));
        // And nothing that a person wrote is left.
        let text = redacted.items.values().map(Value::to_string).collect::<String>();
        prop_assert!(!text.contains("The "), "{}", text);
        for name in names.keys() {
            prop_assert!(!text.contains(name.as_str()), "{} is in the redacted snapshot", name);
        }
    }

    #[test]
    fn no_text_ever_makes_the_reader_panic(text in "[-a-z:{}\\[\\]\n #\"'&*|>0-9]{0,80}") {
        let (mut documents, mut faults) = (Vec::new(), Vec::new());
        documents::parse("x", &text, &mut documents, &mut faults);
        let _judged = raidc_cli::written::check(documents, None);
    }
}
