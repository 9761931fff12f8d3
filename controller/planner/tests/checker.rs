//! The checker finds whatever breaks a rule: sound plans with one thing made wrong in them. No I/O.

// A fixture that is not as expected ends the test, also outside of the test's own function; changes to a plan are
// written as short closures.
#![allow(
    clippy::expect_used,
    clippy::drop_non_drop,
    clippy::semicolon_if_nothing_returned,
    clippy::too_many_lines,
    clippy::similar_names,
    clippy::needless_pass_by_value
)]

#[allow(dead_code)] // shared with the other property tests; not all of it is used here
mod fleets;

use proptest::prelude::*;
use proptest::sample::Index;
use raidc_planner::{
    Apart, ApartBy, Colocation, ColocationId, ColocationSpread, Device, Excess, ExcessOf, Feed, Fleet, Host,
    HostUse, Move, MoveKind, MoveReason, Plan, PlanOptions, Rack, Resource, RiskName, Rule, Scenario, Server,
    ServerId, Site, Spot, State, Survival, Tenant, Waiting, WaitingOn, check, plan,
};
use serde_json::Value;

/// Four sites with two racks of two hosts; two groups, a warm and an unprotected server, storage, and firewalls.
fn fleet() -> Fleet {
    let mut fleet = Fleet::default();
    for site in ["a", "b", "c", "d"] {
        fleet.sites.insert(
            site.into(),
            Site {
                storage_mib: Some(10_000),
                ..Site::default()
            },
        );
        for at in 1..=2 {
            let rack = format!("{site}-r{at}");
            let feed = |name: &str| Feed {
                name: name.to_owned(),
                watts: 4000,
                panel: None,
            };
            let spec = Rack {
                site: site.into(),
                feeds: vec![feed("x"), feed("y")],
                ..Rack::default()
            };
            fleet.racks.insert(rack.as_str().into(), spec);
            for host in 1..=2 {
                let spec = Host {
                    site: site.into(),
                    rack: rack.as_str().into(),
                    cpu_milli: 16_000,
                    memory_mib: 65_536,
                    idle_watts: 100,
                    max_watts: 400,
                    powered: at == 1,
                    ..Host::default()
                };
                fleet.hosts.insert(format!("{rack}-h{host}").into(), spec);
            }
        }
    }
    fleet.tenants.insert("kuldiga".into(), Tenant::default());
    for at in 0..10_i64 {
        let spec = Server {
            tenant: "kuldiga".into(),
            created_at: at,
            cpu_milli: 2000 + 100 * at,
            memory_mib: 4096,
            overhead_mib: 100,
            storage_mib: 100,
            copies: if at == 9 { 1 } else { 2 },
            warm: at == 8,
            apart: (at < 4).then(|| Apart {
                group: format!("g{}", at / 2),
                by: ApartBy::Host,
                domain: None,
            }),
            ..Server::default()
        };
        fleet.servers.insert(id(at), spec);
    }
    let device = |name: &str| Device {
        name: name.to_owned(),
        units: 2,
        watts: 100,
        feeds: 2,
    };
    fleet.colocations.insert(
        ColocationId::new("kuldiga", "firewalls"),
        Colocation {
            tenant: "kuldiga".into(),
            devices: vec![device("one"), device("two")],
            spread: ColocationSpread::Site,
            ..Colocation::default()
        },
    );
    fleet
}

fn id(at: i64) -> ServerId {
    ServerId::new("kuldiga", format!("s{at}"))
}

/// The fleet, and a plan that is sound.
fn sound() -> (Fleet, Plan) {
    let fleet = fleet();
    let made = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &made), vec![]);
    assert!(made.waiting.is_empty(), "{:?}", made.waiting);
    (fleet, made)
}

/// The same after the plan was carried out.
fn running() -> (Fleet, Plan) {
    let (mut fleet, made) = sound();
    made.feed_back(&mut fleet);
    let again = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &again), vec![]);
    (fleet, again)
}

