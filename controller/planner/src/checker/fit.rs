//! Does everything fit in normal running: hosts, site ceilings, rack power, storage? And does the plan say so, and only
//! so, where it does not? No I/O.

use super::accounts::{known, settled};
use super::base::readable;
use super::model::{Model, fault};
use super::physics::watts_up;
use super::totals::Totals;
use crate::fault::{Fault, Rule};
use crate::plan::{Excess, ExcessOf};
use crate::reason::Resource;

const MEASURES: [Resource; 2] = [Resource::Cpu, Resource::Memory];

/// Room and use of one site.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SiteRoom {
    pub(super) hosts: i64,
    pub(super) hosts_usable: i64,
    /// Of the hosts that count for the ceiling.
    pub(super) capacity: [i64; 2],
    pub(super) ceiling: [i64; 2],
    pub(super) used: [i64; 2],
    /// MiB that the plan's servers and copies may use; `None` is no limit.
    pub(super) storage: Option<i64>,
    pub(super) stored: i128,
}

/// Room and use of every site.
pub(super) fn site_rooms(model: &Model<'_>, totals: &Totals<'_>) -> Vec<SiteRoom> {
    let mut rooms = vec![SiteRoom::default(); model.base.sites.len()];
    for (at, host) in model.base.hosts.iter().enumerate() {
        let room = &mut rooms[host.site];
        room.hosts += 1;
        room.hosts_usable += i64::from(known(model, at));
        if host.counts {
            for d in 0..2 {
                // 10^9 milli-cores a hundredfold and 2^40 MiB: 2^20 hosts stay below 2^60.
                room.capacity[d] = room.capacity[d].saturating_add(host.build.whole[d]);
                room.used[d] = room.used[d].saturating_add(host.build.taken[d]);
            }
        }
    }
    for (at, (room, site)) in rooms.iter_mut().zip(&model.base.sites).enumerate() {
        let sums = totals.site(at);
        let percent = site.spec.map_or(0, |spec| spec.ceiling_percent.clamp(0, 100));
        for d in 0..2 {
            let ceiling = i128::from(room.capacity[d]) * i128::from(percent) / 100;
            room.ceiling[d] = i64::try_from(ceiling).unwrap_or(i64::MAX);
            room.used[d] = room.used[d].saturating_add(sums.need[d]);
        }
        room.stored = sums.stored + sums.left;
        room.storage = site.spec.and_then(|spec| {
            let taken = spec.storage_taken_mib.clamp(0, 1 << 40);
            spec.storage_mib.map(|mib| (mib.clamp(0, 1 << 40) - taken).max(0))
        });
    }
    rooms
}

/// Runs the checks of this file.
pub(super) fn check(model: &Model<'_>, totals: &Totals<'_>, rooms: &[SiteRoom], faults: &mut Vec<Fault>) {
    listed(model, rooms, faults);
    hosts(model, faults);
    racks(model, faults);
    sites(model, totals, rooms, faults);
}

fn declared(model: &Model<'_>, of: &ExcessOf, resource: Resource) -> bool {
    let mut excesses = model.plan.excesses.iter();
    excesses.any(|excess| excess.of == *of && excess.resource == resource)
}

/// Whatever the plan calls too full is: by these figures.
fn listed(model: &Model<'_>, rooms: &[SiteRoom], faults: &mut Vec<Fault>) {
    for (at, excess) in model.plan.excesses.iter().enumerate() {
        let counted = figures(model, rooms, excess);
        let said = (i128::from(excess.used), i128::from(excess.limit));
        let twice = || {
            let others = &model.plan.excesses[..at];
            others
                .iter()
                .any(|other| other.of == excess.of && other.resource == excess.resource)
        };
        if counted != Some(said) || said.0 <= said.1 || twice() {
            let how = format!("says {said:?} and {counted:?} was counted (used, limit)");
            faults.push(fault(Rule::Ledger, format!("excess/{:?}", excess.of), how));
        }
    }
}

