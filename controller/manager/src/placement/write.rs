//! Writes changed decisions, each on the version of the object that it was made for. I/O.

use futures::{StreamExt, stream};
use kube::ResourceExt;
use serde::Serialize;

use super::decide::Wanted;
use crate::inventory::overlay::Overlay;
use crate::reconcile::status::{COLOCATION_PLACEMENT, Part, SERVER_PLACEMENT};
use crate::runtime::error::Error;
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
    Failed,
}

/// Writes what changed and assumes what was written. Returns how many could not be written; they are decided anew.
pub(super) async fn all(writer: &Writer, wanted: Vec<Wanted>, overlay: &mut Overlay) -> usize {
    let assumed = overlay.clone();
    let mut done = stream::iter(wanted)
        .map(|wanted| one(writer, wanted, &assumed))
        .buffer_unordered(AT_ONCE);
    let mut failed = 0;
    while let Some(done) = done.next().await {
        match done {
            Done::Server(written, Some(placement)) => overlay.assume_server(&written, placement),
            Done::Colocation(written, positions) => overlay.assume_colocation(&written, positions),
            Done::Server(_, None) | Done::Unchanged => {}
            Done::Failed => failed += 1,
        }
    }
    failed
}

async fn one(writer: &Writer, wanted: Wanted, overlay: &Overlay) -> Done {
    match wanted {
        Wanted::Server {
            object,
            status,
            placement,
        } => {
            // What was written and is not seen back yet is not written again: the watch decides.
            if overlay.server(&object).is_some() && overlay.server(&object) == placement.as_ref() {
                return Done::Unchanged;
            }
            match write(writer, &SERVER_PLACEMENT, object.as_ref(), status.as_ref()).await {
                Ok(Some(written)) => Done::Server(Box::new(written), placement),
                Ok(None) => Done::Unchanged,
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
            match write(writer, &COLOCATION_PLACEMENT, object.as_ref(), status.as_ref()).await {
                Ok(Some(written)) => Done::Colocation(Box::new(written), positions),
                Ok(None) => Done::Unchanged,
                Err(error) => told(object.as_ref(), &error),
            }
        }
    }
}

async fn write<K: Object>(
    writer: &Writer,
    part: &Part,
    object: &K,
    status: &impl Serialize,
) -> Result<Option<K>, Error> {
    let json = |source| Error::Json {
        kind: K::kind(&()).into_owned(),
        source,
    };
    let have = serde_json::to_value(object).map_err(json)?;
    let wanted = serde_json::to_value(status).map_err(json)?;
    let Some(send) = part.change(&have["status"], &wanted) else {
        return Ok(None);
    };
    writer
        .apply_status(part.manager, object, send, object.resource_version())
        .await
        .map(Some)
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
