//! What a loss does: read off the plan; only who has to stop, should anything be too full, is decided here. No I/O.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use crate::fleet::{Fleet, Host};
use crate::ids::{HostName, RackName};
use crate::outcome::{LossOutcome, RackAfter, Start};
use crate::plan::{Plan, Spot};
use crate::scenario::Scenario;
use crate::shed;
use crate::summary::Scenarios;
use crate::world::watts_up;

/// What happens when `scenario` strikes while `plan` is in force: who starts where, who cannot, what has to be woken,
/// and what every surviving rack then draws. A scenario that the fleet does not have takes nothing.
///
/// The draw counts servers that are switched off as well: they may be switched on at any time.
pub fn simulate_loss(fleet: &Fleet, plan: &Plan, scenario: &Scenario) -> LossOutcome {
    let scenarios = Scenarios::about(fleet, scenario);
    let mut outcome = LossOutcome {
        scenario: scenario.clone(),
        hosts_lost: 0,
        starts: Vec::new(),
        stranded: Vec::new(),
        single_copy: Vec::new(),
        shed: Vec::new(),
        starts_if_shed: Vec::new(),
        wake: Vec::new(),
        racks: plan
            .racks
            .iter()
            .map(|(name, ledger)| {
                let after = RackAfter {
                    capacity_watts: ledger.capacity_watts,
                    before_watts: ledger.committed_watts,
                    after_watts: ledger.committed_watts,
                };
                (name.clone(), after)
            })
            .collect(),
    };
    let Ok(index) = scenarios.all.binary_search(scenario) else {
        return outcome;
    };
    for host in fleet.hosts.values() {
        outcome.hosts_lost += i64::from(scenarios.takes_rack(index, &host.rack));
    }
    outcome.racks.retain(|name, _| !scenarios.takes_rack(index, name));

    let mut hosts = hosts(fleet, |rack| scenarios.takes_rack(index, rack));
    let mut order = Vec::new();
    // Both maps are in the order of identities: one walk of both finds each server's specification.
    let mut specs = fleet.servers.iter();
    let mut spec = specs.next();
    for (id, decided) in &plan.servers {
        // Equality first: it costs nothing where plan and fleet share their names.
        while spec.is_some_and(|(other, _)| other != id && other < id) {
            spec = specs.next();
        }
        let known = hosts.get_mut(&decided.placement.host).map(|known| {
            known.on = true;
            &*known
        });
        let Some((_, server)) = spec.filter(|(other, _)| *other == id) else {
            continue;
        };
        let stands = known.filter(|known| known.is_at(&decided.placement));
        if !stands.map_or_else(|| scenarios.takes(index, &decided.placement), |known| known.lost) {
            continue;
        }
        let backup = decided.backup.as_ref();
        match backup.filter(|spot| !scenarios.takes(index, spot)) {
            Some(to) => order.push((id, server, decided, to)),
            None if server.copies <= 1 => outcome.single_copy.push(id.clone()),
            None => outcome.stranded.push(id.clone()),
        }
    }
    // In the order of identities already: a stable sort keeps that among equals.
    order.sort_by_key(|(_, server, decided, _)| {
        let granted = &decided.granted;
        (
            server.tier,
            Reverse(granted.memory_mib),
            Reverse(granted.cpu_milli),
        )
    });
    let starts: Vec<Start> = order
        .iter()
        .map(|(id, server, decided, to)| Start {
            server: (*id).clone(),
            tier: server.tier,
            from: decided.placement.clone(),
            to: (*to).clone(),
            running: server.running,
        })
        .collect();
    let draws = order.iter().map(|(_, _, decided, _)| decided.granted.cpu_milli);
    add_draw(plan, &hosts, &mut outcome, draws.zip(&starts));
    outcome.starts = starts;
    let proposal = shed::of_loss(fleet, plan, &outcome, |rack| scenarios.takes_rack(index, rack));
    (outcome.shed, outcome.starts_if_shed) = (proposal.shed, proposal.starts);
    outcome
}

/// A host as far as a loss asks for it.
struct Known<'a> {
    host: &'a Host,
    overcommit_percent: i64,
    /// Its rack is lost.
    lost: bool,
    /// Its rack is a rack of its site.
    racked: bool,
    /// It draws power before the loss.
    on: bool,
}

impl Known<'_> {
    /// Whether the host stands where the spot says, so that what takes its rack takes the spot.
    fn is_at(&self, spot: &Spot) -> bool {
        self.racked && self.host.rack == spot.rack && self.host.site == spot.site
    }
}

/// The hosts, to be looked up and never walked: their order is of no account.
fn hosts<'a>(fleet: &'a Fleet, lost: impl Fn(&RackName) -> bool) -> FxHashMap<&'a HostName, Known<'a>> {
    let racked = |host: &Host| {
        let rack = fleet.racks.get(&host.rack);
        rack.is_some_and(|rack| rack.site == host.site) && fleet.sites.contains_key(&host.site)
    };
    let known = |host: &'a Host| Known {
        host,
        overcommit_percent: fleet
            .sites
            .get(&host.site)
            .map_or(100, |site| site.cpu_overcommit_percent),
        lost: lost(&host.rack),
        racked: racked(host),
        on: host.powered || host.taken_cpu_milli > 0,
    };
    let hosts = fleet.hosts.iter();
    hosts.map(|(name, host)| (name, known(host))).collect()
}

/// Adds what the starts draw, and the idle draw of hosts that sleep until then.
fn add_draw<'a>(
    plan: &Plan,
    hosts: &FxHashMap<&HostName, Known<'_>>,
    outcome: &mut LossOutcome,
    starts: impl Iterator<Item = (i64, &'a Start)>,
) {
    let mut woken: BTreeSet<&HostName> = BTreeSet::new();
    let mut added: BTreeMap<&RackName, i64> = BTreeMap::new();
    for (cpu, start) in starts {
        let Some(known) = hosts.get(&start.to.host) else {
            continue;
        };
        let draw = crate::draw::server_mw(cpu, known.host, known.overcommit_percent);
        let milliwatts = added.entry(&start.to.rack).or_default();
        *milliwatts = milliwatts.saturating_add(draw);
        if !known.on && woken.insert(&start.to.host) {
            *milliwatts = milliwatts.saturating_add(known.host.idle_watts.saturating_mul(1000));
        }
    }
    for (rack, milliwatts) in added {
        if let Some(after) = outcome.racks.get_mut(rack) {
            let sum = after.after_watts.saturating_add(watts_up(milliwatts));
            // Both parts are rounded up: of a rack that holds every scenario the sum may say a watt too much.
            let holds = plan
                .racks
                .get(rack)
                .is_some_and(|ledger| ledger.headroom_watts >= 0);
            after.after_watts = if holds { sum.min(after.capacity_watts) } else { sum };
        }
    }
    outcome.wake = woken.into_iter().cloned().collect();
}
