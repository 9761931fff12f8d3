//! Fleets small enough to be counted by hand. No I/O.

#![allow(dead_code, reason = "each test binary uses its own part")]

use raidc_planner::{Feed, Fleet, Host, Rack, Site, Tenant};

/// What each site of a small fleet has: one rack.
pub(crate) struct Shape {
    /// Hosts of 8 GiB, `SITE-h1` and so on. The first is on, the others sleep.
    pub(crate) hosts: u32,
    /// Cores of a host.
    pub(crate) cores: i64,
    /// Watts of a host with all cores in use; it draws 100 idle.
    pub(crate) max_watts: i64,
    /// Watts of the rack's feed, none of which is kept back.
    pub(crate) feed_watts: i64,
}

/// Sites of this shape, with a tenant `city`.
pub(crate) fn fleet_of(names: &[&str], shape: &Shape) -> Fleet {
    let mut fleet = Fleet::default();
    fleet.tenants.insert("city".into(), Tenant::default());
    for site in names {
        let spec = Site {
            ceiling_percent: 100,
            ..Site::default()
        };
        fleet.sites.insert((*site).into(), spec);
        let feed = Feed {
            name: "f".to_owned(),
            watts: shape.feed_watts,
            panel: None,
        };
        let rack = Rack {
            site: (*site).into(),
            derate_percent: 100,
            feeds: vec![feed],
            ..Rack::default()
        };
        fleet.racks.insert(format!("{site}-r").into(), rack);
        for at in 1..=shape.hosts {
            let host = Host {
                rack: format!("{site}-r").into(),
                site: (*site).into(),
                cpu_milli: shape.cores * 1000,
                memory_mib: 8192,
                idle_watts: 100,
                max_watts: shape.max_watts,
                powered: at == 1,
                ..Host::default()
            };
            fleet.hosts.insert(format!("{site}-h{at}").into(), host);
        }
    }
    fleet
}

/// Sites of two hosts of eight cores, each of which draws 10 W, and more power than they can use.
pub(crate) fn sites(names: &[&str]) -> Fleet {
    let shape = Shape {
        hosts: 2,
        cores: 8,
        max_watts: 180,
        feed_watts: 2000,
    };
    fleet_of(names, &shape)
}

/// Two sites of one such host, with just the power to use all of it.
pub(crate) fn two_full_sites() -> Fleet {
    let shape = Shape {
        hosts: 1,
        cores: 8,
        max_watts: 180,
        feed_watts: 180,
    };
    fleet_of(&["a", "b"], &shape)
}
