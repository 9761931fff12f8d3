//! Room is kept for one that waits where it lacks the least, and only where it could have it all. No I/O.

use raidc_planner::{ApartBy, Fleet, Host, HostName, HostUse, Rack, RackName, Server, Together};

use crate::{database, decide, fleet, id, on, server};

/// One host per site, half of it in use at the first; a protected server of twelve cores is the first in turn and has no room there
/// now, and one of six comes behind it.
fn half_full(sites: usize) -> Fleet {
    let mut fleet = fleet(sites, 1);
    for host in fleet.hosts.values_mut() {
        (host.idle_watts, host.max_watts, host.powered) = (100, 260, true);
    }
    for site in 1..sites {
        // Only its reserve can be elsewhere.
        let site = fleet.sites.get_mut(&format!("s{site}").into()).expect("there");
        site.ceiling_percent = 10;
    }
    fleet.servers.insert(id("busy"), on(0, 0, server(8)));
    let first = Server {
        copies: 2,
        tier: 1,
        ..server(12)
    };
    fleet.servers.insert(id("first"), first);
    let behind = Server {
        sites_allowed: Some(["s0".into()].into()),
        ..server(6)
    };
    fleet.servers.insert(id("behind"), behind);
    fleet
}

fn first(fleet: &mut Fleet) -> &mut Server {
    fleet.servers.get_mut(&id("first")).expect("there")
}

fn elsewhere(fleet: &mut Fleet) -> &mut Host {
    fleet.hosts.get_mut(&"s1-h00".into()).expect("there")
}

#[test]
fn room_is_never_kept_for_one_that_could_have_no_reserve() {
    let comes = |sites: usize, change: &dyn Fn(&mut Fleet)| {
        let mut fleet = half_full(sites);
        change(&mut fleet);
        let made = decide(&fleet);
        assert!(made.waiting.contains_key(&id("first").into()));
        made.servers.contains_key(&id("behind"))
    };
    assert!(!comes(2, &|_| ()) && !comes(3, &|_| ()));
    assert!(comes(2, &|fleet| elsewhere(fleet).usable = HostUse::Cordoned));
    assert!(comes(2, &|fleet| elsewhere(fleet).cpu_milli = 8000));
    assert!(comes(2, &|fleet| {
        elsewhere(fleet).powered = false;
        first(fleet).warm = true;
    }));
    assert!(comes(2, &|fleet| {
        for site in fleet.sites.values_mut() {
            site.shared_risks.insert("river".into());
        }
    }));
    // Its rack could never carry it: 100 W for the host and 120 W for the server, or what else hangs on it.
    let rack = |fleet: &mut Fleet, watts: i64, other: i64| {
        let rack = fleet.racks.get_mut(&"s1-r".into()).expect("there");
        (rack.max_watts, rack.other_watts) = (Some(watts), other);
    };
    assert!(comes(2, &|fleet| rack(fleet, 219, 0)) && !comes(2, &|fleet| rack(fleet, 220, 0)));
    assert!(comes(2, &|fleet| rack(fleet, 300, 81)) && !comes(2, &|fleet| rack(fleet, 300, 80)));
    // Another of its group is there, or one that it belongs to has its reserve elsewhere.
    assert!(comes(2, &|fleet| {
        fleet.servers.insert(id("db"), on(1, 0, database(1)));
        first(fleet).apart = database(1).apart;
    }));
    assert!(comes(3, &|fleet| {
        let mut mate = on(0, 0, server(1));
        mate.copies = 2;
        let current = mate.current.as_mut().expect("placed");
        current.backup = Some("s2-h00".into());
        current.copy_sites = ["s2".into()].into();
        fleet.hosts.get_mut(&"s2-h00".into()).expect("there").cpu_milli = 8000;
        mate.together = Some(Together {
            group: "t".to_owned(),
            by: ApartBy::Site,
        });
        first(fleet).together.clone_from(&mate.together);
        fleet.servers.insert(id("mate"), mate);
    }));
    // A third copy is asked for, and the two sites share a risk.
    assert!(!comes(3, &|fleet| first(fleet).copies = 3));
    assert!(comes(3, &|fleet| {
        first(fleet).copies = 3;
        for site in ["s1", "s2"] {
            let site = fleet.sites.get_mut(&site.into()).expect("there");
            site.shared_risks.insert("river".into());
        }
    }));
}

