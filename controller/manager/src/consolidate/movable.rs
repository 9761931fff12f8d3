//! Which servers cannot be moved now, and which hosts are not what the plan takes them for. No I/O.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::ResourceExt;
use raidc_crds::names;
use raidc_planner::{HostName, ServerId};

use super::next::Sight;
use crate::foreign::kubevirt::{LooseCondition, VirtualMachineInstance};

/// Servers that stay where they are (`resting`, and those that cannot be moved live now), and hosts on which something runs that
/// the plan has elsewhere.
pub(super) fn exceptions(
    sight: &Sight,
    resting: &BTreeSet<ServerId>,
) -> (BTreeSet<ServerId>, BTreeSet<HostName>) {
    let mut stay = resting.clone();
    let mut uncertain = BTreeSet::new();
    for (id, server) in &sight.decision.fleet.servers {
        let recorded = server.current.as_ref().and_then(|current| current.host.as_ref());
        let node = sight.instances.get(id).and_then(|instance| node(instance));
        if node != recorded.map(HostName::as_str) {
            uncertain.extend(node.map(HostName::from));
            // A server that is off is where it will start: nothing uncertain about its host.
            uncertain.extend(recorded.filter(|_| node.is_some()).cloned());
            stay.insert(id.clone());
        }
        if !can_move(sight, id) {
            stay.insert(id.clone());
        }
    }
    let unknown = sight
        .instances
        .iter()
        .filter(|(id, _)| !sight.decision.fleet.servers.contains_key(id));
    uncertain.extend(
        unknown
            .filter_map(|(_, instance)| node(instance))
            .map(HostName::from),
    );
    (stay, uncertain)
}

/// Whether the server's machine runs, can be moved live, and nobody else is about to move or end it.
fn can_move(sight: &Sight, id: &ServerId) -> bool {
    let (Some(server), Some(machine), Some(instance)) = (
        sight.servers.get(id),
        sight.machines.get(id),
        sight.instances.get(id),
    ) else {
        return false;
    };
    let uid = server.uid();
    let ours = |labels: &std::collections::BTreeMap<String, String>| {
        uid.is_some() && labels.get(names::SERVER_UID_LABEL) == uid.as_ref()
    };
    let is = |conditions: &[LooseCondition], kind: &str| {
        conditions.iter().any(|c| c.type_ == kind && c.status == "True")
    };
    let Some(run) = &instance.status else {
        return false;
    };
    let ending = [&server.metadata, &machine.metadata, &instance.metadata]
        .iter()
        .any(|meta| meta.deletion_timestamp.is_some());
    let moves = run.migration_state.as_ref().is_some_and(|state| !state.completed);
    let stale = machine
        .status
        .as_ref()
        .is_some_and(|status| is(&status.conditions, "RestartRequired"));
    ours(machine.labels())
        && ours(instance.labels())
        && !ending
        && !moves
        && !stale
        && run.evacuation_node_name.is_none()
        && run.phase.as_deref() == Some("Running")
        && is(&run.conditions, "LiveMigratable")
}

fn node(instance: &Arc<VirtualMachineInstance>) -> Option<&str> {
    instance.status.as_ref()?.node_name.as_deref()
}
