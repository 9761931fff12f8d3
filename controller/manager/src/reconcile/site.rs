//! A Site: hosts, use, what would start where if it were lost, and the nodes that are not used. I/O: reads stores, writes status.

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use raidc_crds::Site;
use raidc_crds::condition::{self, SURVIVES_SITE_LOSS, Status};
use raidc_crds::site::{HostCount, PairLoad, SiteState, SiteStatus, UnusableNode, Usage};
use raidc_planner::{SiteLedger, SiteName, Survival};

use super::status::{self, Outcome};
use crate::inventory::stores::Backend;
use crate::{Ctx, Decision, Error};

/// Nodes that are listed; the rest are counted in the condition's message.
const LISTED: usize = 32;

/// What the status is made from.
struct Seen {
    decision: Arc<Decision>,
    missing: Vec<&'static str>,
    class_known: bool,
}

/// Says how a site is doing.
///
/// # Errors
/// When the status could not be written.
pub async fn reconcile(site: Arc<Site>, ctx: Arc<Ctx>) -> Result<Action, Error> {
    let seen = gather(&ctx, &site);
    if !seen.decision.is_made() {
        // Before the first plan nothing is known, and the old status is better than none.
        return Ok(Action::await_change());
    }
    let outcome = validate(&site, &seen);
    let wanted = report(&site, &seen.decision, &outcome, ctx.clock.now());
    status::write(&ctx.writer, &status::SITE, site.as_ref(), &wanted).await?;
    Ok(Action::await_change())
}

fn gather(ctx: &Ctx, site: &Site) -> Seen {
    let missing = Backend::ALL
        .into_iter()
        .filter(|backend| !ctx.stores.is_served(*backend))
        .map(Backend::name);
    Seen {
        decision: ctx.decision(),
        missing: missing.collect(),
        class_known: ctx
            .stores
            .storage_classes
            .get_cluster(&site.spec.storage.class)
            .is_some(),
    }
}

fn validate(site: &Site, seen: &Seen) -> Outcome {
    let name = SiteName::from(site.name_any());
    let decision = &seen.decision;
    if let Some(fault) = decision.faults.first() {
        return Outcome::stalled(
            "PlanRefused",
            format!(
                "the last plan breaks a rule and is not carried out ({fault}): please report this as a defect"
            ),
        );
    }
    let what = format!("site/{name}");
    if let Some(problem) = decision.plan.problems.iter().find(|problem| problem.what == what) {
        return Outcome::stalled("MalformedSite", problem.message.clone());
    }
    if !seen.class_known {
        let class = &site.spec.storage.class;
        return Outcome::stalled(
            "UnknownStorageClass",
            format!(
                "StorageClass {class} does not exist, so no disk can be made here: create it or correct spec.storage.class"
            ),
        );
    }
    if !seen.missing.is_empty() {
        return Outcome::stalled(
            "BackendUnavailable",
            format!(
                "not installed in this cluster: {}; what needs them waits, and goes on by itself when they are there",
                seen.missing.join(", ")
            ),
        );
    }
    let ledger = decision.plan.sites.get(&name);
    let servers = ledger.map_or(0, |ledger| ledger.servers);
    match site.spec.state {
        SiteState::Draining if servers > 0 => Outcome::stalled(
            "NotImplemented",
            "this site takes nothing new, but moving its servers away is not yet implemented by this version: set the state to Cordoned, or keep it until a version that can",
        ),
        SiteState::Active if ledger.is_none_or(|ledger| ledger.hosts_usable == 0) => Outcome::reconciling(
            "NoUsableHost",
            "no node can run servers here: status.unusableNodes names those that carry the site's label, and why; label nodes with their site and rack",
        ),
        SiteState::Active => Outcome::ready("it takes servers"),
        SiteState::Cordoned => Outcome::ready("it keeps what it has and takes nothing new, as asked"),
        SiteState::Draining => Outcome::ready("it is empty, as asked"),
        SiteState::Fenced => Outcome::ready("it is not used, as asked"),
    }
}

