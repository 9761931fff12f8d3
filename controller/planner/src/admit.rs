//! Admission: who waits gets in by tier, then age, then name, within the quota and as far as there is room. No I/O.
//!
//! *A large demand at the head is not starved by small ones behind it.* When a server finds no room that could ever be
//! there, the host nearest to having it is kept for it: the books count it there until the end of the pass, beyond what
//! the host has, so that nobody behind it takes what becomes free. Only the first few are kept for (`claims`): each
//! keeps some room idle.

use crate::bulk;
use crate::colocate;
use crate::engine::Engine;
use crate::ids::ColocationId;
use crate::place::Wish;
use crate::plan::MoveReason;
use crate::quota::{self, Use};
use crate::reason::{Waiting, WaitingOn};
use crate::reserves;
use crate::why;
use crate::world::{DIMS, World, count};

/// Most servers that room is kept for at a time.
const MAX_CLAIMS: usize = 16;

/// The tier at which a colocation queues: before servers of the default tier 3, after those that a tenant marked
/// as its first.
const COLOCATION_TIER: i64 = 2;

/// One that waits.
#[derive(Clone, Copy, Debug)]
enum Item<'f> {
    Server(usize),
    Colocation(usize, &'f ColocationId),
}

/// How many may keep room: one in eight of the open hosts, at least one.
pub(crate) fn claims(world: &World<'_>) -> usize {
    (world.hosts.iter().filter(|host| host.open).count() / 8).clamp(1, MAX_CLAIMS)
}

/// Everything that waits, in turn: tier, age, servers before colocations, name.
fn queue<'f>(engine: &Engine<'_, 'f>) -> Vec<Item<'f>> {
    let world = engine.world;
    let servers = (0..world.servers.len())
        .filter(|&v| world.servers[v].was.is_none() && !engine.books.slots[v].is_placed())
        .map(|v| {
            let (tier, created_at, name) = world.turn(v);
            ((tier, created_at, false, name), Item::Server(v))
        });
    let colocations = world
        .fleet
        .colocations
        .iter()
        .enumerate()
        .filter(|(c, _)| engine.space.missing(*c))
        .map(|(c, (id, colocation))| {
            let turn = (COLOCATION_TIER, colocation.created_at, true, c);
            (turn, Item::Colocation(c, id))
        });
    let mut queue: Vec<_> = servers.chain(colocations).collect();
    queue.sort_unstable_by_key(|(turn, _)| *turn);
    queue.into_iter().map(|(_, item)| item).collect()
}

/// What is used by everything that has, or had, a place.
pub(crate) fn in_use(engine: &Engine<'_, '_>) -> Use {
    let world = engine.world;
    let mut used = Use::new(world);
    for (v, server) in world.servers.iter().enumerate() {
        if server.was.is_some() || engine.books.slots[v].is_placed() {
            used.add(server.tenant, &quota::of_server(server));
        }
    }
    for (c, colocation) in world.fleet.colocations.values().enumerate() {
        let stands = (0..colocation.devices.len()).any(|at| engine.space.stands(c, at));
        if stands {
            let tenant = world.tenants.binary_search(&colocation.tenant).ok();
            used.add(tenant, &placed_amounts(engine, c));
        }
    }
    used
}

/// What the devices of a colocation that have a place count for.
fn placed_amounts(engine: &Engine<'_, '_>, index: usize) -> quota::Amounts {
    let mut amounts = [0; 6];
    let devices = engine
        .world
        .fleet
        .colocations
        .values()
        .nth(index)
        .into_iter()
        .flat_map(|c| &c.devices);
    for (at, device) in devices.enumerate() {
        if engine.space.stands(index, at) {
            amounts[4] += device.watts;
            amounts[5] += device.units;
        }
    }
    amounts
}

/// One pass over the queue. Returns whether anybody got in.
pub(crate) fn admit(engine: &mut Engine<'_, '_>) -> bool {
    let mut used = in_use(engine);
    if admit_batch(engine, &mut used) {
        return true;
    }
    pass(engine, &mut used)
}

