//! One way to say how an object is doing: outcome → kstatus conditions → a write only when something changed. Writes through
//! `Writer` only.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use raidc_crds::condition::{self, READY, RECONCILING, STALLED, Status};
use serde_json::{Map, Value};

use crate::runtime::context::Ctx;
use crate::runtime::error::Error;
use crate::runtime::writer::Object;

/// How a reconcile ended for its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is as its spec asks.
    Ready {
        /// One word.
        reason: &'static str,
        /// For people.
        message: String,
    },
    /// Work is going on and will end by itself.
    Reconciling {
        /// One word.
        reason: String,
        /// On what it waits.
        message: String,
    },
    /// A person has to act.
    Stalled {
        /// One word.
        reason: String,
        /// What, why and what to do.
        message: String,
    },
}

impl Outcome {
    /// As its spec asks.
    #[must_use]
    pub fn ready(message: impl Into<String>) -> Self {
        Self::Ready {
            reason: "AsAsked",
            message: message.into(),
        }
    }

    /// Work is going on.
    #[must_use]
    pub fn reconciling(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Reconciling {
            reason: reason.into(),
            message: message.into(),
        }
    }

    /// A person has to act.
    #[must_use]
    pub fn stalled(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Stalled {
            reason: reason.into(),
            message: message.into(),
        }
    }

    /// What an error means for the object that was being reconciled.
    #[must_use]
    pub fn of_error(error: &Error) -> Self {
        match error.class() {
            crate::Class::Stalled => Self::stalled(error.reason(), error.chain()),
            _ => Self::reconciling(error.reason(), error.chain()),
        }
    }

    /// Ready and, while it lasts, Reconciling or Stalled.
    #[must_use]
    pub fn conditions(&self, generation: Option<i64>, now: Timestamp) -> Vec<Condition> {
        let make = |kind: &str, status: Status, reason: &str, message: &str| {
            condition::condition(kind, status, reason, message, generation, now)
        };
        match self {
            Self::Ready { reason, message } => vec![make(READY, Status::True, reason, message)],
            Self::Reconciling { reason, message } => vec![
                make(READY, Status::False, reason, message),
                make(RECONCILING, Status::True, reason, message),
            ],
            Self::Stalled { reason, message } => vec![
                make(READY, Status::False, reason, message),
                make(STALLED, Status::True, reason, message),
            ],
        }
    }
}

/// The part of a kind's status that one field manager writes. Two managers never own the same field or condition.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The field manager.
    pub manager: &'static str,
    /// Fields of `status` besides `conditions`.
    pub fields: &'static [&'static str],
    /// Condition types.
    pub conditions: &'static [&'static str],
}

impl Part {
    /// What to send so that the object's status has `wanted` in this part; `None` when it has it already. Fields of `wanted`
    /// that are not of this part are left out; fields of this part that `wanted` leaves out are removed. Transition
    /// times of conditions whose status does not change are kept.
    #[must_use]
    pub fn change(&self, have: &Value, wanted: &Value) -> Option<Value> {
        let mut send = Map::new();
        for field in self.fields {
            if let Some(value) = wanted.get(*field).filter(|value| !is_empty(value)) {
                send.insert((*field).to_owned(), value.clone());
            }
        }
        let old = self.own_conditions(have);
        let mut new = self.own_conditions(wanted);
        for condition in &mut new {
            let before = old.iter().find(|c| c["type"] == condition["type"]);
            if let Some(before) = before.filter(|c| c["status"] == condition["status"]) {
                condition["lastTransitionTime"] = before["lastTransitionTime"].clone();
            }
        }
        let mut send = Value::Object(send);
        if self.same_fields(have, &send) && old == new {
            return None;
        }
        if !new.is_empty() {
            send["conditions"] = Value::Array(new);
        }
        Some(send)
    }

    /// Whether `change` says what `have` says in other words: nothing but messages of conditions differs.
    #[must_use]
    pub fn is_only_words(&self, have: &Value, change: &Value) -> bool {
        let wordless = |status| {
            let mut own = self.own_conditions(status);
            for condition in own.iter_mut().filter_map(Value::as_object_mut) {
                condition.remove("message");
            }
            own
        };
        self.same_fields(have, change) && wordless(have) == wordless(change)
    }

    fn same_fields(&self, have: &Value, send: &Value) -> bool {
        self.fields.iter().all(|field| {
            let have = have.get(*field).filter(|value| !is_empty(value));
            have == send.get(*field)
        })
    }

    fn own_conditions(&self, status: &Value) -> Vec<Value> {
        let mut own: Vec<Value> = status["conditions"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|c| {
                c["type"]
                    .as_str()
                    .is_some_and(|kind| self.conditions.contains(&kind))
            })
            .cloned()
            .collect();
        own.sort_by(|a, b| a["type"].as_str().cmp(&b["type"].as_str()));
        own
    }
}

