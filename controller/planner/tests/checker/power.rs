//! What a rack may draw, and what stands in it draws. No I/O.

use crate::fixture::{at, fleet, found, id, running, sound, spot};
use raidc_planner::{
    Excess, ExcessOf, Feed, Fleet, Host, HostUse, Plan, PlanOptions, Rack, Resource, Rule, check, plan,
};

/// The plan of this fleet, which is sound: the checker counts as the planner does.
#[track_caller]
fn agreed(fleet: &Fleet) -> Plan {
    let made = plan(fleet, &PlanOptions::default());
    assert_eq!(check(fleet, &made), vec![]);
    made
}

/// What a rack of these feeds may draw.
#[track_caller]
fn capacity(feeds: &[(i64, Option<&str>)], change: impl Fn(&mut Rack)) -> i64 {
    let mut fleet = fleet();
    let rack = fleet.racks.get_mut(&"d-r2".into()).expect("rack");
    let feed = |(at, &(watts, panel)): (usize, &(i64, Option<&str>))| Feed {
        name: format!("f{at}"),
        watts,
        panel: panel.map(str::to_owned),
    };
    rack.feeds = feeds.iter().enumerate().map(feed).collect();
    rack.derate_percent = 100;
    change(rack);
    agreed(&fleet).racks[&"d-r2".into()].capacity_watts
}

#[test]
fn no_rack_counts_on_more_than_its_worst_failure_leaves() {
    let plain = |_: &mut Rack| ();
    assert_eq!(capacity(&[(700, None)], plain), 700);
    assert_eq!(capacity(&[(1000, None), (3000, None)], plain), 1000);
    // A panel takes all that hangs on it; the largest feed may still be worse.
    let panel = [(1000, Some("p")), (1500, Some("p")), (4000, None)];
    assert_eq!(capacity(&panel, plain), 2500);
    let panel = [(3000, Some("p")), (2000, Some("p")), (1000, Some("q"))];
    assert_eq!(capacity(&panel, plain), 1000);
    let panel = [(3000, Some("p")), (2000, Some("p")), (1000, None)];
    assert_eq!(capacity(&panel, plain), 1000);
    // One that takes everything takes the rack: that is a scenario, and no capacity.
    assert_eq!(capacity(&[(1000, Some("p")), (2000, Some("p"))], plain), 1000);
    assert_eq!(
        capacity(&[(1000, None), (3000, None)], |rack| rack.derate_percent = 80),
        800
    );
    assert_eq!(
        capacity(&[(1000, None), (3000, None)], |rack| rack.max_watts = Some(999)),
        999
    );
    let large = [(1_000_000, None); 3];
    assert_eq!(
        capacity(&large, |rack| rack.max_watts = Some(1_500_000)),
        1_500_000
    );
}

#[test]
fn no_rack_may_draw_anything_whose_figures_cannot_be_true() {
    let two = [(1000, None), (1000, None)];
    let no_change = |_: &mut Rack| ();
    assert_eq!(capacity(&[(1000, None), (-1, None)], no_change), 0);
    assert_eq!(capacity(&[(1_000_001, None), (1000, None)], no_change), 0);
    assert_eq!(capacity(&[(10, None); 65], no_change), 0);
    for (name, change) in [
        ("derating", (|rack| rack.derate_percent = 101) as fn(&mut Rack)),
        ("negative derating", |rack| rack.derate_percent = -1),
        ("limit", |rack| rack.max_watts = Some(64_000_001)),
        ("negative limit", |rack| rack.max_watts = Some(-1)),
        ("others", |rack| rack.other_watts = 1_000_001),
        ("negative others", |rack| rack.other_watts = -1),
    ] {
        assert_eq!(capacity(&two, change), 0, "{name}");
    }
}

#[test]
fn nothing_draws_power_that_is_not_counted() {
    let rack = "d-r2".into();
    let mut fleet = fleet();
    // Nothing new comes to this rack: what changes is what the test changes.
    for host in fleet.hosts.values_mut().filter(|host| host.rack == rack) {
        host.usable = HostUse::Cordoned;
    }
    let draws = |fleet: &Fleet| agreed(fleet).racks[&rack].committed_watts;
    let before = draws(&fleet);
    fleet.racks.get_mut(&rack).expect("rack").other_watts = 300;
    assert_eq!(draws(&fleet), before + 300);
    // Pods that are not ours keep a host on, and draw their part of its span: 16 W x 1000/15999, rounded up.
    let host = fleet.hosts.get_mut(&"d-r2-h2".into()).expect("host");
    (host.cpu_milli, host.taken_cpu_milli, host.max_watts) = (15_999, 1000, 116);
    assert_eq!(draws(&fleet), before + 300 + 100 + 2);
    // One that says it draws more than anything does is set aside.
    let host = fleet.hosts.get_mut(&"d-r2-h2".into()).expect("host");
    host.max_watts = 1_000_001;
    assert_eq!(draws(&fleet), before + 300);
}

#[test]
fn no_device_draws_what_another_was_said_to() {
    let mut fleet = fleet();
    let firewalls = fleet.colocations.values_mut().next().expect("firewalls");
    (firewalls.devices[0].watts, firewalls.devices[1].watts) = (70, 310);
    agreed(&fleet);
}

