//! A server that asks for more than it has gets it where it fits, or goes on with what it has and says why. No I/O.

#![allow(clippy::expect_used, reason = "a test may fail loudly")]

mod counted;
mod reserves;
#[path = "../small/mod.rs"]
mod small;

use raidc_planner::{
    DemandId, Fleet, HostUse, Plan, PlanOptions, QuotaResource, Resource, Rule, Server, ServerId, ServerPlan,
    State, WaitingOn, check, confirm_waiting, explain, plan,
};
use small::{Shape, fleet_of, sites, two_full_sites};

fn id(name: &str) -> ServerId {
    ServerId::new("city", name)
}

fn add(fleet: &mut Fleet, name: &str, cores: i64, gib: i64, copies: i64) {
    let created_at = i64::try_from(fleet.servers.len()).expect("few");
    let server = Server {
        tenant: "city".into(),
        created_at,
        cpu_milli: cores * 1000,
        memory_mib: gib * 1024,
        storage_mib: 10,
        copies,
        ..Server::default()
    };
    fleet.servers.insert(id(name), server);
}

/// Plans, has it checked, and carries it out; planning again changes nothing.
fn carry_out(fleet: &mut Fleet) -> Plan {
    let made = plan(fleet, &PlanOptions::default());
    assert_eq!(check(fleet, &made), vec![]);
    assert_eq!(confirm_waiting(fleet, &made), vec![]);
    made.feed_back(fleet);
    let again = plan(fleet, &PlanOptions::default());
    assert_eq!((&again.id, again.moves.len()), (&made.id, 0));
    assert_eq!(again.servers, made.servers);
    made
}

fn ask<'f>(fleet: &'f mut Fleet, name: &str) -> &'f mut Server {
    fleet.servers.get_mut(&id(name)).expect("there")
}

fn of<'p>(plan: &'p Plan, name: &str) -> &'p ServerPlan {
    plan.servers.get(&id(name)).expect("it has its place")
}

fn waits(plan: &Plan, name: &str) -> WaitingOn {
    of(plan, name).growth.as_ref().expect("it waits").on.clone()
}

/// One host of eight cores and 8 GiB at each of two sites; `first` and `second` of two cores and 2 GiB, reserved at the other.
fn two_of_a_tenant() -> Fleet {
    let mut fleet = two_full_sites();
    for site in ["a", "b"] {
        fleet
            .racks
            .get_mut(&format!("{site}-r").into())
            .expect("rack")
            .feeds[0]
            .watts = 2000;
    }
    add(&mut fleet, "first", 2, 2, 2);
    add(&mut fleet, "second", 2, 2, 2);
    let made = carry_out(&mut fleet);
    assert!(made.waiting.is_empty());
    fleet
}

#[test]
fn a_larger_size_that_fits_is_granted_where_the_server_is() {
    let mut fleet = two_of_a_tenant();
    let before = fleet.servers[&id("first")].current.clone();
    ask(&mut fleet, "first").cpu_milli = 4000;
    ask(&mut fleet, "first").storage_mib = 500;
    let made = carry_out(&mut fleet);
    assert_eq!(of(&made, "first").granted.cpu_milli, 4000);
    assert_eq!(of(&made, "first").granted.storage_mib, 500);
    assert_eq!(of(&made, "first").growth, None);
    assert_eq!(fleet.servers[&id("first")].current, before);
}

#[test]
fn a_grown_server_never_takes_a_neighbours_reserve() {
    let mut fleet = two_of_a_tenant();
    // Each host carries one of them and holds the reserve of the other, or both are on one: 4 of 8 cores are spoken for.
    for cores in [7, 8, 32] {
        ask(&mut fleet, "first").cpu_milli = cores * 1000;
        let made = carry_out(&mut fleet);
        let first = of(&made, "first");
        assert_eq!(first.granted.cpu_milli, 2000);
        let growth = first.growth.as_ref().expect("it waits");
        let reason = if cores > 8 { "HostCores" } else { "HostFull" };
        assert_eq!(growth.reason(), reason, "{growth}");
        for name in ["first", "second"] {
            assert_eq!(of(&made, name).unprotected, None);
            assert!(of(&made, name).backup.is_some());
        }
        assert_eq!(made.shed, vec![]);
        assert_eq!(made.excesses, vec![]);
    }
    // Edited back, nothing is left of it.
    ask(&mut fleet, "first").cpu_milli = 2000;
    assert_eq!(of(&carry_out(&mut fleet), "first").growth, None);
}

