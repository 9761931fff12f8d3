//! What comes out of a loss or a drain, and why a demand stands where it does: the answers of [`crate::simulate_loss`],
//! [`crate::preflight_drain`] and [`crate::explain`]. Types only, no I/O.

mod drain;
mod shed;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{DemandId, HostName, RackName, ServerId, SiteName};
use crate::plan::Spot;
use crate::reason::Waiting;
use crate::scenario::Scenario;

pub use drain::{
    Blocker, Changed, DrainMove, DrainTarget, How, Preflight, Stays, Unprotected, Verdict, WorseLoss,
};
pub use shed::{Shed, ShedReason, StartIfShed};

/// One server that starts elsewhere after a loss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Start {
    /// The server.
    pub server: ServerId,
    /// Starting order: 1 first.
    pub tier: i64,
    /// Where it ran.
    pub from: Spot,
    /// Where it starts.
    pub to: Spot,
    /// False for a server that is switched off: its place is kept, nothing starts.
    pub running: bool,
}

/// A rack during a loss.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RackAfter {
    /// What it may draw, in watts.
    pub capacity_watts: i64,
    /// What it drew before, in watts.
    pub before_watts: i64,
    /// What it draws when everything has started, in watts.
    pub after_watts: i64,
}

/// What one loss does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LossOutcome {
    /// What was lost.
    pub scenario: Scenario,
    /// Hosts that are lost.
    pub hosts_lost: i64,
    /// Who starts where, in starting order: tier, then the largest first, then name.
    pub starts: Vec<Start>,
    /// Protected servers that have nowhere to start.
    pub stranded: Vec<ServerId>,
    /// Servers with a single copy: down until what was lost returns.
    pub single_copy: Vec<ServerId>,
    /// Sleeping hosts that have to be woken first.
    pub wake: Vec<HostName>,
    /// Every surviving rack, before anybody stops.
    pub racks: BTreeMap<RackName, RackAfter>,
    /// Who has to stop, because a rack or a host would be too full, or so that more important ones can start. Empty
    /// when nothing is shed.
    #[serde(default)]
    pub shed: Vec<Shed>,
    /// Stranded servers that could start once those have stopped.
    #[serde(default)]
    pub starts_if_shed: Vec<StartIfShed>,
}

/// How one rack looks to a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RackView {
    /// Hosts that could take it.
    pub fit: i64,
    /// Hosts that could not, by what speaks against each first.
    pub refused: BTreeMap<String, i64>,
}

/// How one site looks to a demand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SiteView {
    /// Hosts that could take it.
    pub fit: i64,
    /// Hosts that could not, by what speaks against each first (a waiting reason such as `RackWatts`).
    pub refused: BTreeMap<String, i64>,
    /// What speaks against the whole site, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<String>,
    /// The same per rack, for a server; the counts of a site are the sums of its racks'.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub racks: BTreeMap<RackName, RackView>,
}

/// Why a demand stands where it does, or waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The demand.
    pub demand: DemandId,
    /// Where it is, in one line per place.
    pub placed: Vec<String>,
    /// What it waits on; for a running server without its reserve, what that waits on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// Per site.
    pub sites: BTreeMap<SiteName, SiteView>,
    /// What would let it in, nearest first.
    pub fixes: Vec<String>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.demand)?;
        for line in &self.placed {
            writeln!(f, "  {line}")?;
        }
        if let Some(waiting) = &self.waiting {
            writeln!(f, "  waits on {}: {waiting}", waiting.reason())?;
        }
        for (site, view) in &self.sites {
            write!(f, "  {site}: ")?;
            match &view.closed {
                Some(why) => write!(f, "{why}")?,
                None => write!(f, "hosts that fit: {}", view.fit)?,
            }
            refusals(f, &view.refused)?;
            // One rack says no more than its site.
            for (rack, view) in view.racks.iter().filter(|_| view.racks.len() > 1) {
                write!(f, "    {rack}: hosts that fit: {}", view.fit)?;
                refusals(f, &view.refused)?;
            }
        }
        for fix in &self.fixes {
            writeln!(f, "  fix: {fix}")?;
        }
        Ok(())
    }
}

fn refusals(f: &mut fmt::Formatter<'_>, refused: &BTreeMap<String, i64>) -> fmt::Result {
    for (reason, hosts) in refused {
        write!(f, "; {hosts} refused by {reason}")?;
    }
    writeln!(f)
}
