//! Why a larger size waits: true figures are confirmed, false ones and other reasons are found. No I/O.

use raidc_planner::{
    Fleet, Granted, Growth, Host, HostUse, Placement, Plan, Quota, Resource, Server, State, Tenant,
    WaitingOn, check, confirm_waiting,
};

use crate::fixture::{decide, forged_figures, id, server, small};

/// `z` of so many cores runs at site a, with its reserve at site b when it has two copies.
fn runs(fleet: &mut Fleet, cores: i64, copies: i64) {
    let mut spec = server(cores, copies);
    spec.storage_mib = 10;
    spec.granted = Some(granted(&spec));
    let reserved = copies > 1;
    spec.current = Some(Placement {
        site: "a".into(),
        rack: "a-r".into(),
        host: Some("a-h".into()),
        backup: reserved.then(|| "b-h".into()),
        copy_sites: reserved.then(|| "b".into()).into_iter().collect(),
    });
    fleet.servers.insert(id("z"), spec);
}

fn granted(spec: &Server) -> Granted {
    Granted {
        cpu_milli: spec.cpu_milli,
        memory_mib: spec.memory_mib,
        overhead_mib: spec.overhead_mib,
        storage_mib: spec.storage_mib,
    }
}

fn asks(fleet: &mut Fleet) -> &mut Server {
    fleet.servers.get_mut(&id("z")).expect("there")
}

/// The plan, and why the larger size waits: confirmed.
#[track_caller]
fn waits(fleet: &Fleet) -> (Plan, WaitingOn) {
    let made = decide(fleet);
    assert_eq!(check(fleet, &made), vec![]);
    assert_eq!(confirm_waiting(fleet, &made), vec![]);
    let growth = made.servers[&id("z")].growth.as_ref().expect("it waits");
    let on = growth.on.clone();
    (made, on)
}

/// What is said of this reason.
fn said(fleet: &Fleet, made: &Plan, on: WaitingOn) -> Vec<String> {
    let mut forged = made.clone();
    let decided = forged.servers.get_mut(&id("z")).expect("placed");
    decided.growth = Some(Box::new(Growth { on }));
    let faults = confirm_waiting(fleet, &forged).into_iter();
    faults
        .filter(|fault| fault.what == "server/kuldiga/z")
        .map(|fault| fault.message)
        .collect()
}

#[track_caller]
fn refuted(fleet: &Fleet, made: &Plan, on: &WaitingOn) {
    assert_ne!(said(fleet, made, on.clone()), Vec::<String>::new(), "{on:?}");
}

/// Every figure of the reason one too many and one too few.
#[track_caller]
fn figures_refuted(fleet: &Fleet) -> WaitingOn {
    let (made, on) = waits(fleet);
    for forged in forged_figures(&on) {
        refuted(fleet, &made, &forged);
    }
    on
}

#[test]
fn no_larger_size_waits_on_false_figures() {
    let mut full = small();
    runs(&mut full, 2, 1);
    let beside = Server {
        current: full.servers[&id("z")].current.clone(),
        ..server(5, 1)
    };
    full.servers.insert(id("a"), beside);
    asks(&mut full).cpu_milli = 4000;
    let on = figures_refuted(&full);
    let expected = WaitingOn::HostFull {
        resource: Resource::Cpu,
        asked: 2000,
        free: 1000,
    };
    assert_eq!(on, expected);

    let mut low = small();
    runs(&mut low, 3, 1);
    low.sites.get_mut(&"a".into()).expect("there").ceiling_percent = 50;
    asks(&mut low).cpu_milli = 5000;
    let on = figures_refuted(&low);
    let ceiling = |site: &str| WaitingOn::SiteCeiling {
        site: site.into(),
        resource: Resource::Cpu,
        used: 3000,
        limit: 4000,
        asked: 2000,
    };
    assert_eq!(on, ceiling("a"));
    refuted(&low, &decide(&low), &ceiling("b"));

    // 50 W for each core, and 100 W idle.
    let mut weak = small();
    runs(&mut weak, 1, 1);
    weak.racks.get_mut(&"a-r".into()).expect("there").max_watts = Some(230);
    asks(&mut weak).cpu_milli = 3000;
    let on = figures_refuted(&weak);
    let watts = |rack: &str| WaitingOn::RackWatts {
        rack: rack.into(),
        asked: 100,
        headroom: 80,
    };
    assert_eq!(on, watts("a-r"));
    refuted(&weak, &decide(&weak), &watts("b-r"));
    // What reserves of others may draw there is not left.
    let mut kept = weak.clone();
    let mut other = server(1, 2);
    other.current = Some(Placement {
        site: "b".into(),
        rack: "b-r".into(),
        host: Some("b-h".into()),
        backup: Some("a-h".into()),
        copy_sites: ["a".into()].into(),
    });
    kept.servers.insert(id("b"), other);
    let on = figures_refuted(&kept);
    assert!(matches!(on, WaitingOn::RackWatts { headroom: 30, .. }), "{on:?}");

    let mut little = small();
    runs(&mut little, 1, 1);
    little.sites.get_mut(&"a".into()).expect("there").storage_mib = Some(100);
    asks(&mut little).storage_mib = 120;
    let on = figures_refuted(&little);
    let storage = |site: &str| WaitingOn::Storage {
        site: site.into(),
        asked: 110,
        free: 90,
    };
    assert_eq!(on, storage("a"));
    little.sites.get_mut(&"b".into()).expect("there").storage_mib = Some(90);
    refuted(&little, &decide(&little), &storage("b"));

    let mut large = small();
    runs(&mut large, 2, 1);
    asks(&mut large).cpu_milli = 9000;
    // A larger host that takes nothing new does not count.
    let closed = large.hosts.get_mut(&"b-h".into()).expect("there");
    (closed.cpu_milli, closed.usable) = (16_000, HostUse::Cordoned);
    let on = figures_refuted(&large);
    let cores = WaitingOn::HostCores {
        asked: 9000,
        largest: 8000,
    };
    assert_eq!(on, cores);
    let mut large = small();
    runs(&mut large, 2, 1);
    asks(&mut large).memory_mib = 40_000;
    let on = figures_refuted(&large);
    assert!(matches!(on, WaitingOn::HostMemory { .. }), "{on:?}");
}

