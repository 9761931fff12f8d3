//! Are the plan's own figures what its placements give: racks, scenarios, pairs, sites, draws? No I/O.

use std::collections::BTreeMap;

use super::fit::SiteRoom;
use super::model::{Model, Placed, fault};
use super::physics::watts_up;
use super::scenarios::Scenarios;
use super::survive::{Counts, Losses};
use super::totals::Totals;
use crate::fault::{Fault, Rule};
use crate::fleet::State;
use crate::ids::SiteName;
use crate::plan::{SiteLedger, Survival};
use crate::scenario::Scenario;

/// Per rack the scenario that its ledger calls the worst.
pub(super) fn named_worst(model: &Model<'_>, scenarios: &Scenarios) -> Vec<Option<usize>> {
    let racks = model.base.racks.iter();
    racks
        .map(|rack| scenarios.index(model.plan.racks.get(rack.name)?.worst.as_ref()?))
        .collect()
}

/// What else this file needs to know.
pub(super) struct Counted<'c, 'a> {
    pub(super) scenarios: &'c Scenarios,
    pub(super) losses: &'c Losses<'a>,
    pub(super) totals: &'c Totals<'a>,
    pub(super) rooms: &'c [SiteRoom],
    /// Per rack.
    pub(super) units_free: &'c [i64],
}

/// Runs the checks of this file.
pub(super) fn check(model: &Model<'_>, counted: &Counted<'_, '_>, faults: &mut Vec<Fault>) {
    certificate(model, counted, faults);
    racks(model, counted, faults);
    pairs(model, counted, faults);
    sites(model, counted, faults);
}

fn differs(what: String, said: impl std::fmt::Debug, counted: impl std::fmt::Debug, of: &str) -> Fault {
    fault(
        Rule::Ledger,
        what,
        format!("says {said:?} and {counted:?} was counted ({of})"),
    )
}

/// What the plan says that one server draws.
pub(super) fn draw(server: &Placed<'_>, faults: &mut Vec<Fault>) {
    let counted = server.draw_mw / 1000 + i64::from(server.draw_mw % 1000 > 0);
    if server.plan.watts != counted {
        let what = format!("server/{}", server.id);
        faults.push(differs(what, server.plan.watts, counted, "draw, W"));
    }
}

fn certificate(model: &Model<'_>, counted: &Counted<'_, '_>, faults: &mut Vec<Fault>) {
    let (all, listed) = (&counted.scenarios.all, &model.plan.scenarios);
    let in_order = all.len() == listed.len()
        && all
            .iter()
            .zip(listed)
            .all(|((scenario, _), summary)| *scenario == summary.scenario);
    let mut by_name: BTreeMap<&Scenario, usize> = BTreeMap::new();
    if !in_order {
        by_name = listed
            .iter()
            .enumerate()
            .map(|(at, summary)| (&summary.scenario, at))
            .collect();
        if by_name.len() != all.len() || listed.len() != all.len() {
            let how = format!("lists {} scenarios of {}", listed.len(), all.len());
            faults.push(fault(Rule::Ledger, "plan", how));
        }
    }
    for (f, ((scenario, _), counts)) in all.iter().zip(&counted.losses.counts).enumerate() {
        let at = if in_order {
            Some(f)
        } else {
            by_name.get(scenario).copied()
        };
        let said = at.map(|at| {
            let summary = &listed[at];
            (
                summary.displaced,
                summary.restarted,
                summary.single_copy,
                summary.stranded,
            )
        });
        let counts = (
            counts.displaced,
            counts.restarted,
            counts.single_copy,
            counts.stranded,
        );
        if said != Some(counts) {
            let of = "displaced, restarted, single, stranded";
            faults.push(differs(scenario.to_string(), said, counts, of));
        }
    }
}

