//! Who waits keeps room from those behind it only when room is all that it lacks, and keeps no batch apart. No I/O.

#![allow(clippy::expect_used, reason = "a test may fail loudly")]

mod claims;

use raidc_planner::{
    Apart, ApartBy, Colocation, ColocationId, Device, Feed, Fleet, Host, HostName, Placement, Plan,
    PlanOptions, Quota, Rack, RackName, Server, ServerId, Site, SiteName, Tenant, WaitingOn, check, plan,
};

/// Sites `s0`, `s1`, … without a ceiling, each with so many hosts of 16 cores and 80 GiB in one rack.
fn fleet(sites: usize, hosts: usize) -> Fleet {
    let mut fleet = Fleet::default();
    fleet.tenants.insert("city".into(), Tenant::default());
    for at in 0..sites {
        let (name, rack) = (
            SiteName::from(format!("s{at}")),
            RackName::from(format!("s{at}-r")),
        );
        let site = Site {
            ceiling_percent: 100,
            ..Site::default()
        };
        fleet.sites.insert(name.clone(), site);
        let spec = Rack {
            site: name.clone(),
            feeds: vec![Feed {
                name: "a".to_owned(),
                watts: 40_000,
                panel: None,
            }],
            ..Rack::default()
        };
        fleet.racks.insert(rack.clone(), spec);
        for host in 0..hosts {
            let spec = Host {
                site: name.clone(),
                rack: rack.clone(),
                cpu_milli: 16_000,
                memory_mib: 80 * 1024,
                ..Host::default()
            };
            fleet
                .hosts
                .insert(HostName::from(format!("s{at}-h{host:02}")), spec);
        }
    }
    fleet
}

fn server(cores: i64) -> Server {
    Server {
        tenant: "city".into(),
        cpu_milli: cores * 1000,
        memory_mib: cores * 2048,
        tier: 3,
        ..Server::default()
    }
}

fn id(name: &str) -> ServerId {
    ServerId::new("city", name)
}

/// It runs on this host already.
fn on(site: usize, host: usize, server: Server) -> Server {
    Server {
        current: Some(Placement {
            site: format!("s{site}").into(),
            rack: format!("s{site}-r").into(),
            host: Some(format!("s{site}-h{host:02}").into()),
            ..Placement::default()
        }),
        ..server
    }
}

fn database(cores: i64) -> Server {
    Server {
        apart: Some(Apart {
            group: "db".to_owned(),
            by: ApartBy::Site,
            ..Apart::default()
        }),
        tier: 1,
        ..server(cores)
    }
}

fn decide(fleet: &Fleet) -> Plan {
    let made = plan(fleet, &PlanOptions::default());
    assert_eq!(check(fleet, &made), vec![]);
    made
}

#[test]
fn room_is_never_kept_for_one_that_its_group_keeps_out() {
    let mut fleet = fleet(3, 1);
    for at in 0..3 {
        fleet
            .servers
            .insert(id(&format!("db-{at}")), on(at, 0, database(4)));
    }
    fleet.servers.insert(id("db-4"), database(12));
    let web = Server {
        sites_allowed: Some(["s0".into()].into()),
        ..server(8)
    };
    fleet.servers.insert(id("web"), web);
    let made = decide(&fleet);
    assert!(made.servers.contains_key(&id("web")), "{:?}", made.waiting);
    assert!(made.waiting.contains_key(&id("db-4").into()));
}

#[test]
fn room_is_never_kept_for_one_that_no_store_has_room_for() {
    let mut fleet = fleet(1, 1);
    if let Some(site) = fleet.sites.values_mut().next() {
        site.storage_mib = Some(10 * 1024);
    }
    fleet.servers.insert(id("old"), on(0, 0, server(8)));
    let archive = Server {
        storage_mib: 20 * 1024,
        tier: 1,
        ..server(12)
    };
    fleet.servers.insert(id("archive"), archive);
    fleet.servers.insert(id("web"), server(8));
    let made = decide(&fleet);
    assert!(made.servers.contains_key(&id("web")), "{:?}", made.waiting);
}

#[test]
fn room_is_never_kept_beyond_a_quota() {
    // Two claims are allowed with 16 hosts; the quota has room for one of the large. It takes one host's free half and, until
    // somebody leaves, the room of one more small one under the site's ceiling.
    let mut fleet = fleet(1, 16);
    let town = Quota {
        cpu_milli: Some(16_000),
        ..Quota::default()
    };
    fleet.tenants.insert("town".into(), Tenant { quota: town });
    for at in 0..16 {
        fleet
            .servers
            .insert(id(&format!("old-{at:02}")), on(0, at, server(8)));
    }
    for name in ["large-1", "large-2"] {
        let large = Server {
            tenant: "town".into(),
            tier: 1,
            ..server(16)
        };
        fleet.servers.insert(ServerId::new("town", name), large);
    }
    for at in 0..16 {
        fleet.servers.insert(id(&format!("small-{at:02}")), server(8));
    }
    let made = decide(&fleet);
    let small = made
        .waiting
        .keys()
        .filter(|id| id.to_string().contains("small"))
        .count();
    assert_eq!(small, 2, "{:?}", made.waiting.keys());
}

