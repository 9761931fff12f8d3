//! Are there as many copies as the policy asks, at sites as far apart as it asks? No I/O.

use std::collections::BTreeSet;

use super::model::{AServer, Model, fault};
use crate::fault::{Fault, Rule};
use crate::fleet::{HostUse, Spread, State};
use crate::ids::{RackName, RiskName, SiteName};

/// Runs the checks of this file.
pub(super) fn check(model: &Model<'_>, faults: &mut Vec<Fault>) {
    for server in &model.servers {
        let mut say = |how: String| faults.push(fault(Rule::Copies, format!("server/{}", server.id), how));
        number(model, server, &mut say);
        distance(model, server, &mut say);
        reserve(model, server, &mut say);
    }
}

fn number(model: &Model<'_>, server: &AServer<'_>, say: &mut impl FnMut(String)) {
    let (asked, plan) = (server.spec.copies, server.plan);
    let have = i64::try_from(plan.copy_sites.len()).unwrap_or(i64::MAX);
    if plan.copy_sites.contains(&plan.placement.site) {
        say("a copy is where the original is".to_owned());
    }
    if asked <= 1 {
        if plan.backup.is_some() || have > 0 {
            say("its policy keeps one copy and the plan has more".to_owned());
        }
        return;
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
        let had = server.spec.current.as_ref().is_some_and(|current| {
            let backup = current
                .backup
                .as_ref()
                .and_then(|name| model.fleet.hosts.get(name));
            current.copy_sites.contains(site)
                || current.site == *site
                || backup.is_some_and(|host| host.site == *site)
        });
        let state = model.site_state(site);
        if !had && state != State::Active {
            say(format!("a new copy was put at {site}, which takes nothing new"));
        }
        if state == State::Fenced {
            say(format!("a copy at {site}, which is fenced, is counted"));
        }
        if !had
            && server
                .spec
                .sites_allowed
                .as_ref()
                .is_some_and(|sites| !sites.contains(site))
        {
            say(format!("a new copy was put at {site}, which it may not use"));
        }
    }
}

/// What a copy at this site, in this rack if any, depends on.
fn risks<'a>(model: &Model<'a>, site: &SiteName, rack: Option<&RackName>) -> BTreeSet<&'a RiskName> {
    let of_site = model
        .fleet
        .sites
        .get(site)
        .into_iter()
        .flat_map(|site| &site.shared_risks);
    let of_rack = rack
        .and_then(|rack| model.fleet.racks.get(rack))
        .into_iter()
        .flat_map(|rack| &rack.shared_risks);
    of_site.chain(of_rack).collect()
}

fn distance(model: &Model<'_>, server: &AServer<'_>, say: &mut impl FnMut(String)) {
    let plan = server.plan;
    let mut places: Vec<(&SiteName, BTreeSet<&RiskName>)> = Vec::new();
    let rack = server.host.map(|_| &plan.placement.rack);
    places.push((&plan.placement.site, risks(model, &plan.placement.site, rack)));
    if let Some(backup) = &plan.backup {
        if !plan.copy_sites.contains(&backup.site) {
            say(format!("its reserve is at {}, where no copy is", backup.site));
        }
        places.push((&backup.site, risks(model, &backup.site, Some(&backup.rack))));
    }
    for site in &plan.copy_sites {
        if plan.backup.as_ref().is_none_or(|backup| backup.site != *site) {
            places.push((site, risks(model, site, None)));
        }
    }
    for (at, (site, risks)) in places.iter().enumerate() {
        for (other, others) in &places[at + 1..] {
            if site == other {
                say(format!("two copies share the site {site}"));
            }
            if server.spec.spread == Spread::SharedRisk
                && let Some(risk) = risks.intersection(others).next()
            {
                say(format!("its copies at {site} and {other} share the risk {risk}"));
            }
        }
    }
}

fn reserve(model: &Model<'_>, server: &AServer<'_>, say: &mut impl FnMut(String)) {
    let Some(backup) = server.backup else { return };
    let host = &model.hosts[backup];
    let rack = &model.racks[host.rack];
    if let Some(spot) = &server.plan.backup
        && (spot.site != host.spec.site || spot.rack != host.spec.rack)
    {
        say(format!("its reserve {} is not where the plan says", spot.host));
    }
    if host.site.state == State::Unknown {
        return;
    }
    let usable = matches!(host.spec.usable, HostUse::Usable | HostUse::Draining)
        && !matches!(host.site.state, State::Fenced)
        && !matches!(rack.spec.state, State::Fenced | State::Unknown);
    if !usable {
        say(format!(
            "its reserve is on {}, where nothing can start",
            host.name
        ));
    }
    let before = server
        .spec
        .current
        .as_ref()
        .and_then(|current| current.backup.as_ref());
    let open = host.site.state == State::Active
        && rack.spec.state == State::Active
        && host.spec.usable == HostUse::Usable;
    if before != Some(host.name) && !open {
        say(format!(
            "its reserve came to {}, which takes nothing new",
            host.name
        ));
    }
    if server.spec.warm && !host.on {
        say(format!(
            "it must start at once and its reserve {} is off",
            host.name
        ));
    }
}
