//! Plays the deleting side of external-provisioner: a released volume goes only where its policy says Delete.
//! Deletes PersistentVolumes.

use std::sync::Arc;

use crate::sim::SimError;
use crate::sim::engine::{Change, Context, Keeper, Kind, Next};
use crate::sim::places::PROVISIONER;
use crate::sim::value::{Key, Look};

/// Keeps the volumes that nobody claims any more.
pub(crate) struct Reclaimer {
    context: Arc<Context>,
}

impl Reclaimer {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }
}

impl Keeper for Reclaimer {
    const NAME: &'static str = "csi/reclaimer";

    fn concerned(&self, change: &Change) -> Vec<Key> {
        match change {
            Change::Object {
                kind: Kind::Volume,
                key,
                ..
            } => vec![key.clone()],
            _ => vec![],
        }
    }

    async fn look(&self, key: Key) -> Result<Next, SimError> {
        let Some(volume) = self.context.world.get(Kind::Volume, &key) else {
            return Ok(Next::OnChange);
        };
        if volume.text("/spec/csi/driver") == PROVISIONER
            && volume.text("/spec/persistentVolumeReclaimPolicy") == "Delete"
            && volume.text("/status/phase") == "Released"
            && !volume.deleting()
        {
            self.context.delete(Kind::Volume, &volume, None).await?;
        }
        Ok(Next::OnChange)
    }
}
