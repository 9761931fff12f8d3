//! Does the plan list every change of a place, and nothing else? No I/O.

use std::collections::BTreeMap;

use super::model::{Model, Placed, fault};
use crate::fault::{Fault, Rule};
use crate::ids::{ServerId, SiteName};
use crate::plan::{Move, MoveKind, MoveReason, Spot};

/// Runs the checks of this file.
pub(super) fn check(model: &Model<'_>, faults: &mut Vec<Fault>) {
    makes_room(model, faults);
    let mut listed: BTreeMap<&ServerId, Vec<&Move>> = BTreeMap::new();
    for moved in &model.plan.moves {
        listed.entry(&moved.server).or_default().push(moved);
    }
    for &at in &model.noted.changed {
        let server = &model.servers[at];
        let moves = listed.remove(server.id).unwrap_or_default();
        of_one(model, server, moves, faults);
    }
    // Of these nothing has changed.
    for (id, moves) in listed {
        if let Ok(at) = model.servers.binary_search_by(|server| server.id.cmp(id)) {
            of_one(model, &model.servers[at], moves, faults);
        } else {
            let how = "a move is listed of what is not placed";
            faults.push(fault(Rule::Moves, format!("server/{id}"), how));
        }
    }
}

/// The moves of one server, if there are any.
fn of_one(model: &Model<'_>, server: &Placed<'_>, moves: Vec<&Move>, faults: &mut Vec<Fault>) {
    let mut say = |how: &str| faults.push(fault(Rule::Moves, format!("server/{}", server.id), how));
    let (primary, others): (Vec<&Move>, Vec<&Move>) = moves
        .into_iter()
        .partition(|moved| moved.kind == MoveKind::Primary);
    primaries(server, &primary, &mut say);
    copies(model, server, others, &mut say);
}

/// What makes room for another copies no data, stays at its site, and moves only for one that is new and no less important.
fn makes_room(model: &Model<'_>, faults: &mut Vec<Fault>) {
    let moves = &model.plan.moves;
    if moves.iter().all(|moved| moved.reason != MoveReason::MakesRoom) {
        return;
    }
    let came = model
        .servers
        .iter()
        .filter(|server| server.spec.current.is_none());
    let first = came.map(|server| server.spec.tier).min();
    for moved in moves.iter().filter(|moved| moved.reason == MoveReason::MakesRoom) {
        let tier = model.fleet.servers.get(&moved.server).map(|server| server.tier);
        let wrong = match moved.kind {
            MoveKind::Copy => "copies data to make room",
            MoveKind::Primary if moved.from.site != moved.to.site => "leaves its site to make room",
            MoveKind::Primary if first.is_none() || tier < first => "makes room and nobody as important came",
            _ => continue,
        };
        faults.push(fault(Rule::Moves, format!("server/{}", moved.server), wrong));
    }
}

fn primaries(server: &Placed<'_>, listed: &[&Move], say: &mut impl FnMut(&str)) {
    let changes = server.spec.current.is_some() && !server.stayed;
    if listed.len() > 1 {
        say("moves twice");
    }
    let Some(moved) = listed.first() else {
        if changes {
            say("it moves and no move is listed");
        }
        return;
    };
    let came = server.spec.current.as_ref().is_some_and(|current| {
        current.site == moved.from.site
            && current.rack == moved.from.rack
            && current.host.clone().unwrap_or_default() == moved.from.host
    });
    if moved.to != server.plan.placement {
        say("its move does not lead to where it is");
    } else if !changes {
        say("a move is listed and it stays");
    } else if !came {
        say("its move does not start where it was");
    }
}

/// Reserves and copies. A reserve that a server did not have, at a site with a copy, moves nothing and is not listed.
fn copies(model: &Model<'_>, server: &Placed<'_>, mut listed: Vec<&Move>, say: &mut impl FnMut(&str)) {
    let (base, plan) = (&model.base, server.plan);
    let Some(current) = &server.spec.current else {
        say("a move is listed of what is new");
        return;
    };
    let was = current.backup.as_ref().and_then(|name| base.host_named(name));
    let was_site = was.map(|host| base.sites[base.hosts[host].site].name);
    let host = current.host.as_ref().and_then(|name| base.host_named(name));
    let home = host.map_or(&current.site, |host| base.sites[base.hosts[host].site].name);
    let fresh =
        |site: &SiteName| site != home && was_site != Some(site) && !current.copy_sites.contains(site);
    let mut expected: Vec<(MoveKind, Option<&Spot>, &SiteName)> = Vec::new();
    let backup = plan.backup.as_ref();
    if let Some(backup) = backup.filter(|_| was.is_some() && server.backup.is_some() && was != server.backup)
    {
        let kind = if fresh(&backup.site) {
            MoveKind::Copy
        } else {
            MoveKind::Backup
        };
        expected.push((kind, Some(backup), &backup.site));
    }
    for site in plan.copy_sites.iter().filter(|site| fresh(site)) {
        let at = backup.filter(|backup| backup.site == *site);
        if !expected.iter().any(|(_, _, other)| *other == site) {
            expected.push((MoveKind::Copy, at, site));
        }
    }
    for (kind, spot, site) in expected {
        let leads = |moved: &&Move| {
            let copy_only = || {
                moved.to.site == *site
                    && moved.to.rack.as_str().is_empty()
                    && moved.to.host.as_str().is_empty()
            };
            moved.kind == kind && spot.map_or_else(copy_only, |spot| moved.to == *spot)
        };
        match listed.iter().position(leads) {
            Some(at) => drop(listed.swap_remove(at)),
            None => say("a reserve or copy moves and no move of it is listed"),
        }
    }
    if !listed.is_empty() {
        say("a move of a reserve or copy is listed and nothing of it moves");
    }
}
