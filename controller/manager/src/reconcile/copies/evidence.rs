//! What is known of a server's copies together: where each really lies, and whether all are young enough. No I/O.
//!
//! Unknown never counts as protected; what proves one disk's copy is in `proof`.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use raidc_crds::condition::Status;
use raidc_crds::replication_policy::ReplicationMode;
use raidc_crds::virtual_server::CopyState;
use raidc_crds::virtual_server::CopyStatus;
use raidc_crds::virtual_server::DiskCopyStatus;

use super::proof;
use super::proof::DiskCopy;
use crate::inventory::claims::ClaimSeen;

/// What a policy asks of a server's copies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protection<'a> {
    /// Name of the policy.
    pub policy: &'a str,
    /// Copies, the original included.
    pub copies: usize,
    /// How they are kept; a single copy has no mode.
    pub mode: Option<ReplicationMode>,
    /// Recovery point objective in seconds, and as written; asynchronous only.
    pub rpo: Option<(i64, &'a str)>,
}

/// What is known of a server's protection.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Status of the condition `Protected`.
    pub status: Status,
    /// Its reason.
    pub reason: String,
    /// Its message.
    pub message: String,
    /// One entry per site that should hold a copy.
    pub copies: Vec<CopyStatus>,
    /// When time alone will make the first copy late.
    pub late_at: Option<Timestamp>,
}

impl Verdict {
    /// A verdict without copies.
    #[must_use]
    pub fn bare(status: Status, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.into(),
            message: message.into(),
            copies: Vec::new(),
            late_at: None,
        }
    }
}

/// Where a copy lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lies {
    AsPlanned,
    Elsewhere,
    /// The volume is there and says of no site that it is its own: no waiting helps.
    Untold,
    Unknown,
}

/// A place that is not known, and whether it ever will be.
fn unknown(claim: Option<&ClaimSeen>) -> Lies {
    if claim.is_some_and(ClaimSeen::is_untold) {
        Lies::Untold
    } else {
        Lies::Unknown
    }
}

fn lies(claim: Option<&ClaimSeen>, site: &str) -> Lies {
    match claim.and_then(ClaimSeen::sites) {
        None => unknown(claim),
        Some(sites) if sites.len() == 1 && sites.contains(site) => Lies::AsPlanned,
        Some(_) => Lies::Elsewhere,
    }
}

