//! A snapshot without the names that people chose: pseudonyms of the same sort order, and no free text at all. No I/O.
//!
//! The planner breaks ties by name, so pseudonyms sort as the names do: a plan of the redacted snapshot is the plan of the original with
//! the names replaced. The same fleet always gives the same pseudonyms; another fleet gives others.

use std::collections::{BTreeMap, BTreeSet};

use raidc_crds::names;
use serde_json::{Map, Value, json};

use crate::args::Redact;
use crate::kinds::{Id, Kind};
use crate::objects::Objects;

/// What a name is a name of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Of {
    /// A municipality.
    Tenant,
    /// Its namespace.
    Namespace,
    /// A server.
    Server,
    /// A colocation.
    Colocation,
    /// An anti-affinity group.
    Group,
    /// A colocated device.
    Device,
    /// A disk of a server.
    Disk,
    /// A data centre.
    Site,
    /// A rack.
    Rack,
    /// A host.
    Host,
    /// A shared risk.
    Risk,
    /// A distribution panel.
    Panel,
    /// A feed of a rack.
    Feed,
    /// A class of storage or snapshots.
    Class,
    /// A class of protection.
    Policy,
    /// A size of the catalogue.
    Size,
    /// An image of the catalogue.
    Image,
}

impl Of {
    fn word(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Namespace => "ns",
            Self::Server => "server",
            Self::Colocation => "colo",
            Self::Group => "group",
            Self::Device => "device",
            Self::Disk => "disk",
            Self::Site => "site",
            Self::Rack => "rack",
            Self::Host => "host",
            Self::Risk => "risk",
            Self::Panel => "panel",
            Self::Feed => "feed",
            Self::Class => "class",
            Self::Policy => "policy",
            Self::Size => "size",
            Self::Image => "image",
        }
    }

    /// Whether a municipality chose it.
    fn is_tenants(self) -> bool {
        self <= Self::Disk
    }
}

/// Every name with its pseudonym.
pub type Pseudonyms = BTreeMap<Of, BTreeMap<String, String>>;

/// The snapshot with pseudonyms, and which they are.
#[must_use]
pub fn of(snapshot: &Objects, whose: Redact) -> (Objects, Pseudonyms) {
    let mut items: Vec<(Kind, Value)> = snapshot
        .items
        .iter()
        .map(|(id, object)| (id.kind, scrubbed(id.kind, object)))
        .collect();
    let mut found: BTreeMap<Of, BTreeSet<String>> = BTreeMap::new();
    for (kind, object) in &mut items {
        visit(*kind, object, &mut |of, name| {
            if whose == Redact::All || of.is_tenants() {
                found.entry(of).or_default().insert(name.clone());
            }
        });
    }
    let pseudonyms: Pseudonyms = found
        .into_iter()
        .map(|(of, names)| (of, numbered(of, names)))
        .collect();
    let mut redacted = Objects {
        items: BTreeMap::new(),
        ..snapshot.clone()
    };
    for (kind, mut object) in items {
        visit(kind, &mut object, &mut |of, name| {
            if let Some(pseudonym) = pseudonyms.get(&of).and_then(|names| names.get(name)) {
                name.clone_from(pseudonym);
            }
        });
        finish(kind, &mut object, whose);
        redacted.items.insert(Id::of(kind, &object), object);
    }
    (redacted, pseudonyms)
}

/// As many digits for each, so that the numbers sort as the names.
fn numbered(of: Of, names: BTreeSet<String>) -> BTreeMap<String, String> {
    let digits = names.len().to_string().len();
    names
        .into_iter()
        .enumerate()
        .map(|(index, name)| (name, format!("{}-{:0digits$}", of.word(), index + 1)))
        .collect()
}

/// Only the fields that a plan looks at: what is not listed here, also in later versions of the kinds, is left out.
fn scrubbed(kind: Kind, object: &Value) -> Value {
    let spec: &[&str] = match kind {
        Kind::Site => &[
            "ceilingPercent",
            "cpuOvercommitPercent",
            "sharedRisks",
            "storage",
            "state",
        ],
        Kind::Rack => &[
            "site",
            "units",
            "feeds",
            "deratePercent",
            "maxWatts",
            "sharedRisks",
            "hostDefaults",
            "hosts",
            "occupied",
        ],
        Kind::ReplicationPolicy => &["copies", "mode", "rpo", "sharedRisks", "sync", "failover"],
        Kind::Tenant => &["namespace", "quota", "services", "defaultPolicy"],
        Kind::VirtualServer => &[
            "size",
            "resources",
            "image",
            "policy",
            "power",
            "rootDisk",
            "disks",
            "sites",
            "apart",
            "together",
            "tier",
        ],
        Kind::Colocation => &["devices", "spread", "sites"],
        Kind::Node => &["unschedulable", "taints"],
        Kind::Size => &["cpu", "memory"],
        Kind::Pod => &["nodeName", "containers"],
        Kind::Image | Kind::Machine | Kind::Failover | Kind::Drill => &[],
    };
    let mut object = object.clone();
    if let Some(fields) = object["spec"].as_object_mut() {
        fields.retain(|name, _| spec.contains(&name.as_str()));
    }
    if kind == Kind::Tenant && object["spec"].is_object() && object["spec"]["namespace"].is_null() {
        object["spec"]["namespace"] = object["metadata"]["name"].clone();
    }
    for occupied in list(&mut object["spec"], "occupied") {
        occupied["by"] = json!("other");
    }
    object
}

fn finish(kind: Kind, object: &mut Value, whose: Redact) {
    if kind == Kind::Tenant && object["spec"].is_object() {
        object["spec"]["displayName"] = object["metadata"]["name"].clone();
    }
    if kind == Kind::Node && whose == Redact::All {
        for taint in list(&mut object["spec"], "taints") {
            taint["key"] = json!("taint");
        }
    }
}