/// That the rule is found broken, by this thing, and why.
#[track_caller]
fn found(fleet: &Fleet, plan: &Plan, rule: Rule, what: &str, why: &str) {
    let faults = check(fleet, plan);
    let hit = faults
        .iter()
        .any(|fault| fault.rule == rule && fault.what.starts_with(what) && fault.message.contains(why));
    assert!(hit, "{rule:?} {what} ({why}) is not among {faults:#?}");
}

fn spot(host: &str) -> Spot {
    let rack = host.rsplit_once('-').expect("rack-host").0;
    Spot {
        site: rack.split('-').next().expect("a site").into(),
        rack: rack.into(),
        host: host.into(),
    }
}

/// Where a server runs, to be changed.
fn at(plan: &mut Plan, server: i64) -> &mut raidc_planner::ServerPlan {
    plan.servers.get_mut(&id(server)).expect("placed")
}

#[test]
fn no_server_is_forgotten_invented_or_counted_twice() {
    let (fleet, made) = sound();
    let mut forgotten = made.clone();
    forgotten.servers.remove(&id(3));
    found(
        &fleet,
        &forgotten,
        Rule::Accounted,
        "server/kuldiga/s3",
        "neither",
    );
    let mut twice = made.clone();
    twice
        .waiting
        .insert(id(3).into(), Waiting::on(WaitingOn::UnknownTenant));
    found(&fleet, &twice, Rule::Accounted, "server/kuldiga/s3", "and waits");
    for name in ["a", "s3x", "z"] {
        let mut invented = made.clone();
        let stranger = ServerId::new("kuldiga", name);
        let plan = made.servers[&id(3)].clone();
        invented.servers.insert(stranger.clone(), plan);
        found(
            &fleet,
            &invented,
            Rule::Accounted,
            &format!("server/{stranger}"),
            "in the plan",
        );
        let mut waits = made.clone();
        waits
            .waiting
            .insert(stranger.clone().into(), Waiting::on(WaitingOn::UnknownTenant));
        found(
            &fleet,
            &waits,
            Rule::Accounted,
            &format!("server/{stranger}"),
            "waits and",
        );
    }
}

#[test]
fn no_device_is_forgotten_invented_or_at_two_places() {
    let (fleet, made) = sound();
    let firewalls = ColocationId::new("kuldiga", "firewalls");
    let change = |change: &dyn Fn(&mut Plan)| {
        let mut changed = made.clone();
        change(&mut changed);
        changed
    };
    let places = |plan: &mut Plan| plan.colocations.remove(&firewalls).expect("placed");
    let what = "colocation/kuldiga/firewalls";
    let gone = change(&|plan| drop(places(plan)));
    found(&fleet, &gone, Rule::Accounted, what, "neither");
    let twice = change(&|plan| {
        let mut places = places(plan);
        places[1].device = places[0].device.clone();
        plan.colocations.insert(firewalls.clone(), places);
    });
    found(&fleet, &twice, Rule::Accounted, what, "at two places");
    found(&fleet, &twice, Rule::Accounted, what, "neither");
    let other = change(&|plan| {
        let places = places(plan);
        plan.colocations.insert(ColocationId::new("kuldiga", "x"), places);
    });
    found(
        &fleet,
        &other,
        Rule::Accounted,
        "colocation/kuldiga/x",
        "not in the fleet",
    );
    let waits = change(&|plan| {
        let id = ColocationId::new("kuldiga", "x");
        plan.waiting
            .insert(id.into(), Waiting::on(WaitingOn::UnknownTenant));
    });
    found(
        &fleet,
        &waits,
        Rule::Accounted,
        "colocation/kuldiga/x",
        "waits and",
    );
}

