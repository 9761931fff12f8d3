//! The planner's benchmark: rows of measurements, each beside a yardstick taken in the same run. Reads the real traces
//! named by `RAIDC_DATA` (or `../shared/data` beside the repository) where they are; never copies them.
//!
//! `cargo run --release -p raidc-planner --example bench_planner`. A row that misses its goal says SHORT and the exit
//! code is then 1.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use raidc_planner::{
    Apart, ApartBy, Feed, Fleet, Host, HostName, MoveKind, Plan, PlanOptions, Rack, RackName, Scenario,
    Server, ServerId, Site, SiteName, Tenant, check, idle_watts_bound, plan, simulate_loss,
};

const RUNS: usize = 5;

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

fn sites(fleet: &mut Fleet, number: usize) -> Vec<SiteName> {
    let names: Vec<SiteName> = (0..number)
        .map(|at| SiteName::from(format!("site-{at}")))
        .collect();
    for name in &names {
        fleet.sites.insert(name.clone(), Site::default());
    }
    names
}

/// Puts hosts into racks of 24 at their site; the power of a rack is that of its hosts, and a little less than twice.
fn rack_up(fleet: &mut Fleet, site: &SiteName, hosts: &[(String, Host)]) {
    for (at, chunk) in hosts.chunks(24).enumerate() {
        let rack = RackName::from(format!("{site}-r{at:03}"));
        let full: i64 = chunk.iter().map(|(_, host)| host.max_watts).sum();
        let feed = |name: &str| Feed {
            name: name.to_owned(),
            watts: full * 118 / 100,
            panel: None,
        };
        fleet.racks.insert(
            rack.clone(),
            Rack {
                site: site.clone(),
                feeds: vec![feed("a"), feed("b")],
                ..Rack::default()
            },
        );
        for (name, host) in chunk {
            fleet.hosts.insert(
                HostName::from(name.clone()),
                Host {
                    site: site.clone(),
                    rack: rack.clone(),
                    ..host.clone()
                },
            );
        }
    }
}

/// Four sites, hosts of four models, servers of fourteen sizes up to `load` per cent of the scarcer measure; three in
/// ten are in groups of three that never share a host. Every server is protected. All hosts sleep at first.
fn synthetic(seed: u64, hosts: usize, servers: usize, load: i64) -> Fleet {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut fleet = Fleet::default();
    let names = sites(&mut fleet, 4);
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
            ..Apart::default()
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

/// Alibaba's openb: its hosts in turn at four sites, in racks of 24; watts by cores (60 W and 1.6 W per core idle, 5 W
/// per core more when full); its tasks as protected servers, as many as come to 68 % of the scarcer measure.
fn openb() -> Option<Fleet> {
    let given = std::env::var_os("RAIDC_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")),
        PathBuf::from,
    );
    let folder = if given.is_dir() {
        given
    } else {
        PathBuf::from("/work/shared/data")
    };
    let nodes = std::fs::read_to_string(folder.join("openb/openb_node_list_all_node.csv")).ok()?;
    let pods = std::fs::read_to_string(folder.join("openb/openb_pod_list_default.csv")).ok()?;
    let mut fleet = Fleet::default();
    let names = sites(&mut fleet, 4);
    let mut per_site: Vec<Vec<(String, Host)>> = vec![Vec::new(); names.len()];
    let mut room = [0i64; 2];
    for (at, line) in nodes.lines().skip(1).enumerate() {
        let field: Vec<&str> = line.split(',').collect();
        let (cpu_milli, memory_mib) = (
            field.get(1)?.parse::<i64>().ok()?,
            field.get(2)?.parse::<i64>().ok()?,
        );
        room = [room[0] + cpu_milli, room[1] + memory_mib];
        let idle_watts = 60 + cpu_milli * 16 / 10_000;
        let max_watts = idle_watts + cpu_milli * 5 / 1000;
        let host = Host {
            cpu_milli,
            memory_mib,
            idle_watts,
            max_watts,
            watts_known: true,
            ..Host::default()
        };
        per_site[at % names.len()].push(((*field.first()?).to_owned(), host));
    }
    for (name, hosts) in names.iter().zip(per_site) {
        rack_up(&mut fleet, name, &hosts);
    }
    fleet.tenants.insert("city".into(), Tenant::default());
    let mut sum = [0i64; 2];
    for (at, line) in pods.lines().skip(1).enumerate() {
        let field: Vec<&str> = line.split(',').collect();
        let (cpu, mib) = (
            field.get(1)?.parse::<i64>().ok()?,
            field.get(2)?.parse::<i64>().ok()?,
        );
        if cpu <= 0 || mib <= 0 || sum[0] + cpu > room[0] * 68 / 100 || sum[1] + mib > room[1] * 68 / 100 {
            continue;
        }
        sum = [sum[0] + cpu, sum[1] + mib];
        let server = Server {
            tenant: "city".into(),
            created_at: i64::try_from(at).unwrap_or(0),
            cpu_milli: cpu,
            memory_mib: mib,
            copies: 2,
            ..Server::default()
        };
        fleet
            .servers
            .insert(ServerId::new("city", (*field.first()?).to_owned()), server);
    }
    Some(fleet)
}

/// The yardstick: first-fit-decreasing of the same servers on the same hosts, knowing no scenario, no rack and no site.
fn first_fit_decreasing(fleet: &Fleet) -> usize {
    let mut free: Vec<[i64; 2]> = fleet
        .hosts
        .values()
        .map(|host| [host.cpu_milli, host.memory_mib])
        .collect();
    let mut servers: Vec<[i64; 2]> = fleet
        .servers
        .values()
        .map(|server| [server.cpu_milli, server.memory_mib + server.overhead_mib])
        .collect();
    servers.sort_by(|a, b| b.cmp(a));
    let mut placed = 0;
    for server in servers {
        if let Some(host) = free
            .iter_mut()
            .find(|host| host[0] >= server[0] && host[1] >= server[1])
        {
            *host = [host[0] - server[0], host[1] - server[1]];
            placed += 1;
        }
    }
    placed
}