/// A larger size that its quota alone keeps out.
fn quota(copies: i64) -> Fleet {
    let mut fleet = small();
    runs(&mut fleet, 2, copies);
    let quota = Quota {
        cpu_milli: Some(3000),
        ..Quota::default()
    };
    fleet.tenants.insert("kuldiga".into(), Tenant { quota });
    asks(&mut fleet).cpu_milli = 4000;
    fleet
}

#[test]
fn what_is_just_enough_is_never_called_too_little() {
    let fleet = quota(1);
    let on = figures_refuted(&fleet);
    assert!(matches!(on, WaitingOn::Quota { .. }), "{on:?}");
    let exact = |change: &dyn Fn(&mut Fleet), on: WaitingOn| {
        let mut fleet = fleet.clone();
        change(&mut fleet);
        let (made, _) = waits(&fleet);
        refuted(&fleet, &made, &on);
    };
    let nothing: &dyn Fn(&mut Fleet) = &|_| ();
    exact(
        &|fleet| fleet.hosts.get_mut(&"a-h".into()).expect("there").cpu_milli = 4000,
        WaitingOn::HostFull {
            resource: Resource::Cpu,
            asked: 2000,
            free: 2000,
        },
    );
    exact(
        &|fleet| fleet.sites.get_mut(&"a".into()).expect("there").ceiling_percent = 50,
        WaitingOn::SiteCeiling {
            site: "a".into(),
            resource: Resource::Cpu,
            used: 2000,
            limit: 4000,
            asked: 2000,
        },
    );
    exact(
        &|fleet| fleet.racks.get_mut(&"a-r".into()).expect("there").max_watts = Some(300),
        WaitingOn::RackWatts {
            rack: "a-r".into(),
            asked: 100,
            headroom: 100,
        },
    );
    exact(
        &|fleet| {
            fleet.sites.get_mut(&"a".into()).expect("there").storage_mib = Some(30);
            asks(fleet).storage_mib = 30;
        },
        WaitingOn::Storage {
            site: "a".into(),
            asked: 20,
            free: 20,
        },
    );
    exact(
        &|fleet| {
            for host in fleet.hosts.values_mut() {
                host.cpu_milli = 4000;
            }
        },
        WaitingOn::HostCores {
            asked: 4000,
            largest: 4000,
        },
    );
    exact(nothing, WaitingOn::SitesClosed { allowed: 2 });
    // Nor is it unknown, nonsense, or in want of a reserve that it does not ask for.
    exact(nothing, WaitingOn::UnknownTenant);
    exact(nothing, WaitingOn::NoSecondSite { copies: 2, sites: 1 });
    exact(nothing, WaitingOn::HostsAsleep { hosts: 1 });
    exact(nothing, WaitingOn::Queue { ahead: 1 });
    exact(
        nothing,
        WaitingOn::Malformed {
            field: "cores".to_owned(),
            message: "is wrong".to_owned(),
        },
    );
    let reserve = |free: i64| WaitingOn::ReserveForLoss {
        lost: raidc_planner::Scenario::Site("a".into()),
        resource: Resource::Cpu,
        asked: 4000,
        free,
    };
    exact(nothing, reserve(2000));
    let two = quota(2);
    let (made, _) = waits(&two);
    refuted(&two, &made, &reserve(4000));
    refuted(&two, &made, &WaitingOn::SitesClosed { allowed: 2 });
    // Of what only one with several copies may lack, no more is asked than that it cannot have the size.
    let second = WaitingOn::NoSecondSite { copies: 2, sites: 1 };
    assert_eq!(said(&two, &made, second), Vec::<String>::new());
}