#[test]
fn no_host_has_room_that_others_have_taken() {
    let (fleet, mut made) = sound();
    let host = "d-r2-h2";
    at(&mut made, 5).placement = spot(host);
    let what = format!("host/{host}");
    let full = |change: &dyn Fn(&mut Host)| {
        let mut fleet = fleet.clone();
        change(fleet.hosts.get_mut(&host.into()).expect("host"));
        let faults = check(&fleet, &made);
        faults
            .iter()
            .any(|fault| fault.rule == Rule::HostFits && fault.what == what)
    };
    assert!(!full(&|host| host.taken_cpu_milli = 13_500));
    assert!(full(&|host| host.taken_cpu_milli = 13_501));
    assert!(!full(&|host| host.taken_memory_mib = 65_536 - 4196));
    assert!(full(&|host| host.taken_memory_mib = 65_536 - 4195));
    // A host that sells its cores twice has twice what is left of them.
    let mut fleet = fleet.clone();
    fleet
        .sites
        .get_mut(&"d".into())
        .expect("site")
        .cpu_overcommit_percent = 200;
    fleet.hosts.get_mut(&host.into()).expect("host").taken_cpu_milli = 14_750;
    agreed(&fleet);
    let faults = check(&fleet, &made);
    assert!(!faults.iter().any(|fault| fault.rule == Rule::HostFits));
    fleet.hosts.get_mut(&host.into()).expect("host").taken_cpu_milli = 14_751;
    found(&fleet, &made, Rule::HostFits, &what, "carries");
}

/// Hosts that draw a whole number of watts for each server.
fn even() -> Fleet {
    let mut fleet = fleet();
    for host in fleet.hosts.values_mut() {
        host.max_watts = 420;
    }
    fleet
}

#[test]
fn no_rack_is_full_before_the_last_watt_or_after_it() {
    let fleet = even();
    let made = agreed(&fleet);
    let (rack, ledger) = made
        .racks
        .iter()
        .find(|(_, ledger)| ledger.reserved_watts > 0 && ledger.committed_watts > 0)
        .expect("a reserve");
    let faults = |watts: i64, rule: Rule| {
        let mut fleet = fleet.clone();
        fleet.racks.get_mut(rack).expect("rack").max_watts = Some(watts);
        let mut faults = check(&fleet, &made).into_iter();
        faults.any(|fault| fault.rule == rule && fault.what == format!("rack/{rack}"))
    };
    let now = ledger.committed_watts;
    let then = now + ledger.reserved_watts;
    assert!(!faults(then, Rule::Survives) && faults(then - 1, Rule::Survives));
    assert!(!faults(now, Rule::RackWatts) && faults(now - 1, Rule::RackWatts));
}

#[test]
fn no_reserve_wakes_a_host_for_nothing() {
    let mut fleet = fleet();
    for host in fleet.hosts.values_mut() {
        host.powered = false;
    }
    let made = agreed(&fleet);
    // Some reserve is where nothing runs: its rack keeps the idle watts too.
    let runs = |host| made.servers.values().any(|server| server.placement.host == host);
    assert!(
        made.servers
            .values()
            .filter_map(|server| server.backup.clone())
            .any(|backup| !runs(backup.host)),
        "{made:#?}"
    );
}

#[test]
fn nothing_new_comes_to_a_rack_or_host_that_is_declared_too_full() {
    let (mut fleet, made) = sound();
    let rack = made.servers[&id(5)].placement.rack.clone();
    fleet.racks.get_mut(&rack).expect("rack").max_watts = Some(10);
    let mut told = made.clone();
    told.excesses.push(Excess {
        of: ExcessOf::Rack(rack.clone()),
        resource: Resource::Watts,
        used: made.racks[&rack].committed_watts,
        limit: 10,
    });
    found(&fleet, &told, Rule::RackWatts, &format!("rack/{rack}"), "draws");

    let (mut fleet, again) = running();
    let host = again.servers[&id(5)].placement.clone();
    let full = fleet.hosts.get_mut(&host.host).expect("host");
    (full.cpu_milli, full.memory_mib) = (64_000, 1);
    let still = PlanOptions {
        max_moves: 0,
        ..PlanOptions::default()
    };
    let mut told = plan(&fleet, &still);
    assert_eq!(check(&fleet, &told), vec![]);
    let other = (0..10)
        .find(|&other| told.servers[&id(other)].placement.host != host.host)
        .expect("another");
    at(&mut told, other).placement = host.clone();
    for excess in &mut told.excesses {
        excess.used += 4196;
    }
    found(
        &fleet,
        &told,
        Rule::HostFits,
        &format!("host/{}", host.host),
        "carries",
    );
}

#[test]
fn what_a_host_has_too_little_of_never_counts_for_what_it_has_enough_of() {
    let (fleet, again) = running();
    let host = again.servers[&id(5)].placement.host.clone();
    let ran = again
        .servers
        .values()
        .filter(|server| server.placement.host == host);
    let used: i64 = ran.map(|server| server.granted.cpu_milli).sum();
    // The host has too little memory, and says so; the server asks for so much more.
    let full = |cpu: i64, more: (i64, i64)| {
        let mut fleet = fleet.clone();
        let short = fleet.hosts.get_mut(&host).expect("host");
        (short.cpu_milli, short.memory_mib) = (cpu, 1);
        let still = PlanOptions {
            max_moves: 0,
            ..PlanOptions::default()
        };
        let mut told = plan(&fleet, &still);
        assert_eq!(check(&fleet, &told), vec![]);
        let server = fleet.servers.get_mut(&id(5)).expect("server");
        (server.cpu_milli, server.memory_mib) = (server.cpu_milli + more.0, server.memory_mib + more.1);
        at(&mut told, 5).granted = server.asked();
        let faults = check(&fleet, &told);
        faults
            .iter()
            .any(|fault| fault.rule == Rule::HostFits && fault.what == format!("host/{host}"))
    };
    assert!(!full(used, (0, 0)) && !full(64_000, (0, 0)));
    assert!(!full(64_000, (1000, 0)) && !full(used + 1000, (1000, 0)));
    assert!(full(used + 999, (1000, 0)) && full(64_000, (0, 1)));
}
