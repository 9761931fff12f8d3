//! Admission: who waits gets in by tier, then age, then name, within the quota and as far as there is room. No I/O.
//!
//! *A large demand at the head is not starved by small ones behind it.* When a server finds no room, the hosts nearest to
//! having it are kept for it until the end of the pass (`claim.rs`). Only the first few are kept for, and none that room
//! alone would not let in: each keeps some room idle.
//!
//! *Very many new servers at once* are placed together (`bulk.rs`), beside what is kept for those before them.

use crate::bulk;
use crate::claim::{self, Claims};
use crate::colocate;
use crate::engine::Engine;
use crate::grow;
use crate::ids::ColocationId;
use crate::place::Wish;
use crate::plan::MoveReason;
use crate::quota::{self, Use};
use crate::reason::{Waiting, WaitingOn};
use crate::reserves;
use crate::why;
use crate::world::count;

/// The tier at which a colocation queues: before servers of the default tier 3, after those that a tenant marked
/// as its first.
const COLOCATION_TIER: i64 = 2;

/// One that waits.
#[derive(Clone, Copy, Debug)]
enum Item<'f> {
    Server(usize),
    /// A server that has a place and asks for more.
    Growth(usize),
    Colocation(usize, &'f ColocationId),
}

/// Everything that waits, in turn: tier, age, servers before colocations, name.
fn queue<'f>(engine: &Engine<'_, 'f>) -> Vec<Item<'f>> {
    let world = engine.world;
    let servers = (0..world.servers.len())
        .filter_map(|v| {
            let placed = engine.books.slots[v].is_placed();
            if world.servers[v].was.is_none() && !placed {
                return Some((v, Item::Server(v)));
            }
            (engine.grows && grow::waits(engine, v)).then_some((v, Item::Growth(v)))
        })
        .map(|(v, item)| {
            let (tier, created_at, name) = world.turn(v);
            ((tier, created_at, false, name), item)
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
    pass(engine, &mut used, true)
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
    if !pass(engine, &mut used, false) {
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

/// One walk over the queue, with a batch at its end if `batches`. Returns whether anybody got in.
fn pass(engine: &mut Engine<'_, '_>, used: &mut Use, batches: bool) -> bool {
    let world = engine.world;
    let mut claims = Claims::new(world);
    let mut changed = false;
    // Those that room alone would not let in: looked at last when room is made.
    let mut hopeless: Vec<usize> = Vec::new();
    engine.starving.clear();
    let wish = Wish::new(world);
    engine.waiting.clear();
    let queue = queue(engine);
    // After this one there are only servers, which may come in together: from the first on that finds room.
    let other = queue.iter().rposition(|item| !matches!(item, Item::Server(_)));
    let mut batch = batches.then(|| other.map_or(0, |at| at + 1));
    for (at, &item) in queue.iter().enumerate() {
        match item {
            Item::Colocation(index, id) => {
                let Some(colocation) = world.fleet.colocations.get(id) else {
                    continue;
                };
                changed |= admit_colocation(engine, used, index, colocation).is_ok();
            }
            Item::Growth(server) => changed |= grow::admit(engine, used, server),
            Item::Server(server) => {
                let wanted = &world.servers[server];
                let amounts = quota::of_server(wanted);
                if wanted.malformed.is_some() || used.check(world, wanted.tenant, &amounts).is_err() {
                    continue;
                }
                if let Some(slot) = engine.find(server, &wish) {
                    changed = true;
                    if batch.take_if(|first| at >= *first).is_some()
                        && admit_batch(engine, used, &queue[at..])
                    {
                        break;
                    }
                    engine.books.put(world, server, &slot);
                    used.add(wanted.tenant, &amounts);
                } else if claim::room_would_do(engine, server) {
                    engine.starving.push(server);
                    claims.keep(engine, used, server);
                } else if why::structural(world, &engine.books, server).is_none() {
                    hopeless.push(server);
                }
            }
        }
    }
    engine.starving.append(&mut hopeless);
    claims.release(engine);
    changed
}

/// Very many new servers at once, in turn order: those within quota that have a place but for the room, all of them or
/// none. Returns whether it placed them.
fn admit_batch(engine: &mut Engine<'_, '_>, used: &Use, items: &[Item<'_>]) -> bool {
    let world = engine.world;
    if items.len() < bulk::FEWEST {
        return false;
    }
    let mut within = used.clone();
    let mut batch = Vec::with_capacity(items.len());
    let mut hopes: Vec<Option<bool>> = vec![None; world.classes.len()];
    for item in items {
        let &Item::Server(server) = item else { continue };
        let wanted = &world.servers[server];
        let amounts = quota::of_server(wanted);
        if wanted.malformed.is_some() || within.check(world, wanted.tenant, &amounts).is_err() {
            continue;
        }
        // What is true of one is true of its class, but for groups and for how much is stored.
        let alike = world.apart(server).is_none() && world.together(server).is_none() && wanted.storage == 0;
        let hope = if alike {
            hopes[world.class_of(server)]
        } else {
            None
        };
        let hope = hope.unwrap_or_else(|| claim::room_would_do(engine, server));
        if alike {
            hopes[world.class_of(server)] = Some(hope);
        }
        if hope {
            within.add(wanted.tenant, &amounts);
            batch.push(server);
        }
    }
    // Those at the end that find no place now wait whatever becomes of the others, and take nobody's turn by it.
    let wish = Wish::new(world);
    while batch
        .last()
        .is_some_and(|&last| engine.find(last, &wish).is_none())
    {
        batch.pop();
    }
    batch.len() >= bulk::FEWEST && bulk::place_all(engine, &batch)
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

/// Says for everything that waits on what it waits, given the final books.
pub(crate) fn explain_waiting(engine: &mut Engine<'_, '_>) {
    let world = engine.world;
    let used = in_use(engine);
    let mut ahead = 0;
    let mut waiting = Vec::new();
    let mut growths = Vec::new();
    for item in queue(engine) {
        if let Item::Growth(server) = item {
            growths.push((server, grow::why(engine, &used, server, ahead)));
        }
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
    engine.growths = growths;
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
