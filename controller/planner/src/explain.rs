//! Why here, why not there, and what would let it in. No I/O.

use crate::adopt;
use crate::engine::Engine;
use crate::fits;
use crate::fleet::Fleet;
use crate::ids::{ColocationId, DemandId, ServerId};
use crate::outcome::{Explanation, SiteView};
use crate::plan::{Plan, PlanOptions, Spot};
use crate::reason::WaitingOn;
use crate::world;

/// Explains where `demand` stands in `plan`, which was made for `fleet`. A demand that is not in the fleet is explained
/// by empty lists.
pub fn explain(fleet: &Fleet, plan: &Plan, demand: &DemandId) -> Explanation {
    let mut explanation = Explanation {
        demand: demand.clone(),
        placed: Vec::new(),
        waiting: plan.waiting.get(demand).cloned(),
        sites: std::collections::BTreeMap::new(),
        fixes: Vec::new(),
    };
    match demand {
        DemandId::Server(id) => explain_server(fleet, plan, id, &mut explanation),
        DemandId::Colocation(id) => explain_colocation(fleet, plan, id, &mut explanation),
    }
    if let Some(waiting) = &explanation.waiting {
        explanation.fixes = fixes(&waiting.on);
    }
    explanation
}

fn show(spot: &Spot) -> String {
    format!("{}, rack {}, host {}", spot.site, spot.rack, spot.host)
}

fn explain_server(fleet: &Fleet, plan: &Plan, id: &ServerId, explanation: &mut Explanation) {
    if let Some(decided) = plan.servers.get(id) {
        explanation.placed.push(format!(
            "runs at {}, adding {} W",
            show(&decided.placement),
            decided.watts
        ));
        if let Some(backup) = &decided.backup {
            explanation
                .placed
                .push(format!("starts at {} when its place is lost", show(backup)));
        }
        for site in &decided.copy_sites {
            explanation
                .placed
                .push(format!("a copy of its data is at {site}"));
        }
        if let (Some(growth), Some(server)) = (&decided.growth, fleet.servers.get(id)) {
            explanation.placed.push(format!(
                "goes on with {}; the {} that it asks for wait on {}: {growth}",
                decided.granted,
                server.asked(),
                growth.reason()
            ));
        }
        explanation.placed.extend(decided.held.clone());
        let shed = plan.shed.iter().filter(|shed| shed.server == *id);
        explanation.placed.extend(shed.map(ToString::to_string));
        explanation.waiting = explanation
            .waiting
            .take()
            .or_else(|| decided.unprotected.as_deref().cloned());
    }
    // The world as the plan leaves it, without this server: what each host would say to it.
    let mut after = fleet.clone();
    plan.feed_back(&mut after);
    let world = world::build(&after);
    let Some(server) = world.server(id) else { return };
    let mut engine = Engine::new(&world, &PlanOptions::default());
    adopt::adopt(&mut engine);
    engine.books.lift(&world, server);
    // One that lost its place starts where its data is, also at a site that takes nothing new.
    let again = world.servers[server]
        .was
        .as_ref()
        .filter(|_| world.servers[server].released);
    for (site, dense) in world.sites.iter().enumerate() {
        let mut view = SiteView::default();
        if let Some(was) = again {
            let takes = |&host: &usize| world.hosts[host].takes_over();
            if !was.has_data(site) {
                view.closed = Some("has no copy of its data to start from".to_owned());
            } else if !dense.hosts.iter().any(takes) {
                view.closed = Some("no host takes anything now".to_owned());
            }
        } else if !dense.open {
            view.closed = Some("takes nothing new".to_owned());
        } else if !world.servers[server].allows(site) {
            view.closed = Some("not among the sites it may use".to_owned());
        }
        for &host in &dense.hosts {
            let name = &world.racks[world.hosts[host].rack].name;
            let rack = view.racks.entry(name.clone()).or_default();
            let fit = match again {
                Some(was) => fits::again(&world, &engine.books, server, was, host),
                None => fits::primary(&world, &engine.books, server, host),
            };
            match fit {
                Ok(()) => (view.fit, rack.fit) = (view.fit + 1, rack.fit + 1),
                Err(against) => {
                    for refused in [&mut view.refused, &mut rack.refused] {
                        *refused.entry(against.reason().to_owned()).or_default() += 1;
                    }
                }
            }
        }
        explanation.sites.insert(dense.name.clone(), view);
    }
}

fn explain_colocation(fleet: &Fleet, plan: &Plan, id: &ColocationId, explanation: &mut Explanation) {
    for place in plan.colocations.get(id).into_iter().flatten() {
        let units = match place.units {
            ..=1 => format!("unit {}", place.lowest_unit),
            more => format!(
                "units {} to {}",
                place.lowest_unit,
                place.lowest_unit.saturating_add(more - 1)
            ),
        };
        explanation.placed.push(format!(
            "device {} stands at {}, rack {}, {units}",
            place.device, place.site, place.rack
        ));
    }
    let allowed = fleet
        .colocations
        .get(id)
        .and_then(|colocation| colocation.sites_allowed.as_ref());
    for (name, ledger) in &plan.racks {
        let view = explanation.sites.entry(ledger.site.clone()).or_default();
        if allowed.is_some_and(|sites| !sites.contains(&ledger.site)) {
            view.closed = Some("not among the sites it may use".to_owned());
        }
        let room = format!(
            "{name}: {} W and {} U free",
            ledger.headroom_watts.max(0),
            ledger.units_free
        );
        *view.refused.entry(room).or_default() += 1;
    }
}

/// What would let it in, nearest first.
pub(crate) fn fixes(on: &WaitingOn) -> Vec<String> {
    let text = on.to_string();
    // The text of a reason ends with its fix, after the last colon.
    text.rsplit_once(": ")
        .map(|(_, fix)| fix.split(", or ").map(str::to_owned).collect())
        .unwrap_or_default()
}
