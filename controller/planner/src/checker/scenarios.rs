//! Every scenario of the fleet, what it takes, and by place the scenarios that take it. No I/O.

use std::collections::BTreeMap;

use super::base::Base;
use super::model::Falls;
use crate::fleet::{Feed, Rack};
use crate::scenario::Scenario;

/// What a scenario takes.
#[derive(Default)]
pub(super) struct Lost {
    /// Whole sites.
    pub(super) sites: Vec<usize>,
    /// Racks, those of the sites among them; ascending.
    pub(super) racks: Vec<usize>,
}

/// Every scenario.
pub(super) struct Scenarios {
    /// In the order of the scenarios.
    pub(super) all: Vec<(Scenario, Lost)>,
    by_rack: Vec<Vec<usize>>,
    by_site: Vec<Vec<usize>>,
}

impl Scenarios {
    /// All that the fleet gives, and the loss of every site in `recorded`, which the fleet need not have.
    pub(super) fn of(base: &Base<'_>, recorded: &[usize]) -> Self {
        let mut all: BTreeMap<Scenario, Lost> = BTreeMap::new();
        for (at, site) in base.sites.iter().enumerate() {
            if let Some(spec) = site.spec {
                all.entry(Scenario::Site(site.name.clone()))
                    .or_default()
                    .sites
                    .push(at);
                for risk in &spec.shared_risks {
                    all.entry(Scenario::Risk(risk.clone()))
                        .or_default()
                        .sites
                        .push(at);
                }
            }
        }
        for &at in recorded {
            let lost = all
                .entry(Scenario::Site(base.sites[at].name.clone()))
                .or_default();
            lost.sites = vec![at];
        }
        for (at, rack) in base.racks.iter().enumerate() {
            all.entry(Scenario::Rack(rack.name.clone()))
                .or_default()
                .racks
                .push(at);
            for risk in &rack.spec.shared_risks {
                all.entry(Scenario::Risk(risk.clone()))
                    .or_default()
                    .racks
                    .push(at);
            }
            for feed in &rack.spec.feeds {
                let lost = all.entry(scenario_of(rack.name, rack.spec, feed)).or_default();
                if takes(rack.spec, feed) {
                    lost.racks.push(at);
                }
            }
        }
        let mut all: Vec<(Scenario, Lost)> = all.into_iter().collect();
        let mut by_rack = vec![Vec::new(); base.racks.len()];
        let mut by_site = vec![Vec::new(); base.sites.len()];
        for (f, (_, lost)) in all.iter_mut().enumerate() {
            for &site in &lost.sites {
                lost.racks.extend(&base.sites[site].racks);
                by_site[site].push(f);
            }
            lost.racks.sort_unstable();
            lost.racks.dedup();
            for &rack in &lost.racks {
                by_rack[rack].push(f);
            }
        }
        Self {
            all,
            by_rack,
            by_site,
        }
    }

    /// The scenarios that take what stands there, ascending.
    pub(super) fn taking(&self, falls: Falls) -> &[usize] {
        match falls {
            Falls::Rack(rack) => &self.by_rack[rack],
            Falls::Site(site) => &self.by_site[site],
        }
    }

    /// Whether a scenario takes a rack.
    pub(super) fn takes_rack(&self, f: usize, rack: usize) -> bool {
        self.by_rack[rack].binary_search(&f).is_ok()
    }

    /// The index of a scenario.
    pub(super) fn index(&self, scenario: &Scenario) -> Option<usize> {
        self.all.binary_search_by(|(other, _)| other.cmp(scenario)).ok()
    }
}

fn scenario_of(name: &crate::ids::RackName, rack: &Rack, feed: &Feed) -> Scenario {
    match &feed.panel {
        Some(panel) => Scenario::Panel {
            site: rack.site.clone(),
            panel: panel.clone(),
        },
        None => Scenario::Feed {
            rack: name.clone(),
            feed: feed.name.clone(),
        },
    }
}

/// A rack falls with a panel when all its feeds hang on it, with a single feed when it has no other.
fn takes(rack: &Rack, feed: &Feed) -> bool {
    match &feed.panel {
        Some(panel) => rack.feeds.iter().all(|other| other.panel.as_ref() == Some(panel)),
        None => rack.feeds.len() == 1,
    }
}
