//! Fleets small enough to be counted by hand. No I/O.

use raidc_planner::{Feed, Fleet, Host, Rack, Site, Tenant};

/// Sites with one rack of two hosts each, of 8 cores and 8 GiB: the first is on, the second sleeps. A host draws 100 W,
/// and 10 W for each core in use; a rack has 2,000 W.
pub(crate) fn sites(names: &[&str]) -> Fleet {
    let mut fleet = Fleet::default();
    fleet.tenants.insert("city".into(), Tenant::default());
    for site in names {
        let spec = Site {
            ceiling_percent: 100,
            ..Site::default()
        };
        fleet.sites.insert((*site).into(), spec);
        let rack = Rack {
            site: (*site).into(),
            derate_percent: 100,
            feeds: vec![Feed {
                name: "f".to_owned(),
                watts: 2000,
                panel: None,
            }],
            ..Rack::default()
        };
        fleet.racks.insert(format!("{site}-r").into(), rack);
        for at in 1..=2 {
            let host = Host {
                rack: format!("{site}-r").into(),
                site: (*site).into(),
                cpu_milli: 8000,
                memory_mib: 8192,
                idle_watts: 100,
                max_watts: 180,
                powered: at == 1,
                ..Host::default()
            };
            fleet.hosts.insert(format!("{site}-h{at}").into(), host);
        }
    }
    fleet
}
