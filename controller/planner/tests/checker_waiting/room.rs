//! Room that is just enough is enough: whoever waits beside it is told so. No I/O.

use raidc_planner::{
    Apart, ApartBy, Fleet, Host, HostUse, Placement, Plan, Resource, Scenario, Server, Spread, State,
    Together, Waiting, WaitingOn, check, confirm_waiting,
};

use crate::fixture::{decide, figures_refuted, id, reason, refuted, server, small};

/// What is said when this server waits for a full host, in a plan of the others.
pub(crate) fn said(fleet: &Fleet, wanted: Server) -> String {
    let made = decide(fleet);
    assert_eq!(check(fleet, &made), vec![]);
    let full = WaitingOn::HostFull {
        resource: Resource::Cpu,
        asked: wanted.cpu_milli,
        free: 0,
    };
    let mut fleet = fleet.clone();
    fleet.servers.insert(id("z"), wanted);
    let mut forged: Plan = made;
    forged.waiting.insert(id("z").into(), Waiting::on(full));
    let faults = confirm_waiting(&fleet, &forged).into_iter();
    let of_it = faults.filter(|fault| fault.what == "server/kuldiga/z");
    of_it.map(|fault| fault.message).collect::<Vec<_>>().join("; ")
}

#[track_caller]
fn fits(fleet: &Fleet, wanted: Server) {
    let said = said(fleet, wanted);
    assert!(said.contains("it would fit on"), "{said}");
}

#[track_caller]
fn fits_nowhere(fleet: &Fleet, wanted: Server) {
    let said = said(fleet, wanted);
    assert!(!said.contains("it would fit on"), "{said}");
}

/// Runs so many cores at a site, with a reserve at the other if it has two copies.
pub(crate) fn run(fleet: &mut Fleet, name: &str, site: &str, cores: i64, copies: i64) {
    let mut spec = server(cores, copies);
    spec.current = Some(at(site, copies > 1));
    fleet.servers.insert(id(name), spec);
}

pub(crate) fn at(site: &str, reserved: bool) -> Placement {
    let other = if site == "a" { "b" } else { "a" };
    Placement {
        site: site.into(),
        rack: format!("{site}-r").into(),
        host: Some(format!("{site}-h").into()),
        backup: reserved.then(|| format!("{other}-h").into()),
        copy_sites: reserved.then(|| other.into()).into_iter().collect(),
    }
}

#[test]
fn room_to_the_last_core_watt_and_mib_is_never_too_little() {
    // The ceiling, the power (100 W idle and 50 W for each core), and the store.
    for (cores, does) in [(4, true), (5, false)] {
        let mut fleet = small();
        for site in fleet.sites.values_mut() {
            site.ceiling_percent = 50;
        }
        let judge = if does { fits } else { fits_nowhere };
        judge(&fleet, server(cores, 1));
        let mut fleet = small();
        for rack in fleet.racks.values_mut() {
            rack.max_watts = Some(300);
        }
        judge(&fleet, server(cores, 1));
        // So after a loss: where its reserve starts beside that of another.
        run(&mut fleet, "x", "a", 1, 2);
        fleet.racks.get_mut(&"a-r".into()).expect("there").max_watts = None;
        fleet.sites.get_mut(&"b".into()).expect("there").ceiling_percent = 1;
        judge(&fleet, server(cores - 1, 2));
    }
    let mut fleet = small();
    for site in fleet.sites.values_mut() {
        site.storage_mib = Some(100);
    }
    let stores = |storage_mib: i64, copies: i64| Server {
        storage_mib,
        ..server(1, copies)
    };
    fits(&fleet, stores(100, 2));
    fits_nowhere(&fleet, stores(101, 1));
    // What stores nothing goes where the store is too full.
    run(&mut fleet, "x", "a", 1, 2);
    fleet.servers.get_mut(&id("x")).expect("there").storage_mib = 100;
    for site in fleet.sites.values_mut() {
        site.storage_mib = Some(50);
    }
    fits(&fleet, server(1, 2));
}