fn racks(model: &Model<'_>, counted: &Counted<'_, '_>, faults: &mut Vec<Fault>) {
    let mut nameplates = vec![0i64; model.base.racks.len()];
    for host in &model.base.hosts {
        nameplates[host.rack] += i64::from(!host.spec.watts_known);
    }
    for (at, rack) in model.base.racks.iter().enumerate() {
        let what = || format!("rack/{}", rack.name);
        let Some(ledger) = model.plan.racks.get(rack.name) else {
            faults.push(fault(Rule::Ledger, what(), "has no ledger"));
            continue;
        };
        let (most, named) = (counted.losses.most_mw[at], counted.losses.named_mw[at]);
        let capacity = rack.capacity_mw.div_euclid(1000);
        let (drawn, reserved) = (watts_up(model.drawn_mw[at]), watts_up(most));
        let fits = model.drawn_mw[at] + most <= rack.capacity_mw;
        let left = capacity - drawn - reserved;
        // Rounding up twice may tell of a watt too much in a rack that is not too full.
        let left = if fits { left.max(0) } else { left };
        let truth = [capacity, drawn, reserved, left];
        let said = [
            ledger.capacity_watts,
            ledger.committed_watts,
            ledger.reserved_watts,
            ledger.headroom_watts,
        ]
        .map(i128::from);
        if said != truth {
            let of = "capacity, committed, reserved, headroom; W";
            faults.push(differs(what(), said, truth, of));
        }
        // Where two scenarios add as much, either may be named.
        if (most > 0) != ledger.worst.is_some() || named != most {
            let said = ledger.worst.as_ref().map(ToString::to_string);
            faults.push(differs(
                what(),
                said,
                most,
                "worst scenario; mW that the worst adds",
            ));
        }
        let said = (ledger.units, ledger.units_free, ledger.hosts_by_nameplate);
        let truth = (rack.spec.units, counted.units_free[at], nameplates[at]);
        if said != truth || ledger.site != rack.spec.site {
            let of = "units, free units, hosts by nameplate; or its site";
            faults.push(differs(what(), said, truth, of));
        }
    }
    for name in model.plan.racks.keys() {
        if model.base.rack(name).is_none() {
            let how = "has a ledger and is not in the fleet";
            faults.push(fault(Rule::Ledger, format!("rack/{name}"), how));
        }
    }
}

fn pairs(model: &Model<'_>, counted: &Counted<'_, '_>, faults: &mut Vec<Fault>) {
    let mut listed: BTreeMap<(&SiteName, &SiteName), [i128; 5]> = BTreeMap::new();
    for (from, row) in &model.plan.pairs {
        for (to, load) in row {
            let figures = [
                load.servers,
                load.cpu_milli,
                load.memory_mib,
                load.watts,
                load.share_permille,
            ];
            listed.insert((from, to), figures.map(i128::from));
        }
    }
    for (from, to, pair) in counted.totals.pairs() {
        let room = &counted.rooms[to];
        let share = |d: usize| {
            let after = i128::from(room.used[d]) + i128::from(pair.need[d]);
            after * 1000 / i128::from(room.capacity[d].max(1))
        };
        let truth = [
            pair.servers.into(),
            pair.need[0].into(),
            pair.need[1].into(),
            watts_up(pair.draw_mw),
            // The ledger's figure ends where an i64 does.
            share(0).max(share(1)).min(i64::MAX.into()),
        ];
        let (from, to) = (model.base.sites[from].name, model.base.sites[to].name);
        let said = listed.remove(&(from, to));
        if said != Some(truth) {
            let of = "servers, milli-cores, MiB, W, thousandths of the survivor";
            faults.push(differs(format!("pair/{from}/{to}"), said, truth, of));
        }
    }
    for (from, to) in listed.into_keys() {
        let how = "is listed and nothing falls from the one on the other";
        faults.push(fault(Rule::Ledger, format!("pair/{from}/{to}"), how));
    }
}

