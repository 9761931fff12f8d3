//! Zones and scenarios: which hosts fall together. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use super::{DenseScenario, Zone};
use crate::fleet::Fleet;
use crate::ids::{RackName, RiskName, SiteName};

/// Hands out zone numbers for sites and racks.
pub(super) struct Zones<'f> {
    cross: BTreeMap<&'f RiskName, usize>,
    known: BTreeMap<(usize, Vec<usize>), usize>,
    /// In order of first use.
    pub(super) list: Vec<Zone>,
    /// The sites in their order, then the risks that span sites in theirs.
    pub(super) scenarios: Vec<DenseScenario>,
}

impl<'f> Zones<'f> {
    /// Finds the risks that span sites. `sites` are all site names in index order.
    pub(super) fn new(fleet: &'f Fleet, sites: &[SiteName]) -> Self {
        let mut reach: BTreeMap<&RiskName, BTreeSet<&SiteName>> = BTreeMap::new();
        for (name, site) in &fleet.sites {
            for risk in &site.shared_risks {
                reach.entry(risk).or_default().insert(name);
            }
        }
        for rack in fleet.racks.values() {
            for risk in &rack.shared_risks {
                reach.entry(risk).or_default().insert(&rack.site);
            }
        }
        let mut scenarios: Vec<DenseScenario> = (0..sites.len()).map(DenseScenario::Site).collect();
        let mut cross = BTreeMap::new();
        for (risk, sites) in reach {
            if sites.len() > 1 {
                cross.insert(risk, scenarios.len());
                scenarios.push(DenseScenario::Risk(risk.clone()));
            }
        }
        Self {
            cross,
            known: BTreeMap::new(),
            list: Vec::new(),
            scenarios,
        }
    }

    /// The zone of what is at `site` and, if given, in `rack`.
    pub(super) fn zone(
        &mut self,
        fleet: &Fleet,
        site: usize,
        name: &SiteName,
        rack: Option<&RackName>,
    ) -> usize {
        let mut risks: BTreeSet<usize> = BTreeSet::new();
        let listed = fleet
            .sites
            .get(name)
            .into_iter()
            .flat_map(|site| &site.shared_risks);
        let more = rack
            .and_then(|rack| fleet.racks.get(rack))
            .into_iter()
            .flat_map(|rack| &rack.shared_risks);
        for risk in listed.chain(more) {
            risks.extend(self.cross.get(risk));
        }
        let key = (site, risks.into_iter().collect::<Vec<_>>());
        if let Some(&zone) = self.known.get(&key) {
            return zone;
        }
        let zone = self.list.len();
        let mut scenarios = vec![site];
        scenarios.extend(&key.1);
        self.list.push(Zone {
            site,
            scenarios,
            hosts: Vec::new(),
        });
        self.known.insert(key, zone);
        zone
    }
}