#[test]
fn a_larger_size_beyond_the_host_says_what_is_left_there() {
    let mut fleet = sites(&["a"]);
    add(&mut fleet, "first", 4, 1, 1);
    add(&mut fleet, "second", 3, 1, 1);
    carry_out(&mut fleet);
    ask(&mut fleet, "first").cpu_milli = 8000;
    let made = carry_out(&mut fleet);
    let expected = WaitingOn::HostFull {
        resource: Resource::Cpu,
        asked: 4000,
        free: 1000,
    };
    assert_eq!(waits(&made, "first"), expected);
    let told = explain(&fleet, &made, &DemandId::Server(id("first"))).to_string();
    for part in [
        "goes on with 4 cores, 1 GiB of memory",
        "the 8 cores, 1 GiB of memory",
        "wait on HostFull: its host has 1 core left beside its reserves and 4 cores more was asked: ask for 3 cores less",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    // The neighbour goes, and it gets what it waited for, with no further edit.
    fleet.servers.remove(&id("second"));
    assert_eq!(of(&carry_out(&mut fleet), "first").granted.cpu_milli, 8000);
}

#[test]
fn a_larger_size_beyond_the_quota_never_counts() {
    let mut fleet = two_of_a_tenant();
    let quota = &mut fleet.tenants.get_mut(&"city".into()).expect("tenant").quota;
    quota.cpu_milli = Some(5000);
    quota.storage_mib = Some(100);
    ask(&mut fleet, "first").cpu_milli = 4000;
    ask(&mut fleet, "second").storage_mib = 1000;
    let made = carry_out(&mut fleet);
    let expected = WaitingOn::Quota {
        resource: QuotaResource::Cpu,
        used: 4000,
        limit: 5000,
        asked: 2000,
    };
    assert_eq!(waits(&made, "first"), expected);
    let expected = WaitingOn::Quota {
        resource: QuotaResource::Storage,
        used: 20,
        limit: 100,
        asked: 990,
    };
    assert_eq!(waits(&made, "second"), expected);
    assert_eq!(of(&made, "first").granted.cpu_milli, 2000);
    assert_eq!(of(&made, "second").granted.storage_mib, 10);
}

#[test]
fn a_smaller_size_takes_effect_at_once_and_lets_others_grow() {
    let mut fleet = sites(&["a"]);
    add(&mut fleet, "first", 6, 1, 1);
    add(&mut fleet, "second", 2, 1, 1);
    add(&mut fleet, "third", 8, 1, 1);
    let made = carry_out(&mut fleet);
    assert_eq!(of(&made, "first").placement, of(&made, "second").placement);
    ask(&mut fleet, "second").cpu_milli = 6000;
    assert_eq!(of(&carry_out(&mut fleet), "second").granted.cpu_milli, 2000);
    ask(&mut fleet, "first").cpu_milli = 1000;
    let made = carry_out(&mut fleet);
    assert_eq!(of(&made, "first").granted.cpu_milli, 1000);
    assert_eq!(of(&made, "second").granted.cpu_milli, 6000);
}

#[test]
fn more_of_one_and_less_of_another_is_all_or_nothing() {
    let mut fleet = sites(&["a"]);
    add(&mut fleet, "first", 4, 4, 1);
    carry_out(&mut fleet);
    ask(&mut fleet, "first").cpu_milli = 1000;
    ask(&mut fleet, "first").memory_mib = 9000;
    let made = carry_out(&mut fleet);
    let granted = of(&made, "first").granted;
    assert_eq!((granted.cpu_milli, granted.memory_mib), (4000, 4096));
    assert!(matches!(waits(&made, "first"), WaitingOn::HostMemory { .. }));
}

#[test]
fn the_ceiling_the_rack_and_the_store_are_never_passed_by_growing() {
    let mut fleet = sites(&["a"]);
    add(&mut fleet, "first", 4, 1, 1);
    carry_out(&mut fleet);
    ask(&mut fleet, "first").cpu_milli = 8000;
    fleet.sites.get_mut(&"a".into()).expect("site").ceiling_percent = 40;
    let made = carry_out(&mut fleet);
    let expected = WaitingOn::SiteCeiling {
        site: "a".into(),
        resource: Resource::Cpu,
        used: 4000,
        limit: 6400,
        asked: 4000,
    };
    assert_eq!(waits(&made, "first"), expected);

    fleet.sites.get_mut(&"a".into()).expect("site").ceiling_percent = 100;
    // Idle 100 W and 10 W a core: 140 W now.
    fleet.racks.get_mut(&"a-r".into()).expect("rack").max_watts = Some(170);
    let made = carry_out(&mut fleet);
    let expected = WaitingOn::RackWatts {
        rack: "a-r".into(),
        asked: 40,
        headroom: 30,
    };
    assert_eq!(waits(&made, "first"), expected);

    fleet.racks.get_mut(&"a-r".into()).expect("rack").max_watts = None;
    fleet.sites.get_mut(&"a".into()).expect("site").storage_mib = Some(100);
    ask(&mut fleet, "first").storage_mib = 500;
    let made = carry_out(&mut fleet);
    let expected = WaitingOn::Storage {
        site: "a".into(),
        asked: 490,
        free: 90,
    };
    assert_eq!(waits(&made, "first"), expected);
    assert_eq!(of(&made, "first").granted.cpu_milli, 4000, "all or nothing");

    ask(&mut fleet, "first").storage_mib = 100;
    let made = carry_out(&mut fleet);
    assert_eq!(of(&made, "first").growth, None);
}

#[test]
fn more_disk_is_never_held_up_by_what_is_too_full_of_something_else() {
    let mut fleet = sites(&["a"]);
    add(&mut fleet, "first", 4, 1, 1);
    carry_out(&mut fleet);
    fleet.sites.get_mut(&"a".into()).expect("site").ceiling_percent = 1;
    ask(&mut fleet, "first").storage_mib = 500;
    let made = carry_out(&mut fleet);
    assert_eq!(of(&made, "first").granted.storage_mib, 500);
}

#[test]
fn a_reserve_that_cannot_follow_goes_to_another_host_with_a_copy() {
    let shape = Shape {
        hosts: 2,
        cores: 8,
        max_watts: 180,
        feed_watts: 5000,
    };
    let mut fleet = fleet_of(&["a", "b"], &shape);
    add(&mut fleet, "first", 2, 1, 2);
    let made = carry_out(&mut fleet);
    let (at, reserve) = (
        of(&made, "first").placement.clone(),
        of(&made, "first").backup.clone().expect("reserve"),
    );
    // Beside its reserve there is no room for more.
    add(&mut fleet, "beside", 6, 1, 1);
    let beside = ask(&mut fleet, "beside");
    beside.current = Some(raidc_planner::Placement {
        site: reserve.site.clone(),
        rack: reserve.rack.clone(),
        host: Some(reserve.host.clone()),
        ..raidc_planner::Placement::default()
    });
    carry_out(&mut fleet);
    ask(&mut fleet, "first").cpu_milli = 4000;
    let made = carry_out(&mut fleet);
    let first = of(&made, "first");
    assert_eq!((first.granted.cpu_milli, &first.placement), (4000, &at));
    assert_ne!(first.backup.as_ref().map(|spot| &spot.host), Some(&reserve.host));
    // Six more cores fit its host and no host at the other site.
    add(&mut fleet, "more", 5, 1, 1);
    let other = first.backup.clone().expect("reserve");
    ask(&mut fleet, "more").current = Some(raidc_planner::Placement {
        site: other.site.clone(),
        rack: other.rack.clone(),
        host: Some(other.host),
        ..raidc_planner::Placement::default()
    });
    ask(&mut fleet, "more").cpu_milli = 4000;
    carry_out(&mut fleet);
    ask(&mut fleet, "first").cpu_milli = 6000;
    let made = carry_out(&mut fleet);
    assert!(
        matches!(
            waits(&made, "first"),
            WaitingOn::ReserveForLoss {
                asked: 6000,
                free: 4000,
                ..
            }
        ),
        "{:?}",
        waits(&made, "first")
    );
}

#[test]
fn growth_comes_in_its_turn_among_those_that_wait() {
    let mut fleet = sites(&["a"]);
    fleet.hosts.remove(&"a-h2".into());
    add(&mut fleet, "old", 4, 1, 1);
    carry_out(&mut fleet);
    // Four cores are left: the older server's growth comes before the newcomer, and not before one of a lower tier number.
    add(&mut fleet, "new", 4, 1, 1);
    ask(&mut fleet, "old").cpu_milli = 8000;
    let mut second = fleet.clone();
    let made = carry_out(&mut fleet);
    assert_eq!(of(&made, "old").granted.cpu_milli, 8000);
    assert!(made.waiting.contains_key(&DemandId::Server(id("new"))));
    ask(&mut second, "new").tier = 1;
    let made = carry_out(&mut second);
    assert_eq!(of(&made, "old").granted.cpu_milli, 4000);
    assert_eq!(of(&made, "new").granted.cpu_milli, 4000);
}

#[test]
fn nothing_grows_where_nothing_new_may_come() {
    let mut fleet = two_of_a_tenant();
    let at = fleet.servers[&id("first")].current.clone().expect("place");
    let host = at.host.expect("host");
    for used in [HostUse::Cordoned, HostUse::NotReady, HostUse::Unknown] {
        fleet.hosts.get_mut(&host).expect("host").usable = used;
        ask(&mut fleet, "first").cpu_milli = 3000;
        let made = carry_out(&mut fleet);
        assert_eq!(of(&made, "first").granted.cpu_milli, 2000);
        assert!(matches!(waits(&made, "first"), WaitingOn::SitesClosed { .. }));
    }
    fleet.hosts.get_mut(&host).expect("host").usable = HostUse::Usable;
    for state in [State::Cordoned, State::Unknown] {
        fleet.sites.get_mut(&at.site).expect("site").state = state;
        ask(&mut fleet, "first").storage_mib = 50;
        let made = carry_out(&mut fleet);
        assert_eq!(of(&made, "first").granted.storage_mib, 10);
        assert!(matches!(waits(&made, "first"), WaitingOn::SitesClosed { .. }));
    }
}

#[test]
fn what_has_a_place_and_no_record_counts_with_what_it_asks() {
    let mut fleet = two_of_a_tenant();
    ask(&mut fleet, "first").granted = None;
    ask(&mut fleet, "first").cpu_milli = 7000;
    let made = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &made), vec![]);
    assert_eq!(of(&made, "first").granted.cpu_milli, 7000);
    assert_eq!(of(&made, "first").growth, None);
}

