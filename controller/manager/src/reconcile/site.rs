//! A Site: hosts, use, what would start where if it were lost, and the nodes that are not used. I/O: reads stores, writes status.

mod capacity;

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use raidc_crds::Site;
use raidc_crds::condition::{self, SURVIVES_SITE_LOSS, Status, TRANSFERS_LEAVE_NOTHING, WITHIN_CAPACITY};
use raidc_crds::site::{FailsOverTo, HostCount, SiteState, SiteStatus, UnusableNode, Usage};
use raidc_planner::{ServerId, SiteLedger, SiteName, State, Survival, counted};

use super::status::{self, Outcome};
use crate::certify::Verdict;
use crate::inventory::stores::Backend;
use crate::{Ctx, Decision, Error};

/// Nodes that are listed; the rest are counted in the condition's message.
const LISTED: usize = 32;

/// What the status is made from.
struct Seen {
    decision: Arc<Decision>,
    verdict: Arc<Verdict>,
    missing: Vec<&'static str>,
    /// The class of the site's disks.
    class: Option<Arc<StorageClass>>,
    /// The class of volumes that live as long as a transfer, if the Site names one and it exists.
    transfer_class: Option<Arc<StorageClass>>,
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
    let wanted = report(&site, &seen, &outcome, ctx.clock.now());
    status::write(&ctx, &status::SITE, site.as_ref(), &wanted).await?;
    Ok(Action::await_change())
}

fn gather(ctx: &Ctx, site: &Site) -> Seen {
    let missing = Backend::ALL
        .into_iter()
        .filter(|backend| !ctx.stores.is_served(*backend))
        .map(Backend::name);
    Seen {
        decision: ctx.decision(),
        verdict: Arc::clone(&ctx.verdict.borrow()),
        missing: missing.collect(),
        class: ctx.stores.storage_classes.get_cluster(&site.spec.storage.class),
        transfer_class: site
            .spec
            .storage
            .transfer_class
            .as_deref()
            .and_then(|class| ctx.stores.storage_classes.get_cluster(class)),
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
    if seen.class.is_none() {
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
        SiteState::Draining => Outcome::ready("it is empty, as asked"),
        SiteState::Fenced => Outcome::ready("it is not used, as asked"),
        _ if unreadable(decision, &name) => Outcome::reconciling(
            "HostsUnreadable",
            "no host here is ready or can be read: the site may be down, cut off, or without KubeVirt yet; everything stays recorded as it is and nothing new comes; status.unusableNodes says why, host by host; only if the site is proven to be off, set spec.state to Fenced",
        ),
        SiteState::Active if ledger.is_none_or(|ledger| ledger.hosts_usable == 0) => Outcome::reconciling(
            "NoUsableHost",
            "no node can run servers here: status.unusableNodes names those of this site and those of none, and why; label nodes with their site and rack",
        ),
        SiteState::Active => Outcome::ready("it takes servers"),
        SiteState::Cordoned => Outcome::ready("it keeps what it has and takes nothing new, as asked"),
    }
}

fn report(site: &Site, seen: &Seen, outcome: &Outcome, now: Timestamp) -> SiteStatus {
    let decision = seen.decision.as_ref();
    let name = SiteName::from(site.name_any());
    let generation = site.metadata.generation;
    let ledger = decision.plan.sites.get(&name);
    let nodes = unusable(decision, Some(&name));
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
    let nowhere = unusable(decision, None);
    let mut conditions = outcome.conditions(generation, now);
    let (survives, reason, message) = survival(decision, &name, ledger);
    conditions.push(condition::condition(
        SURVIVES_SITE_LOSS,
        survives,
        reason,
        message,
        generation,
        now,
    ));
    let capacity = capacity::said(site, &seen.verdict, decision, now);
    conditions.push(condition::condition(
        WITHIN_CAPACITY,
        capacity.status,
        &capacity.reason,
        capacity.message,
        generation,
        now,
    ));
    let (tidy, reason, message) = left_behind(site, seen);
    conditions.push(condition::condition(
        TRANSFERS_LEAVE_NOTHING,
        tidy,
        reason,
        message,
        generation,
        now,
    ));
    // Of hosts that cannot be read nothing is known: no number is better than a nought.
    let known = ledger.filter(|_| !unreadable(decision, &name));
    let cores = known.map(|l| usage(l.cpu_used_milli, l.cpu_ceiling_milli, l.cpu_capacity_milli));
    let memory = known.map(|l| usage(l.memory_used_mib, l.memory_ceiling_mib, l.memory_capacity_mib));
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
        max_safe_load_percent: capacity.percent,
        fails_over_to: fails_over_to(decision, &name),
        unusable_nodes: nodes.into_iter().chain(nowhere).take(LISTED).collect(),
    }
}

