//! What the checker may find wrong with a plan. Types only, no I/O.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A rule that a plan breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Rule {
    /// A demand is neither placed nor waiting, or both, or is not in the fleet.
    Accounted,
    /// A place does not exist, may not be used, or is named inconsistently.
    PlaceExists,
    /// A host's cores or memory.
    HostFits,
    /// A site's ceiling.
    SiteCeiling,
    /// A rack's power on the surviving feed.
    RackWatts,
    /// A site's storage.
    Storage,
    /// Copies share a site or a risk, or are too few.
    Copies,
    /// An anti-affinity group shares what it must not, now or after a loss.
    Apart,
    /// Members of an affinity group are apart, now or after a loss.
    Together,
    /// A scenario leaves a protected server without a place, or overloads one.
    Survives,
    /// A quota is exceeded by something new.
    Quota,
    /// Rack units overlap or leave the rack.
    RackUnits,
    /// A device has too few feeds, or devices stand too close.
    Devices,
    /// The certificate or a ledger in the plan is not what the placements give.
    Ledger,
    /// A move in the plan is missing, false or of something that may not move.
    Moves,
    /// Somebody is to stop who need not, or an excess is left that stopping somebody would mend.
    Shed,
    /// A server counts with another size than the one it has or asks for, or was granted a larger one at a place that takes
    /// nothing new, or without its reserve and copies.
    Growth,
    /// The reason that a waiting demand is given is false, or something else would let it in already.
    Waiting,
}

/// One thing wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// Which rule is broken.
    pub rule: Rule,
    /// By what: `server/kuldiga/registry`, `host/…`, `rack/…`, `site/…`.
    pub what: String,
    /// How, with numbers.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}: {}", self.rule, self.what, self.message)
    }
}
