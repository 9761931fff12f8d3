//! Decisions that were written and have not been seen back in a watch yet: assumed until they are. No I/O.

use std::collections::BTreeMap;

use kube::{Resource, ResourceExt};
use raidc_crds::virtual_server::Granted;
use raidc_crds::{Colocation, VirtualServer};
use raidc_planner::{DevicePosition, Placement};

/// What was decided about one object, and on which version of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Assumed<T> {
    decided: T,
    /// The version that the API server made of it; the watch shows this one or a later one.
    written: String,
}

/// Decisions by UID. An entry goes when the watch shows what was written, or the object is gone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overlay {
    /// Where it is, and with what it was let in.
    servers: BTreeMap<String, Assumed<(Placement, Option<Granted>)>>,
    colocations: BTreeMap<String, Assumed<BTreeMap<String, DevicePosition>>>,
}

impl Overlay {
    /// The assumed placement of a server.
    #[must_use]
    pub fn server(&self, server: &VirtualServer) -> Option<&Placement> {
        self.servers.get(&server.uid()?).map(|assumed| &assumed.decided.0)
    }

    /// With what a server of an assumed placement was let in.
    #[must_use]
    pub fn granted(&self, server: &VirtualServer) -> Option<&Granted> {
        self.servers.get(&server.uid()?)?.decided.1.as_ref()
    }

    /// The assumed positions of a colocation's devices.
    #[must_use]
    pub fn colocation(&self, colocation: &Colocation) -> Option<&BTreeMap<String, DevicePosition>> {
        self.colocations
            .get(&colocation.uid()?)
            .map(|assumed| &assumed.decided)
    }

    /// `placement` was written; `written` is what the API server answered.
    pub fn assume_server(&mut self, written: &VirtualServer, placement: Placement) {
        let granted = written.status.as_ref().and_then(|status| status.granted.clone());
        if let Some((uid, written)) = identity(written) {
            self.servers.insert(
                uid,
                Assumed {
                    decided: (placement, granted),
                    written,
                },
            );
        }
    }

    /// `positions` were written; `written` is what the API server answered.
    pub fn assume_colocation(&mut self, written: &Colocation, positions: BTreeMap<String, DevicePosition>) {
        if let Some((uid, written)) = identity(written) {
            self.colocations.insert(
                uid,
                Assumed {
                    decided: positions,
                    written,
                },
            );
        }
    }

    /// Drops what the watches have caught up with, and what is gone.
    pub fn confirm<'a>(
        &mut self,
        servers: impl Iterator<Item = &'a VirtualServer>,
        colocations: impl Iterator<Item = &'a Colocation>,
    ) {
        let servers: BTreeMap<_, _> = servers.filter_map(identity).collect();
        let colocations: BTreeMap<_, _> = colocations.filter_map(identity).collect();
        self.servers
            .retain(|uid, assumed| is_behind(servers.get(uid), &assumed.written));
        self.colocations
            .retain(|uid, assumed| is_behind(colocations.get(uid), &assumed.written));
    }

    /// How many decisions are assumed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.servers.len() + self.colocations.len()
    }

    /// Nothing is assumed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn identity<K: Resource>(object: &K) -> Option<(String, String)> {
    Some((
        object.meta().uid.clone()?,
        object.meta().resource_version.clone()?,
    ))
}

/// Whether the watch still shows an older version than the one written. Versions of one object compare as numbers
/// (Kubernetes promises it from 1.35 on, and etcd has always done so); anything else counts as caught up, because the watch
/// is the truth.
fn is_behind(seen: Option<&String>, written: &str) -> bool {
    let Some(seen) = seen else { return false };
    match (seen.parse::<u64>(), written.parse::<u64>()) {
        (Ok(seen), Ok(written)) => seen < written,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn server(version: &str) -> VirtualServer {
        serde_json::from_value(json!({
            "apiVersion": "raidc.dev/v1alpha1", "kind": "VirtualServer",
            "metadata": {"name": "a", "namespace": "n", "uid": "u1", "resourceVersion": version},
            "spec": {"size": "m", "image": "i"},
        }))
        .unwrap()
    }

    fn somewhere() -> Placement {
        Placement {
            site: "talsi".into(),
            ..Placement::default()
        }
    }

    #[test]
    fn a_decision_is_never_forgotten_before_the_watch_shows_it() {
        let mut overlay = Overlay::default();
        overlay.assume_server(&server("12"), somewhere());
        overlay.confirm([&server("9")].into_iter(), std::iter::empty());
        assert_eq!(overlay.server(&server("9")), Some(&somewhere()));
    }

    #[test]
    fn a_decision_is_never_held_against_what_the_watch_shows() {
        for later in ["12", "13", "100"] {
            let mut overlay = Overlay::default();
            overlay.assume_server(&server("12"), somewhere());
            overlay.confirm([&server(later)].into_iter(), std::iter::empty());
            assert!(overlay.is_empty(), "version {later} is not older than 12");
        }
    }

    #[test]
    fn a_deleted_object_leaves_nothing_behind() {
        let mut overlay = Overlay::default();
        overlay.assume_server(&server("12"), somewhere());
        overlay.confirm(std::iter::empty(), std::iter::empty());
        assert!(overlay.is_empty());
    }
}