#[test]
fn no_server_runs_where_nothing_is_or_nothing_may_come() {
    let (mut fleet, made) = sound();
    let mut nowhere = made.clone();
    at(&mut nowhere, 5).placement.host = "ghost".into();
    found(
        &fleet,
        &nowhere,
        Rule::PlaceExists,
        "server/kuldiga/s5",
        "does not exist",
    );
    let mut rack = made.clone();
    at(&mut rack, 5).placement.rack = "a-r9".into();
    found(&fleet, &rack, Rule::PlaceExists, "server/kuldiga/s5", "is not in");
    let mut site = made.clone();
    at(&mut site, 5).placement.site = "zz".into();
    found(&fleet, &site, Rule::PlaceExists, "server/kuldiga/s5", "is not in");
    let mut reserve = made.clone();
    at(&mut reserve, 5).backup.as_mut().expect("reserved").host = "ghost".into();
    found(
        &fleet,
        &reserve,
        Rule::PlaceExists,
        "server/kuldiga/s5",
        "not in the fleet",
    );

    let place = made.servers[&id(5)].placement.clone();
    let closed = |change: &dyn Fn(&mut Fleet)| {
        let mut fleet = fleet.clone();
        change(&mut fleet);
        found(
            &fleet,
            &made,
            Rule::PlaceExists,
            "server/kuldiga/s5",
            "takes nothing new",
        );
    };
    closed(&|fleet| fleet.hosts.get_mut(&place.host).expect("host").usable = HostUse::Cordoned);
    closed(&|fleet| fleet.racks.get_mut(&place.rack).expect("rack").state = State::Draining);
    closed(&|fleet| fleet.sites.get_mut(&place.site).expect("site").state = State::Cordoned);
    closed(&|fleet| {
        // An overcommit that makes no sense: nothing is known of what the hosts carry.
        fleet
            .sites
            .get_mut(&place.site)
            .expect("site")
            .cpu_overcommit_percent = 0;
    });
    fleet.servers.get_mut(&id(5)).expect("server").sites_allowed = Some(["zz".into()].into());
    found(
        &fleet,
        &made,
        Rule::PlaceExists,
        "server/kuldiga/s5",
        "may not use",
    );
    found(&fleet, &made, Rule::Copies, "server/kuldiga/s5", "may not use");
}

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
fn no_copy_is_missing_too_many_or_too_near() {
    let (mut fleet, made) = sound();
    let what = "server/kuldiga/s5";
    let change = |server: i64, change: &dyn Fn(&mut raidc_planner::ServerPlan)| {
        let mut changed = made.clone();
        change(at(&mut changed, server));
        changed
    };
    let bare = change(5, &|plan| plan.backup = None);
    found(&fleet, &bare, Rule::Copies, what, "says otherwise");
    found(&fleet, &bare, Rule::Copies, what, "let in without");
    let none = change(5, &|plan| plan.copy_sites.clear());
    found(&fleet, &none, Rule::Copies, what, "where no copy is");
    found(&fleet, &none, Rule::Copies, what, "0 further copies of 1");
    let many = change(5, &|plan| {
        plan.copy_sites.extend(["a".into(), "b".into(), "c".into()])
    });
    found(&fleet, &many, Rule::Copies, what, "where its policy asks for 1");
    let home = change(5, &|plan| {
        plan.copy_sites.insert(plan.placement.site.clone());
    });
    found(&fleet, &home, Rule::Copies, what, "where the original is");
    let unasked = change(9, &|plan| {
        plan.copy_sites.insert("zz".into());
    });
    found(
        &fleet,
        &unasked,
        Rule::Copies,
        "server/kuldiga/s9",
        "keeps one copy",
    );
    let scared = change(9, &|plan| {
        plan.unprotected = Some(Box::new(Waiting::on(WaitingOn::UnknownTenant)))
    });
    found(
        &fleet,
        &scared,
        Rule::Copies,
        "server/kuldiga/s9",
        "calls it unprotected",
    );
    let near = change(5, &|plan| {
        let twin = if plan.placement.host.as_str().ends_with('1') {
            "h2"
        } else {
            "h1"
        };
        let host = format!("{}-{twin}", plan.placement.rack);
        plan.copy_sites = [plan.placement.site.clone()].into();
        plan.backup = Some(spot(&host));
    });
    found(&fleet, &near, Rule::Copies, what, "share the site");
    found(&fleet, &near, Rule::Survives, what, "takes it and its reserve");
    let elsewhere = change(5, &|plan| {
        plan.backup.as_mut().expect("reserved").rack = "zz".into()
    });
    found(&fleet, &elsewhere, Rule::Copies, what, "not where the plan says");

    let risk = RiskName::from("substation/one");
    let (from, to) = (
        made.servers[&id(5)].placement.rack.clone(),
        made.servers[&id(5)].backup.clone().expect("reserved").site,
    );
    fleet
        .racks
        .get_mut(&from)
        .expect("rack")
        .shared_risks
        .insert(risk.clone());
    fleet.sites.get_mut(&to).expect("site").shared_risks.insert(risk);
    found(&fleet, &made, Rule::Copies, what, "share the risk substation/one");
    found(
        &fleet,
        &made,
        Rule::Survives,
        what,
        "risk/substation/one takes it",
    );
}

