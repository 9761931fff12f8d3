//! Which servers exceed which sites: the smallest cut of a transportation problem, per measure and per loss, as data
//! and as a sentence. No I/O.
//!
//! Demand is what is placed and what waits for room, by the sites it may be at; room is the ceiling in normal running
//! and all of the hosts after a loss. Servers may be cut and racks are left out, so that what is said here is true of
//! every plan; a fleet without a bottleneck may still have servers waiting for a host that is large enough.

use std::collections::BTreeMap;
use std::fmt;

use raidc_planner::{Fleet, Plan, Resource, Scenario, Server, SiteName};
use serde::{Deserialize, Serialize};

use crate::flow;
use crate::view::{self, Amount, View};

/// Servers that together exceed the sites that they may be at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bottleneck {
    /// After which loss; `None` in normal running, where the ceilings hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Scenario>,
    /// In which measure.
    pub resource: Resource,
    /// The servers.
    pub servers: i64,
    /// Thousandths of a core and MiB (overhead included) of each, where all are alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<(i64, i64)>,
    /// Where they may be before the loss; `None` when some of them may be anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<SiteName>>,
    /// The sites that they exceed: where they may be and that are left. Empty when none is.
    pub sites: Vec<SiteName>,
    /// What they need, in the unit of the resource.
    pub needed: i64,
    /// What the sites have for them.
    pub room: i64,
}

/// Servers of one size that may be at the same sites.
type Kinds = BTreeMap<(Vec<usize>, bool, Amount), i128>;

/// Every bottleneck: normal running first, then by loss; cores before memory, and cores only for servers that have no site at all. Empty when
/// there is none.
///
/// `plan` says who is placed, who is recorded where nothing can be decided (left out), and who waits for something
/// else than room (left out).
pub fn bottlenecks(fleet: &Fleet, plan: &Plan) -> Vec<Bottleneck> {
    let view = View::read(fleet, plan);
    let mut kinds = Kinds::new();
    for server in plan.servers.iter().filter_map(|(id, decided)| {
        let counted = fleet.servers.get(id)?;
        decided.held.is_none().then_some((counted, Some(decided)))
    }) {
        count(&view, &mut kinds, server);
    }
    for (_, server) in view::waiting(fleet, plan) {
        count(&view, &mut kinds, (server, None));
    }
    let mut found = Vec::new();
    let ceilings = view.ceilings();
    found.extend((0..2).filter_map(|d| bottleneck(&view, &kinds, d, &ceilings, None)));
    let whole = view.rooms();
    for (risk, lost) in view.losses() {
        let loss = match (risk, lost.first()) {
            (Some(risk), _) => Scenario::Risk(risk),
            (None, Some(&site)) => Scenario::Site(view.sites[site].name.clone()),
            (None, None) => continue,
        };
        let loss = Some((loss, lost.as_slice()));
        found.extend((0..2).filter_map(|d| bottleneck(&view, &kinds, d, &whole, loss.clone())));
    }
    // Those that have no site at all lack it in every measure: that is one thing to say.
    found.dedup_by(|next, first| {
        let nowhere = |b: &Bottleneck| {
            b.sites
                .is_empty()
                .then(|| (b.loss.clone(), b.servers, b.only.clone()))
        };
        nowhere(next).is_some() && nowhere(next) == nowhere(first)
    });
    found
}

fn count(view: &View, kinds: &mut Kinds, (server, decided): (&Server, Option<&raidc_planner::ServerPlan>)) {
    let mut may = view.may(server);
    may.extend(view.recorded(server, decided));
    may.sort_unstable();
    may.dedup();
    *kinds
        .entry((may, server.copies > 1, view::size_of(server)))
        .or_default() += 1;
}

