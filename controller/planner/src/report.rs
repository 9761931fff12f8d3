//! From the final books to the plan: names, ledgers, moves and the digest. Decides nothing. No I/O.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::admit;
use crate::digest::Digest;
use crate::engine::Engine;
use crate::fits::RESOURCES;
use crate::ids::DemandId;
use crate::plan::{
    DevicePlace, Excess, ExcessOf, Move, MoveKind, MoveReason, PairLoad, Plan, RackLedger, ServerPlan,
    SiteLedger, Spot,
};
use crate::reason::{Growth, Resource, Waiting, WaitingOn};
use crate::scenario::Scenario;
use crate::shed;
use crate::state::Books;
use crate::summary;
use crate::why;
use crate::world::{DIMS, DenseScenario, World, count, watts_up};

/// Writes the plan.
pub(crate) fn report(engine: &mut Engine<'_, '_>) -> Plan {
    let mut plan = Plan {
        problems: engine.world.problems.clone(),
        ..Plan::default()
    };
    plan.problems.extend(engine.space.problems.clone());
    plan.problems.sort();
    servers(engine, &mut plan);
    colocations(engine, &mut plan);
    for (server, waiting) in std::mem::take(&mut engine.waiting) {
        plan.waiting
            .insert(DemandId::Server(engine.world.ids[server].clone()), waiting);
    }
    moves(engine, &mut plan);
    pairs(engine, &mut plan);
    racks(engine, &mut plan);
    sites(engine, &mut plan);
    excesses(engine, &mut plan);
    let proposal = shed::of_plan(engine.world, &engine.books, &engine.homeless);
    (plan.shed, plan.starts_if_shed) = (proposal.shed, proposal.starts);
    summary::summarise(engine, &mut plan);
    plan.id = Digest::of(&plan);
    plan
}

fn spot(world: &World<'_>, host: usize) -> Spot {
    let dense = &world.hosts[host];
    Spot {
        site: world.sites[dense.site].name.clone(),
        rack: world.racks[dense.rack].name.clone(),
        host: dense.name.clone(),
    }
}

/// Where a server was recorded, as text names it.
fn spot_before(world: &World<'_>, server: usize) -> Option<Spot> {
    let current = world.fleet.servers.get(&world.ids[server])?.current.as_ref()?;
    let host = current.host.clone().unwrap_or_default();
    Some(Spot {
        site: current.site.clone(),
        rack: current.rack.clone(),
        host,
    })
}

fn servers(engine: &mut Engine<'_, '_>, plan: &mut Plan) {
    let world = engine.world;
    let mut placed = Vec::with_capacity(world.servers.len());
    // Only looked up.
    let mut growths: FxHashMap<usize, Growth> = std::mem::take(&mut engine.growths).into_iter().collect();
    for (server, dense) in world.servers.iter().enumerate() {
        let slot = &engine.books.slots[server];
        if slot.primary.is_none() && (slot.held_at.is_none() || spot_before(world, server).is_none()) {
            continue;
        }
        let lacks = dense.is_protected() && short(slot, dense.copies);
        let mut decided = self::server(world, &engine.books, server);
        if slot.primary.is_none()
            && let Some(before) = spot_before(world, server)
        {
            decided.placement = before;
        }
        decided.held = held(engine, server);
        decided.growth = growths.remove(&server).map(Box::new);
        decided.unprotected = lacks.then(|| Box::new(why::protection(world, &mut engine.books, server)));
        placed.push((world.ids[server].clone(), decided));
    }
    // In the order of their names already: built at once, without a search each.
    plan.servers = placed.into_iter().collect();
}