#[test]
fn no_reserve_is_where_nothing_can_start() {
    let (fleet, made) = sound();
    let (running_fleet, again) = running();
    let reserve = made.servers[&id(5)].backup.clone().expect("reserved");
    for used in [HostUse::Cordoned, HostUse::NotReady, HostUse::Unknown] {
        let mut fleet = running_fleet.clone();
        fleet.hosts.get_mut(&reserve.host).expect("host").usable = used;
        found(
            &fleet,
            &again,
            Rule::Copies,
            "server/kuldiga/s5",
            "nothing can start",
        );
    }
    for state in [State::Fenced, State::Unknown] {
        let mut fleet = running_fleet.clone();
        fleet.racks.get_mut(&reserve.rack).expect("rack").state = state;
        found(
            &fleet,
            &again,
            Rule::Copies,
            "server/kuldiga/s5",
            "nothing can start",
        );
    }
    let mut fenced = running_fleet.clone();
    fenced.sites.get_mut(&reserve.site).expect("site").state = State::Fenced;
    found(&fenced, &again, Rule::Copies, "server/kuldiga/s5", "is fenced");
    found(
        &fenced,
        &again,
        Rule::Copies,
        "server/kuldiga/s5",
        "nothing can start",
    );
    let mut drained = fleet.clone();
    drained.sites.get_mut(&reserve.site).expect("site").state = State::Draining;
    found(
        &drained,
        &made,
        Rule::Copies,
        "server/kuldiga/s5",
        "reserve came to",
    );
    found(
        &drained,
        &made,
        Rule::Copies,
        "server/kuldiga/s5",
        "a new copy was put",
    );
}

#[test]
fn no_server_that_must_start_at_once_waits_for_a_host_to_wake() {
    let (fleet, mut made) = sound();
    let home = made.servers[&id(8)].placement.site.clone();
    let busy: Vec<_> = made
        .servers
        .values()
        .map(|plan| plan.placement.host.clone())
        .collect();
    let asleep = fleet
        .hosts
        .iter()
        .find(|(name, host)| !host.powered && host.site != home && !busy.contains(name))
        .map(|(name, _)| name.clone())
        .expect("a host asleep");
    let plan = at(&mut made, 8);
    plan.backup = Some(spot(asleep.as_str()));
    plan.copy_sites = [plan.backup.clone().expect("reserved").site].into();
    found(&fleet, &made, Rule::Copies, "server/kuldiga/s8", "is off");
}

#[test]
fn no_group_meets_now_or_after_a_loss() {
    let (fleet, made) = sound();
    let mut now = made.clone();
    at(&mut now, 1).placement = made.servers[&id(0)].placement.clone();
    found(&fleet, &now, Rule::Apart, "server/kuldiga/s0", "now");
    // Both fall with site a, and both would start on one host.
    let mut after = made.clone();
    for (server, host) in [(0, "a-r1-h1"), (1, "a-r2-h1")] {
        let plan = at(&mut after, server);
        (plan.placement, plan.backup) = (spot(host), Some(spot("b-r1-h1")));
        plan.copy_sites = ["b".into()].into();
    }
    found(&fleet, &after, Rule::Apart, "server/kuldiga/s0", "after site/a");
    // One falls and starts where the other runs.
    at(&mut after, 1).placement = spot("b-r1-h1");
    at(&mut after, 1).backup = Some(spot("c-r1-h1"));
    found(
        &fleet,
        &after,
        Rule::Apart,
        "server/kuldiga/s0",
        "after rack/a-r1",
    );
    for by in [ApartBy::Rack, ApartBy::Site] {
        let mut fleet = fleet.clone();
        let apart = fleet.servers.get_mut(&id(0)).expect("server").apart.as_mut();
        apart.expect("in a group").by = by;
        at(&mut now, 0).placement = spot("c-r1-h1");
        at(&mut now, 1).placement = spot(if by == ApartBy::Rack { "c-r1-h2" } else { "c-r2-h1" });
        found(&fleet, &now, Rule::Apart, "server/kuldiga/s0", "now");
    }
}

