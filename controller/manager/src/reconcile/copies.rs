//! Asynchronous copies: which VolSync pairs there should be, and carrying that out. I/O: `carry_out` only.
//!
//! The destination comes first, because the source needs its address and the key that VolSync makes for it. A pair that is no longer
//! wanted goes only when every wanted copy of the same disk is proven to be complete: until then it may be the only one.

pub mod evidence;
pub mod proof;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt as _;
use raidc_crds::names::COPY_SITE_LABEL;
use raidc_crds::names::DISK_LABEL;
use raidc_crds::names::SERVER_UID_LABEL;
use serde_json::Value;

use self::proof::DiskCopy;
use super::typed;
use crate::Ctx;
use crate::Error;
use crate::executors::Owner;
use crate::executors::volsync::Destination;
use crate::executors::volsync::Pair;
use crate::executors::volsync::Source;
use crate::foreign::volsync::ReplicationDestination;
use crate::foreign::volsync::ReplicationSource;
use crate::inventory::claims::ClaimSeen;

/// Field manager of VolSync's objects.
pub const MANAGER: &str = "raidc/copies";

/// What VolSync has for a server: everything with its UID, wanted or not.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Sources, by name.
    pub sources: BTreeMap<String, Arc<ReplicationSource>>,
    /// Destinations, by name.
    pub destinations: BTreeMap<String, Arc<ReplicationDestination>>,
    /// Claims that hold copies, by name.
    pub claims: BTreeMap<String, ClaimSeen>,
}

/// A disk to be copied.
#[derive(Clone, Debug)]
pub struct DiskAsk<'a> {
    /// Name within the server.
    pub name: &'a str,
    /// Its claim, once there is one.
    pub claim: Option<&'a ClaimSeen>,
}

/// A site that is to hold a copy.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The site.
    pub site: &'a str,
    /// Its storage class.
    pub class: &'a str,
    /// Its snapshot class.
    pub snapshot_class: Option<&'a str>,
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// Whose disks.
    pub owner: Owner<'a>,
    /// Disks.
    pub disks: Vec<DiskAsk<'a>>,
    /// Sites with a copy.
    pub targets: Vec<Target<'a>>,
    /// Snapshot class of the server's own site.
    pub snapshot_class: Option<&'a str>,
    /// Storage class there for volumes that live as long as a transfer.
    pub transfer_class: Option<&'a str>,
    /// Recovery point objective in seconds.
    pub rpo_seconds: i64,
    /// False while the plan has fewer sites than the policy asks for: then nothing is taken away.
    pub complete: bool,
}

/// One call to be made.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Make or mend a destination.
    Destination(Value),
    /// Make or mend a source.
    Source(Value),
    /// Take a source away.
    DropSource(String),
    /// Take a destination away, and with it what it holds.
    DropDestination(String),
}

impl Seen {
    /// What is seen of one disk's copy at one site.
    #[must_use]
    pub fn copy<'a>(&'a self, pair: &Pair<'a>) -> DiskCopy<'a> {
        let name = pair.name();
        let ours = |uid: Option<&String>| uid.is_some_and(|uid| uid == pair.owner.uid);
        DiskCopy {
            disk: pair.disk,
            source: self
                .sources
                .get(&name)
                .map(AsRef::as_ref)
                .filter(|s| ours(s.labels().get(SERVER_UID_LABEL))),
            destination: self
                .destinations
                .get(&name)
                .map(AsRef::as_ref)
                .filter(|d| ours(d.labels().get(SERVER_UID_LABEL))),
            claim: self.claims.get(&pair.copy_claim()),
        }
    }
}

/// Every call that brings what is seen to what is wanted. Carrying out some of them and planning again gives the rest.
#[must_use]
pub fn steps(ask: &Ask<'_>, seen: &Seen, now: Timestamp) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut wanted = Vec::new();
    let mut unproven = Vec::new();
    for disk in &ask.disks {
        for target in &ask.targets {
            let pair = Pair {
                owner: ask.owner,
                disk: disk.name,
                site: target.site,
            };
            let name = pair.name();
            if foreign(seen, &name, ask.owner.uid) {
                // Left behind by an earlier server of the same name: it goes, and the pair is made when it has gone.
                steps.extend(drop_pair(seen, &name));
                unproven.push(disk.name);
                wanted.push(name);
                continue;
            }
            let copy = seen.copy(&pair);
            if proof::recovery_point(&copy, now).is_none() {
                unproven.push(disk.name);
            }
            wanted.push(name);
            steps.extend(make_pair(ask, disk, target, &pair, &copy));
        }
    }
    if ask.complete {
        steps.extend(orphans(seen, &wanted, &unproven));
    }
    steps
}

