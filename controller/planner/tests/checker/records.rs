//! What is recorded and was before: held servers, places that were left, groups that met. No I/O.

use crate::fixture::{at, found, id, running, sound, spot};
use raidc_planner::{
    Excess, ExcessOf, Fleet, HostUse, Plan, PlanOptions, Resource, Rule, SiteSet, State, check, plan,
};

fn said(fleet: &Fleet, plan: &Plan, rule: Rule, why: &str) -> bool {
    let mut faults = check(fleet, plan).into_iter();
    faults.any(|fault| fault.rule == rule && fault.message.contains(why))
}

/// The running fleet with two servers whose sites are gone, and its plan.
fn lost_sites() -> (Fleet, Plan) {
    let (mut fleet, _) = running();
    for (server, site) in [(5, "y"), (6, "z")] {
        let current = fleet
            .servers
            .get_mut(&id(server))
            .expect("server")
            .current
            .as_mut();
        let current = current.expect("a place");
        (current.site, current.rack) = (site.into(), "gone".into());
        current.host = Some(format!("{site}-gone").as_str().into());
    }
    let held = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &held), vec![]);
    assert!(held.servers[&id(5)].held.is_some());
    (fleet, held)
}

#[test]
fn no_site_that_is_only_recorded_is_left_out() {
    let (fleet, held) = lost_sites();
    for site in ["y", "z"] {
        let mut silent = held.clone();
        assert!(silent.sites.remove(&site.into()).is_some());
        found(
            &fleet,
            &silent,
            Rule::Ledger,
            &format!("site/{site}"),
            "has no ledger",
        );
    }
    let mut fewer = held.clone();
    fewer
        .scenarios
        .retain(|summary| summary.scenario.to_string() != "site/y");
    found(&fleet, &fewer, Rule::Ledger, "plan", "scenarios of");
}

#[test]
fn nobody_is_held_elsewhere_than_recorded() {
    let (fleet, held) = lost_sites();
    let what = "server/kuldiga/s5";
    for change in [
        (|plan| plan.placement.site = "z".into()) as fn(&mut raidc_planner::ServerPlan),
        |plan| plan.placement.rack = "other".into(),
        |plan| plan.placement.host = "other".into(),
        |plan| plan.held = None,
    ] {
        let mut wrong = held.clone();
        change(at(&mut wrong, 5));
        found(&fleet, &wrong, Rule::PlaceExists, what, "does not exist");
    }
}

#[test]
fn nobody_recovers_on_a_host_that_has_nothing_of_it() {
    let (fleet, again) = running();
    let was = again.servers[&id(5)].clone();
    let reserve = was.backup.clone().expect("reserved");
    let comes = |host: &str, change: &dyn Fn(&mut Fleet)| {
        let mut fleet = fleet.clone();
        fleet.hosts.get_mut(&host.into()).expect("host").usable = HostUse::Draining;
        change(&mut fleet);
        let mut moved = again.clone();
        at(&mut moved, 5).placement = spot(host);
        said(&fleet, &moved, Rule::PlaceExists, "takes nothing new")
    };
    let nothing: &dyn Fn(&mut Fleet) = &|_| ();
    let other = fleet.sites.keys();
    let mut other = other.filter(|site| **site != was.placement.site && !was.copy_sites.contains(*site));
    let other = other.next().expect("a third site");
    assert!(comes(&format!("{other}-r2-h2"), nothing));
    // Where its reserve is, its copy, or it was: that may be.
    assert!(!comes(reserve.host.as_str(), nothing));
    assert!(!comes(&format!("{}-r2-h2", reserve.site), nothing));
    assert!(!comes(&format!("{}-r2-h2", was.placement.site), nothing));
    // But not on what is off or cannot be read.
    for state in [State::Fenced, State::Unknown] {
        assert!(comes(reserve.host.as_str(), &|fleet| {
            fleet.racks.get_mut(&reserve.rack).expect("rack").state = state;
        }));
        assert!(comes(reserve.host.as_str(), &|fleet| {
            fleet.sites.get_mut(&reserve.site).expect("site").state = state;
        }));
    }
}

#[test]
fn no_group_meets_that_did_not_and_none_is_blamed_that_may() {
    let (fleet, made) = sound();
    let mut meet = made.clone();
    at(&mut meet, 1).placement = made.servers[&id(0)].placement.clone();
    let now = |fleet: &Fleet, plan: &Plan| said(fleet, plan, Rule::Apart, " now");
    assert!(now(&fleet, &meet));
    // They shared the host before and stay; then only one of them had been there.
    let mut shared = fleet.clone();
    meet.feed_back(&mut shared);
    assert!(!now(&shared, &meet));
    for server in 0..2 {
        let mut came = shared.clone();
        let current = came
            .servers
            .get_mut(&id(server))
            .expect("server")
            .current
            .as_mut();
        current.expect("a place").host = Some("d-r2-h2".into());
        assert!(now(&came, &meet), "{server} came");
    }
    // Of one fault domain they may meet, of two they may not.
    let domains = |domains: [Option<&str>; 2]| {
        let mut fleet = fleet.clone();
        for (server, domain) in (0..2).zip(domains) {
            let apart = fleet.servers.get_mut(&id(server)).expect("server").apart.as_mut();
            apart.expect("in a group").domain = domain.map(str::to_owned);
        }
        now(&fleet, &meet)
    };
    assert!(!domains([Some("x"), Some("x")]));
    assert!(domains([Some("x"), Some("y")]) && domains([Some("x"), None]) && domains([None, None]));
}

