//! Proposals: when nobody should be told to switch hosts off, and what must not be counted as easy.

use raidc_planner::{HostUse, Server, ServerId, State};

use super::*;
use crate::certify::worlds::{decided, empty, scattered, server, steady};

#[test]
fn a_host_that_could_sleep_is_never_kept_secret() {
    let proposal = propose(&scattered()).expect("a moment for it");
    assert_eq!((proposal.watts, proposal.hosts.len()), (100, 1));
    assert_eq!((proposal.migrations, proposal.failovers), (1, 0));
    // 16 GiB and what KubeVirt needs, at 4 J per MiB.
    assert!(proposal.cost_joules >= 4 * 16 * 1024, "{}", proposal.cost_joules);
}

#[test]
fn a_host_that_has_to_wake_first_is_never_kept_secret() {
    let mut fleet = empty();
    let small = fleet.hosts[&"talsi-h1".into()].clone();
    // As large as both others together, for the draw of one: nothing sleeps without it.
    let large = raidc_planner::Host {
        cpu_milli: 2 * small.cpu_milli,
        memory_mib: 2 * small.memory_mib,
        powered: false,
        ..small.clone()
    };
    fleet.hosts.insert("talsi-h3".into(), large);
    for site in fleet.sites.values_mut() {
        site.ceiling_percent = 100;
    }
    for (name, host) in [("a", "talsi-h1"), ("b", "talsi-h2")] {
        let full = Server {
            copies: 1,
            memory_mib: small.memory_mib * 3 / 4,
            current: Some(raidc_planner::Placement {
                site: "talsi".into(),
                rack: "talsi-r1".into(),
                host: Some(host.into()),
                ..raidc_planner::Placement::default()
            }),
            ..server()
        };
        fleet.servers.insert(ServerId::new("kuldiga", name), full);
    }
    let proposal = propose(&decided(fleet, 1)).expect("a moment for it");
    assert_eq!(proposal.hosts, ["talsi-h1".into(), "talsi-h2".into()]);
    assert_eq!((proposal.wake, proposal.watts), (vec!["talsi-h3".into()], 100));
}

#[test]
fn nobody_is_told_to_switch_hosts_off_while_something_is_wrong() {
    let broken = |change: &dyn Fn(&mut Decision)| {
        let mut decision = scattered();
        change(&mut decision);
        propose(&decision).expect_err("no moment for it")
    };
    let site = |d: &mut Decision| {
        if let Some(site) = d.fleet.sites.get_mut(&"saldus".into()) {
            site.state = State::Unknown;
        }
    };
    assert!(broken(&site).contains("cannot be read"));
    for usable in [HostUse::NotReady, HostUse::Unknown] {
        let host = |d: &mut Decision| {
            if let Some(host) = d.fleet.hosts.get_mut(&"saldus-h1".into()) {
                host.usable = usable;
            }
        };
        assert!(broken(&host).contains("not ready"));
    }
    let held = |d: &mut Decision| {
        for server in d.plan.servers.values_mut() {
            server.held = Some("the host is away".to_owned());
        }
    };
    assert!(broken(&held).contains("nothing can be decided"));
}

#[test]
fn a_server_without_its_reserve_is_never_moved_for_the_sake_of_watts() {
    let mut fleet = empty();
    let protected = Server {
        copies: 2,
        sites_allowed: Some(["talsi".into()].into()),
        ..server()
    };
    fleet.servers.insert(ServerId::new("kuldiga", "a"), protected);
    let mut decision = decided(fleet, 1);
    // It was let in before its policy asked for a copy.
    for server in decision.fleet.servers.values_mut() {
        server.current = Some(raidc_planner::Placement {
            site: "talsi".into(),
            rack: "talsi-r1".into(),
            host: Some("talsi-h1".into()),
            ..raidc_planner::Placement::default()
        });
    }
    decision = decided(decision.fleet, 2);
    assert!(
        decision
            .plan
            .servers
            .values()
            .any(|server| server.unprotected.is_some())
    );
    assert!(
        propose(&decision)
            .expect_err("no moment for it")
            .contains("no reserve")
    );
}

#[test]
fn a_move_to_another_site_is_never_called_a_migration() {
    // Four protected servers at two sites: one site could sleep if its servers went to where their copies are.
    let decision = steady();
    let proposal = propose(&decision).expect("a moment for it");
    assert!(proposal.failovers > 0 && proposal.migrations == 0, "{proposal:?}");
}

#[test]
fn a_plan_that_is_as_tight_as_it_can_be_proposes_nothing() {
    let mut fleet = empty();
    let alone = Server {
        copies: 1,
        ..server()
    };
    fleet.servers.insert(ServerId::new("kuldiga", "a"), alone);
    let proposal = propose(&decided(fleet, 1)).expect("a moment for it");
    assert_eq!(proposal, Proposal::default());
}
