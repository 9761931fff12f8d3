//! The bound is one: below every plan, whatever the multipliers. On random fleets, small enough to try everything.

use std::collections::BTreeSet;

use proptest::prelude::*;
use raidc_certifier::{Certificate, CertifyError, Multipliers, certify, idle_watts};
use raidc_planner::{
    Feed, Fleet, Host, HostName, Plan, PlanOptions, Rack, RackName, Server, ServerId, Site, SiteName,
    SiteSet, Spread, Tenant, check, plan,
};

const SITES: [&str; 3] = ["alpha", "beta", "gamma"];

/// Cores, GiB, idle watts and others' quarter cores of a host; the site it is at.
type HostSeed = (i64, i64, i64, i64, usize);
/// Half cores, GiB, protected, sites not allowed (a mask; 7 and 0 are none), spread by site alone.
type ServerSeed = (i64, i64, bool, u8, bool);

fn fleet(hosts: &[HostSeed], servers: &[ServerSeed], risk: bool, ceiling: i64, overcommit: i64) -> Fleet {
    let mut fleet = Fleet::default();
    for (at, name) in SITES.into_iter().enumerate() {
        let site = Site {
            ceiling_percent: ceiling,
            cpu_overcommit_percent: overcommit,
            shared_risks: if risk && at < 2 {
                ["substation/one".into()].into()
            } else {
                BTreeSet::new()
            },
            ..Site::default()
        };
        fleet.sites.insert(name.into(), site);
        let feed = |name: &str| Feed {
            name: name.to_owned(),
            watts: 100_000,
            panel: None,
        };
        let rack = Rack {
            site: name.into(),
            feeds: vec![feed("a"), feed("b")],
            ..Rack::default()
        };
        fleet.racks.insert(RackName::from(format!("{name}-r")), rack);
    }
    for (at, (cores, gib, idle, taken, site)) in hosts.iter().enumerate() {
        let site = SITES[site % SITES.len()];
        let host = Host {
            site: site.into(),
            rack: RackName::from(format!("{site}-r")),
            cpu_milli: cores * 1000,
            memory_mib: gib * 1024,
            idle_watts: *idle,
            max_watts: idle + 100,
            taken_cpu_milli: taken * 250,
            kept_on: *taken > 1,
            ..Host::default()
        };
        fleet.hosts.insert(HostName::from(format!("h{at}")), host);
    }
    fleet.tenants.insert("city".into(), Tenant::default());
    for (at, (halves, gib, protected, barred, by_site)) in servers.iter().enumerate() {
        let allowed: SiteSet = (0..SITES.len())
            .filter(|site| (barred >> site) & 1 == 0)
            .map(|site| SITES[site].into())
            .collect();
        let server = Server {
            tenant: "city".into(),
            created_at: i64::try_from(at).unwrap_or(0),
            cpu_milli: halves * 500,
            memory_mib: gib * 1024,
            copies: 1 + i64::from(*protected),
            spread: if *by_site {
                Spread::Site
            } else {
                Spread::SharedRisk
            },
            sites_allowed: (!allowed.is_empty()).then_some(allowed),
            ..Server::default()
        };
        fleet
            .servers
            .insert(ServerId::new("city", format!("s{at:02}")), server);
    }
    fleet
}

fn hosts(most: usize) -> impl Strategy<Value = Vec<HostSeed>> {
    let taken = prop_oneof![4 => Just(0i64), 1 => 0i64..6];
    proptest::collection::vec((2i64..17, 4i64..65, 50i64..250, taken, 0usize..3), 1..=most)
}

fn servers(most: usize) -> impl Strategy<Value = Vec<ServerSeed>> {
    let barred = prop_oneof![4 => Just(0u8), 1 => 0u8..7];
    proptest::collection::vec(
        (1i64..9, 1i64..17, any::<bool>(), barred, any::<bool>()),
        0..=most,
    )
}

