//! A size that counts is the one that a server has or the one that it may be granted, and nothing between. No I/O.

use crate::fixture::{at, found, id, running};
use raidc_planner::{
    Fleet, Growth, HostUse, Plan, PlanOptions, Rule, ServerPlan, State, Waiting, WaitingOn, check,
    confirm_waiting, plan,
};

const WHAT: &str = "server/kuldiga/s5";

/// The running fleet in which server 5 asks for so many more thousandths of a core, MiB of memory and of storage.
fn asking(cpu: i64, memory: i64, storage: i64) -> Fleet {
    let (mut fleet, _) = running();
    let server = fleet.servers.get_mut(&id(5)).expect("server");
    server.cpu_milli += cpu;
    server.memory_mib += memory;
    server.storage_mib += storage;
    fleet
}

fn decide(fleet: &Fleet) -> Plan {
    let made = plan(fleet, &PlanOptions::default());
    assert_eq!(check(fleet, &made), vec![]);
    assert_eq!(confirm_waiting(fleet, &made), vec![]);
    made
}

/// The same plan with the larger size granted.
fn forced(fleet: &Fleet, made: &Plan) -> Plan {
    let mut forged = made.clone();
    let decided = at(&mut forged, 5);
    (decided.granted, decided.growth) = (fleet.servers[&id(5)].asked(), None);
    forged
}

#[test]
fn no_size_counts_that_is_neither_had_nor_asked() {
    let fleet = asking(1000, 0, 0);
    let made = decide(&fleet);
    assert_eq!(made.servers[&id(5)].granted, fleet.servers[&id(5)].asked());
    for change in [
        (|decided| decided.granted.cpu_milli -= 500) as fn(&mut ServerPlan),
        |decided| decided.granted.cpu_milli = 0,
        |decided| decided.granted.cpu_milli += 1,
        |decided| decided.granted.memory_mib -= 1,
        |decided| decided.granted.storage_mib = 0,
    ] {
        let mut forged = made.clone();
        change(at(&mut forged, 5));
        found(&fleet, &forged, Rule::Growth, WHAT, "counts with");
    }
}

#[test]
fn nobody_waits_for_more_without_a_word_or_with_one_too_many() {
    let fleet = asking(1000, 0, 0);
    let made = decide(&fleet);
    let growth = Some(Box::new(Growth {
        on: WaitingOn::Queue { ahead: 1 },
    }));
    let mut silent = made.clone();
    at(&mut silent, 5).granted.cpu_milli -= 1000;
    found(&fleet, &silent, Rule::Growth, WHAT, "does not say why");
    let mut both = made.clone();
    at(&mut both, 5).growth.clone_from(&growth);
    found(&fleet, &both, Rule::Growth, WHAT, "and waits for it");
    let mut none = made.clone();
    at(&mut none, 6).growth.clone_from(&growth);
    found(
        &fleet,
        &none,
        Rule::Growth,
        "server/kuldiga/s6",
        "does not say why",
    );
    // That it waits is told, and there is no need for it.
    at(&mut silent, 5).growth = Some(Box::new(Growth {
        on: WaitingOn::SitesClosed { allowed: 1 },
    }));
    let faults = confirm_waiting(&fleet, &silent);
    assert!(
        faults
            .iter()
            .any(|fault| fault.what == WHAT && fault.message.contains("it could have it: true")),
        "{faults:#?}"
    );
}

#[test]
fn a_smaller_size_never_waits() {
    let fleet = asking(-1000, 0, 0);
    let mut made = decide(&fleet);
    assert_eq!(made.servers[&id(5)].granted.cpu_milli, 1500);
    at(&mut made, 5).granted.cpu_milli = 2500;
    found(&fleet, &made, Rule::Growth, WHAT, "counts with");
}

