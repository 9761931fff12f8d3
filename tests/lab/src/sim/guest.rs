//! Plays the guests' work: each running guest counts on its disks. The count is a function of time, so that nothing is
//! written while it goes on: the annotation [`WRITTEN`] of a volume says from where and since when. Writes that.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::SimError;
use super::engine::{Change, Context, Keeper, Kind, Next, Seen, claims_of};
use super::faults::Reach;
use super::value::{Key, Look, rfc3339};

/// Annotation of a PersistentVolume or VolumeSnapshotContent with what is on it, as JSON: `writer` (the guest),
/// `counter` (writes so far) and, while a guest writes, `host` and `since` (when it had written that many).
pub const WRITTEN: &str = "sim.raidc.dev/written";

/// Annotation of a PersistentVolume on which two hosts wrote at once: both hosts and the time. It is evidence, and stays.
/// The simulated storage does not fence: that no two write is for whoever starts guests to make sure of.
pub const TWO_WRITERS: &str = "sim.raidc.dev/two-writers";

/// Writes of a running guest in one second.
const PER_SECOND: i128 = 10;

/// What a volume holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Written {
    /// Namespace and name of the guest that wrote last; empty on a new disk.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) writer: String,
    /// Host of that guest, while it writes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) host: String,
    /// Writes until `since`, or for good if nobody writes.
    pub(crate) counter: u64,
    /// From when on the guest writes; absent while nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Timestamp>,
    /// The point in time of a frozen count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<Timestamp>,
}

impl Written {
    /// What is on a volume or in a snapshot; nothing if the annotation is not readable.
    pub(crate) fn of(object: &Seen) -> Self {
        serde_json::from_str(object.note(WRITTEN)).unwrap_or_default()
    }

    /// The count at a time.
    pub(crate) fn frozen(&self, now: Timestamp) -> Self {
        let Some(since) = self.since else {
            return self.clone();
        };
        let passed = (now.as_millisecond() - since.as_millisecond()).max(0);
        let writes = i128::from(passed) * PER_SECOND / 1000;
        Self {
            writer: self.writer.clone(),
            host: String::new(),
            counter: self
                .counter
                .saturating_add(u64::try_from(writes).unwrap_or_default()),
            since: None,
            at: Some(now),
        }
    }

    /// Goes on counting.
    pub(crate) fn started(&self, writer: &str, host: &str, now: Timestamp) -> Self {
        let until_now = self.frozen(now);
        Self {
            writer: writer.to_owned(),
            host: host.to_owned(),
            counter: until_now.counter,
            since: Some(now),
            at: None,
        }
    }

    /// As the annotation holds it.
    pub(crate) fn note(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Keeps the guests' disks.
pub(crate) struct Guests {
    context: Arc<Context>,
}

impl Guests {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// State of a host; one that is not in the fleet is off.
    fn reach(&self, node: &str) -> Reach {
        let site = self.context.places.site_of(node);
        site.map_or(Reach::Off, |site| self.context.faults().host(site, node))
    }

    fn decide(&self, have: &Written, guest: Option<&Seen>, now: Timestamp) -> Decision {
        let here = guest.map_or("", |guest| guest.text("/status/nodeName"));
        let there = have.since.map(|_| have.host.as_str());
        decide(
            guest.map(|_| self.reach(here)),
            there.map(|host| self.reach(host)),
            there == Some(here),
            || {
                self.context
                    .broken
                    .stopped(there.unwrap_or_default())
                    .unwrap_or(now)
            },
        )
    }
}

/// What becomes of the count on a volume.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    /// It is as it should be.
    Keep,
    /// The guest begins to write, or goes on from another host.
    Start,
    /// The writer ended then.
    Freeze(Timestamp),
    /// The writer is on a host that nobody hears of, and another guest writes too.
    TwoWriters,
}

/// `guest` is the state of the host of the guest that the API server calls running, `writer` that of the host which
/// writes. A host that is only cut off goes on writing whatever the API server says: that is the danger of a partition.
fn decide(
    guest: Option<Reach>,
    writer: Option<Reach>,
    same: bool,
    ended: impl FnOnce() -> Timestamp,
) -> Decision {
    let runs = guest.is_some_and(|reach| reach != Reach::Off);
    match writer {
        Some(_) if runs && same => Decision::Keep,
        Some(Reach::CutOff) if runs => Decision::TwoWriters,
        _ if runs => Decision::Start,
        None | Some(Reach::CutOff) => Decision::Keep,
        Some(_) => Decision::Freeze(ended()),
    }
}

impl Keeper for Guests {
    const NAME: &'static str = "guest";

