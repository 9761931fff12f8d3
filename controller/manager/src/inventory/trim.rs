//! What is kept of objects of which little is read: memory of the operator, not meaning. No I/O.

use k8s_openapi::api::core::v1::{Node, Pod};

/// Keeps everything.
pub(super) fn keep<K>(_: &mut K) {}

/// Images and volumes of a node are most of it, and nobody reads them here.
pub(super) fn trim_node(node: &mut Node) {
    if let Some(status) = &mut node.status {
        status.images = None;
        status.volumes_attached = None;
        status.volumes_in_use = None;
        status.node_info = None;
        status.addresses = None;
    }
    for condition in node
        .status
        .iter_mut()
        .flat_map(|s| s.conditions.iter_mut().flatten())
    {
        condition.last_heartbeat_time = None;
    }
}

/// Keeps what counts a pod against its node: labels, node, phase and requests.
pub(super) fn trim_pod(pod: &mut Pod) {
    pod.metadata.annotations = None;
    if let Some(spec) = &mut pod.spec {
        let keep = std::mem::take(spec);
        let only_resources = |mut container: k8s_openapi::api::core::v1::Container| {
            container = k8s_openapi::api::core::v1::Container {
                name: container.name,
                resources: container.resources,
                restart_policy: container.restart_policy,
                ..Default::default()
            };
            container
        };
        spec.node_name = keep.node_name;
        spec.overhead = keep.overhead;
        spec.resources = keep.resources;
        spec.containers = keep.containers.into_iter().map(only_resources).collect();
        spec.init_containers = keep
            .init_containers
            .map(|list| list.into_iter().map(only_resources).collect());
    }
    if let Some(status) = &mut pod.status {
        let phase = status.phase.take();
        *status = k8s_openapi::api::core::v1::PodStatus {
            phase,
            ..Default::default()
        };
    }
}
