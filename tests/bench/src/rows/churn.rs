//! 50,000 arrivals and departures around a load of 0.60, then one consolidation. No I/O.
//!
//! Whoever arrives when the load is below 0.60 stays until it is drawn to leave. Who finds no room waits; every 100 events
//! the reserves are packed anew if anybody waits, and those that wait try again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use raidc_planner::{Move, MoveKind, PlanOptions, Server, ServerId, check, plan};

use super::{Context, share, watts};
use crate::dice::Dice;
use crate::engine::{self, Engine};
use crate::fleets::synthetic::{self, Recipe};
use crate::stopwatch::show;

/// The row.
pub(crate) fn churn(context: &mut Context) {
    let events = if context.quick { 5000 } else { 50_000 };
    let made = synthetic::make(Recipe::standard(1, 600));
    let (mut fleet, mut draw) = (made.fleet, made.draw);
    plan(&fleet, &PlanOptions::default()).feed_back(&mut fleet);
    let cores = |server: &Server| server.cpu_milli;
    let mut load: i64 = fleet.servers.values().map(cores).sum();
    let target = load;
    let mut present: Vec<(ServerId, i64)> = fleet
        .servers
        .iter()
        .map(|(id, server)| (id.clone(), cores(server)))
        .collect();
    let mut engine = Engine::new(&fleet);
    let mut waiting: VecDeque<(ServerId, Server)> = VecDeque::new();
    let mut dice = Dice::new(context.seed);
    let (mut arrivals, mut repacks, mut slowest) = (0usize, 0usize, Duration::ZERO);
    let mut violations = 0;
    let mut took = Duration::ZERO;
    let mut start = Instant::now();
    for number in 0..events {
        if load < target {
            let (id, server) = draw.next();
            arrivals += 1;
            load += cores(&server);
            let (took, placed) = engine.admit(&id, &server);
            slowest = slowest.max(took);
            if placed {
                present.push((id, cores(&server)));
            } else {
                engine.remove(&id);
                waiting.push_back((id, server));
            }
        } else {
            let (id, cores) = present.swap_remove(dice.index(present.len()));
            load -= cores;
            engine.remove(&id);
        }
        if number % 100 == 99 && !waiting.is_empty() {
            engine.repack();
            repacks += 1;
            retry(&mut engine, &mut waiting, &mut present);
        }
        if number % (events / 10) == 0 {
            // Looked at now and then, on its own time.
            took += start.elapsed();
            violations += {
                let now = engine.fleet();
                check(&now, &plan(&now, &PlanOptions::default())).len()
            };
            start = Instant::now();
        }
    }
    engine.repack();
    retry(&mut engine, &mut waiting, &mut present);
    took += start.elapsed();
    let mut now = engine.fleet();
    for (id, server) in waiting {
        now.servers.insert(id, server);
    }
    let after = plan(&now, &PlanOptions::default());
    let fleet = now;
    let left = fleet.servers.len() - after.servers.len();
    violations += check(&fleet, &after).len();
    // Only reserves may move for those that wait still, and no data with them.
    let carried = |moved: &&Move| matches!(moved.kind, MoveKind::Primary | MoveKind::Copy);
    let carried_out = after.moves.iter().filter(carried).count();
    let reserves = after.moves.len() - carried_out;
    context.table.goal(
        &format!("churn: {events} events, unplaced"),
        &format!("{left} unplaced, {violations} faults on 11 looks, {carried_out} moved by the last plan"),
        &format!(
            "{arrivals} arrivals, {repacks} re-packs, {}, slowest {}, {reserves} reserves moved by the last plan",
            show(took),
            show(slowest)
        ),
        "0 unplaced, 0 moved",
        left == 0 && violations == 0 && carried_out == 0,
    );
    let before = raidc_certifier::idle_watts(&fleet, &after);
    let most = fleet.servers.len() * 6 / 100;
    let proposal = engine::fewer_hosts(&fleet, &after, most);
    let moves = proposal.moves.iter().filter(carried).count();
    let faults = check(&fleet, &proposal.plan).len();
    let permille = share(
        i64::try_from(moves).unwrap_or(0),
        i64::try_from(fleet.servers.len()).unwrap_or(1),
    );
    context.table.goal(
        "churn: consolidation, moves",
        &format!("{moves} moves, {faults} faults"),
        &format!("{before} W before, {} servers", fleet.servers.len()),
        &format!("{:.2} % <= 6 %", permille * 100.0),
        moves <= most && faults == 0,
    );
    watts(context, "churn: consolidated", &fleet, &proposal.plan, 1.05);
}

fn retry(
    engine: &mut Engine<'_>,
    waiting: &mut VecDeque<(ServerId, Server)>,
    present: &mut Vec<(ServerId, i64)>,
) {
    for _ in 0..waiting.len() {
        let Some((id, server)) = waiting.pop_front() else {
            return;
        };
        if engine.admit(&id, &server).1 {
            present.push((id, server.cpu_milli));
        } else {
            engine.remove(&id);
            waiting.push_back((id, server));
        }
    }
}