#[test]
fn nothing_is_granted_beyond_host_quota_or_store() {
    for (more, rule, what) in [
        ((32_000, 0, 0), Rule::HostFits, "host/"),
        ((0, 70_000, 0), Rule::HostFits, "host/"),
        ((0, 0, 20_000), Rule::Storage, "site/"),
    ] {
        let fleet = asking(more.0, more.1, more.2);
        let made = decide(&fleet);
        assert!(made.servers[&id(5)].growth.is_some());
        found(&fleet, &forced(&fleet, &made), rule, what, "");
    }
    let mut fleet = asking(1000, 0, 0);
    let quota = &mut fleet.tenants.get_mut(&"kuldiga".into()).expect("tenant").quota;
    quota.cpu_milli = Some(24_900);
    let made = decide(&fleet);
    assert!(matches!(
        made.servers[&id(5)].growth.as_deref(),
        Some(Growth {
            on: WaitingOn::Quota { .. }
        })
    ));
    found(
        &fleet,
        &forced(&fleet, &made),
        Rule::Quota,
        "tenant/kuldiga",
        "of it new",
    );
}

#[test]
fn what_was_too_full_before_excuses_no_growth() {
    let mut fleet = asking(0, 1000, 0);
    let place = fleet.servers[&id(5)].current.clone().expect("place");
    fleet.sites.get_mut(&place.site).expect("site").ceiling_percent = 1;
    let made = decide(&fleet);
    assert!(made.servers[&id(5)].growth.is_some());
    let of_site = format!("site/{}", place.site);
    found(
        &fleet,
        &forced(&fleet, &made),
        Rule::SiteCeiling,
        &of_site,
        "a larger one",
    );
}

#[test]
fn nothing_is_granted_where_nothing_new_may_come() {
    let mut fleet = asking(1000, 0, 0);
    let place = fleet.servers[&id(5)].current.clone().expect("place");
    let host = place.host.expect("host");
    fleet.hosts.get_mut(&host).expect("host").usable = HostUse::Cordoned;
    let made = decide(&fleet);
    found(
        &fleet,
        &forced(&fleet, &made),
        Rule::Growth,
        WHAT,
        "takes nothing new",
    );

    let mut fleet = asking(0, 0, 100);
    fleet.sites.get_mut(&place.site).expect("site").state = State::Cordoned;
    let made = decide(&fleet);
    found(
        &fleet,
        &forced(&fleet, &made),
        Rule::Growth,
        WHAT,
        "its data grew",
    );
}

#[test]
fn no_false_number_of_a_growth_passes() {
    for more in [(10_000, 0, 0), (0, 60_000, 0), (0, 0, 20_000)] {
        let fleet = asking(more.0, more.1, more.2);
        let made = decide(&fleet);
        let growth = made.servers[&id(5)].growth.clone().expect("it waits");
        let mut forged = growth.on.clone();
        match &mut forged {
            WaitingOn::HostFull { free, .. }
            | WaitingOn::Storage { free, .. }
            | WaitingOn::ReserveForLoss { free, .. } => *free += 100_000,
            WaitingOn::SiteCeiling { used, .. } => *used -= 1,
            WaitingOn::HostMemory { largest, .. } | WaitingOn::HostCores { largest, .. } => *largest -= 1,
            WaitingOn::RackWatts { headroom, .. } => *headroom += 1,
            other => panic!("{other:?}"),
        }
        let mut false_plan = made.clone();
        at(&mut false_plan, 5).growth = Some(Box::new(Growth { on: forged }));
        let faults = confirm_waiting(&fleet, &false_plan);
        assert!(faults.iter().any(|fault| fault.what == WHAT), "{growth:?}");
    }
}

#[test]
fn nobody_grows_without_the_reserve_or_the_copies_of_its_policy() {
    let mut fleet = asking(1000, 0, 0);
    let made = decide(&fleet);
    let bare = [
        (|decided| decided.backup = None) as fn(&mut ServerPlan),
        |decided| decided.unprotected = Some(Box::new(Waiting::on(WaitingOn::UnknownTenant))),
    ]
    .map(|change| {
        let mut bare = made.clone();
        change(at(&mut bare, 5));
        bare
    });
    let why = "grew without the reserve";
    for bare in &bare {
        found(&fleet, bare, Rule::Growth, WHAT, why);
    }
    // One that is started again after a loss may have taken the room of the reserve.
    fleet.servers.get_mut(&id(6)).expect("server").released = true;
    for bare in &bare {
        let faults = check(&fleet, bare);
        assert!(
            !faults.iter().any(|fault| fault.message.contains(why)),
            "{faults:#?}"
        );
    }
}