#[test]
fn no_loss_leaves_more_on_a_host_or_rack_than_it_carries() {
    let (fleet, made) = sound();
    let mut heap = made.clone();
    for server in 0..9 {
        let plan = at(&mut heap, server);
        (plan.placement, plan.backup) = (spot("a-r1-h1"), Some(spot("b-r2-h1")));
        plan.copy_sites = ["b".into()].into();
    }
    found(&fleet, &heap, Rule::Survives, "host/b-r2-h1", "after site/a");
    let mut poor = fleet.clone();
    poor.racks.get_mut(&"b-r2".into()).expect("rack").max_watts = Some(250);
    found(&poor, &heap, Rule::Survives, "rack/b-r2", "after rack/a-r1");
}

#[test]
fn no_held_server_falls_with_anything_but_its_rack_or_site() {
    let (mut fleet, _) = running();
    let server = fleet.servers.get_mut(&id(5)).expect("server");
    let place = server.current.clone().expect("a place");
    fleet.hosts.remove(place.host.as_ref().expect("a host"));
    fleet.sites.get_mut(&place.site).expect("site").state = State::Unknown;
    let held = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &held), vec![]);
    assert!(held.servers[&id(5)].held.is_some());
    let displaced = |plan: &Plan, scenario: &str| {
        let scenario: Scenario = scenario.parse().expect("a scenario");
        let mut summaries = plan.scenarios.iter();
        summaries
            .find(|summary| summary.scenario == scenario)
            .map(|summary| summary.displaced)
    };
    let rack = format!("rack/{}", place.rack);
    assert!(displaced(&held, &rack) > Some(0));
    // A record of a rack that stands elsewhere is not believed: it falls with the recorded site only.
    let other = if place.site.as_str() == "a" {
        "b-r1"
    } else {
        "a-r1"
    };
    let mut torn = fleet.clone();
    let current = torn.servers.get_mut(&id(5)).expect("server").current.as_mut();
    current.expect("a place").rack = other.into();
    let mut plan = held.clone();
    at(&mut plan, 5).placement.rack = other.into();
    found(&torn, &plan, Rule::Ledger, &rack, "was counted");
    let faults = check(&torn, &plan);
    let wrong = |what: String| {
        faults
            .iter()
            .any(|fault| fault.what == what && fault.rule == Rule::Ledger)
    };
    assert!(
        !wrong(format!("rack/{other}")) && !wrong(format!("site/{}", place.site)),
        "{faults:#?}"
    );
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

