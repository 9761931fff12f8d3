//! Very many new servers at once: the same rules hold as one by one. No I/O.

// Shared with tests that use more of it.
#[allow(dead_code)]
mod fleets;

use proptest::prelude::*;
use raidc_planner::{
    Apart, ApartBy, Feed, Fleet, Host, HostName, Plan, PlanOptions, Rack, RackName, Server, ServerId, Site,
    SiteName, check, plan,
};

/// Four sites with ten hosts each, and `servers` of mixed sizes, one in five in a group.
fn fleet(servers: i64) -> Fleet {
    let mut fleet = Fleet::default();
    for site in 0..4 {
        let name = SiteName::from(format!("s{site}"));
        let rack = RackName::from(format!("s{site}-r"));
        fleet.sites.insert(name.clone(), Site::default());
        let feed = |at: &str| Feed {
            name: at.to_owned(),
            watts: 8000,
            panel: None,
        };
        let spec = Rack {
            site: name.clone(),
            feeds: vec![feed("a"), feed("b")],
            ..Rack::default()
        };
        fleet.racks.insert(rack.clone(), spec);
        for at in 0..10 {
            let host = Host {
                site: name.clone(),
                rack: rack.clone(),
                cpu_milli: 32_000,
                memory_mib: 128 * 1024,
                idle_watts: 100 + at,
                max_watts: 400,
                ..Host::default()
            };
            fleet.hosts.insert(HostName::from(format!("s{site}-h{at}")), host);
        }
    }
    fleet
        .tenants
        .insert("city".into(), raidc_planner::Tenant::default());
    for at in 0..servers {
        let apart = (at % 5 == 0).then(|| Apart {
            group: format!("g{}", at / 15),
            by: ApartBy::Host,
            ..Apart::default()
        });
        let server = Server {
            tenant: "city".into(),
            created_at: at,
            cpu_milli: 1000 * (1 + at % 4),
            memory_mib: 1024 * (2 + (at * 7) % 13),
            copies: 1 + i64::from(at % 6 != 0),
            apart,
            ..Server::default()
        };
        fleet
            .servers
            .insert(ServerId::new("city", format!("vm-{at:04}")), server);
    }
    fleet
}

fn decide(fleet: &Fleet) -> Plan {
    plan(fleet, &PlanOptions::default())
}

#[test]
fn a_batch_never_breaks_a_rule_and_is_not_planned_anew() {
    for servers in [70, 200, 260] {
        let mut fleet = fleet(servers);
        let first = decide(&fleet);
        assert_eq!(check(&fleet, &first), vec![]);
        assert!(
            first.waiting.is_empty(),
            "{servers}: {:?}",
            first.waiting.iter().next()
        );
        first.feed_back(&mut fleet);
        let again = decide(&fleet);
        assert_eq!(again.moves, vec![]);
        assert_eq!(again.id, first.id);
    }
}

#[test]
fn a_batch_never_goes_beyond_a_quota_or_takes_in_what_makes_no_sense() {
    let mut fleet = fleet(100);
    let quota = raidc_planner::Quota {
        servers: Some(90),
        ..raidc_planner::Quota::default()
    };
    fleet
        .tenants
        .insert("city".into(), raidc_planner::Tenant { quota });
    let wrong = ServerId::new("city", "vm-0007");
    if let Some(server) = fleet.servers.get_mut(&wrong) {
        server.cpu_milli = 0;
    }
    let made = decide(&fleet);
    assert_eq!(check(&fleet, &made), vec![]);
    assert_eq!(made.servers.len(), 90);
    assert!(made.waiting.contains_key(&wrong.into()));
}

#[test]
fn a_batch_that_does_not_fit_never_jumps_the_queue() {
    let fleet = fleet(1000);
    let made = decide(&fleet);
    assert_eq!(check(&fleet, &made), vec![]);
    assert!(!made.waiting.is_empty());
}