/// Hosts, servers, a shared risk, ceiling and overcommit.
fn fleets(most_hosts: usize, most_servers: usize) -> impl Strategy<Value = Fleet> {
    let percents = (
        prop::sample::select(vec![50i64, 75, 100]),
        prop::sample::select(vec![100i64, 250]),
    );
    (hosts(most_hosts), servers(most_servers), any::<bool>(), percents).prop_map(
        |(hosts, servers, risk, (ceiling, overcommit))| fleet(&hosts, &servers, risk, ceiling, overcommit),
    )
}

fn decide(fleet: &Fleet) -> Plan {
    plan(fleet, &PlanOptions::default())
}

fn fault(error: &CertifyError) -> TestCaseError {
    TestCaseError::fail(error.to_string())
}

/// The least idle watts of any way to place and protect the servers of `made`, by trying every pair of hosts for each.
fn optimum(fleet: &Fleet, made: &Plan) -> Option<i64> {
    let hosts: Vec<&Host> = fleet.hosts.values().collect();
    let servers: Vec<(&Server, bool)> = made
        .servers
        .iter()
        .filter_map(|(id, decided)| Some((fleet.servers.get(id)?, decided.backup.is_some())))
        .collect();
    let options: Vec<Vec<(usize, Option<usize>)>> = servers
        .iter()
        .map(|(server, protected)| ways(fleet, &hosts, server, *protected))
        .collect();
    let mut chosen = Vec::new();
    let mut best = None;
    search(fleet, &hosts, &servers, &options, &mut chosen, &mut best);
    best
}

fn ways(fleet: &Fleet, hosts: &[&Host], server: &Server, protected: bool) -> Vec<(usize, Option<usize>)> {
    let may = |host: &Host| {
        server
            .sites_allowed
            .as_ref()
            .is_none_or(|sites| sites.contains(&host.site))
    };
    let apart = |a: &Host, b: &Host| {
        let (a_risks, b_risks) = (
            &fleet.sites[&a.site].shared_risks,
            &fleet.sites[&b.site].shared_risks,
        );
        a.site != b.site && (server.spread == Spread::Site || a_risks.is_disjoint(b_risks))
    };
    let mut ways = Vec::new();
    for (a, primary) in hosts.iter().enumerate().filter(|(_, host)| may(host)) {
        if !protected {
            ways.push((a, None));
            continue;
        }
        let others = hosts.iter().enumerate();
        ways.extend(
            others
                .filter(|(_, host)| may(host) && apart(primary, host))
                .map(|(b, _)| (a, Some(b))),
        );
    }
    ways
}

fn search(
    fleet: &Fleet,
    hosts: &[&Host],
    servers: &[(&Server, bool)],
    options: &[Vec<(usize, Option<usize>)>],
    chosen: &mut Vec<(usize, Option<usize>)>,
    best: &mut Option<i64>,
) {
    if !stands(fleet, hosts, servers, chosen) {
        return;
    }
    let Some(ways) = options.get(chosen.len()) else {
        let on = |at: usize| hosts[at].kept_on || chosen.iter().any(|way| way.0 == at);
        let watts = (0..hosts.len())
            .filter(|&at| on(at))
            .map(|at| hosts[at].idle_watts)
            .sum();
        *best = Some(best.map_or(watts, |best| best.min(watts)));
        return;
    };
    for way in ways {
        chosen.push(*way);
        search(fleet, hosts, servers, options, chosen, best);
        chosen.pop();
    }
}

