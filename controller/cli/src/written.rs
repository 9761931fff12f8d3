//! Documents that somebody wrote → objects that may be applied, or what is wrong with each. No I/O.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node;
use raidc_controller::inventory::VirtualMachineClusterInstancetype;
use raidc_crds::{Colocation, Drill, Failover, Rack, ReplicationPolicy, Site, Tenant, VirtualServer, names};
use serde_json::{Value, json};

use crate::documents::{Document, Fault, Origin};
use crate::kinds::{Id, Kind};
use crate::schema;

/// Objects as they were written, checked.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// With their defaults, and where each was written.
    pub objects: BTreeMap<Id, (Origin, Value)>,
    /// Documents of kinds that do not matter to a plan, by kind.
    pub ignored: BTreeMap<String, usize>,
}

/// Checks documents by themselves. All mistakes are found, not only the first.
pub fn check(documents: Vec<Document>, namespace: Option<&str>) -> Result<Written, Vec<Fault>> {
    let (mut written, mut faults) = (Written::default(), Vec::new());
    for Document { origin, value } in documents {
        match one(&value, namespace) {
            Ok(Some((id, value))) => match written.objects.get(&id) {
                Some((first, _)) => faults.push(Fault {
                    message: format!("is written twice, first in {first}: leave one of them"),
                    object: id.to_string(),
                    origin,
                }),
                None => {
                    written.objects.insert(id, (origin, value));
                }
            },
            Ok(None) => {
                let kind = value["kind"].as_str().unwrap_or_default().to_owned();
                *written.ignored.entry(kind).or_default() += 1;
            }
            Err((object, messages)) => faults.extend(messages.into_iter().map(|message| Fault {
                origin: origin.clone(),
                object: object.clone(),
                message,
            })),
        }
    }
    if faults.is_empty() {
        Ok(written)
    } else {
        Err(faults)
    }
}

type Wrong = (String, Vec<String>);

/// One object, or `None` when its kind does not matter here.
fn one(value: &Value, namespace: Option<&str>) -> Result<Option<(Id, Value)>, Wrong> {
    let nameless = |message: String| Err((String::new(), vec![message]));
    let word = |field: &str| value[field].as_str().filter(|word| !word.is_empty());
    let (Some(api_version), Some(kind_name)) = (word("apiVersion"), word("kind")) else {
        return nameless(
            "is no Kubernetes object: apiVersion and kind are missing; add them, or leave the file out"
                .to_owned(),
        );
    };
    let Some(kind) = Kind::of(api_version, kind_name) else {
        if api_version.split('/').next() == Some(names::GROUP) {
            return nameless(format!(
                "{api_version} {kind_name} is not known: the kinds of {}/{} are {}",
                names::GROUP,
                names::VERSION,
                Kind::ALL
                    .into_iter()
                    .filter(|kind| kind.is_ours())
                    .map(Kind::name)
                    .collect::<Vec<_>>()
                    .join(", ")
            ));
        }
        return Ok(None);
    };
    if matches!(kind, Kind::Pod | Kind::Machine) {
        return Ok(None);
    }
    let mut object = schema::with_defaults(kind, value);
    let metadata = &object["metadata"];
    if metadata["name"].as_str().is_none_or(str::is_empty) {
        return nameless(format!("a {kind_name} without metadata.name: give it a name"));
    }
    if kind.is_namespaced() && metadata["namespace"].as_str().is_none_or(str::is_empty) {
        match namespace {
            Some(namespace) => object["metadata"]["namespace"] = json!(namespace),
            None => {
                return Err((
                    format!("{kind_name} {}", metadata["name"].as_str().unwrap_or_default()),
                    vec!["says no namespace: add metadata.namespace, or give one with -n".to_owned()],
                ));
            }
        }
    }
    let id = Id::of(kind, &object);
    // As the API server: what is applied carries no status. A Node's is the only description of a host there is.
    if kind != Kind::Node
        && let Some(fields) = object.as_object_mut()
    {
        fields.remove("status");
    }
    let mut messages = schema::faults(kind, &object, None);
    messages.extend(bad_name(&id));
    if messages.is_empty() {
        messages.extend(untyped(kind, &object));
    }
    if messages.is_empty() {
        Ok(Some((id, object)))
    } else {
        Err((id.to_string(), messages))
    }
}

/// Kubernetes' own rule for names.
fn bad_name(id: &Id) -> Option<String> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = id.name.len() <= 253
        && id.name.chars().all(legal)
        && id.name.starts_with(ends)
        && id.name.ends_with(ends);
    (!good).then(|| {
        format!(
            "metadata.name: {:?} is no legal name: lower-case letters, digits, '-' and '.', at most 253",
            id.name
        )
    })
}

/// What the types of the inventory say, for what no schema says.
fn untyped(kind: Kind, object: &Value) -> Option<String> {
    fn read<K: serde::de::DeserializeOwned>(object: &Value) -> Option<String> {
        K::deserialize(object).err().map(|error| error.to_string())
    }
    match kind {
        Kind::Site => read::<Site>(object),
        Kind::Rack => read::<Rack>(object),
        Kind::ReplicationPolicy => read::<ReplicationPolicy>(object),
        Kind::Tenant => read::<Tenant>(object),
        Kind::VirtualServer => read::<VirtualServer>(object),
        Kind::Colocation => read::<Colocation>(object),
        Kind::Failover => read::<Failover>(object),
        Kind::Drill => read::<Drill>(object),
        Kind::Node => read::<Node>(object),
        Kind::Size => read::<VirtualMachineClusterInstancetype>(object),
        Kind::Image | Kind::Machine | Kind::Pod => None,
    }
}
