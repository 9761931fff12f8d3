//! What sites and pairs would carry, in figures that can be worked out by hand. No I/O.

use super::*;
use crate::fleet::{Fleet, Host, Rack, Server, Site, Tenant};
use crate::ids::ServerId;
use crate::world;

/// All of a site.
const ALL: i64 = 1 << 20;

/// Three sites, of 1024 of each measure for residents and 2048 in all.
fn loads(phase: usize) -> Loads {
    let mut scarce: [(Vec<Amount>, Vec<Amount>); PHASES - 1] =
        std::array::from_fn(|_| (vec![[0; DIMS]; 3], vec![[0; DIMS]; 9]));
    scarce[0].0[0] = [640, 0];
    scarce[0].1[1] = [640, 0];
    let mut pair = vec![[0; DIMS]; 9];
    (pair[1], pair[5]) = ([256, 128], [512, 0]);
    Loads {
        phases: vec![phase],
        rooms: vec![vec![[1024; DIMS]; 3]],
        used: vec![[512, 256], [256, 256], [0, 0]],
        pair,
        scarce,
        room: vec![[1024; DIMS]; 3],
        whole: vec![[2048; DIMS]; 3],
        storage: vec![30, 10, 20],
    }
}

#[test]
fn a_site_or_pair_is_as_full_as_its_fuller_measure() {
    let plain = loads(PHASES - 1);
    assert_eq!(plain.resident(0, [256, 256], 0), ALL * 3 / 4);
    assert_eq!(plain.resident(0, [0, 512], 0), ALL * 3 / 4);
    assert_eq!(plain.reserve(0, [256, 256], 0, 1), ALL * 3 / 8);
    assert_eq!(plain.reserve(0, [0, 512], 0, 1), ALL * 7 / 16);
    assert_eq!(plain.reserve(0, [256, 0], 1, 2), ALL * 3 / 8);
    // Of a scarce size what hosts large enough for it carry.
    let scarce = loads(0);
    assert_eq!(scarce.resident(0, [256, 256], 0), ALL * 7 / 8);
    assert_eq!(scarce.reserve(0, [256, 256], 0, 1), ALL * 7 / 8);
    assert_eq!(share(1, 0), i64::MAX / 4);
}

#[test]
fn what_is_added_weighs_more_where_more_is() {
    let plain = loads(PHASES - 1);
    let demand = [256, 128];
    let alone = ALL / 4 * (ALL / 2) + ALL / 8 * (ALL / 4);
    assert_eq!(plain.skew(0, demand, 0, None), alone);
    let pair = ALL / 8 * (ALL / 8) + ALL / 16 * (ALL / 16);
    assert_eq!(plain.skew(0, demand, 0, Some(1)), alone + pair);
    let other = ALL / 4 * (ALL / 4) + ALL / 8 * (ALL / 4);
    assert_eq!(plain.skew(0, demand, 1, Some(2)), other + ALL / 8 * (ALL / 4));
    let scarce = ALL / 4 * (ALL * 5 / 8);
    let both = alone + pair + scarce + SCARCE_PAIR * scarce;
    assert_eq!(loads(0).skew(0, demand, 0, Some(1)), both);
    assert_eq!(loads(0).skew(0, demand, 0, None), alone + scarce);
    // A site that has nothing counts as four times full, and no more.
    let mut nothing = loads(PHASES - 1);
    nothing.room[2] = [0; DIMS];
    assert_eq!(nothing.skew(0, demand, 2, None), 2 * (4 * ALL) * (4 * ALL));
}

#[test]
fn no_site_is_weighed_that_is_too_full_and_of_very_many_only_the_best() {
    let mut plain = loads(PHASES - 1);
    plain.used[2] = [1024 - 256, 0];
    let sites = |plain: &Loads, demand| -> Vec<usize> {
        let found = plain.primaries(0, demand, &[0, 1, 2], CALM);
        found.into_iter().map(|(_, site)| site).collect()
    };
    assert_eq!(sites(&plain, [256, 0]), [0, 1, 2]);
    assert_eq!(sites(&plain, [257, 0]), [0, 1]);
    let many = 20;
    plain.used = (0..20).map(|site| [512 - 8 * site, 0]).collect();
    (plain.room, plain.rooms) = (vec![[1024; DIMS]; many], vec![vec![[1024; DIMS]; many]]);
    let all: Vec<usize> = (0..many).collect();
    let found = plain.primaries(0, [256, 0], &all, 0);
    assert_eq!(found.len(), MOST_PRIMARIES);
    assert_eq!(found[0], (plain.resident(0, [256, 0], 19), 19));
    let first = &all[..MOST_PRIMARIES];
    let kept: Vec<usize> = plain
        .primaries(0, [256, 0], first, 0)
        .iter()
        .map(|found| found.1)
        .collect();
    assert_eq!(kept, first);
    // Where all are calm, those that it makes least uneven come first.
    assert_eq!(plain.primaries(0, [256, 0], &all, CALM)[0].1, 19);
    assert_eq!(loads(3).by_storage(3, &[0, 1, 2]), [1, 2, 0]);
    assert!(loads(3).by_storage(2, &[0, 1, 2]).is_empty());
}

