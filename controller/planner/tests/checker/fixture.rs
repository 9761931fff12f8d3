//! The fleet and the sound plans that the other files make one thing wrong in. No I/O.

use raidc_planner::{
    Apart, ApartBy, Colocation, ColocationId, ColocationSpread, Device, Feed, Fleet, Host, Plan, PlanOptions,
    Rack, Rule, Server, ServerId, Site, Spot, Tenant, check, plan,
};

/// Four sites with two racks of two hosts; two groups, a warm and an unprotected server, storage, and firewalls.
pub(crate) fn fleet() -> Fleet {
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

pub(crate) fn id(at: i64) -> ServerId {
    ServerId::new("kuldiga", format!("s{at}"))
}

/// The fleet, and a plan that is sound.
pub(crate) fn sound() -> (Fleet, Plan) {
    let fleet = fleet();
    let made = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &made), vec![]);
    assert!(made.waiting.is_empty(), "{:?}", made.waiting);
    (fleet, made)
}

/// The same after the plan was carried out.
pub(crate) fn running() -> (Fleet, Plan) {
    let (mut fleet, made) = sound();
    made.feed_back(&mut fleet);
    let again = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &again), vec![]);
    (fleet, again)
}

/// That the rule is found broken, by this thing, and why.
#[track_caller]
pub(crate) fn found(fleet: &Fleet, plan: &Plan, rule: Rule, what: &str, why: &str) {
    let faults = check(fleet, plan);
    let hit = faults
        .iter()
        .any(|fault| fault.rule == rule && fault.what.starts_with(what) && fault.message.contains(why));
    assert!(hit, "{rule:?} {what} ({why}) is not among {faults:#?}");
}

pub(crate) fn spot(host: &str) -> Spot {
    let rack = host.rsplit_once('-').expect("rack-host").0;
    Spot {
        site: rack.split('-').next().expect("a site").into(),
        rack: rack.into(),
        host: host.into(),
    }
}

/// Where a server runs, to be changed.
pub(crate) fn at(plan: &mut Plan, server: i64) -> &mut raidc_planner::ServerPlan {
    plan.servers.get_mut(&id(server)).expect("placed")
}
