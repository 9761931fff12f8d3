//! Who has to stop when physics leaves no other way, and who could then start. Types only, no I/O.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{HostName, RackName, ServerId};
use crate::plan::Spot;
use crate::reason::Resource;

/// Why a server has to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ShedReason {
    /// Its rack draws more than its breaker carries.
    Rack {
        /// The rack.
        rack: RackName,
        /// How much too much before anybody stops, in watts, rounded up.
        over_watts: i64,
    },
    /// Its host carries more than it has.
    Host {
        /// The host.
        host: HostName,
        /// In which measure.
        resource: Resource,
        /// How much too much before anybody stops, in the unit of the resource.
        over: i64,
    },
    /// A more important server has lost its place and can only start there.
    Starts {
        /// Which; another tenant must not be told.
        server: ServerId,
        /// Its tier.
        tier: i64,
    },
}

/// One server that has to stop: a proposal. Its place and its data stay recorded; it is stopped, not deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shed {
    /// The server.
    pub server: ServerId,
    /// Its tier: the highest number stops first.
    pub tier: i64,
    /// False for one that is switched off already: it must stay so.
    pub running: bool,
    /// Where it runs.
    pub at: Spot,
    /// What it adds to the draw of its host, in watts, rounded up.
    pub watts: i64,
    /// Why.
    pub reason: ShedReason,
}

impl fmt::Display for Shed {
    /// Names no other server: this is told to the owner.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.running {
            "has to stop"
        } else {
            "has to stay off"
        };
        write!(f, "{verb} (tier {}, draws {} W): ", self.tier, self.watts)?;
        match &self.reason {
            ShedReason::Rack { rack, over_watts } => write!(
                f,
                "rack {rack} draws {over_watts} W more than its surviving feed carries"
            ),
            ShedReason::Host { host, resource, over } => {
                write!(f, "host {host} is short of {}", resource.amount(*over))
            }
            ShedReason::Starts { tier, .. } => {
                write!(
                    f,
                    "a server of tier {tier} has lost its place and can only start there"
                )
            }
        }
    }
}

/// A server that is down and could start once those in the list have stopped. The reserves of others may have to be
/// found anew after that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartIfShed {
    /// The server.
    pub server: ServerId,
    /// Where, at a site that holds its data.
    pub at: Spot,
}
