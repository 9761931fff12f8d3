//! Events: told on edges only, by the leader, and never a reason for a reconcile to fail. I/O.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource};
use serde_json::Value;

use super::edges;
use super::writer::Writer;

/// How long one attempt to tell an event may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// An event whose write got no answer may have been written or not. It is told once more, since a word too many does less harm
/// than one too few; and not more often, because a reconcile waits for it.
const ATTEMPTS: usize = 2;

/// Tells what changed.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
    writer: Writer,
}

impl Events {
    /// Events from this replica.
    #[must_use]
    pub fn new(client: Client, identity: &str, writer: Writer) -> Self {
        let reporter = Reporter {
            controller: "raidc-controller".to_owned(),
            instance: Some(identity.to_owned()),
        };
        Self {
            recorder: Recorder::new(client, reporter),
            writer,
        }
    }

    /// Tells every edge between the conditions that an object had and those that were just written. What cannot be told is
    /// logged: the condition itself says it too.
    pub async fn tell<K: Resource<DynamicType = ()>>(&self, object: &K, before: &Value, after: &Value) {
        let reference = object.object_ref(&());
        for edge in edges::between(before, after) {
            let event = Event {
                type_: edge.type_,
                reason: edge.reason,
                note: Some(edge.note),
                action: edge.action.to_owned(),
                secondary: None,
            };
            self.publish(&event, &reference).await;
        }
    }

    /// Tells of something that no condition says.
    pub async fn say<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
        type_: EventType,
        reason: &str,
        action: &str,
        note: String,
    ) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(edges::cut(&note, edges::MAX_NOTE)),
            action: action.to_owned(),
            secondary: None,
        };
        self.publish(&event, &object.object_ref(&())).await;
    }

    async fn publish(&self, event: &Event, reference: &ObjectReference) {
        let reason = event.reason.as_str();
        for attempt in 1..=ATTEMPTS {
            // Each attempt is a write like any other: not without the claim, and not beyond it.
            let Some(left) = self.writer.claimed() else {
                return;
            };
            match tokio::time::timeout(TIMEOUT.min(left), self.recorder.publish(event, reference)).await {
                Ok(Ok(())) => break,
                Ok(Err(error)) => {
                    tracing::warn!(%error, reason, attempt, "an event could not be published");
                }
                Err(_) => tracing::warn!(reason, attempt, "an event got no answer in time"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use raidc_crds::Site;
    use serde_json::json;

    use super::*;
    use crate::inventory::stores::Stores;
    use crate::runtime::clock::{Clock, SystemClock};
    use crate::runtime::context::Decision;
    use crate::runtime::lease::Claim;
    use crate::runtime::metrics::Metrics;
    use crate::runtime::testing::{answer, ctx, mock};

    #[tokio::test]
    async fn an_event_without_an_answer_is_never_told_more_than_twice_nor_only_once() {
        let (client, mut server) = mock();
        let ctx = ctx(client, Stores::default(), Decision::default());
        let site: Site = serde_json::from_value(json!({
            "apiVersion": "raidc.dev/v1alpha1", "kind": "Site",
            "metadata": {"name": "talsi", "uid": "u1"}, "spec": {"storage": {"class": "fast"}},
        }))
        .unwrap();
        let ready =
            |status: &str| json!([{"type": "Ready", "status": status, "reason": "R", "message": "so"}]);
        let (before, after) = (ready("False"), ready("True"));
        let failed =
            json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "x", "code": 500});
        let told = async {
            ctx.recorder.tell(&site, &before, &after).await;
        };
        let asked = async {
            let first = answer(&mut server, 500, &failed).await;
            let second = answer(&mut server, 500, &failed).await;
            (first, second)
        };
        let ((), (first, second)) = tokio::join!(told, asked);
        let third = tokio::time::timeout(std::time::Duration::ZERO, server.next_request()).await;
        assert!(third.is_err(), "a third attempt");
        assert_eq!(first.0, "POST");
        assert_eq!(first.2["note"], second.2["note"]);
        assert_eq!(first.2["regarding"]["name"], "talsi");
    }

    #[tokio::test]
    async fn who_has_lost_the_claim_never_tells_another_edge() {
        let (client, mut server) = mock();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let claim = Claim::default();
        claim.extend(clock.monotonic() + Duration::from_hours(1));
        let writer = Writer::new(client.clone(), claim.clone(), clock, Arc::new(Metrics::new()));
        let events = Events::new(client, "test", writer);
        let site: Site = serde_json::from_value(json!({
            "apiVersion": "raidc.dev/v1alpha1", "kind": "Site",
            "metadata": {"name": "talsi", "uid": "u1"}, "spec": {"storage": {"class": "fast"}},
        }))
        .unwrap();
        let both = |status: &str| {
            let one = |kind: &str| json!({"type": kind, "status": status, "reason": "R", "message": "so"});
            json!([one("Ready"), one("SurvivesSiteLoss")])
        };
        let (before, after) = (both("False"), both("True"));
        let asked = async {
            let (_, reply) = server.next_request().await.expect("the first edge");
            claim.end();
            reply.send_response(http::Response::new(kube::client::Body::from(b"{}".to_vec())));
        };
        tokio::join!(events.tell(&site, &before, &after), asked);
        let more = tokio::time::timeout(Duration::from_millis(50), server.next_request()).await;
        assert!(more.is_err(), "an edge was told without the claim");
    }
}