/// Packs the reserves anew when somebody waits for room, and keeps that when it lets somebody in. Returns whether it
/// did.
pub(crate) fn make_room(engine: &mut Engine<'_, '_>) -> bool {
    if engine.starving.is_empty() {
        return false;
    }
    let mut used = in_use(engine);
    let Some(before) = reserves::repack(engine) else {
        return false;
    };
    if !pass(engine, &mut used) {
        reserves::restore(engine, &before);
        return false;
    }
    for (server, slot) in before {
        if engine.books.slots[server].backup != slot.backup {
            engine.backup_moved[server].get_or_insert(MoveReason::MakesRoom);
        }
    }
    true
}

/// One walk over the queue. Returns whether anybody got in.
fn pass(engine: &mut Engine<'_, '_>, used: &mut Use) -> bool {
    let world = engine.world;
    let mut claimed: Vec<usize> = Vec::new();
    let mut changed = false;
    engine.starving.clear();
    let wish = Wish::new(world);
    engine.waiting.clear();
    for item in queue(engine) {
        match item {
            Item::Colocation(index, id) => {
                let Some(colocation) = world.fleet.colocations.get(id) else {
                    continue;
                };
                changed |= admit_colocation(engine, used, index, colocation).is_ok();
            }
            Item::Server(server) => {
                let wanted = &world.servers[server];
                let amounts = quota::of_server(wanted);
                if wanted.malformed.is_some() || used.check(world, wanted.tenant, &amounts).is_err() {
                    continue;
                }
                if let Some(slot) = engine.find(server, &wish) {
                    engine.books.put(world, server, &slot);
                    used.add(wanted.tenant, &amounts);
                    changed = true;
                } else if why::structural(world, &engine.books, server).is_none() {
                    engine.starving.push(server);
                    if claimed.len() < claims(world)
                        && let Some(host) = nearest(engine, server)
                    {
                        engine.books.claim(world, server, host);
                        claimed.push(server);
                    }
                }
            }
        }
    }
    for server in claimed.into_iter().rev() {
        engine.books.unclaim(world, server);
    }
    changed
}

/// Very many new servers at once: those within quota, all of them or none. Returns whether it placed them.
fn admit_batch(engine: &mut Engine<'_, '_>, used: &mut Use) -> bool {
    let world = engine.world;
    let queue = queue(engine);
    let servers = queue
        .iter()
        .filter(|item| matches!(item, Item::Server(_)))
        .count();
    // Colocations wait for their turn among the servers: with any in the queue it is walked one by one.
    if servers < bulk::FEWEST || servers < queue.len() {
        return false;
    }
    let mut within = used.clone();
    let mut batch = Vec::with_capacity(servers);
    let mut possible: Vec<Option<bool>> = vec![None; world.classes.len()];
    for item in queue {
        let Item::Server(server) = item else { continue };
        let wanted = &world.servers[server];
        let amounts = quota::of_server(wanted);
        let sound = wanted.malformed.is_none() && within.check(world, wanted.tenant, &amounts).is_ok();
        let possible = *possible[wanted.class]
            .get_or_insert_with(|| why::structural(world, &engine.books, server).is_none());
        if sound && possible {
            within.add(wanted.tenant, &amounts);
            batch.push(server);
        }
    }
    if batch.len() < bulk::FEWEST || !bulk::place_all(engine, &batch) {
        return false;
    }
    *used = within;
    true
}

fn admit_colocation(
    engine: &mut Engine<'_, '_>,
    used: &mut Use,
    index: usize,
    colocation: &crate::fleet::Colocation,
) -> Result<(), WaitingOn> {
    let world = engine.world;
    if let Some(on) = colocate::malformed(colocation) {
        return Err(on);
    }
    let tenant = world.tenants.binary_search(&colocation.tenant).ok();
    let (all, placed) = (quota::of_colocation(colocation), placed_amounts(engine, index));
    let mut amounts = all;
    for (amount, placed) in amounts.iter_mut().zip(placed) {
        *amount -= placed;
    }
    used.check(world, tenant, &amounts)?;
    engine.space.place(world, &mut engine.books, index, colocation)?;
    used.add(tenant, &amounts);
    Ok(())
}