fn list<'a>(fields: &'a mut Value, name: &str) -> &'a mut [Value] {
    fields
        .get_mut(name)
        .and_then(Value::as_array_mut)
        .map_or(&mut [], Vec::as_mut_slice)
}

type Visit<'a> = &'a mut dyn FnMut(Of, &mut String);

fn one(fields: &mut Value, name: &str, of: Of, visit: Visit<'_>) {
    if let Some(Value::String(text)) = fields.get_mut(name)
        && !text.is_empty()
    {
        visit(of, text);
    }
}

fn many(fields: &mut Value, name: &str, of: Of, visit: Visit<'_>) {
    for item in list(fields, name) {
        if let Value::String(text) = item {
            visit(of, text);
        }
    }
}

/// Every name in an object: the only place that knows where names are.
fn visit(kind: Kind, object: &mut Value, f: Visit<'_>) {
    let Some(fields) = object.as_object_mut() else {
        return;
    };
    let mut part = |name: &str| fields.get_mut(name).map(Value::take).unwrap_or_default();
    let (mut metadata, mut spec, mut status) = (part("metadata"), part("spec"), part("status"));
    if matches!(kind, Kind::VirtualServer | Kind::Colocation) {
        one(&mut metadata, "namespace", Of::Namespace, f);
    }
    let own = match kind {
        Kind::Site => Some(Of::Site),
        Kind::Rack => Some(Of::Rack),
        Kind::ReplicationPolicy => Some(Of::Policy),
        Kind::Tenant => Some(Of::Tenant),
        Kind::Node | Kind::Pod => Some(Of::Host),
        Kind::Size => Some(Of::Size),
        Kind::Image => Some(Of::Image),
        Kind::VirtualServer => Some(Of::Server),
        Kind::Colocation => Some(Of::Colocation),
        Kind::Machine | Kind::Failover | Kind::Drill => None,
    };
    if let Some(own) = own {
        one(&mut metadata, "name", own, f);
    }
    match kind {
        Kind::Site => {
            many(&mut spec, "sharedRisks", Of::Risk, f);
            if let Some(storage) = spec.get_mut("storage") {
                for class in ["class", "snapshotClass", "transferClass"] {
                    one(storage, class, Of::Class, f);
                }
            }
        }
        Kind::Rack => {
            one(&mut spec, "site", Of::Site, f);
            many(&mut spec, "sharedRisks", Of::Risk, f);
            for feed in list(&mut spec, "feeds") {
                one(feed, "name", Of::Feed, f);
                one(feed, "panel", Of::Panel, f);
            }
            for host in list(&mut spec, "hosts") {
                one(host, "node", Of::Host, f);
            }
        }
        Kind::ReplicationPolicy => {
            if let Some(sync) = spec.get_mut("sync") {
                for class in list(sync, "storageClasses") {
                    one(class, "class", Of::Class, f);
                    many(class, "sites", Of::Site, f);
                }
            }
        }
        Kind::Tenant => {
            one(&mut spec, "namespace", Of::Namespace, f);
            one(&mut spec, "defaultPolicy", Of::Policy, f);
        }
        Kind::Node => {
            if let Some(labels) = metadata.get_mut("labels") {
                one(labels, names::SITE_LABEL, Of::Site, f);
                one(labels, names::RACK_LABEL, Of::Rack, f);
            }
        }
        Kind::Pod => one(&mut spec, "nodeName", Of::Host, f),
        Kind::VirtualServer => server(&mut spec, &mut status, f),
        Kind::Colocation => {
            many(&mut spec, "sites", Of::Site, f);
            for device in list(&mut spec, "devices") {
                one(device, "name", Of::Device, f);
            }
            for device in list(&mut status, "devices") {
                one(device, "name", Of::Device, f);
                one(device, "site", Of::Site, f);
                one(device, "rack", Of::Rack, f);
            }
        }
        Kind::Size | Kind::Image | Kind::Machine | Kind::Failover | Kind::Drill => {}
    }
    put(
        fields,
        [("metadata", metadata), ("spec", spec), ("status", status)],
    );
}

fn put(fields: &mut Map<String, Value>, parts: [(&str, Value); 3]) {
    for (name, part) in parts {
        if !part.is_null() {
            fields.insert(name.to_owned(), part);
        }
    }
}

fn server(spec: &mut Value, status: &mut Value, f: Visit<'_>) {
    one(spec, "size", Of::Size, f);
    one(spec, "image", Of::Image, f);
    one(spec, "policy", Of::Policy, f);
    many(spec, "sites", Of::Site, f);
    for disk in list(spec, "disks") {
        one(disk, "name", Of::Disk, f);
    }
    if let Some(apart) = spec.get_mut("apart") {
        one(apart, "group", Of::Group, f);
        one(apart, "domain", Of::Group, f);
    }
    if let Some(together) = spec.get_mut("together") {
        one(together, "group", Of::Group, f);
    }
    many(status, "copySites", Of::Site, f);
    if let Some(granted) = status.get_mut("granted") {
        one(granted, "size", Of::Size, f);
        let named = |disk: &&mut Value| disk["name"] != names::ROOT_DISK;
        for disk in list(granted, "disks").iter_mut().filter(named) {
            one(disk, "name", Of::Disk, f);
        }
    }
    place(status, f);
    if let Some(reserved) = status.get_mut("reserved") {
        place(reserved, f);
    }
}

fn place(fields: &mut Value, f: Visit<'_>) {
    one(fields, "site", Of::Site, f);
    one(fields, "rack", Of::Rack, f);
    one(fields, "host", Of::Host, f);
}
