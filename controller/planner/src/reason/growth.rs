//! Why a server that has a place does not get the larger size that it asks for, in words. No I/O.
//!
//! No text here may name another tenant or its objects: it is shown to the owner of the server.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::WaitingOn;
use super::measure::Resource;
use crate::fleet::Granted;

/// A larger size that waits while the server goes on with the one it has, where it is: it is not moved for it.
///
/// What is asked in `on` is what comes on top of what the server has, and what is free is free beside it. Only
/// `HostCores`, `HostMemory` and `ReserveForLoss` are about the whole size, as for a new server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Growth {
    /// The binding constraint.
    pub on: WaitingOn,
}

impl Growth {
    /// The reason and metric label, in PascalCase: those of [`WaitingOn`]. Stable.
    pub fn reason(&self) -> &'static str {
        self.on.reason()
    }
}

impl fmt::Display for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cores, memory) = (
            Resource::Cpu.show(self.cpu_milli),
            Resource::Memory.show(self.memory_mib),
        );
        let storage = Resource::Storage.show(self.storage_mib);
        write!(f, "{cores}, {memory} of memory and {storage} of disks")
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.on {
            WaitingOn::HostFull {
                resource,
                asked,
                free,
            } => {
                let short = resource.short(*asked, *free);
                write!(
                    f,
                    "its host {} beside its reserves and {} more was asked: ask for {} less, or for a new server of that \
                     size, which may go to another host",
                    short.has(),
                    short.asked,
                    short.lack
                )
            }
            WaitingOn::SiteCeiling {
                site,
                resource,
                used,
                limit,
                asked,
            } => {
                let short = resource.short(*asked, limit - used);
                write!(
                    f,
                    "its site, {site}, {} up to its ceiling and {} more was asked: free {} there, or ask for a new server \
                     of that size, which may go to another site",
                    short.has(),
                    short.asked,
                    short.lack
                )
            }
            WaitingOn::RackWatts {
                rack,
                asked,
                headroom,
            } => {
                let short = Resource::Watts.short(*asked, *headroom);
                write!(
                    f,
                    "its rack, {rack}, {} on its surviving feed and {} more was asked: free {} there, or ask for a new \
                     server of that size, which may go to another rack",
                    short.has(),
                    short.asked,
                    short.lack
                )
            }
            WaitingOn::ReserveForLoss {
                lost,
                resource,
                asked,
                free,
            } => {
                let short = resource.short(*asked, *free);
                write!(
                    f,
                    "after the loss of {lost} no host with a copy of its data could start it with that size: it asks for {} \
                     and the nearest {} for that loss: ask for {} less, or free that there",
                    short.asked,
                    short.has(),
                    short.lack
                )
            }
            WaitingOn::Storage { site, asked, free } => {
                let short = Resource::Storage.short(*asked, *free);
                write!(
                    f,
                    "{site}, where its data is, {} and {} more was asked: free {} there or add storage",
                    short.has(),
                    short.asked,
                    short.lack
                )
            }
            WaitingOn::SitesClosed { .. } => write!(
                f,
                "its host, or a site with its data, takes nothing new now (cordoned, draining, fenced or unreadable): it \
                 follows when that is active again"
            ),
            other => other.fmt(f),
        }
    }
}
