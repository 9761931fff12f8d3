//! Writes changed decisions, each on the version of the object that it was made for. I/O.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use kube::ResourceExt;
use serde::Serialize;

use super::decide::Wanted;
use crate::inventory::overlay::Overlay;
use crate::reconcile::status::{COLOCATION_PLACEMENT, Part, SERVER_PLACEMENT};
use crate::runtime::error::Error;
use crate::runtime::words::Words;
use crate::runtime::writer::{Object, Writer};

/// Writes under way at once: enough to place hundreds in seconds, few enough for a small API server.
const AT_ONCE: usize = 16;

/// What became of one decision.
enum Done {
    Server(Box<raidc_crds::VirtualServer>, Option<raidc_planner::Placement>),
    Colocation(
        Box<raidc_crds::Colocation>,
        std::collections::BTreeMap<String, raidc_planner::DevicePosition>,
    ),
    Unchanged,
    /// Only its words are others, and these wait so long.
    Held(Duration),
    Failed,
}

/// What became of all of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// How many could not be written; they are decided anew.
    pub(super) failed: usize,
    /// How long the first of those waits whose words are held back.
    pub(super) wait: Option<Duration>,
}

/// What decisions are written with.
pub(super) struct Pen<'a> {
    pub(super) writer: &'a Writer,
    pub(super) words: &'a Words,
    /// The moment, for words that wait.
    pub(super) now: Instant,
}

/// Writes what changed and assumes what was written.
pub(super) async fn all(pen: &Pen<'_>, wanted: Vec<Wanted>, overlay: &mut Overlay) -> Written {
    let assumed = overlay.clone();
    let mut done = stream::iter(wanted)
        .map(|wanted| one(pen, wanted, &assumed))
        .buffer_unordered(AT_ONCE);
    let mut all = Written::default();
    while let Some(done) = done.next().await {
        match done {
            Done::Server(written, Some(placement)) => overlay.assume_server(&written, placement),
            Done::Colocation(written, positions) => overlay.assume_colocation(&written, positions),
            Done::Server(_, None) | Done::Unchanged => {}
            Done::Held(wait) => all.wait = Some(all.wait.map_or(wait, |before| before.min(wait))),
            Done::Failed => all.failed += 1,
        }
    }
    all
}

/// What became of one write.
enum Sent<K> {
    Written(K),
    Unchanged,
    Held(Duration),
}

async fn one(pen: &Pen<'_>, wanted: Wanted, overlay: &Overlay) -> Done {
    match wanted {
        Wanted::Server {
            object,
            status,
            placement,
        } => {
            // What was written and is not seen back yet is not written again: the watch decides.
            let known = overlay.server(&object).is_some() && overlay.server(&object) == placement.as_ref();
            if known && overlay.granted(&object) == status.granted.as_ref() {
                return Done::Unchanged;
            }
            match write(pen, &SERVER_PLACEMENT, object.as_ref(), status.as_ref()).await {
                Ok(Sent::Written(written)) => Done::Server(Box::new(written), placement),
                Ok(Sent::Unchanged) => Done::Unchanged,
                Ok(Sent::Held(wait)) => Done::Held(wait),
                Err(error) => told(object.as_ref(), &error),
            }
        }
        Wanted::Colocation {
            object,
            status,
            positions,
        } => {
            if overlay.colocation(&object) == Some(&positions) {
                return Done::Unchanged;
            }
            match write(pen, &COLOCATION_PLACEMENT, object.as_ref(), status.as_ref()).await {
                Ok(Sent::Written(written)) => Done::Colocation(Box::new(written), positions),
                Ok(Sent::Unchanged) => Done::Unchanged,
                Ok(Sent::Held(wait)) => Done::Held(wait),
                Err(error) => told(object.as_ref(), &error),
            }
        }
    }
}

