//! Consolidation as a proposal: which hosts could sleep if their servers went to hosts that are on, or to fewer that
//! sleep now. No I/O.
//!
//! Nothing is decided here: the answer is a list of moves with what they save and what they cost, for a platform team
//! that has turned consolidation on. A host is emptied whole or not at all. What would be moved twice, was moved
//! lately, or costs more than it saves within the horizon is left alone.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::engine::{self, Engine};
use crate::fits;
use crate::fleet::Fleet;
use crate::ids::{HostName, ServerId};
use crate::index::Question;
use crate::place::{self, Wish};
use crate::plan::{Move, MoveReason, Plan, PlanOptions};
use crate::report;
use crate::state::Slot;
use crate::sweep::Sweep;
use crate::world::{self, World, watts_up};

/// How far a server may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reach {
    /// To other sites with its data as well: a planned failover. For proposals.
    #[default]
    Anywhere,
    /// Within its site. Copies and reserves stay where they are, nothing else moves, and no host is woken.
    Site,
    /// As within its site, and within its rack.
    Rack,
}

impl Reach {
    /// Whether a server may go from one host to the other.
    fn allows(self, world: &World<'_>, from: usize, to: usize) -> bool {
        let (from, to) = (&world.hosts[from], &world.hosts[to]);
        match self {
            Self::Anywhere => true,
            Self::Site => from.site == to.site,
            Self::Rack => from.rack == to.rack,
        }
    }
}

/// What a consolidation may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsolidationOptions {
    /// Most servers that may move.
    pub max_moves: i64,
    /// For how long the saving is expected to last, in seconds. Default one day.
    pub horizon_seconds: i64,
    /// What moving costs, in joules per MiB of memory. Default 4: an assumption, 256 W of extra draw at both ends while
    /// 64 MiB/s are copied. Set what you measure.
    pub joules_per_mib: i64,
    /// How many times over the saving must pay for the moves, in percent. Default 150.
    pub margin_percent: i64,
    /// Least that a host must save to be emptied, in watts.
    pub least_watts: i64,
    /// How far a server may go.
    pub reach: Reach,
    /// Servers that moved lately and rest, or cannot move at all.
    pub resting: BTreeSet<ServerId>,
    /// Hosts that were woken lately, or must stay on for another reason.
    pub keep_on: BTreeSet<HostName>,
}

impl Default for ConsolidationOptions {
    fn default() -> Self {
        Self {
            max_moves: i64::MAX,
            horizon_seconds: 86_400,
            joules_per_mib: 4,
            margin_percent: 150,
            least_watts: 0,
            reach: Reach::Anywhere,
            resting: BTreeSet::new(),
            keep_on: BTreeSet::new(),
        }
    }
}

impl ConsolidationOptions {
    /// With what the plan is made that the consolidation starts from.
    fn of_plan(&self) -> PlanOptions {
        match self.reach {
            Reach::Anywhere => PlanOptions::default(),
            // What is carried out one by one has to start from where things are.
            Reach::Site | Reach::Rack => PlanOptions {
                max_moves: 0,
                make_room_by_moves: false,
            },
        }
    }
}

/// What could be done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Consolidation {
    /// The moves, reserves included. Servers stay at sites that hold their data.
    pub moves: Vec<Move>,
    /// The servers that move, in the order in which they can: each single step leaves a plan that breaks no rule.
    pub order: Vec<ServerId>,
    /// Servers among the moves.
    pub servers_moved: i64,
    /// Hosts that could then sleep.
    pub may_sleep: Vec<HostName>,
    /// Hosts that sleep now and are woken first: they take over from several that draw more.
    pub wake: Vec<HostName>,
    /// Idle draw of the hosts that servers run on now, in watts.
    pub idle_watts_before: i64,
    /// The same afterwards.
    pub idle_watts_after: i64,
    /// What the moves cost, in joules.
    pub cost_joules: i64,
    /// The plan afterwards, as the checker can verify it against the fleet with the moves carried out.
    pub plan: Plan,
}

