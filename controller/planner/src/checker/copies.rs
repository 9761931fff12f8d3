//! Are there as many copies as the policy asks, at sites as far apart as it asks? No I/O.

use super::base::Base;
use super::model::{Falls, Model, Placed, fault};
use crate::fault::{Fault, Rule};
use crate::fleet::{HostUse, Spread, State};
use crate::ids::SiteName;

/// The copies of one server.
pub(super) fn check(base: &Base<'_>, server: &Placed<'_>, faults: &mut Vec<Fault>) {
    let mut say = |how: String| faults.push(fault(Rule::Copies, format!("server/{}", server.id), how));
    if is_plain(base, server) {
        return;
    }
    number(base, server, &mut say);
    distance(base, server, &mut say);
    within(base, server, &mut say);
    reserve(base, server, &mut say);
}

/// The usual case, decided without a look at sets and states: one further copy, with the reserve on a host that takes
/// anything, at another site, where no risk is shared.
fn is_plain(base: &Base<'_>, server: &Placed<'_>) -> bool {
    let (spec, plan) = (server.spec, server.plan);
    let (Some(at), Some(spot), Falls::Rack(home)) = (server.backup, &plan.backup, server.falls) else {
        return false;
    };
    let host = &base.hosts[at];
    spec.copies == 2
        && plan.unprotected.is_none()
        && spec
            .sites_allowed
            .as_ref()
            .is_none_or(|sites| sites.contains(&spot.site))
        && spec.site_sets.is_empty()
        && host.open
        && host.site != server.site
        && spot.rack == *base.racks[host.rack].name
        && spot.site == *base.sites[host.site].name
        && plan.copy_sites.len() == 1
        && plan.copy_sites.first() == Some(&spot.site)
        && base.racks[home].site == server.site
        && base
            .shared_risk(&base.racks[home].risks, &base.racks[host.rack].risks)
            .is_none()
}

fn number(base: &Base<'_>, server: &Placed<'_>, say: &mut impl FnMut(String)) {
    let (asked, plan) = (server.spec.copies, server.plan);
    let have = i64::try_from(plan.copy_sites.len()).unwrap_or(i64::MAX);
    if asked <= 1 {
        if plan.backup.is_some() || have > 0 {
            say("its policy keeps one copy and the plan has more".to_owned());
        }
        if plan.unprotected.is_some() {
            say("its policy keeps one copy and the plan calls it unprotected".to_owned());
        }
        return;
    }
    if plan.copy_sites.contains(&plan.placement.site) {
        say("a copy is where the original is".to_owned());
    }
    let whole = plan.backup.is_some() && have >= asked - 1;
    if have > asked - 1 {
        say(format!(
            "{have} further copies where its policy asks for {}",
            asked - 1
        ));
    }
    if whole == plan.unprotected.is_some() {
        say(format!(
            "{have} further copies of {}, and the plan says otherwise",
            asked - 1
        ));
    }
    if !whole && server.spec.current.is_none() {
        say("a new server was let in without the copies of its policy".to_owned());
    }
    for site in &plan.copy_sites {
        copy(base, server, site, say);
    }
}

fn copy(base: &Base<'_>, server: &Placed<'_>, site: &SiteName, say: &mut impl FnMut(String)) {
    let state = base.site_state(site);
    let allowed = server.spec.sites_allowed.as_ref();
    let allowed = allowed.is_none_or(|sites| sites.contains(site));
    if state == State::Active && allowed {
        return;
    }
    let had = server.spec.current.as_ref().is_some_and(|current| {
        let backup = current.backup.as_ref().and_then(|name| base.host_named(name));
        current.copy_sites.contains(site)
            || current.site == *site
            || backup.is_some_and(|host| base.sites[base.hosts[host].site].name == site)
    });
    if !had && state != State::Active {
        say(format!("a new copy was put at {site}, which takes nothing new"));
    }
    if state == State::Fenced {
        say(format!("a copy at {site}, which is fenced, is counted"));
    }
    if !had && !allowed {
        say(format!("a new copy was put at {site}, which it may not use"));
    }
}