#[test]
fn no_stranger_hides_the_servers_after_it() {
    let (fleet, made) = sound();
    let mut invented = made.clone();
    let stranger = raidc_planner::ServerId::new("kuldiga", "a");
    invented.servers.insert(stranger, made.servers[&id(9)].clone());
    let faults = check(&fleet, &invented);
    let unaccounted = faults.iter().filter(|fault| fault.rule == Rule::Accounted);
    assert_eq!(unaccounted.count(), 1, "{faults:#?}");
}

#[test]
fn no_storage_is_free_that_a_waiting_server_left_full() {
    let (mut fleet, _) = running();
    let place = fleet.servers[&id(5)].current.clone().expect("a place");
    fleet.hosts.remove(place.host.as_ref().expect("a host"));
    let backup = place.backup.expect("reserved");
    let site = fleet.hosts[&backup].site.clone();
    let server = fleet.servers.get_mut(&id(5)).expect("server");
    (server.cpu_milli, server.granted) = (500_000, None);
    let down = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &down), vec![]);
    assert!(down.waiting.contains_key(&id(5).into()));
    for site in [place.site, site] {
        let mut forged = down.clone();
        forged.sites.get_mut(&site).expect("site").storage_used_mib -= 100;
        found(&fleet, &forged, Rule::Ledger, &format!("site/{site}"), "storage");
    }
}

#[test]
fn no_site_is_full_before_the_last_mib_or_after_it() {
    let (fleet, made) = sound();
    let site = made.servers[&id(5)].placement.site.clone();
    let used = made.sites[&site].storage_used_mib;
    let with = |storage: i64, plan: &Plan| {
        let mut fleet = fleet.clone();
        fleet.sites.get_mut(&site).expect("site").storage_mib = Some(storage);
        said(&fleet, plan, Rule::Storage, "stores")
    };
    assert!(!with(used, &made) && with(used - 1, &made) && with(1, &made));
    // Something new does not come where the plan itself says that it is too much.
    for storage in [used - 1, 1] {
        let mut told = made.clone();
        told.excesses.push(Excess {
            of: ExcessOf::Site(site.clone()),
            resource: Resource::Storage,
            used,
            limit: storage,
        });
        assert!(with(storage, &told), "{storage}");
    }
}

#[test]
fn no_ledger_mixes_storage_with_and_without_what_others_store() {
    let (mut fleet, _) = sound();
    let site = "a".into();
    fleet.sites.get_mut(&site).expect("site").storage_taken_mib = 500;
    let made = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &made), vec![]);
    let net = (
        made.sites[&site].storage_used_mib,
        made.sites[&site].storage_mib.expect("a limit"),
    );
    // Whichever of the two the planner tells, the other is as true, and a mixture is neither.
    let gross = if net.1 == 10_000 {
        (net.0 - 500, 9500)
    } else {
        (net.0 + 500, 10_000)
    };
    let tells = |(used, all): (i64, i64)| {
        let mut forged = made.clone();
        let ledger = forged.sites.get_mut(&site).expect("site");
        (ledger.storage_used_mib, ledger.storage_mib) = (used, Some(all));
        !said(&fleet, &forged, Rule::Ledger, "storage")
    };
    assert!(tells(net) && tells(gross));
    assert!(!tells((net.0, gross.1)) && !tells((gross.0, net.1)));
}

#[test]
fn nothing_is_new_to_a_full_site_that_was_there() {
    let (mut fleet, again) = running();
    let was = again.servers[&id(5)].clone();
    let fresh = |fleet: &Fleet, plan: &Plan, site: &raidc_planner::SiteName| {
        let mut fleet = fleet.clone();
        fleet.sites.get_mut(site).expect("site").storage_mib = Some(1);
        said(&fleet, plan, Rule::Storage, "some of it new")
    };
    for site in fleet.sites.keys() {
        assert!(!fresh(&fleet, &again, site), "{site}");
    }
    // It changes places with its reserve: its data is at both.
    let mut changed = again.clone();
    let plan = at(&mut changed, 5);
    plan.backup = Some(was.placement.clone());
    plan.placement = was.backup.clone().expect("reserved");
    plan.copy_sites = [was.placement.site.clone()].into();
    for site in fleet.sites.keys() {
        assert!(!fresh(&fleet, &changed, site), "{site}");
    }
    // A record of the reserve alone says it too.
    let current = fleet.servers.get_mut(&id(5)).expect("server").current.as_mut();
    current.expect("a place").copy_sites = SiteSet::default();
    for site in fleet.sites.keys() {
        assert!(!fresh(&fleet, &again, site), "{site}");
    }
    let mut others = fleet.sites.keys();
    let other = others.find(|site| **site != was.placement.site && !was.copy_sites.contains(*site));
    let other = other.expect("a third site");
    let mut came = again.clone();
    at(&mut came, 5).copy_sites.insert(other.clone());
    assert!(fresh(&fleet, &came, other));
}

#[test]
fn no_unknown_tenant_is_blamed_for_what_was_there() {
    let (mut fleet, again) = running();
    fleet.tenants.clear();
    assert!(!said(&fleet, &again, Rule::Quota, "is not known"));
}

#[test]
fn the_loss_of_a_site_that_is_gone_is_never_forgotten_when_its_server_starts_elsewhere() {
    let (mut fleet, again) = running();
    let server = fleet.servers.get_mut(&id(5)).expect("server");
    server.released = true;
    let current = server.current.as_mut().expect("a place");
    (current.site, current.rack, current.host) = ("y".into(), "gone".into(), Some("y-gone".into()));
    let made = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &made), vec![]);
    let copy = &again.servers[&id(5)].copy_sites;
    assert!(copy.contains(&made.servers[&id(5)].placement.site));
    let mut fewer = made.clone();
    fewer
        .scenarios
        .retain(|summary| summary.scenario.to_string() != "site/y");
    found(&fleet, &fewer, Rule::Ledger, "plan", "scenarios of");
}