/// Sites with hosts of so many cores and as many GiB each, and a server for each size, which stores 10 MiB.
fn fleet(hosts: &[&[i64]], sizes: &[i64]) -> Fleet {
    let mut fleet = Fleet::default();
    fleet.tenants.insert("city".into(), Tenant::default());
    for (at, here) in hosts.iter().enumerate() {
        let site = Site {
            ceiling_percent: 100,
            cpu_overcommit_percent: 100,
            ..Site::default()
        };
        fleet.sites.insert(format!("s{at}").into(), site);
        let rack = Rack {
            site: format!("s{at}").into(),
            ..Rack::default()
        };
        fleet.racks.insert(format!("s{at}-r").into(), rack);
        for (number, &cores) in here.iter().enumerate() {
            let host = Host {
                site: format!("s{at}").into(),
                rack: format!("s{at}-r").into(),
                cpu_milli: cores * 1000,
                memory_mib: cores * 1024,
                ..Host::default()
            };
            fleet.hosts.insert(format!("s{at}-h{number}").into(), host);
        }
    }
    for (at, &cores) in sizes.iter().enumerate() {
        let server = Server {
            tenant: "city".into(),
            cpu_milli: cores * 1000,
            memory_mib: 64,
            storage_mib: 10,
            ..Server::default()
        };
        fleet
            .servers
            .insert(ServerId::new("city", format!("v{at}")), server);
    }
    fleet
}

fn phases_of(hosts: &[i64], sizes: &[i64]) -> Vec<usize> {
    let fleet = fleet(&[hosts], sizes);
    let world = world::build(&fleet);
    let phases = phases(&world);
    (0..world.servers.len())
        .map(|server| phases[world.class_of(server)])
        .collect()
}

#[test]
fn the_scarcest_sizes_come_first() {
    // Fewer than half of the hosts are large enough for nine cores: rare. Five are more than half of the median host.
    let mostly_small = [16, 16, 8, 8, 8, 8];
    assert_eq!(phases_of(&mostly_small, &[9, 8, 5, 4, 1]), [0, 2, 2, 3, 3]);
    // Half of them are: not rare, and more than half of the largest.
    assert_eq!(phases_of(&[16, 16, 16, 8, 8, 8], &[9, 8]), [1, 3]);
    let fleet = fleet(&[&[16, 8], &[8]], &[9, 5]);
    let world = world::build(&fleet);
    let rooms = rooms(&world);
    let room = |server: usize| rooms[world.class_of(server)].clone();
    let gib = 1024;
    assert_eq!(room(0), [[16_000, 16 * gib], [0, 0]]);
    assert_eq!(room(1), [[24_000, 24 * gib], [8000, 8 * gib]]);
}

/// As loads are before a batch to a fleet where nothing runs.
fn empty(world: &World<'_>) -> Loads {
    let sites = world.sites.len();
    Loads {
        phases: phases(world),
        rooms: rooms(world),
        used: vec![[0; DIMS]; sites],
        pair: vec![[0; DIMS]; sites * sites],
        scarce: std::array::from_fn(|_| (vec![[0; DIMS]; sites], vec![[0; DIMS]; sites * sites])),
        room: world.sites.iter().map(|site| site.ceiling).collect(),
        whole: world.sites.iter().map(|site| site.capacity).collect(),
        storage: vec![0; sites],
    }
}

#[test]
fn what_was_chosen_counts_for_those_that_come_after_it() {
    let mut fleet = fleet(&[&[8], &[8], &[8]], &[2, 2]);
    for server in fleet.servers.values_mut() {
        server.copies = 2;
    }
    let world = world::build(&fleet);
    let mut loads = empty(&world);
    let chosen = loads
        .choose(&world, 0, CALM)
        .map(|sites| (sites.primary, sites.backup));
    assert_eq!(chosen, Some((0, Some(1))));
    let demand = world.class(0).demand;
    assert_eq!((loads.used[0], loads.pair[1]), (demand, demand));
    assert_eq!(loads.storage, [10, 10, 0]);
    let phase = loads.phase(world.class_of(0));
    assert_eq!(phase, PHASES - 1);
    // The second goes where the first is not.
    let chosen = loads.choose(&world, 1, CALM).map(|sites| sites.primary);
    assert_eq!(chosen, Some(1));
}

#[test]
fn no_server_is_sent_where_it_cannot_be() {
    let base = fleet(&[&[8], &[8], &[]], &[2]);
    let goes = |change: &dyn Fn(&mut Fleet, &mut Vec<Amount>)| {
        let mut fleet = base.clone();
        let mut used = vec![[0; DIMS]; 3];
        change(&mut fleet, &mut used);
        let world = world::build(&fleet);
        let mut loads = empty(&world);
        loads.used = used;
        loads.choose(&world, 0, CALM).map(|sites| sites.primary)
    };
    let site = |fleet: &mut Fleet, change: &dyn Fn(&mut Site)| {
        if let Some(site) = fleet.sites.get_mut(&"s0".into()) {
            change(site);
        }
    };
    assert_eq!(goes(&|_, _| ()), Some(0));
    assert_eq!(goes(&|_, used| used[0] = [1000, 0]), Some(1));
    assert_eq!(goes(&|_, used| used[1] = [1000, 0]), Some(0));
    assert_eq!(goes(&|_, used| (used[0], used[1]) = ([7000, 0], [7000, 0])), None);
    let closed = |site: &mut Site| site.state = crate::fleet::State::Cordoned;
    assert_eq!(goes(&|fleet, _| site(fleet, &closed)), Some(1));
    assert_eq!(
        goes(&|fleet, _| site(fleet, &|site| site.storage_mib = Some(9))),
        Some(1)
    );
    assert_eq!(
        goes(&|fleet, _| site(fleet, &|site| site.storage_mib = Some(10))),
        Some(0)
    );
    assert_eq!(
        goes(&|fleet, _| {
            site(fleet, &|site| {
                (site.storage_mib, site.storage_taken_mib) = (Some(9), 9);
            });
            for server in fleet.servers.values_mut() {
                server.storage_mib = 0;
            }
        }),
        Some(0)
    );
    assert_eq!(
        goes(&|fleet, _| {
            for server in fleet.servers.values_mut() {
                server.sites_allowed = Some([crate::ids::SiteName::from("s1")].into());
            }
        }),
        Some(1)
    );
}