/// Whether the host is large enough for this server and takes something new.
pub(crate) fn could(world: &World<'_>, server: usize, host: usize) -> bool {
    let (wanted, dense) = (&world.servers[server], &world.hosts[host]);
    dense.open && wanted.allows(dense.site) && (0..DIMS).all(|d| wanted.demand[d] <= dense.capacity[d])
}

/// What the host lacks for running this server, in thousandths of itself, over all measures; 0 when it lacks nothing.
pub(crate) fn lacks(engine: &Engine<'_, '_>, server: usize, host: usize) -> i64 {
    let (world, books) = (engine.world, &engine.books);
    let (wanted, dense) = (&world.servers[server], &world.hosts[host]);
    let permille = |lack: i64, whole: i64| lack.max(0).saturating_mul(1000) / whole.max(1);
    let on_host = |d: usize| {
        let free = dense.capacity[d] - books.used[host][d] - books.most_reserved[host][d];
        permille(wanted.demand[d] - free, dense.capacity[d])
    };
    let at_site = |d: usize| {
        let site = &world.sites[dense.site];
        let free = site.ceiling[d] - books.site_used[dense.site][d];
        permille(wanted.demand[d] - free, dense.capacity[d])
    };
    let asked = dense.draw_mw(wanted.demand[0]);
    let watts = permille(
        asked - colocate::headroom_mw(world, books, dense.rack),
        dense.idle_mw + dense.dynamic_mw,
    );
    (0..DIMS).map(|d| on_host(d) + at_site(d)).sum::<i64>() + watts
}

/// The host that lacks the least for this server, of those that are large enough for it and may take it.
pub(crate) fn nearest(engine: &Engine<'_, '_>, server: usize) -> Option<usize> {
    (0..engine.world.hosts.len())
        .filter(|&host| could(engine.world, server, host))
        .min_by_key(|&host| (lacks(engine, server, host), host))
}

/// Says for everything that waits on what it waits, given the final books.
pub(crate) fn explain_waiting(engine: &mut Engine<'_, '_>) {
    let world = engine.world;
    let used = in_use(engine);
    let mut ahead = 0;
    let mut waiting = Vec::new();
    for item in queue(engine) {
        if let Item::Server(server) = item {
            let wanted = &world.servers[server];
            let quota = used.check(world, wanted.tenant, &quota::of_server(wanted));
            let reason = match (&wanted.malformed, quota) {
                (Some(on), _) => Waiting::on(WaitingOn::clone(on)),
                // More quota would not let in what no host can hold.
                (None, Err(on)) => Waiting::on(why::too_large(world, &engine.books, server).unwrap_or(on)),
                (None, Ok(())) => {
                    let behind = ahead;
                    ahead += 1;
                    if engine.find(server, &Wish::new(world)).is_some() {
                        Waiting::on(WaitingOn::Queue { ahead: behind })
                    } else {
                        why::primary(world, &mut engine.books, server)
                    }
                }
            };
            waiting.push((server, reason));
        }
    }
    for &server in &engine.homeless {
        let before = engine.books.lift(world, server);
        waiting.push((server, why::homeless(world, &mut engine.books, server)));
        engine.books.put(world, server, &before);
    }
    engine.waiting = waiting;
}

/// Why a colocation whose devices are not all placed waits.
pub(crate) fn colocation_waiting(engine: &mut Engine<'_, '_>, index: usize) -> Option<Waiting> {
    let colocation = engine.world.fleet.colocations.values().nth(index)?;
    let mut used = in_use(engine);
    let before = (engine.books.clone(), engine.space.clone());
    let result = admit_colocation(engine, &mut used, index, colocation);
    (engine.books, engine.space) = before;
    Some(Waiting::on(match result {
        Err(on) => on,
        Ok(()) => WaitingOn::Queue {
            ahead: count(engine.waiting.len()),
        },
    }))
}