#[test]
fn a_reserve_is_never_refused_a_host_that_sleeps_but_to_one_that_must_start_at_once() {
    let mut fleet = small();
    for host in fleet.hosts.values_mut() {
        host.powered = false;
    }
    run(&mut fleet, "x", "a", 1, 1);
    fleet.sites.get_mut(&"b".into()).expect("there").ceiling_percent = 40;
    // It has to run at site a, and what could be its reserve is off.
    let large = server(7, 2);
    fits(&fleet, large.clone());
    let warm = Server { warm: true, ..large };
    fits_nowhere(&fleet, warm.clone());
    let small = Host {
        cpu_milli: 6000,
        ..fleet.hosts[&"b-h".into()].clone()
    };
    fleet.hosts.insert("b-h2".into(), small);
    let (fleet, made, on) = reason(&fleet, warm);
    assert_eq!(on, WaitingOn::HostsAsleep { hosts: 2 });
    figures_refuted(&fleet, &made, &on);
    // That one of them is too small besides is not what it waits for.
    refuted(&fleet, &made, of_loss("a", Resource::Cpu, 7000, 6000));
}

#[test]
fn no_power_is_called_short_that_a_sleeping_reserve_would_take_twice() {
    let mut fleet = small();
    run(&mut fleet, "x", "b", 1, 2);
    fleet.servers.get_mut(&id("x")).expect("there").cpu_milli = 3000;
    fleet.hosts.get_mut(&"a-h".into()).expect("there").powered = false;
    fleet.racks.get_mut(&"a-r".into()).expect("there").max_watts = Some(400);
    // 250 W would be drawn there after the loss of site b, 100 W of them to wake the host.
    let mine = Server {
        sites_allowed: Some(["a".into()].into()),
        ..server(4, 1)
    };
    let (fleet, made, on) = reason(&fleet, mine);
    let expected = WaitingOn::RackWatts {
        rack: "a-r".into(),
        asked: 300,
        headroom: 250,
    };
    assert_eq!(on, expected);
    figures_refuted(&fleet, &made, &on);
}

#[test]
fn no_reserve_is_called_short_of_power_that_it_has() {
    let mut fleet = small();
    run(&mut fleet, "x", "a", 1, 2);
    fleet.racks.get_mut(&"b-r".into()).expect("there").max_watts = Some(280);
    let (fleet, made, on) = reason(&fleet, server(3, 2));
    let expected = WaitingOn::ReserveForLoss {
        lost: Scenario::Site("a".into()),
        resource: Resource::Watts,
        asked: 150,
        free: 130,
    };
    assert_eq!(on, expected);
    figures_refuted(&fleet, &made, &on);
    // With what the host draws when it is woken.
    let mut fleet = small();
    fleet.hosts.get_mut(&"b-h".into()).expect("there").powered = false;
    fleet.racks.get_mut(&"b-r".into()).expect("there").max_watts = Some(280);
    let (fleet, made, on) = reason(&fleet, server(4, 2));
    assert_eq!(on, of_loss("a", Resource::Watts, 300, 280));
    figures_refuted(&fleet, &made, &on);
}

fn of_loss(site: &str, resource: Resource, asked: i64, free: i64) -> WaitingOn {
    WaitingOn::ReserveForLoss {
        lost: Scenario::Site(site.into()),
        resource,
        asked,
        free,
    }
}