#[test]
fn nonsense_is_neither_more_nor_less_than_it_has() {
    let mut fleet = two_of_a_tenant();
    for cpu in [0, -5, i64::MAX] {
        ask(&mut fleet, "first").cpu_milli = cpu;
        let made = carry_out(&mut fleet);
        assert_eq!(of(&made, "first").granted.cpu_milli, 2000);
        assert!(matches!(waits(&made, "first"), WaitingOn::Malformed { .. }));
    }
}

#[test]
fn what_one_is_granted_never_counts_for_another_that_waits() {
    let mut fleet = sites(&["a"]);
    fleet.hosts.remove(&"a-h2".into());
    for (name, cores) in [("small", 1), ("large", 4), ("late", 1)] {
        add(&mut fleet, name, cores, 1, 1);
    }
    carry_out(&mut fleet);
    for (name, cores) in [("small", 2), ("large", 8), ("late", 2)] {
        ask(&mut fleet, name).cpu_milli = cores * 1000;
        // The one that does not fit comes between the others.
        ask(&mut fleet, name).created_at = ["small", "large", "late"]
            .iter()
            .position(|one| *one == name)
            .map_or(0, |at| i64::try_from(at).expect("few"));
    }
    let made = carry_out(&mut fleet);
    let granted = |name: &str| of(&made, name).granted.cpu_milli;
    assert_eq!((granted("large"), granted("small")), (4000, 2000));
}

