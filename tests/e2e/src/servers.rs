//! Waiting for and reading virtual servers. Talks to the API server.

use crate::cluster::Cluster;
use crate::error::Error;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Api;
use kube::ResourceExt;
use kube::api::ListParams;
use raidc_crds::Colocation;
use raidc_crds::VirtualServer;
use raidc_crds::condition;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(300);
/// How long a namespace or a kind may take to appear after what it depends on was applied.
const APPEARS: Duration = Duration::from_mins(1);
/// Attempts that a command gets however long each takes.
const ATTEMPTS: usize = 3;

/// Every server of the cluster, sorted by namespace and name.
pub async fn all(cluster: &Cluster) -> Result<Vec<VirtualServer>, Error> {
    let api: Api<VirtualServer> = Api::all(cluster.client());
    let mut list = api
        .list(&ListParams::default())
        .await
        .map_err(Error::api("list virtual servers"))?
        .items;
    list.sort_by_key(|s| (s.namespace(), s.name_any()));
    Ok(list)
}

/// Whether a condition of the server is `True` for the spec as it is now.
#[must_use]
pub fn holds(server: &VirtualServer, kind: &str) -> bool {
    server.status.as_ref().is_some_and(|status| {
        Some(status.observed_generation) == server.metadata.generation
            && condition::is_true(&status.conditions, kind)
    })
}

/// Whether a condition of the server is `True`, of whatever generation the status speaks.
#[must_use]
pub fn holds_now(server: &VirtualServer, kind: &str) -> bool {
    server
        .status
        .as_ref()
        .is_some_and(|status| condition::is_true(&status.conditions, kind))
}

/// `Ready=False (reason: message)` of the server, for people.
#[must_use]
pub fn told(server: &VirtualServer, kind: &str) -> String {
    let conditions = server.status.as_ref().map(|s| s.conditions.as_slice());
    tell(server, conditions.unwrap_or_default(), kind)
}

fn tell(object: &impl ResourceExt, conditions: &[Condition], kind: &str) -> String {
    let name = format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
    match conditions.iter().find(|c| c.type_ == kind) {
        Some(c) => format!("{name} {kind}={} {}: {}", c.status, c.reason, c.message),
        None => format!("{name} has no condition {kind}"),
    }
}

/// Looks again and again until `enough` says yes, and returns what it saw.
///
/// # Errors
/// [`Error::Late`] with what `enough` last complained about.
pub async fn until(
    cluster: &Cluster,
    what: &str,
    within: Duration,
    mut enough: impl FnMut(&[VirtualServer]) -> Result<(), String>,
) -> Result<Vec<VirtualServer>, Error> {
    let end = Instant::now() + within;
    loop {
        let servers = all(cluster).await?;
        match enough(&servers) {
            Ok(()) => return Ok(servers),
            Err(last) if Instant::now() >= end => {
                return Err(Error::Late {
                    what: what.to_owned(),
                    after: within,
                    last,
                });
            }
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

/// As [`until`] for any look at the cluster.
pub async fn eventually<T, F>(what: &str, within: Duration, mut look: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, String>>,
{
    let end = Instant::now() + within;
    loop {
        match look().await {
            Ok(seen) => return Ok(seen),
            Err(last) if Instant::now() >= end => {
                return Err(Error::Late {
                    what: what.to_owned(),
                    after: within,
                    last,
                });
            }
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

/// Where each server is by its status, where its copies are, and under which epoch; without those that have no place yet.
#[must_use]
pub fn places(servers: &[VirtualServer]) -> BTreeMap<String, String> {
    let place = |server: &VirtualServer| {
        let status = server.status.as_ref()?;
        let name = format!("{}/{}", server.namespace().unwrap_or_default(), server.name_any());
        let (site, rack) = (status.site.as_ref()?, &status.rack);
        Some((
            name,
            format!("{site} {rack:?} {:?} {:?}", status.copy_sites, status.epoch),
        ))
    };
    servers.iter().filter_map(place).collect()
}

/// Complains about the first copied server of which not every copy is proven; there must be that many.
pub fn protected(servers: &[VirtualServer], at_least: usize) -> Result<(), String> {
    let copied = |s: &&VirtualServer| s.status.as_ref().is_some_and(|t| !t.copy_sites.is_empty());
    let copied: Vec<_> = servers.iter().filter(copied).cloned().collect();
    every(&copied, condition::PROTECTED, at_least)
}

/// Waits until there are that many colocations and all are Ready.
///
/// # Errors
/// [`Error::Late`] with the first that is not.
pub async fn colocations(
    cluster: &Cluster,
    at_least: usize,
    within: Duration,
) -> Result<Vec<Colocation>, Error> {
    eventually("every colocation is Ready", within, || async {
        let all = crate::recount::list::<Colocation>(cluster)
            .await
            .map_err(|e| crate::error::chain(&e))?;
        match all.iter().find(|c| !stands(c)) {
            Some(first) => Err(colocation_told(first)),
            None if all.len() < at_least => Err(format!("{} of {at_least} are there", all.len())),
            None => Ok(all),
        }
    })
    .await
}

/// Whether a colocation is Ready for the spec as it is now.
#[must_use]
pub fn stands(colocation: &Colocation) -> bool {
    colocation.status.as_ref().is_some_and(|status| {
        Some(status.observed_generation) == colocation.metadata.generation
            && condition::is_true(&status.conditions, condition::READY)
    })
}

/// As [`told`], of a colocation's Ready.
#[must_use]
pub fn colocation_told(colocation: &Colocation) -> String {
    let conditions = colocation.status.as_ref().map(|s| s.conditions.as_slice());
    tell(colocation, conditions.unwrap_or_default(), condition::READY)
}

/// Tries a command again while what it needs (a namespace that the controller makes, a kind just installed) is not there
/// yet or the API server is too busy to answer, as a GitOps pipeline does. What the API server refuses for what it says is
/// not tried again.
pub async fn retried<F>(what: &str, mut attempt: impl FnMut() -> F) -> Result<(), Error>
where
    F: Future<Output = Result<String, Error>>,
{
    let end = Instant::now() + APPEARS;
    let mut attempts = 0;
    loop {
        attempts += 1;
        match attempt().await {
            Ok(_) => return Ok(()),
            // A long apply may use up the whole time in one attempt.
            Err(Error::Command { output, .. })
                if (Instant::now() < end || attempts < ATTEMPTS) && !refused(&output) =>
            {
                tokio::time::sleep(LOOK).await;
            }
            Err(error) => {
                return Err(Error::Wrong(format!(
                    "could not {what} in {attempts} attempts: {}",
                    crate::error::chain(&error)
                )));
            }
        }
    }
}

/// Whether the API server said no to what was asked, so that asking again is of no use.
fn refused(output: &str) -> bool {
    [
        "is invalid",
        "strict decoding error",
        "denied the request",
        "forbidden",
    ]
    .iter()
    .any(|word| output.contains(word))
}

/// Complains about the first server of which `kind` does not hold.
pub fn every(servers: &[VirtualServer], kind: &str, at_least: usize) -> Result<(), String> {
    if servers.len() < at_least {
        return Err(format!("{} of {at_least} servers are there", servers.len()));
    }
    let missing: Vec<_> = servers.iter().filter(|s| !holds(s, kind)).collect();
    match missing.first() {
        None => Ok(()),
        Some(first) => Err(format!(
            "{} of {} not yet; first: {}",
            missing.len(),
            servers.len(),
            told(first, kind)
        )),
    }
}
