//! Random fleets for the property tests: small, and full of corners. No I/O.

mod devices;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;

use raidc_planner::{
    Apart, ApartBy, Colocation, ColocationId, Device, Feed, Fleet, Host, HostName, HostUse, Quota, Rack,
    RackName, RiskName, Server, ServerId, Site, SiteName, Spread, State, Tenant, TenantName, Together,
};

const SITES: [&str; 5] = ["alpha", "beta", "gamma", "delta", "eps"];
const RISKS: [&str; 3] = ["substation/one", "carrier/two", "water/three"];
const TENANTS: [&str; 3] = ["kuldiga", "talsi", "aizpute"];

/// A set of risk names, usually empty.
fn risks() -> impl Strategy<Value = BTreeSet<RiskName>> {
    prop_oneof![
        4 => Just(BTreeSet::new()),
        1 => select(&RISKS[..]).prop_map(|risk| [RiskName::from(risk)].into()),
    ]
}

/// Mostly active.
pub(crate) fn state() -> impl Strategy<Value = State> {
    prop_oneof![
        12 => Just(State::Active),
        1 => Just(State::Cordoned),
        1 => Just(State::Draining),
        1 => Just(State::Fenced),
        1 => Just(State::Unknown),
    ]
}

/// Mostly usable.
pub(crate) fn host_use() -> impl Strategy<Value = HostUse> {
    prop_oneof![
        12 => Just(HostUse::Usable),
        1 => Just(HostUse::Cordoned),
        1 => Just(HostUse::Draining),
        1 => Just(HostUse::NotReady),
        1 => Just(HostUse::Unknown),
    ]
}

fn site() -> impl Strategy<Value = Site> {
    (
        select(vec![60, 75, 90, 100]),
        select(vec![100, 200, 300]),
        risks(),
        prop_oneof![4 => Just(None), 1 => (0i64..3000).prop_map(Some)],
    )
        .prop_map(
            |(ceiling_percent, cpu_overcommit_percent, shared_risks, storage_mib)| Site {
                ceiling_percent,
                cpu_overcommit_percent,
                shared_risks,
                storage_mib,
                ..Site::default()
            },
        )
}

fn rack() -> impl Strategy<Value = Rack> {
    let feed = (
        500i64..3000,
        prop_oneof![
            Just(None),
            Just(Some("p1".to_owned())),
            Just(Some("p2".to_owned()))
        ],
    );
    (proptest::collection::vec(feed, 1..4), risks(), 4i64..12).prop_map(|(feeds, shared_risks, units)| Rack {
        units,
        shared_risks,
        feeds: feeds
            .into_iter()
            .enumerate()
            .map(|(at, (watts, panel))| Feed {
                name: format!("f{at}"),
                watts,
                panel,
            })
            .collect(),
        ..Rack::default()
    })
}

fn host() -> impl Strategy<Value = Host> {
    (
        2i64..17,
        4i64..65,
        0i64..3,
        50i64..200,
        0i64..300,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(cores, gib, taken, idle, span, powered, known)| Host {
            cpu_milli: cores * 1000,
            memory_mib: gib * 1024,
            taken_cpu_milli: taken * 250,
            taken_memory_mib: taken * 300,
            idle_watts: idle,
            max_watts: idle + span,
            watts_known: known,
            powered,
            ..Host::default()
        })
}

type ServerSeed = (
    (i64, i64, i64, i64, i64, i64),
    (bool, bool, u8, u8, Spread, Option<(u8, ApartBy)>),
);

