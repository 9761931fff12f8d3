//! What draining something would come to: the answer of [`crate::preflight_drain`]. Types only, no I/O.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fleet::State;
use crate::ids::{ColocationId, DemandId, HostName, RackName, ServerId, SiteName};
use crate::plan::{Move, Plan, RackLedger, SiteLedger, Spot};
use crate::reason::counted;
use crate::scenario::Scenario;

/// What is to be drained.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DrainTarget {
    /// One host.
    Host(HostName),
    /// Every host of a rack.
    Rack(RackName),
    /// A whole site, with the copies that it holds.
    Site(SiteName),
}

impl Default for DrainTarget {
    fn default() -> Self {
        Self::Host(HostName::default())
    }
}

impl fmt::Display for DrainTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => write!(f, "host/{name}"),
            Self::Rack(name) => write!(f, "rack/{name}"),
            Self::Site(name) => write!(f, "site/{name}"),
        }
    }
}

/// Whether it may be drained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Nothing is there that would have to leave.
    #[default]
    Nothing,
    /// Everything leaves, and meanwhile no loss leaves more servers without a place than it would now.
    Ready,
    /// Not without what `Preflight::blocked` says.
    Blocked,
}

/// How a server leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum How {
    /// A live migration within its site.
    Live,
    /// A planned failover to a site that holds a copy of its data: a short stop.
    ToItsCopy,
    /// Its data has to be copied to the other site first.
    CopyFirst,
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Live => "live, within its site",
            Self::ToItsCopy => "to the site of its copy, with a short stop",
            Self::CopyFirst => "after its data has been copied there",
        })
    }
}

/// A server that would leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DrainMove {
    /// The server.
    pub server: ServerId,
    /// From where.
    pub from: Spot,
    /// To where.
    pub to: Spot,
    /// How.
    pub how: How,
}

/// A server that would still be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stays {
    /// The server.
    pub server: ServerId,
    /// Where.
    pub at: Spot,
    /// Why, in one word: a waiting reason such as `HostFull`, `Held` or `MoveLimit`.
    pub reason: String,
    /// Why, with numbers.
    pub why: String,
    /// What would let it leave, nearest first.
    pub fixes: Vec<String>,
}

/// A server that would run without the copies or the reserve that it has now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unprotected {
    /// The server.
    pub server: ServerId,
    /// Why, in one word.
    pub reason: String,
    /// Why, with numbers.
    pub why: String,
    /// What would help, nearest first.
    pub fixes: Vec<String>,
}

/// A loss that would leave more servers without a place than it would now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorseLoss {
    /// The loss.
    pub loss: Scenario,
    /// Protected servers that it leaves without a place now.
    pub stranded_before: i64,
    /// And meanwhile.
    pub stranded_after: i64,
}

/// A ledger before and after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Changed<L> {
    /// As the fleet is.
    pub before: L,
    /// With the target drained.
    pub after: L,
}

/// What speaks against draining it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Blocker {
    /// There is no such thing, or it is set aside because its rack or site is not known.
    NotInFleet,
    /// It is fenced or cannot be read: what is there is not known.
    Unreadable {
        /// Its state, or that of the site or rack it is in.
        state: State,
    },
    /// Servers find no place elsewhere.
    ServersStay {
        /// How many.
        servers: i64,
    },
    /// Servers that are down now or would go down find no place.
    ServersDown {
        /// How many.
        servers: i64,
    },
    /// Reserves find no place elsewhere.
    ReservesStay {
        /// Of how many servers.
        servers: i64,
    },
    /// The only other copies of some data would stay at the site.
    CopiesStay {
        /// Of how many servers.
        servers: i64,
    },
    /// Servers would run without the reserve or the copies that they have now.
    Unprotected {
        /// How many.
        servers: i64,
    },
    /// Losses that are survived now would not be.
    LossesNotSurvived {
        /// How many.
        losses: i64,
    },
    /// Losses that are not survived now would leave more servers without a place than they would now.
    LossesWorse {
        /// How many.
        losses: i64,
    },
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInFleet => write!(
                f,
                "it is not in the fleet, or its rack or site is not: correct the name"
            ),
            Self::Unreadable { state } => write!(
                f,
                "it is {state:?}, or its site or rack is, so that what is there is not known: bring it back first, or grant a failover"
            ),
            Self::ServersStay { servers } => {
                write!(f, "{} no place elsewhere", some(*servers, "finds", "find"))
            }
            Self::ServersDown { servers } => write!(
                f,
                "{} would find none: start them first",
                some(*servers, "that has lost its place", "that have lost their places")
            ),
            Self::ReservesStay { servers } => write!(
                f,
                "the reserves of {} find no host elsewhere: after a loss they would have to start there",
                counted(*servers, "server")
            ),
            Self::CopiesStay { servers } => write!(
                f,
                "the copies of {} find no other site: they would be out of reach while the site is off",
                counted(*servers, "server")
            ),
            Self::Unprotected { servers } => write!(
                f,
                "{} would run without the reserve or the copies of now",
                counted(*servers, "server")
            ),
            Self::LossesNotSurvived { losses } => write!(
                f,
                "{} would not be survived meanwhile",
                lost(*losses, "that is survived now", "that are survived now")
            ),
            Self::LossesWorse { losses } => write!(
                f,
                "{} would meanwhile leave still more servers with nowhere to start",
                lost(
                    *losses,
                    "that is not survived now either",
                    "that are not survived now either"
                )
            ),
        }
    }
}

/// `1 server finds`, `2 servers find`.
fn some(servers: i64, one: &str, more: &str) -> String {
    format!(
        "{} {}",
        counted(servers, "server"),
        if servers == 1 { one } else { more }
    )
}

fn lost(losses: i64, one: &str, more: &str) -> String {
    if losses == 1 {
        format!("1 loss {one}")
    } else {
        format!("{losses} losses {more}")
    }
}

/// What draining something would come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Preflight {
    /// What is to be drained.
    pub target: DrainTarget,
    /// Whether it may be.
    pub verdict: Verdict,
    /// What speaks against it.
    pub blocked: Vec<Blocker>,
    /// Servers that would leave.
    pub moves: Vec<DrainMove>,
    /// Reserves and copies that would move.
    pub reserves: Vec<Move>,
    /// Servers that would still be there.
    pub stays: Vec<Stays>,
    /// Servers that would lose their reserve or copies.
    pub unprotected: Vec<Unprotected>,
    /// Losses that would leave more servers without a place than now. The loss of the target itself is not among them.
    pub losses: Vec<WorseLoss>,
    /// Demands that would find a place now and would then wait.
    pub waiting: Vec<DemandId>,
    /// Colocated devices that stand there: they do not move.
    pub devices: BTreeMap<ColocationId, Vec<String>>,
    /// Racks whose watts or units would differ.
    pub racks: BTreeMap<RackName, Changed<RackLedger>>,
    /// Sites whose use would differ.
    pub sites: BTreeMap<SiteName, Changed<SiteLedger>>,
    /// Idle draw of the hosts that servers run on now, in watts.
    pub idle_watts_before: i64,
    /// The same with the target drained.
    pub idle_watts_after: i64,
    /// The whole plan with the target drained. Not written out: `plan` says the same of the fleet with the target draining.
    #[serde(skip)]
    pub plan: Plan,
}
