//! Everything is accounted for once, at a place that exists and may be used. No I/O.

use crate::fixture::{at, found, id, running, sound};
use raidc_planner::{ColocationId, Fleet, HostUse, Plan, Rule, ServerId, State, Waiting, WaitingOn};

#[test]
fn no_server_is_forgotten_invented_or_counted_twice() {
    let (fleet, made) = sound();
    let mut forgotten = made.clone();
    forgotten.servers.remove(&id(3));
    found(
        &fleet,
        &forgotten,
        Rule::Accounted,
        "server/kuldiga/s3",
        "neither",
    );
    let mut twice = made.clone();
    twice
        .waiting
        .insert(id(3).into(), Waiting::on(WaitingOn::UnknownTenant));
    found(&fleet, &twice, Rule::Accounted, "server/kuldiga/s3", "and waits");
    for name in ["a", "s3x", "z"] {
        let mut invented = made.clone();
        let stranger = ServerId::new("kuldiga", name);
        let plan = made.servers[&id(3)].clone();
        invented.servers.insert(stranger.clone(), plan);
        found(
            &fleet,
            &invented,
            Rule::Accounted,
            &format!("server/{stranger}"),
            "in the plan",
        );
        let mut waits = made.clone();
        waits
            .waiting
            .insert(stranger.clone().into(), Waiting::on(WaitingOn::UnknownTenant));
        found(
            &fleet,
            &waits,
            Rule::Accounted,
            &format!("server/{stranger}"),
            "waits and",
        );
    }
}

#[test]
fn no_device_is_forgotten_invented_or_at_two_places() {
    let (fleet, made) = sound();
    let firewalls = ColocationId::new("kuldiga", "firewalls");
    let change = |change: &dyn Fn(&mut Plan)| {
        let mut changed = made.clone();
        change(&mut changed);
        changed
    };
    let places = |plan: &mut Plan| plan.colocations.remove(&firewalls).expect("placed");
    let what = "colocation/kuldiga/firewalls";
    let gone = change(&|plan| drop(places(plan)));
    found(&fleet, &gone, Rule::Accounted, what, "neither");
    let twice = change(&|plan| {
        let mut places = places(plan);
        places[1].device = places[0].device.clone();
        plan.colocations.insert(firewalls.clone(), places);
    });
    found(&fleet, &twice, Rule::Accounted, what, "at two places");
    found(&fleet, &twice, Rule::Accounted, what, "neither");
    let other = change(&|plan| {
        let places = places(plan);
        plan.colocations.insert(ColocationId::new("kuldiga", "x"), places);
    });
    found(
        &fleet,
        &other,
        Rule::Accounted,
        "colocation/kuldiga/x",
        "not in the fleet",
    );
    let waits = change(&|plan| {
        let id = ColocationId::new("kuldiga", "x");
        plan.waiting
            .insert(id.into(), Waiting::on(WaitingOn::UnknownTenant));
    });
    found(
        &fleet,
        &waits,
        Rule::Accounted,
        "colocation/kuldiga/x",
        "waits and",
    );
}

