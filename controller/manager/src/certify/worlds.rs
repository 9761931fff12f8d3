//! Small fleets with their plans, for the tests beside. No I/O.

use raidc_planner::{
    Feed, Fleet, Host, Placement, PlanOptions, Rack, Server, ServerId, Site, SiteSet, TenantName, plan,
};

use crate::Decision;

/// Three sites with two hosts each (32 cores, 128 GiB, 100 W idle), and four protected servers, planned and fed back.
pub(crate) fn steady() -> Decision {
    let mut fleet = empty();
    for name in ["a", "b", "c", "d"] {
        fleet.servers.insert(ServerId::new("kuldiga", name), server());
    }
    decided(fleet, 1)
}

/// A server of four cores and 16 GiB with a copy elsewhere.
pub(crate) fn server() -> Server {
    Server {
        tenant: TenantName::from("kuldiga"),
        cpu_milli: 4_000,
        memory_mib: 16 * 1024,
        copies: 2,
        ..Server::default()
    }
}

/// The three sites without a server.
pub(crate) fn empty() -> Fleet {
    let mut fleet = Fleet::default();
    fleet
        .tenants
        .insert("kuldiga".into(), raidc_planner::Tenant::default());
    for site in ["kuldiga", "saldus", "talsi"] {
        let rack = format!("{site}-r1");
        fleet.sites.insert(site.into(), Site::default());
        let feed = |name: &str| Feed {
            name: name.to_owned(),
            watts: 7_360,
            panel: None,
        };
        fleet.racks.insert(
            rack.as_str().into(),
            Rack {
                site: site.into(),
                feeds: vec![feed("a"), feed("b")],
                ..Rack::default()
            },
        );
        for host in ["h1", "h2"] {
            fleet.hosts.insert(
                format!("{site}-{host}").as_str().into(),
                Host {
                    rack: rack.as_str().into(),
                    site: site.into(),
                    cpu_milli: 32_000,
                    memory_mib: 128 * 1024,
                    idle_watts: 100,
                    max_watts: 400,
                    watts_known: true,
                    powered: true,
                    ..Host::default()
                },
            );
        }
    }
    fleet
}

/// Two servers of one copy at one site, each alone on a host: one of the hosts could sleep.
pub(crate) fn scattered() -> Decision {
    let mut fleet = empty();
    for (name, host) in [("a", "talsi-h1"), ("b", "talsi-h2")] {
        let alone = Server {
            copies: 1,
            current: Some(Placement {
                site: "talsi".into(),
                rack: "talsi-r1".into(),
                host: Some(host.into()),
                backup: None,
                copy_sites: SiteSet::default(),
            }),
            ..server()
        };
        fleet.servers.insert(ServerId::new("kuldiga", name), alone);
    }
    decided(fleet, 1)
}

/// The decision for a fleet, as the placement loop makes it once the decision is written.
pub(crate) fn decided(mut fleet: Fleet, sequence: u64) -> Decision {
    let options = PlanOptions {
        max_moves: 0,
        ..PlanOptions::default()
    };
    plan(&fleet, &options).feed_back(&mut fleet);
    let plan = plan(&fleet, &options);
    assert_eq!(raidc_planner::check(&fleet, &plan), vec![]);
    Decision {
        fleet,
        plan,
        sequence,
        ..Decision::default()
    }
}
