//! Up to which moment one disk's copy is proven to hold the data, from what VolSync's two ends report. No I/O.
//!
//! Absent, nil or future is unknown. What has been proven stays proven for as long as the same destination keeps an image: a
//! destination only ever exchanges its image for that of a later transfer. Both ends report for themselves and in either order.

use std::time::Duration;

use jiff::SignedDuration;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use raidc_crds::virtual_server::DiskCopyStatus;

use crate::foreign::volsync::ReplicationDestination;
use crate::foreign::volsync::ReplicationSource;
use crate::inventory::claims::ClaimSeen;

/// Clocks of two machines may differ by this much before a time counts as coming from the future.
const SKEW: SignedDuration = SignedDuration::from_secs(5);
/// Times in Kubernetes' objects are cut to whole seconds.
const TICK: SignedDuration = SignedDuration::from_secs(1);

/// One disk's copy at one site, as seen.
#[derive(Clone, Debug, Default)]
pub struct DiskCopy<'a> {
    /// Name of the disk within the server.
    pub disk: &'a str,
    /// VolSync's source.
    pub source: Option<&'a ReplicationSource>,
    /// VolSync's destination.
    pub destination: Option<&'a ReplicationDestination>,
    /// The claim that holds the copy.
    pub claim: Option<&'a ClaimSeen>,
}

/// The newest moment that is proven of one disk's copy: what both ends say now, or what an earlier look recorded of this very
/// destination, whichever is later. `None` is unknown.
#[must_use]
pub fn proven(copy: &DiskCopy<'_>, recorded: &[DiskCopyStatus], now: Timestamp) -> Option<DiskCopyStatus> {
    let destination = copy.destination?;
    let uid = destination.metadata.uid.as_deref()?;
    destination.status.as_ref()?.latest_image.as_ref()?;
    let latest = now.checked_add(SKEW).ok()?;
    let before = recorded
        .iter()
        .find(|disk| disk.name == copy.disk && disk.destination == uid)
        .map(|disk| disk.recovery_point.0)
        .filter(|point| *point <= latest);
    let point = recovery_point(copy, now).max(before)?;
    Some(DiskCopyStatus {
        name: copy.disk.to_owned(),
        destination: uid.to_owned(),
        recovery_point: Time(point),
    })
}

/// The newest moment up to which one disk's copy is sure to hold the data by what both ends say now: when the last finished
/// transfer *began*, because what was written after that may be missing. `None` is unknown.
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
    if !is_to(source, destination, point, end) {
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

/// Whether a transfer from about `point` to `end` was one to this destination and not to an earlier one of the same name.
///
/// A point at or after the making proves it. Whole seconds can hide that: the source's start is cut to a second `s`, its end to
/// `e`, and the duration counts from `s` to the uncut end, so that the point lies in `(s - 1 s, s]`. A transfer that began in the
/// second of the making thus has a point of up to a second before it. Such a one is believed when it ended in a later second, for
/// then the destination was there at its end and an earlier one of the name was not, or when the source is no older than the
/// destination, for it is made once a destination has told its address and has known no earlier one; and in either case when the
/// source names this destination's address and key. The point is not too late either: it lies before the second of the making, and
/// whatever the destination has kept began in that second or after it.
fn is_to(
    source: &ReplicationSource,
    destination: &ReplicationDestination,
    point: Timestamp,
    end: Timestamp,
) -> bool {
    let Some(made) = destination.metadata.creation_timestamp.as_ref().map(|t| t.0) else {
        return false;
    };
    if made <= point {
        return true;
    }
    let began_in_that_second = made.duration_since(point) < TICK;
    let source_made = source.metadata.creation_timestamp.as_ref().map(|t| t.0);
    let made_for_it = source_made.is_some_and(|source| source >= made);
    began_in_that_second && (end > made || made_for_it) && names(source, destination)
}

/// Whether the source sends to the address at which the destination listens, with its key.
fn names(source: &ReplicationSource, destination: &ReplicationDestination) -> bool {
    let to = source.spec.rsync_tls.as_ref();
    let to = to.and_then(|tls| Some((tls.address.as_ref()?, tls.key_secret.as_ref()?)));
    let at = destination.status.as_ref().and_then(|s| s.rsync_tls.as_ref());
    let at = at.and_then(|tls| Some((tls.address.as_ref()?, tls.key_secret.as_ref()?)));
    to.is_some() && to == at
}

/// A duration as Go writes it (`1m2.5s`); negative or unreadable is `None`.
fn go_duration(text: &str) -> Option<Duration> {
    let parsed: kube::core::Duration = text.parse().ok()?;
    (!parsed.is_negative()).then(|| parsed.into())
}
