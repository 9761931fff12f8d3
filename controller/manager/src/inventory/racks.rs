//! Racks → the planner's racks: feeds, units, and what draws power there without being a host. No I/O.

use kube::ResourceExt;
use raidc_crds::Rack;
use raidc_crds::rack::Feed;
use raidc_planner::{Fleet, RackName, SiteName, State, UnitRange};

use super::hosts;
use super::translate::{Note, Notes, Seen};

/// Adds every rack to the fleet, after the hosts, because what is listed and is no host of the fleet draws power all the same; says of those without a Site why nothing is put there.
pub(crate) fn add(seen: &Seen, fleet: &mut Fleet, notes: &mut Notes) {
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
        let mut translated = translate(rack, |node| is_counted(fleet, node, &name, &site));
        if seen.unreadable_racks.contains(name.as_str()) {
            translated.state = State::Unknown;
        }
        fleet.racks.insert(name, translated);
    }
}

/// Whether the planner counts the draw of a node in this very rack.
fn is_counted(fleet: &Fleet, node: &str, rack: &RackName, site: &SiteName) -> bool {
    let host = fleet.hosts.get(&node.into());
    host.is_some_and(|host| host.rack == *rack && host.site == *site)
}

fn translate(rack: &Rack, counted: impl Fn(&str) -> bool) -> raidc_planner::Rack {
    let spec = &rack.spec;
    let occupied = spec.occupied.iter().map(|o| (o.lowest_unit, o.units));
    let hosts = spec.hosts.iter().filter_map(|h| Some((h.lowest_unit?, h.units)));
    let units_taken = occupied.chain(hosts).map(|(lowest, units)| UnitRange {
        lowest: i64::from(lowest),
        units: i64::from(units),
    });
    // A host that is listed here may be on, whether it is no node (yet, or any more), has lost its labels, or is claimed by two racks:
    // unless it is counted as a host of this rack, its nameplate counts.
    let absent = spec.hosts.iter().filter(|host| !counted(&host.node));
    let absent_watts = absent.map(|host| hosts::nameplate(rack, &host.node));
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
pub(crate) fn feed(feed: &Feed) -> raidc_planner::Feed {
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