/// Proposes a consolidation of `fleet`, for which `plan` was made.
pub fn consolidate(fleet: &Fleet, plan: &Plan, options: &ConsolidationOptions) -> Consolidation {
    let mut now = fleet.clone();
    plan.feed_back(&mut now);
    let mut world = world::build(&now);
    let mut engine = engine::run(&mut world, &options.of_plan());
    let mut answer = Consolidation {
        idle_watts_before: idle_watts(&engine),
        ..Consolidation::default()
    };
    let mut sweep = Sweep::new(&engine, options);
    sweep.empty_what_fits_elsewhere(&mut engine);
    if options.reach == Reach::Anywhere {
        // Then whole hosts onto more efficient ones that sleep, and what fits beside them.
        sweep.swap_onto_sleeping(&mut engine);
        sweep.empty_what_fits_elsewhere(&mut engine);
    }
    answer.order = sweep.order(&engine);
    answer.servers_moved = sweep.moved;
    answer.cost_joules = sweep.cost_joules;
    answer.may_sleep = sweep.asleep_now(&engine);
    answer.wake = sweep.woken(&engine);
    answer.idle_watts_after = idle_watts(&engine);
    answer.plan = report::report(&mut engine);
    answer.moves.clone_from(&answer.plan.moves);
    answer
}

/// Per host: who runs there.
pub(crate) fn on_host(engine: &Engine<'_, '_>) -> Vec<Vec<usize>> {
    let mut on_host: Vec<Vec<usize>> = vec![Vec::new(); engine.world.hosts.len()];
    for (server, slot) in engine.books.slots.iter().enumerate() {
        if let Some(host) = slot.primary {
            on_host[host].push(server);
        }
    }
    on_host
}

/// Empties what hosts it can of servers that are only being placed, after a bulk plan: the last host of each site and
/// those that a full rack left half empty.
pub(crate) fn tighten(engine: &mut Engine<'_, '_>) {
    let world = engine.world;
    let on_host = on_host(engine);
    let mut received = vec![false; world.hosts.len()];
    for host in candidates(engine, &ConsolidationOptions::default()) {
        let servers = &on_host[host];
        let new = servers.iter().all(|&v| world.servers[v].was.is_none());
        // Fuller ones hardly ever find room elsewhere.
        let (used, capacity) = (engine.books.used[host], world.hosts[host].capacity);
        let full = (0..crate::world::DIMS).any(|d| used[d] * 100 > capacity[d] * TIGHTEN_PERCENT);
        // Where room is only kept for one, nobody is to be moved.
        let kept = engine.books.claims[host] > 0;
        if received[host] || !new || full || kept || world.hosts[host].powered {
            continue;
        }
        let emptied = empty(engine, &[host], servers, None, Reach::Anywhere);
        for (_, target) in emptied.unwrap_or_default() {
            received[target] = true;
        }
    }
}

/// Hosts fuller than this after a bulk plan, in percent of either measure, are left alone.
const TIGHTEN_PERCENT: i64 = 80;

/// Idle draw of the hosts that servers run on.
fn idle_watts(engine: &Engine<'_, '_>) -> i64 {
    let hosts = engine.world.hosts.iter().zip(&engine.books.residents);
    watts_up(
        hosts
            .filter(|(_, residents)| **residents > 0)
            .map(|(host, _)| host.idle_mw)
            .sum(),
    )
}

/// Hosts that could be emptied, those that free the most watts for the fewest MiB moved first.
pub(crate) fn candidates(engine: &Engine<'_, '_>, options: &ConsolidationOptions) -> Vec<usize> {
    let (world, books) = (engine.world, &engine.books);
    let may = |&host: &usize| {
        let dense = &world.hosts[host];
        books.residents[host] > 0 && dense.open && dense.idle_mw > 0 && !options.keep_on.contains(&dense.name)
    };
    let mut hosts: Vec<usize> = (0..world.hosts.len()).filter(may).collect();
    hosts.sort_by_cached_key(|&host| {
        // MiB per watt, in thousandths; then the fewest servers.
        let mib = books.used[host][1].saturating_mul(1_000_000) / world.hosts[host].idle_mw;
        (mib, books.residents[host], host)
    });
    hosts
}

pub(crate) fn cost_joules(engine: &Engine<'_, '_>, servers: &[usize], options: &ConsolidationOptions) -> i64 {
    let mib: i64 = servers.iter().map(|&v| engine.world.servers[v].demand[1]).sum();
    mib.saturating_mul(options.joules_per_mib.max(0))
}

/// Whether what is saved within the horizon pays for the moves, with the margin.
pub(crate) fn pays(saved_mw: i64, cost_joules: i64, options: &ConsolidationOptions) -> bool {
    let saved = i128::from(saved_mw) * i128::from(options.horizon_seconds.max(0)) / 1000;
    saved * 100 > i128::from(cost_joules) * i128::from(options.margin_percent.max(0))
}