fn server() -> impl Strategy<Value = Server> {
    let numbers = (1i64..9, 1i64..17, 0i64..200, 1i64..4, 0i64..50, 1i64..4);
    let by = select(vec![ApartBy::Host, ApartBy::Rack, ApartBy::Site]);
    let apart = prop_oneof![3 => Just(None), 1 => (0u8..3, by).prop_map(Some)];
    let spread = select(vec![Spread::Site, Spread::SharedRisk, Spread::SharedRisk]);
    let rest = (
        any::<bool>(),
        prop::bool::weighted(0.2),
        0u8..3,
        0u8..12,
        spread,
        apart,
    );
    (numbers, rest).prop_map(|seed: ServerSeed| {
        let (
            (cores, gib, storage, tier, created_at, copies),
            (running, warm, tenant, allowed, spread, apart),
        ) = seed;
        Server {
            tenant: TENANTS[usize::from(tenant)].into(),
            tier,
            created_at,
            cpu_milli: cores * 500,
            memory_mib: gib * 512,
            overhead_mib: 100,
            storage_mib: storage,
            running,
            copies,
            spread,
            warm,
            // Now and then only some sites.
            sites_allowed: (allowed < 2).then(|| {
                SITES
                    .iter()
                    .skip(usize::from(allowed))
                    .step_by(2)
                    .map(|name| SiteName::from(*name))
                    .collect()
            }),
            // Now and then the sites of one storage class of two.
            site_sets: if allowed == 2 || allowed == 3 {
                [&SITES[..3], &SITES[2..]]
                    .map(|names| names.iter().map(|name| SiteName::from(*name)).collect())
                    .into()
            } else {
                Vec::new()
            },
            apart: apart.map(|(group, by)| Apart {
                group: format!("g{group}"),
                by,
                // In one group, members of either half may be together.
                domain: (group == 2).then(|| format!("d{}", cores % 2)),
            }),
            together: (tier == 3 && allowed > 8).then(|| Together {
                group: format!("t{}", allowed % 2),
                by: if allowed == 11 {
                    ApartBy::Site
                } else {
                    ApartBy::Host
                },
            }),
            current: None,
            granted: None,
            released: false,
        }
    })
}

fn colocation() -> impl Strategy<Value = Colocation> {
    let device = (1i64..4, 0i64..400, 1i64..3);
    let devices = proptest::collection::vec(device, 0..4);
    (devices, devices::spread(), 0u8..3, 0i64..50).prop_map(|(devices, spread, tenant, created_at)| {
        Colocation {
            tenant: TENANTS[usize::from(tenant)].into(),
            created_at,
            spread,
            devices: devices
                .into_iter()
                .enumerate()
                .map(|(at, (units, watts, feeds))| Device {
                    name: format!("d{at}"),
                    units,
                    watts,
                    feeds,
                })
                .collect(),
            ..Colocation::default()
        }
    })
}

fn quota() -> impl Strategy<Value = Quota> {
    prop_oneof![
        3 => Just(Quota::default()),
        1 => (0i64..20, 0i64..40_000, 0i64..1500, 0i64..8).prop_map(|(servers, cpu, watts, units)| Quota {
            servers: Some(servers),
            cpu_milli: Some(cpu),
            watts: Some(watts),
            rack_units: Some(units),
            ..Quota::default()
        }),
    ]
}

/// A well-formed fleet in which nothing has a place yet.
pub(crate) fn new_fleet() -> impl Strategy<Value = Fleet> {
    let racks = proptest::collection::vec(rack(), 0..3);
    let sites = proptest::collection::vec((site(), racks), 1..=5);
    let hosts = proptest::collection::vec((any::<prop::sample::Index>(), host()), 0..14);
    let servers = proptest::collection::vec(server(), 0..24);
    let colocations = proptest::collection::vec(colocation(), 0..4);
    let tenants = proptest::collection::vec(quota(), 3);
    (sites, hosts, servers, colocations, tenants).prop_map(|(sites, hosts, servers, colocations, tenants)| {
        let mut fleet = Fleet::default();
        for ((spec, racks), name) in sites.into_iter().zip(SITES) {
            fleet.sites.insert(name.into(), spec);
            for (at, rack) in racks.into_iter().enumerate() {
                fleet.racks.insert(
                    format!("{name}-r{at}").into(),
                    Rack {
                        site: name.into(),
                        ..rack
                    },
                );
            }
        }
        let racks: Vec<(RackName, SiteName)> = fleet
            .racks
            .iter()
            .map(|(name, rack)| (name.clone(), rack.site.clone()))
            .collect();
        for (at, (rack, spec)) in hosts.into_iter().enumerate() {
            if racks.is_empty() {
                break;
            }
            let (rack, site) = rack.get(&racks).clone();
            fleet
                .hosts
                .insert(HostName::from(format!("h{at:02}")), Host { rack, site, ..spec });
        }
        for (at, spec) in servers.into_iter().enumerate() {
            fleet
                .servers
                .insert(ServerId::new(spec.tenant.as_str(), format!("s{at:02}")), spec);
        }
        for (at, spec) in colocations.into_iter().enumerate() {
            fleet
                .colocations
                .insert(ColocationId::new(spec.tenant.as_str(), format!("c{at}")), spec);
        }
        fleet.tenants = TENANTS
            .iter()
            .zip(tenants)
            .map(|(name, quota)| (TenantName::from(*name), Tenant { quota }))
            .collect::<BTreeMap<_, _>>();
        fleet
    })
}

