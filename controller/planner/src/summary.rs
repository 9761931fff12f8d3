//! Every scenario of a fleet, what each takes, and what that does to a plan. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::{FxHashMap, FxHashSet};

use crate::engine::Engine;
use crate::fleet::{Fleet, State};
use crate::ids::{RackName, SiteName};
use crate::plan::{Plan, ScenarioSummary, Spot, Survival};
use crate::scenario::Scenario;

/// Every scenario of a fleet, with what it takes.
pub(crate) struct Scenarios {
    /// Sorted.
    pub(crate) all: Vec<Scenario>,
    /// Only looked up, never walked. By rack: its site, and the scenarios that take it, ascending. Those of its site are among them.
    by_rack: FxHashMap<RackName, (SiteName, Vec<usize>)>,
    /// By site: those that take the whole site, ascending.
    by_site: BTreeMap<SiteName, Vec<usize>>,
}

impl Scenarios {
    /// Enumerates the scenarios of `fleet`: sites, racks, shared risks, panels, and feeds that hang on no panel.
    pub(crate) fn of(fleet: &Fleet) -> Self {
        // Asked for every server: looked up, never walked.
        let known: FxHashSet<&SiteName> = fleet.sites.keys().collect();
        let recorded = fleet
            .servers
            .values()
            .filter_map(|server| server.current.as_ref());
        let gone = recorded
            .map(|current| &current.site)
            .filter(|site| !known.contains(site));
        Self::with(fleet, gone.collect())
    }

    /// As [`Scenarios::of`], for one who asks only about `scenario`: other sites that have left the fleet are not looked for,
    /// which would be a walk over all servers.
    pub(crate) fn about(fleet: &Fleet, scenario: &Scenario) -> Self {
        let gone = match scenario {
            Scenario::Site(site) if !fleet.sites.contains_key(site) => Some(site),
            _ => None,
        };
        let is_recorded = |site: &&SiteName| {
            let mut recorded = fleet
                .servers
                .values()
                .filter_map(|server| server.current.as_ref());
            recorded.any(|current| current.site == **site)
        };
        Self::with(fleet, gone.filter(is_recorded).into_iter().collect())
    }

    /// `gone` are sites whose objects have left the fleet and where servers are recorded: these can still be lost.
    fn with(fleet: &Fleet, gone: BTreeSet<&SiteName>) -> Self {
        let mut racks: BTreeMap<Scenario, BTreeSet<&RackName>> = BTreeMap::new();
        let mut sites: BTreeMap<Scenario, BTreeSet<&SiteName>> = BTreeMap::new();
        for (name, site) in &fleet.sites {
            sites
                .entry(Scenario::Site(name.clone()))
                .or_default()
                .insert(name);
            for risk in &site.shared_risks {
                sites
                    .entry(Scenario::Risk(risk.clone()))
                    .or_default()
                    .insert(name);
            }
        }
        // A rack whose site is not known is set aside: nothing is known of what it falls with.
        let racked = || {
            fleet
                .racks
                .iter()
                .filter(|(_, rack)| fleet.sites.contains_key(&rack.site))
        };
        for (name, rack) in racked() {
            racks
                .entry(Scenario::Rack(name.clone()))
                .or_default()
                .insert(name);
            for risk in &rack.shared_risks {
                racks
                    .entry(Scenario::Risk(risk.clone()))
                    .or_default()
                    .insert(name);
            }
            for feed in &rack.feeds {
                let (scenario, only) = match &feed.panel {
                    Some(panel) => (
                        Scenario::Panel {
                            site: rack.site.clone(),
                            panel: panel.clone(),
                        },
                        rack.feeds.iter().all(|other| other.panel.as_ref() == Some(panel)),
                    ),
                    None => (
                        Scenario::Feed {
                            rack: name.clone(),
                            feed: feed.name.clone(),
                        },
                        rack.feeds.len() == 1,
                    ),
                };
                let taken = racks.entry(scenario).or_default();
                if only {
                    taken.insert(name);
                }
            }
        }
        for site in gone {
            sites
                .entry(Scenario::Site(site.clone()))
                .or_default()
                .insert(site);
        }
        let all: Vec<Scenario> = racks
            .keys()
            .chain(sites.keys())
            .cloned()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let mut by_rack: FxHashMap<RackName, (SiteName, Vec<usize>)> = FxHashMap::default();
        let mut by_site: BTreeMap<SiteName, Vec<usize>> = BTreeMap::new();
        for (index, scenario) in all.iter().enumerate() {
            for &site in sites.get(scenario).into_iter().flatten() {
                by_site.entry(site.clone()).or_default().push(index);
            }
            for &rack in racks.get(scenario).into_iter().flatten() {
                by_rack.entry(rack.clone()).or_default().1.push(index);
            }
        }
        for (name, rack) in fleet
            .racks
            .iter()
            .filter(|(_, rack)| fleet.sites.contains_key(&rack.site))
        {
            let (site, taken) = by_rack.entry(name.clone()).or_default();
            site.clone_from(&rack.site);
            taken.extend(by_site.get(&rack.site).into_iter().flatten());
            taken.sort_unstable();
            taken.dedup();
        }
        Self {
            all,
            by_rack,
            by_site,
        }
    }