fn median<T>(runs: usize, mut work: impl FnMut() -> T) -> Duration {
    let mut times: Vec<Duration> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(work());
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn idle_watts(fleet: &Fleet, plan: &Plan) -> i64 {
    let on: std::collections::BTreeSet<_> = plan
        .servers
        .values()
        .map(|decided| &decided.placement.host)
        .collect();
    on.into_iter()
        .filter_map(|name| fleet.hosts.get(name))
        .map(|host| host.idle_watts)
        .sum()
}

struct Bench {
    short: bool,
}

impl Bench {
    fn row(&mut self, name: &str, good: bool, what: &str) {
        self.short |= !good;
        println!("{:5} {name:34} {what}", if good { "ok" } else { "SHORT" });
    }

    /// All rows of one fleet; `gap` is the most that its idle watts may be above the bound.
    fn fleet(&mut self, name: &str, fleet: &Fleet, gap: f64, runs: usize) -> Duration {
        let options = PlanOptions::default();
        let made = plan(fleet, &options);
        let bulk = median(runs, || plan(fleet, &options));
        let plain = median(runs, || first_fit_decreasing(fleet));
        let checking = median(runs, || check(fleet, &made));
        let faults = check(fleet, &made);
        let bound = idle_watts_bound(fleet, &made);
        #[allow(clippy::cast_precision_loss)] // for people to read
        let ratio = idle_watts(fleet, &made) as f64 / bound.idle_watts.max(1) as f64;
        self.row(
            &format!("{name}: placed"),
            made.waiting.is_empty() && faults.is_empty(),
            &format!(
                "{} of {} servers on {} hosts, {} faults",
                made.servers.len(),
                fleet.servers.len(),
                fleet.hosts.len(),
                faults.len()
            ),
        );
        let times = millis(bulk) / millis(plain).max(0.001);
        self.row(
            &format!("{name}: bulk plan"),
            times <= 10.0,
            &format!(
                "{:.1} ms, {times:.1} x first-fit-decreasing ({:.1} ms)",
                millis(bulk),
                millis(plain)
            ),
        );
        let times = millis(checking) / millis(plain).max(0.001);
        self.row(
            &format!("{name}: checker"),
            times <= 0.5,
            &format!("{:.1} ms, {times:.2} x first-fit-decreasing", millis(checking)),
        );
        self.row(
            &format!("{name}: idle watts"),
            ratio <= gap,
            &format!(
                "{} W, {ratio:.4} of the bound {} W",
                idle_watts(fleet, &made),
                bound.idle_watts
            ),
        );

        let mut after = fleet.clone();
        made.feed_back(&mut after);
        let again = plan(&after, &options);
        let noop = median(runs, || plan(&after, &options));
        self.row(
            &format!("{name}: planned again"),
            again.moves.is_empty() && again.id == made.id,
            &format!("{} moves, {:.1} ms", again.moves.len(), millis(noop)),
        );

        let worst = fleet
            .sites
            .keys()
            .map(|site| Scenario::Site(site.clone()))
            .max_by_key(|scenario| simulate_loss(&after, &again, scenario).starts.len());
        if let Some(scenario) = worst {
            let loss = simulate_loss(&after, &again, &scenario);
            let time = median(runs, || simulate_loss(&after, &again, &scenario));
            let share = millis(time) / millis(bulk).max(0.001);
            self.row(
                &format!("{name}: site loss"),
                loss.stranded.is_empty() && share <= 0.1,
                &format!(
                    "{} start elsewhere, {} stranded, {:.2} ms, {share:.3} of a bulk plan",
                    loss.starts.len(),
                    loss.stranded.len(),
                    millis(time)
                ),
            );
        }
        bulk
    }

    /// A host leaves: only what ran there moves.
    fn host_gone(&mut self, fleet: &Fleet) {
        let options = PlanOptions::default();
        let mut after = fleet.clone();
        plan(fleet, &options).feed_back(&mut after);
        let busiest = after
            .servers
            .values()
            .find_map(|server| server.current.as_ref()?.host.clone());
        let Some(gone) = busiest else { return };
        after.hosts.remove(&gone);
        let next = plan(&after, &options);
        let primaries: Vec<_> = next
            .moves
            .iter()
            .filter(|moved| moved.kind == MoveKind::Primary)
            .collect();
        let strangers = primaries.iter().filter(|moved| moved.from.host != gone).count();
        self.row(
            "a host leaves",
            strangers == 0 && check(&after, &next).is_empty(),
            &format!(
                "{} servers move, {strangers} of them from elsewhere",
                primaries.len()
            ),
        );
    }
}

fn main() -> ExitCode {
    let mut bench = Bench { short: false };
    for (seed, load) in [(1, 66), (2, 64), (3, 60)] {
        bench.fleet(
            &format!("synthetic 10,000 seed {seed}"),
            &synthetic(seed, 1500, 10_000, load),
            1.03,
            RUNS,
        );
    }
    bench.host_gone(&synthetic(1, 1500, 10_000, 60));
    match openb() {
        Some(fleet) => {
            bench.fleet("openb", &fleet, 1.02, RUNS);
        }
        None => println!("-     openb: no data (set RAIDC_DATA); the synthetic rows stand alone"),
    }
    if std::env::args().any(|arg| arg == "--large") {
        bench.fleet("synthetic 100,000", &synthetic(1, 15_000, 100_000, 65), 1.02, 1);
    }
    if bench.short {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