#[test]
fn no_server_runs_where_nothing_is_or_nothing_may_come() {
    let (mut fleet, made) = sound();
    let mut nowhere = made.clone();
    at(&mut nowhere, 5).placement.host = "ghost".into();
    found(
        &fleet,
        &nowhere,
        Rule::PlaceExists,
        "server/kuldiga/s5",
        "does not exist",
    );
    let mut rack = made.clone();
    at(&mut rack, 5).placement.rack = "a-r9".into();
    found(&fleet, &rack, Rule::PlaceExists, "server/kuldiga/s5", "is not in");
    let mut site = made.clone();
    at(&mut site, 5).placement.site = "zz".into();
    found(&fleet, &site, Rule::PlaceExists, "server/kuldiga/s5", "is not in");
    let mut reserve = made.clone();
    at(&mut reserve, 5).backup.as_mut().expect("reserved").host = "ghost".into();
    found(
        &fleet,
        &reserve,
        Rule::PlaceExists,
        "server/kuldiga/s5",
        "not in the fleet",
    );

    let place = made.servers[&id(5)].placement.clone();
    let closed = |change: &dyn Fn(&mut Fleet)| {
        let mut fleet = fleet.clone();
        change(&mut fleet);
        found(
            &fleet,
            &made,
            Rule::PlaceExists,
            "server/kuldiga/s5",
            "takes nothing new",
        );
    };
    closed(&|fleet| fleet.hosts.get_mut(&place.host).expect("host").usable = HostUse::Cordoned);
    closed(&|fleet| fleet.racks.get_mut(&place.rack).expect("rack").state = State::Draining);
    closed(&|fleet| fleet.sites.get_mut(&place.site).expect("site").state = State::Cordoned);
    closed(&|fleet| {
        // An overcommit that makes no sense: nothing is known of what the hosts carry.
        fleet
            .sites
            .get_mut(&place.site)
            .expect("site")
            .cpu_overcommit_percent = 0;
    });
    fleet.servers.get_mut(&id(5)).expect("server").sites_allowed = Some(["zz".into()].into());
    found(
        &fleet,
        &made,
        Rule::PlaceExists,
        "server/kuldiga/s5",
        "may not use",
    );
    found(&fleet, &made, Rule::Copies, "server/kuldiga/s5", "may not use");
}

#[test]
fn no_device_overlaps_leaves_its_rack_or_moves() {
    let (mut fleet, made) = sound();
    let firewalls = ColocationId::new("kuldiga", "firewalls");
    let what = "colocation/kuldiga/firewalls";
    let change = |at: usize, change: &dyn Fn(&mut raidc_planner::DevicePlace)| {
        let mut changed = made.clone();
        change(&mut changed.colocations.get_mut(&firewalls).expect("placed")[at]);
        changed
    };
    let first = made.colocations[&firewalls][0].clone();
    let over = change(1, &|place| {
        *place = raidc_planner::DevicePlace {
            device: "two".to_owned(),
            ..first.clone()
        }
    });
    found(&fleet, &over, Rule::RackUnits, what, "shares unit");
    found(&fleet, &over, Rule::Devices, what, "not apart");
    for lowest in [0, -3, 42, i64::MAX] {
        let out = change(0, &|place| place.lowest_unit = lowest);
        found(&fleet, &out, Rule::RackUnits, what, "leaves rack");
    }
    let tall = change(0, &|place| place.units = 3);
    found(&fleet, &tall, Rule::RackUnits, what, "said to have");
    let site = change(0, &|place| place.site = "zz".into());
    found(&fleet, &site, Rule::PlaceExists, what, "is not at zz");
    let rack = change(0, &|place| place.rack = "zz".into());
    found(&fleet, &rack, Rule::PlaceExists, what, "does not exist");
    let name = change(0, &|place| place.device = "zz".to_owned());
    found(&fleet, &name, Rule::Accounted, what, "has no device zz");
    let mut narrow = fleet.clone();
    narrow.racks.get_mut(&first.rack).expect("rack").feeds.truncate(1);
    found(&narrow, &made, Rule::Devices, what, "too few feeds");
    let mut closed = fleet.clone();
    closed.racks.get_mut(&first.rack).expect("rack").state = State::Cordoned;
    found(&closed, &made, Rule::PlaceExists, what, "takes nothing new");
    fleet
        .colocations
        .get_mut(&firewalls)
        .expect("there")
        .sites_allowed = Some(["zz".into()].into());
    found(&fleet, &made, Rule::PlaceExists, what, "may not use");
    let (fleet, mut again) = running();
    again.colocations.get_mut(&firewalls).expect("placed")[0].lowest_unit += 5;
    found(&fleet, &again, Rule::Moves, what, "was moved");
}
