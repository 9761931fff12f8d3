//! Nothing carries, draws or stores more than it can, and the plan says where it does. No I/O.

use crate::fixture::{at, found, id, running, sound, spot};
use raidc_planner::{ColocationId, Excess, ExcessOf, PlanOptions, Resource, Rule, check, plan};

#[test]
fn no_host_carries_more_than_it_has() {
    let (fleet, made) = sound();
    let mut heap = made.clone();
    for server in 0..10 {
        at(&mut heap, server).placement = spot("a-r1-h1");
    }
    found(&fleet, &heap, Rule::HostFits, "host/a-r1-h1", "carries");
    let (mut fleet, again) = running();
    let place = again.servers[&id(5)].placement.host.clone();
    fleet.hosts.get_mut(&place).expect("host").memory_mib = 1;
    found(
        &fleet,
        &again,
        Rule::HostFits,
        &format!("host/{place}"),
        "carries",
    );
    // What was there before may stay, if the plan says so; by the right figures, in the right measure.
    let told = plan(
        &fleet,
        &PlanOptions {
            max_moves: 0,
            ..PlanOptions::default()
        },
    );
    assert_eq!(check(&fleet, &told), vec![]);
    assert!(!told.excesses.is_empty());
    let mut wrong = told.clone();
    wrong.excesses[0].resource = Resource::Cpu;
    found(
        &fleet,
        &wrong,
        Rule::HostFits,
        &format!("host/{place}"),
        "carries",
    );
    found(&fleet, &wrong, Rule::Ledger, "excess", "says");
    let mut twice = told.clone();
    twice.excesses.push(told.excesses[0].clone());
    found(&fleet, &twice, Rule::Ledger, "excess", "says");
}

#[test]
fn no_excess_is_declared_that_is_none() {
    let (fleet, made) = sound();
    let ledger = &made.sites[&"a".into()];
    for (used, limit) in [(ledger.cpu_used_milli, ledger.cpu_ceiling_milli), (5, 4)] {
        let mut forged = made.clone();
        forged.excesses.push(Excess {
            of: ExcessOf::Site("a".into()),
            resource: Resource::Cpu,
            used,
            limit,
        });
        found(&fleet, &forged, Rule::Ledger, "excess/Site", "says");
    }
}

#[test]
fn no_site_takes_a_new_server_above_its_ceiling() {
    let (mut fleet, made) = sound();
    let site = made.servers[&id(5)].placement.site.clone();
    fleet.sites.get_mut(&site).expect("site").ceiling_percent = 1;
    found(
        &fleet,
        &made,
        Rule::SiteCeiling,
        &format!("site/{site}"),
        "new server",
    );
    let (mut fleet, again) = running();
    fleet.sites.get_mut(&site).expect("site").ceiling_percent = 1;
    found(&fleet, &again, Rule::SiteCeiling, &format!("site/{site}"), "uses");
}

#[test]
fn no_rack_draws_more_than_its_surviving_feed_carries() {
    let (mut fleet, made) = sound();
    let rack = made.servers[&id(5)].placement.rack.clone();
    let what = format!("rack/{rack}");
    fleet.racks.get_mut(&rack).expect("rack").max_watts = Some(10);
    found(&fleet, &made, Rule::RackWatts, &what, "draws");
    let (mut fleet, again) = running();
    fleet.racks.get_mut(&rack).expect("rack").max_watts = Some(10);
    found(&fleet, &again, Rule::RackWatts, &what, "draws");
    // Its servers may stay when the plan says so; a device that came there may not.
    let mut told = again.clone();
    let draws = told.racks[&rack].committed_watts;
    told.excesses.push(Excess {
        of: ExcessOf::Rack(rack.clone()),
        resource: Resource::Watts,
        used: draws,
        limit: 10,
    });
    assert!(
        !check(&fleet, &told)
            .iter()
            .any(|fault| fault.rule == Rule::RackWatts)
    );
    let firewalls = ColocationId::new("kuldiga", "firewalls");
    for colocation in fleet.colocations.values_mut() {
        colocation.current.clear();
    }
    told.colocations.get_mut(&firewalls).expect("placed")[0].rack = rack;
    found(&fleet, &told, Rule::RackWatts, &what, "draws");
}

#[test]
fn no_site_stores_more_than_it_can() {
    let (mut fleet, made) = sound();
    let site = made.servers[&id(5)].placement.site.clone();
    fleet.sites.get_mut(&site).expect("site").storage_mib = Some(1);
    found(
        &fleet,
        &made,
        Rule::Storage,
        &format!("site/{site}"),
        "some of it new",
    );
    let (mut fleet, again) = running();
    fleet.sites.get_mut(&site).expect("site").storage_taken_mib = 9_999;
    found(&fleet, &again, Rule::Storage, &format!("site/{site}"), "stores");
}

#[test]
fn no_new_thing_exceeds_a_quota() {
    let (fleet, made) = sound();
    for field in 0..6 {
        let mut fleet = fleet.clone();
        let quota = &mut fleet.tenants.get_mut(&"kuldiga".into()).expect("tenant").quota;
        *[
            &mut quota.servers,
            &mut quota.cpu_milli,
            &mut quota.memory_mib,
            &mut quota.storage_mib,
            &mut quota.watts,
            &mut quota.rack_units,
        ][field] = Some(1);
        found(&fleet, &made, Rule::Quota, "tenant/kuldiga", "of 1 ");
    }
    let mut unknown = fleet.clone();
    unknown.tenants.clear();
    found(&unknown, &made, Rule::Quota, "tenant/kuldiga", "is not known");
}