/// Hosts, ceilings, and hosts again after the loss of each site and of the shared risk.
fn stands(
    fleet: &Fleet,
    hosts: &[&Host],
    servers: &[(&Server, bool)],
    chosen: &[(usize, Option<usize>)],
) -> bool {
    let room = |host: &Host| {
        let overcommit = fleet.sites[&host.site].cpu_overcommit_percent;
        [
            (host.cpu_milli - host.taken_cpu_milli) * overcommit / 100,
            host.memory_mib,
        ]
    };
    let size = |at: usize| [servers[at].0.cpu_milli, servers[at].0.memory_mib];
    let mut used = vec![[0i64; 2]; hosts.len()];
    for (at, (primary, _)) in chosen.iter().enumerate() {
        for (used, size) in used[*primary].iter_mut().zip(size(at)) {
            *used += size;
        }
    }
    for (name, site) in &fleet.sites {
        for d in [0, 1] {
            let (mut all, mut inside, mut ours) = (0, 0, 0);
            for (at, host) in hosts.iter().enumerate().filter(|(_, host)| host.site == *name) {
                let over = site.cpu_overcommit_percent;
                all += if d == 0 {
                    host.cpu_milli * over / 100
                } else {
                    host.memory_mib
                };
                ours += used[at][d];
                inside += used[at][d]
                    + if d == 0 {
                        host.taken_cpu_milli * over / 100
                    } else {
                        0
                    };
            }
            // Others' pods alone may be above it.
            if ours > 0 && inside * 100 > all * site.ceiling_percent {
                return false;
            }
        }
    }
    let fits =
        |load: &[[i64; 2]]| (0..hosts.len()).all(|at| (0..2).all(|d| load[at][d] <= room(hosts[at])[d]));
    let mut losses: Vec<BTreeSet<&SiteName>> = fleet.sites.keys().map(|name| [name].into()).collect();
    losses.push(
        fleet
            .sites
            .iter()
            .filter(|(_, site)| !site.shared_risks.is_empty())
            .map(|(name, _)| name)
            .collect(),
    );
    fits(&used)
        && losses.iter().all(|lost| {
            let mut after = used.clone();
            for (at, (primary, backup)) in chosen.iter().enumerate() {
                if let Some(backup) = backup
                    && lost.contains(&hosts[*primary].site)
                {
                    for (used, size) in after[*backup].iter_mut().zip(size(at)) {
                        *used += size;
                    }
                }
            }
            (0..hosts.len())
                .filter(|&at| !lost.contains(&hosts[at].site))
                .all(|at| (0..2).all(|d| after[at][d] <= room(hosts[at])[d]))
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_plan_is_ever_below_its_bound(fleet in fleets(12, 24)) {
        let made = decide(&fleet);
        let certificate = certify(&fleet, &made).map_err(|error| fault(&error))?;
        prop_assert!(certificate.bound_watts <= certificate.idle_watts, "{certificate:?}");
        prop_assert_eq!(certificate.idle_watts, idle_watts(&fleet, &made));
        prop_assert_eq!(certificate.inherited, 0);
        prop_assert!(certificate.max_safe_load_permille.is_none_or(|most| most >= 1000), "{certificate:?}");
        prop_assert_eq!(certificate.verify(&fleet, &made), Ok(()));
        // Another way to place the same servers: the same rules, another order of arrival.
        let mut other = fleet.clone();
        for server in other.servers.values_mut() {
            server.created_at = -server.created_at;
        }
        let another = decide(&other);
        prop_assert_eq!(check(&other, &another), vec![]);
        if another.servers.keys().eq(made.servers.keys()) && made.waiting.is_empty() {
            prop_assert!(certificate.bound_watts <= idle_watts(&fleet, &another));
        }
    }

    #[test]
    fn no_later_plan_is_ever_below_its_bound(
        fleet in fleets(10, 20),
        gone in any::<prop::sample::Index>(),
        ceiling in 20i64..101,
    ) {
        let mut fleet = fleet;
        decide(&fleet).feed_back(&mut fleet);
        let names: Vec<_> = fleet.hosts.keys().cloned().collect();
        fleet.hosts.remove(gone.get(&names));
        for site in fleet.sites.values_mut() {
            site.ceiling_percent = ceiling;
        }
        let made = decide(&fleet);
        let certificate = certify(&fleet, &made).map_err(|error| fault(&error))?;
        prop_assert!(certificate.bound_watts <= certificate.idle_watts, "{certificate:?}");
        prop_assert!(certificate.max_safe_load_permille.is_none_or(|most| most >= 1000), "{certificate:?}");
    }

    #[test]
    fn the_best_of_all_plans_is_never_below_the_bound(fleet in fleets(3, 4)) {
        let made = decide(&fleet);
        let certificate = certify(&fleet, &made).map_err(|error| fault(&error))?;
        let best = optimum(&fleet, &made);
        prop_assert!(best.is_some_and(|best| certificate.bound_watts <= best), "{best:?} {certificate:?}");
        prop_assert!(best.is_some_and(|best| best <= certificate.idle_watts), "{best:?} {certificate:?}");
    }

    #[test]
    fn corrupted_multipliers_never_prove_more_than_the_best_plan_has(
        fleet in fleets(3, 4),
        noise in proptest::collection::vec((any::<prop::sample::Index>(), -1_000_000_000i128..1_000_000_000_000), 1..20),
    ) {
        let made = decide(&fleet);
        let good = certify(&fleet, &made).map_err(|error| fault(&error))?;
        let corrupt = |multipliers: &Multipliers| {
            let mut bad = multipliers.clone();
            for (at, value) in &noise {
                if !bad.numerators.is_empty() {
                    let at = at.index(bad.numerators.len());
                    bad.numerators[at] = *value << (bad.shift / 4);
                }
            }
            bad
        };
        let bad = Certificate::from_multipliers(&fleet, &made, corrupt(&good.watts), corrupt(&good.load));
        let bad = bad.map_err(|error| fault(&error))?;
        let best = optimum(&fleet, &made);
        prop_assert!(best.is_some_and(|best| bad.bound_watts <= best), "{best:?} {bad:?}");
        prop_assert!(bad.max_safe_load_permille.is_none_or(|most| most >= 1000));
        let forged = Certificate { bound_watts: good.bound_watts + 1, ..good.clone() };
        prop_assert!(forged.verify(&fleet, &made).is_err());
    }
}

#[test]
fn the_bound_is_never_far_below_what_can_be_reached() {
    // Three sites of four equal hosts; each site keeps room for what the others lose: six hosts' worth of servers.
    let hosts: Vec<HostSeed> = (0..12).map(|at| (8, 32, 100, 0, at % 3)).collect();
    let servers: Vec<ServerSeed> = (0..24).map(|_| (4, 8, true, 0, false)).collect();
    let fleet = fleet(&hosts, &servers, false, 75, 100);
    let made = decide(&fleet);
    assert!(made.waiting.is_empty());
    let certificate = certify(&fleet, &made).unwrap();
    assert_eq!(certificate.bound_watts, 600);
    // Two thirds of 96 cores hold 64, the servers have 48.
    assert_eq!(certificate.max_safe_load_permille, Some(1333));
}

#[test]
fn hosts_that_others_keep_on_are_never_counted_on_one_side_only() {
    // The second runs only what runs on every host: that keeps none on.
    let hosts = [(8, 32, 100, 2, 0), (8, 32, 50, 1, 0), (8, 32, 70, 0, 0)];
    let fleet = fleet(&hosts, &[], false, 75, 100);
    let certificate = certify(&fleet, &decide(&fleet)).unwrap();
    assert_eq!((certificate.idle_watts, certificate.bound_watts), (100, 100));
    assert_eq!(certificate.max_safe_load_permille, None);
}

#[test]
fn a_size_that_cannot_be_true_never_gives_a_wrong_number() {
    let mut fleet = fleet(&[(8, 32, 100, 0, 0)], &[(2, 2, false, 0, false)], false, 100, 100);
    fleet.hosts.insert(
        HostName::from("huge".to_owned()),
        Host {
            site: "alpha".into(),
            rack: "alpha-r".into(),
            cpu_milli: i64::MAX,
            memory_mib: i64::MAX,
            idle_watts: i64::MIN,
            ..Host::default()
        },
    );
    let certificate = certify(&fleet, &decide(&fleet)).unwrap();
    assert_eq!(certificate.idle_watts, 100);
    assert!((1..=100).contains(&certificate.bound_watts));
}

#[test]
fn many_sites_sizes_and_models_never_defeat_the_solver() {
    let mut fleet = fleet(&[], &[], false, 85, 200);
    fleet.racks.clear();
    fleet.sites.clear();
    for at in 0..8i64 {
        let (site, rack) = (
            SiteName::from(format!("s{at}")),
            RackName::from(format!("s{at}-r")),
        );
        let spec = Site {
            ceiling_percent: 85,
            cpu_overcommit_percent: 200,
            ..Site::default()
        };
        fleet.sites.insert(site.clone(), spec);
        let feed = |name: &str| Feed {
            name: name.to_owned(),
            watts: 100_000,
            panel: None,
        };
        let spec = Rack {
            site: site.clone(),
            feeds: vec![feed("a"), feed("b")],
            ..Rack::default()
        };
        fleet.racks.insert(rack.clone(), spec);
        for host in 0..12i64 {
            let spec = Host {
                site: site.clone(),
                rack: rack.clone(),
                cpu_milli: 16_000 + 1000 * ((at * 5 + host * 7) % 23),
                memory_mib: 65_536 + 4096 * ((at * 11 + host * 3) % 19),
                idle_watts: 60 + (at * 13 + host * 17) % 71,
                max_watts: 400,
                ..Host::default()
            };
            fleet
                .hosts
                .insert(HostName::from(format!("h{at}-{host:02}")), spec);
        }
    }
    for at in 0..700i64 {
        let only = |most: i64| {
            (0..most)
                .map(|step| SiteName::from(format!("s{}", (at + step * step) % 8)))
                .collect()
        };
        let server = Server {
            tenant: "city".into(),
            created_at: at,
            cpu_milli: 500 + 97 * (at % 61),
            memory_mib: 700 + 131 * (at % 89),
            copies: 1 + i64::from(at % 5 > 0),
            sites_allowed: (at % 3 == 0).then(|| only(2 + at % 4)),
            ..Server::default()
        };
        fleet
            .servers
            .insert(ServerId::new("city", format!("s{at:03}")), server);
    }
    let made = decide(&fleet);
    assert!(made.waiting.is_empty(), "{:?}", made.waiting.iter().next());
    let certificate = certify(&fleet, &made).unwrap();
    // The program knows all that the weighed sums know, and more; sizes along rays lose less than a watt here.
    let plain = by_weighed_sums(&fleet);
    assert!(
        certificate.bound_watts + 1 >= plain,
        "{plain} W by weighed sums, {certificate:?}"
    );
    assert!(certificate.bound_watts <= certificate.idle_watts);
    assert!(
        certificate
            .max_safe_load_permille
            .is_some_and(|most| most >= 1000)
    );
}

/// Another way to a bound: weigh cores and memory, take the hosts with the least idle watts per weighed unit first and
/// the last of them in part; the best of many weights.
fn by_weighed_sums(fleet: &Fleet) -> i64 {
    let room = |host: &Host| {
        let overcommit = fleet.sites[&host.site].cpu_overcommit_percent;
        [host.cpu_milli * overcommit / 100, host.memory_mib]
    };
    let mut best = 0;
    for step in 0..=100 {
        let weigh = |size: [i64; 2]| size[0] * step + size[1] * (100 - step) / 2;
        let mut need: i64 = fleet
            .servers
            .values()
            .map(|server| weigh([server.cpu_milli, server.memory_mib]))
            .sum();
        let mut hosts: Vec<(i64, i64)> = fleet
            .hosts
            .values()
            .map(|host| (weigh(room(host)), host.idle_watts))
            .collect();
        hosts.sort_by_key(|(room, idle)| idle * 1_000_000_000 / room);
        let mut watts = 0;
        for (room, idle) in hosts {
            let part = need.clamp(0, room);
            watts += idle * part / room;
            need -= part;
        }
        best = best.max(watts);
    }
    best
}
