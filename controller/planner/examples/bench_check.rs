//! The checker's benchmark: how long `check` takes for the synthetic fleets of `bench_planner`, beside a plain
//! first-fit-decreasing of the same fleet in the same run. Reads and writes no files.
//!
//! `cargo run --release -p raidc-planner --example bench_check`. A row above half the yardstick says SHORT and the exit
//! code is then 1.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use raidc_planner::{
    Apart, ApartBy, Feed, Fleet, Host, HostName, PlanOptions, Rack, RackName, Server, ServerId, Site,
    SiteName, Tenant, check, plan,
};

/// Runs of each measure; they alternate, so that both see the same machine.
const RUNS: usize = 21;

/// A small generator of numbers that look random: xorshift64*, by Vigna. The same seed gives the same fleet.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % sides.max(1)
    }

    fn pick(&mut self, sides: usize) -> usize {
        usize::try_from(self.roll(u64::try_from(sides).unwrap_or(1))).unwrap_or(0)
    }
}

/// Host models: cores, GiB, idle watts, full watts.
const MODELS: [(i64, i64, i64, i64); 4] = [
    (32, 256, 130, 420),
    (48, 384, 165, 560),
    (64, 512, 190, 700),
    (96, 768, 260, 980),
];

/// Sizes of servers: cores, GiB, weight.
const SIZES: [(i64, i64, u64); 14] = [
    (1, 2, 10),
    (1, 4, 10),
    (2, 4, 14),
    (2, 8, 14),
    (2, 16, 6),
    (4, 8, 12),
    (4, 16, 12),
    (4, 32, 5),
    (8, 16, 6),
    (8, 32, 6),
    (8, 64, 2),
    (16, 64, 2),
    (16, 128, 1),
    (24, 96, 1),
];

/// Puts hosts into racks of 24 at their site; the power of a rack is that of its hosts, and a little less than twice.
fn rack_up(fleet: &mut Fleet, site: &SiteName, hosts: &[(String, Host)]) {
    for (at, chunk) in hosts.chunks(24).enumerate() {
        let rack = RackName(format!("{site}-r{at:03}"));
        let full: i64 = chunk.iter().map(|(_, host)| host.max_watts).sum();
        let feed = |name: &str| Feed {
            name: name.to_owned(),
            watts: full * 118 / 100,
            panel: None,
        };
        let spec = Rack {
            site: site.clone(),
            feeds: vec![feed("a"), feed("b")],
            ..Rack::default()
        };
        fleet.racks.insert(rack.clone(), spec);
        for (name, host) in chunk {
            let host = Host {
                site: site.clone(),
                rack: rack.clone(),
                ..host.clone()
            };
            fleet.hosts.insert(HostName(name.clone()), host);
        }
    }
}

