//! Is everything accounted for, at places that exist and may be used, within the quotas? No I/O.

use std::collections::BTreeMap;

use super::model::{AServer, Model, fault};
use crate::fault::{Fault, Rule};
use crate::fleet::{HostUse, Quota, State};
use crate::ids::{DemandId, TenantName};
use crate::plan::MoveKind;

/// Runs the checks of this file.
pub(super) fn check(model: &Model<'_>, faults: &mut Vec<Fault>) {
    everything_once(model, faults);
    for server in &model.servers {
        place(model, server, faults);
    }
    quotas(model, faults);
    moves(model, faults);
}

fn everything_once(model: &Model<'_>, faults: &mut Vec<Fault>) {
    for id in model.fleet.servers.keys() {
        let placed = model.plan.servers.contains_key(id);
        let waits = model.plan.waiting.contains_key(&DemandId::Server(id.clone()));
        if placed == waits {
            let how = if placed {
                "is placed and waits"
            } else {
                "is neither placed nor waiting"
            };
            faults.push(fault(Rule::Accounted, format!("server/{id}"), how));
        }
    }
    for (id, colocation) in &model.fleet.colocations {
        let placed = model.plan.colocations.get(id).map_or(0, Vec::len);
        let waits = model.plan.waiting.contains_key(&DemandId::Colocation(id.clone()));
        if placed < colocation.devices.len() && !waits {
            let how = "has devices that are neither placed nor waiting";
            faults.push(fault(Rule::Accounted, format!("colocation/{id}"), how));
        }
    }
    for id in model.plan.waiting.keys() {
        let known = match id {
            DemandId::Server(id) => model.fleet.servers.contains_key(id),
            DemandId::Colocation(id) => model.fleet.colocations.contains_key(id),
        };
        if !known {
            faults.push(fault(
                Rule::Accounted,
                id.to_string(),
                "waits and is not in the fleet",
            ));
        }
    }
}

fn place(model: &Model<'_>, server: &AServer<'_>, faults: &mut Vec<Fault>) {
    let what = || format!("server/{}", server.id);
    let spot = &server.plan.placement;
    let Some(host) = server.host else {
        let recorded = server.spec.current.as_ref().is_some_and(|current| {
            current.site == spot.site
                && current.rack == spot.rack
                && current.host.clone().unwrap_or_default() == spot.host
        });
        if server.plan.held.is_none() || !recorded {
            faults.push(fault(
                Rule::PlaceExists,
                what(),
                format!("runs on {}, which does not exist", spot.host),
            ));
        }
        return;
    };
    let host = &model.hosts[host];
    if host.spec.rack != spot.rack || host.spec.site != spot.site {
        faults.push(fault(
            Rule::PlaceExists,
            what(),
            format!("host {} is not in {}", spot.host, spot.rack),
        ));
    }
    if server.stayed {
        return;
    }
    let rack = &model.racks[host.rack];
    let open = host.site.state == State::Active
        && rack.spec.state == State::Active
        && host.spec.usable == HostUse::Usable;
    let before = server.spec.current.as_ref();
    // One that was down may start where its reserve was, or where its data is, on anything that works.
    let readable = |state: State| !matches!(state, State::Fenced | State::Unknown);
    let works = readable(host.site.state)
        && readable(rack.spec.state)
        && matches!(host.spec.usable, HostUse::Usable | HostUse::Draining);
    let recovers = before.is_some_and(|current| {
        current.backup.as_ref() == Some(host.name)
            || current.copy_sites.contains(&spot.site)
            || current.site == spot.site
    });
    if !(open || works && recovers) {
        faults.push(fault(
            Rule::PlaceExists,
            what(),
            format!("came to {}, which takes nothing new", spot.host),
        ));
    }
    let allowed = server
        .spec
        .sites_allowed
        .as_ref()
        .is_none_or(|sites| sites.contains(&spot.site));
    if !allowed && !recovers {
        faults.push(fault(
            Rule::PlaceExists,
            what(),
            format!("came to {}, which it may not use", spot.site),
        ));
    }
}

