//! Objects of ours that do not match their schema: each is told so, and the rest go on. One whose deletion is asked for is deleted where
//! what belongs to it can be told. I/O: reads the object, writes its status.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
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

/// How often a deletion looks whether it may go on.
const DELETION_POLL: Duration = Duration::from_secs(5);

/// How far the deletion of a malformed object has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nothing of ours holds it any more.
    Over,
    /// It goes on by itself; what it waits for.
    Waits(String),
    /// Only a person can end it; why.
    Stuck(String),
}

/// Carries out the deletion of a malformed object.
pub type End = for<'a> fn(&'a Ctx, &'a DynamicObject, Timestamp) -> BoxFuture<'a, Result<Ending, Error>>;

/// Tells every malformed object of a kind, now and whenever there are others, until `stop` says so. Kinds that hold nothing need no `end`.
pub async fn run<K: Object>(
    watched: Watched<K>,
    part: &'static Part,
    end: Option<End>,
    ctx: Arc<Ctx>,
    mut stop: watch::Receiver<bool>,
) {
    let mut changes = watched.malformed_changes();
    loop {
        changes.mark_unchanged();
        let mut again: Option<Duration> = None;
        for broken in watched.malformed() {
            let wait = tell::<K>(&ctx, part, end, &broken).await.unwrap_or_else(|error| {
                let name = broken.metadata.name.clone().unwrap_or_default();
                tracing::warn!(kind = %K::kind(&()), name, error = error.chain(), "a malformed object could not be told so");
                Some(RETRY)
            });
            again = again.into_iter().chain(wait).min();
        }
        let retry = async {
            match again {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending::<()>().await,
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

/// Deletes the object, where that was asked for and can be done, or tells it; when it is to be looked at again.
async fn tell<K: Object>(
    ctx: &Ctx,
    part: &Part,
    end: Option<End>,
    broken: &Malformed,
) -> Result<Option<Duration>, Error> {
    let kind = K::kind(&()).into_owned();
    let name = broken.metadata.name.clone().unwrap_or_default();
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = match &broken.metadata.namespace {
        Some(namespace) => Api::namespaced_with(ctx.client.clone(), namespace, &resource),
        None => Api::all_with(ctx.client.clone(), &resource),
    };
    let live = match tokio::time::timeout(TIMEOUT, api.get_opt(&name)).await {
        Ok(Ok(Some(live))) => live,
        Ok(Ok(None)) => return Ok(None),
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
    let ending = match end.filter(|_| live.metadata.deletion_timestamp.is_some()) {
        Some(end) => Some(end(ctx, &live, ctx.clock.now()).await?),
        None => None,
    };
    let again = match ending {
        Some(Ending::Over) => return Ok(None),
        Some(Ending::Waits(_)) => Some(DELETION_POLL),
        Some(Ending::Stuck(_)) => Some(RETRY),
        None => None,
    };
    let outcome = outcome(&broken.error, &live, ending.as_ref());
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
        return Ok(again);
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
        .await?;
    Ok(again)
}

/// What is said of it. One that is being deleted and of which nobody can tell what belongs to it waits as well.
fn outcome(error: &str, live: &DynamicObject, ending: Option<&Ending>) -> Outcome {
    let mismatch = format!("this object does not match the schema of its kind: {error}");
    let so = match ending {
        Some(Ending::Waits(waits_for)) => {
            let message = format!("it is being deleted: {waits_for}; {mismatch}");
            return Outcome::reconciling("Deleting", message);
        }
        Some(Ending::Stuck(why)) => format!("it is being deleted, and {why}"),
        _ if live.metadata.deletion_timestamp.is_some() => {
            "it is being deleted, which waits, because what belongs to it cannot be told before it can be read".to_owned()
        }
        _ => "nothing is done to it; what it has stays reserved".to_owned(),
    };
    Outcome::stalled("MalformedObject", format!("{mismatch}; {so}: correct the field"))
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
        let told = |live: &DynamicObject, ending: Option<&Ending>| match outcome(
            "missing field `image`",
            live,
            ending,
        ) {
            Outcome::Stalled { message, .. } => message,
            other => panic!("{other:?}"),
        };
        let message = told(&ending, None);
        for word in ["being deleted", "missing field `image`", "correct the field"] {
            assert!(message.contains(word), "{message}");
        }
        let stuck = told(&ending, Some(&Ending::Stuck("it is held".to_owned())));
        assert!(
            stuck.contains("it is held") && stuck.contains("correct the field"),
            "{stuck}"
        );
        let stays = told(&live(json!({"name": "a"})), None);
        assert!(
            !stays.contains("deleted") && stays.contains("correct the field"),
            "{stays}"
        );
        // One that goes on needs nobody.
        let goes = outcome(
            "missing field `image`",
            &ending,
            Some(&Ending::Waits("the machine is stopping".to_owned())),
        );
        assert!(
            matches!(&goes, Outcome::Reconciling { message, .. } if message.contains("the machine is stopping")),
            "{goes:?}"
        );
    }
}