/// What the books say of one server on a host.
pub(crate) fn server(world: &World<'_>, books: &Books, server: usize) -> ServerPlan {
    let (slot, dense) = (&books.slots[server], &world.servers[server]);
    let copies = slot.copies.iter().map(|&site| world.sites[site].name.clone());
    ServerPlan {
        placement: slot.primary.map_or_else(Spot::default, |host| spot(world, host)),
        backup: slot.backup.map(|host| spot(world, host)),
        copy_sites: copies.collect(),
        granted: dense.granted(),
        growth: None,
        watts: slot
            .primary
            .map_or(0, |host| watts_up(world.hosts[host].draw_mw(dense.demand[0]))),
        unprotected: None,
        held: None,
    }
}

fn short(slot: &crate::state::Slot, copies: i64) -> bool {
    slot.backup.is_none() || count(slot.copies.len()) < copies - 1
}

/// Why a server stays where it should not be.
fn held(engine: &Engine<'_, '_>, server: usize) -> Option<String> {
    let (world, slot) = (engine.world, &engine.books.slots[server]);
    if let Some(site) = slot.held_at {
        return Some(format!(
            "its place at {} cannot be read or is fenced: it stays as recorded until the site returns or a failover is \
             granted",
            world.sites[site].name
        ));
    }
    let host = &world.hosts[slot.primary?];
    if host.held {
        return Some(format!(
            "host {} is not ready, unreadable or fenced: it stays as recorded until the host returns or a failover is \
             granted",
            host.name
        ));
    }
    if host.draining {
        return Some(format!(
            "host {} is being drained and nowhere else is room for it",
            host.name
        ));
    }
    None
}

fn colocations(engine: &mut Engine<'_, '_>, plan: &mut Plan) {
    let world = engine.world;
    for (index, (id, colocation)) in world.fleet.colocations.iter().enumerate() {
        let mut places = Vec::new();
        for (at, device) in colocation.devices.iter().enumerate() {
            let position = engine.space.positions[index][at];
            if let Some((rack, lowest_unit)) = position {
                let dense = &world.racks[rack];
                places.push(DevicePlace {
                    device: device.name.clone(),
                    site: world.sites[dense.site].name.clone(),
                    rack: dense.name.clone(),
                    lowest_unit,
                    units: device.units,
                });
            } else if let Some(current) = colocation.current.get(&device.name)
                && engine.space.elsewhere[index][at]
            {
                places.push(DevicePlace {
                    device: device.name.clone(),
                    site: world
                        .fleet
                        .racks
                        .get(&current.rack)
                        .map(|rack| rack.site.clone())
                        .unwrap_or_default(),
                    rack: current.rack.clone(),
                    lowest_unit: current.lowest_unit,
                    units: device.units,
                });
            }
        }
        if !places.is_empty() {
            plan.colocations.insert(id.clone(), places);
        }
        if engine.space.missing(index) || crate::colocate::malformed(colocation).is_some() {
            let waiting = admit::colocation_waiting(engine, index);
            let waiting = waiting.unwrap_or_else(|| Waiting::on(WaitingOn::Queue { ahead: 0 }));
            plan.waiting.insert(DemandId::Colocation(id.clone()), waiting);
        }
    }
}