/// Every pair of a server, for the time when it is deleted.
#[must_use]
pub fn drop_all(seen: &Seen) -> Vec<Step> {
    orphans(seen, &[], &[])
}

fn foreign(seen: &Seen, name: &str, uid: &str) -> bool {
    let other = |label: Option<&String>| label.is_none_or(|l| l != uid);
    seen.sources
        .get(name)
        .is_some_and(|s| other(s.labels().get(SERVER_UID_LABEL)))
        || seen
            .destinations
            .get(name)
            .is_some_and(|d| other(d.labels().get(SERVER_UID_LABEL)))
}

fn make_pair(
    ask: &Ask<'_>,
    disk: &DiskAsk<'_>,
    target: &Target<'_>,
    pair: &Pair<'_>,
    copy: &DiskCopy<'_>,
) -> Vec<Step> {
    // The copy is as large as the disk and of its kind: both are known once the claim is bound.
    let Some(claim) = disk.claim.filter(|c| c.is_bound()) else {
        return Vec::new();
    };
    let Some(mib) = claim.mib() else {
        return Vec::new();
    };
    let destination = Step::Destination(pair.destination(&Destination {
        mib,
        volume_mode: claim.volume_mode(),
        class: target.class,
        snapshot_class: target.snapshot_class,
    }));
    let listening = copy
        .destination
        .and_then(|d| d.status.as_ref()?.rsync_tls.as_ref())
        .and_then(|tls| Some((tls.address.as_deref()?, tls.key_secret.as_deref()?, tls.port)));
    let Some((address, key_secret, port)) = listening else {
        return vec![destination];
    };
    let schedule = pair.schedule(ask.rpo_seconds);
    let source = Step::Source(pair.source(&Source {
        claim: claim.name(),
        address,
        port,
        key_secret,
        snapshot_class: ask.snapshot_class,
        transfer_class: ask.transfer_class,
        schedule: schedule.as_deref(),
    }));
    vec![destination, source]
}

/// Pairs that are not wanted, of disks whose wanted copies are all proven. The source goes first, so that it never fails for want
/// of a destination.
fn orphans(seen: &Seen, wanted: &[String], unproven: &[&str]) -> Vec<Step> {
    let goes = |name: &String, labels: &BTreeMap<String, String>| {
        let disk = labels.get(DISK_LABEL).map(String::as_str).unwrap_or_default();
        labels.contains_key(COPY_SITE_LABEL) && !wanted.contains(name) && !unproven.contains(&disk)
    };
    let sources = seen
        .sources
        .iter()
        .filter(|(name, s)| goes(name, s.labels()))
        .map(|(name, _)| Step::DropSource(name.clone()));
    let destinations = seen
        .destinations
        .iter()
        .filter(|(name, d)| goes(name, d.labels()))
        .map(|(name, _)| Step::DropDestination(name.clone()));
    sources.chain(destinations).collect()
}

fn drop_pair(seen: &Seen, name: &str) -> Vec<Step> {
    let source = seen
        .sources
        .contains_key(name)
        .then(|| Step::DropSource(name.to_owned()));
    let destination = seen
        .destinations
        .contains_key(name)
        .then(|| Step::DropDestination(name.to_owned()));
    source.into_iter().chain(destination).collect()
}

/// Makes the calls, those that are not needed excepted. A call that fails stops the rest; the next look plans anew.
///
/// # Errors
/// What the writer says.
pub async fn carry_out(ctx: &Ctx, seen: &Seen, steps: Vec<Step>) -> Result<(), Error> {
    for step in steps {
        match step {
            Step::Destination(body) => {
                let wanted: ReplicationDestination = typed(body)?;
                let live = seen.destinations.get(&wanted.name_any()).map(AsRef::as_ref);
                ctx.writer.apply_over(MANAGER, &wanted, live).await?;
            }
            Step::Source(body) => {
                let wanted: ReplicationSource = typed(body)?;
                let live = seen.sources.get(&wanted.name_any()).map(AsRef::as_ref);
                ctx.writer.apply_over(MANAGER, &wanted, live).await?;
            }
            Step::DropSource(name) => {
                if let Some(live) = seen.sources.get(&name) {
                    ctx.writer.delete(live.as_ref()).await?;
                }
            }
            Step::DropDestination(name) => {
                if let Some(live) = seen.destinations.get(&name) {
                    ctx.writer.delete(live.as_ref()).await?;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "copies/steps_tests.rs"]
mod tests;