#[test]
fn no_device_overlaps_leaves_its_rack_or_moves() {
    let (mut fleet, made) = sound();
    let firewalls = ColocationId::new("kuldiga", "firewalls");
    let what = "colocation/kuldiga/firewalls";
    let change = |at: usize, change: &dyn Fn(&mut raidc_planner::DevicePlace)| {
        let mut changed = made.clone();
        change(&mut changed.colocations.get_mut(&firewalls).expect("placed")[at]);
        changed
    };
    let first = made.colocations[&firewalls][0].clone();
    let over = change(1, &|place| {
        *place = raidc_planner::DevicePlace {
            device: "two".to_owned(),
            ..first.clone()
        }
    });
    found(&fleet, &over, Rule::RackUnits, what, "shares unit");
    found(&fleet, &over, Rule::Devices, what, "not apart");
    for lowest in [0, -3, 42, i64::MAX] {
        let out = change(0, &|place| place.lowest_unit = lowest);
        found(&fleet, &out, Rule::RackUnits, what, "leaves rack");
    }
    let tall = change(0, &|place| place.units = 3);
    found(&fleet, &tall, Rule::RackUnits, what, "said to have");
    let site = change(0, &|place| place.site = "zz".into());
    found(&fleet, &site, Rule::PlaceExists, what, "is not at zz");
    let rack = change(0, &|place| place.rack = "zz".into());
    found(&fleet, &rack, Rule::PlaceExists, what, "does not exist");
    let name = change(0, &|place| place.device = "zz".to_owned());
    found(&fleet, &name, Rule::Accounted, what, "has no device zz");
    let mut narrow = fleet.clone();
    narrow.racks.get_mut(&first.rack).expect("rack").feeds.truncate(1);
    found(&narrow, &made, Rule::Devices, what, "too few feeds");
    let mut closed = fleet.clone();
    closed.racks.get_mut(&first.rack).expect("rack").state = State::Cordoned;
    found(&closed, &made, Rule::PlaceExists, what, "takes nothing new");
    fleet
        .colocations
        .get_mut(&firewalls)
        .expect("there")
        .sites_allowed = Some(["zz".into()].into());
    found(&fleet, &made, Rule::PlaceExists, what, "may not use");
    let (fleet, mut again) = running();
    again.colocations.get_mut(&firewalls).expect("placed")[0].lowest_unit += 5;
    found(&fleet, &again, Rule::Moves, what, "was moved");
}

#[test]
fn no_move_is_forgotten_invented_or_false() {
    let (mut fleet, again) = running();
    let mut invented = again.clone();
    let home = again.servers[&id(5)].placement.clone();
    let false_move = |kind: MoveKind| Move {
        server: id(5),
        kind,
        from: home.clone(),
        to: home.clone(),
        reason: MoveReason::Draining,
    };
    invented.moves.push(false_move(MoveKind::Primary));
    found(&fleet, &invented, Rule::Moves, "server/kuldiga/s5", "it stays");
    for kind in [MoveKind::Backup, MoveKind::Copy] {
        let mut invented = again.clone();
        invented.moves.push(false_move(kind));
        found(
            &fleet,
            &invented,
            Rule::Moves,
            "server/kuldiga/s5",
            "nothing of it moves",
        );
    }
    let mut stranger = again.clone();
    stranger.moves.push(Move {
        server: ServerId::new("kuldiga", "zz"),
        ..false_move(MoveKind::Primary)
    });
    found(&fleet, &stranger, Rule::Moves, "server/kuldiga/zz", "not placed");

    fleet.sites.get_mut(&home.site).expect("site").state = State::Draining;
    let moving = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &moving), vec![]);
    assert!(moving.moves.iter().any(|moved| moved.kind == MoveKind::Primary));
    for at in 0..moving.moves.len() {
        let what = format!("server/{}", moving.moves[at].server);
        let mut forgotten = moving.clone();
        forgotten.moves.remove(at);
        found(&fleet, &forgotten, Rule::Moves, &what, "no move");
        let mut astray = moving.clone();
        astray.moves[at].to.site = "zz".into();
        found(&fleet, &astray, Rule::Moves, &what, "");
        let mut twice = moving.clone();
        twice.moves.push(moving.moves[at].clone());
        found(&fleet, &twice, Rule::Moves, &what, "");
        if moving.moves[at].kind == MoveKind::Primary {
            let mut from = moving.clone();
            from.moves[at].from.rack = "zz".into();
            found(&fleet, &from, Rule::Moves, &what, "does not start");
        }
    }
}

