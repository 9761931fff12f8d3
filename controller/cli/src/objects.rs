//! The objects of a fleet, as they are or would be, and as the operator's inventory sees them. No I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Pod};
use raidc_controller::inventory::translate::Seen;
use raidc_controller::inventory::{VirtualMachine, VirtualMachineClusterInstancetype};
use raidc_crds::{Colocation, Rack, ReplicationPolicy, Site, Tenant, VirtualServer};
use raidc_planner::ServerId;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::documents::Document;
use crate::kinds::{Id, Kind};

/// The objects of a fleet.
#[derive(Clone, Debug, PartialEq)]
pub struct Objects {
    /// Each as JSON, with its status where it has one.
    pub items: BTreeMap<Id, Value>,
    /// Whether KubeVirt's kinds are served; without a cluster, the documents are all there is and they count as served.
    pub kubevirt: bool,
    /// The same of CDI.
    pub cdi: bool,
    /// Whether `items` were read from a cluster, so that a catalogue without images is an empty one rather than an unknown one.
    pub whole: bool,
}

impl Default for Objects {
    fn default() -> Self {
        Self {
            items: BTreeMap::new(),
            kubevirt: true,
            cdi: true,
            whole: false,
        }
    }
}

impl Objects {
    /// The objects of a snapshot or of any dump: taken as they are, because what is in a fleet already is not judged again. Kinds that do
    /// not matter are left out.
    #[must_use]
    pub fn from_dump(documents: Vec<Document>) -> Self {
        let mut objects = Self::default();
        for Document { value, .. } in documents {
            let word = |field: &str| value[field].as_str().unwrap_or_default();
            if let Some(kind) = Kind::of(word("apiVersion"), word("kind")) {
                objects.items.insert(Id::of(kind, &value), value);
            }
        }
        objects
    }

    /// Objects of one kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = (&Id, &Value)> {
        self.items.iter().filter(move |(id, _)| id.kind == kind)
    }

    /// How many objects of a kind there are.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        self.of(kind).count()
    }

    /// Whether the images are known; when not, every image counts as there.
    #[must_use]
    pub fn knows_images(&self) -> bool {
        self.whole || self.count(Kind::Image) > 0
    }

    /// As the operator's inventory sees them, and what of it cannot be read.
    #[must_use]
    pub fn seen(&self, image_namespace: &str) -> (Seen, Vec<String>) {
        let mut broken = Vec::new();
        let sites = self.typed(Kind::Site, &mut broken);
        let readable: BTreeSet<String> = sites
            .iter()
            .filter_map(|site: &Arc<Site>| site.metadata.name.clone())
            .collect();
        let seen = Seen {
            unreadable_sites: self
                .of(Kind::Site)
                .map(|(id, _)| id.name.clone())
                .filter(|name| !readable.contains(name))
                .collect(),
            sites,
            racks: self.typed::<Rack>(Kind::Rack, &mut broken),
            policies: self.typed::<ReplicationPolicy>(Kind::ReplicationPolicy, &mut broken),
            tenants: self.typed::<Tenant>(Kind::Tenant, &mut broken),
            servers: self.typed::<VirtualServer>(Kind::VirtualServer, &mut broken),
            colocations: self.typed::<Colocation>(Kind::Colocation, &mut broken),
            nodes: self.typed::<Node>(Kind::Node, &mut broken),
            pods: self.typed::<Pod>(Kind::Pod, &mut broken),
            vms: self.kubevirt.then(|| {
                let machines = self.typed::<VirtualMachine>(Kind::Machine, &mut broken);
                let named = |vm: Arc<VirtualMachine>| {
                    let (namespace, name) = (vm.metadata.namespace.clone(), vm.metadata.name.clone());
                    (
                        ServerId::new(namespace.unwrap_or_default(), name.unwrap_or_default()),
                        vm,
                    )
                };
                machines.into_iter().map(named).collect()
            }),
            sizes: self.kubevirt.then(|| {
                let catalogue = self.typed::<VirtualMachineClusterInstancetype>(Kind::Size, &mut broken);
                let named = |size: Arc<VirtualMachineClusterInstancetype>| {
                    (size.metadata.name.clone().unwrap_or_default(), size)
                };
                catalogue.into_iter().map(named).collect()
            }),
            images: self.cdi.then(|| self.images(image_namespace)),
            ..Seen::default()
        };
        (seen, broken)
    }

    /// Names of the catalogue's images; where no image is known at all, those that servers name.
    fn images(&self, image_namespace: &str) -> BTreeSet<String> {
        if self.knows_images() {
            self.of(Kind::Image)
                .filter(|(id, _)| id.namespace == image_namespace)
                .map(|(id, _)| id.name.clone())
                .collect()
        } else {
            self.of(Kind::VirtualServer)
                .filter_map(|(_, server)| server["spec"]["image"].as_str())
                .map(str::to_owned)
                .collect()
        }
    }

    fn typed<K: DeserializeOwned>(&self, kind: Kind, broken: &mut Vec<String>) -> Vec<Arc<K>> {
        let mut all = Vec::new();
        for (id, value) in self.of(kind) {
            match serde_json::from_value(value.clone()) {
                Ok(object) => all.push(Arc::new(object)),
                Err(error) => broken.push(format!(
                    "{id} in the fleet cannot be read ({error}): the plan does without it; correct the object"
                )),
            }
        }
        all
    }
}
