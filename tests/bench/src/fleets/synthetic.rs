//! Synthetic fleets. No I/O.
//!
//! Assumed: four sites, hosts in turn at each; four models of host with four GiB per core and fewer idle watts per core
//! the larger they are; racks of 24 hosts whose surviving feed carries 70 to 95 per cent of their nameplates (a third above
//! the draw at full load), drawn per rack.
//! Servers: fourteen catalogue sizes by weight (two, four and eight GiB per core; the largest half of most hosts or
//! more), then all scaled by one factor so that the scarcer of cores and memory comes to exactly the load that is asked
//! for; every server protected by one copy, its two sites drawn uniformly from the six pairs; three in ten in groups of
//! three that never share a host. All hosts asleep, all servers new. With `sizes` above fourteen the catalogue is
//! varied: each of its sizes by up to a fifth in cores and, by itself, in memory.

use raidc_planner::{ApartBy, Fleet, Host, HostName, Server, ServerId, SiteName, SiteSet, Tenant};

use crate::dice::Dice;

/// Cores, idle watts, full watts, weight; four GiB per core.
const MODELS: [(i64, i64, i64, u64); 4] = [
    (32, 105, 330, 60),
    (40, 120, 400, 15),
    (48, 130, 460, 15),
    (64, 165, 600, 10),
];

/// Cores, GiB, weight.
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

/// What to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipe {
    pub(crate) seed: u64,
    pub(crate) hosts: usize,
    pub(crate) servers: usize,
    /// In thousandths of the scarcer measure.
    pub(crate) load: i64,
    /// Different sizes of server.
    pub(crate) sizes: usize,
}

impl Recipe {
    /// 1,500 hosts and 10,000 servers of fourteen sizes.
    pub(crate) fn standard(seed: u64, load: i64) -> Self {
        Self {
            seed,
            hosts: 1500,
            servers: 10_000,
            load,
            sizes: SIZES.len(),
        }
    }
}

/// A fleet, and the means to draw more servers like those in it.
#[derive(Clone, Debug)]
pub(crate) struct Synthetic {
    pub(crate) fleet: Fleet,
    pub(crate) draw: Draw,
}

/// Draws servers.
#[derive(Clone, Debug)]
pub(crate) struct Draw {
    dice: Dice,
    /// Thousandths of a core, MiB, weight.
    catalogue: Vec<(i64, i64, u64)>,
    weights: u64,
    sites: Vec<SiteName>,
    pub(crate) drawn: usize,
}

impl Draw {
    fn size(&mut self) -> (i64, i64) {
        let mut roll = self.dice.roll(self.weights);
        for (cpu, mib, weight) in &self.catalogue {
            if roll < *weight {
                return (*cpu, *mib);
            }
            roll -= weight;
        }
        (1000, 2048)
    }

    /// The next server.
    pub(crate) fn next(&mut self) -> (ServerId, Server) {
        let (cpu_milli, memory_mib) = self.size();
        let first = self.dice.index(self.sites.len());
        let second = (first + 1 + self.dice.index(self.sites.len() - 1)) % self.sites.len();
        let allowed: SiteSet = [first, second].map(|at| self.sites[at].clone()).into();
        let apart =
            (self.drawn % 10 < 3).then(|| super::apart(format!("g{}", self.drawn / 10), ApartBy::Host));
        let server = Server {
            tenant: "city".into(),
            created_at: i64::try_from(self.drawn).unwrap_or(0),
            cpu_milli,
            memory_mib,
            copies: 2,
            sites_allowed: Some(allowed),
            apart,
            ..Server::default()
        };
        let id = ServerId::new("city", format!("vm-{:06}", self.drawn));
        self.drawn += 1;
        (id, server)
    }
}

/// Makes a fleet.
pub(crate) fn make(recipe: Recipe) -> Synthetic {
    let mut dice = Dice::new(recipe.seed);
    let mut fleet = Fleet::default();
    let sites = super::sites(&mut fleet);
    let mut per_site: Vec<Vec<(HostName, Host)>> = vec![Vec::new(); sites.len()];
    let weights: u64 = MODELS.iter().map(|model| model.3).sum();
    for at in 0..recipe.hosts {
        let mut roll = dice.roll(weights);
        let mut model = MODELS[0];
        for other in MODELS {
            if roll < other.3 {
                model = other;
                break;
            }
            roll -= other.3;
        }
        let host = Host {
            cpu_milli: model.0 * 1000,
            memory_mib: model.0 * 4 * 1024,
            idle_watts: model.1,
            max_watts: model.2,
            watts_known: true,
            ..Host::default()
        };
        per_site[at % sites.len()].push((HostName::from(format!("host-{at:05}")), host));
    }
    for (site, hosts) in sites.iter().zip(per_site) {
        super::racks_of_24(&mut fleet, site, hosts, &mut dice);
    }
    fleet.tenants.insert("city".into(), Tenant::default());

    let catalogue: Vec<(i64, i64, u64)> = (0..recipe.sizes.max(1))
        .map(|at| {
            let (cores, gib, weight) = SIZES[at % SIZES.len()];
            let mut vary = |amount: i64| {
                if at < SIZES.len() {
                    amount
                } else {
                    amount * dice.between(800, 1200) / 1000
                }
            };
            (vary(cores * 1000), vary(gib * 1024), weight)
        })
        .collect();
    let mut draw = Draw {
        weights: catalogue.iter().map(|size| size.2).sum(),
        catalogue,
        dice,
        sites,
        drawn: 0,
    };
    for _ in 0..recipe.servers {
        let (id, server) = draw.next();
        fleet.servers.insert(id, server);
    }
    // One factor, so that the scarcer measure comes to the load that was asked for.
    let unscaled = super::load(&fleet);
    let by = [recipe.load, unscaled[0].max(unscaled[1]).max(1)];
    let scaled = |amount: i64| (amount * by[0] / by[1]).max(1);
    for server in fleet.servers.values_mut() {
        server.cpu_milli = scaled(server.cpu_milli);
        server.memory_mib = scaled(server.memory_mib);
    }
    for size in &mut draw.catalogue {
        *size = (scaled(size.0), scaled(size.1), size.2);
    }
    Synthetic { fleet, draw }
}
