//! The relaxation: what every plan that places and protects the same servers has to satisfy, as two linear programs
//! over sums. No I/O.
//!
//! Servers are amounts along few directions of size (`rays.rs`), in classes by the pairs of sites that primary and
//! reserve may be at; hosts are numbers of hosts of one model at one site. Each row is the sum, over the hosts of a
//! site, of a rule that holds for each of them:
//!
//! * primaries fit on what is on; hosts that others' pods keep on are on for nothing;
//! * primaries at a site, and what starts there after a loss, fit on all its hosts, for every site lost and every risk
//!   that several sites list;
//! * primaries keep the site's ceiling.
//!
//! Racks, groups, storage and single hosts are left out, servers may be cut: every plan is still a solution, so that no
//! plan has fewer idle watts than the least of the program. Where the plan itself inherited more than a rule allows
//! (`Plan::excesses`, a ceiling that was lowered), the row allows what the plan has, and [`Relaxed::inherited`] counts
//! it: the bound then is one for all plans that are over by no more.

use std::collections::BTreeMap;

use crate::linear::{Column, Linear};
use crate::rays::{self, Along, PARTS};
use crate::view::{Amount, View};

/// Most columns for classes; beyond it classes are merged. Some thousand take the solver a second or so.
const MAX_COLUMNS: usize = 3000;
/// Most directions of size in one class.
const MAX_RAYS: usize = 24;
/// Most host models at one site.
const MAX_MODELS: usize = 128;

/// Sites of primary and reserve; the same twice for a server without reserve.
type Pair = (usize, usize);

/// Servers that may be at the same pairs of sites.
#[derive(Clone, Debug)]
struct Class {
    pairs: Vec<Pair>,
    along: Vec<Along>,
}

/// The relaxation of one fleet and plan.
#[derive(Clone, Debug)]
pub(crate) struct Relaxed {
    classes: Vec<Class>,
    /// Per site: room and idle watts of one host, and how many there are.
    models: Vec<Vec<(Amount, i128, i128)>>,
    /// Per site: room on hosts that are on anyway.
    on_anyway: Vec<Amount>,
    /// Per site: what primaries may use.
    ceilings: Vec<Amount>,
    /// Lost sites, survivor, what may be used there.
    survivors: Vec<(Vec<usize>, usize, Amount)>,
    /// Idle watts of hosts that are on anyway.
    pub(crate) constant_watts: i128,
    /// Idle watts that the plan has.
    pub(crate) plan_watts: i128,
    /// Rules that the plan found broken and could not mend.
    pub(crate) inherited: usize,
}

/// Builds the relaxation.
pub(crate) fn relax(view: &View) -> Relaxed {
    let mut inherited = 0;
    let (models, on_anyway, rooms) = models(view, &mut inherited);
    let mut ceilings = view.ceilings();
    let mut at = vec![[0i128; 2]; view.sites.len()];
    let mut on = vec![false; view.hosts.len()];
    for server in &view.servers {
        add(&mut at[view.hosts[server.host].site], server.size);
        on[server.host] = true;
    }
    for (ceiling, used) in ceilings.iter_mut().zip(&at) {
        inherited += raise(ceiling, *used);
    }
    let mut survivors = Vec::new();
    for (_, lost) in view.losses() {
        let mut after = at.clone();
        for server in &view.servers {
            if let Some(backup) = server.backup
                && lost.contains(&view.hosts[server.host].site)
            {
                add(&mut after[view.hosts[backup].site], server.size);
            }
        }
        for (site, used) in after.into_iter().enumerate() {
            if !lost.contains(&site) {
                let mut room = rooms[site];
                inherited += raise(&mut room, used);
                survivors.push((lost.clone(), site, room));
            }
        }
    }
    let idle = |counts: &dyn Fn(usize) -> bool| -> i128 {
        let hosts = view.hosts.iter().enumerate();
        hosts
            .filter(|(at, _)| counts(*at))
            .map(|(_, host)| host.idle_watts)
            .sum()
    };
    Relaxed {
        classes: classes(view),
        models,
        on_anyway,
        ceilings,
        survivors,
        constant_watts: idle(&|at| view.hosts[at].on_anyway),
        plan_watts: idle(&|at| view.hosts[at].on_anyway || on[at]),
        inherited,
    }
}

fn add(sum: &mut Amount, more: Amount) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += more;
    }
}

/// Raises a limit to what is used already; says whether it had to.
fn raise(limit: &mut Amount, used: Amount) -> usize {
    let over = (0..2).any(|d| used[d] > limit[d]);
    for (limit, used) in limit.iter_mut().zip(used) {
        *limit = (*limit).max(used);
    }
    usize::from(over)
}

