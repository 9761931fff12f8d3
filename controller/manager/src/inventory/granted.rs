//! The size that a server was let in with, as its status records it: what it goes on with while a larger one waits. No I/O.

use std::sync::Arc;

use raidc_crds::names::ROOT_DISK;
use raidc_crds::virtual_server::{Granted, GrantedDisk};
use raidc_crds::{Quantity, VirtualServer};
use raidc_planner::ServerId;

use super::adopt;
use super::amounts::overhead_mib;
use super::sizes::{self, Size};
use super::translate::{Note, Seen};
use crate::foreign::kubevirt::VirtualMachineClusterInstancetype;

/// Finds a size of the catalogue; `None` in its place where the catalogue cannot be read.
pub type Sizes<'a> = Option<&'a dyn Fn(&str) -> Option<Arc<VirtualMachineClusterInstancetype>>>;

/// What was decided last, or, when that was lost with the place, what its machine was made with. `None` when neither says
/// anything: then what it asks for counts.
pub(crate) fn recorded(seen: &Seen, id: &ServerId, server: &VirtualServer) -> Option<Granted> {
    if seen.overlay.server(server).is_some() {
        return seen.overlay.granted(server).cloned();
    }
    if let Some(status) = server.status.as_ref().filter(|status| status.site.is_some()) {
        return status.granted.clone();
    }
    let made = adopt::size(server, seen.vms.as_ref()?.get(id)?)?;
    let disks = disks(server);
    if let Some(size) = &made.size {
        let sizes = seen.sizes.as_ref();
        let find = |name: &str| sizes.and_then(|sizes| sizes.get(name).cloned());
        let found = sizes::size_named(size, Some(&find)).ok()?;
        return Some(record(Some(size.clone()), found, disks));
    }
    Some(Granted { disks, ..made })
}

/// What the server asks for, as it is recorded once it has it.
///
/// # Errors
/// Its size cannot be told.
pub(crate) fn asked(server: &VirtualServer, sizes: Sizes<'_>) -> Result<Granted, Note> {
    let size = sizes::size_of(&server.spec, sizes)?;
    Ok(record(server.spec.size.clone(), size, disks(server)))
}

/// The record, when the server asks for more than it says: what the machine and the disks are kept at until the record
/// says more. `None` also when what it asks for cannot be told, which is refused elsewhere.
pub(crate) fn held(server: &VirtualServer, sizes: Sizes<'_>) -> Option<Granted> {
    let granted = server.status.as_ref()?.granted.as_ref()?;
    let asked = amounts(&asked(server, sizes).ok()?);
    asked.exceeds(&amounts(granted)).then(|| granted.clone())
}

/// The same as the planner counts it.
pub(crate) fn amounts(granted: &Granted) -> raidc_planner::Granted {
    let cores = granted.cores_milli.saturating_add(999) / 1000;
    raidc_planner::Granted {
        cpu_milli: granted.cores_milli,
        memory_mib: granted.memory_mib,
        overhead_mib: overhead_mib(granted.memory_mib, cores),
        storage_mib: granted
            .disks
            .iter()
            .map(|disk| disk.size.mib().unwrap_or(0))
            .fold(0, i64::saturating_add),
    }
}

fn record(name: Option<String>, size: Size, disks: Vec<GrantedDisk>) -> Granted {
    Granted {
        size: name,
        cores_milli: size.cpu_milli,
        memory_mib: size.memory_mib,
        disks,
    }
}

fn disks(server: &VirtualServer) -> Vec<GrantedDisk> {
    let spec = &server.spec;
    let disk = |name: &str, size: &Quantity| GrantedDisk {
        name: name.to_owned(),
        size: size.clone(),
    };
    let more = spec.disks.iter().map(|more| disk(&more.name, &more.size));
    std::iter::once(disk(ROOT_DISK, &spec.root_disk.size))
        .chain(more)
        .collect()
}
