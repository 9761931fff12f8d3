//! Which feeds of its rack a colocated device is plugged into. No I/O.

use std::collections::BTreeMap;

use raidc_crds::Colocation;
use raidc_crds::colocation::{Device, DevicePlace};
use raidc_planner::{Rack, RackName};

/// How many watts of nameplate hang on each feed, by rack and feed.
#[derive(Default)]
pub(super) struct Plugs {
    watts: BTreeMap<(RackName, String), i64>,
}

impl Plugs {
    /// What is plugged in already.
    pub(super) fn of<'a>(colocations: impl Iterator<Item = &'a Colocation>) -> Self {
        let mut plugs = Self::default();
        for colocation in colocations {
            let places = colocation.status.iter().flat_map(|status| &status.devices);
            for place in places {
                let spec = colocation
                    .spec
                    .devices
                    .iter()
                    .find(|device| device.name == place.name);
                let watts = spec.map_or(0, |device| device.watts);
                plugs.add(&place.rack.as_str().into(), &place.feeds, watts);
            }
        }
        plugs
    }

    fn add(&mut self, rack: &RackName, feeds: &[String], watts: i64) {
        for feed in feeds {
            let plugged = self.watts.entry((rack.clone(), feed.clone())).or_default();
            *plugged = plugged.saturating_add(watts);
        }
    }

    /// The feeds to plug into: as before while the rack has them. Else those that carry the device alone, on different panels where that
    /// is possible, and of these the ones on which the fewest watts hang: with more than two feeds what the rack may draw is the sum
    /// of several breakers, and stays within each only when it is spread.
    pub(super) fn choose(
        &mut self,
        name: &RackName,
        rack: Option<&Rack>,
        device: &Device,
        old: Option<&DevicePlace>,
    ) -> Vec<String> {
        let Some(rack) = rack else {
            return old.map_or_else(Vec::new, |old| old.feeds.clone());
        };
        let wanted = usize::try_from(device.feeds).unwrap_or(1);
        let has = |feed: &String| rack.feeds.iter().any(|there| there.name == *feed);
        if let Some(old) = old.filter(|old| old.rack == name.as_str() && old.feeds.len() == wanted)
            && old.feeds.iter().all(has)
        {
            return old.feeds.clone();
        }
        let mut left: Vec<&raidc_planner::Feed> = rack.feeds.iter().collect();
        let mut chosen: Vec<&raidc_planner::Feed> = Vec::new();
        while chosen.len() < wanted && !left.is_empty() {
            let cost = |at: usize| {
                let feed = left[at];
                let carries = feed.watts.saturating_mul(rack.derate_percent) / 100 >= device.watts;
                let same_panel = chosen
                    .iter()
                    .any(|other| feed.panel.is_some() && other.panel == feed.panel);
                let plugged = self.watts.get(&(name.clone(), feed.name.clone()));
                (!carries, same_panel, plugged.copied().unwrap_or(0), at)
            };
            if let Some(best) = (0..left.len()).min_by_key(|&at| cost(at)) {
                chosen.push(left.remove(best));
            }
        }
        let chosen: Vec<String> = chosen.into_iter().map(|feed| feed.name.clone()).collect();
        self.add(name, &chosen, device.watts);
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raidc_planner::Feed;

    fn rack(feeds: &[(&str, i64, &str)]) -> Rack {
        let feed = |&(name, watts, panel): &(&str, i64, &str)| Feed {
            name: name.to_owned(),
            watts,
            panel: Some(panel.to_owned()),
        };
        Rack {
            feeds: feeds.iter().map(feed).collect(),
            ..Rack::default()
        }
    }

    fn device(watts: i64, feeds: i32) -> Device {
        Device {
            name: "d".to_owned(),
            units: 1,
            watts,
            feeds,
        }
    }

    #[test]
    fn no_device_is_plugged_into_a_feed_that_cannot_carry_it() {
        let rack = rack(&[("a", 1000, "p"), ("b", 3680, "q"), ("c", 3680, "r")]);
        let chosen = Plugs::default().choose(&"r1".into(), Some(&rack), &device(2000, 2), None);
        assert_eq!(chosen, ["b", "c"]);
    }

    #[test]
    fn no_feed_carries_everything_while_another_carries_nothing() {
        let rack = rack(&[
            ("a1", 3680, "a"),
            ("a2", 3680, "a"),
            ("b1", 3680, "b"),
            ("b2", 3680, "b"),
        ]);
        let (mut plugs, name) = (Plugs::default(), RackName::from("r1"));
        let mut next = || plugs.choose(&name, Some(&rack), &device(2500, 2), None);
        assert_eq!(next(), ["a1", "b1"]);
        assert_eq!(next(), ["a2", "b2"]);
    }

    #[test]
    fn a_device_is_never_told_other_feeds_than_it_hangs_on() {
        let rack = rack(&[("a", 1000, "p"), ("b", 3680, "q")]);
        let old = DevicePlace {
            rack: "r1".to_owned(),
            feeds: vec!["a".to_owned()],
            ..DevicePlace::default()
        };
        let chosen = Plugs::default().choose(&"r1".into(), Some(&rack), &device(2000, 1), Some(&old));
        assert_eq!(chosen, ["a"]);
    }
}
