//! What is known of each copy: where it really lies and up to which moment it holds the data. No I/O.
//!
//! Absent, nil or future is unknown, and unknown never counts as protected.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use raidc_crds::condition::Status;
use raidc_crds::replication_policy::ReplicationMode;
use raidc_crds::virtual_server::CopyState;
use raidc_crds::virtual_server::CopyStatus;

use crate::foreign::volsync::ReplicationDestination;
use crate::foreign::volsync::ReplicationSource;
use crate::reconcile::claims::ClaimSeen;

/// Clocks of two machines may differ by this much before a time counts as coming from the future.
const SKEW: SignedDuration = SignedDuration::from_secs(5);

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

/// One disk's copy at one site, as seen.
#[derive(Clone, Debug, Default)]
pub struct DiskCopy<'a> {
    /// VolSync's source.
    pub source: Option<&'a ReplicationSource>,
    /// VolSync's destination.
    pub destination: Option<&'a ReplicationDestination>,
    /// The claim that holds the copy.
    pub claim: Option<&'a ClaimSeen>,
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

/// The newest moment up to which one disk's copy is sure to hold the data: when the last finished transfer *began*, because what
/// was written after that may be missing. `None` is unknown.
#[must_use]
pub fn recovery_point(copy: &DiskCopy<'_>, now: Timestamp) -> Option<Timestamp> {
    let (source, destination) = (copy.source?, copy.destination?);
    let sent = source.status.as_ref()?;
    let end = sent.last_sync_time.as_ref()?.0;
    let took = go_duration(sent.last_sync_duration.as_deref()?)?;
    if end > now.checked_add(SKEW).ok()? {
        return None;
    }
    let point = end.checked_sub(took).ok()?;
    // A transfer to an earlier destination of the same name says nothing of this one.
    if created(destination)? > point {
        return None;
    }
    let received = destination.status.as_ref()?;
    received.latest_image.as_ref()?;
    let kept = received.last_sync_time.as_ref()?.0;
    // The destination keeps what it was sent a moment after the source has ended. On a schedule that moment is long past when
    // the next transfer begins; without pauses it may not be, so there it must have been kept after the end.
    let unscheduled = source
        .spec
        .trigger
        .as_ref()
        .is_none_or(|t| t.schedule.is_none() && t.manual.is_none());
    let proof = if unscheduled { end } else { point };
    (kept >= proof).then_some(point)
}

fn created(destination: &ReplicationDestination) -> Option<Timestamp> {
    destination.metadata.creation_timestamp.as_ref().map(|t| t.0)
}

/// A duration as Go writes it (`1m2.5s`); negative or unreadable is `None`.
fn go_duration(text: &str) -> Option<Duration> {
    let parsed: kube::core::Duration = text.parse().ok()?;
    (!parsed.is_negative()).then(|| parsed.into())
}

/// Where a copy lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lies {
    AsPlanned,
    Elsewhere,
    Unknown,
}

fn lies(claim: Option<&ClaimSeen>, site: &str) -> Lies {
    match claim.and_then(ClaimSeen::sites) {
        None => Lies::Unknown,
        Some(sites) if sites.len() == 1 && sites.contains(site) => Lies::AsPlanned,
        Some(_) => Lies::Elsewhere,
    }
}

/// Judges asynchronous copies: `copies` holds, per site of the plan, every disk's copy. `recorded` is what an earlier look found,
/// which stays true of a copy for as long as its destinations are the same.
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
        let earlier = recorded
            .iter()
            .find(|c| c.site == *site)
            .and_then(|c| c.recovery_point.as_ref())
            .map(|t| t.0);
        let point = oldest(disks, earlier, now);
        let late_at = point.and_then(|p| p.checked_add(SignedDuration::from_secs(rpo)).ok());
        let place = place_of(disks, site);
        let state = match (point, place) {
            (_, Lies::Unknown | Lies::Elsewhere) | (None, _) => CopyState::Unknown,
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
        });
    }
    let good = format!(
        "copies at {} are within the recovery point objective of {written}",
        list(&found.current)
    );
    found.verdict(protection, statuses, good, written)
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
            None => Lies::Unknown,
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
            Lies::Elsewhere | Lies::Unknown => CopyState::Unknown,
        };
        found.note(copy, state, place);
        statuses.push(CopyStatus {
            site: copy.clone(),
            mode: ReplicationMode::Sync,
            state,
            recovery_point: None,
        });
    }
    let good = format!("every write is at {} as well", list(&found.current));
    found.verdict(protection, statuses, good, "")
}

