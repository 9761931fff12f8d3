//! A fleet of two hosts, and what is asserted of a reason. No I/O.

use raidc_planner::{
    Fault, Feed, Fleet, Host, Plan, PlanOptions, Rack, Rule, Server, ServerId, Site, Tenant, Waiting,
    WaitingOn, check, confirm_waiting, plan,
};

pub(crate) fn decide(fleet: &Fleet) -> Plan {
    plan(fleet, &PlanOptions::default())
}

/// Two sites with a host each, of 8 cores and 32 GiB, in a rack of two feeds.
pub(crate) fn small() -> Fleet {
    let mut fleet = Fleet::default();
    for site in ["a", "b"] {
        fleet.sites.insert(
            site.into(),
            Site {
                ceiling_percent: 100,
                ..Site::default()
            },
        );
        let feed = |name: &str| Feed {
            name: name.to_owned(),
            watts: 1000,
            panel: None,
        };
        let rack = Rack {
            site: site.into(),
            units: 6,
            feeds: vec![feed("x"), feed("y")],
            ..Rack::default()
        };
        fleet.racks.insert(format!("{site}-r").into(), rack);
        let host = Host {
            site: site.into(),
            rack: format!("{site}-r").into(),
            cpu_milli: 8000,
            memory_mib: 32_768,
            idle_watts: 100,
            max_watts: 500,
            powered: true,
            ..Host::default()
        };
        fleet.hosts.insert(format!("{site}-h").into(), host);
    }
    fleet.tenants.insert("kuldiga".into(), Tenant::default());
    fleet
}

pub(crate) fn id(name: &str) -> ServerId {
    ServerId::new("kuldiga", name)
}

pub(crate) fn server(cores: i64, copies: i64) -> Server {
    Server {
        tenant: "kuldiga".into(),
        cpu_milli: cores * 1000,
        memory_mib: 1024,
        copies,
        ..Server::default()
    }
}

/// The planner's reason for `wanted` in this fleet, which is confirmed.
#[track_caller]
pub(crate) fn reason(fleet: &Fleet, wanted: Server) -> (Fleet, Plan, WaitingOn) {
    let mut fleet = fleet.clone();
    fleet.servers.insert(id("z"), wanted);
    let made = decide(&fleet);
    assert_eq!(check(&fleet, &made), vec![]);
    let on = made.waiting.get(&id("z").into()).expect("it waits").on.clone();
    assert_eq!(confirm_waiting(&fleet, &made), vec![], "{on:?}");
    (fleet, made, on)
}

/// That this reason for the server is refuted.
#[track_caller]
pub(crate) fn refuted(fleet: &Fleet, made: &Plan, on: WaitingOn) {
    let mut forged = made.clone();
    forged.waiting.insert(id("z").into(), Waiting::on(on.clone()));
    let faults = confirm_waiting(fleet, &forged);
    let hit = |fault: &Fault| fault.rule == Rule::Waiting && fault.what == "server/kuldiga/z";
    assert!(faults.iter().any(hit), "{on:?} is believed: {faults:?}");
}

/// Every number of a reason, one too many and one too few.
#[track_caller]
pub(crate) fn figures_refuted(fleet: &Fleet, made: &Plan, on: &WaitingOn) {
    let forged = forged_figures(on);
    assert!(!forged.is_empty(), "{on:?} has no figures");
    for on in forged {
        refuted(fleet, made, on);
    }
}

/// The reason with each of its numbers one too few, and one too many.
pub(crate) fn forged_figures(on: &WaitingOn) -> Vec<WaitingOn> {
    let mut value = serde_json::to_value(on).expect("written");
    let fields = value
        .as_object_mut()
        .and_then(|on| on.values_mut().next())
        .expect("one variant");
    let fields = fields.as_object().expect("fields").clone();
    let mut all = Vec::new();
    for (name, was) in fields
        .iter()
        .filter_map(|(name, was)| Some((name, was.as_i64()?)))
    {
        for by in [-1, 1] {
            let mut forged = value.clone();
            let inner = forged
                .as_object_mut()
                .and_then(|on| on.values_mut().next())
                .expect("one variant");
            inner[name] = (was + by).into();
            all.push(serde_json::from_value(forged).expect("read"));
        }
    }
    all
}
