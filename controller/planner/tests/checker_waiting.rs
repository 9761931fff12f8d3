//! Reasons for waiting are judged: true ones are confirmed, false ones are found. Reads tests/scenarios.

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
#[allow(dead_code)] // shared with the stories' own test
mod story;

use proptest::prelude::*;
use raidc_planner::{
    Apart, ApartBy, Colocation, ColocationId, ColocationSpread, DemandId, Device, Fault, Feed, Fleet, Host,
    Plan, PlanOptions, Quota, QuotaResource, Rack, Resource, Rule, Scenario, Server, ServerId, Site, State,
    Tenant, Waiting, WaitingOn, check, confirm_waiting, plan,
};

fn decide(fleet: &Fleet) -> Plan {
    plan(fleet, &PlanOptions::default())
}

#[test]
fn no_story_tells_a_false_reason() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios");
    let mut judged = 0;
    for entry in std::fs::read_dir(folder).expect("tests/scenarios exists") {
        let path = entry.expect("readable").path();
        if path.extension().is_none_or(|ext| ext != "txt") {
            continue;
        }
        let mut story = story::Story {
            fleet: Fleet::default(),
            plan: Plan::default(),
            out: String::new(),
            age: 0,
        };
        let text = std::fs::read_to_string(&path).expect("readable story");
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            if line.starts_with("plan") {
                let made = decide(&story.fleet);
                judged += made.waiting.len();
                let faults = confirm_waiting(&story.fleet, &made);
                assert!(faults.is_empty(), "{}: {line}: {faults:#?}", path.display());
            }
            story.sentence(line).expect("a sentence");
        }
    }
    assert!(judged > 20, "{judged} reasons judged");
}