    fn concerned(&self, change: &Change) -> Vec<Key> {
        match change {
            Change::Object {
                kind: Kind::Volume, ..
            } => {
                // Looked at by volume: the key is the volume's name.
                change.object().map(|volume| volume.key()).into_iter().collect()
            }
            Change::Object {
                kind: Kind::Instance, ..
            } => {
                let guest = change.object();
                let claims = guest.map(|g| claims_of(g)).unwrap_or_default();
                let ns = guest
                    .and_then(|g| g.metadata.namespace.as_deref())
                    .unwrap_or_default();
                let volume = |name: &&str| {
                    let claim = self.context.world.get(Kind::Claim, &Key::new(ns, name))?;
                    Some(Key::cluster(claim.text("/spec/volumeName"))).filter(|key| !key.name.is_empty())
                };
                claims.iter().filter_map(volume).collect()
            }
            Change::Object { .. } => vec![],
            Change::Faults => self
                .context
                .world
                .all(Kind::Volume)
                .iter()
                .map(|v| v.key())
                .collect(),
        }
    }

    async fn look(&self, key: Key) -> Result<Next, SimError> {
        let Some(volume) = self.context.world.get(Kind::Volume, &key) else {
            return Ok(Next::OnChange);
        };
        let claim = format!(
            "{}/{}",
            volume.text("/spec/claimRef/namespace"),
            volume.text("/spec/claimRef/name")
        );
        let guests = self.context.world.find(Kind::Instance, "claim", &claim);
        let running = guests
            .iter()
            .find(|guest| guest.text("/status/phase") == "Running");
        let now = Timestamp::now();
        let have = Written::of(&volume);
        let node = running.map_or("", |guest| guest.text("/status/nodeName"));
        let wanted = match self.decide(&have, running, now) {
            Decision::Keep => return Ok(Next::OnChange),
            Decision::Start => {
                let writer = running.map(|guest| guest.key().to_string()).unwrap_or_default();
                have.started(&writer, node, now)
            }
            Decision::Freeze(at) => have.frozen(at),
            Decision::TwoWriters => {
                if volume.note(TWO_WRITERS).is_empty() {
                    let evidence = format!("{} {node} {}", have.host, rfc3339(now));
                    let patch = json!({"metadata": {"annotations": {TWO_WRITERS: evidence}}});
                    self.context.merge(Kind::Volume, &volume, patch).await?;
                }
                return Ok(Next::OnChange);
            }
        };
        let patch = json!({"metadata": {"annotations": {WRITTEN: wanted.note()}}});
        self.context.merge(Kind::Volume, &volume, patch).await?;
        Ok(Next::OnChange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_stopped_guest_writes_nothing_more() {
        let began = Written::default().started("t/web", "n1", at("2026-01-01T00:00:00Z"));
        let stopped = began.frozen(at("2026-01-01T00:01:00Z"));
        assert_eq!((stopped.counter, stopped.since), (600, None));
        assert_eq!(stopped.frozen(at("2026-01-02T00:00:00Z")).counter, 600);
        let again = stopped.started("t/web", "n1", at("2026-01-03T00:00:00Z"));
        assert_eq!(again.frozen(at("2026-01-03T00:00:01Z")).counter, 610);
    }

    #[test]
    fn a_cut_off_guest_goes_on_writing_although_the_api_server_thinks_it_dead() {
        let then = at("2026-01-01T00:00:00Z");
        let of = |guest, writer, same| decide(guest, writer, same, || then);
        assert_eq!(of(None, Some(Reach::CutOff), false), Decision::Keep);
        assert_eq!(
            of(Some(Reach::On), Some(Reach::CutOff), false),
            Decision::TwoWriters
        );
        assert_eq!(of(Some(Reach::CutOff), Some(Reach::CutOff), true), Decision::Keep);
        // Heard of again, its host has nothing to run; a successor elsewhere takes the count over.
        assert_eq!(of(None, Some(Reach::On), false), Decision::Freeze(then));
        assert_eq!(of(Some(Reach::On), Some(Reach::On), false), Decision::Start);
        assert_eq!(
            of(Some(Reach::Off), Some(Reach::Off), true),
            Decision::Freeze(then)
        );
        assert_eq!(of(Some(Reach::Off), None, false), Decision::Keep);
        assert_eq!(of(Some(Reach::On), None, false), Decision::Start);
    }

    #[test]
    fn a_clock_that_goes_back_takes_nothing_away() {
        let began = Written {
            counter: 7,
            ..Written::default()
        }
        .started("t/web", "n1", at("2026-01-01T00:00:10Z"));
        assert_eq!(began.frozen(at("2026-01-01T00:00:00Z")).counter, 7);
    }

    #[test]
    fn the_annotation_is_read_back_as_it_was_written() {
        let began = Written::default().started("t/web", "n1", at("2026-01-01T00:00:00.5Z"));
        assert_eq!(
            serde_json::from_str::<Written>(&began.note()).expect("own output"),
            began
        );
    }
}
