//! Are the members of every affinity group together, and do those that a loss takes start together? No I/O.

use std::collections::BTreeMap;

use super::apart::meet;
use super::model::{Model, Placed, fault};
use super::scenarios::Scenarios;
use crate::fault::{Fault, Rule};

/// Runs the checks of this file.
pub(super) fn check(model: &Model<'_>, scenarios: &Scenarios, faults: &mut Vec<Fault>) {
    let mut groups: BTreeMap<(&str, &str), Vec<&Placed<'_>>> = BTreeMap::new();
    for &at in &model.noted.together {
        let server = &model.servers[at];
        if let Some(together) = &server.spec.together {
            let key = (server.spec.tenant.as_str(), together.group.as_str());
            groups.entry(key).or_default().push(server);
        }
    }
    for members in groups.values() {
        for (i, one) in members.iter().enumerate() {
            for two in &members[i + 1..] {
                pair(model, scenarios, one, two, faults);
            }
        }
    }
}

fn pair(
    model: &Model<'_>,
    scenarios: &Scenarios,
    one: &Placed<'_>,
    two: &Placed<'_>,
    faults: &mut Vec<Fault>,
) {
    let by = |server: &Placed<'_>| server.spec.together.as_ref().map(|together| together.by);
    let Some(by) = by(one).min(by(two)) else { return };
    let away = |here: Option<usize>, there: Option<usize>| {
        here.zip(there)
            .is_some_and(|(here, there)| !meet(model, by, here, there))
    };
    let mut say = |when: &str| {
        let how = format!("is not with {} {when}", two.id);
        faults.push(fault(Rule::Together, format!("server/{}", one.id), how));
    };
    // Two that were apart before and stay: nothing is moved to bring a group together.
    if away(one.host, two.host) && !(one.stayed && two.stayed) {
        say("now");
    }
    if !away(one.backup, two.backup) {
        return;
    }
    let (first, second) = (scenarios.taking(one.falls), scenarios.taking(two.falls));
    for &f in first.iter().filter(|f| second.contains(f)) {
        let stands = |backup: Option<usize>| {
            backup.is_some_and(|host| !scenarios.takes_rack(f, model.base.hosts[host].rack))
        };
        if stands(one.backup) && stands(two.backup) {
            say(&format!("after {}", scenarios.all[f].0));
        }
    }
}
