//! Cores and memory of a server: as its size says, as it says itself, or as they were last known. No I/O.

use raidc_crds::VirtualServer;
use raidc_crds::virtual_server::VirtualServerSpec;
use raidc_planner::Granted;

use super::amounts::{Round, mib, overhead_mib};
use super::granted::Sizes;
use super::servers::backend_missing;
use super::stores::Backend;
use super::translate::{Note, Seen};

/// What a server asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Virtual cores, in thousandths.
    pub cpu_milli: i64,
    /// Memory of the guest, in MiB.
    pub memory_mib: i64,
    /// Memory that KubeVirt needs beside it, in MiB.
    pub overhead_mib: i64,
}

impl Size {
    /// Virtual cores in thousandths, and MiB in all.
    pub(super) fn needs(self) -> (i64, i64) {
        (self.cpu_milli, self.memory_mib.saturating_add(self.overhead_mib))
    }

    /// Nobody knows how large it is.
    pub(super) fn is_nothing(self) -> bool {
        self.cpu_milli <= 0 || self.memory_mib <= 0
    }
}

/// What the server asks for.
pub(super) fn size(seen: &Seen, server: &VirtualServer) -> Result<Size, Note> {
    with_sizes(seen, |sizes| size_of(&server.spec, sizes))
}

/// Asks something of the catalogue of sizes.
pub(crate) fn with_sizes<T>(seen: &Seen, ask: impl FnOnce(Sizes<'_>) -> T) -> T {
    match &seen.sizes {
        Some(sizes) => ask(Some(&|name: &str| sizes.get(name).cloned())),
        None => ask(None),
    }
}

/// What is asked for, by its size or in its own words.
pub(crate) fn size_of(spec: &VirtualServerSpec, sizes: Sizes<'_>) -> Result<Size, Note> {
    if let Some(resources) = &spec.resources {
        let memory = resources
            .memory
            .mib()
            .map_err(|wrong| Note::new("MalformedObject", format!("spec.resources.memory: {wrong}")))?;
        return checked(i64::from(resources.cores), memory, "spec.resources");
    }
    let Some(name) = &spec.size else {
        return Err(Note::new(
            "MalformedObject",
            "it says neither size nor resources: set spec.size to a size of the catalogue, such as m-4",
        ));
    };
    size_named(name, sizes)
}

/// A size of the catalogue.
pub(crate) fn size_named(name: &str, sizes: Sizes<'_>) -> Result<Size, Note> {
    let Some(sizes) = sizes else {
        return Err(backend_missing(
            Backend::KubeVirt,
            "so the size cannot be looked up",
        ));
    };
    let Some(size) = sizes(name) else {
        return Err(Note::new(
            "UnknownSize",
            format!(
                "size {name} is not in the catalogue: choose one of those that \"kubectl get virtualmachineclusterinstancetypes\" lists"
            ),
        ));
    };
    let memory = mib(&size.spec.memory.guest, Round::Up).unwrap_or(0);
    checked(size.spec.cpu.guest, memory, &format!("size {name}"))
}

fn checked(cores: i64, memory_mib: i64, what: &str) -> Result<Size, Note> {
    if !(1..=1_000_000).contains(&cores) || memory_mib <= 0 {
        return Err(Note::new(
            "MalformedSize",
            format!(
                "{what} gives {cores} cores and {memory_mib} MiB: both must be more than nothing; ask the platform team to correct it"
            ),
        ));
    }
    Ok(Size {
        cpu_milli: cores * 1000,
        memory_mib,
        overhead_mib: overhead_mib(memory_mib, cores),
    })
}

/// What was counted for it when it was placed; a status without a record of it keeps memory and overhead as one sum.
pub(super) fn last_known_size(server: &VirtualServer, granted: Option<Granted>) -> Size {
    if let Some(granted) = granted {
        return Size {
            cpu_milli: granted.cpu_milli,
            memory_mib: granted.memory_mib,
            overhead_mib: granted.overhead_mib,
        };
    }
    let status = server.status.as_ref();
    Size {
        cpu_milli: status.and_then(|s| s.cores_milli).unwrap_or(0),
        memory_mib: status.and_then(|s| s.memory_mib).unwrap_or(0),
        overhead_mib: 0,
    }
}