/// Judges asynchronous copies: `copies` holds, per site of the plan, every disk's copy. `recorded` is what an earlier look found,
/// which stays true of each disk for as long as its destination is the same and keeps what it received.
#[must_use]
pub fn asynchronous(
    protection: &Protection<'_>,
    copies: &[(&str, Vec<DiskCopy<'_>>)],
    recorded: &[CopyStatus],
    now: Timestamp,
) -> Verdict {
    let Some((rpo, written)) = protection.rpo else {
        return Verdict::bare(
            Status::Unknown,
            "PolicyMalformed",
            format!(
                "policy {} has no recovery point objective: the platform team has to add one",
                protection.policy
            ),
        );
    };
    let mut found = Found::default();
    let mut statuses = Vec::new();
    for (site, disks) in copies {
        let earlier = recorded.iter().find(|c| c.site == *site);
        let earlier = earlier.map(|c| c.disks.as_slice()).unwrap_or_default();
        let proven: Vec<_> = disks
            .iter()
            .filter_map(|disk| proof::proven(disk, earlier, now))
            .collect();
        let complete = !disks.is_empty() && proven.len() == disks.len();
        let oldest = proven.iter().map(|disk| disk.recovery_point.0).min();
        let point = oldest.filter(|_| complete);
        let late_at = point.and_then(|p| p.checked_add(SignedDuration::from_secs(rpo)).ok());
        let place = place_of(disks, site);
        let state = match (point, place) {
            (_, Lies::Unknown | Lies::Untold | Lies::Elsewhere) | (None, _) => CopyState::Unknown,
            (Some(_), Lies::AsPlanned) if late_at.is_some_and(|t| t < now) => CopyState::Late,
            (Some(_), Lies::AsPlanned) => CopyState::Current,
        };
        found.note(site, state, place);
        if state == CopyState::Current {
            found.late_at = found.late_at.into_iter().chain(late_at).min();
        }
        statuses.push(CopyStatus {
            site: (*site).to_owned(),
            mode: ReplicationMode::Async,
            state,
            recovery_point: point.map(Time),
            disks: sorted(proven),
        });
    }
    let good = format!(
        "copies at {} are within the recovery point objective of {written}",
        list(&found.current)
    );
    found.verdict(protection, statuses, good, written)
}

fn sorted(mut disks: Vec<DiskCopyStatus>) -> Vec<DiskCopyStatus> {
    disks.sort_by(|a, b| a.name.cmp(&b.name));
    disks
}

/// Judges synchronous copies: every disk's own volume must lie at the server's site and at every site of the plan.
#[must_use]
pub fn synchronous(
    protection: &Protection<'_>,
    site: &str,
    copy_sites: &[String],
    disks: &[Option<&ClaimSeen>],
) -> Verdict {
    let mut found = Found::default();
    let mut statuses = Vec::new();
    let spans = |wanted: &str| {
        let each = disks.iter().map(|disk| match disk.and_then(ClaimSeen::sites) {
            None => unknown(*disk),
            Some(sites) if sites.contains(wanted) => Lies::AsPlanned,
            Some(_) => Lies::Elsewhere,
        });
        worst(each)
    };
    let at_home = spans(site);
    for copy in copy_sites {
        let place = worst([at_home, spans(copy)].into_iter());
        let state = match place {
            Lies::AsPlanned => CopyState::Current,
            Lies::Elsewhere | Lies::Untold | Lies::Unknown => CopyState::Unknown,
        };
        found.note(copy, state, place);
        statuses.push(CopyStatus {
            site: copy.clone(),
            mode: ReplicationMode::Sync,
            state,
            recovery_point: None,
            disks: Vec::new(),
        });
    }
    let good = format!("every write is at {} as well", list(&found.current));
    found.verdict(protection, statuses, good, "")
}

fn place_of(disks: &[DiskCopy<'_>], site: &str) -> Lies {
    worst(disks.iter().map(|disk| lies(disk.claim, site)))
}

/// Elsewhere is worse than unknown, because it is known to be wrong; what no waiting helps is worse than what it does. Nothing at all is unknown.
fn worst(places: impl Iterator<Item = Lies>) -> Lies {
    let all: Vec<Lies> = places.collect();
    if all.contains(&Lies::Elsewhere) {
        Lies::Elsewhere
    } else if all.contains(&Lies::Untold) {
        Lies::Untold
    } else if all.is_empty() || all.contains(&Lies::Unknown) {
        Lies::Unknown
    } else {
        Lies::AsPlanned
    }
}

#[derive(Default)]
struct Found {
    current: BTreeSet<String>,
    late: BTreeSet<String>,
    elsewhere: BTreeSet<String>,
    untold: BTreeSet<String>,
    unknown: BTreeSet<String>,
    late_at: Option<Timestamp>,
}

impl Found {
    fn note(&mut self, site: &str, state: CopyState, place: Lies) {
        let set = match (state, place) {
            (_, Lies::Elsewhere) => &mut self.elsewhere,
            (_, Lies::Untold) => &mut self.untold,
            (CopyState::Current, _) => &mut self.current,
            (CopyState::Late, _) => &mut self.late,
            (CopyState::Unknown, _) => &mut self.unknown,
        };
        set.insert(site.to_owned());
    }

    fn verdict(
        self,
        protection: &Protection<'_>,
        copies: Vec<CopyStatus>,
        good: String,
        rpo: &str,
    ) -> Verdict {
        let policy = protection.policy;
        let missing = protection.copies.saturating_sub(1).saturating_sub(copies.len());
        let (status, reason, message) = if !self.elsewhere.is_empty() {
            (
                Status::False,
                "CopyElsewhere",
                format!(
                    "the copy meant for {} does not lie there: the platform team has to check which sites the storage class uses",
                    list(&self.elsewhere)
                ),
            )
        } else if !self.late.is_empty() {
            (
                Status::False,
                "RecoveryPointLate",
                format!(
                    "the copy at {} is older than the {rpo} that policy {policy} promises: look at the server's ReplicationSource for why",
                    list(&self.late)
                ),
            )
        } else if missing > 0 {
            (
                Status::False,
                "CopiesMissing",
                format!(
                    "policy {policy} keeps {} copies and a site is still to be found for {missing}",
                    protection.copies
                ),
            )
        } else if !self.untold.is_empty() {
            (
                Status::Unknown,
                "PlaceUnknown",
                format!(
                    "the volumes of the copy at {} do not say at which site they lie, neither by the site itself nor by nodes that carry a site's label: the platform team has to see that the storage driver gives its volumes a node affinity, and label the nodes that it names",
                    list(&self.untold)
                ),
            )
        } else if !self.unknown.is_empty() {
            (
                Status::Unknown,
                "NoEvidence",
                format!(
                    "nothing proves yet that the copy at {} is complete",
                    list(&self.unknown)
                ),
            )
        } else {
            (Status::True, "Protected", good)
        };
        Verdict {
            status,
            reason: reason.to_owned(),
            message,
            copies,
            late_at: self.late_at,
        }
    }
}

fn list(names: &BTreeSet<String>) -> String {
    names.iter().cloned().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;
