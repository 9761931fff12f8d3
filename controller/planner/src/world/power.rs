//! What a rack may draw when a feed is lost. No I/O.

use std::collections::BTreeMap;

use crate::fleet::Rack;

/// What is left of a rack's feeds after the worst single failure that leaves it any, in watts, not derated.
///
/// One feed: that feed (losing it loses the rack, which is a scenario of its own). More: the sum less the largest
/// thing that can fail, where a feed can fail by itself and all feeds on one panel fail with the panel. A panel with
/// every feed of the rack on it takes the rack down and is left to the scenarios.
pub(super) fn surviving_watts(rack: &Rack) -> i64 {
    let total: i64 = rack.feeds.iter().map(|feed| feed.watts).sum();
    if rack.feeds.len() <= 1 {
        return total;
    }
    let mut panels: BTreeMap<&str, (usize, i64)> = BTreeMap::new();
    let mut largest = 0;
    for feed in &rack.feeds {
        largest = largest.max(feed.watts);
        if let Some(panel) = &feed.panel {
            let on_it = panels.entry(panel).or_default();
            on_it.0 += 1;
            on_it.1 += feed.watts;
        }
    }
    for (feeds, watts) in panels.into_values() {
        if feeds < rack.feeds.len() {
            largest = largest.max(watts);
        }
    }
    total - largest
}

/// The rack's capacity in milliwatts: surviving, derated, and no more than its own limit.
///
/// Of a derated fraction of a watt nothing is used, so that a rack is too full by the whole watts that people are shown
/// exactly when it is by the milliwatts that are counted.
pub(super) fn capacity_mw(rack: &Rack) -> i64 {
    let derated = surviving_watts(rack) * rack.derate_percent / 100;
    rack.max_watts.map_or(derated, |limit| derated.min(limit)) * 1000
}

/// What each feed may carry by itself, derated, in whole watts.
///
/// The sum above is of several breakers, and a device hangs on few of them: when all but one of its feeds are lost, that one
/// carries it alone. A device that no single feed carries is no matter of the sum.
pub(super) fn feed_watts(rack: &Rack) -> Vec<i64> {
    let feeds = rack.feeds.iter();
    feeds.map(|feed| feed.watts * rack.derate_percent / 100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::Feed;

    fn rack(feeds: &[(i64, Option<&str>)]) -> Rack {
        let feed = |&(watts, panel): &(i64, Option<&str>)| Feed {
            name: String::new(),
            watts,
            panel: panel.map(str::to_owned),
        };
        Rack {
            feeds: feeds.iter().map(feed).collect(),
            ..Rack::default()
        }
    }

    #[test]
    fn a_lost_feed_never_leaves_more_than_the_others_carry() {
        assert_eq!(surviving_watts(&rack(&[])), 0);
        assert_eq!(surviving_watts(&rack(&[(3680, None)])), 3680);
        assert_eq!(
            surviving_watts(&rack(&[(3680, Some("a")), (3000, Some("b"))])),
            3000
        );
        assert_eq!(
            surviving_watts(&rack(&[(100, Some("a")), (100, Some("a")), (100, Some("b"))])),
            100
        );
        assert_eq!(surviving_watts(&rack(&[(100, Some("a")), (100, Some("a"))])), 100);
    }

    #[test]
    fn a_contract_below_the_feed_is_never_exceeded() {
        let mut rack = rack(&[(3680, None), (3680, None)]);
        assert_eq!(capacity_mw(&rack), 2_944_000);
        rack.max_watts = Some(2000);
        assert_eq!(capacity_mw(&rack), 2_000_000);
    }

    #[test]
    fn a_fraction_of_a_watt_is_never_sold() {
        // 1801 W x 80 % = 1440.8 W
        assert_eq!(capacity_mw(&rack(&[(1801, None)])), 1_440_000);
    }
}