#[test]
fn no_reserve_is_called_short_on_a_host_that_could_never_have_it() {
    let mut fleet = small();
    run(&mut fleet, "x", "b", 7, 1);
    let beside = |fleet: &mut Fleet, name: &str, like: &str| {
        let host = Host {
            cpu_milli: 2000,
            ..fleet.hosts[&like.into()].clone()
        };
        fleet.hosts.insert(name.into(), host);
    };
    beside(&mut fleet, "a-h2", "a-h");
    let (with, made, on) = reason(&fleet, server(4, 2));
    assert_eq!(on, of_loss("a", Resource::Cpu, 4000, 1000));
    // What falls with the server, and what takes nothing new.
    refuted(&with, &made, of_loss("a", Resource::Cpu, 4000, 2000));
    fleet.hosts.remove(&"a-h2".into());
    beside(&mut fleet, "b-h2", "b-h");
    let host = fleet.hosts.get_mut(&"b-h2".into()).expect("there");
    host.usable = HostUse::Cordoned;
    let (with, made, on) = reason(&fleet, server(4, 2));
    assert_eq!(on, of_loss("a", Resource::Cpu, 4000, 1000));
    refuted(&with, &made, of_loss("a", Resource::Cpu, 4000, 2000));
    // Nor after a loss that takes nobody who could run it.
    run(&mut fleet, "y", "a", 5, 1);
    let (with, made, on) = reason(&fleet, server(4, 2));
    assert!(matches!(on, WaitingOn::HostFull { .. }), "{on:?}");
    refuted(&with, &made, of_loss("b", Resource::Cpu, 4000, 3000));
}

#[test]
fn no_reserve_is_called_short_of_just_enough() {
    // The cores would do, and the power would not; and the other way round.
    let mut fleet = small();
    run(&mut fleet, "x", "b", 4, 1);
    fleet.racks.get_mut(&"b-r".into()).expect("there").max_watts = Some(499);
    let (with, made, on) = reason(&fleet, server(4, 2));
    assert_eq!(on, of_loss("a", Resource::Watts, 200, 199));
    refuted(&with, &made, of_loss("a", Resource::Cpu, 4000, 4000));
    let mut fleet = small();
    run(&mut fleet, "x", "b", 5, 1);
    fleet.racks.get_mut(&"b-r".into()).expect("there").max_watts = Some(550);
    let (with, made, on) = reason(&fleet, server(4, 2));
    assert_eq!(on, of_loss("a", Resource::Cpu, 4000, 3000));
    refuted(&with, &made, of_loss("a", Resource::Watts, 200, 200));
}

#[test]
fn nothing_that_is_just_enough_or_of_no_matter_is_called_short() {
    // Both hosts lack memory, and nothing else.
    let mut fleet = small();
    for site in ["a", "b"] {
        run(&mut fleet, site, site, 2, 1);
        let server = fleet.servers.get_mut(&id(site)).expect("there");
        server.memory_mib = 32_000;
    }
    fleet.racks.get_mut(&"a-r".into()).expect("there").max_watts = Some(300);
    let (fleet, made, on) = reason(&fleet, server(2, 2));
    assert!(matches!(on, WaitingOn::HostFull { .. }), "{on:?}");
    for forged in [
        WaitingOn::RackWatts {
            rack: "a-r".into(),
            asked: 100,
            headroom: 100,
        },
        WaitingOn::NoSecondSite { copies: 2, sites: 2 },
        WaitingOn::RackUnits {
            device: "d".to_owned(),
            asked: 2,
            largest: 1,
        },
        WaitingOn::DevicesApart {
            device: "d".to_owned(),
            needed: 2,
            there: 1,
        },
    ] {
        refuted(&fleet, &made, forged);
    }
    // A store that it may not use is not the one that is nearest to enough.
    let mut fleet = small();
    for (site, storage) in fleet.sites.values_mut().zip([100, 110]) {
        site.storage_mib = Some(storage);
    }
    fleet.sites.get_mut(&"b".into()).expect("there").state = State::Cordoned;
    let large = Server {
        storage_mib: 120,
        ..server(1, 1)
    };
    let (mut fleet, made, on) = reason(&fleet, large);
    assert!(matches!(on, WaitingOn::Storage { free: 100, .. }), "{on:?}");
    fleet.sites.get_mut(&"b".into()).expect("there").storage_mib = Some(100);
    let there = WaitingOn::Storage {
        site: "b".into(),
        asked: 120,
        free: 100,
    };
    refuted(&fleet, &made, there);
    // A host with just enough cores and too little power is not the nearest to enough cores.
    let mut fleet = small();
    run(&mut fleet, "x", "a", 4, 1);
    run(&mut fleet, "y", "b", 5, 1);
    fleet.racks.get_mut(&"a-r".into()).expect("there").max_watts = Some(399);
    let (fleet, mut made, _) = reason(&fleet, server(4, 1));
    let full = WaitingOn::HostFull {
        resource: Resource::Cpu,
        asked: 4000,
        free: 3000,
    };
    made.waiting.insert(id("z").into(), Waiting::on(full));
    assert_eq!(confirm_waiting(&fleet, &made), vec![]);
}

