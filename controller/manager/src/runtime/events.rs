//! Events: told on edges only, by the leader, and never a reason for a reconcile to fail. I/O.

use std::time::Duration;

use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource};

use super::writer::Writer;

/// How long an event may take.
const TIMEOUT: Duration = Duration::from_secs(5);

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

    /// Something went as it should.
    pub async fn normal<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
        action: &str,
        reason: &str,
        note: impl Into<String>,
    ) {
        self.tell(object, EventType::Normal, action, reason, note.into())
            .await;
    }

    /// Something needs attention.
    pub async fn warning<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
        action: &str,
        reason: &str,
        note: impl Into<String>,
    ) {
        self.tell(object, EventType::Warning, action, reason, note.into())
            .await;
    }

    async fn tell<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
        type_: EventType,
        action: &str,
        reason: &str,
        note: String,
    ) {
        if !self.writer.leads() {
            return;
        }
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(note),
            action: action.to_owned(),
            secondary: None,
        };
        let reference = object.object_ref(&());
        match tokio::time::timeout(TIMEOUT, self.recorder.publish(&event, &reference)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, reason, "an event could not be published"),
            Err(_) => tracing::warn!(reason, "an event got no answer in time"),
        }
    }
}