fn sites(model: &Model<'_>, counted: &Counted<'_, '_>, faults: &mut Vec<Fault>) {
    for (at, site) in model.base.sites.iter().enumerate() {
        let Some(ledger) = model.plan.sites.get(site.name) else {
            let sums = counted.totals.site(at);
            if site.spec.is_some() || sums.servers + sums.backups > 0 {
                faults.push(fault(
                    Rule::Ledger,
                    format!("site/{}", site.name),
                    "has no ledger",
                ));
            }
            continue;
        };
        figures(model, counted, at, ledger, faults);
        let scenario = Scenario::Site(site.name.clone());
        let loss = counted
            .scenarios
            .index(&scenario)
            .map(|f| counted.losses.counts[f]);
        survival(model, at, ledger, &loss.unwrap_or_default(), faults);
    }
    for (name, ledger) in &model.plan.sites {
        let nothing = SiteLedger {
            survives: Survival::Unknown,
            ..SiteLedger::default()
        };
        if model.base.site(name).is_none() && *ledger != nothing {
            let how = "has a ledger, and is neither in the fleet nor recorded anywhere";
            faults.push(fault(Rule::Ledger, format!("site/{name}"), how));
        }
    }
}

fn figures(
    model: &Model<'_>,
    counted: &Counted<'_, '_>,
    at: usize,
    ledger: &SiteLedger,
    faults: &mut Vec<Fault>,
) {
    let what = || format!("site/{}", model.base.sites[at].name);
    let (room, sums) = (&counted.rooms[at], counted.totals.site(at));
    let said = [ledger.hosts_usable, ledger.hosts, ledger.servers, ledger.backups];
    let truth = [room.hosts_usable, room.hosts, sums.servers, sums.backups];
    if said != truth {
        let of = "usable hosts, hosts, servers, reserves";
        faults.push(differs(what(), said, truth, of));
    }
    let said = [
        [ledger.cpu_capacity_milli, ledger.memory_capacity_mib],
        [ledger.cpu_used_milli, ledger.memory_used_mib],
        [ledger.cpu_ceiling_milli, ledger.memory_ceiling_mib],
    ];
    let truth = [room.capacity, room.used, room.ceiling];
    if said != truth {
        let of = "capacity, use and ceiling in milli-cores and MiB";
        faults.push(differs(what(), said, truth, of));
    }
    // Use and limit both with what others store there, or both without.
    let spec = model.base.sites[at].spec;
    let taken = spec.map_or(0, |spec| spec.storage_taken_mib.clamp(0, 1 << 40));
    let said = (
        i128::from(ledger.storage_used_mib),
        ledger.storage_mib.map(i128::from),
    );
    let net = (room.stored, room.storage.map(i128::from));
    let whole = spec
        .and_then(|spec| spec.storage_mib)
        .map(|mib| mib.clamp(0, 1 << 40));
    let gross = (room.stored + i128::from(taken), whole.map(i128::from));
    if said != net && said != gross {
        faults.push(differs(what(), said, net, "storage in use and in all, MiB"));
    }
}

fn survival(model: &Model<'_>, at: usize, ledger: &SiteLedger, loss: &Counts<'_>, faults: &mut Vec<Fault>) {
    let site = &model.base.sites[at];
    let unknown = site.spec.is_none_or(|spec| spec.state == State::Unknown);
    let good = match (&ledger.survives, loss.first) {
        (Survival::Unknown, _) => unknown,
        (Survival::Survives, None) => !unknown,
        (Survival::Loses { first, servers }, Some((_, _, id))) => {
            !unknown && first == id && *servers == loss.stranded
        }
        (Survival::Survives, Some(_)) | (Survival::Loses { .. }, None) => false,
    };
    if !good {
        let of = "what its loss strands";
        let truth = (loss.stranded, loss.first);
        faults.push(differs(
            format!("site/{}", site.name),
            &ledger.survives,
            truth,
            of,
        ));
    }
}