fn figures(model: &Model<'_>, rooms: &[SiteRoom], excess: &Excess) -> Option<(i128, i128)> {
    let measure = MEASURES.iter().position(|measure| *measure == excess.resource);
    match &excess.of {
        ExcessOf::Host(name) => {
            let (host, d) = (model.base.host_named(name)?, measure?);
            let room = model.base.hosts[host].build.room;
            Some((model.used[host][d].into(), room[d].into()))
        }
        ExcessOf::Rack(name) => {
            let rack = model
                .base
                .rack(name)
                .filter(|_| excess.resource == Resource::Watts)?;
            let capacity = model.base.racks[rack].capacity_mw.div_euclid(1000);
            Some((watts_up(model.drawn_mw[rack]), capacity))
        }
        ExcessOf::Site(name) => {
            let room = &rooms[model.base.site(name)?];
            match (measure, excess.resource) {
                (Some(d), _) => Some((room.used[d].into(), room.ceiling[d].into())),
                (None, Resource::Storage) => Some((room.stored, room.storage?.into())),
                (None, _) => None,
            }
        }
    }
}

fn hosts(model: &Model<'_>, faults: &mut Vec<Fault>) {
    for (at, host) in model.base.hosts.iter().enumerate() {
        let (used, room) = (model.used[at], host.build.room);
        if used[0] <= room[0] && used[1] <= room[1] {
            continue;
        }
        let of = ExcessOf::Host(host.name.clone());
        let over = (0..2).filter(|&d| used[d] > room[d]);
        let silent = over
            .map(|d| MEASURES[d])
            .any(|measure| !declared(model, &of, measure));
        let arrived = (0..2).any(|d| used[d] > room[d] && model.arrivals[at][d]);
        if arrived || known(model, at) && silent {
            let how = format!("carries {used:?} of {room:?} (milli-cores, MiB)");
            faults.push(fault(Rule::HostFits, format!("host/{}", host.name), how));
        }
    }
}

fn racks(model: &Model<'_>, faults: &mut Vec<Fault>) {
    let over = |at: usize| model.drawn_mw[at] > model.base.racks[at].capacity_mw;
    if !(0..model.base.racks.len()).any(over) {
        return;
    }
    let mut arrivals = vec![false; model.base.racks.len()];
    for (host, &arrived) in model.base.hosts.iter().zip(&model.arrivals) {
        arrivals[host.rack] |= arrived[0];
    }
    for (id, places) in &model.plan.colocations {
        let colocation = model.fleet.colocations.get(id);
        for place in places {
            let before = colocation.and_then(|colocation| colocation.current.get(&place.device));
            if let (None, Some(rack)) = (before, model.base.rack(&place.rack)) {
                arrivals[rack] = true;
            }
        }
    }
    for (at, rack) in model.base.racks.iter().enumerate().filter(|&(at, _)| over(at)) {
        let silent = readable(model.base.sites[rack.site].state)
            && !declared(model, &ExcessOf::Rack(rack.name.clone()), Resource::Watts);
        if arrivals[at] || silent {
            let how = format!("draws {} mW of {} mW", model.drawn_mw[at], rack.capacity_mw);
            faults.push(fault(Rule::RackWatts, format!("rack/{}", rack.name), how));
        }
    }
}

fn sites(model: &Model<'_>, totals: &Totals<'_>, rooms: &[SiteRoom], faults: &mut Vec<Fault>) {
    for (at, (site, room)) in model.base.sites.iter().zip(rooms).enumerate() {
        let what = || format!("site/{}", site.name);
        let silent =
            |resource| settled(site.state) && !declared(model, &ExcessOf::Site(site.name.clone()), resource);
        let sums = totals.site(at);
        for (d, measure) in MEASURES.into_iter().enumerate() {
            let (used, ceiling) = (room.used[d], room.ceiling[d]);
            let fresh = sums.fresh[d] || sums.traded[d] && used - sums.came[d] > ceiling;
            if used > ceiling && (fresh || silent(measure)) {
                let new = if fresh {
                    ", with a new server or a larger one there"
                } else {
                    ""
                };
                let how = format!("uses {used} of {ceiling} (milli-cores or MiB){new}");
                faults.push(fault(Rule::SiteCeiling, what(), how));
            }
        }
        let Some(limit) = room.storage else { continue };
        let limit = i128::from(limit);
        if sums.stored > limit && sums.stored_fresh || room.stored > limit && silent(Resource::Storage) {
            let new = if sums.stored_fresh { ", some of it new" } else { "" };
            let how = format!("stores {} of {limit} MiB{new}", room.stored);
            faults.push(fault(Rule::Storage, what(), how));
        }
    }
}