/// The oldest of the disks' points. What was recorded earlier stands in for a disk whose newest point cannot be told, unless its
/// destination is younger than that.
fn oldest(disks: &[DiskCopy<'_>], recorded: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    let mut oldest = None::<Timestamp>;
    for disk in disks {
        let point = recovery_point(disk, now).or_else(|| {
            let recorded = recorded?;
            let destination = disk.destination?;
            let kept = destination.status.as_ref()?.latest_image.is_some();
            (kept && created(destination)? <= recorded).then_some(recorded)
        })?;
        oldest = Some(oldest.map_or(point, |o| o.min(point)));
    }
    oldest
}

fn place_of(disks: &[DiskCopy<'_>], site: &str) -> Lies {
    worst(disks.iter().map(|disk| lies(disk.claim, site)))
}

/// Elsewhere is worse than unknown, because it is known to be wrong. Nothing at all is unknown.
fn worst(places: impl Iterator<Item = Lies>) -> Lies {
    let all: Vec<Lies> = places.collect();
    if all.contains(&Lies::Elsewhere) {
        Lies::Elsewhere
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
    unknown: BTreeSet<String>,
    late_at: Option<Timestamp>,
}

impl Found {
    fn note(&mut self, site: &str, state: CopyState, place: Lies) {
        let set = match (state, place) {
            (_, Lies::Elsewhere) => &mut self.elsewhere,
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
mod tests {
    use super::*;
    use crate::reconcile::claims::tests::bound;
    use serde_json::json;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn source(end: Option<&str>, took: Option<&str>, scheduled: bool) -> ReplicationSource {
        let mut body = json!({"metadata": {"name": "s"}, "spec": {}, "status": {}});
        if scheduled {
            body["spec"]["trigger"] = json!({"schedule": "*/5 * * * *"});
        }
        if let Some(end) = end {
            body["status"]["lastSyncTime"] = json!(end);
        }
        if let Some(took) = took {
            body["status"]["lastSyncDuration"] = json!(took);
        }
        serde_json::from_value(body).expect("a source")
    }

    fn destination(created: &str, kept: Option<&str>) -> ReplicationDestination {
        let mut body =
            json!({"metadata": {"name": "d", "creationTimestamp": created}, "spec": {}, "status": {}});
        if let Some(kept) = kept {
            body["status"] =
                json!({"lastSyncTime": kept, "latestImage": {"kind": "VolumeSnapshot", "name": "x"}});
        }
        serde_json::from_value(body).expect("a destination")
    }

    const NOW: &str = "2026-11-22T12:00:00Z";

    fn silver() -> Protection<'static> {
        Protection {
            policy: "silver",
            copies: 2,
            mode: Some(ReplicationMode::Async),
            rpo: Some((900, "15m")),
        }
    }

    fn point(source: &ReplicationSource, destination: &ReplicationDestination) -> Option<Timestamp> {
        let copy = DiskCopy {
            source: Some(source),
            destination: Some(destination),
            claim: None,
        };
        recovery_point(&copy, at(NOW))
    }

    #[test]
    fn a_recovery_point_is_never_younger_than_the_beginning_of_the_transfer() {
        let s = source(Some("2026-11-22T11:55:00Z"), Some("1m30s"), true);
        let d = destination("2026-11-22T10:00:00Z", Some("2026-11-22T11:55:01Z"));
        assert_eq!(point(&s, &d), Some(at("2026-11-22T11:53:30Z")));
    }

    #[test]
    fn absent_nil_and_future_times_are_never_evidence() {
        let d = destination("2026-11-22T10:00:00Z", Some("2026-11-22T11:55:01Z"));
        assert_eq!(point(&source(None, None, true), &d), None);
        assert_eq!(point(&source(Some("2026-11-22T11:55:00Z"), None, true), &d), None);
        assert_eq!(
            point(&source(Some("2026-11-22T12:01:00Z"), Some("1s"), true), &d),
            None
        );
        assert_eq!(
            point(&source(Some("2026-11-22T11:55:00Z"), Some("-1s"), true), &d),
            None
        );
        let s = source(Some("2026-11-22T11:55:00Z"), Some("1s"), true);
        assert_eq!(point(&s, &destination("2026-11-22T10:00:00Z", None)), None);
    }

    #[test]
    fn a_transfer_to_an_earlier_destination_never_speaks_for_this_one() {
        let s = source(Some("2026-11-22T11:55:00Z"), Some("1s"), true);
        let d = destination("2026-11-22T11:56:00Z", Some("2026-11-22T11:56:30Z"));
        assert_eq!(point(&s, &d), None);
        let stale = destination("2026-11-22T10:00:00Z", Some("2026-11-22T11:00:00Z"));
        assert_eq!(point(&s, &stale), None, "the destination has not kept it");
    }

    #[test]
    fn without_pauses_only_what_was_kept_after_the_end_counts() {
        let s = source(Some("2026-11-22T11:55:00Z"), Some("20s"), false);
        let before = destination("2026-11-22T10:00:00Z", Some("2026-11-22T11:54:50Z"));
        assert_eq!(point(&s, &before), None);
        let after = destination("2026-11-22T10:00:00Z", Some("2026-11-22T11:55:00Z"));
        assert_eq!(point(&s, &after), Some(at("2026-11-22T11:54:40Z")));
    }

    fn judge(end: &str, sites: &[&str], recorded: &[CopyStatus]) -> Verdict {
        let s = source(Some(end), Some("10s"), true);
        let d = destination("2026-11-22T08:00:00Z", Some(end));
        let claim = bound("volsync-x-dst", "u", sites);
        let copy = DiskCopy {
            source: Some(&s),
            destination: Some(&d),
            claim: Some(&claim),
        };
        asynchronous(&silver(), &[("talsi", vec![copy])], recorded, at(NOW))
    }

    #[test]
    fn protected_is_never_true_without_place_and_time() {
        let good = judge("2026-11-22T11:55:00Z", &["talsi"], &[]);
        assert_eq!((good.status, good.reason.as_str()), (Status::True, "Protected"));
        assert_eq!(good.late_at, Some(at("2026-11-22T12:09:50Z")));
        assert_eq!(good.copies[0].state, CopyState::Current);

        let nowhere = judge("2026-11-22T11:55:00Z", &[], &[]);
        assert_eq!(
            (nowhere.status, nowhere.reason.as_str()),
            (Status::Unknown, "NoEvidence")
        );
        let elsewhere = judge("2026-11-22T11:55:00Z", &["kuldiga"], &[]);
        assert_eq!(
            (elsewhere.status, elsewhere.reason.as_str()),
            (Status::False, "CopyElsewhere")
        );
        let late = judge("2026-11-22T11:30:00Z", &["talsi"], &[]);
        assert_eq!(
            (late.status, late.reason.as_str()),
            (Status::False, "RecoveryPointLate")
        );
        assert_eq!(late.copies[0].state, CopyState::Late);
    }

    #[test]
    fn one_disk_without_evidence_leaves_the_whole_copy_without() {
        let s = source(Some("2026-11-22T11:55:00Z"), Some("10s"), true);
        let d = destination("2026-11-22T08:00:00Z", Some("2026-11-22T11:55:00Z"));
        let claim = bound("volsync-x-dst", "u", &["talsi"]);
        let full = DiskCopy {
            source: Some(&s),
            destination: Some(&d),
            claim: Some(&claim),
        };
        let verdict = asynchronous(
            &silver(),
            &[("talsi", vec![full, DiskCopy::default()])],
            &[],
            at(NOW),
        );
        assert_eq!(verdict.status, Status::Unknown);
        assert_eq!(verdict.copies[0].recovery_point, None);
    }

    #[test]
    fn what_was_recorded_holds_while_the_destination_is_the_same() {
        let recorded = vec![CopyStatus {
            site: "talsi".into(),
            mode: ReplicationMode::Async,
            state: CopyState::Current,
            recovery_point: Some(Time(at("2026-11-22T11:50:00Z"))),
        }];
        let lost = DiskCopy {
            source: None,
            ..DiskCopy::default()
        };
        let d = destination("2026-11-22T08:00:00Z", Some("2026-11-22T11:50:30Z"));
        let claim = bound("volsync-x-dst", "u", &["talsi"]);
        let with = |d| {
            let copy = DiskCopy {
                destination: Some(d),
                claim: Some(&claim),
                ..lost.clone()
            };
            asynchronous(&silver(), &[("talsi", vec![copy])], &recorded, at(NOW))
        };
        assert_eq!(with(&d).status, Status::True);
        let anew = destination("2026-11-22T11:55:00Z", Some("2026-11-22T11:56:00Z"));
        assert_eq!(with(&anew).status, Status::Unknown);
    }

    #[test]
    fn too_few_copies_are_never_protection() {
        let verdict = asynchronous(&silver(), &[], &[], at(NOW));
        assert_eq!(
            (verdict.status, verdict.reason.as_str()),
            (Status::False, "CopiesMissing")
        );
    }

    #[test]
    fn a_synchronous_copy_is_believed_only_from_the_volume() {
        let gold = Protection {
            policy: "gold",
            copies: 2,
            mode: Some(ReplicationMode::Sync),
            rpo: None,
        };
        let judge = |sites: &[&str]| {
            let claim = bound("web-root", "u", sites);
            synchronous(&gold, "kuldiga", &["talsi".to_owned()], &[Some(&claim)])
        };
        assert_eq!(judge(&["kuldiga", "talsi"]).status, Status::True);
        assert_eq!(judge(&["kuldiga"]).reason, "CopyElsewhere");
        assert_eq!(judge(&["talsi", "liepaja"]).reason, "CopyElsewhere");
        assert_eq!(judge(&[]).status, Status::Unknown);
        let unseen = synchronous(&gold, "kuldiga", &["talsi".to_owned()], &[None]);
        assert_eq!(unseen.status, Status::Unknown);
    }
}
