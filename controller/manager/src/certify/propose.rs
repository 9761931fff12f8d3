//! What a consolidation would save now, for people to decide on. Nothing is moved. No I/O.

use raidc_planner::{ConsolidationOptions, HostName, HostUse, MoveKind, State, consolidate};

use crate::Decision;

/// A consolidation that could be carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposal {
    /// Idle draw saved, in watts; by nameplate where nobody declared or measured a host's draw.
    pub watts: i64,
    /// Hosts that could then be switched off.
    pub hosts: Vec<HostName>,
    /// Hosts that sleep now and have to be switched on first: their draw is taken off the saving already.
    pub wake: Vec<HostName>,
    /// Servers that would move to another host of their own site: a live migration.
    pub migrations: i64,
    /// Servers that would go to a site with their data: a planned failover.
    pub failovers: i64,
    /// Reserves that would be kept elsewhere; nothing that runs is touched.
    pub reserves: i64,
    /// What the moves cost, in joules.
    pub cost_joules: i64,
}

/// The proposal for a decision.
///
/// # Errors
/// Why this is no moment for one: whoever must mend something else first should not be told to switch hosts off.
pub fn propose(decision: &Decision) -> Result<Proposal, &'static str> {
    no_moment(decision).map_or(Ok(()), Err)?;
    let found = consolidate(&decision.fleet, &decision.plan, &ConsolidationOptions::default());
    let mut proposal = Proposal {
        watts: found.idle_watts_before.saturating_sub(found.idle_watts_after),
        hosts: found.may_sleep,
        wake: found.wake,
        cost_joules: found.cost_joules,
        ..Proposal::default()
    };
    for change in &found.moves {
        match change.kind {
            MoveKind::Primary if change.from.site == change.to.site => proposal.migrations += 1,
            MoveKind::Primary => proposal.failovers += 1,
            MoveKind::Backup | MoveKind::Copy => proposal.reserves += 1,
        }
    }
    Ok(proposal)
}

/// Why this is no moment to move what runs without need; `None` when it is one.
pub(crate) fn no_moment(decision: &Decision) -> Option<&'static str> {
    let (fleet, plan) = (&decision.fleet, &decision.plan);
    let shaky = |of: &HostUse| matches!(of, HostUse::NotReady | HostUse::Unknown);
    if !decision.faults.is_empty() {
        Some("the last plan was refused by the checker")
    } else if fleet.sites.values().any(|site| site.state == State::Unknown) {
        Some("a site cannot be read")
    } else if fleet.hosts.values().any(|host| shaky(&host.usable)) {
        Some("a host is not ready or cannot be read")
    } else if !plan.problems.is_empty() {
        Some("a part of the inventory cannot be used as it is written")
    } else if !plan.excesses.is_empty() {
        Some("a host, rack or site is fuller than it may be")
    } else if plan.servers.values().any(|server| server.held.is_some()) {
        Some("a server is recorded where nothing can be decided")
    } else if plan.servers.values().any(|server| server.unprotected.is_some()) {
        Some("a server has no reserve")
    } else if !plan.moves.is_empty() {
        Some("the plan is still changing places")
    } else {
        None
    }
}

#[cfg(test)]
#[path = "propose_tests.rs"]
mod tests;
