//! Why a fleet cannot hold its demand, in the sentences that people read.

use raidc_certifier::bottlenecks;
use raidc_planner::{
    Feed, Fleet, Host, HostName, PlanOptions, Rack, RackName, Server, ServerId, Site, SiteName, Tenant, plan,
};

/// Sites with that many hosts of 32 cores and 256 GiB each.
fn sites(sites: &[(&str, usize)]) -> Fleet {
    let mut fleet = Fleet::default();
    fleet.tenants.insert("city".into(), Tenant::default());
    for (name, hosts) in sites {
        fleet.sites.insert((*name).into(), Site::default());
        let feed = |feed: &str| Feed {
            name: feed.to_owned(),
            watts: 100_000,
            panel: None,
        };
        let rack = Rack {
            site: (*name).into(),
            feeds: vec![feed("a"), feed("b")],
            ..Rack::default()
        };
        fleet.racks.insert(RackName::from(format!("{name}-r")), rack);
        for at in 0..*hosts {
            let host = Host {
                site: (*name).into(),
                rack: RackName::from(format!("{name}-r")),
                cpu_milli: 32_000,
                memory_mib: 256 * 1024,
                idle_watts: 100,
                max_watts: 300,
                ..Host::default()
            };
            fleet.hosts.insert(HostName::from(format!("{name}-h{at}")), host);
        }
    }
    fleet
}

/// `number` servers of so many cores and GiB.
fn add(fleet: &mut Fleet, name: &str, number: usize, (cores, gib): (i64, i64), copies: i64, only: &[&str]) {
    for at in 0..number {
        let allowed = only.iter().map(|site| SiteName::from(*site)).collect();
        let server = Server {
            tenant: "city".into(),
            cpu_milli: cores * 1000,
            memory_mib: gib * 1024,
            copies,
            sites_allowed: (!only.is_empty()).then_some(allowed),
            ..Server::default()
        };
        fleet
            .servers
            .insert(ServerId::new("city", format!("{name}-{at:02}")), server);
    }
}

fn said(fleet: &Fleet) -> Vec<String> {
    let made = plan(fleet, &PlanOptions::default());
    bottlenecks(fleet, &made)
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_fleet_with_room_never_has_a_bottleneck() {
    let mut fleet = sites(&[("alpha", 2), ("beta", 2), ("gamma", 2)]);
    add(&mut fleet, "web", 8, (4, 16), 2, &[]);
    assert_eq!(said(&fleet), [] as [&str; 0]);
}

#[test]
fn servers_bound_to_two_full_sites_are_never_blamed_on_the_others() {
    let mut fleet = sites(&[("kuldiga", 4), ("talsi", 4), ("valka", 20), ("ventspils", 20)]);
    // 75 % of two sites of 4 x 32 cores are 192 cores: twelve of these; of 4 x 256 GiB 1536 GiB.
    add(&mut fleet, "registry", 16, (4, 128), 1, &["talsi", "kuldiga"]);
    add(&mut fleet, "web", 30, (4, 16), 2, &[]);
    assert_eq!(
        said(&fleet),
        [
            "16 servers of 4 cores and 128 GiB with copies only in kuldiga and talsi exceed them by 512 GiB of memory"
        ]
    );
}

#[test]
fn a_loss_that_leaves_too_little_is_never_hidden_by_what_normally_fits() {
    let mut fleet = sites(&[("kuldiga", 2), ("talsi", 4)]);
    // Six at talsi may run there; kuldiga has 64 cores for them, and they need 96.
    add(&mut fleet, "registry", 6, (16, 64), 2, &["talsi", "kuldiga"]);
    assert_eq!(
        said(&fleet),
        ["6 servers of 16 cores and 64 GiB exceed kuldiga by 32 cores when site/talsi is lost",]
    );
}

#[test]
fn servers_that_may_be_at_one_site_only_never_count_as_protected() {
    let mut fleet = sites(&[("kuldiga", 2), ("talsi", 2), ("valka", 2)]);
    add(&mut fleet, "registry", 1, (2, 8), 2, &["talsi"]);
    assert_eq!(
        said(&fleet),
        ["1 server of 2 cores and 8 GiB with copies only in talsi has no site left when site/talsi is lost",]
    );
}

#[test]
fn a_shared_substation_is_never_overlooked() {
    let mut fleet = sites(&[("kuldiga", 2), ("talsi", 2), ("valka", 1)]);
    for name in ["kuldiga", "talsi"] {
        if let Some(site) = fleet.sites.get_mut(&SiteName::from(name)) {
            site.shared_risks.insert("substation/kurzeme-1".into());
        }
    }
    add(&mut fleet, "web", 12, (4, 16), 2, &[]);
    assert_eq!(
        said(&fleet),
        ["12 servers of 4 cores and 16 GiB exceed valka by 16 cores when risk/substation/kurzeme-1 is lost"]
    );
}

#[test]
fn servers_of_several_sizes_are_never_shown_as_one() {
    let mut fleet = sites(&[("kuldiga", 1), ("talsi", 1)]);
    add(&mut fleet, "db", 2, (16, 200), 1, &[]);
    add(&mut fleet, "web", 3, (4, 16), 1, &[]);
    assert_eq!(
        said(&fleet),
        ["5 servers exceed kuldiga and talsi by 64 GiB of memory"]
    );
}
