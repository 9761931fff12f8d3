//! Are the plan's own figures what its placements give: racks, scenarios, pairs, counts? No I/O.

use std::collections::BTreeMap;

use super::model::{Model, ceil_div, fault, server_mw, wake_mw};
use super::survive::scenarios;
use crate::fault::{Fault, Rule};
use crate::ids::SiteName;
use crate::scenario::Scenario;

/// Runs the checks of this file.
pub(super) fn check(model: &Model<'_>, faults: &mut Vec<Fault>) {
    let added = certificate(model, faults);
    racks(model, &added, faults);
    pairs(model, faults);
    sites(model, faults);
}

/// Recounts every scenario; returns per rack the most that one of them adds, in milliwatts.
fn certificate(model: &Model<'_>, faults: &mut Vec<Fault>) -> Vec<i128> {
    let listed: BTreeMap<&Scenario, _> = model
        .plan
        .scenarios
        .iter()
        .map(|summary| (&summary.scenario, summary))
        .collect();
    let all = scenarios(model);
    if listed.len() != all.len() || model.plan.scenarios.len() != all.len() {
        let how = format!("lists {} scenarios of {}", model.plan.scenarios.len(), all.len());
        faults.push(fault(Rule::Ledger, "plan", how));
    }
    let mut most = vec![0i128; model.racks.len()];
    for (scenario, lost) in &all {
        let (mut displaced, mut restarted, mut single, mut stranded) = (0i64, 0i64, 0i64, 0i64);
        let mut added: BTreeMap<usize, i128> = BTreeMap::new();
        let mut woken = std::collections::BTreeSet::new();
        for server in &model.servers {
            let spot = &server.plan.placement;
            let rack = server.host.map(|host| model.hosts[host].rack).or_else(|| {
                model
                    .rack(&spot.rack)
                    .filter(|&rack| model.racks[rack].spec.site == spot.site)
            });
            let hit = rack.map_or(lost.sites.contains(&spot.site), |rack| lost.racks.contains(&rack));
            if !hit {
                continue;
            }
            displaced += 1;
            match server
                .backup
                .filter(|&host| !lost.racks.contains(&model.hosts[host].rack))
            {
                Some(at) => {
                    restarted += 1;
                    let host = &model.hosts[at];
                    let wake = if woken.insert(at) { wake_mw(host) } else { 0 };
                    *added.entry(host.rack).or_default() += server_mw(host, server) + wake;
                }
                None if server.spec.copies <= 1 => single += 1,
                None => stranded += 1,
            }
        }
        for (rack, milliwatts) in added {
            most[rack] = most[rack].max(milliwatts);
        }
        let said = listed
            .get(scenario)
            .map(|s| (s.displaced, s.restarted, s.single_copy, s.stranded));
        let counted = (displaced, restarted, single, stranded);
        if said != Some(counted) {
            let how =
                format!("says {said:?} and {counted:?} was counted (displaced, restarted, single, stranded)");
            faults.push(fault(Rule::Ledger, scenario.to_string(), how));
        }
    }
    most
}

fn racks(model: &Model<'_>, added: &[i128], faults: &mut Vec<Fault>) {
    for (at, rack) in model.racks.iter().enumerate() {
        let what = format!("rack/{}", rack.name);
        let Some(said) = model.plan.racks.get(rack.name) else {
            faults.push(fault(Rule::Ledger, what, "has no ledger"));
            continue;
        };
        let (capacity, drawn) = (rack.capacity_mw.div_euclid(1000), ceil_div(rack.drawn_mw, 1000));
        let reserved = ceil_div(added[at], 1000);
        let counted = (capacity, drawn, reserved, capacity - drawn - reserved);
        let said = (
            said.capacity_watts,
            said.committed_watts,
            said.reserved_watts,
            said.headroom_watts,
        );
        let said = (
            i128::from(said.0),
            i128::from(said.1),
            i128::from(said.2),
            i128::from(said.3),
        );
        if said != counted {
            let how = format!(
                "says {said:?} and {counted:?} was counted (capacity, committed, reserved, headroom; W)"
            );
            faults.push(fault(Rule::Ledger, what, how));
        }
    }
}

fn pairs(model: &Model<'_>, faults: &mut Vec<Fault>) {
    let mut counted: BTreeMap<(&SiteName, &SiteName), (i64, i128, i128)> = BTreeMap::new();
    for server in &model.servers {
        if let Some(backup) = &server.plan.backup {
            let pair = counted
                .entry((&server.plan.placement.site, &backup.site))
                .or_default();
            pair.0 += 1;
            pair.1 += server.need[0];
            pair.2 += server.need[1];
        }
    }
    let mut said = BTreeMap::new();
    for (from, row) in &model.plan.pairs {
        for (to, load) in row {
            said.insert(
                (from, to),
                (
                    load.servers,
                    i128::from(load.cpu_milli),
                    i128::from(load.memory_mib),
                ),
            );
        }
    }
    if said != counted {
        faults.push(fault(
            Rule::Ledger,
            "plan",
            "the matrix of lost and surviving sites is not what the reserves give",
        ));
    }
}

fn sites(model: &Model<'_>, faults: &mut Vec<Fault>) {
    let mut counted: BTreeMap<&SiteName, (i64, i64)> = BTreeMap::new();
    for server in &model.servers {
        counted.entry(&server.plan.placement.site).or_default().0 += 1;
        if let Some(backup) = &server.plan.backup {
            counted.entry(&backup.site).or_default().1 += 1;
        }
    }
    for (name, ledger) in &model.plan.sites {
        let counted = counted.remove(name).unwrap_or_default();
        if counted != (ledger.servers, ledger.backups) {
            let how = format!(
                "says {} servers and {} reserves, {counted:?} was counted",
                ledger.servers, ledger.backups
            );
            faults.push(fault(Rule::Ledger, format!("site/{name}"), how));
        }
    }
    if let Some(name) = counted.into_keys().next() {
        faults.push(fault(Rule::Ledger, format!("site/{name}"), "has no ledger"));
    }
}
