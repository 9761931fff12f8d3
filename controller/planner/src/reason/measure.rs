//! The measures of capacity and of quota, and how amounts of them are read. No I/O.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A measure of capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Resource {
    /// Virtual cores, in thousandths.
    Cpu,
    /// MiB.
    Memory,
    /// Watts.
    Watts,
    /// MiB.
    Storage,
}

impl Resource {
    /// An amount with what it is of: `4 cores`, `16 GiB of memory`, `350 W`.
    pub fn amount(self, amount: i64) -> String {
        match self {
            Self::Cpu | Self::Watts => self.show(amount),
            Self::Memory | Self::Storage => format!("{} of {self}", self.show(amount)),
        }
    }

    /// An amount as people read it: `4 cores`, `16 GiB`, `350 W`.
    pub fn show(self, amount: i64) -> String {
        match self {
            Self::Cpu => cores(amount),
            Self::Memory | Self::Storage => gib(amount),
            Self::Watts => format!("{amount} W"),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cores",
            Self::Memory => "memory",
            Self::Watts => "power",
            Self::Storage => "storage",
        })
    }
}

/// What a quota limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum QuotaResource {
    /// Number of virtual servers.
    Servers,
    /// Virtual cores, in thousandths.
    Cpu,
    /// Guest memory, in MiB.
    Memory,
    /// Storage, in MiB.
    Storage,
    /// Watts of colocated devices.
    Watts,
    /// Rack units.
    RackUnits,
}

impl QuotaResource {
    /// The name of the field in the tenant's `spec.quota`.
    pub fn field(self) -> &'static str {
        match self {
            Self::Servers => "servers",
            Self::Cpu => "cores",
            Self::Memory => "memory",
            Self::Storage => "storage",
            Self::Watts => "watts",
            Self::RackUnits => "rackUnits",
        }
    }

    /// An amount as people read it.
    pub fn show(self, amount: i64) -> String {
        match self {
            Self::Servers => format!("{amount}"),
            Self::Cpu => cores(amount),
            Self::Memory | Self::Storage => gib(amount),
            Self::Watts => format!("{amount} W"),
            Self::RackUnits => format!("{amount} U"),
        }
    }
}

/// Thousandths of a core as people read them.
pub(super) fn cores(milli: i64) -> String {
    if milli % 1000 == 0 {
        format!("{} cores", milli / 1000)
    } else {
        format!("{}.{:03} cores", milli / 1000, (milli % 1000).abs())
    }
}

/// MiB as people read them: whole GiB where it is exact, else MiB.
pub(super) fn gib(mib: i64) -> String {
    if mib % 1024 == 0 {
        format!("{} GiB", mib / 1024)
    } else {
        format!("{mib} MiB")
    }
}