/// Does one of the sets cover the server and its copies, unless all of them were there before?
fn within(base: &Base<'_>, server: &Placed<'_>, say: &mut impl FnMut(String)) {
    let (sets, plan) = (&server.spec.site_sets, server.plan);
    if sets.is_empty() || plan.copy_sites.is_empty() {
        return;
    }
    let mut places = vec![&plan.placement.site];
    places.extend(&plan.copy_sites);
    let had = |site: &SiteName| {
        server.spec.current.as_ref().is_some_and(|current| {
            let backup = current.backup.as_ref().and_then(|name| base.host_named(name));
            current.site == *site
                || current.copy_sites.contains(site)
                || backup.is_some_and(|host| base.sites[base.hosts[host].site].name == site)
        })
    };
    let covered = sets
        .iter()
        .any(|set| places.iter().all(|site| set.contains(*site)));
    if !covered && !places.iter().all(|site| had(site)) {
        say(format!("no set of its sites covers {places:?}"));
    }
}

/// A copy: the name of its site, and the risks that it depends on.
type At<'b> = (&'b SiteName, &'b [usize]);

fn distance(base: &Base<'_>, server: &Placed<'_>, say: &mut impl FnMut(String)) {
    let plan = server.plan;
    if plan.copy_sites.is_empty() && plan.backup.is_none() {
        return;
    }
    let risks = match server.falls {
        Falls::Rack(rack) => &base.racks[rack].risks,
        Falls::Site(site) => &base.sites[site].risks,
    };
    let home: At<'_> = (&plan.placement.site, risks);
    let reserve: Option<At<'_>> = plan.backup.as_ref().map(|spot| {
        let host = server.backup.map(|host| base.hosts[host].rack);
        (&spot.site, host.map_or(&[][..], |rack| &base.racks[rack].risks))
    });
    if let Some((site, _)) = reserve
        && !plan.copy_sites.contains(site)
    {
        say(format!("its reserve is at {site}, where no copy is"));
    }
    if let Some(reserve) = reserve
        && plan.copy_sites.len() == 1
        && plan.copy_sites.first() == Some(reserve.0)
    {
        apart(base, server.spec.spread, home, reserve, say);
        return;
    }
    let mut places = vec![home];
    places.extend(reserve);
    for site in &plan.copy_sites {
        if reserve.is_none_or(|(other, _)| other != site) {
            let risks = base.site(site).map_or(&[][..], |at| &base.sites[at].risks);
            places.push((site, risks));
        }
    }
    for (at, &one) in places.iter().enumerate() {
        for &other in &places[at + 1..] {
            apart(base, server.spec.spread, one, other, say);
        }
    }
}

fn apart(base: &Base<'_>, spread: Spread, one: At<'_>, other: At<'_>, say: &mut impl FnMut(String)) {
    if one.0 == other.0 {
        say(format!("two copies share the site {}", one.0));
    }
    if spread == Spread::SharedRisk
        && let Some(risk) = base.shared_risk(one.1, other.1)
    {
        say(format!(
            "its copies at {} and {} share the risk {risk}",
            one.0, other.0
        ));
    }
}

fn reserve(base: &Base<'_>, server: &Placed<'_>, say: &mut impl FnMut(String)) {
    let (Some(backup), Some(spot)) = (server.backup, &server.plan.backup) else {
        return;
    };
    let host = &base.hosts[backup];
    let rack = &base.racks[host.rack];
    if spot.site != *base.sites[host.site].name || spot.rack != *rack.name {
        say(format!("its reserve {} is not where the plan says", spot.host));
    }
    let state = base.sites[host.site].state;
    if host.open || state == State::Unknown {
        return;
    }
    let usable = matches!(host.spec.usable, HostUse::Usable | HostUse::Draining)
        && state != State::Fenced
        && !matches!(rack.spec.state, State::Fenced | State::Unknown);
    if !usable {
        let how = format!("its reserve is on {}, where nothing can start", host.name);
        say(how);
    }
    let before = server.spec.current.as_ref();
    if before.and_then(|current| current.backup.as_ref()) != Some(host.name) {
        say(format!(
            "its reserve came to {}, which takes nothing new",
            host.name
        ));
    }
}

/// Who must start at once has a reserve that is on. Asked when it is known which hosts are on.
pub(super) fn warm(model: &Model<'_>, faults: &mut Vec<Fault>) {
    for &at in &model.noted.warm {
        let server = &model.servers[at];
        let Some(backup) = server.backup else { continue };
        let host = &model.base.hosts[backup];
        if !model.on[backup] && model.base.sites[host.site].state != State::Unknown {
            let how = format!("it must start at once and its reserve {} is off", host.name);
            faults.push(fault(Rule::Copies, format!("server/{}", server.id), how));
        }
    }
}