#[test]
fn no_larger_size_waits_that_could_be_had() {
    let could = "it could have it: true";
    for copies in [1, 2] {
        let mut fleet = quota(copies);
        let (made, on) = waits(&fleet);
        fleet.tenants.insert("kuldiga".into(), Tenant::default());
        assert!(
            said(&fleet, &made, on.clone())
                .iter()
                .any(|how| how.contains(could))
        );
        // With its reserve on another host where its copy is.
        fleet.hosts.get_mut(&"b-h".into()).expect("there").cpu_milli = 2000;
        let second = Host {
            cpu_milli: 8000,
            ..fleet.hosts[&"b-h".into()].clone()
        };
        fleet.hosts.insert("b-h2".into(), second);
        assert!(said(&fleet, &made, on).iter().any(|how| how.contains(could)));
    }
}

#[test]
fn closed_is_only_what_carries_the_server_its_reserve_or_its_data() {
    let closed = |change: &dyn Fn(&mut Fleet)| {
        let mut fleet = quota(2);
        change(&mut fleet);
        let (made, _) = waits(&fleet);
        said(&fleet, &made, WaitingOn::SitesClosed { allowed: 2 }).is_empty()
    };
    assert!(!closed(&|_| ()));
    for host in ["a-h", "b-h"] {
        let host = host.into();
        assert!(closed(&|fleet| {
            fleet.hosts.get_mut(&host).expect("there").usable = HostUse::Cordoned;
        }));
    }
    for site in ["a", "b"] {
        let site = site.into();
        assert!(closed(&|fleet| {
            fleet.sites.get_mut(&site).expect("there").state = State::Cordoned;
        }));
    }
    // A copy at a site that it may no longer use stays, and does not grow.
    assert!(closed(
        &|fleet| asks(fleet).sites_allowed = Some(["a".into()].into())
    ));
}

#[test]
fn no_larger_size_is_told_of_a_reserve_that_is_not_short() {
    let mut fleet = small();
    runs(&mut fleet, 2, 2);
    let mut busy = server(6, 1);
    busy.current = Some(Placement {
        site: "b".into(),
        rack: "b-r".into(),
        host: Some("b-h".into()),
        ..Placement::default()
    });
    fleet.servers.insert(id("b"), busy);
    asks(&mut fleet).cpu_milli = 4000;
    let (made, on) = waits(&fleet);
    let WaitingOn::ReserveForLoss {
        asked: 4000,
        free: 2000,
        ..
    } = on
    else {
        panic!("{on:?}")
    };
    for forged in forged_figures(&on).into_iter().take(2) {
        refuted(&fleet, &made, &forged);
    }
    // One that is not protected as it is has to be that first.
    asks(&mut fleet).current.as_mut().expect("placed").backup = None;
    fleet.servers.get_mut(&id("b")).expect("there").cpu_milli = 7000;
    let (_, on) = waits(&fleet);
    assert!(
        matches!(on, WaitingOn::ReserveForLoss { asked: 2000, .. }),
        "{on:?}"
    );
}

#[test]
fn no_request_for_more_is_called_nonsense_or_a_strangers_that_is_neither() {
    let mut fleet = small();
    runs(&mut fleet, 2, 1);
    asks(&mut fleet).cpu_milli = 0;
    let (_, on) = waits(&fleet);
    assert!(matches!(on, WaitingOn::Malformed { .. }), "{on:?}");
    asks(&mut fleet).cpu_milli = 4000;
    fleet.tenants.clear();
    let (_, on) = waits(&fleet);
    assert_eq!(on, WaitingOn::UnknownTenant);
}

#[test]
fn no_larger_size_queues_behind_nobody() {
    let mut fleet = small();
    runs(&mut fleet, 2, 1);
    let mut full = server(8, 1);
    full.current = Some(Placement {
        site: "b".into(),
        rack: "b-r".into(),
        host: Some("b-h".into()),
        ..Placement::default()
    });
    fleet.servers.insert(id("b"), full);
    // Room is kept for one before it; two come after it.
    for (name, tier) in [("first", 1), ("last", 5), ("later", 5)] {
        let wanted = Server { tier, ..server(7, 1) };
        fleet.servers.insert(id(name), wanted);
    }
    asks(&mut fleet).cpu_milli = 4000;
    assert_eq!(figures_refuted(&fleet), WaitingOn::Queue { ahead: 1 });
}
