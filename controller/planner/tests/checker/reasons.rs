//! True reasons to wait are confirmed, and the same words are refuted where they are not true. No I/O.

use crate::fixture::{fleet, id};
use raidc_planner::{
    ApartBy, Colocation, ColocationId, DemandId, Device, Fleet, Plan, PlanOptions, Server, Together, Waiting,
    WaitingOn, confirm_waiting, plan,
};

/// The plan, in which this demand waits, and what it waits on: confirmed.
#[track_caller]
fn waits(fleet: &Fleet, id: &DemandId) -> (Plan, WaitingOn) {
    let made = plan(fleet, &PlanOptions::default());
    let on = made.waiting.get(id).expect("it waits").on.clone();
    assert_eq!(confirm_waiting(fleet, &made), vec![], "{on:?}");
    (made, on)
}

#[track_caller]
fn refuted(fleet: &Fleet, made: &Plan, id: &DemandId, on: WaitingOn) {
    let mut forged = made.clone();
    forged.waiting.insert(id.clone(), Waiting::on(on.clone()));
    assert_ne!(confirm_waiting(fleet, &forged), vec![], "{on:?} is believed");
}

fn malformed() -> WaitingOn {
    WaitingOn::Malformed {
        field: "x".to_owned(),
        message: "is wrong".to_owned(),
    }
}

#[test]
fn no_request_is_called_malformed_whose_figures_can_be_true() {
    let demand = DemandId::from(id(5));
    let base = fleet();
    let with = |change: fn(&mut Server)| {
        let mut fleet = base.clone();
        change(fleet.servers.get_mut(&id(5)).expect("server"));
        fleet
    };
    for change in [
        (|server| server.cpu_milli = 0) as fn(&mut Server),
        |server| server.cpu_milli = 1_000_000_001,
        |server| server.memory_mib = 0,
        |server| server.memory_mib = (1 << 40) + 1,
        |server| server.overhead_mib = -1,
        |server| server.overhead_mib = (1 << 40) + 1,
        |server| server.storage_mib = -1,
        |server| server.storage_mib = (1 << 40) + 1,
        |server| server.copies = 0,
        |server| server.copies = 17,
    ] {
        let (_, on) = waits(&with(change), &demand);
        assert!(matches!(on, WaitingOn::Malformed { .. }), "{on:?}");
    }
    for change in [
        (|server| server.cpu_milli = 1_000_000_000) as fn(&mut Server),
        |server| server.memory_mib = 1 << 40,
        |server| server.overhead_mib = 1 << 40,
        |server| server.storage_mib = 1 << 40,
        |server| server.copies = 16,
    ] {
        let fleet = with(change);
        let (made, on) = waits(&fleet, &demand);
        assert!(!matches!(on, WaitingOn::Malformed { .. }), "{on:?}");
        refuted(&fleet, &made, &demand, malformed());
    }
}

#[test]
fn no_device_is_called_malformed_whose_figures_can_be_true() {
    let colocation = ColocationId::new("kuldiga", "c");
    let demand = DemandId::Colocation(colocation.clone());
    let device = |name: &str| Device {
        name: name.to_owned(),
        units: 1,
        watts: 10,
        feeds: 1,
    };
    let with = |devices: Vec<Device>| {
        let mut fleet = fleet();
        let spec = Colocation {
            tenant: "kuldiga".into(),
            devices,
            ..Colocation::default()
        };
        fleet.colocations.insert(colocation.clone(), spec);
        fleet
    };
    let one = |change: fn(&mut Device)| {
        let mut device = device("d");
        change(&mut device);
        with(vec![device])
    };
    for change in [
        (|device| device.units = 0) as fn(&mut Device),
        |device| device.units = 101,
        |device| device.watts = -1,
        |device| device.watts = 1_000_001,
        |device| device.feeds = 0,
        |device| device.feeds = 5,
    ] {
        let (_, on) = waits(&one(change), &demand);
        assert!(matches!(on, WaitingOn::Malformed { .. }), "{on:?}");
    }
    for change in [
        (|device| device.units = 100) as fn(&mut Device),
        |device| device.watts = 1_000_000,
        |device| device.feeds = 4,
    ] {
        let fleet = one(change);
        let (made, on) = waits(&fleet, &demand);
        assert!(!matches!(on, WaitingOn::Malformed { .. }), "{on:?}");
        refuted(&fleet, &made, &demand, malformed());
    }
    let (_, on) = waits(&with(vec![device("d"), device("d")]), &demand);
    assert!(matches!(on, WaitingOn::Malformed { .. }), "{on:?}");
    let many = (0..257).map(|at| device(&format!("d{at}"))).collect();
    let (_, on) = waits(&with(many), &demand);
    assert!(matches!(on, WaitingOn::Malformed { .. }), "{on:?}");
}

