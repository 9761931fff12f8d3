//! Where a server is when its status was lost: read from its VirtualMachine. No I/O.
//!
//! Losing status must never move a server: the machine's own affinity and annotations say what was decided.

use k8s_openapi::api::core::v1::NodeSelectorTerm;
use kube::ResourceExt;
use raidc_crds::virtual_server::Granted;
use raidc_crds::{VirtualServer, names};
use raidc_planner::{HostName, Placement, SiteName};

use super::amounts::{Round, mib};
use crate::foreign::kubevirt::VirtualMachine;

/// The placement that the machine was made with; `None` when the machine is not this server's or names no site and rack.
#[must_use]
pub fn placement(server: &VirtualServer, vm: &VirtualMachine) -> Option<Placement> {
    if !is_of(server, vm) {
        return None;
    }
    let terms = hard_terms(vm);
    let site = wanted(terms, names::SITE_LABEL)?;
    let rack = wanted(terms, names::RACK_LABEL)?;
    let annotations = vm.annotations();
    let annotation = |name: &str| annotations.get(name).filter(|text| !text.is_empty());
    let copy_sites = annotation(names::COPY_SITES_ANNOTATION)
        .map(|list| {
            list.split(',')
                .map(str::trim)
                .filter(|site| !site.is_empty())
                .map(SiteName::from)
                .collect()
        })
        .unwrap_or_default();
    Some(Placement {
        site: site.into(),
        rack: rack.into(),
        host: annotation(names::HOST_ANNOTATION).map(|host| HostName::from(host.as_str())),
        backup: annotation(names::BACKUP_HOST_ANNOTATION)
            .and_then(|spot| spot.rsplit('/').next())
            .map(HostName::from),
        copy_sites,
    })
}

/// The epoch under which the machine was made; `None` when it is not this server's or says none.
#[must_use]
pub fn epoch(server: &VirtualServer, vm: &VirtualMachine) -> Option<i64> {
    if !is_of(server, vm) {
        return None;
    }
    vm.annotations().get(names::EPOCH_ANNOTATION)?.parse().ok()
}

/// The size that the machine was made with, without its disks: the name of a size of the catalogue alone, or cores and
/// memory. `None` when it is not this server's or says neither.
#[must_use]
pub fn size(server: &VirtualServer, vm: &VirtualMachine) -> Option<Granted> {
    if !is_of(server, vm) {
        return None;
    }
    if let Some(size) = &vm.spec.instancetype {
        return Some(Granted {
            size: Some(size.name.clone()),
            ..Granted::default()
        });
    }
    let domain = &vm.spec.template.spec.domain;
    let memory = domain.memory.as_ref()?.guest.as_ref()?;
    Some(Granted {
        cores_milli: domain.cpu.as_ref()?.cores?.saturating_mul(1000),
        memory_mib: mib(memory, Round::Up)?,
        ..Granted::default()
    })
}

/// A machine of an earlier server of the same name says nothing about this one.
fn is_of(server: &VirtualServer, vm: &VirtualMachine) -> bool {
    server.uid().is_some() && vm.labels().get(names::SERVER_UID_LABEL) == server.uid().as_ref()
}

fn hard_terms(vm: &VirtualMachine) -> &[NodeSelectorTerm] {
    vm.spec
        .template
        .spec
        .affinity
        .as_ref()
        .and_then(|affinity| affinity.node_affinity.as_ref())
        .and_then(|affinity| {
            affinity
                .required_during_scheduling_ignored_during_execution
                .as_ref()
        })
        .map_or(&[], |selector| selector.node_selector_terms.as_slice())
}

/// The one value that every term asks of a label; terms are alternatives, so that one without it says nothing.
fn wanted<'a>(terms: &'a [NodeSelectorTerm], label: &str) -> Option<&'a str> {
    let mut found: Option<&str> = None;
    for term in terms {
        let value = term
            .match_expressions
            .iter()
            .flatten()
            .find(|e| e.key == label && e.operator == "In")
            .and_then(|e| e.values.as_deref())
            .and_then(|values| match values {
                [one] => Some(one.as_str()),
                _ => None,
            })?;
        if found.is_some_and(|before| before != value) {
            return None;
        }
        found = Some(value);
    }
    found
}