/// Room and idle watts of one host, and how many there are.
type Models = Vec<Vec<(Amount, i128, i128)>>;

/// Hosts by model, the room on those that are on anyway, and the room on all, per site.
fn models(view: &View, inherited: &mut usize) -> (Models, Vec<Amount>, Vec<Amount>) {
    let mut used = vec![[0i128; 2]; view.hosts.len()];
    for server in &view.servers {
        add(&mut used[server.host], server.size);
    }
    let mut models: Vec<BTreeMap<(i128, Amount), i128>> = vec![BTreeMap::new(); view.sites.len()];
    let (mut on_anyway, mut rooms) = (
        vec![[0i128; 2]; view.sites.len()],
        vec![[0i128; 2]; view.sites.len()],
    );
    for (host, used) in view.hosts.iter().zip(used) {
        let mut room = host.room;
        *inherited += raise(&mut room, used);
        add(&mut rooms[host.site], room);
        if host.on_anyway {
            add(&mut on_anyway[host.site], room);
        } else {
            *models[host.site].entry((host.idle_watts, room)).or_default() += 1;
        }
    }
    let models = models
        .into_iter()
        .map(|models| {
            let models = models
                .into_iter()
                .map(|((idle, room), count)| (room, idle, count));
            merged(&models.collect::<Vec<_>>())
        })
        .collect();
    (models, on_anyway, rooms)
}

/// At most [`MAX_MODELS`]: neighbours in the order of idle watts become one model with the least idle watts and the
/// most room of any of them. Such hosts can do what the real ones can, for no more watts.
fn merged(models: &[(Amount, i128, i128)]) -> Vec<(Amount, i128, i128)> {
    let per = models.len().div_ceil(MAX_MODELS).max(1);
    models
        .chunks(per)
        .map(|alike| {
            alike
                .iter()
                .fold(([0, 0], i128::MAX, 0), |(room, idle, count), model| {
                    let room = [room[0].max(model.0[0]), room[1].max(model.0[1])];
                    (room, idle.min(model.1), count + model.2)
                })
        })
        .collect()
}