    /// The scenarios that take what is at this place. A rack that is not known, or stands at another site than the
    /// place says, falls with the site.
    pub(crate) fn taking(&self, spot: &Spot) -> &[usize] {
        self.by_rack
            .get(&spot.rack)
            .filter(|(site, _)| *site == spot.site)
            .map(|(_, taking)| taking)
            .or_else(|| self.by_site.get(&spot.site))
            .map_or(&[], Vec::as_slice)
    }

    /// Whether the scenario with this index takes what is at this place.
    pub(crate) fn takes(&self, scenario: usize, spot: &Spot) -> bool {
        self.taking(spot).binary_search(&scenario).is_ok()
    }

    /// The scenarios that take a rack of the fleet.
    pub(crate) fn of_rack(&self, rack: &RackName) -> &[usize] {
        self.by_rack.get(rack).map_or(&[], |(_, taking)| taking)
    }

    /// Whether the scenario with this index takes the rack.
    pub(crate) fn takes_rack(&self, scenario: usize, rack: &RackName) -> bool {
        self.by_rack
            .get(rack)
            .is_some_and(|(_, taking)| taking.binary_search(&scenario).is_ok())
    }
}

/// Fills in `plan.scenarios` and, per site, whether the plan survives its loss.
pub(crate) fn summarise(engine: &Engine<'_, '_>, plan: &mut Plan) {
    let (world, books) = (engine.world, &engine.books);
    let scenarios = Scenarios::of(world.fleet);
    let empty = |scenario: &Scenario| ScenarioSummary {
        scenario: scenario.clone(),
        displaced: 0,
        restarted: 0,
        single_copy: 0,
        stranded: 0,
    };
    let mut summaries: Vec<ScenarioSummary> = scenarios.all.iter().map(empty).collect();
    let mut first: Vec<Option<(i64, i64, usize)>> = vec![None; summaries.len()];
    let by_rack: Vec<&[usize]> = world
        .racks
        .iter()
        .map(|rack| scenarios.of_rack(&rack.name))
        .collect();
    let of_host = |host: usize| by_rack[world.hosts[host].rack];
    for (v, id) in world.ids.iter().enumerate() {
        let slot = &books.slots[v];
        let taking = match slot.primary {
            Some(host) => of_host(host),
            None if slot.held_at.is_some() => plan
                .servers
                .get(id)
                .map_or(&[][..], |decided| scenarios.taking(&decided.placement)),
            None => continue,
        };
        let backup = slot.backup.map(of_host);
        for &f in taking {
            let summary = &mut summaries[f];
            summary.displaced += 1;
            if backup.is_some_and(|taking| taking.binary_search(&f).is_err()) {
                summary.restarted += 1;
            } else if world.servers[v].copies <= 1 {
                summary.single_copy += 1;
            } else {
                summary.stranded += 1;
                let turn = world.turn(v);
                first[f] = Some(first[f].map_or(turn, |least| least.min(turn)));
            }
        }
    }
    for (f, summary) in summaries.iter().enumerate() {
        let Scenario::Site(name) = &summary.scenario else {
            continue;
        };
        let Some(ledger) = plan.sites.get_mut(name) else {
            continue;
        };
        let unknown = world
            .fleet
            .sites
            .get(name)
            .is_none_or(|site| site.state == State::Unknown);
        ledger.survives = match first[f] {
            _ if unknown => Survival::Unknown,
            Some((_, _, v)) => Survival::Loses {
                first: world.ids[v].clone(),
                servers: summary.stranded,
            },
            None => Survival::Survives,
        };
    }
    for (name, ledger) in &mut plan.sites {
        if !world.fleet.sites.contains_key(name) {
            ledger.survives = Survival::Unknown;
        }
    }
    plan.scenarios = summaries;
}