/// Something that happens to a fleet between two plans.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    HostGone(prop::sample::Index),
    HostUse(prop::sample::Index, HostUse),
    SiteState(prop::sample::Index, State),
    RackState(prop::sample::Index, State),
    RackBudget(prop::sample::Index, i64),
    Overcommit(prop::sample::Index, i64),
    Ceiling(prop::sample::Index, i64),
    Risk(prop::sample::Index, u8),
    ServerGone(prop::sample::Index),
    /// To so many cores, GiB of memory, MiB of storage.
    ServerGrows(prop::sample::Index, i64, i64, i64),
    Copies(prop::sample::Index, i64),
    Release(prop::sample::Index),
    ReleaseSite(prop::sample::Index),
    SiteObjectGone(prop::sample::Index),
    RackObjectGone(prop::sample::Index),
    NewServer(Box<Server>),
    ForgetBackup(prop::sample::Index),
    Devices(prop::sample::Index, devices::DeviceEvent),
}

/// Any event.
pub(crate) fn event() -> impl Strategy<Value = Event> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        1 => at().prop_map(Event::HostGone),
        1 => (at(), host_use()).prop_map(|(at, used)| Event::HostUse(at, used)),
        1 => (at(), state()).prop_map(|(at, state)| Event::SiteState(at, state)),
        1 => (at(), state()).prop_map(|(at, state)| Event::RackState(at, state)),
        1 => (at(), 0i64..2000).prop_map(|(at, watts)| Event::RackBudget(at, watts)),
        1 => (at(), select(vec![100i64, 150, 300])).prop_map(|(at, percent)| Event::Overcommit(at, percent)),
        1 => (at(), 20i64..100).prop_map(|(at, percent)| Event::Ceiling(at, percent)),
        1 => (at(), 0u8..3).prop_map(|(at, risk)| Event::Risk(at, risk)),
        1 => at().prop_map(Event::ServerGone),
        3 => (at(), 1i64..12, 1i64..12, 0i64..400).prop_map(|(at, cores, gib, storage)| Event::ServerGrows(at, cores, gib, storage)),
        1 => (at(), 1i64..4).prop_map(|(at, copies)| Event::Copies(at, copies)),
        1 => at().prop_map(Event::Release),
        1 => at().prop_map(Event::ReleaseSite),
        1 => at().prop_map(Event::SiteObjectGone),
        1 => at().prop_map(Event::RackObjectGone),
        1 => server().prop_map(|server| Event::NewServer(Box::new(server))),
        1 => at().prop_map(Event::ForgetBackup),
        1 => (at(), devices::event()).prop_map(|(at, event)| Event::Devices(at, event)),
    ]
}

fn pick<K: Clone + Ord, V>(map: &mut BTreeMap<K, V>, at: prop::sample::Index) -> Option<(K, &mut V)> {
    let keys: Vec<K> = map.keys().cloned().collect();
    if keys.is_empty() {
        return None;
    }
    let key = at.get(&keys).clone();
    map.get_mut(&key).map(|value| (key, value))
}