async fn write<K: Object>(
    pen: &Pen<'_>,
    part: &Part,
    object: &K,
    status: &impl Serialize,
) -> Result<Sent<K>, Error> {
    let json = |source| Error::Json {
        kind: K::kind(&()).into_owned(),
        source,
    };
    let have = serde_json::to_value(object).map_err(json)?;
    let wanted = serde_json::to_value(status).map_err(json)?;
    let Some(send) = part.change(&have["status"], &wanted) else {
        return Ok(Sent::Unchanged);
    };
    let only_words = part.is_only_words(&have["status"], &send);
    if only_words && let Some(wait) = pen.words.wait(object, part.manager, pen.now) {
        return Ok(Sent::Held(wait));
    }
    let version = object.resource_version();
    let written = pen
        .writer
        .apply_status(part.manager, object, send, version)
        .await?;
    if only_words {
        pen.words.wrote(object, part.manager, pen.now);
    }
    Ok(Sent::Written(written))
}

fn told<K: Object>(object: &K, error: &Error) -> Done {
    let name = object.name_any();
    let namespace = object.namespace().unwrap_or_default();
    if error.is_conflict() || error.is_not_found() {
        tracing::debug!(
            namespace,
            name,
            "the object changed while its place was decided; deciding anew"
        );
    } else {
        tracing::warn!(
            namespace,
            name,
            error = error.chain(),
            "a decision could not be written; deciding anew"
        );
    }
    Done::Failed
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use raidc_crds::VirtualServer;
    use raidc_crds::condition::{PLACED, Status, condition};
    use raidc_crds::virtual_server::VirtualServerStatus;
    use serde_json::json;

    use super::*;
    use crate::inventory::stores::Stores;
    use crate::runtime::context::Decision;
    use crate::runtime::testing::{answer, ctx, mock};

    fn waits(figure: &str) -> VirtualServerStatus {
        let message = format!("{figure} GiB are free at talsi");
        let now = "2026-11-22T00:00:00Z".parse().unwrap();
        VirtualServerStatus {
            conditions: vec![condition(PLACED, Status::False, "NoRoom", message, Some(1), now)],
            ..VirtualServerStatus::default()
        }
    }

    fn server(live: &str) -> VirtualServer {
        serde_json::from_value(json!({
            "apiVersion": "raidc.dev/v1alpha1", "kind": "VirtualServer",
            "metadata": {"name": "web", "namespace": "kuldiga", "uid": "u1", "resourceVersion": "7"},
            "spec": {"size": "m-4", "image": "debian-13"}, "status": waits(live),
        }))
        .unwrap()
    }

    fn wanted(live: &str, figure: &str) -> Wanted {
        Wanted::Server {
            object: Arc::new(server(live)),
            status: Box::new(waits(figure)),
            placement: None,
        }
    }

    #[tokio::test]
    async fn figures_that_change_with_every_pod_are_never_a_write_each() {
        let (client, mut api) = mock();
        let ctx = ctx(client, Stores::default(), Decision::default());
        let (words, start) = (Words::default(), Instant::now());
        let mut overlay = Overlay::default();
        let pen = |seconds| Pen {
            writer: &ctx.writer,
            words: &words,
            now: start + Duration::from_secs(seconds),
        };
        let reply = serde_json::to_value(server("7")).unwrap();
        for (second, live, figure, writes) in [
            (0, "9", "8", true),
            (1, "8", "7", false),
            (59, "8", "6", false),
            (60, "8", "5", true),
        ] {
            let now = pen(second);
            let write = all(&now, vec![wanted(live, figure)], &mut overlay);
            if writes {
                let (written, (method, _, body)) = tokio::join!(write, answer(&mut api, 200, &reply));
                assert_eq!((written, method.as_str()), (Written::default(), "PATCH"));
                let message = &body["status"]["conditions"][0]["message"];
                assert_eq!(*message, json!(format!("{figure} GiB are free at talsi")));
            } else {
                // Nobody answers at the other end: a call would fail.
                let wait = Some(Duration::from_secs(60 - second));
                assert_eq!(write.await, Written { failed: 0, wait });
            }
        }
    }
}