fn report(site: &Site, decision: &Decision, outcome: &Outcome, now: Timestamp) -> SiteStatus {
    let name = SiteName::from(site.name_any());
    let generation = site.metadata.generation;
    let ledger = decision.plan.sites.get(&name);
    let nodes = unusable(decision, &name);
    let total = decision
        .fleet
        .hosts
        .values()
        .filter(|host| host.site == name)
        .count();
    let outside = nodes
        .iter()
        .filter(|node| !decision.fleet.hosts.contains_key(&node.name.as_str().into()))
        .count();
    let mut conditions = outcome.conditions(generation, now);
    let (survives, reason, message) = survival(decision, ledger);
    conditions.push(condition::condition(
        SURVIVES_SITE_LOSS,
        survives,
        reason,
        message,
        generation,
        now,
    ));
    let cores = ledger.map(|l| usage(l.cpu_used_milli, l.cpu_ceiling_milli, l.cpu_capacity_milli));
    let memory = ledger.map(|l| usage(l.memory_used_mib, l.memory_ceiling_mib, l.memory_capacity_mib));
    SiteStatus {
        observed_generation: generation.unwrap_or(0),
        conditions,
        hosts: Some(HostCount {
            total: count(total + outside),
            usable: ledger.map_or(0, |ledger| ledger.hosts_usable),
        }),
        servers: ledger.map(|ledger| ledger.servers),
        used_percent: [&cores, &memory].into_iter().flatten().map(percent).max(),
        cores_milli: cores,
        memory_mib: memory,
        pairs: pairs(decision, &name),
        unusable_nodes: nodes.into_iter().take(LISTED).collect(),
    }
}

fn unusable(decision: &Decision, name: &SiteName) -> Vec<UnusableNode> {
    decision
        .notes
        .nodes
        .iter()
        .filter(|(_, node)| node.site.as_ref() == Some(name))
        .map(|(host, node)| UnusableNode {
            name: host.to_string(),
            reason: node.note.reason.to_owned(),
            message: node.note.message.chars().take(512).collect(),
        })
        .collect()
}

fn survival(decision: &Decision, ledger: Option<&SiteLedger>) -> (Status, &'static str, String) {
    if !decision.faults.is_empty() {
        let message = "the last plan was refused by the checker";
        return (Status::Unknown, "PlanRefused", message.to_owned());
    }
    match ledger.map(|ledger| &ledger.survives) {
        Some(Survival::Survives) => (
            Status::True,
            "EveryServerHasAPlace",
            "if this site is lost, every protected server has a place to start at".to_owned(),
        ),
        Some(Survival::Loses { first, servers }) => (
            Status::False,
            "ServersWithoutAPlace",
            format!(
                "if this site is lost, {servers} protected server(s) have no place to start at, the first of them {first}: add hosts or feeds at other sites, or protect fewer"
            ),
        ),
        Some(Survival::Unknown) | None => (
            Status::Unknown,
            "SiteUnreadable",
            "what is at this site cannot be read, so nothing can be promised".to_owned(),
        ),
    }
}

fn pairs(decision: &Decision, name: &SiteName) -> Vec<PairLoad> {
    decision
        .plan
        .pairs
        .get(name)
        .into_iter()
        .flatten()
        .map(|(other, load)| PairLoad {
            site: other.to_string(),
            servers: load.servers,
            cores_milli: load.cpu_milli,
            memory_mib: load.memory_mib,
            watts: load.watts,
        })
        .collect()
}

fn usage(used: i64, ceiling: i64, total: i64) -> Usage {
    Usage { used, ceiling, total }
}

fn percent(usage: &Usage) -> i64 {
    if usage.total > 0 {
        usage.used.saturating_mul(100) / usage.total
    } else {
        0
    }
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