#[test]
fn no_group_is_blamed_for_one_of_another_tenant() {
    let mut fleet = small();
    fleet
        .tenants
        .insert("talsi".into(), raidc_planner::Tenant::default());
    for site in ["a", "b"] {
        run(&mut fleet, site, site, 7, 1);
    }
    let apart = Some(Apart {
        group: "g".to_owned(),
        by: ApartBy::Host,
        domain: None,
    });
    let together = Some(Together {
        group: "t".to_owned(),
        by: ApartBy::Host,
    });
    let mut wanted = server(2, 1);
    (wanted.apart, wanted.together) = (apart.clone(), together.clone());
    let (mut fleet, made, _) = reason(&fleet, wanted);
    for other in ["a", "b"] {
        let other = fleet.servers.get_mut(&id(other)).expect("there");
        (other.tenant, other.apart, other.together) = ("talsi".into(), apart.clone(), together.clone());
    }
    let (group, by) = ("g".to_owned(), ApartBy::Host);
    refuted(&fleet, &made, WaitingOn::ApartGroup { group, by });
    let group = "t".to_owned();
    refuted(&fleet, &made, WaitingOn::TogetherGroup { group, by });
}

/// The fleet with a third site like the others.
fn three() -> Fleet {
    let mut fleet = small();
    let (site, rack) = (
        fleet.sites[&"b".into()].clone(),
        fleet.racks[&"b-r".into()].clone(),
    );
    fleet.sites.insert("c".into(), site);
    let rack = raidc_planner::Rack {
        site: "c".into(),
        ..rack
    };
    fleet.racks.insert("c-r".into(), rack);
    let host = Host {
        site: "c".into(),
        rack: "c-r".into(),
        ..fleet.hosts[&"b-h".into()].clone()
    };
    fleet.hosts.insert("c-h".into(), host);
    fleet
}

#[test]
fn reserves_that_never_start_together_never_keep_each_other_out() {
    // Of one group, and their reserves on one host: no loss starts both there.
    let mut fleet = three();
    fleet.sites.get_mut(&"b".into()).expect("there").ceiling_percent = 1;
    let apart = Some(Apart {
        group: "g".to_owned(),
        by: ApartBy::Host,
        domain: None,
    });
    let mut other = server(8, 2);
    other.apart.clone_from(&apart);
    other.current = Some(Placement {
        site: "c".into(),
        rack: "c-r".into(),
        host: Some("c-h".into()),
        backup: Some("b-h".into()),
        copy_sites: ["b".into()].into(),
    });
    fleet.servers.insert(id("x"), other);
    let mut wanted = server(8, 2);
    wanted.apart = apart;
    fits(&fleet, wanted);
}

#[test]
fn a_third_copy_is_never_found_where_a_risk_is_shared_that_counts() {
    let mut fleet = three();
    for site in ["a", "c"] {
        let site = fleet.sites.get_mut(&site.into()).expect("there");
        site.shared_risks.insert("water".into());
    }
    let of = |spread: Spread| Server {
        spread,
        ..server(1, 3)
    };
    fits(&fleet, of(Spread::Site));
    fits_nowhere(&fleet, of(Spread::SharedRisk));
}
