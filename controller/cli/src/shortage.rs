//! Which servers exceed which sites, whatever the plan: the certifier's smallest cuts, where somebody waits for room. No I/O.

use raidc_certifier::{Bottleneck, bottlenecks};
use raidc_planner::{DemandId, Resource, SiteName, Waiting, WaitingOn};
use serde::Serialize;

use crate::world::World;

/// Servers that together exceed the sites that they may be at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shortage {
    /// The certifier's figures: thousandths of a core, MiB.
    #[serde(flatten)]
    pub bottleneck: Bottleneck,
    /// The same in a sentence.
    pub message: String,
}

/// What no plan could mend, when anything waits for room; nothing otherwise.
#[must_use]
pub fn of(world: &World) -> Vec<Shortage> {
    let wait = world.plan.waiting.values();
    let unprotected = world
        .plan
        .servers
        .values()
        .filter_map(|decided| decided.unprotected.as_deref());
    if !wait.chain(unprotected).any(for_room) {
        return Vec::new();
    }
    all(world)
}

/// What no plan could mend, whether or not it is what anything waits for.
#[must_use]
pub fn all(world: &World) -> Vec<Shortage> {
    let found = bottlenecks(&world.fleet, &world.plan);
    let told = |bottleneck: Bottleneck| Shortage {
        message: bottleneck.to_string(),
        bottleneck,
    };
    found.into_iter().map(told).collect()
}

/// Those of them that a server is one of. Nothing for a colocation: it takes neither cores nor memory.
#[must_use]
pub fn concerning(world: &World, demand: &DemandId) -> Vec<Shortage> {
    let DemandId::Server(id) = demand else {
        return Vec::new();
    };
    let Some(server) = world.fleet.servers.get(id) else {
        return Vec::new();
    };
    let size = (
        server.cpu_milli,
        server.memory_mib.saturating_add(server.overhead_mib),
    );
    let mut found = all(world);
    found.retain(|Shortage { bottleneck, .. }| {
        let bound = |only: &Vec<SiteName>| {
            let allowed = server.sites_allowed.as_ref();
            allowed.is_some_and(|sites| sites.iter().all(|site| only.contains(site)))
        };
        let lost = bottleneck.loss.is_none() || server.copies > 1;
        lost && bottleneck.only.as_ref().is_none_or(bound) && bottleneck.size.is_none_or(|of| of == size)
    });
    found
}

/// Whether cores or memory are what it waits for, here or after a loss.
#[must_use]
pub fn for_room(waiting: &Waiting) -> bool {
    match waiting.on {
        WaitingOn::SiteCeiling { resource, .. }
        | WaitingOn::HostFull { resource, .. }
        | WaitingOn::ReserveForLoss { resource, .. } => matches!(resource, Resource::Cpu | Resource::Memory),
        WaitingOn::Queue { .. } => true,
        _ => false,
    }
}

/// The sentences for people, under a title; empty when there are none.
#[must_use]
pub fn text(shortages: &[Shortage]) -> String {
    if shortages.is_empty() {
        return String::new();
    }
    let mut text = "\nMore than the sites can hold, however it is placed\n".to_owned();
    for shortage in shortages {
        text += "  ";
        text += &shortage.message;
        text.push('\n');
    }
    text + "  What helps: more hosts there, more sites for these servers, or fewer or smaller servers.\n"
}