/// Lets an event happen.
pub(crate) fn happen(fleet: &mut Fleet, event: &Event, number: usize) {
    match event {
        Event::HostGone(at) => {
            if let Some((key, _)) = pick(&mut fleet.hosts, *at) {
                fleet.hosts.remove(&key);
            }
        }
        Event::HostUse(at, used) => {
            if let Some((_, host)) = pick(&mut fleet.hosts, *at) {
                host.usable = *used;
            }
        }
        Event::SiteState(at, state) => {
            if let Some((_, site)) = pick(&mut fleet.sites, *at) {
                site.state = *state;
            }
        }
        Event::RackState(at, state) => {
            if let Some((_, rack)) = pick(&mut fleet.racks, *at) {
                rack.state = *state;
            }
        }
        Event::RackBudget(at, watts) => {
            if let Some((_, rack)) = pick(&mut fleet.racks, *at) {
                rack.max_watts = Some(*watts);
            }
        }
        Event::Overcommit(at, percent) => {
            if let Some((_, site)) = pick(&mut fleet.sites, *at) {
                site.cpu_overcommit_percent = *percent;
            }
        }
        Event::Ceiling(at, percent) => {
            if let Some((_, site)) = pick(&mut fleet.sites, *at) {
                site.ceiling_percent = *percent;
            }
        }
        Event::Risk(at, risk) => {
            if let Some((_, site)) = pick(&mut fleet.sites, *at) {
                site.shared_risks.insert(RISKS[usize::from(*risk)].into());
            }
        }
        Event::ServerGone(at) => {
            if let Some((key, _)) = pick(&mut fleet.servers, *at) {
                fleet.servers.remove(&key);
            }
        }
        Event::ServerGrows(at, cores, gib, storage) => {
            if let Some((_, server)) = pick(&mut fleet.servers, *at) {
                (server.cpu_milli, server.memory_mib) = (cores * 1000, gib * 1024);
                server.storage_mib = *storage;
            }
        }
        Event::Copies(at, copies) => {
            if let Some((_, server)) = pick(&mut fleet.servers, *at) {
                server.copies = *copies;
            }
        }
        Event::Release(at) => {
            if let Some((_, server)) = pick(&mut fleet.servers, *at) {
                server.released = server.current.is_some();
            }
        }
        Event::ReleaseSite(at) => {
            if let Some((name, site)) = pick(&mut fleet.sites, *at) {
                site.state = State::Fenced;
                for server in fleet.servers.values_mut() {
                    server.released |= server
                        .current
                        .as_ref()
                        .is_some_and(|current| current.site == name);
                }
            }
        }
        Event::SiteObjectGone(at) => {
            if let Some((key, _)) = pick(&mut fleet.sites, *at) {
                fleet.sites.remove(&key);
            }
        }
        Event::RackObjectGone(at) => {
            if let Some((key, _)) = pick(&mut fleet.racks, *at) {
                fleet.racks.remove(&key);
            }
        }
        Event::NewServer(server) => {
            let id = ServerId::new(server.tenant.as_str(), format!("n{number:02}"));
            fleet.servers.entry(id).or_insert_with(|| (**server).clone());
        }
        Event::ForgetBackup(at) => {
            if let Some((_, server)) = pick(&mut fleet.servers, *at)
                && let Some(current) = &mut server.current
            {
                current.backup = None;
            }
        }
        Event::Devices(at, event) => devices::happen(fleet, *at, event, number),
    }
}

/// A number that no planner should have to see.
fn nasty() -> impl Strategy<Value = i64> {
    select(vec![i64::MIN, -1, 0, 1, 1_000_000_001, i64::MAX / 2, i64::MAX])
}

/// What may be wrong with a fleet.
pub(crate) fn spoil() -> impl Strategy<Value = Spoil> {
    (0u8..18, any::<prop::sample::Index>(), nasty())
}

/// Which field, of which object, to which value.
pub(crate) type Spoil = (u8, prop::sample::Index, i64);

/// Puts nonsense into one field of one object.
pub(crate) fn ruin(fleet: &mut Fleet, (field, at, value): &Spoil) {
    let value = *value;
    if let Some((_, host)) = pick(&mut fleet.hosts, *at) {
        match field {
            0 => host.cpu_milli = value,
            1 => host.memory_mib = value,
            2 => host.idle_watts = value,
            3 => host.max_watts = value,
            4 => host.taken_cpu_milli = value,
            5 => host.rack = "nowhere".into(),
            6 => host.site = "nowhere".into(),
            _ => {}
        }
    }
    if let Some((_, server)) = pick(&mut fleet.servers, *at) {
        match field {
            7 => server.cpu_milli = value,
            8 => server.memory_mib = value,
            9 => server.copies = value,
            10 => server.storage_mib = value,
            11 => server.tenant = "nobody".into(),
            _ => {}
        }
    }
    if let Some((_, rack)) = pick(&mut fleet.racks, *at) {
        match field {
            12 => rack.site = "nowhere".into(),
            13 => rack.derate_percent = value,
            14 => rack.feeds.iter_mut().for_each(|feed| feed.watts = value),
            15 => rack.units = value,
            _ => {}
        }
    }
    if let Some((_, site)) = pick(&mut fleet.sites, *at) {
        match field {
            16 => site.cpu_overcommit_percent = value,
            17 => site.ceiling_percent = value,
            _ => {}
        }
    }
    if let Some((_, colocation)) = pick(&mut fleet.colocations, *at) {
        for device in &mut colocation.devices {
            match field {
                0 => device.units = value,
                1 => device.watts = value,
                2 => device.feeds = value,
                3 => "same".clone_into(&mut device.name),
                _ => {}
            }
        }
    }
}