/// Four sites, hosts of four models, servers of fourteen sizes up to `load` per cent of the scarcer measure; three in
/// ten are in groups of three that never share a host. Every server is protected. All hosts sleep at first.
fn synthetic(seed: u64, hosts: usize, servers: usize, load: i64) -> Fleet {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut fleet = Fleet::default();
    let names: Vec<SiteName> = (0..4).map(|at| SiteName(format!("site-{at}"))).collect();
    for name in &names {
        fleet.sites.insert(name.clone(), Site::default());
    }
    let mut per_site: Vec<Vec<(String, Host)>> = vec![Vec::new(); names.len()];
    let mut room = [0i64; 2];
    for at in 0..hosts {
        let (cores, gib, idle, full) = MODELS[dice.pick(MODELS.len())];
        room = [room[0] + cores * 1000, room[1] + gib * 1024];
        let host = Host {
            cpu_milli: cores * 1000,
            memory_mib: gib * 1024,
            idle_watts: idle,
            max_watts: full,
            watts_known: true,
            ..Host::default()
        };
        per_site[at % names.len()].push((format!("host-{at:05}"), host));
    }
    for (name, hosts) in names.iter().zip(per_site) {
        rack_up(&mut fleet, name, &hosts);
    }
    fleet.tenants.insert("city".into(), Tenant::default());
    let weights: u64 = SIZES.iter().map(|size| size.2).sum();
    let mut wanted = Vec::with_capacity(servers);
    let mut sum = [0i64; 2];
    for _ in 0..servers {
        let mut roll = dice.roll(weights);
        let (cores, gib, _) = SIZES
            .into_iter()
            .find(|size| {
                let hit = roll < size.2;
                roll = roll.saturating_sub(size.2);
                hit
            })
            .unwrap_or(SIZES[0]);
        sum = [sum[0] + cores * 1000, sum[1] + gib * 1024];
        wanted.push((cores * 1000, gib * 1024));
    }
    // Scaled so that the scarcer measure comes to the load that was asked for.
    let scale = |d: usize| room[d] * load * 10 / sum[d].max(1);
    let permille = scale(0).min(scale(1));
    for (at, (cpu, mib)) in wanted.into_iter().enumerate() {
        let apart = (at % 10 < 3).then(|| Apart {
            group: format!("g{}", at / 10),
            by: ApartBy::Host,
        });
        let server = Server {
            tenant: "city".into(),
            created_at: i64::try_from(at).unwrap_or(0),
            cpu_milli: (cpu * permille / 1000).max(1),
            memory_mib: (mib * permille / 1000).max(1),
            copies: 2,
            apart,
            ..Server::default()
        };
        fleet
            .servers
            .insert(ServerId::new("city", format!("vm-{at:06}")), server);
    }
    fleet
}

/// The yardstick: every server, largest first, on the first host from the start that has room. It knows no scenario, no
/// rack, no site and no power; like a plan it says for every server the host by name.
fn first_fit_decreasing(fleet: &Fleet) -> BTreeMap<ServerId, HostName> {
    let mut free: Vec<(&HostName, [i64; 2])> = fleet
        .hosts
        .iter()
        .map(|(name, host)| (name, [host.cpu_milli, host.memory_mib]))
        .collect();
    let mut servers: Vec<([i64; 2], &ServerId)> = fleet
        .servers
        .iter()
        .map(|(id, server)| ([server.cpu_milli, server.memory_mib + server.overhead_mib], id))
        .collect();
    servers.sort_by_key(|server| std::cmp::Reverse(server.0));
    let mut placed = BTreeMap::new();
    for (need, id) in servers {
        let room = |host: &&mut (&HostName, [i64; 2])| host.1[0] >= need[0] && host.1[1] >= need[1];
        if let Some((name, left)) = free.iter_mut().find(room) {
            *left = [left[0] - need[0], left[1] - need[1]];
            placed.insert(id.clone(), (*name).clone());
        }
    }
    placed
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    std::hint::black_box(work());
    start.elapsed()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn main() -> ExitCode {
    let mut short = false;
    for (seed, load) in [(1, 66), (2, 64), (3, 60)] {
        let fleet = synthetic(seed, 1500, 10_000, load);
        let new = plan(&fleet, &PlanOptions::default());
        let mut running = fleet.clone();
        new.feed_back(&mut running);
        let again = plan(&running, &PlanOptions::default());
        for (state, fleet, made) in [("new", &fleet, &new), ("running", &running, &again)] {
            let faults = check(fleet, made).len();
            let (mut checking, mut plain): (Vec<_>, Vec<_>) = (0..RUNS)
                .map(|_| {
                    (
                        timed(|| check(fleet, made)),
                        timed(|| first_fit_decreasing(fleet)),
                    )
                })
                .unzip();
            checking.sort();
            plain.sort();
            let (check, plain) = (millis(checking[RUNS / 2]), millis(plain[RUNS / 2]));
            let ratio = check / plain.max(0.001);
            let good = faults == 0 && ratio <= 0.5;
            short |= !good;
            println!(
                "{:5} seed {seed} {state:8} {} servers on {} hosts, {} scenarios: check {check:.2} ms, \
                 first-fit-decreasing {plain:.2} ms, ratio {ratio:.2}, {faults} faults",
                if good { "ok" } else { "SHORT" },
                made.servers.len(),
                fleet.hosts.len(),
                made.scenarios.len(),
            );
        }
    }
    if short {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
