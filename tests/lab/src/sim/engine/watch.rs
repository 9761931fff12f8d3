//! Keeps the tables up to date: one watch per kind. Reads from the API server.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt;
use kube::Api;
use kube::core::DynamicObject;
use kube::runtime::{WatchStreamExt, watcher};

use super::kind::Kind;
use super::world::World;
use crate::sim::value::Look;

/// Objects per page of the first list.
const PAGE: u32 = 500;

/// Watches one kind until the task is dropped. A kind that is not installed counts as synced and empty, and is tried
/// again with a growing pause.
pub(crate) async fn keep(client: kube::Client, world: Arc<World>, kind: Kind) {
    let api: Api<DynamicObject> = Api::all_with(client, &kind.resource());
    let config = watcher::Config::default().page_size(PAGE);
    let mut events = watcher(api, config).default_backoff().boxed();
    let mut listed = BTreeSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Init) => listed.clear(),
            Ok(watcher::Event::InitApply(object)) => {
                listed.insert(object.key());
                world.learn(kind, light(object));
            }
            Ok(watcher::Event::InitDone) => world.retain(kind, &listed),
            Ok(watcher::Event::Apply(object)) => world.learn(kind, light(object)),
            Ok(watcher::Event::Delete(object)) => world.forget(kind, &object),
            Err(error) if is_missing(&error) => world.mark_synced(kind),
            Err(error) => tracing::debug!(?kind, %error, "the watch broke; it starts again"),
        }
    }
}

/// Who wrote which field is the largest part of many objects and of no use here.
fn light(mut object: DynamicObject) -> DynamicObject {
    object.metadata.managed_fields = None;
    object
}

fn is_missing(error: &watcher::Error) -> bool {
    let (watcher::Error::InitialListFailed(source) | watcher::Error::WatchStartFailed(source)) = error else {
        return false;
    };
    matches!(source, kube::Error::Api(status) if status.code == 404)
}
