//! What a new volume holds: nothing, a snapshot's data, another volume's, or the latest received copy. No I/O.

use jiff::Timestamp;

use crate::fleet::Profile;
use crate::sim::engine::{Context, Kind, SNAPSHOT_GROUP, Seen};
use crate::sim::guest::Written;
use crate::sim::value::{Key, Look};

/// Where the data of a new volume comes from.
pub(crate) enum Content {
    /// Known, and readable now.
    Ready(Written),
    /// The source is not there or not ready.
    Wait,
    /// Another controller fills volumes of this kind.
    NotOurs,
}

/// Finds the content for a claim.
pub(crate) fn of_claim(context: &Context, claim: &Seen) -> Content {
    let from = match claim.at("/spec/dataSourceRef") {
        none if none.is_null() => claim.at("/spec/dataSource"),
        from => from,
    };
    if from.is_null() {
        return Content::Ready(Written::default());
    }
    let own = claim.metadata.namespace.as_deref().unwrap_or_default();
    let key = Key::new(
        from["namespace"].as_str().unwrap_or(own),
        from["name"].as_str().unwrap_or_default(),
    );
    match (
        from["apiGroup"].as_str().unwrap_or_default(),
        from["kind"].as_str().unwrap_or_default(),
    ) {
        (SNAPSHOT_GROUP, "VolumeSnapshot") => of_snapshot(context, &key),
        ("", "PersistentVolumeClaim") => volume_of(context, &key).map_or(Content::Wait, |volume| {
            Content::Ready(Written::of(&volume).frozen(Timestamp::now()))
        }),
        // VolSync's manager fills these itself where it runs.
        ("volsync.backube", "ReplicationDestination") if context.profile == Profile::Light => {
            of_destination(context, &key)
        }
        _ => Content::NotOurs,
    }
}

/// The data that a snapshot froze.
pub(crate) fn of_snapshot(context: &Context, key: &Key) -> Content {
    let snapshot = context.world.get(Kind::Snapshot, key);
    let Some(snapshot) = snapshot.filter(|s| s.flag("/status/readyToUse")) else {
        return Content::Wait;
    };
    let name = Key::cluster(snapshot.text("/status/boundVolumeSnapshotContentName"));
    let content = context.world.get(Kind::SnapshotContent, &name);
    content.map_or(Content::Wait, |content| Content::Ready(Written::of(&content)))
}

fn of_destination(context: &Context, key: &Key) -> Content {
    let Some(destination) = context.world.get(Kind::ReplicationDestination, key) else {
        return Content::Wait;
    };
    let image = destination.text("/status/latestImage/name");
    match destination.text("/status/latestImage/kind") {
        "VolumeSnapshot" => of_snapshot(context, &Key::new(&key.ns, image)),
        "PersistentVolumeClaim" => volume_of(context, &Key::new(&key.ns, image))
            .map_or(Content::Wait, |volume| {
                Content::Ready(Written::of(&volume).frozen(Timestamp::now()))
            }),
        _ => Content::Wait,
    }
}

/// The volume that a claim is bound to.
pub(crate) fn volume_of(context: &Context, claim: &Key) -> Option<Seen> {
    let claim = context.world.get(Kind::Claim, claim)?;
    let volume = context
        .world
        .get(Kind::Volume, &Key::cluster(claim.text("/spec/volumeName")))?;
    (volume.text("/spec/claimRef/uid") == claim.uid()).then_some(volume)
}