/// Two sites with a host each, of 8 cores and 32 GiB, in a rack of two feeds.
fn small() -> Fleet {
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

fn id(name: &str) -> ServerId {
    ServerId::new("kuldiga", name)
}

fn server(cores: i64, copies: i64) -> Server {
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
fn reason(fleet: &Fleet, wanted: Server) -> (Fleet, Plan, WaitingOn) {
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
fn refuted(fleet: &Fleet, made: &Plan, on: WaitingOn) {
    let mut forged = made.clone();
    forged.waiting.insert(id("z").into(), Waiting::on(on.clone()));
    let faults = confirm_waiting(fleet, &forged);
    let hit = |fault: &Fault| fault.rule == Rule::Waiting && fault.what == "server/kuldiga/z";
    assert!(faults.iter().any(hit), "{on:?} is believed: {faults:?}");
}

/// Every number of a reason, one too many and one too few.
#[track_caller]
fn figures_refuted(fleet: &Fleet, made: &Plan, on: &WaitingOn) {
    let mut value = serde_json::to_value(on).expect("written");
    let fields = value
        .as_object_mut()
        .and_then(|on| on.values_mut().next())
        .expect("one variant");
    let fields = fields.as_object().expect("fields").clone();
    let mut tried = 0;
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
            refuted(fleet, made, serde_json::from_value(forged).expect("read"));
            tried += 1;
        }
    }
    assert!(tried > 0, "{on:?} has no figures");
}

#[test]
fn no_reason_is_believed_where_there_is_room() {
    let mut fleet = small();
    fleet.servers.insert(id("z"), server(2, 2));
    let mut made = decide(&fleet);
    made.servers.remove(&id("z"));
    for on in [
        WaitingOn::HostFull {
            resource: Resource::Cpu,
            asked: 2000,
            free: 0,
        },
        WaitingOn::NoSecondSite { copies: 2, sites: 1 },
        WaitingOn::SitesClosed { allowed: 2 },
        WaitingOn::UnknownInventory { hosts: 2 },
        WaitingOn::HostCores {
            asked: 2000,
            largest: 8000,
        },
        WaitingOn::Queue { ahead: 1 },
        WaitingOn::UnknownTenant,
        WaitingOn::PlaceUnknown { site: "a".into() },
        WaitingOn::NotAllowedSite {
            allowed: vec!["a".into()],
        },
        WaitingOn::Malformed {
            field: "cores".to_owned(),
            message: "is wrong".to_owned(),
        },
        WaitingOn::ApartGroup {
            group: "g".to_owned(),
            by: ApartBy::Host,
        },
        WaitingOn::SharedRisk {
            copies: 2,
            risk: "water".into(),
        },
        WaitingOn::RackWatts {
            rack: "a-r".into(),
            asked: 100,
            headroom: 10,
        },
        WaitingOn::Storage {
            site: "a".into(),
            asked: 1,
            free: 0,
        },
        WaitingOn::Feeds {
            device: "d".to_owned(),
            asked: 1,
            most: 0,
        },
    ] {
        refuted(&fleet, &made, on);
    }
}

#[test]
fn no_size_is_called_too_large_by_false_figures() {
    let (fleet, made, on) = reason(&small(), server(9, 1));
    assert_eq!(
        on,
        WaitingOn::HostCores {
            asked: 9000,
            largest: 8000
        }
    );
    figures_refuted(&fleet, &made, &on);
    let wide = Server {
        memory_mib: 40_000,
        ..server(1, 1)
    };
    let (fleet, made, on) = reason(&small(), wide);
    assert_eq!(
        on,
        WaitingOn::HostMemory {
            asked: 40_000,
            largest: 32_768
        }
    );
    figures_refuted(&fleet, &made, &on);
}

#[test]
fn no_host_is_called_full_by_false_figures() {
    let mut fleet = small();
    fleet.servers.insert(id("a"), server(6, 1));
    fleet.servers.insert(id("b"), server(5, 1));
    let (fleet, made, on) = reason(&fleet, server(4, 1));
    assert!(
        matches!(
            on,
            WaitingOn::HostFull {
                asked: 4000,
                free: 3000,
                ..
            }
        ),
        "{on:?}"
    );
    figures_refuted(&fleet, &made, &on);
    // The other host has less: it is not the nearest.
    refuted(
        &fleet,
        &made,
        WaitingOn::HostFull {
            resource: Resource::Cpu,
            asked: 4000,
            free: 2000,
        },
    );
}

#[test]
fn no_ceiling_rack_or_store_is_called_full_by_false_figures() {
    let mut low = small();
    for site in low.sites.values_mut() {
        site.ceiling_percent = 50;
    }
    let (fleet, made, on) = reason(&low, server(5, 1));
    assert!(
        matches!(
            on,
            WaitingOn::SiteCeiling {
                used: 0,
                limit: 4000,
                asked: 5000,
                ..
            }
        ),
        "{on:?}"
    );
    figures_refuted(&fleet, &made, &on);
    let mut weak = small();
    for rack in weak.racks.values_mut() {
        rack.max_watts = Some(250);
    }
    let (fleet, made, on) = reason(&weak, server(4, 1));
    assert!(
        matches!(
            on,
            WaitingOn::RackWatts {
                asked: 200,
                headroom: 150,
                ..
            }
        ),
        "{on:?}"
    );
    figures_refuted(&fleet, &made, &on);
    let mut little = small();
    for (site, storage) in little.sites.values_mut().zip([100, 60]) {
        site.storage_mib = Some(storage);
    }
    let large = Server {
        storage_mib: 120,
        ..server(1, 1)
    };
    let (fleet, made, on) = reason(&little, large);
    assert_eq!(
        on,
        WaitingOn::Storage {
            site: "a".into(),
            asked: 120,
            free: 100
        }
    );
    figures_refuted(&fleet, &made, &on);
    refuted(
        &fleet,
        &made,
        WaitingOn::Storage {
            site: "b".into(),
            asked: 120,
            free: 60,
        },
    );
}

#[test]
fn no_reserve_is_called_short_by_false_figures() {
    let mut fleet = small();
    fleet.servers.insert(id("a"), server(6, 1));
    let (fleet, made, on) = reason(&fleet, server(4, 2));
    assert!(
        matches!(
            on,
            WaitingOn::ReserveForLoss {
                asked: 4000,
                free: 2000,
                ..
            }
        ),
        "{on:?}"
    );
    figures_refuted(&fleet, &made, &on);
    let lost = Scenario::Site("zz".into());
    refuted(
        &fleet,
        &made,
        WaitingOn::ReserveForLoss {
            lost,
            resource: Resource::Cpu,
            asked: 4000,
            free: 2000,
        },
    );
}

#[test]
fn no_group_or_site_is_blamed_that_is_not_in_the_way() {
    let mut fleet = small();
    let apart = |server: Server| Server {
        apart: Some(Apart {
            group: "g".to_owned(),
            by: ApartBy::Site,
            domain: None,
        }),
        ..server
    };
    fleet.servers.insert(id("a"), apart(server(1, 1)));
    fleet.servers.insert(id("b"), apart(server(1, 1)));
    let (fleet, made, on) = reason(&fleet, apart(server(1, 1)));
    assert_eq!(
        on,
        WaitingOn::ApartGroup {
            group: "g".to_owned(),
            by: ApartBy::Site
        }
    );
    refuted(
        &fleet,
        &made,
        WaitingOn::ApartGroup {
            group: "h".to_owned(),
            by: ApartBy::Site,
        },
    );
    refuted(
        &fleet,
        &made,
        WaitingOn::ApartGroup {
            group: "g".to_owned(),
            by: ApartBy::Host,
        },
    );
    let (fleet, made, on) = reason(&small(), server(1, 3));
    assert_eq!(on, WaitingOn::NoSecondSite { copies: 3, sites: 2 });
    figures_refuted(&fleet, &made, &on);
    let mut closed = small();
    for site in closed.sites.values_mut() {
        site.state = State::Cordoned;
    }
    let (fleet, made, on) = reason(&closed, server(1, 1));
    assert_eq!(on, WaitingOn::SitesClosed { allowed: 2 });
    figures_refuted(&fleet, &made, &on);
    let mut bare = small();
    bare.hosts.clear();
    let (fleet, made, on) = reason(&bare, server(1, 1));
    assert_eq!(on, WaitingOn::UnknownInventory { hosts: 0 });
    figures_refuted(&fleet, &made, &on);
    let mut shared = small();
    for site in shared.sites.values_mut() {
        site.shared_risks.insert("water".into());
    }
    let (fleet, made, on) = reason(&shared, server(1, 2));
    assert_eq!(
        on,
        WaitingOn::SharedRisk {
            copies: 2,
            risk: "water".into()
        }
    );
    figures_refuted(&fleet, &made, &on);
    refuted(
        &fleet,
        &made,
        WaitingOn::SharedRisk {
            copies: 2,
            risk: "fire".into(),
        },
    );
}

#[test]
fn no_quota_is_said_to_be_used_up_that_is_not() {
    let mut fleet = small();
    fleet.servers.insert(id("a"), server(1, 1));
    let quota = Quota {
        servers: Some(1),
        ..Quota::default()
    };
    fleet.tenants.insert("kuldiga".into(), Tenant { quota });
    let (fleet, made, on) = reason(&fleet, server(1, 1));
    assert!(matches!(
        on,
        WaitingOn::Quota {
            resource: QuotaResource::Servers,
            used: 1,
            limit: 1,
            asked: 1
        }
    ));
    figures_refuted(&fleet, &made, &on);
    let on = WaitingOn::Quota {
        resource: QuotaResource::Cpu,
        used: 1000,
        limit: 1000,
        asked: 1000,
    };
    refuted(&fleet, &made, on);
}

#[test]
fn no_server_queues_behind_nobody() {
    let mut fleet = small();
    fleet.servers.insert(id("a"), server(6, 1));
    fleet.servers.insert(id("b"), server(8, 1));
    fleet.servers.insert(
        id("large"),
        Server {
            created_at: 1,
            ..server(8, 1)
        },
    );
    let last = Server {
        created_at: 2,
        ..server(1, 1)
    };
    let (fleet, made, on) = reason(&fleet, last);
    assert_eq!(on, WaitingOn::Queue { ahead: 1 });
    figures_refuted(&fleet, &made, &on);
}

#[test]
fn no_device_waits_for_a_false_reason() {
    let device = |units: i64, watts: i64, feeds: i64| Colocation {
        tenant: "kuldiga".into(),
        devices: vec![Device {
            name: "d".to_owned(),
            units,
            watts,
            feeds,
        }],
        spread: ColocationSpread::None,
        ..Colocation::default()
    };
    let colocation = ColocationId::new("kuldiga", "c");
    for (spec, expected) in [
        (
            device(7, 10, 1),
            WaitingOn::RackUnits {
                device: "d".to_owned(),
                asked: 7,
                largest: 6,
            },
        ),
        (
            device(1, 10, 3),
            WaitingOn::Feeds {
                device: "d".to_owned(),
                asked: 3,
                most: 2,
            },
        ),
        (
            device(1, 900, 1),
            WaitingOn::RackWatts {
                rack: "a-r".into(),
                asked: 900,
                headroom: 700,
            },
        ),
    ] {
        let mut fleet = small();
        fleet.colocations.insert(colocation.clone(), spec);
        let mut made = decide(&fleet);
        let id = DemandId::Colocation(colocation.clone());
        assert_eq!(
            made.waiting.get(&id).map(|waiting| waiting.on.clone()),
            Some(expected)
        );
        assert_eq!(confirm_waiting(&fleet, &made), vec![]);
        for on in [
            WaitingOn::RackUnits {
                device: "d".to_owned(),
                asked: 7,
                largest: 5,
            },
            WaitingOn::Feeds {
                device: "d".to_owned(),
                asked: 3,
                most: 1,
            },
            WaitingOn::RackWatts {
                rack: "a-r".into(),
                asked: 900,
                headroom: 699,
            },
            WaitingOn::DevicesApart {
                device: "d".to_owned(),
                needed: 1,
                there: 2,
            },
            WaitingOn::SitesClosed { allowed: 2 },
            WaitingOn::Queue { ahead: 1 },
            WaitingOn::UnknownTenant,
        ] {
            made.waiting.insert(id.clone(), Waiting::on(on.clone()));
            assert_ne!(confirm_waiting(&fleet, &made), vec![], "{on:?}");
        }
        // Something smaller would fit, whatever is said of it.
        fleet.colocations.insert(colocation.clone(), device(1, 10, 1));
        assert_ne!(confirm_waiting(&fleet, &made), vec![]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_new_demand_is_given_a_false_reason(
        fleet in fleets::new_fleet(),
        events in proptest::collection::vec(fleets::event(), 0..4),
    ) {
        let mut fleet = fleet;
        for (number, event) in events.iter().enumerate() {
            let made = decide(&fleet);
            let faults = confirm_waiting(&fleet, &made);
            prop_assert_eq!(faults, vec![]);
            made.feed_back(&mut fleet);
            fleets::happen(&mut fleet, event, number);
        }
    }
}
