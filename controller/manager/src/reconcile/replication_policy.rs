//! A ReplicationPolicy: whether it can be met by the sites and storage there are, and whether it is. I/O: reads stores, writes status.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use raidc_crds::condition::{self, PROTECTED, Status, WITHIN_RPO};
use raidc_crds::replication_policy::{FailoverMode, ReplicationMode, ReplicationPolicyStatus};
use raidc_crds::site::SiteState;
use raidc_crds::{ReplicationPolicy, VirtualServer};
use raidc_planner::counted;

use super::status::{self, Outcome};
use crate::inventory::servers::policy_name;
use crate::inventory::tenancy::tenant_of;
use crate::{Ctx, Error};

/// What the status is made from.
struct Seen {
    /// Sites by name; false when the site takes nothing.
    sites: BTreeMap<String, bool>,
    classes: BTreeSet<String>,
    volsync: bool,
    /// Servers that use the policy, and whether each is protected.
    servers: Vec<(String, Verdict)>,
}

/// Whether one server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Yes,
    No,
    Unknown,
}

/// Says how a policy is doing.
///
/// # Errors
/// When the status could not be written.
pub async fn reconcile(policy: Arc<ReplicationPolicy>, ctx: Arc<Ctx>) -> Result<Action, Error> {
    let seen = gather(&ctx, &policy);
    let outcome = validate(&policy, &seen);
    let wanted = report(&policy, &seen, &outcome, ctx.clock.now());
    status::write(&ctx, &status::POLICY, policy.as_ref(), &wanted).await?;
    Ok(Action::await_change())
}

fn gather(ctx: &Ctx, policy: &ReplicationPolicy) -> Seen {
    let name = policy.name_any();
    let tenants = ctx.stores.tenants.list();
    let uses = |server: &VirtualServer| {
        let namespace = server.namespace().unwrap_or_default();
        let found = ctx.stores.namespaces.get_cluster(&namespace);
        let tenant = tenant_of(&tenants, &namespace, found.as_deref());
        policy_name(server, tenant.map(AsRef::as_ref)) == Some(name.as_str())
    };
    let sites = ctx.stores.sites.list();
    Seen {
        sites: sites
            .iter()
            .map(|site| {
                let open = matches!(site.spec.state, SiteState::Active | SiteState::Cordoned);
                (site.name_any(), open)
            })
            .collect(),
        classes: ctx
            .stores
            .storage_classes
            .list()
            .iter()
            .map(|class| class.name_any())
            .collect(),
        volsync: ctx.stores.volsync.is_served(),
        servers: ctx
            .stores
            .virtual_servers
            .list()
            .iter()
            .filter(|server| uses(server))
            .map(|server| {
                let name = format!("{}/{}", server.namespace().unwrap_or_default(), server.name_any());
                (name, verdict(server))
            })
            .collect(),
    }
}

/// A condition about an older spec proves nothing.
fn verdict(server: &VirtualServer) -> Verdict {
    let protected = server
        .status
        .iter()
        .flat_map(|status| &status.conditions)
        .find(|c| c.type_ == PROTECTED)
        .filter(|c| c.observed_generation == server.metadata.generation);
    match protected.map(|c| c.status.as_str()) {
        Some("True") => Verdict::Yes,
        Some("False") => Verdict::No,
        _ => Verdict::Unknown,
    }
}

