//! What no change in use could mend, and who waits for whom. No I/O.

use raidc_planner::{
    Apart, ApartBy, Placement, Quota, QuotaResource, Resource, Server, SiteName, State, Tenant, WaitingOn,
};

use crate::fixture::{decide, figures_refuted, id, reason, refuted, server, small};

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
        WaitingOn::NoCopyElsewhere { site: "a".into() },
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
            watts: 10,
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
fn no_copy_is_said_to_be_out_of_reach_that_is_not() {
    let mut fleet = small();
    for site in fleet.sites.values_mut() {
        site.state = State::Fenced;
    }
    let lost = Server {
        released: true,
        current: Some(Placement {
            site: "a".into(),
            rack: "a-r".into(),
            host: Some("a-h".into()),
            backup: Some("b-h".into()),
            copy_sites: ["b".into()].into(),
        }),
        ..server(1, 2)
    };
    let closed = |sites: &[&str]| WaitingOn::CopySitesClosed {
        sites: sites.iter().map(|site| SiteName::from(*site)).collect(),
    };
    let only = |site: &str| WaitingOn::NoCopyElsewhere { site: site.into() };
    let (fleet, made, on) = reason(&fleet, lost);
    assert_eq!(on, closed(&["b"]));
    for forged in [
        closed(&["a"]),
        closed(&["a", "b"]),
        closed(&[]),
        only("a"),
        only("b"),
    ] {
        refuted(&fleet, &made, forged);
    }
    // Nor of one that runs, nor while a host there is open to it; and no ceiling or policy holds it up either.
    let mut runs = fleet.clone();
    runs.servers
        .values_mut()
        .for_each(|server| server.released = false);
    refuted(&runs, &made, on.clone());
    refuted(&fleet, &made, WaitingOn::NoSecondSite { copies: 2, sites: 0 });
    let mut open = fleet;
    open.sites
        .values_mut()
        .for_each(|site| site.state = State::Active);
    refuted(&open, &made, on);
    let full = WaitingOn::HostFull {
        resource: Resource::Cpu,
        asked: 1000,
        free: 0,
    };
    refuted(&open, &made, full);
}

#[test]
fn a_server_that_lost_its_only_copy_is_never_told_to_wait_for_another() {
    let mut fleet = small();
    fleet.sites.get_mut(&"a".into()).expect("there").state = State::Fenced;
    let lost = Server {
        released: true,
        copies: 1,
        current: Some(Placement {
            site: "a".into(),
            rack: "a-r".into(),
            host: Some("a-h".into()),
            backup: None,
            copy_sites: [].into(),
        }),
        ..server(1, 2)
    };
    let (fleet, made, on) = reason(&fleet, lost);
    assert_eq!(on, WaitingOn::NoCopyElsewhere { site: "a".into() });
    let closed = WaitingOn::CopySitesClosed { sites: Vec::new() };
    refuted(&fleet, &made, closed);
    refuted(&fleet, &made, WaitingOn::NoCopyElsewhere { site: "b".into() });
    let mut back = fleet;
    back.sites.get_mut(&"a".into()).expect("there").state = State::Active;
    refuted(&back, &made, on);
    assert!(decide(&back).servers.contains_key(&id("z")));
}
