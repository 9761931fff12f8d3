//! Evidence of copies: what must never count as proof, and what stays proven.

use super::*;
use crate::foreign::volsync::ReplicationDestination;
use crate::foreign::volsync::ReplicationSource;
use crate::inventory::claims::tests::bound;
use crate::reconcile::copies::proof::recovery_point;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use raidc_crds::virtual_server::DiskCopyStatus;
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
    let mut body = json!({"metadata": {"name": "d", "uid": "d-1", "creationTimestamp": created}, "spec": {}, "status": {}});
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
        disk: "root",
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
        disk: "root",
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
        (Status::Unknown, "PlaceUnknown")
    );
    assert!(nowhere.message.contains("node affinity"), "{}", nowhere.message);
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
        disk: "root",
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
        disks: vec![DiskCopyStatus {
            name: "root".into(),
            destination: "d-1".into(),
            recovery_point: Time(at("2026-11-22T11:50:00Z")),
        }],
    }];
    let lost = DiskCopy {
        disk: "root",
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
    let mut anew = destination("2026-11-22T11:55:00Z", Some("2026-11-22T11:56:00Z"));
    anew.metadata.uid = Some("d-2".into());
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

/// One disk's pair, as VolSync leaves it.
#[derive(Clone)]
struct PairSeen {
    disk: &'static str,
    source: ReplicationSource,
    destination: ReplicationDestination,
}

/// A pair whose destination was made at `created`, with a transfer that ended at `end` after `took` and was kept at `kept`.
fn pair(disk: &'static str, created: &str, end: &str, took: &str, kept: &str) -> PairSeen {
    let tls = json!({"address": "10.96.0.9", "keySecret": "key"});
    let mut from = serde_json::to_value(source(Some(end), Some(took), true)).expect("json");
    from["spec"]["rsyncTLS"] = tls.clone();
    let mut to = serde_json::to_value(destination(created, Some(kept))).expect("json");
    to["metadata"]["uid"] = json!(format!("uid-of-{disk}"));
    to["status"]["rsyncTLS"] = tls;
    PairSeen {
        disk,
        source: serde_json::from_value(from).expect("a source"),
        destination: serde_json::from_value(to).expect("a destination"),
    }
}

impl PairSeen {
    /// The source has reported a transfer that ended then.
    fn sent(mut self, end: &str) -> Self {
        self.source.status.get_or_insert_default().last_sync_time = Some(Time(at(end)));
        self
    }

    /// The destination has kept what it received then.
    fn kept(mut self, when: &str) -> Self {
        self.destination.status.get_or_insert_default().last_sync_time = Some(Time(at(when)));
        self
    }

    fn point(&self) -> Option<Timestamp> {
        point(&self.source, &self.destination)
    }
}

fn judge_pairs(pairs: &[PairSeen], recorded: &[CopyStatus]) -> Verdict {
    let claim = bound("volsync-x-dst", "u", &["talsi"]);
    let disks = pairs
        .iter()
        .map(|pair| DiskCopy {
            disk: pair.disk,
            source: Some(&pair.source),
            destination: Some(&pair.destination),
            claim: Some(&claim),
        })
        .collect();
    asynchronous(&silver(), &[("talsi", disks)], recorded, at(NOW))
}

#[test]
fn protection_never_flaps_between_the_two_reports_of_a_transfer() {
    let root = pair(
        "root",
        "2026-11-22T11:50:00Z",
        "2026-11-22T11:50:05Z",
        "2s",
        "2026-11-22T11:50:06Z",
    );
    // The second disk's destination is younger than the first disk's recovery point, as it is on a busy machine.
    let data = pair(
        "data",
        "2026-11-22T11:50:08Z",
        "2026-11-22T11:50:14Z",
        "2s",
        "2026-11-22T11:50:15Z",
    );
    let first = judge_pairs(&[root.clone(), data.clone()], &[]);
    assert_eq!(first.status, Status::True, "{first:?}");
    let source_first = data.clone().sent("2026-11-22T11:56:04Z");
    let destination_first = data.kept("2026-11-22T11:56:05Z");
    for between in [source_first.clone(), destination_first] {
        let verdict = judge_pairs(&[root.clone(), between], &first.copies);
        assert_eq!(verdict.status, Status::True, "{verdict:?}");
        assert_eq!(
            verdict.copies, first.copies,
            "nothing new is proven, so nothing is written"
        );
    }
    let both = source_first.kept("2026-11-22T11:56:05Z");
    let next = judge_pairs(&[root, both], &first.copies);
    assert_eq!(
        next.copies[0].disks[0].recovery_point,
        Time(at("2026-11-22T11:56:02Z"))
    );
    assert_eq!(
        next.copies[0].recovery_point, first.copies[0].recovery_point,
        "the oldest disk's"
    );
}

#[test]
fn a_first_transfer_in_the_second_of_the_destinations_making_never_waits_for_the_next() {
    // Began in second 10, in which the destination was made; ended at 13.4: whole seconds put the point 0.4 s before 10.
    let d = pair(
        "root",
        "2026-11-22T11:50:10Z",
        "2026-11-22T11:50:13Z",
        "3.4s",
        "2026-11-22T11:50:14Z",
    );
    assert_eq!(d.point(), Some(at("2026-11-22T11:50:09.6Z")));
}

#[test]
fn a_first_transfer_that_is_over_within_the_second_of_the_making_never_waits_for_the_next() {
    let mut d = pair(
        "root",
        "2026-11-22T11:50:10Z",
        "2026-11-22T11:50:10Z",
        "0.6s",
        "2026-11-22T11:50:10Z",
    );
    d.source.metadata.creation_timestamp = Some(Time(at("2026-11-22T11:50:10Z")));
    assert_eq!(d.point(), Some(at("2026-11-22T11:50:09.4Z")));
    d.source.metadata.creation_timestamp = Some(Time(at("2026-11-22T11:50:09Z")));
    assert_eq!(
        d.point(),
        None,
        "the source may have known an earlier destination"
    );
}

#[test]
fn a_transfer_of_the_second_before_or_to_another_address_never_counts_for_a_new_destination() {
    let pair = |end, took| pair("root", "2026-11-22T11:50:10Z", end, took, "2026-11-22T11:50:14Z");
    assert_eq!(
        pair("2026-11-22T11:50:13Z", "4s").point(),
        None,
        "it began in the second before"
    );
    assert_eq!(
        pair("2026-11-22T11:50:10Z", "0.4s").point(),
        None,
        "it ended in the second of the making"
    );
    let mut elsewhere = pair("2026-11-22T11:50:13Z", "3.4s");
    let tls = elsewhere.source.spec.rsync_tls.as_mut();
    tls.expect("tls").address = Some("10.96.0.8".into());
    assert_eq!(elsewhere.point(), None, "it sends elsewhere");
    elsewhere.source.spec.rsync_tls = None;
    assert_eq!(elsewhere.point(), None, "it does not say where it sends");
}

#[test]
fn what_one_destination_proved_never_speaks_for_its_successor() {
    let seen = pair(
        "root",
        "2026-11-22T11:40:00Z",
        "2026-11-22T11:50:14Z",
        "2s",
        "2026-11-22T11:50:15Z",
    );
    let first = judge_pairs(std::slice::from_ref(&seen), &[]);
    let mut anew = seen.clone();
    anew.destination.metadata.uid = Some("another".into());
    anew.destination.metadata.creation_timestamp = Some(Time(at("2026-11-22T11:55:00Z")));
    assert_eq!(judge_pairs(&[anew], &first.copies).status, Status::Unknown);
    let mut empty = seen;
    empty.destination.status.get_or_insert_default().latest_image = None;
    assert_eq!(
        judge_pairs(&[empty], &first.copies).status,
        Status::Unknown,
        "it has lost what it kept"
    );
}

#[test]
fn a_proven_point_never_goes_back() {
    let seen = pair(
        "root",
        "2026-11-22T08:00:00Z",
        "2026-11-22T11:55:00Z",
        "2s",
        "2026-11-22T11:55:01Z",
    );
    let first = judge_pairs(std::slice::from_ref(&seen), &[]);
    let back = seen.sent("2026-11-22T11:52:00Z");
    assert_eq!(judge_pairs(&[back], &first.copies).copies, first.copies);
}

#[test]
fn a_record_is_never_believed_from_the_future_nor_beyond_the_objective() {
    let mut seen = pair(
        "root",
        "2026-11-22T08:00:00Z",
        "2026-11-22T11:55:00Z",
        "2s",
        "2026-11-22T11:55:01Z",
    );
    let mut recorded = judge_pairs(std::slice::from_ref(&seen), &[]).copies;
    seen.source.status = None;
    recorded[0].disks[0].recovery_point = Time(at("2026-11-22T12:01:00Z"));
    assert_eq!(
        judge_pairs(std::slice::from_ref(&seen), &recorded).status,
        Status::Unknown
    );
    recorded[0].disks[0].recovery_point = Time(at("2026-11-22T11:40:00Z"));
    assert_eq!(judge_pairs(&[seen], &recorded).reason, "RecoveryPointLate");
}
