//! Consolidations that are carried out one server at a time: no single step may leave anything worse than it was. No I/O.

// Shared with tests that use more of it.
#[allow(dead_code)]
mod fleets;
mod small;

use proptest::prelude::*;
use raidc_planner::{
    Consolidation, ConsolidationOptions, Feed, Fleet, Host, HostName, MoveKind, Placement, Plan, PlanOptions,
    Rack, Reach, Server, ServerId, Site, Tenant, check, consolidate, plan,
};

/// As the operator plans: what runs is left where it is.
fn settled(fleet: &Fleet) -> Plan {
    let still = PlanOptions {
        max_moves: 0,
        make_room_by_moves: false,
    };
    plan(fleet, &still)
}

fn options(reach: Reach) -> ConsolidationOptions {
    ConsolidationOptions {
        reach,
        ..ConsolidationOptions::default()
    }
}

/// The fleet with the given share of its servers gone since it was planned, so that hosts are half empty.
fn thinned(mut fleet: Fleet, keep: &[bool]) -> Option<Fleet> {
    plan(&fleet, &PlanOptions::default()).feed_back(&mut fleet);
    let mut kept = keep.iter().cycle();
    fleet
        .servers
        .retain(|_, server| server.current.is_some() && kept.next() == Some(&true));
    settled(&fleet).feed_back(&mut fleet);
    let now = settled(&fleet);
    (now.moves.is_empty() && check(&fleet, &now).is_empty()).then_some(fleet)
}