#[test]
fn no_ledger_is_missing_invented_or_of_another_place() {
    let (fleet, made) = sound();
    let change = |change: &dyn Fn(&mut Plan)| {
        let mut changed = made.clone();
        change(&mut changed);
        changed
    };
    let found = |plan: &Plan, what: &str, why: &str| found(&fleet, plan, Rule::Ledger, what, why);
    found(
        &change(&|plan| drop(plan.racks.remove(&"a-r1".into()))),
        "rack/a-r1",
        "has no ledger",
    );
    found(
        &change(&|plan| drop(plan.sites.remove(&"a".into()))),
        "site/a",
        "has no ledger",
    );
    found(
        &change(&|plan| drop(plan.scenarios.pop())),
        "plan",
        "scenarios of",
    );
    found(&change(&|plan| plan.pairs.clear()), "pair/", "None");
    found(
        &change(&|plan| drop(plan.racks.insert("zz".into(), made.racks[&"a-r1".into()].clone()))),
        "rack/zz",
        "",
    );
    found(
        &change(&|plan| drop(plan.sites.insert("zz".into(), made.sites[&"a".into()].clone()))),
        "site/zz",
        "",
    );
    found(
        &change(&|plan| {
            drop(
                plan.pairs
                    .entry("zz".into())
                    .or_default()
                    .insert("a".into(), <_>::default()),
            )
        }),
        "pair/zz/a",
        "nothing falls",
    );
    found(
        &change(&|plan| plan.scenarios[0].scenario = Scenario::Site("zz".into())),
        "",
        "",
    );
    let twice = change(&|plan| {
        let last = plan.scenarios.len() - 1;
        plan.scenarios[last] = plan.scenarios[0].clone();
    });
    found(&twice, "plan", "scenarios of");
    // Their order is free.
    assert_eq!(check(&fleet, &change(&|plan| plan.scenarios.reverse())), vec![]);
    let reserved = made
        .racks
        .iter()
        .find(|(_, ledger)| ledger.reserved_watts > 0)
        .expect("a reserve")
        .0;
    for worst in [
        None,
        Some(Scenario::Rack(reserved.clone())),
        Some(Scenario::Site("zz".into())),
    ] {
        let forged = change(&|plan| plan.racks.get_mut(reserved).expect("rack").worst = worst.clone());
        found(&forged, &format!("rack/{reserved}"), "worst");
    }
    found(
        &change(&|plan| plan.racks.get_mut(reserved).expect("rack").site = "zz".into()),
        "rack/",
        "its site",
    );
    for survives in [
        Survival::Unknown,
        Survival::Loses {
            first: id(0),
            servers: 1,
        },
    ] {
        let forged =
            change(&|plan| plan.sites.get_mut(&"a".into()).expect("site").survives = survives.clone());
        found(&forged, "site/a", "strands");
    }
}

#[test]
fn no_site_is_said_to_survive_what_strands_a_server() {
    let (mut fleet, _) = running();
    // Only one site is left that takes anything: nobody there can have a reserve.
    for site in ["b", "c", "d"] {
        fleet.sites.get_mut(&site.into()).expect("site").state = State::Cordoned;
    }
    for server in fleet.servers.values_mut() {
        server.current = None;
    }
    fleet.servers.get_mut(&id(7)).expect("server").current = Some(raidc_planner::Placement {
        site: "a".into(),
        rack: "a-r1".into(),
        host: Some("a-r1-h1".into()),
        ..raidc_planner::Placement::default()
    });
    let bare = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &bare), vec![]);
    let loses = Survival::Loses {
        first: id(7),
        servers: 1,
    };
    assert_eq!(bare.sites[&"a".into()].survives, loses);
    for survives in [
        Survival::Survives,
        Survival::Loses {
            first: id(6),
            servers: 1,
        },
        Survival::Loses {
            first: id(7),
            servers: 2,
        },
    ] {
        let mut forged = bare.clone();
        forged.sites.get_mut(&"a".into()).expect("site").survives = survives;
        found(&fleet, &forged, Rule::Ledger, "site/a", "strands");
    }
}

/// Every number under `value`.
fn numbers(value: &mut Value) -> Vec<&mut Value> {
    match value {
        Value::Number(_) => vec![value],
        Value::Array(items) => items.iter_mut().flat_map(numbers).collect(),
        Value::Object(fields) => fields.iter_mut().flat_map(|(_, field)| numbers(field)).collect(),
        _ => Vec::new(),
    }
}

/// Every figure of the ledgers, of the excesses, and of what servers draw.
fn figures(plan: &mut Value) -> Vec<&mut Value> {
    let Value::Object(fields) = plan else {
        return Vec::new();
    };
    let ledgers = ["racks", "sites", "pairs", "scenarios", "excesses"];
    let mut all = Vec::new();
    for (name, field) in fields {
        if ledgers.contains(&name.as_str()) {
            all.extend(numbers(field));
        } else if name == "servers" {
            let servers = field.as_object_mut().into_iter().flatten();
            all.extend(servers.filter_map(|(_, server)| server.get_mut("watts")));
        }
    }
    all
}

