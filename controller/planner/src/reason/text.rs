//! What waits in words: what is short, by how much, and what would help. No I/O.
//!
//! No text here may name another tenant or its objects: it is shown to the owner of the demand.

use std::fmt;

use super::measure::{Resource, counted};
use super::{Waiting, WaitingOn};
use crate::fleet::ApartBy;
use crate::ids::SiteName;

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.on.fmt(f)
    }
}

impl fmt::Display for WaitingOn {
    // One arm per reason: splitting them would hide which text belongs to which.
    #[allow(clippy::too_many_lines)]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SiteCeiling {
                site,
                resource,
                used,
                limit,
                asked,
            } => {
                let short = resource.short(*asked, limit.saturating_sub(*used));
                write!(
                    f,
                    "no site that it may use has room below its ceiling: it asks for {} and the nearest, {site} (ceiling \
                     {}), {}: free {} there, or add hosts, or raise its ceiling",
                    short.asked,
                    resource.room(*limit),
                    short.has(),
                    short.lack,
                )
            }
            Self::HostCores { asked, largest } => {
                write!(
                    f,
                    "it asks for {} and the largest host that it may use has {}: choose a smaller size",
                    Resource::Cpu.show(*asked),
                    Resource::Cpu.room(*largest)
                )
            }
            Self::HostMemory { asked, largest } => write!(
                f,
                "it asks for {}, KubeVirt's own need for it included, and the largest host that it may use has {}: choose a \
                 smaller size",
                Resource::Memory.amount(*asked),
                Resource::Memory.room(*largest)
            ),
            Self::HostFull {
                resource,
                asked,
                free,
            } => {
                let short = resource.short(*asked, *free);
                write!(
                    f,
                    "no host has room: it asks for {} and the nearest host {} beside what is reserved there: add a host, or \
                     stop servers there that use {}",
                    short.asked,
                    short.has(),
                    short.lack,
                )
            }
            Self::RackWatts {
                rack,
                asked,
                headroom,
            } => {
                let short = Resource::Watts.short(*asked, *headroom);
                write!(
                    f,
                    "no rack has the power: it asks for {} and the nearest, {rack}, {} on its surviving feed: free {} there, \
                     or add a feed",
                    short.asked,
                    short.has(),
                    short.lack,
                )
            }
            Self::ReserveForLoss {
                lost,
                resource,
                asked,
                free,
            } => {
                let short = resource.short(*asked, *free);
                write!(
                    f,
                    "it could run now, but after the loss of {lost} no host could start it: it asks for {} and the nearest \
                     host {} for that loss: free {} there, or add a host at another site",
                    short.asked,
                    short.has(),
                    short.lack,
                )
            }
            Self::NoSecondSite { copies, sites } => write!(
                f,
                "its policy keeps {copies} copies at different sites and {} can hold one: allow more sites, or \
                 choose a policy with fewer copies",
                counted(*sites, "site")
            ),
            Self::SharedRisk { copies, risk } => write!(
                f,
                "its policy keeps {copies} copies away from shared risks and the sites it may use share {risk}: allow a \
                 site that does not"
            ),
            Self::ApartGroup { group, by } => write!(
                f,
                "no {} is left that keeps it apart from the rest of group {group}, also after a loss: make the group \
                 smaller or the rule weaker",
                level(*by)
            ),
            Self::HostsAsleep { hosts } => write!(
                f,
                "it has to start at once after a loss and every host that could be reserved for it is off ({}): switch one \
                 on, or choose a policy that allows more time",
                counted(*hosts, "host")
            ),
            Self::DevicesRoom { device, fit, needed } => write!(
                f,
                "{fit} of its {needed} devices find units and watts, and {device} none beside them: free units or watts in \
                 a rack, or ask for less"
            ),
            Self::TogetherGroup { group, by } => write!(
                f,
                "group {group} shares one {} and there is no room for it where the others are: make the group or its \
                 members smaller, or the rule weaker",
                level(*by)
            ),
            Self::Quota {
                resource,
                used,
                limit,
                asked,
            } => write!(
                f,
                "quota {}: {} of {} used and {} asked: free {}, or ask the platform team for more",
                resource.field(),
                resource.show(*used),
                resource.room(*limit),
                resource.show(*asked),
                resource.show(used + asked - limit),
            ),
            Self::Storage { site, asked, free } => {
                let short = Resource::Storage.short(*asked, *free);
                write!(
                    f,
                    "no site has the storage for it and its copies: it asks for {} at each and {site} {}: free {} there, or add \
                     storage",
                    short.asked,
                    short.has(),
                    short.lack,
                )
            }
            Self::RackUnits {
                device,
                asked,
                largest,
            } => write!(
                f,
                "device {device} needs {asked} rack units in a row and the largest gap is {largest}: free units, or split \
                 the device"
            ),
            Self::Feeds { device, asked, most } => write!(
                f,
                "device {device} wants {asked} feeds and no rack it may use has more than {most}: set feeds to {most}"
            ),
            Self::DevicesApart {
                device,
                needed,
                there,
            } => write!(
                f,
                "device {device} has to be apart from the others: that needs {needed} places and there are {there}: weaken \
                 the spread, or allow more sites"
            ),
            Self::SitesClosed { allowed } => write!(
                f,
                "no site that it may use takes anything new now ({}; cordoned, draining, fenced or unreadable): wait \
                 until one is active again, or allow another site",
                counted(*allowed, "site")
            ),
            Self::CopySitesClosed { sites } => write!(
                f,
                "it may start only where a copy of its data is, at {}, and no host there takes it now (cordoned, fenced or \
                 unreadable): make a host there usable again",
                listed(sites)
            ),
            Self::NotAllowedSite { allowed } => write!(
                f,
                "none of the sites it may use exists ({}): correct the list",
                listed(allowed)
            ),
            Self::UnknownInventory { hosts } => write!(
                f,
                "no usable host is known at the sites it may use ({hosts} known there in all): label the nodes with site \
                 and rack, or wait until they can be read"
            ),
            Self::UnknownTenant => {
                write!(
                    f,
                    "its tenant is not known: the platform team has to create the tenant"
                )
            }
            Self::Malformed { field, message } => write!(f, "{field} {message}: correct it"),
            // The search for places was cut short.
            Self::Queue { ahead: ..=0 } => f.write_str(
                "a place was not found within the time that one plan has, though there seems to be one: it is looked for again \
                 by itself",
            ),
            Self::Queue { ahead: 1 } => f.write_str(
                "one that is older or more important waits for the room that it would take: it follows by itself when that one \
                 has a place",
            ),
            Self::Queue { ahead } => write!(
                f,
                "{} that are older or more important wait for the room that it would take: it follows by itself when they have \
                 a place",
                about(*ahead)
            ),
            Self::NoCopyElsewhere { site } => write!(
                f,
                "its data is at {site} only, it has no copy elsewhere, and no host there takes it now (cordoned, fenced or \
                 unreadable): make a host there usable again, or restore it from a backup as a new server"
            ),
            Self::CopyUnreadable { site } => write!(
                f,
                "its copy is at {site}, where hosts cannot be read now, so that no host there is sure to start it: that ends by \
                 itself when they return; if they are lost for good, drain or fence the site, and the copy is made elsewhere"
            ),
        }
    }
}

fn listed(sites: &[SiteName]) -> String {
    let names: Vec<&str> = sites.iter().map(SiteName::as_str).collect();
    names.join(", ")
}

/// The length of a queue: exact while it is short. Behind a long one, each that leaves it would be a write to every
/// object in it.
fn about(ahead: i64) -> String {
    let mut step = 1;
    while ahead / step >= 20 {
        step *= 10;
    }
    if step == 1 {
        ahead.to_string()
    } else {
        format!("more than {}", (ahead - 1) / step * step)
    }
}

fn level(by: ApartBy) -> &'static str {
    match by {
        ApartBy::Host => "host",
        ApartBy::Rack => "rack",
        ApartBy::Site => "site",
    }
}
