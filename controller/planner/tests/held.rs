//! Servers whose host cannot be used stay recorded where they were, and fall with what their rack falls with. No I/O.

use raidc_planner::{Fleet, Host, Placement, PlanOptions, Rack, Server, ServerId, Site, Tenant, check, plan};

fn fleet() -> Fleet {
    let mut fleet = Fleet::default();
    fleet.tenants.insert("city".into(), Tenant::default());
    for site in ["a", "b", "c"] {
        fleet.sites.insert(site.into(), Site::default());
        let mut rack = Rack {
            site: site.into(),
            feeds: vec![raidc_planner::Feed {
                name: "f".to_owned(),
                watts: 5000,
                panel: None,
            }],
            ..Rack::default()
        };
        if site != "c" {
            rack.shared_risks.insert("substation/one".into());
        }
        fleet.racks.insert(format!("{site}-r").as_str().into(), rack);
        let host = Host {
            rack: format!("{site}-r").as_str().into(),
            site: site.into(),
            cpu_milli: 8000,
            memory_mib: 32768,
            idle_watts: 50,
            max_watts: 58,
            ..Host::default()
        };
        fleet.hosts.insert(format!("{site}-h").as_str().into(), host);
    }
    for (name, at) in [("s1", "a"), ("s2", "b")] {
        let server = Server {
            tenant: "city".into(),
            cpu_milli: 1000,
            memory_mib: 1024,
            copies: 2,
            current: Some(Placement {
                site: at.into(),
                rack: format!("{at}-r").as_str().into(),
                host: Some(format!("{at}-h").as_str().into()),
                backup: Some("c-h".into()),
                copy_sites: ["c".into()].into(),
            }),
            ..Server::default()
        };
        fleet.servers.insert(ServerId::new("city", name), server);
    }
    fleet
}

#[test]
fn a_held_server_never_escapes_the_risk_of_its_rack() {
    let mut fleet = fleet();
    // Figures that no host can have: it is set aside, and what ran there is held.
    if let Some(host) = fleet.hosts.get_mut(&"a-h".into()) {
        host.cpu_milli = 1_000_000_001;
    }
    let plan = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &plan), vec![]);
    // Both fall with the substation: 50 W to wake the host, and 1 W each.
    assert_eq!(plan.racks[&"c-r".into()].reserved_watts, 52);
}

#[test]
fn a_record_that_contradicts_itself_never_breaks_the_ledger() {
    let mut fleet = fleet();
    for server in fleet.servers.values_mut() {
        if let Some(current) = &mut server.current {
            current.rack = "c-r".into();
            current.host = Some("nowhere".into());
        }
    }
    if let Some(site) = fleet.sites.get_mut(&"a".into()) {
        site.state = raidc_planner::State::Unknown;
    }
    let plan = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &plan), vec![]);
}