#[test]
fn nothing_that_a_whole_host_would_hold_is_called_too_large() {
    let mut fleet = sites(&["a"]);
    for (name, gib) in [("first", 1), ("beside", 2)] {
        add(&mut fleet, name, 1, gib, 1);
    }
    fleet.hosts.remove(&"a-h2".into());
    carry_out(&mut fleet);
    for (cpu, memory) in [(8000, 1024), (1000, 8192)] {
        let first = ask(&mut fleet, "first");
        (first.cpu_milli, first.memory_mib) = (cpu, memory);
        let made = carry_out(&mut fleet);
        assert!(matches!(waits(&made, "first"), WaitingOn::HostFull { .. }));
    }
}

#[test]
fn one_that_was_down_and_starts_in_what_a_trade_left_never_makes_the_trade_a_fault() {
    let mut fleet = sites(&["a"]);
    add(&mut fleet, "trades", 1, 7, 1);
    add(&mut fleet, "lost", 3, 4, 1);
    carry_out(&mut fleet);
    let host = |fleet: &Fleet, name: &str| fleet.servers[&id(name)].current.clone().and_then(|now| now.host);
    let (stays, gone) = (host(&fleet, "trades"), host(&fleet, "lost").expect("placed"));
    assert_ne!(stays.as_ref(), Some(&gone));
    fleet.hosts.remove(&gone);
    // Of the host's 8 GiB there is one left: it waits for its own host or for room.
    let waits = carry_out(&mut fleet);
    assert!(waits.waiting.contains_key(&DemandId::Server(id("lost"))));
    // More cores for less memory, within the ceiling of 75 %; the other then starts beyond it, as nobody is left down for a ceiling.
    fleet.sites.get_mut(&"a".into()).expect("there").ceiling_percent = 75;
    let trades = fleet.servers.get_mut(&id("trades")).expect("there");
    (trades.cpu_milli, trades.memory_mib) = (5000, 3 * 1024);
    let made = carry_out(&mut fleet);
    assert!(made.servers.contains_key(&id("lost")));
    assert_eq!(made.servers[&id("trades")].granted.cpu_milli, 5000);
    assert!(!made.excesses.is_empty());
}

#[test]
fn a_trade_beyond_the_ceiling_is_never_believed_when_nobody_came() {
    let mut fleet = sites(&["a"]);
    add(&mut fleet, "trades", 1, 7, 1);
    carry_out(&mut fleet);
    fleet.sites.get_mut(&"a".into()).expect("there").ceiling_percent = 40;
    let trades = fleet.servers.get_mut(&id("trades")).expect("there");
    (trades.cpu_milli, trades.memory_mib) = (7000, 1024);
    let mut made = carry_out(&mut fleet);
    let decided = made.servers.get_mut(&id("trades")).expect("placed");
    assert!(decided.growth.take().is_some());
    (decided.granted.cpu_milli, decided.granted.memory_mib) = (7000, 1024);
    let faults = check(&fleet, &made);
    assert!(
        faults.iter().any(|fault| fault.rule == Rule::SiteCeiling),
        "{faults:#?}"
    );
}