fn validate(policy: &ReplicationPolicy, seen: &Seen) -> Outcome {
    let spec = &policy.spec;
    for (field, duration) in [("rpo", &spec.rpo), ("failover.rto", &spec.failover.rto)] {
        if let Some(Err(wrong)) = duration.as_ref().map(raidc_crds::Duration::seconds) {
            return Outcome::stalled("MalformedPolicy", format!("spec.{field}: {wrong}"));
        }
    }
    let open = seen.sites.values().filter(|open| **open).count();
    let copies = usize::try_from(spec.copies).unwrap_or(0);
    if copies > open {
        return Outcome::stalled(
            "TooFewSites",
            format!(
                "it asks for {copies} copies at different sites and no more than {} could hold one: add a Site or ask for fewer copies",
                counted(i64::try_from(open).unwrap_or(i64::MAX), "site")
            ),
        );
    }
    match (spec.mode, &spec.sync) {
        (Some(ReplicationMode::Sync), None) => {
            return Outcome::stalled(
                "NoSpanningStorageClass",
                "a synchronous policy needs spec.sync.storageClasses: which StorageClass spans which sites",
            );
        }
        (Some(ReplicationMode::Sync), Some(sync)) => {
            for class in &sync.storage_classes {
                if !seen.classes.contains(&class.class) {
                    return Outcome::stalled(
                        "UnknownStorageClass",
                        format!(
                            "StorageClass {} does not exist: create it or correct spec.sync.storageClasses",
                            class.class
                        ),
                    );
                }
                if let Some(unknown) = class.sites.iter().find(|site| !seen.sites.contains_key(*site)) {
                    return Outcome::stalled(
                        "UnknownSite",
                        format!(
                            "StorageClass {} is said to span site {unknown}, which does not exist: create the Site or correct spec.sync.storageClasses",
                            class.class
                        ),
                    );
                }
            }
            let usable = |sites: &[String]| {
                sites.len() >= copies && sites.iter().all(|site| seen.sites.get(site) == Some(&true))
            };
            if !sync.storage_classes.iter().any(|class| usable(&class.sites)) {
                return Outcome::stalled(
                    "NoSpanningStorageClass",
                    format!(
                        "no listed StorageClass spans {copies} sites that can be used now: list one that does"
                    ),
                );
            }
        }
        (Some(ReplicationMode::Async), _) if !seen.volsync => {
            return Outcome::stalled(
                "BackendUnavailable",
                "asynchronous copies need VolSync, which is not installed in this cluster: it goes on by itself when it is there",
            );
        }
        _ => {}
    }
    if spec.failover.mode == FailoverMode::Automatic {
        return Outcome::stalled(
            "NotImplemented",
            "failover.mode Automatic is not yet implemented by this version: copies are kept as asked, but a failover has to be started by a person; set Manual to say so",
        );
    }
    Outcome::ready("the sites and storage there are can meet it")
}

fn report(
    policy: &ReplicationPolicy,
    seen: &Seen,
    outcome: &Outcome,
    now: Timestamp,
) -> ReplicationPolicyStatus {
    let generation = policy.metadata.generation;
    let mut conditions = outcome.conditions(generation, now);
    let (within, reason, message) = within_rpo(policy, seen);
    conditions.push(condition::condition(
        WITHIN_RPO, within, reason, message, generation, now,
    ));
    ReplicationPolicyStatus {
        observed_generation: generation.unwrap_or(0),
        conditions,
        servers: i64::try_from(seen.servers.len()).ok(),
    }
}

fn within_rpo(policy: &ReplicationPolicy, seen: &Seen) -> (Status, &'static str, String) {
    if policy.spec.copies <= 1 {
        let message = "it keeps a single copy, so there is nothing to be late";
        return (Status::True, "SingleCopy", message.to_owned());
    }
    // Cluster-wide objects are read by the platform team only, so that a server may be named.
    let first = |wanted: Verdict| seen.servers.iter().find(|(_, verdict)| *verdict == wanted);
    if let Some((name, _)) = first(Verdict::No) {
        let message = format!(
            "not every server is protected as it asks, the first is {name}: see its condition Protected"
        );
        return (Status::False, "ServersUnprotected", message);
    }
    if let Some((name, _)) = first(Verdict::Unknown) {
        let message = format!(
            "there is no evidence yet for every server, the first is {name}: see its condition Protected"
        );
        return (Status::Unknown, "NoEvidence", message);
    }
    let message = "every server that uses it is protected as it asks";
    (Status::True, "EveryServerProtected", message.to_owned())
}
