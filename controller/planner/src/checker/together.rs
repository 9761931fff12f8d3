//! Are the members of every affinity group together, and do those that a loss takes start together? No I/O.

use std::collections::BTreeMap;

use super::model::{Model, fault};
use super::survive::scenarios;
use crate::fault::{Fault, Rule};
use crate::fleet::ApartBy;

/// Runs the checks of this file.
pub(super) fn check(model: &Model<'_>, faults: &mut Vec<Fault>) {
    let mut groups: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (at, server) in model.servers.iter().enumerate() {
        if let Some(together) = &server.spec.together {
            let key = (server.spec.tenant.as_str(), together.group.as_str());
            groups.entry(key).or_default().push(at);
        }
    }
    groups.retain(|_, members| members.len() > 1);
    if groups.is_empty() {
        return;
    }
    let scenarios = scenarios(model);
    for members in groups.values() {
        for (i, &a) in members.iter().enumerate() {
            for &b in &members[i + 1..] {
                let (one, two) = (&model.servers[a], &model.servers[b]);
                // Two that were apart before and stay: nothing is moved to bring a group together.
                if let (Some(here), Some(there)) = (one.host, two.host)
                    && !(one.stayed && two.stayed)
                    && !near(model, (a, b), here, there)
                {
                    faults.push(apart(model, (a, b), "now"));
                }
                let (Some(here), Some(there)) = (one.backup, two.backup) else {
                    continue;
                };
                for (scenario, lost) in &scenarios {
                    let gone = |host: Option<usize>| {
                        host.is_some_and(|host| lost.racks.contains(&model.hosts[host].rack))
                    };
                    let starts = gone(one.host) && gone(two.host) && !gone(Some(here)) && !gone(Some(there));
                    if starts && !near(model, (a, b), here, there) {
                        faults.push(apart(model, (a, b), &format!("after {scenario}")));
                    }
                }
            }
        }
    }
}

fn apart(model: &Model<'_>, (a, b): (usize, usize), when: &str) -> Fault {
    let how = format!("is not with {} {when}", model.servers[b].id);
    fault(Rule::Together, format!("server/{}", model.servers[a].id), how)
}

/// Whether two hosts are as near as the stricter of two members asks.
fn near(model: &Model<'_>, (a, b): (usize, usize), here: usize, there: usize) -> bool {
    let by = |at: usize| {
        model.servers[at]
            .spec
            .together
            .as_ref()
            .map(|together| together.by)
    };
    let (here, there) = (&model.hosts[here], &model.hosts[there]);
    match by(a).min(by(b)) {
        None => true,
        Some(ApartBy::Host) => here.name == there.name,
        Some(ApartBy::Rack) => here.rack == there.rack,
        Some(ApartBy::Site) => here.spec.site == there.spec.site,
    }
}
