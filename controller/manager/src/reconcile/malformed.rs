//! Objects of ours that do not match their schema: each is told so, and the rest go on. I/O: reads the object, writes its status.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::api::{Api, ApiResource, DynamicObject};
use tokio::sync::watch;

use super::status::{Outcome, Part};
use crate::inventory::watched::{Malformed, Watched};
use crate::runtime::writer::Object;
use crate::{Ctx, Error};

/// How often objects that could not be told are tried again.
const RETRY: Duration = Duration::from_mins(1);
/// How long a read may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Tells every malformed object of a kind, now and whenever there are others, until `stop` says so.
pub async fn run<K: Object>(
    watched: Watched<K>,
    part: &'static Part,
    ctx: Arc<Ctx>,
    mut stop: watch::Receiver<bool>,
) {
    let mut changes = watched.malformed_changes();
    loop {
        changes.mark_unchanged();
        let mut failed = false;
        for broken in watched.malformed() {
            if let Err(error) = tell::<K>(&ctx, part, &broken).await {
                failed = true;
                let name = broken.metadata.name.unwrap_or_default();
                tracing::warn!(kind = %K::kind(&()), name, error = error.chain(), "a malformed object could not be told so");
            }
        }
        let retry = async {
            if failed {
                tokio::time::sleep(RETRY).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            news = changes.changed() => if news.is_err() { return },
            () = retry => {}
            stopped = stop.wait_for(|stop| *stop) => {
                drop(stopped);
                return;
            }
        }
    }
}

async fn tell<K: Object>(ctx: &Ctx, part: &Part, broken: &Malformed) -> Result<(), Error> {
    let kind = K::kind(&()).into_owned();
    let name = broken.metadata.name.clone().unwrap_or_default();
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = match &broken.metadata.namespace {
        Some(namespace) => Api::namespaced_with(ctx.client.clone(), namespace, &resource),
        None => Api::all_with(ctx.client.clone(), &resource),
    };
    let live = match tokio::time::timeout(TIMEOUT, api.get_opt(&name)).await {
        Ok(Ok(Some(live))) => live,
        Ok(Ok(None)) => return Ok(()),
        Ok(Err(source)) => return Err(Error::kube("read", kind, name, source)),
        Err(_) => {
            return Err(Error::Unknown {
                verb: "read",
                kind,
                name,
            });
        }
    };
    let generation = live.metadata.generation;
    let outcome = Outcome::stalled("MalformedObject", message(&broken.error, &live));
    let wanted = serde_json::json!({
        "observedGeneration": generation.unwrap_or(0),
        "conditions": outcome.conditions(generation, ctx.clock.now()),
    });
    // What else the status says stays: only the conditions and the generation of this part are told.
    let only = Part {
        manager: part.manager,
        fields: &["observedGeneration"],
        conditions: part.conditions,
    };
    let Some(mut send) = only.change(&live.data["status"], &wanted) else {
        return Ok(());
    };
    for field in part.fields {
        if let (Some(object), Some(value)) = (send.as_object_mut(), live.data["status"].get(*field)) {
            object.entry((*field).to_owned()).or_insert_with(|| value.clone());
        }
    }
    tracing::warn!(
        kind,
        name = live.name_any(),
        error = broken.error,
        "an object cannot be read"
    );
    ctx.writer
        .apply_status_of(&resource, part.manager, &live, send)
        .await
}

/// What is said of it. One that is being deleted waits as well, because what it would leave behind cannot be told.
fn message(error: &str, live: &DynamicObject) -> String {
    let ending = live.metadata.deletion_timestamp.is_some();
    let so = if ending {
        "it is being deleted, which waits, because what belongs to it cannot be told before it can be read"
    } else {
        "nothing is done to it; what it has stays reserved"
    };
    format!("this object does not match the schema of its kind: {error}; {so}: correct the field")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_deletion_that_waits_for_a_mend_never_waits_in_silence() {
        let live = |meta: serde_json::Value| {
            let body = json!({"apiVersion": "raidc.dev/v1alpha1", "kind": "Tenant", "metadata": meta});
            serde_json::from_value::<DynamicObject>(body).expect("an object")
        };
        let ending = live(json!({"name": "a", "deletionTimestamp": "2026-11-28T09:00:00Z"}));
        let message = message("missing field `image`", &ending);
        for word in ["being deleted", "missing field `image`", "correct the field"] {
            assert!(message.contains(word), "{message}");
        }
        let stays = super::message("missing field `image`", &live(json!({"name": "a"})));
        assert!(
            !stays.contains("deleted") && stays.contains("correct the field"),
            "{stays}"
        );
    }
}