#[test]
fn no_tenant_or_site_is_said_to_be_missing_that_is_there() {
    let mut strange = fleet();
    strange.servers.get_mut(&id(5)).expect("server").tenant = "zz".into();
    let (_, on) = waits(&strange, &id(5).into());
    assert_eq!(on, WaitingOn::UnknownTenant);
    strange
        .tenants
        .insert("zz".into(), raidc_planner::Tenant::default());
    let made = plan(&strange, &PlanOptions::default());
    assert!(made.waiting.is_empty());

    let firewalls = ColocationId::new("kuldiga", "firewalls");
    let demand = DemandId::Colocation(firewalls.clone());
    let mut strange = fleet();
    strange.colocations.get_mut(&firewalls).expect("there").tenant = "zz".into();
    let (made, on) = waits(&strange, &demand);
    assert_eq!(on, WaitingOn::UnknownTenant);
    strange
        .tenants
        .insert("zz".into(), raidc_planner::Tenant::default());
    refuted(&strange, &made, &demand, WaitingOn::UnknownTenant);

    let mut nowhere = fleet();
    nowhere.servers.get_mut(&id(5)).expect("server").sites_allowed = Some(["y".into(), "z".into()].into());
    let (made, on) = waits(&nowhere, &id(5).into());
    let allowed = vec!["y".into(), "z".into()];
    assert_eq!(on, WaitingOn::NotAllowedSite { allowed });
    for allowed in [vec!["y".into()], vec![]] {
        refuted(
            &nowhere,
            &made,
            &id(5).into(),
            WaitingOn::NotAllowedSite { allowed },
        );
    }
    let mut found = nowhere.clone();
    found.sites.insert("z".into(), raidc_planner::Site::default());
    refuted(&found, &made, &id(5).into(), on);
}

#[test]
fn no_affinity_group_is_blamed_that_is_not_in_the_way() {
    let mut fleet = fleet();
    let together = |group: &str, by: ApartBy| {
        Some(Together {
            group: group.to_owned(),
            by,
        })
    };
    fleet.servers.retain(|server, _| [id(5), id(6)].contains(server));
    for server in [5, 6] {
        let server = fleet.servers.get_mut(&id(server)).expect("server");
        server.copies = 1;
        server.together = together("t", ApartBy::Host);
    }
    // One runs on a host that takes nothing new.
    plan(&fleet, &PlanOptions::default()).feed_back(&mut fleet);
    fleet.servers.get_mut(&id(6)).expect("server").current = None;
    let at = fleet.servers[&id(5)].current.clone().expect("a place").host;
    let host = fleet.hosts.get_mut(&at.expect("a host")).expect("host");
    host.usable = raidc_planner::HostUse::Cordoned;
    let (made, on) = waits(&fleet, &id(6).into());
    let is = |group: &str, by: ApartBy| WaitingOn::TogetherGroup {
        group: group.to_owned(),
        by,
    };
    assert_eq!(on, is("t", ApartBy::Host));
    let demand = DemandId::from(id(6));
    refuted(&fleet, &made, &demand, is("u", ApartBy::Host));
    refuted(&fleet, &made, &demand, is("t", ApartBy::Site));
    let mut alone = fleet.clone();
    alone.servers.get_mut(&id(5)).expect("server").together = together("u", ApartBy::Host);
    refuted(&alone, &made, &demand, is("t", ApartBy::Host));
}