/// A batch that fits, in sizes that a queue and a batch put on different hosts.
fn import() -> Fleet {
    let mut fleet = fleet(3, 8);
    for at in 0..100 {
        let new = Server {
            copies: 1 + at % 2,
            created_at: at,
            ..server(1 + at * 7 % 4)
        };
        fleet.servers.insert(id(&format!("vm-{at:03}")), new);
    }
    fleet
}

#[test]
fn no_waiting_request_ever_keeps_a_batch_from_being_placed_together() {
    let whole = decide(&import()).servers;
    assert_eq!(whole.len(), 100);

    let mut fleet = import();
    let tall = Colocation {
        tenant: "city".into(),
        devices: vec![Device {
            name: "tall".to_owned(),
            units: 60,
            watts: 10,
            feeds: 1,
        }],
        ..Colocation::default()
    };
    fleet.colocations.insert(ColocationId::new("city", "tall"), tall);
    let made = decide(&fleet);
    assert_eq!(made.waiting.len(), 1);
    assert_eq!(made.servers, whole, "a colocation that waits for ever");

    let mut fleet = import();
    if let Some(site) = fleet.sites.values_mut().next() {
        site.storage_mib = Some(0);
    }
    let archive = Server {
        storage_mib: 1,
        sites_allowed: Some(["s0".into()].into()),
        tier: 1,
        ..server(1)
    };
    fleet.servers.insert(id("archive"), archive);
    let made = decide(&fleet);
    assert_eq!(made.waiting.len(), 1);
    assert_eq!(made.servers, whole, "a server whose data no store has room for");
}

#[test]
fn one_that_waits_for_room_never_keeps_those_around_it_from_being_placed_together() {
    let mut fleet = import();
    for host in 0..8 {
        let name = HostName::from(format!("s2-h{host:02}"));
        if let Some(host) = fleet.hosts.get_mut(&name) {
            host.cpu_milli = 24_000;
        }
        fleet
            .servers
            .insert(id(&format!("old-{host}")), on(2, host, server(2)));
    }
    let whole = decide(&fleet).servers;
    let giant = |tier| Server { tier, ..server(24) };
    // Behind them it takes nothing from anybody; before them a host is kept for it.
    for tier in [4, 1] {
        fleet.servers.insert(id("giant"), giant(tier));
        let made = decide(&fleet);
        let waiting: Vec<String> = made.waiting.keys().map(ToString::to_string).collect();
        assert_eq!(waiting, ["server/city/giant"]);
        assert!(tier == 1 || made.servers == whole);
    }
}

#[test]
fn of_a_group_in_a_batch_the_last_in_turn_wait_and_nobody_else() {
    let mut fleet = import();
    for at in 0..5 {
        let member = Server {
            tier: 3,
            created_at: 10 * at,
            ..database(2)
        };
        fleet.servers.insert(id(&format!("db-{at}")), member);
    }
    let made = decide(&fleet);
    let waiting: Vec<String> = made.waiting.keys().map(ToString::to_string).collect();
    assert_eq!(waiting, ["server/city/db-3", "server/city/db-4"]);
    let on = |at: i64| {
        made.waiting
            .get(&id(&format!("db-{at}")).into())
            .map(|waiting| &waiting.on)
    };
    assert!(matches!(on(4), Some(WaitingOn::ApartGroup { .. })), "{:?}", on(4));
}

#[test]
fn room_for_the_reserve_of_one_that_waits_is_never_taken_by_those_behind_it() {
    let mut fleet = fleet(2, 1);
    fleet.servers.insert(id("old"), on(1, 0, server(8)));
    let large = Server {
        copies: 2,
        tier: 1,
        ..server(16)
    };
    fleet.servers.insert(id("large"), large);
    let small = Server {
        sites_allowed: Some(["s1".into()].into()),
        ..server(2)
    };
    fleet.servers.insert(id("small"), small);
    let made = decide(&fleet);
    let on = |name: &str| made.waiting.get(&id(name).into()).map(|waiting| &waiting.on);
    assert!(
        matches!(on("small"), Some(WaitingOn::Queue { ahead: 1 })),
        "{:?}",
        on("small")
    );
    assert!(on("large").is_some());
}

#[test]
fn nobody_waits_for_room_that_reserves_would_share() {
    let mut fleet = fleet(3, 2);
    // Reserves of eight servers of site 1 on one host of site 0, and of eight of site 2 on the other.
    for (site, host) in [(1, 0), (2, 1)] {
        for at in 0..8 {
            let mut protected = on(site, 0, server(1));
            protected.copies = 2;
            let current = protected.current.as_mut().expect("placed");
            current.backup = Some(format!("s0-h{host:02}").into());
            current.copy_sites = ["s0".into()].into();
            fleet.servers.insert(id(&format!("p{site}{at}")), protected);
        }
    }
    let mut large = server(16);
    large.sites_allowed = Some(["s0".into()].into());
    fleet.servers.insert(id("large"), large);
    let made = decide(&fleet);
    assert!(made.waiting.is_empty(), "{:?}", made.waiting);
    assert!(
        made.moves
            .iter()
            .all(|moved| moved.kind == raidc_planner::MoveKind::Backup)
    );
}
