//! Does everything fit in normal running: hosts, site ceilings, rack power, storage? No I/O.

use std::collections::BTreeMap;

use super::model::{Model, fault};
use crate::fault::{Fault, Rule};
use crate::fleet::{HostUse, State};
use crate::ids::SiteName;
use crate::plan::ExcessOf;

/// Runs the checks of this file.
pub(super) fn check(model: &Model<'_>, faults: &mut Vec<Fault>) {
    hosts(model, faults);
    racks(model, faults);
    ceilings(model, faults);
    storage(model, faults);
}

fn declared(model: &Model<'_>, of: &ExcessOf) -> bool {
    model.plan.excesses.iter().any(|excess| excess.of == *of)
}

fn readable(state: State) -> bool {
    !matches!(state, State::Fenced | State::Unknown)
}

fn hosts(model: &Model<'_>, faults: &mut Vec<Fault>) {
    let mut used = vec![[0i128; 2]; model.hosts.len()];
    let mut arrivals = vec![false; model.hosts.len()];
    for server in &model.servers {
        let Some(host) = server.host else { continue };
        for (used, need) in used[host].iter_mut().zip(server.need) {
            *used += need;
        }
        arrivals[host] |= !server.stayed;
    }
    for (at, host) in model.hosts.iter().enumerate() {
        let rack = &model.racks[host.rack];
        let known = readable(host.site.state)
            && readable(rack.spec.state)
            && !matches!(host.spec.usable, HostUse::NotReady | HostUse::Unknown);
        let over = (0..2).any(|d| used[at][d] > host.room[d]);
        if over && (arrivals[at] || known && !declared(model, &ExcessOf::Host(host.name.clone()))) {
            let how = format!("carries {:?} of {:?} (milli-cores, MiB)", used[at], host.room);
            faults.push(fault(Rule::HostFits, format!("host/{}", host.name), how));
        }
    }
}

fn racks(model: &Model<'_>, faults: &mut Vec<Fault>) {
    let mut arrivals = vec![false; model.racks.len()];
    for server in &model.servers {
        if let (Some(host), false) = (server.host, server.stayed) {
            arrivals[model.hosts[host].rack] = true;
        }
    }
    for (id, places) in &model.plan.colocations {
        for place in places {
            let before = model
                .fleet
                .colocations
                .get(id)
                .and_then(|c| c.current.get(&place.device));
            if let (None, Some(rack)) = (before, model.rack(&place.rack)) {
                arrivals[rack] = true;
            }
        }
    }
    for (at, rack) in model.racks.iter().enumerate() {
        let over = rack.drawn_mw > rack.capacity_mw;
        let silent = readable(rack.site.state) && !declared(model, &ExcessOf::Rack(rack.name.clone()));
        if over && (arrivals[at] || silent) {
            let how = format!("draws {} mW of {} mW", rack.drawn_mw, rack.capacity_mw);
            faults.push(fault(Rule::RackWatts, format!("rack/{}", rack.name), how));
        }
    }
}

fn ceilings(model: &Model<'_>, faults: &mut Vec<Fault>) {
    let mut room: BTreeMap<&SiteName, [i128; 2]> = BTreeMap::new();
    let mut used: BTreeMap<&SiteName, [i128; 2]> = BTreeMap::new();
    for host in &model.hosts {
        let rack = &model.racks[host.rack];
        let stays = |state: State| matches!(state, State::Active | State::Cordoned);
        let counts = stays(host.site.state)
            && stays(rack.spec.state)
            && matches!(host.spec.usable, HostUse::Usable | HostUse::Cordoned);
        if !counts || host.fenced {
            continue;
        }
        let overcommit = i128::from(host.site.cpu_overcommit_percent.clamp(1, 10_000));
        let taken = i128::from(host.spec.taken_cpu_milli) * overcommit / 100;
        let room = room.entry(&host.spec.site).or_default();
        room[0] += host.virtual_cpu;
        room[1] += i128::from(host.spec.memory_mib);
        let used = used.entry(&host.spec.site).or_default();
        used[0] += taken.min(host.virtual_cpu);
        used[1] += i128::from(host.spec.taken_memory_mib.min(host.spec.memory_mib));
    }
    let mut fresh: BTreeMap<&SiteName, bool> = BTreeMap::new();
    for server in &model.servers {
        let site = &server.plan.placement.site;
        let used = used.entry(site).or_default();
        for (used, need) in used.iter_mut().zip(server.need) {
            *used += need;
        }
        *fresh.entry(site).or_default() |= server.spec.current.is_none();
    }
    for (name, used) in used {
        let percent = model
            .fleet
            .sites
            .get(name)
            .map_or(0, |site| site.ceiling_percent.clamp(0, 100));
        let room = room.get(name).copied().unwrap_or_default();
        let over = (0..2).any(|d| used[d] * 100 > room[d] * i128::from(percent));
        if over && fresh.get(name).copied().unwrap_or_default() {
            let how = format!(
                "{used:?} of {room:?} (milli-cores, MiB) is above {percent} % with a new server there"
            );
            faults.push(fault(Rule::SiteCeiling, format!("site/{name}"), how));
        }
    }
}

fn storage(model: &Model<'_>, faults: &mut Vec<Fault>) {
    let mut used: BTreeMap<&SiteName, (i128, bool)> = BTreeMap::new();
    for server in &model.servers {
        let current = server.spec.current.as_ref();
        let backup = current.and_then(|current| current.backup.as_ref());
        let backup_site = backup
            .and_then(|name| model.fleet.hosts.get(name))
            .map(|host| &host.site);
        for site in std::iter::once(&server.plan.placement.site).chain(&server.plan.copy_sites) {
            let had = backup_site == Some(site)
                || current.is_some_and(|current| current.site == *site || current.copy_sites.contains(site));
            let entry = used.entry(site).or_default();
            entry.0 += i128::from(server.spec.storage_mib.max(0));
            entry.1 |= !had && server.spec.storage_mib > 0;
        }
    }
    for (name, (used, fresh)) in used {
        let Some(site) = model.fleet.sites.get(name) else {
            continue;
        };
        let Some(limit) = site.storage_mib else { continue };
        let limit = i128::from(limit) - i128::from(site.storage_taken_mib.max(0));
        if used > limit.max(0) && fresh {
            let how = format!("stores {used} of {limit} MiB, some of it new");
            faults.push(fault(Rule::Storage, format!("site/{name}"), how));
        }
    }
}