/// What each of two hosts has in use, and what three servers ask for: the first in turn lacks more on the first host than on the
/// second; what the second of them asks for is free there only; the last of them fits on both.
struct Short {
    used: [Server; 2],
    first: Server,
    large: Server,
    small: Server,
}

fn short_of_cores() -> Short {
    Short {
        used: [server(14), server(6)],
        first: server(12),
        large: server(8),
        small: server(2),
    }
}

fn short_of_memory() -> Short {
    let of = |gib: i64| Server {
        memory_mib: gib * 1024,
        ..server(1)
    };
    Short {
        used: [of(70), of(30)],
        first: of(60),
        large: of(40),
        small: of(5),
    }
}

/// With 32 cores to a host, 10 W for each, and 230 W for it.
fn short_of_watts() -> Short {
    Short {
        used: [server(6), server(2)],
        first: server(12),
        large: server(8),
        small: server(2),
    }
}

/// One host to a rack.
fn weak_racks(fleet: &mut Fleet) {
    for (name, host) in &mut fleet.hosts {
        let rack = RackName::from(format!("{name}-r"));
        let spec = Rack {
            max_watts: Some(230),
            ..fleet.racks[&host.rack].clone()
        };
        fleet.racks.insert(rack.clone(), spec);
        host.rack = rack;
        (host.cpu_milli, host.idle_watts, host.max_watts) = (32_000, 100, 420);
        host.powered = true;
    }
}

/// Whether room is kept for the first where it lacks the least. `hosts` are the two, as site and number.
fn keeps_the_nearest(
    mut fleet: Fleet,
    hosts: [(usize, usize); 2],
    site: Option<usize>,
    short: &Short,
) -> bool {
    for (at, ((site, host), used)) in hosts.into_iter().zip(&short.used).enumerate() {
        let mut used = on(site, host, used.clone());
        let name = HostName::from(format!("s{site}-h{host:02}"));
        used.current.as_mut().expect("placed").rack = fleet.hosts[&name].rack.clone();
        fleet.servers.insert(id(&format!("used-{at}")), used);
    }
    let first = Server {
        tier: 1,
        copies: if site.is_some() { 2 } else { 1 },
        ..short.first.clone()
    };
    fleet.servers.insert(id("first"), first);
    for (name, server) in [("large", &short.large), ("small", &short.small)] {
        let behind = Server {
            sites_allowed: site.map(|site| [format!("s{site}").into()].into()),
            ..server.clone()
        };
        fleet.servers.insert(id(name), behind);
    }
    let made = decide(&fleet);
    let came = ["first", "large", "small"].map(|name| made.servers.contains_key(&id(name)));
    came == [false, false, true]
}

#[test]
fn room_is_kept_where_the_least_is_lacking_and_nowhere_else() {
    for hosts in [[(0, 0), (0, 1)], [(0, 1), (0, 0)]] {
        for short in [short_of_cores(), short_of_memory()] {
            // A small host beside them: what is kept counts against the ceiling of the site too.
            let mut third = fleet(1, 2);
            let small = Host {
                cpu_milli: 6000,
                memory_mib: 20 * 1024,
                ..third.hosts[&"s0-h00".into()].clone()
            };
            third.hosts.insert("s0-h02".into(), small);
            assert!(keeps_the_nearest(third, hosts, None, &short));
        }
        let mut weak = fleet(1, 2);
        weak_racks(&mut weak);
        assert!(keeps_the_nearest(weak, hosts, None, &short_of_watts()));
    }
    // What the site may use: eight cores of sixteen.
    for hosts in [[(0, 0), (1, 0)], [(1, 0), (0, 0)]] {
        let mut low = fleet(2, 1);
        for site in low.sites.values_mut() {
            site.ceiling_percent = 50;
        }
        let short = Short {
            used: [server(7), server(2)],
            first: server(7),
            large: server(5),
            small: server(1),
        };
        assert!(keeps_the_nearest(low, hosts, None, &short));
    }
}

#[test]
fn room_for_a_reserve_is_kept_where_the_least_is_lacking_and_nowhere_else() {
    for hosts in [[(1, 0), (1, 1)], [(1, 1), (1, 0)]] {
        for short in [short_of_cores(), short_of_memory()] {
            assert!(keeps_the_nearest(fleet(2, 2), hosts, Some(1), &short));
        }
        let mut weak = fleet(2, 2);
        weak_racks(&mut weak);
        assert!(keeps_the_nearest(weak, hosts, Some(1), &short_of_watts()));
    }
}
