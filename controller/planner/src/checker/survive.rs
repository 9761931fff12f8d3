//! Every scenario played out: whoever is displaced starts at the reserve, all at once, on what is left. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Model, fault, server_mw, wake_mw};
use crate::fault::{Fault, Rule};
use crate::fleet::Spread;
use crate::ids::SiteName;
use crate::scenario::Scenario;

/// What a scenario takes.
#[derive(Default)]
pub(super) struct Lost<'a> {
    pub(super) sites: BTreeSet<&'a SiteName>,
    pub(super) racks: BTreeSet<usize>,
}

/// Every scenario, with what it takes.
pub(super) fn scenarios<'a>(model: &Model<'a>) -> BTreeMap<Scenario, Lost<'a>> {
    let mut all: BTreeMap<Scenario, Lost<'a>> = BTreeMap::new();
    for (name, site) in &model.fleet.sites {
        all.entry(Scenario::Site(name.clone()))
            .or_default()
            .sites
            .insert(name);
        for risk in &site.shared_risks {
            all.entry(Scenario::Risk(risk.clone()))
                .or_default()
                .sites
                .insert(name);
        }
    }
    for current in model
        .fleet
        .servers
        .values()
        .filter_map(|server| server.current.as_ref())
    {
        if !model.fleet.sites.contains_key(&current.site) {
            all.entry(Scenario::Site(current.site.clone()))
                .or_default()
                .sites
                .insert(&current.site);
        }
    }
    for (at, rack) in model.racks.iter().enumerate() {
        all.entry(Scenario::Rack(rack.name.clone()))
            .or_default()
            .racks
            .insert(at);
        for risk in &rack.spec.shared_risks {
            all.entry(Scenario::Risk(risk.clone()))
                .or_default()
                .racks
                .insert(at);
        }
        for feed in &rack.spec.feeds {
            let scenario = match &feed.panel {
                Some(panel) => Scenario::Panel {
                    site: rack.spec.site.clone(),
                    panel: panel.clone(),
                },
                None => Scenario::Feed {
                    rack: rack.name.clone(),
                    feed: feed.name.clone(),
                },
            };
            let same = |other: &crate::fleet::Feed| match &feed.panel {
                Some(panel) => other.panel.as_ref() == Some(panel),
                None => rack.spec.feeds.len() == 1,
            };
            let takes = rack.spec.feeds.iter().all(same);
            let lost = all.entry(scenario).or_default();
            if takes {
                lost.racks.insert(at);
            }
        }
    }
    for lost in all.values_mut() {
        for (at, rack) in model.racks.iter().enumerate() {
            if lost.sites.contains(&rack.spec.site) {
                lost.racks.insert(at);
            }
        }
    }
    all
}

/// Loads that a scenario adds, kept between scenarios to be cleared by what was touched.
struct Loads {
    used: Vec<[i128; 2]>,
    added: Vec<[i128; 2]>,
    rack_added: Vec<i128>,
    woken: Vec<bool>,
}

/// Runs the checks of this file.
pub(super) fn check(model: &Model<'_>, faults: &mut Vec<Fault>) {
    let mut loads = Loads {
        used: vec![[0; 2]; model.hosts.len()],
        added: vec![[0; 2]; model.hosts.len()],
        rack_added: vec![0; model.racks.len()],
        woken: vec![false; model.hosts.len()],
    };
    let mut by_rack: Vec<Vec<usize>> = vec![Vec::new(); model.racks.len()];
    let mut by_site: BTreeMap<&SiteName, Vec<usize>> = BTreeMap::new();
    for (at, server) in model.servers.iter().enumerate() {
        match server.host {
            Some(host) => {
                by_rack[model.hosts[host].rack].push(at);
                for (used, need) in loads.used[host].iter_mut().zip(server.need) {
                    *used += need;
                }
            }
            None => by_site.entry(&server.plan.placement.site).or_default().push(at),
        }
    }
    for (scenario, lost) in scenarios(model) {
        let displaced: Vec<usize> = lost
            .racks
            .iter()
            .flat_map(|&rack| by_rack[rack].iter().copied())
            .chain(
                lost.sites
                    .iter()
                    .flat_map(|site| by_site.get(site).into_iter().flatten().copied()),
            )
            .collect();
        play(model, &scenario, &lost, &displaced, &mut loads, faults);
    }
}

fn play(
    model: &Model<'_>,
    scenario: &Scenario,
    lost: &Lost<'_>,
    displaced: &[usize],
    loads: &mut Loads,
    faults: &mut Vec<Fault>,
) {
    let mut touched: Vec<usize> = Vec::new();
    for &at in displaced {
        let server = &model.servers[at];
        let Some(backup) = server.backup else { continue };
        let host = &model.hosts[backup];
        if lost.racks.contains(&host.rack) {
            let accepted = server.spec.spread == Spread::Site && matches!(scenario, Scenario::Risk(_));
            if !accepted {
                let how = format!("{scenario} takes it and its reserve {}", host.name);
                faults.push(fault(Rule::Survives, format!("server/{}", server.id), how));
            }
            continue;
        }
        touched.push(backup);
        for (added, need) in loads.added[backup].iter_mut().zip(server.need) {
            *added += need;
        }
        let wakes = if loads.woken[backup] { 0 } else { wake_mw(host) };
        loads.woken[backup] = true;
        loads.rack_added[host.rack] += server_mw(host, server) + wakes;
    }
    touched.sort_unstable();
    touched.dedup();
    let mut racks: Vec<usize> = Vec::new();
    for &at in &touched {
        let host = &model.hosts[at];
        racks.push(host.rack);
        // At a site that cannot be read nothing is decided, and nothing can be promised either.
        if (0..2).any(|d| loads.used[at][d] + loads.added[at][d] > host.room[d]) {
            let how = format!(
                "after {scenario} it would carry {:?} beside {:?} of {:?} (milli-cores, MiB)",
                loads.added[at], loads.used[at], host.room
            );
            faults.push(fault(Rule::Survives, format!("host/{}", host.name), how));
        }
        loads.added[at] = [0; 2];
        loads.woken[at] = false;
    }
    racks.sort_unstable();
    racks.dedup();
    for at in racks {
        let rack = &model.racks[at];
        if rack.drawn_mw + loads.rack_added[at] > rack.capacity_mw {
            let how = format!(
                "after {scenario} it would draw {} mW beside {} mW of {} mW",
                loads.rack_added[at], rack.drawn_mw, rack.capacity_mw
            );
            faults.push(fault(Rule::Survives, format!("rack/{}", rack.name), how));
        }
        loads.rack_added[at] = 0;
    }
}