/// Servers by the pairs of sites that they may be at, then by direction of size.
fn classes(view: &View) -> Vec<Class> {
    let mut by_pairs: BTreeMap<Vec<Pair>, BTreeMap<Amount, i128>> = BTreeMap::new();
    for server in &view.servers {
        let primary = view.hosts[server.host].site;
        let mut pairs = Vec::new();
        match server.backup.map(|backup| view.hosts[backup].site) {
            None => pairs.extend(server.may.iter().map(|&site| (site, site))),
            Some(backup) => {
                for &a in &server.may {
                    let others = server.may.iter();
                    pairs.extend(
                        others
                            .filter(|&&b| view.apart_enough(server.spread, a, b))
                            .map(|&b| (a, b)),
                    );
                }
                pairs.push((primary, backup));
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        *by_pairs.entry(pairs).or_default().entry(server.size).or_default() += 1;
    }
    let columns = |by_pairs: &BTreeMap<Vec<Pair>, BTreeMap<Amount, i128>>, rays: usize| -> usize {
        by_pairs
            .iter()
            .map(|(pairs, sizes)| pairs.len() * sizes.len().min(rays))
            .sum()
    };
    let mut rays = MAX_RAYS;
    while rays > 2 && columns(&by_pairs, rays) > MAX_COLUMNS {
        rays -= 1;
    }
    if columns(&by_pairs, rays) > MAX_COLUMNS {
        // Everybody may be wherever anybody may: a plan for the classes apart is one for this.
        let mut all: BTreeMap<Vec<Pair>, BTreeMap<Amount, i128>> = BTreeMap::new();
        for protected in [false, true] {
            let of_kind = |pairs: &&Vec<Pair>| pairs.iter().any(|(a, b)| a != b) == protected;
            let mut pairs: Vec<Pair> = by_pairs.keys().filter(of_kind).flatten().copied().collect();
            pairs.sort_unstable();
            pairs.dedup();
            let mut sizes: BTreeMap<Amount, i128> = BTreeMap::new();
            for (_, more) in by_pairs.iter().filter(|(pairs, _)| of_kind(pairs)) {
                for (size, count) in more {
                    *sizes.entry(*size).or_default() += count;
                }
            }
            all.insert(pairs, sizes);
        }
        by_pairs = all;
    }
    by_pairs
        .into_iter()
        .map(|(pairs, sizes)| Class {
            pairs,
            along: rays::along(&sizes, rays),
        })
        .collect()
}

/// Rows of one program that the classes stand in, in the parts that amounts are counted in.
struct Rows {
    /// Per site and measure: primaries fit on what is on.
    on: Vec<[usize; 2]>,
    ceilings: Vec<[usize; 2]>,
    survivors: Vec<[usize; 2]>,
}

impl Relaxed {
    /// Whether anything is placed.
    pub(crate) fn is_empty(&self) -> bool {
        self.classes.iter().all(|class| class.along.is_empty())
    }

    /// Minimise the idle watts of what is on, those that are on anyway not counted.
    pub(crate) fn watts(&self) -> Linear {
        let mut linear = Linear::default();
        let on = self
            .on_anyway
            .iter()
            .map(|room| room.map(|room| linear.row(-room * PARTS)))
            .collect();
        let rows = self.rows(&mut linear, on);
        for (site, models) in self.models.iter().enumerate() {
            for (room, idle, count) in models {
                linear.columns.push(Column {
                    cost: *idle,
                    limit: *count,
                    entries: vec![
                        (rows.on[site][0], room[0] * PARTS),
                        (rows.on[site][1], room[1] * PARTS),
                    ],
                    bounded: true,
                });
            }
        }
        self.classes(&mut linear, &rows, None);
        linear
    }

    /// Minimise the negative of the load: how many times the servers there are would fit.
    pub(crate) fn load(&self) -> Linear {
        let mut linear = Linear::default();
        let mut rooms = self.on_anyway.clone();
        for (room, models) in rooms.iter_mut().zip(&self.models) {
            for (of_one, _, count) in models {
                add(room, [of_one[0] * count, of_one[1] * count]);
            }
        }
        let most = self.most_load(&rooms);
        let on = rooms
            .iter()
            .map(|room| room.map(|room| linear.row(-room * PARTS)))
            .collect();
        let rows = self.rows(&mut linear, on);
        linear.columns.push(Column {
            cost: -1,
            limit: most,
            entries: Vec::new(),
            bounded: true,
        });
        self.classes(&mut linear, &rows, Some(most));
        linear
    }

    /// How often the servers fit by their sum alone, rounded up: a limit that the best load never reaches.
    fn most_load(&self, rooms: &[Amount]) -> i128 {
        let mut need = [0i128; 2];
        for along in self.classes.iter().flat_map(|class| &class.along) {
            add(
                &mut need,
                [along.ray[0] * along.amount, along.ray[1] * along.amount],
            );
        }
        let room = rooms.iter().fold([0i128; 2], |mut sum, room| {
            add(&mut sum, *room);
            sum
        });
        (0..2)
            .filter(|&d| need[d] > 0)
            .map(|d| room[d] * PARTS / need[d] + 1)
            .min()
            .unwrap_or(1)
    }

    fn rows(&self, linear: &mut Linear, on: Vec<[usize; 2]>) -> Rows {
        Rows {
            on,
            ceilings: self
                .ceilings
                .iter()
                .map(|room| room.map(|room| linear.row(-room * PARTS)))
                .collect(),
            survivors: self
                .survivors
                .iter()
                .map(|(_, _, room)| room.map(|room| linear.row(-room * PARTS)))
                .collect(),
        }
    }

    /// One row per class and direction (all of it is placed, or `load` times as much), one column per pair of sites.
    fn classes(&self, linear: &mut Linear, rows: &Rows, load: Option<i128>) {
        for class in &self.classes {
            for Along { ray, amount } in &class.along {
                let demand = linear.row(if load.is_some() { 0 } else { *amount });
                if load.is_some()
                    && let Some(column) = linear.columns.first_mut()
                {
                    column.entries.push((demand, -amount));
                }
                for &(primary, backup) in &class.pairs {
                    let mut entries = vec![(demand, 1)];
                    let mut uses = |row: &[usize; 2]| {
                        entries.extend((0..2).filter(|&d| ray[d] > 0).map(|d| (row[d], -ray[d])));
                    };
                    uses(&rows.on[primary]);
                    uses(&rows.ceilings[primary]);
                    for ((lost, site, _), row) in self.survivors.iter().zip(&rows.survivors) {
                        if primary == *site || backup == *site && lost.contains(&primary) {
                            uses(row);
                        }
                    }
                    linear.columns.push(Column {
                        cost: 0,
                        limit: amount * load.unwrap_or(1),
                        entries,
                        bounded: false,
                    });
                }
            }
        }
    }
}
