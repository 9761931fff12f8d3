//! Racks → the planner's racks: feeds, units, and what draws power there without being a host. No I/O.

use std::collections::BTreeSet;

use kube::ResourceExt;
use raidc_crds::Rack;
use raidc_crds::rack::Feed;
use raidc_planner::{Fleet, RackName, SiteName, State, UnitRange};

use super::translate::{Note, Notes, Seen};

/// Adds every rack to the fleet; says of those without a Site why nothing is put there.
pub(crate) fn add(seen: &Seen, fleet: &mut Fleet, notes: &mut Notes) {
    let known: BTreeSet<String> = seen.nodes.iter().map(|node| node.name_any()).collect();
    for rack in &seen.racks {
        let name = RackName::from(rack.name_any());
        let site = SiteName::from(rack.spec.site.as_str());
        if !fleet.sites.contains_key(&site) {
            notes.racks.insert(
                name.clone(),
                Note::new(
                    "UnknownSite",
                    format!(
                        "site {site} does not exist, so nothing is put in this rack: create the Site, or make a new Rack with the right site"
                    ),
                ),
            );
        }
        fleet.racks.insert(name, translate(rack, &known));
    }
}

fn translate(rack: &Rack, known: &BTreeSet<String>) -> raidc_planner::Rack {
    let spec = &rack.spec;
    let occupied = spec.occupied.iter().map(|o| (o.lowest_unit, o.units));
    let hosts = spec.hosts.iter().filter_map(|h| Some((h.lowest_unit?, h.units)));
    let units_taken = occupied.chain(hosts).map(|(lowest, units)| UnitRange {
        lowest: i64::from(lowest),
        units: i64::from(units),
    });
    // A host that is declared and is no node (yet, or any more) may be on: its nameplate counts.
    let absent = spec.hosts.iter().filter(|host| !known.contains(&host.node));
    let absent_watts = absent.map(|host| {
        host.max_watts
            .or(spec.host_defaults.as_ref().map(|defaults| defaults.max_watts))
            .unwrap_or(raidc_crds::names::UNKNOWN_HOST_WATTS)
    });
    let other_watts = spec
        .occupied
        .iter()
        .map(|o| o.watts)
        .chain(absent_watts)
        .fold(0_i64, i64::saturating_add);
    raidc_planner::Rack {
        site: spec.site.as_str().into(),
        units: i64::from(spec.units),
        units_taken: units_taken.collect(),
        feeds: spec.feeds.iter().map(feed).collect(),
        derate_percent: i64::from(spec.derate_percent),
        max_watts: spec.max_watts,
        other_watts,
        shared_risks: spec
            .shared_risks
            .iter()
            .map(|risk| risk.as_str().into())
            .collect(),
        state: State::Active,
    }
}

/// Volts times amps; three phases carry the square root of three as much between their lines.
fn feed(feed: &Feed) -> raidc_planner::Feed {
    let watts = i64::from(feed.volts) * i64::from(feed.amps);
    raidc_planner::Feed {
        name: feed.name.clone(),
        watts: if feed.phases == 3 {
            watts * 1732 / 1000
        } else {
            watts
        },
        panel: feed.panel.clone(),
    }
}