/// An absent field and an empty list say the same.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// Writes `wanted` (the whole status or only this part of it) unless the object has it already, and then tells people what has
/// changed; true when something was sent. The one place from which events come. Mere words wait for their time (see
/// [`crate::runtime::words`]); the object is looked at again then.
pub async fn write<K: Object>(
    ctx: &Ctx,
    part: &Part,
    object: &K,
    wanted: &impl serde::Serialize,
) -> Result<bool, Error> {
    let json = |source| Error::Json {
        kind: K::kind(&()).into_owned(),
        source,
    };
    let have = serde_json::to_value(object).map_err(json)?;
    let wanted = serde_json::to_value(wanted).map_err(json)?;
    let Some(change) = part.change(&have["status"], &wanted) else {
        return Ok(false);
    };
    tracing::debug!(kind = %K::kind(&()), name = %object.name_any(), manager = part.manager, "status changes");
    let told = change["conditions"].clone();
    let (uid, version) = (object.uid().unwrap_or_default(), object.resource_version());
    let version = version.unwrap_or_default();
    if ctx.sent.was(&uid, part.manager, &version, &change) {
        return Ok(false);
    }
    let only_words = part.is_only_words(&have["status"], &change);
    let asked_at = ctx.clock.monotonic();
    if only_words && ctx.words.wait(object, part.manager, asked_at).is_some() {
        return Ok(false);
    }
    let sent = change.clone();
    ctx.writer
        .apply_status(part.manager, object, change, None)
        .await?;
    if only_words {
        ctx.words.wrote(object, part.manager, asked_at);
    }
    ctx.sent.note(&uid, part.manager, &version, &sent);
    ctx.recorder
        .tell(object, &have["status"]["conditions"], &told)
        .await;
    Ok(true)
}

/// Decisions about a VirtualServer: the placement loop writes them.
pub const SERVER_PLACEMENT: Part = Part {
    manager: "raidc/placement",
    fields: &[
        "site",
        "rack",
        "host",
        "reserved",
        "copySites",
        "epoch",
        "watts",
        "coresMilli",
        "memoryMib",
        "granted",
    ],
    conditions: &[condition::PLACED],
};

/// What else a VirtualServer's status says.
pub const SERVER: Part = Part {
    manager: "raidc/server",
    fields: &[
        "observedGeneration",
        "node",
        "addresses",
        "policy",
        "copies",
        "disks",
        "waitingSince",
    ],
    conditions: &[
        READY,
        RECONCILING,
        STALLED,
        condition::PROVISIONED,
        condition::PROTECTED,
    ],
};

/// Decisions about a Colocation.
pub const COLOCATION_PLACEMENT: Part = Part {
    manager: "raidc/placement",
    fields: &["devices", "units", "watts"],
    conditions: &[condition::PLACED],
};

/// What else a Colocation's status says.
pub const COLOCATION: Part = Part {
    manager: "raidc/colocation",
    fields: &["observedGeneration"],
    conditions: &[READY, RECONCILING, STALLED],
};

/// A Tenant's status.
pub const TENANT: Part = Part {
    manager: "raidc/tenant",
    fields: &["observedGeneration", "namespace", "usage"],
    conditions: &[READY, RECONCILING, STALLED, condition::WITHIN_QUOTA],
};

/// A Site's status.
pub const SITE: Part = Part {
    manager: "raidc/site",
    fields: &[
        "observedGeneration",
        "hosts",
        "servers",
        "coresMilli",
        "memoryMib",
        "usedPercent",
        "maxSafeLoadPercent",
        "failsOverTo",
        "unusableNodes",
    ],
    conditions: &[
        READY,
        RECONCILING,
        STALLED,
        condition::SURVIVES_SITE_LOSS,
        condition::WITHIN_CAPACITY,
        condition::TRANSFERS_LEAVE_NOTHING,
    ],
};

/// A Rack's status.
pub const RACK: Part = Part {
    manager: "raidc/rack",
    fields: &[
        "observedGeneration",
        "hosts",
        "servers",
        "power",
        "freeUnits",
        "reservations",
    ],
    conditions: &[
        READY,
        RECONCILING,
        STALLED,
        condition::SURVIVES_FEED_LOSS,
        condition::POWER_MEASURED,
    ],
};

/// A ReplicationPolicy's status.
pub const POLICY: Part = Part {
    manager: "raidc/policy",
    fields: &["observedGeneration", "servers"],
    conditions: &[READY, RECONCILING, STALLED, condition::WITHIN_RPO],
};

/// A Failover's or a Drill's status.
pub const ACTION: Part = Part {
    manager: "raidc/action",
    fields: &["observedGeneration"],
    conditions: &[READY, RECONCILING, STALLED],
};
