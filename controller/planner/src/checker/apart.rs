//! Do the members of every anti-affinity group keep apart, now and after every loss? No I/O.

use std::collections::BTreeMap;

use super::model::{Model, fault};
use super::survive::scenarios;
use crate::fault::{Fault, Rule};
use crate::fleet::ApartBy;

/// Runs the checks of this file.
pub(super) fn check(model: &Model<'_>, faults: &mut Vec<Fault>) {
    let mut groups: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (at, server) in model.servers.iter().enumerate() {
        if let Some(apart) = &server.spec.apart {
            groups
                .entry((server.spec.tenant.as_str(), &apart.group))
                .or_default()
                .push(at);
        }
    }
    groups.retain(|_, members| members.len() > 1);
    if groups.is_empty() {
        return;
    }
    let scenarios = scenarios(model);
    for members in groups.values() {
        let now: Vec<Option<usize>> = members.iter().map(|&at| model.servers[at].host).collect();
        compare(model, members, &now, "now", faults);
        for (scenario, lost) in &scenarios {
            let after: Vec<Option<usize>> = members
                .iter()
                .map(|&at| {
                    let server = &model.servers[at];
                    let gone = |host: usize| lost.racks.contains(&model.hosts[host].rack);
                    match server.host {
                        Some(host) if !gone(host) => Some(host),
                        Some(_) => server.backup.filter(|&host| !gone(host)),
                        None if lost.sites.contains(&server.plan.placement.site) => {
                            server.backup.filter(|&host| !gone(host))
                        }
                        None => None,
                    }
                })
                .collect();
            if after != now {
                compare(model, members, &after, &format!("after {scenario}"), faults);
            }
        }
    }
}

fn compare(
    model: &Model<'_>,
    members: &[usize],
    places: &[Option<usize>],
    when: &str,
    faults: &mut Vec<Fault>,
) {
    for (i, &a) in members.iter().enumerate() {
        for (j, &b) in members.iter().enumerate().skip(i + 1) {
            let (Some(here), Some(there)) = (places[i], places[j]) else {
                continue;
            };
            let (one, two) = (&model.servers[a], &model.servers[b]);
            // Two that shared before and stay do so for want of another place; the plan did not bring them together.
            let inherited = one.stayed && two.stayed && one.host == Some(here) && two.host == Some(there);
            if !inherited && meet(model, a, b, here, there) {
                let how = format!(
                    "shares with {} {when}: {} and {}",
                    two.id, model.hosts[here].name, model.hosts[there].name
                );
                faults.push(fault(Rule::Apart, format!("server/{}", one.id), how));
            }
        }
    }
}

fn meet(model: &Model<'_>, a: usize, b: usize, here: usize, there: usize) -> bool {
    let domain = |at: usize| {
        model.servers[at]
            .spec
            .apart
            .as_ref()
            .and_then(|apart| apart.domain.as_ref())
    };
    if domain(a).is_some() && domain(a) == domain(b) {
        return false;
    }
    let by = |at: usize| model.servers[at].spec.apart.as_ref().map(|apart| apart.by);
    let (here, there) = (&model.hosts[here], &model.hosts[there]);
    match by(a).max(by(b)) {
        None => false,
        Some(ApartBy::Host) => here.name == there.name,
        Some(ApartBy::Rack) => here.rack == there.rack,
        Some(ApartBy::Site) => here.spec.site == there.spec.site,
    }
}
