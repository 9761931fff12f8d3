//! The moments in which somebody may have to stop: the end of a plan, and after a loss. No I/O.

use std::collections::BTreeMap;

use super::{Proposal, propose};
use crate::colocate::Space;
use crate::fleet::Fleet;
use crate::ids::{RackName, ServerId};
use crate::outcome::{LossOutcome, RackAfter};
use crate::plan::{Plan, Spot};
use crate::state::Books;
use crate::world::{self, World};

/// The racks of which something is known.
fn known_racks(world: &World<'_>) -> Vec<bool> {
    world
        .racks
        .iter()
        .map(|rack| !world.sites[rack.site].held)
        .collect()
}

/// For a plan: who has to stop as things stand at its end, and who of the homeless could then start.
pub(crate) fn of_plan(world: &World<'_>, books: &Books, homeless: &[usize]) -> Proposal {
    let down: Vec<(usize, Vec<usize>)> = homeless
        .iter()
        .filter_map(|&server| {
            let dense = &world.servers[server];
            let was = dense.was.as_ref()?;
            let mut sites = was.copies.clone();
            // What a released server left behind may be stale, and what is held cannot be started.
            if !dense.released {
                sites.push(was.site);
            }
            sites.sort_unstable();
            sites.dedup();
            let runs = world
                .fleet
                .servers
                .get(&world.ids[server])
                .is_some_and(|spec| spec.running);
            runs.then_some((server, sites))
        })
        .collect();
    propose(world, books, known_racks(world), down)
}

/// For a loss that `outcome` tells of: who has to stop once everybody has started, and who of the stranded could then start.
/// `lost` says which racks are gone.
pub(crate) fn of_loss(
    fleet: &Fleet,
    plan: &Plan,
    outcome: &LossOutcome,
    lost: impl Fn(&RackName) -> bool,
) -> Proposal {
    let over = |after: &RackAfter| after.after_watts > after.capacity_watts;
    if outcome.stranded.is_empty() && plan.excesses.is_empty() && !outcome.racks.values().any(over) {
        return Proposal::default();
    }
    let mut now = fleet.clone();
    plan.feed_back(&mut now);
    let world = world::build(&now);
    let mut books = Books::new(&world);
    Space::adopt(&world, &mut books);
    let mut counts = known_racks(&world);
    for (counts, rack) in counts.iter_mut().zip(&world.racks) {
        *counts &= !lost(&rack.name);
    }
    let starts: BTreeMap<&ServerId, &Spot> = outcome
        .starts
        .iter()
        .map(|start| (&start.server, &start.to))
        .collect();
    for (id, decided) in &plan.servers {
        let Some(server) = world.server(id) else { continue };
        let spot = match starts.get(id) {
            Some(to) => to,
            None => &decided.placement,
        };
        if let Some(host) = world.host(&spot.host)
            && !lost(&spot.rack)
        {
            books.add_primary(&world, server, host);
        }
    }
    let stranded = outcome.stranded.iter().filter_map(|id| {
        let server = world.server(id)?;
        let copies = &plan.servers.get(id)?.copy_sites;
        let sites = copies.iter().filter_map(|site| world.site(site));
        let runs = fleet.servers.get(id).is_some_and(|spec| spec.running);
        runs.then(|| (server, sites.collect()))
    });
    propose(&world, &books, counts, stranded.collect())
}
