//! Do the members of every anti-affinity group keep apart, now and after every loss? No I/O.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::model::{Model, Placed, fault};
use super::names::Mix;
use super::scenarios::Scenarios;
use crate::fault::{Fault, Rule};
use crate::fleet::ApartBy;

/// The placed members of every group: indices among the placed servers.
#[derive(Default)]
pub(super) struct Groups<'a> {
    /// By group and tenant: groups of two tenants are never the same group.
    index: HashMap<(&'a str, &'a str), usize, BuildHasherDefault<Mix>>,
    /// Member and group, by member.
    members: Vec<(usize, usize)>,
    /// The group of the last of them: members are often neighbours.
    last: Option<(&'a str, &'a str)>,
    seen: usize,
}

impl<'a> Groups<'a> {
    /// None yet, with room for the groups of so many servers, which have a few members each.
    pub(super) fn of(servers: usize) -> Self {
        Self {
            index: HashMap::with_capacity_and_hasher(servers / 8, BuildHasherDefault::default()),
            ..Self::default()
        }
    }

    /// Adds the next placed server.
    pub(super) fn add(&mut self, server: &Placed<'a>) {
        if let Some(apart) = &server.spec.apart {
            let name = (apart.group.as_str(), server.spec.tenant.as_str());
            let group = match self.members.last() {
                Some(&(_, group)) if self.last == Some(name) => group,
                _ => {
                    let next = self.index.len();
                    *self.index.entry(name).or_insert(next)
                }
            };
            self.last = Some(name);
            self.members.push((self.seen, group));
        }
        self.seen += 1;
    }
}

/// Runs the checks of this file.
pub(super) fn check(model: &Model<'_>, scenarios: &Scenarios, groups: &Groups<'_>, faults: &mut Vec<Fault>) {
    let mut members = groups.members.clone();
    // Groups in the order of their first members; in a group by identity.
    members.sort_unstable_by_key(|&(member, group)| (group, member));
    for members in members.chunk_by(|one, two| one.1 == two.1) {
        for (i, &(a, _)) in members.iter().enumerate() {
            for &(b, _) in &members[i + 1..] {
                pair(model, scenarios, &model.servers[a], &model.servers[b], faults);
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
    let by = |server: &Placed<'_>| server.spec.apart.as_ref().map(|apart| apart.by);
    let Some(by) = by(one).max(by(two)) else { return };
    let domain = |server: &Placed<'_>| server.spec.apart.as_ref().and_then(|apart| apart.domain.clone());
    if domain(one).is_some() && domain(one) == domain(two) {
        return;
    }
    let meet = |here: Option<usize>, there: Option<usize>| {
        here.zip(there)
            .is_some_and(|(here, there)| meet(model, by, here, there))
    };
    let places = |server: &Placed<'_>| [server.host, server.backup];
    let ever = places(one)
        .into_iter()
        .any(|here| places(two).into_iter().any(|there| meet(here, there)));
    if !ever {
        return;
    }
    let mut say = |here: Option<usize>, there: Option<usize>, when: &dyn Fn() -> String| {
        // Two that shared before and stay do so for want of another place; the plan did not bring them together.
        let inherited = one.stayed && two.stayed && one.host == here && two.host == there;
        if let (Some(here), Some(there), true) = (here, there, meet(here, there) && !inherited) {
            let (here, there) = (&model.base.hosts[here], &model.base.hosts[there]);
            let how = format!(
                "shares with {} {}: {} and {}",
                two.id,
                when(),
                here.name,
                there.name
            );
            faults.push(fault(Rule::Apart, format!("server/{}", one.id), how));
        }
    };
    say(one.host, two.host, &|| "now".to_owned());
    let (first, second) = (scenarios.taking(one.falls), scenarios.taking(two.falls));
    let mut losses: Vec<usize> = first.iter().chain(second).copied().collect();
    losses.sort_unstable();
    losses.dedup();
    for f in losses {
        let after = |server: &Placed<'_>, taking: &[usize]| {
            if taking.binary_search(&f).is_ok() {
                let stands = |&host: &usize| !scenarios.takes_rack(f, model.base.hosts[host].rack);
                server.backup.filter(stands)
            } else {
                server.host
            }
        };
        say(after(one, first), after(two, second), &|| {
            format!("after {}", scenarios.all[f].0)
        });
    }
}

pub(super) fn meet(model: &Model<'_>, by: ApartBy, here: usize, there: usize) -> bool {
    let (one, two) = (&model.base.hosts[here], &model.base.hosts[there]);
    match by {
        ApartBy::Host => here == there,
        ApartBy::Rack => one.rack == two.rack,
        ApartBy::Site => one.site == two.site,
    }
}