fn nudge(plan: &Plan, at: usize, by: i64) -> Plan {
    let mut value = serde_json::to_value(plan).expect("plans are written");
    let figure = figures(&mut value).remove(at);
    let was = figure.as_i64().expect("an integer");
    *figure = was.saturating_add(by).into();
    serde_json::from_value(value).expect("plans are read")
}

#[test]
fn no_figure_of_any_ledger_is_one_too_many_or_too_few() {
    let (fleet, made) = sound();
    let count = figures(&mut serde_json::to_value(&made).expect("written")).len();
    assert!(count > 150, "{count} figures");
    for at in 0..count {
        for by in [-1, 1] {
            let forged = nudge(&made, at, by);
            assert_ne!(check(&fleet, &forged), vec![], "figure {at} changed by {by}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_change_of_a_running_plan_goes_unnoticed(
        fleet in fleets::new_fleet(),
        events in proptest::collection::vec(fleets::event(), 0..4),
        which in any::<Index>(),
        other in any::<Index>(),
        by in prop::sample::select(vec![-1i64, 1, 1000]),
    ) {
        let mut fleet = fleet;
        plan(&fleet, &PlanOptions::default()).feed_back(&mut fleet);
        for (number, event) in events.iter().enumerate() {
            fleets::happen(&mut fleet, event, number);
        }
        plan(&fleet, &PlanOptions::default()).feed_back(&mut fleet);
        let made = plan(&fleet, &PlanOptions::default());
        prop_assert_eq!(check(&fleet, &made), vec![]);

        let count = figures(&mut serde_json::to_value(&made).expect("written")).len();
        if count > 0 {
            let forged = nudge(&made, which.index(count), by);
            prop_assert!(forged == made || !check(&fleet, &forged).is_empty(), "figure {}", which.index(count));
        }
        if let Some(id) = made.waiting.keys().nth(which.index(made.waiting.len().max(1))) {
            let mut forged = made.clone();
            forged.waiting.remove(id);
            prop_assert!(!check(&fleet, &forged).is_empty(), "{id} no longer waits");
        }
        if made.servers.is_empty() {
            return Ok(());
        }
        let (id, was) = made.servers.iter().nth(which.index(made.servers.len())).expect("in range");
        let hosts: Vec<_> = fleet.hosts.iter().collect();
        let mut changed = vec![("gone", None)];
        let mut change = |name: &'static str, change: &dyn Fn(&mut raidc_planner::ServerPlan)| {
            let mut decided = was.clone();
            change(&mut decided);
            if decided != *was {
                changed.push((name, Some(decided)));
            }
        };
        if !hosts.is_empty() {
            let (host, spec) = hosts[other.index(hosts.len())];
            let there = Spot { site: spec.site.clone(), rack: spec.rack.clone(), host: host.clone() };
            change("elsewhere", &|plan| plan.placement = there.clone());
            change("host", &|plan| plan.placement.host = host.clone());
            change("rack", &|plan| plan.placement.rack = there.rack.clone());
            change("site", &|plan| plan.placement.site = there.site.clone());
            change("reserve", &|plan| plan.backup = Some(there.clone()));
            change("copy", &|plan| {
                plan.copy_sites.insert(there.site.clone());
            });
        }
        change("no reserve", &|plan| plan.backup = None);
        // One that is told to be unprotected may have fewer copies than it had.
        if was.unprotected.is_none() {
            change("no copies", &|plan| plan.copy_sites.clear());
        }
        change("unprotected", &|plan| {
            let on = Waiting::on(WaitingOn::UnknownTenant);
            plan.unprotected = plan.unprotected.is_none().then_some(Box::new(on));
        });
        for (name, decided) in changed {
            let mut forged = made.clone();
            forged.servers.remove(id);
            forged.servers.extend(decided.map(|decided| (id.clone(), decided)));
            prop_assert!(!check(&fleet, &forged).is_empty(), "{id}: {name}");
        }
    }
}