/// Sites of four hosts; per site how much it stores, in GiB; batches of new servers of 1 core, 2 GiB and a disk of 10 GiB.
fn stores(limits: &[Option<i64>], batches: &[(&str, i64, i64)]) -> Fleet {
    let mut fleet = Fleet::default();
    fleet
        .tenants
        .insert("city".into(), raidc_planner::Tenant::default());
    for (at, limit) in limits.iter().enumerate() {
        let name = SiteName::from(format!("s{at}"));
        let rack = RackName::from(format!("s{at}-r"));
        let site = Site {
            storage_mib: limit.map(|gib| gib * 1024),
            ..Site::default()
        };
        fleet.sites.insert(name.clone(), site);
        let feed = |at: &str| Feed {
            name: at.to_owned(),
            watts: 8000,
            panel: None,
        };
        let spec = Rack {
            site: name.clone(),
            feeds: vec![feed("a"), feed("b")],
            ..Rack::default()
        };
        fleet.racks.insert(rack.clone(), spec);
        for host in 0..4 {
            let spec = Host {
                site: name.clone(),
                rack: rack.clone(),
                cpu_milli: 16_000,
                memory_mib: 64 * 1024,
                ..Host::default()
            };
            fleet.hosts.insert(HostName::from(format!("s{at}-h{host}")), spec);
        }
    }
    for (name, number, copies) in batches {
        for at in 0..*number {
            let server = Server {
                tenant: "city".into(),
                cpu_milli: 1000,
                memory_mib: 2048,
                storage_mib: 10 * 1024,
                copies: *copies,
                ..Server::default()
            };
            fleet
                .servers
                .insert(ServerId::new("city", format!("{name}-{at:02}")), server);
        }
    }
    fleet
}

#[test]
fn a_batch_never_stores_more_at_a_site_than_it_has() {
    let fleet = stores(&[None, None, Some(300)], &[("a", 60, 2), ("b", 6, 3)]);
    let made = decide(&fleet);
    assert_eq!(check(&fleet, &made), vec![]);
    assert!(made.waiting.is_empty(), "{:?}", made.waiting.keys().next());
}

#[test]
fn third_copies_never_go_uncounted_when_sites_are_chosen() {
    // 3 × 70 copies of 10 GiB, and two of the sites have room for no more than their share.
    let limits = [Some(560), Some(560), Some(560), Some(560)];
    let fleet = stores(&limits, &[("a", 70, 3)]);
    let made = decide(&fleet);
    assert_eq!(check(&fleet, &made), vec![]);
    assert!(made.waiting.is_empty(), "{:?}", made.waiting.keys().next());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// Small servers, many of each, so that there is a batch and room for most of it.
    #[test]
    fn no_batch_breaks_a_rule_or_changes_when_planned_again(fleet in fleets::new_fleet(), times in 4i64..12) {
        let mut fleet = fleet;
        for (id, server) in fleet.servers.clone() {
            for number in 0..times {
                let small = Server {
                    cpu_milli: server.cpu_milli / 8,
                    memory_mib: server.memory_mib / 8,
                    created_at: server.created_at + number,
                    ..server.clone()
                };
                fleet.servers.insert(ServerId::new(id.namespace.to_string(), format!("{}-{number}", id.name)), small);
            }
        }
        let first = decide(&fleet);
        prop_assert_eq!(check(&fleet, &first), vec![]);
        let mut after = fleet.clone();
        first.feed_back(&mut after);
        let again = decide(&after);
        prop_assert_eq!(check(&after, &again), vec![]);
        prop_assert_eq!(&again.moves, &vec![]);
        prop_assert_eq!(&again.id, &first.id);
    }
    /// The sites store just about what is asked, some less.
    #[test]
    fn no_batch_ever_overfills_a_store(
        fleet in fleets::new_fleet(),
        times in 4i64..12,
        percent in proptest::collection::vec(20i64..160, 5),
        three in proptest::bool::weighted(0.5),
    ) {
        let mut fleet = fleet;
        for (id, server) in fleet.servers.clone() {
            for number in 0..times {
                let small = Server {
                    cpu_milli: server.cpu_milli / 16,
                    memory_mib: server.memory_mib / 16,
                    overhead_mib: 0,
                    created_at: server.created_at + number,
                    copies: if three { 3 } else { server.copies },
                    ..server.clone()
                };
                fleet.servers.insert(ServerId::new(id.namespace.to_string(), format!("{}-{number}", id.name)), small);
            }
        }
        let asked: i64 = fleet.servers.values().map(|server| server.copies * server.storage_mib).sum();
        let sites = i64::try_from(fleet.sites.len()).unwrap_or(1).max(1);
        for (site, percent) in fleet.sites.values_mut().zip(&percent) {
            site.storage_mib = Some(asked * percent / 100 / sites);
        }
        let first = decide(&fleet);
        prop_assert_eq!(check(&fleet, &first), vec![]);
        let mut after = fleet.clone();
        first.feed_back(&mut after);
        let again = decide(&after);
        prop_assert_eq!(check(&after, &again), vec![]);
        prop_assert_eq!(&again.moves, &vec![]);
        prop_assert_eq!(&again.id, &first.id);
    }
}
