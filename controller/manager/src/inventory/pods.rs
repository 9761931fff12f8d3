//! What pods that are not ours do to each node. No I/O.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod};
use kube::ResourceExt;
use raidc_crds::names;
use raidc_planner::{Fleet, ServerId};

use super::amounts::{self, Round, mib, milli};
use super::translate::Seen;

/// KubeVirt's label of the pods that its machines run in: `kubevirt.io=virt-launcher`.
const KUBEVIRT_LABEL: &str = "kubevirt.io";
/// Owners whose pods are on a node because the node is there: they never keep it on.
const OF_THE_NODE: [&str; 2] = ["DaemonSet", "Node"];

/// What pods that are not ours do to a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Thousandths of a core that they ask for.
    pub cpu_milli: i64,
    /// MiB that they ask for.
    pub memory_mib: i64,
    /// One of them at least could run elsewhere, so that the node is on for its sake.
    pub keeps_on: bool,
}

/// What pods that are not ours ask of each node.
#[must_use]
pub fn taken(seen: &Seen, fleet: &Fleet) -> BTreeMap<String, Taken> {
    let mut taken: BTreeMap<String, Taken> = BTreeMap::new();
    for pod in &seen.pods {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
        let Some(node) = node.filter(|_| !is_ours(pod, fleet)) else {
            continue;
        };
        let (cpu, memory) = requests(pod);
        let sum = taken.entry(node).or_default();
        sum.cpu_milli = sum.cpu_milli.saturating_add(cpu);
        sum.memory_mib = sum.memory_mib.saturating_add(memory);
        sum.keeps_on |= !is_of_its_node(pod);
    }
    taken
}

/// Runs there because the node is there: it belongs to a DaemonSet, or mirrors a file of the node's own.
fn is_of_its_node(pod: &Pod) -> bool {
    let mut owners = pod.owner_references().iter();
    owners.any(|owner| OF_THE_NODE.contains(&owner.kind.as_str()))
}

/// The pod of a server that the fleet counts already. The pod of a server that is unknown, or cannot be read, counts as taken.
fn is_ours(pod: &Pod, fleet: &Fleet) -> bool {
    let labels = pod.labels();
    if labels.get(KUBEVIRT_LABEL).map(String::as_str) != Some("virt-launcher") {
        return false;
    }
    let Some(server) = labels.get(names::SERVER_LABEL) else {
        return false;
    };
    let id = ServerId::new(pod.namespace().unwrap_or_default(), server.as_str());
    fleet.servers.contains_key(&id)
}

/// As Kubernetes counts a pod: the sum of its containers and side containers, or the largest of what runs before them, with its overhead.
fn requests(pod: &Pod) -> (i64, i64) {
    let Some(spec) = &pod.spec else { return (0, 0) };
    let of = |container: &Container| {
        let requests = container.resources.as_ref().and_then(|r| r.requests.as_ref());
        (
            amounts::of(requests, "cpu", milli, Round::Up).max(0),
            amounts::of(requests, "memory", mib, Round::Up).max(0),
        )
    };
    let plus = |a: (i64, i64), b: (i64, i64)| (a.0.saturating_add(b.0), a.1.saturating_add(b.1));
    let most = |a: (i64, i64), b: (i64, i64)| (a.0.max(b.0), a.1.max(b.1));
    let mut sum = spec.containers.iter().map(of).fold((0, 0), plus);
    let mut sides = (0, 0);
    let mut before = (0, 0);
    for container in spec.init_containers.iter().flatten() {
        if container.restart_policy.as_deref() == Some("Always") {
            sides = plus(sides, of(container));
            before = most(before, sides);
        } else {
            before = most(before, plus(sides, of(container)));
        }
    }
    sum = most(plus(sum, sides), before);
    let overhead = spec.overhead.as_ref();
    plus(
        sum,
        (
            amounts::of(overhead, "cpu", milli, Round::Up).max(0),
            amounts::of(overhead, "memory", mib, Round::Up).max(0),
        ),
    )
}
