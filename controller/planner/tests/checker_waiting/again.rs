//! One that was released after a loss waits for nothing that it could start in. No I/O.

use raidc_planner::{Apart, ApartBy, Fleet, Server, State, Together};

use crate::fixture::{id, server, small};
use crate::room::{at, run, said};

/// What is said of one that was released at a site that is lost, and waits at home for a full host.
fn said_of_lost(fleet: &Fleet, change: &dyn Fn(&mut Server)) -> String {
    let mut fleet = fleet.clone();
    fleet.sites.get_mut(&"a".into()).expect("there").state = State::Fenced;
    let mut lost = server(2, 2);
    lost.released = true;
    lost.current = Some(at("a", true));
    change(&mut lost);
    said(&fleet, lost)
}

#[test]
fn one_that_was_released_is_never_kept_from_room_where_its_copy_is() {
    let mut fleet = small();
    run(&mut fleet, "x", "b", 6, 1);
    let could = "it could start on";
    let nothing: &dyn Fn(&mut Server) = &|_| ();
    assert!(said_of_lost(&fleet, nothing).contains(could));
    let more: &dyn Fn(&mut Server) = &|lost| lost.cpu_milli = 2001;
    assert!(!said_of_lost(&fleet, more).contains(could));
    // 400 W are drawn there, and it adds 100 W.
    let b = "b-r".into();
    for (watts, starts) in [(500, true), (499, false)] {
        fleet.racks.get_mut(&b).expect("there").max_watts = Some(watts);
        assert_eq!(said_of_lost(&fleet, nothing).contains(could), starts, "{watts} W");
    }
    fleet.racks.get_mut(&b).expect("there").max_watts = None;
    // Beside another of its group it may not start, unless they are of one fault domain; a group of another tenant is
    // another group.
    let apart = |group: &str, domain: Option<&str>| {
        Some(Apart {
            group: group.to_owned(),
            by: ApartBy::Host,
            domain: domain.map(str::to_owned),
        })
    };
    let with = |tenant: &str, other: Option<Apart>, mine: Option<Apart>| {
        let mut fleet = fleet.clone();
        fleet
            .tenants
            .insert(tenant.into(), raidc_planner::Tenant::default());
        let x = fleet.servers.get_mut(&id("x")).expect("there");
        (x.tenant, x.apart) = (tenant.into(), other);
        said_of_lost(&fleet, &move |lost| lost.apart.clone_from(&mine)).contains(could)
    };
    let me = "kuldiga";
    assert!(!with(me, apart("g", None), apart("g", None)));
    assert!(!with(me, apart("g", Some("u")), apart("g", Some("v"))));
    assert!(with(me, apart("g", Some("u")), apart("g", Some("u"))));
    assert!(with(me, apart("h", None), apart("g", None)));
    assert!(with("talsi", apart("g", None), apart("g", None)));
    assert!(with(me, None, apart("g", None)));
    let by_rack = apart("g", None).map(|apart| Apart {
        by: ApartBy::Rack,
        ..apart
    });
    assert!(!with(me, by_rack, apart("g", None)));
    // Nor away from one that it belongs to.
    let mut second = fleet.hosts[&"b-h".into()].clone();
    (second.cpu_milli, second.max_watts) = (1000, 150);
    fleet.hosts.insert("b-h2".into(), second);
    let mut mate = server(1, 1);
    mate.current = Some(at("b", false));
    mate.current.as_mut().expect("placed").host = Some("b-h2".into());
    let together = Some(Together {
        group: "t".to_owned(),
        by: ApartBy::Host,
    });
    mate.together.clone_from(&together);
    fleet.servers.insert(id("mate"), mate);
    assert!(said_of_lost(&fleet, nothing).contains(could));
    let bound: &dyn Fn(&mut Server) = &move |lost| lost.together.clone_from(&together);
    assert!(!said_of_lost(&fleet, bound).contains(could));
}
