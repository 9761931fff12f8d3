//! A scenario: a set of things that are lost together. No I/O.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{RackName, RiskName, SiteName};

/// One thing that may fail, taking with it everything that depends on it. Only one happens at a time: the reserve
/// for one scenario may therefore be shared with the reserve for another.
///
/// In text and as a map key: `site/talsi`, `rack/talsi-r1`, `risk/substation/kurzeme-1`, `feed/talsi-r1/a`,
/// `panel/talsi/vp-1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Scenario {
    /// A whole data centre.
    Site(SiteName),
    /// One rack.
    Rack(RackName),
    /// Everything that lists this shared risk: whole sites, single racks.
    Risk(RiskName),
    /// One feed of one rack, when the feed names no panel. A rack with another feed carries on with that.
    Feed {
        /// The rack.
        rack: RackName,
        /// Name of the feed in the rack.
        feed: String,
    },
    /// Every feed at one site that hangs on this panel. A rack whose feeds all hang on it is down.
    Panel {
        /// The site; panels of two sites are never the same panel.
        site: SiteName,
        /// Name of the panel.
        panel: String,
    },
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Site(site) => write!(f, "site/{site}"),
            Self::Rack(rack) => write!(f, "rack/{rack}"),
            Self::Risk(risk) => write!(f, "risk/{risk}"),
            Self::Feed { rack, feed } => write!(f, "feed/{rack}/{feed}"),
            Self::Panel { site, panel } => write!(f, "panel/{site}/{panel}"),
        }
    }
}

/// The text names no scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no scenario: write site/NAME, rack/NAME, risk/NAME, feed/RACK/FEED or panel/SITE/PANEL")]
pub struct ScenarioParseError {
    /// The text as given.
    pub text: String,
}

impl FromStr for Scenario {
    type Err = ScenarioParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || ScenarioParseError {
            text: text.to_owned(),
        };
        let (kind, rest) = text.split_once('/').ok_or_else(unknown)?;
        if rest.is_empty() {
            return Err(unknown());
        }
        match kind {
            "site" => Ok(Self::Site(rest.into())),
            "rack" => Ok(Self::Rack(rest.into())),
            "risk" => Ok(Self::Risk(rest.into())),
            "feed" => rest
                .split_once('/')
                .map(|(rack, feed)| Self::Feed {
                    rack: rack.into(),
                    feed: feed.to_owned(),
                })
                .ok_or_else(unknown),
            "panel" => rest
                .split_once('/')
                .map(|(site, panel)| Self::Panel {
                    site: site.into(),
                    panel: panel.to_owned(),
                })
                .ok_or_else(unknown),
            _ => Err(unknown()),
        }
    }
}

impl TryFrom<String> for Scenario {
    type Error = ScenarioParseError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Scenario> for String {
    fn from(scenario: Scenario) -> Self {
        scenario.to_string()
    }
}