/// The nodes that are not used and belong to a site, or to none that can be told: every site names those, because they may be its own.
fn unusable(decision: &Decision, site: Option<&SiteName>) -> Vec<UnusableNode> {
    decision
        .notes
        .nodes
        .iter()
        .filter(|(_, node)| node.site.as_ref() == site)
        .map(|(host, node)| UnusableNode {
            name: host.to_string(),
            reason: node.note.reason.to_owned(),
            message: node.note.message.chars().take(512).collect(),
        })
        .collect()
}

fn survival(
    decision: &Decision,
    name: &SiteName,
    ledger: Option<&SiteLedger>,
) -> (Status, &'static str, String) {
    if !decision.faults.is_empty() {
        let message = "the last plan was refused by the checker";
        return (Status::Unknown, "PlanRefused", message.to_owned());
    }
    if let Some(Survival::Survives) = ledger.map(|ledger| &ledger.survives)
        && let Some((id, site)) = reserved_unreadably(decision, name)
    {
        return (
            Status::Unknown,
            "ReserveUnreadable",
            format!(
                "if this site is lost, {id} may have no place to start at: what is reserved for it is at {site}, which cannot be read now"
            ),
        );
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
                "if this site is lost, {} would have no place to start at, the first of them {first}: add hosts or feeds at other sites, or protect fewer",
                counted(*servers, "protected server")
            ),
        ),
        Some(Survival::Unknown) | None => (
            Status::Unknown,
            "SiteUnreadable",
            "what is at this site cannot be read, so nothing can be promised".to_owned(),
        ),
    }
}

/// The first server of the site whose reserve is at a site that cannot be read: the reserve is kept, and it is no proof.
fn reserved_unreadably<'d>(decision: &'d Decision, name: &SiteName) -> Option<(&'d ServerId, &'d SiteName)> {
    let mut servers = decision.plan.servers.iter();
    servers.find_map(|(id, server)| {
        let backup = server.backup.as_ref()?;
        (server.placement.site == *name && unreadable(decision, &backup.site)).then_some((id, &backup.site))
    })
}

/// Whether the plan took the site for one that cannot be read.
fn unreadable(decision: &Decision, name: &SiteName) -> bool {
    let site = decision.fleet.sites.get(name);
    site.is_none_or(|site| site.state == State::Unknown)
}

/// Whether every asynchronous copy that is sent from here takes its passing volume along when it ends. One made from a class that
/// retains stays for ever, and some day the storage is full of them.
fn left_behind(site: &Site, seen: &Seen) -> (Status, &'static str, String) {
    let storage = &site.spec.storage;
    let retains = |class: &StorageClass| class.reclaim_policy.as_deref() == Some("Retain");
    let what_to_do = "set spec.storage.transferClass to a StorageClass of this site whose reclaimPolicy is Delete, and delete the released volumes that are there already";
    let named = storage.transfer_class.as_ref();
    match (named.map(|_| &seen.transfer_class), &seen.class) {
        (Some(None), _) => (
            Status::False,
            "UnknownTransferClass",
            format!(
                "StorageClass {}, the transferClass, does not exist, so that no asynchronous copy can be sent from here: create it or correct spec.storage.transferClass",
                storage.transfer_class.as_deref().unwrap_or_default()
            ),
        ),
        (Some(Some(class)), _) if retains(class) => (
            Status::False,
            "TransferClassRetains",
            format!(
                "volumes pile up: StorageClass {}, the transferClass, has the reclaimPolicy Retain, so that every asynchronous copy that is sent leaves a volume behind: {what_to_do}",
                class.name_any()
            ),
        ),
        (Some(Some(class)), _) => (
            Status::True,
            "TransferClassDeletes",
            format!(
                "volumes of StorageClass {} go when a transfer ends",
                class.name_any()
            ),
        ),
        (None, None) => (
            Status::Unknown,
            "UnknownStorageClass",
            format!(
                "StorageClass {} does not exist, so nobody can tell",
                storage.class
            ),
        ),
        (None, Some(class)) if retains(class) => (
            Status::False,
            "NoTransferClass",
            format!(
                "volumes pile up: StorageClass {} has the reclaimPolicy Retain and no transferClass is given, so that every asynchronous copy that is sent from here leaves a volume behind: {what_to_do}",
                storage.class
            ),
        ),
        (None, Some(class)) => (
            Status::True,
            "ClassDeletes",
            format!(
                "volumes of StorageClass {} go when a transfer ends",
                class.name_any()
            ),
        ),
    }
}

/// How much of the site falls on each of the others if it is lost, by the plan. Whole numbers of what the plan itself says, so that the
/// same plan never gives another status.
fn fails_over_to(decision: &Decision, name: &SiteName) -> Vec<FailsOverTo> {
    decision
        .plan
        .pairs
        .get(name)
        .into_iter()
        .flatten()
        .map(|(other, load)| FailsOverTo {
            site: other.to_string(),
            servers: load.servers,
            cores_milli: load.cpu_milli,
            memory_mib: load.memory_mib,
            watts: load.watts,
            // Rounded up: a thousandth too much is too much.
            share_percent: load.share_permille.saturating_add(9).div_euclid(10),
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

#[cfg(test)]
mod tests;