fn moves(engine: &Engine<'_, '_>, plan: &mut Plan) {
    let world = engine.world;
    for (server, dense) in world.servers.iter().enumerate() {
        let (Some(was), slot) = (&dense.was, &engine.books.slots[server]) else {
            continue;
        };
        if let Some(host) = slot.primary
            && was.host != Some(host)
        {
            plan.moves.push(Move {
                server: world.ids[server].clone(),
                kind: MoveKind::Primary,
                from: spot_before(world, server).unwrap_or_default(),
                to: spot(world, host),
                reason: engine.moved[server].unwrap_or(MoveReason::HostGone),
            });
        }
        let said = [engine.backup_moved[server], engine.moved[server]];
        let mut said = said.into_iter().flatten();
        let reason = said.clone().next().unwrap_or(MoveReason::ReserveInvalid);
        // A reserve goes to another site to make room only where there is, or will be, a copy for another reason.
        let why_copied = said
            .find(|reason| *reason != MoveReason::MakesRoom)
            .unwrap_or(MoveReason::Protects);
        let mut fresh = slot.copies.to_vec();
        fresh.retain(|site| !was.copies.contains(site) && was.site != *site);
        if let (Some(from), Some(to)) = (was.backup, slot.backup)
            && from != to
        {
            let elsewhere = fresh.iter().position(|&site| site == world.hosts[to].site);
            if let Some(at) = elsewhere {
                fresh.remove(at);
            }
            let (kind, reason) = match elsewhere {
                Some(_) => (MoveKind::Copy, why_copied),
                None => (MoveKind::Backup, reason),
            };
            plan.moves.push(Move {
                server: world.ids[server].clone(),
                kind,
                from: spot(world, from),
                to: spot(world, to),
                reason,
            });
        }
        for site in fresh {
            let to = slot
                .backup
                .filter(|&host| world.hosts[host].site == site)
                .map(|host| spot(world, host));
            let to = to.unwrap_or_else(|| Spot {
                site: world.sites[site].name.clone(),
                ..Spot::default()
            });
            let from = spot_before(world, server).unwrap_or_default();
            plan.moves.push(Move {
                server: world.ids[server].clone(),
                kind: MoveKind::Copy,
                from,
                to,
                reason: why_copied,
            });
        }
    }
}

fn pairs(engine: &Engine<'_, '_>, plan: &mut Plan) {
    let (world, books) = (engine.world, &engine.books);
    let sites = world.sites.len();
    let mut loads: BTreeMap<(usize, usize), (i64, i64)> = BTreeMap::new();
    for (server, dense) in world.servers.iter().enumerate() {
        if let (Some(from), Some(host)) = (books.primary_site(world, server), books.slots[server].backup) {
            let load = loads.entry((from, world.hosts[host].site)).or_default();
            load.0 += 1;
            load.1 += world.hosts[host].draw_mw(dense.demand[0]);
        }
    }
    for ((from, to), (servers, milliwatts)) in loads {
        let pair = books.pair[from * sites + to];
        let capacity = world.sites[to].capacity;
        let share = |d: usize| (books.site_used[to][d] + pair[d]).saturating_mul(1000) / capacity[d].max(1);
        let load = PairLoad {
            servers,
            cpu_milli: pair[0],
            memory_mib: pair[1],
            watts: watts_up(milliwatts),
            share_permille: (0..DIMS).map(share).max().unwrap_or(0),
        };
        let row = plan.pairs.entry(world.sites[from].name.clone()).or_default();
        row.insert(world.sites[to].name.clone(), load);
    }
}

fn racks(engine: &Engine<'_, '_>, plan: &mut Plan) {
    let (world, books) = (engine.world, &engine.books);
    let mut nameplate = vec![0; world.racks.len()];
    for host in &world.hosts {
        let known = world
            .fleet
            .hosts
            .get(&host.name)
            .is_some_and(|spec| spec.watts_known);
        nameplate[host.rack] += i64::from(!known);
    }
    for (rack, dense) in world.racks.iter().enumerate() {
        let row = &books.added_mw[rack * books.scenarios..(rack + 1) * books.scenarios];
        let worst = (0..row.len())
            .max_by_key(|&f| (row[f], std::cmp::Reverse(f)))
            .filter(|&f| row[f] > 0);
        let reserved = worst.map_or(0, |f| row[f]);
        let committed = books.committed_mw[rack];
        let capacity_watts = dense.capacity_mw.div_euclid(1000);
        let (committed_watts, reserved_watts) = (watts_up(committed), watts_up(reserved));
        let ledger = RackLedger {
            site: world.sites[dense.site].name.clone(),
            capacity_watts,
            committed_watts,
            reserved_watts,
            worst: worst.map(|f| match &world.scenarios[f] {
                DenseScenario::Site(site) => Scenario::Site(world.sites[*site].name.clone()),
                DenseScenario::Risk(risk) => Scenario::Risk(risk.clone()),
            }),
            headroom_watts: headroom_watts(
                dense.capacity_mw - committed - reserved,
                capacity_watts - committed_watts - reserved_watts,
            ),
            units: count_units(world, rack),
            units_free: engine.space.free(rack),
            hosts_by_nameplate: nameplate[rack],
        };
        plan.racks.insert(dense.name.clone(), ledger);
    }
}

