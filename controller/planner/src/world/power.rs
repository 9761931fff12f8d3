//! What a rack may draw when a feed is lost. No I/O.

use crate::fleet::Rack;

/// What a rack's feeds are sure to bear after the loss of any of them, or of a panel, in watts, not derated: the weakest of them.
///
/// The sum of those that are left is of several breakers, each of which must hold by itself, and which feeds a host hangs on is
/// not recorded: two thirds of what a rack with three feeds draws may come to hang on one of them, or all of it, whatever care was taken to
/// plug its hosts evenly, because servers do not fill them evenly. Of one feed the loss is the loss of the rack, which is a scenario
/// of its own; so is that of a panel with every feed on it.
pub(super) fn surviving_watts(rack: &Rack) -> i64 {
    rack.feeds.iter().map(|feed| feed.watts).min().unwrap_or(0)
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
/// When all but one of the feeds of a device are lost, that one carries it alone. A device hangs on known feeds, and needs not the weakest.
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
    fn no_feed_is_ever_sold_more_than_once() {
        assert_eq!(surviving_watts(&rack(&[])), 0);
        assert_eq!(surviving_watts(&rack(&[(3680, None)])), 3680);
        assert_eq!(
            surviving_watts(&rack(&[(3680, Some("a")), (3000, Some("b"))])),
            3000
        );
        // The hosts may all hang on two of them.
        assert_eq!(surviving_watts(&rack(&[(100, None); 3])), 100);
        assert_eq!(
            surviving_watts(&rack(&[(100, Some("a")), (90, Some("a")), (200, Some("b"))])),
            90
        );
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