/// Per tenant: what is used, and what of it is new.
#[derive(Default)]
struct Used {
    all: [i128; 6],
    new: [i128; 6],
}

impl Used {
    fn add(&mut self, amounts: [i128; 6], new: bool) {
        for (at, amount) in amounts.into_iter().enumerate() {
            self.all[at] += amount;
            self.new[at] += if new { amount } else { 0 };
        }
    }
}

fn quotas(model: &Model<'_>, faults: &mut Vec<Fault>) {
    let mut used: BTreeMap<&TenantName, Used> = BTreeMap::new();
    for (id, server) in &model.fleet.servers {
        let new = server.current.is_none();
        if new && !model.plan.servers.contains_key(id) {
            continue;
        }
        let amounts = [server.cpu_milli, server.memory_mib, server.storage_mib].map(|n| i128::from(n.max(0)));
        let amounts = [1, amounts[0], amounts[1], amounts[2], 0, 0];
        used.entry(&server.tenant).or_default().add(amounts, new);
    }
    for (id, places) in &model.plan.colocations {
        let Some(colocation) = model.fleet.colocations.get(id) else {
            continue;
        };
        for place in places {
            let Some(device) = colocation
                .devices
                .iter()
                .find(|device| device.name == place.device)
            else {
                continue;
            };
            let new = !colocation.current.contains_key(&device.name);
            let amounts = [0, 0, 0, 0, i128::from(device.watts), i128::from(device.units)];
            used.entry(&colocation.tenant).or_default().add(amounts, new);
        }
    }
    for (tenant, used) in used {
        let Some(spec) = model.fleet.tenants.get(tenant) else {
            if used.new.iter().any(|&new| new > 0) {
                faults.push(fault(
                    Rule::Quota,
                    format!("tenant/{tenant}"),
                    "is not known and something new was placed",
                ));
            }
            continue;
        };
        for ((limit, name), (all, new)) in limits(&spec.quota)
            .into_iter()
            .zip(used.all.into_iter().zip(used.new))
        {
            if let Some(limit) = limit
                && all > i128::from(limit)
                && new > 0
            {
                let how = format!("uses {all} of {limit} {name}, {new} of it new");
                faults.push(fault(Rule::Quota, format!("tenant/{tenant}"), how));
            }
        }
    }
}

fn limits(quota: &Quota) -> [(Option<i64>, &'static str); 6] {
    [
        (quota.servers, "servers"),
        (quota.cpu_milli, "milli-cores"),
        (quota.memory_mib, "MiB of memory"),
        (quota.storage_mib, "MiB of storage"),
        (quota.watts, "watts"),
        (quota.rack_units, "rack units"),
    ]
}

/// Every change of a primary is in `moves`, and nothing else is.
fn moves(model: &Model<'_>, faults: &mut Vec<Fault>) {
    let mut listed: BTreeMap<_, _> = BTreeMap::new();
    for moved in model
        .plan
        .moves
        .iter()
        .filter(|moved| moved.kind == MoveKind::Primary)
    {
        if listed.insert(&moved.server, moved).is_some() {
            faults.push(fault(
                Rule::Moves,
                format!("server/{}", moved.server),
                "moves twice",
            ));
        }
    }
    for server in &model.servers {
        let what = || format!("server/{}", server.id);
        let moved = listed.remove(server.id);
        let changes = server.spec.current.is_some() && !server.stayed;
        match moved {
            Some(moved) if moved.to != server.plan.placement => {
                faults.push(fault(
                    Rule::Moves,
                    what(),
                    "its move does not lead to where it is",
                ));
            }
            Some(_) if !changes => faults.push(fault(Rule::Moves, what(), "a move is listed and it stays")),
            None if changes => faults.push(fault(Rule::Moves, what(), "it moves and no move is listed")),
            _ => {}
        }
    }
    for id in listed.into_keys() {
        faults.push(fault(
            Rule::Moves,
            format!("server/{id}"),
            "a move is listed of what is not placed",
        ));
    }
}