/// From the rounded figures, so that the table adds up for whoever checks it; at most 2 W below the truth. But what fits is
/// never called overloaded.
fn headroom_watts(left_mw: i64, rounded: i64) -> i64 {
    if left_mw < 0 { rounded } else { rounded.max(0) }
}

fn count_units(world: &World<'_>, rack: usize) -> i64 {
    world
        .fleet
        .racks
        .get(&world.racks[rack].name)
        .map_or(0, |spec| spec.units)
}

fn sites(engine: &Engine<'_, '_>, plan: &mut Plan) {
    let (world, books) = (engine.world, &engine.books);
    let mut there = vec![(0, 0); world.sites.len()];
    for (server, slot) in books.slots.iter().enumerate() {
        if let Some(site) = books.primary_site(world, server) {
            there[site].0 += 1;
        }
        if let Some(host) = slot.backup {
            there[world.hosts[host].site].1 += 1;
        }
    }
    for (site, dense) in world.sites.iter().enumerate() {
        let usable = dense
            .hosts
            .iter()
            .filter(|&&host| !world.hosts[host].held)
            .count();
        let ledger = SiteLedger {
            hosts_usable: count(usable),
            hosts: count(dense.hosts.len()),
            cpu_capacity_milli: dense.capacity[0],
            cpu_used_milli: books.site_used[site][0],
            cpu_ceiling_milli: dense.ceiling[0],
            memory_capacity_mib: dense.capacity[1],
            memory_used_mib: books.site_used[site][1],
            memory_ceiling_mib: dense.ceiling[1],
            storage_used_mib: books.site_storage[site] + dense.storage_taken,
            storage_mib: dense.storage_in_all,
            servers: there[site].0,
            backups: there[site].1,
            ..SiteLedger::default()
        };
        plan.sites.insert(dense.name.clone(), ledger);
    }
}

fn excesses(engine: &Engine<'_, '_>, plan: &mut Plan) {
    let (world, books) = (engine.world, &engine.books);
    let mut add = |of: ExcessOf, resource: Resource, used: i64, limit: i64| {
        if used > limit {
            plan.excesses.push(Excess {
                of,
                resource,
                used,
                limit,
            });
        }
    };
    for (site, dense) in world
        .sites
        .iter()
        .enumerate()
        .filter(|(_, dense)| !dense.held && !dense.draining)
    {
        let of = || ExcessOf::Site(dense.name.clone());
        for (d, resource) in RESOURCES.into_iter().enumerate() {
            add(of(), resource, books.site_used[site][d], dense.ceiling[d]);
        }
        if let Some(limit) = dense.storage {
            add(of(), Resource::Storage, books.site_storage[site], limit);
        }
    }
    for (rack, dense) in world
        .racks
        .iter()
        .enumerate()
        .filter(|(_, dense)| !world.sites[dense.site].held)
    {
        let (used, limit) = (
            watts_up(books.committed_mw[rack]),
            dense.capacity_mw.div_euclid(1000),
        );
        add(ExcessOf::Rack(dense.name.clone()), Resource::Watts, used, limit);
    }
    for (host, dense) in world.hosts.iter().enumerate().filter(|(_, dense)| !dense.held) {
        for (d, resource) in RESOURCES.into_iter().enumerate() {
            add(
                ExcessOf::Host(dense.name.clone()),
                resource,
                books.used[host][d],
                dense.capacity[d],
            );
        }
    }
}