/// The smallest cut of one measure, if not everything fits.
fn bottleneck(
    view: &View,
    kinds: &Kinds,
    d: usize,
    rooms: &[Amount],
    loss: Option<(Scenario, &[usize])>,
) -> Option<Bottleneck> {
    let gone = loss.as_ref().map_or(&[][..], |(_, sites)| sites);
    // By where it may be after the loss: a server with a single copy may have been at what is lost, and is gone then.
    let mut by_sites: BTreeMap<Vec<usize>, (i128, Vec<usize>)> = BTreeMap::new();
    let list: Vec<_> = kinds.iter().collect();
    for (at, ((may, protected, size), number)) in list.iter().enumerate() {
        if !protected && may.iter().any(|site| gone.contains(site)) {
            continue;
        }
        let left: Vec<usize> = may.iter().copied().filter(|site| !gone.contains(site)).collect();
        let demand = by_sites.entry(left).or_default();
        demand.0 += size[d] * **number;
        demand.1.push(at);
    }
    let demands: Vec<(i128, Vec<usize>)> = by_sites
        .iter()
        .map(|(sites, (amount, _))| (*amount, sites.clone()))
        .collect();
    let room: Vec<i128> = rooms.iter().map(|room| room[d]).collect();
    let cut = flow::cut(&demands, &room)?;

    let members: Vec<_> = by_sites
        .values()
        .enumerate()
        .filter(|(at, _)| cut.kinds.contains(at))
        .flat_map(|(_, (_, members))| members.iter().filter_map(|&at| list.get(at)))
        .collect();
    let number: i128 = members.iter().map(|(_, number)| **number).sum();
    let first = members.first().map(|((_, _, size), _)| *size);
    let alike = members.iter().all(|((_, _, size), _)| Some(*size) == first);
    let mut only: Vec<usize> = members.iter().flat_map(|((may, _, _), _)| may).copied().collect();
    only.sort_unstable();
    only.dedup();
    let names = |sites: &[usize]| sites.iter().map(|&site| view.sites[site].name.clone()).collect();
    let held: i128 = cut.sites.iter().map(|&site| room[site]).sum();
    Some(Bottleneck {
        loss: loss.map(|(scenario, _)| scenario),
        resource: if d == 0 { Resource::Cpu } else { Resource::Memory },
        servers: narrow(number),
        size: first
            .filter(|_| alike)
            .map(|size| (narrow(size[0]), narrow(size[1]))),
        only: (only.len() < view.sites.len()).then(|| names(&only)),
        sites: names(&cut.sites),
        needed: narrow(held + cut.excess),
        room: narrow(held),
    })
}

fn narrow(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// `a`, `a and b`, `a, b and c`.
fn listed(names: &[SiteName]) -> String {
    match names {
        [] => String::new(),
        [one] => one.to_string(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(SiteName::as_str).collect();
            format!("{} and {last}", first.join(", "))
        }
    }
}

impl fmt::Display for Bottleneck {
    /// `16 servers of 16 cores and 64 GiB with copies only in kuldiga and talsi exceed them by 312 GiB of memory`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = self.servers == 1;
        write!(f, "{} server{}", self.servers, if one { "" } else { "s" })?;
        if let Some((cpu, memory)) = self.size {
            let (cpu, memory) = (Resource::Cpu.show(cpu), Resource::Memory.show(memory));
            write!(f, " of {cpu} and {memory}")?;
        }
        if let Some(only) = self.only.as_ref().filter(|only| !only.is_empty()) {
            write!(f, " with copies only in {}", listed(only))?;
        }
        let exceed = if one { "exceeds" } else { "exceed" };
        let by = self.resource.amount(self.needed - self.room);
        match self.sites.as_slice() {
            [] => {
                let has = if one { "has" } else { "have" };
                write!(f, " {has} no site left")?;
            }
            sites if self.only.as_deref() == Some(sites) => {
                let them = if sites.len() == 1 { "it" } else { "them" };
                write!(f, " {exceed} {them} by {by}")?;
            }
            sites => write!(f, " {exceed} {} by {by}", listed(sites))?,
        }
        match &self.loss {
            None => Ok(()),
            Some(loss) => write!(f, " when {loss} is lost"),
        }
    }
}