/// Takes the steps in order and looks after each: everything else stands, and the checker has nothing to say.
fn walk(fleet: &Fleet, proposal: &Consolidation, reach: Reach) -> Result<(), TestCaseError> {
    let before = settled(fleet);
    let mut fleet = fleet.clone();
    let mut seen = Vec::new();
    prop_assert_eq!(proposal.order.len(), proposal.moves.len());
    for id in &proposal.order {
        prop_assert!(!seen.contains(id), "{} moves twice", id);
        seen.push(id.clone());
        let step = proposal.moves.iter().find(|step| step.server == *id);
        let Some(step) = step else {
            return Err(TestCaseError::fail(format!("{id} is ordered and does not move")));
        };
        prop_assert_eq!(step.kind, MoveKind::Primary);
        prop_assert_eq!(&step.from.site, &step.to.site);
        if reach == Reach::Rack {
            prop_assert_eq!(&step.from.rack, &step.to.rack);
        }
        let Some(current) = fleet
            .servers
            .get_mut(id)
            .and_then(|server| server.current.as_mut())
        else {
            return Err(TestCaseError::fail(format!("{id} moves and was nowhere")));
        };
        prop_assert_eq!(current.host.as_ref(), Some(&step.from.host));
        current.rack = step.to.rack.clone();
        current.host = Some(step.to.host.clone());
        let now = settled(&fleet);
        prop_assert_eq!(check(&fleet, &now), vec![]);
        prop_assert_eq!(&now.moves, &vec![]);
        prop_assert!(now.excesses.len() <= before.excesses.len());
        for (id, decided) in &before.servers {
            let after = now.servers.get(id);
            prop_assert_eq!(after.map(|s| &s.placement.site), Some(&decided.placement.site));
            prop_assert_eq!(after.map(|s| &s.copy_sites), Some(&decided.copy_sites));
            prop_assert_eq!(after.map(|s| &s.backup), Some(&decided.backup));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_single_step_changes_a_site_or_breaks_a_rule(
        fleet in fleets::new_fleet(),
        keep in proptest::collection::vec(any::<bool>(), 1..12),
    ) {
        if let Some(fleet) = thinned(fleet, &keep) {
            for reach in [Reach::Site, Reach::Rack] {
                let proposal = consolidate(&fleet, &settled(&fleet), &options(reach));
                prop_assert!(proposal.wake.is_empty());
                walk(&fleet, &proposal, reach)?;
            }
        }
    }
}

/// One site with two racks of two hosts, and protected servers at it, two on each host, whose copies are at two others.
fn scattered() -> Fleet {
    let mut fleet = Fleet::default();
    fleet.tenants.insert("kuldiga".into(), Tenant::default());
    for site in ["talsi", "saldus", "liepaja"] {
        fleet.sites.insert(site.into(), Site::default());
        for rack in ["r1", "r2"] {
            let rack = format!("{site}-{rack}");
            let feed = Feed {
                name: "a".to_owned(),
                watts: 5_000,
                panel: None,
            };
            let second = Feed {
                name: "b".to_owned(),
                ..feed.clone()
            };
            let body = Rack {
                site: site.into(),
                feeds: vec![feed, second],
                ..Rack::default()
            };
            fleet.racks.insert(rack.as_str().into(), body);
            for host in ["h1", "h2"] {
                let body = Host {
                    rack: rack.as_str().into(),
                    site: site.into(),
                    cpu_milli: 32_000,
                    memory_mib: 128 * 1024,
                    idle_watts: 100,
                    max_watts: 400,
                    watts_known: true,
                    powered: true,
                    ..Host::default()
                };
                fleet.hosts.insert(HostName::from(format!("{rack}-{host}")), body);
            }
        }
    }
    for (at, host) in ["r1-h1", "r1-h2", "r2-h1", "r2-h2"]
        .iter()
        .cycle()
        .take(8)
        .enumerate()
    {
        let server = Server {
            tenant: "kuldiga".into(),
            cpu_milli: 2_000,
            memory_mib: 4 * 1024,
            copies: 2,
            current: Some(Placement {
                site: "talsi".into(),
                rack: format!("talsi-{}", &host[..2]).as_str().into(),
                host: Some(format!("talsi-{host}").as_str().into()),
                backup: Some("saldus-r1-h1".into()),
                copy_sites: ["saldus".into()].into(),
            }),
            ..Server::default()
        };
        fleet
            .servers
            .insert(ServerId::new("kuldiga", format!("s{at}")), server);
    }
    fleet
}

#[test]
fn a_rack_is_never_left_with_two_hosts_on_where_one_would_do() {
    let fleet = scattered();
    let now = settled(&fleet);
    assert_eq!((check(&fleet, &now), now.moves.clone()), (vec![], vec![]));
    let within_racks = consolidate(&fleet, &now, &options(Reach::Rack));
    assert_eq!(within_racks.order.len(), 4, "{:?}", within_racks.moves);
    assert_eq!(
        within_racks.idle_watts_before - within_racks.idle_watts_after,
        200
    );
    walk(&fleet, &within_racks, Reach::Rack).expect("each step is safe");
    let within_the_site = consolidate(&fleet, &now, &options(Reach::Site));
    assert_eq!(within_the_site.order.len(), 6, "{:?}", within_the_site.moves);
    walk(&fleet, &within_the_site, Reach::Site).expect("each step is safe");
}

#[test]
fn a_host_that_saves_less_than_is_asked_for_is_never_emptied() {
    let fleet = scattered();
    let now = settled(&fleet);
    for (least_watts, moves) in [(100, 4), (101, 0)] {
        let asked = ConsolidationOptions {
            least_watts,
            ..options(Reach::Rack)
        };
        assert_eq!(
            consolidate(&fleet, &now, &asked).order.len(),
            moves,
            "{least_watts} W"
        );
    }
}

#[test]
fn a_host_with_one_server_that_rests_is_never_half_emptied() {
    let fleet = scattered();
    let now = settled(&fleet);
    let asked = ConsolidationOptions {
        resting: (0..8)
            .step_by(4)
            .map(|at| ServerId::new("kuldiga", format!("s{at}")))
            .collect(),
        ..options(Reach::Rack)
    };
    let proposal = consolidate(&fleet, &now, &asked);
    for step in &proposal.moves {
        assert_ne!(step.from.host, "talsi-r1-h1".into());
    }
    assert_eq!(proposal.order.len(), 4);
}

#[test]
fn no_move_is_proposed_that_does_not_pay() {
    let mut fleet = small::sites(&["a"]);
    for (name, host, memory_mib) in [("large", "a-h1", 4096), ("little", "a-h2", 1000)] {
        let server = Server {
            tenant: "city".into(),
            cpu_milli: 1000,
            memory_mib,
            current: Some(Placement {
                site: "a".into(),
                rack: "a-r".into(),
                host: Some(host.into()),
                ..Placement::default()
            }),
            ..Server::default()
        };
        fleet.servers.insert(ServerId::new("city", name), server);
    }
    let now = settled(&fleet);
    // The host draws 100 W; to move its server costs 10 kJ, which has to be saved one and a half times over: in 150 s.
    let moves = |horizon_seconds: i64| {
        let options = ConsolidationOptions {
            horizon_seconds,
            joules_per_mib: 10,
            margin_percent: 150,
            ..ConsolidationOptions::default()
        };
        consolidate(&fleet, &now, &options).moves.len()
    };
    assert_eq!((moves(150), moves(151)), (0, 1));
}