/// Moves all `servers` of the hosts `from` to hosts that are on, or all to `onto` at the same site; or none. Returns
/// who went where, in order.
pub(crate) fn empty(
    engine: &mut Engine<'_, '_>,
    from: &[usize],
    servers: &[usize],
    onto: Option<usize>,
    reach: Reach,
) -> Option<Vec<(usize, usize)>> {
    let world = engine.world;
    let mut order = servers.to_vec();
    let capacity = world.hosts[*from.first()?].capacity;
    order.sort_by_key(|&v| {
        let demand = world.servers[v].demand;
        let share = |d: usize| (demand[d] << 16) / capacity[d].max(1);
        (std::cmp::Reverse(share(0).max(share(1))), v)
    });
    let mut before: Vec<(usize, Slot)> = Vec::new();
    let mut targets = Vec::new();
    for server in order {
        let slot = engine.books.lift(world, server);
        let found = match onto {
            Some(host) => to(engine, server, &slot, host),
            None => elsewhere(engine, server, &slot, from, reach),
        };
        before.push((server, slot));
        let Some(found) = found else {
            undo(engine, &before);
            return None;
        };
        engine.books.put(world, server, &found);
        targets.extend(found.primary.map(|host| (server, host)));
    }
    // One that went to its other site may have found its reserve here, and need it awake.
    if from.iter().any(|&host| engine.books.warm[host] > 0) {
        undo(engine, &before);
        return None;
    }
    for (server, slot) in before {
        engine.moved[server].get_or_insert(MoveReason::Consolidation);
        if engine.books.slots[server].backup != slot.backup {
            engine.backup_moved[server].get_or_insert(MoveReason::Consolidation);
        }
    }
    Some(targets)
}

/// The place with `host`, at its own site, as the primary.
fn to(engine: &mut Engine<'_, '_>, server: usize, was: &Slot, host: usize) -> Option<Slot> {
    fits::primary(engine.world, &engine.books, server, host).ok()?;
    let own = engine.world.hosts[was.primary?].site;
    with_reserve(engine, server, was, own, host, Reach::Anywhere)
}

fn undo(engine: &mut Engine<'_, '_>, before: &[(usize, Slot)]) {
    for (server, _) in before {
        engine.books.lift(engine.world, *server);
    }
    for (server, slot) in before {
        engine.books.put(engine.world, *server, slot);
    }
}

/// A place on a host that is on, at its own site, else at one with its data; with the reserve that it has, or another
/// where its data is.
fn elsewhere(
    engine: &mut Engine<'_, '_>,
    server: usize,
    was: &Slot,
    leaving: &[usize],
    reach: Reach,
) -> Option<Slot> {
    let world = engine.world;
    let at = was.primary?;
    let own = world.hosts[at].site;
    let sites = std::iter::once(own).chain(was.copies.iter().copied());
    for site in sites {
        if !world.sites[site].open
            || !world.servers[server].allows(site)
            || fits::ceiling(world, &engine.books, server, site).is_err()
        {
            continue;
        }
        for &zone in &world.sites[site].zones {
            let question = Question::Primary {
                demand: world.servers[server].demand,
            };
            let books = &engine.books;
            let good = |host: usize| {
                !leaving.contains(&host)
                    && reach.allows(world, at, host)
                    && books.residents[host] > 0
                    && fits::primary(world, books, server, host).is_ok()
            };
            let Some((_, host)) = engine.index.best(world, books, zone, question, good) else {
                continue;
            };
            if let Some(slot) = with_reserve(engine, server, was, own, host, reach) {
                return Some(slot);
            }
        }
    }
    None
}

/// The whole place with `host` as the primary.
fn with_reserve(
    engine: &mut Engine<'_, '_>,
    server: usize,
    was: &Slot,
    own: usize,
    host: usize,
    reach: Reach,
) -> Option<Slot> {
    let world = engine.world;
    let alone = Slot {
        primary: Some(host),
        ..Slot::default()
    };
    if !world.servers[server].is_protected() {
        return Some(alone);
    }
    let (zone, site) = (world.hosts[host].zone, world.hosts[host].site);
    if site == own
        && let Some(backup) = was.backup
        && crate::copies::clear_of(world, server, zone, &was.copies)
        && fits::backup_for(world, &engine.books, server, backup, true, zone).is_ok()
    {
        return Some(Slot {
            backup: Some(backup),
            copies: was.copies.clone(),
            ..alone
        });
    }
    if reach != Reach::Anywhere {
        return None;
    }
    let mut data = was.copies.to_vec();
    data.push(own);
    data.retain(|&copy| copy != site);
    data.sort_unstable();
    let wish = Wish {
        ranks: Vec::new(),
        data,
        alone_will_do: false,
        new_copies: false,
    };
    let found = place::find_backup_for(world, &engine.books, &mut engine.index, server, &wish, zone, 0)?;
    Some(Slot {
        backup: Some(found.host),
        copies: found.copies,
        ..alone
    })
}
