//! What can go wrong while reconciling, and what happens next. No I/O.

use raidc_crds::duration::NotADuration;
use raidc_crds::quantity::NotAQuantity;

/// Why a reconcile, a write or a read did not get through.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another replica leads, or the claim could not be renewed in time. Nothing was sent.
    #[error("nothing was written: this replica does not hold the leader claim")]
    NotLeader,
    /// No answer in time. Whether it happened is unknown: look before acting again.
    #[error("no answer to {verb} {kind} {name} in time; whether it happened is unknown")]
    Unknown {
        /// What was asked.
        verb: &'static str,
        /// Of which kind.
        kind: String,
        /// Of which object.
        name: String,
    },
    /// The API server refused or could not be reached.
    #[error("could not {verb} {kind} {name}")]
    Kube {
        /// What was asked.
        verb: &'static str,
        /// Of which kind.
        kind: String,
        /// Of which object.
        name: String,
        /// What it said.
        #[source]
        source: Box<kube::Error>,
    },
    /// The object cannot be sent as JSON.
    #[error("could not write {kind} as JSON")]
    Json {
        /// The kind.
        kind: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A person has to act; `reason` is the condition's reason.
    #[error("{message}")]
    Stalled {
        /// One word in PascalCase.
        reason: &'static str,
        /// What, why and what to do.
        message: String,
    },
    /// It goes on by itself once something else has happened; `reason` is the condition's reason.
    #[error("{message}")]
    Waiting {
        /// One word in PascalCase.
        reason: &'static str,
        /// On what it waits.
        message: String,
    },
    /// An amount that predates the schema.
    #[error("an amount cannot be read")]
    Quantity(#[from] NotAQuantity),
    /// A duration that predates the schema.
    #[error("a duration cannot be read")]
    Duration(#[from] NotADuration),
}

/// What happens after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Try again soon, then less and less often.
    Retry,
    /// Wait; a watch will say when.
    Wait,
    /// A person has to act.
    Stalled,
}

impl Error {
    /// Wraps what the client said about `verb` on an object.
    #[must_use]
    pub fn kube(
        verb: &'static str,
        kind: impl Into<String>,
        name: impl Into<String>,
        source: kube::Error,
    ) -> Self {
        Self::Kube {
            verb,
            kind: kind.into(),
            name: name.into(),
            source: Box::new(source),
        }
    }

    /// What happens next.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::NotLeader | Self::Waiting { .. } => Class::Wait,
            Self::Unknown { .. } => Class::Retry,
            Self::Kube { source, .. } => match source.as_ref() {
                kube::Error::Api(status) if status.is_invalid() || status.is_forbidden() => Class::Stalled,
                _ => Class::Retry,
            },
            Self::Json { .. } | Self::Stalled { .. } | Self::Quantity(_) | Self::Duration(_) => {
                Class::Stalled
            }
        }
    }

    /// The API server says that the object has changed since we looked (or another field manager holds a field).
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Kube { source, .. } if matches!(source.as_ref(), kube::Error::Api(s) if s.is_conflict()))
    }

    /// An object of that name is there already.
    #[must_use]
    pub fn is_already_there(&self) -> bool {
        matches!(self, Self::Kube { source, .. } if matches!(source.as_ref(), kube::Error::Api(s) if s.is_already_exists()))
    }

    /// The API server says that there is no such object (or kind).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Kube { source, .. } if matches!(source.as_ref(), kube::Error::Api(s) if s.is_not_found()))
    }

    /// One word in PascalCase for metrics and conditions. Stable.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotLeader => "NotLeader",
            Self::Unknown { .. } => "NoAnswer",
            Self::Kube { source, .. } => match source.as_ref() {
                kube::Error::Api(status) if status.is_conflict() => "Conflict",
                kube::Error::Api(status) if status.is_forbidden() => "Forbidden",
                kube::Error::Api(status) if status.is_invalid() => "Refused",
                kube::Error::Api(status) if status.is_not_found() => "NotFound",
                kube::Error::Api(_) => "ApiError",
                _ => "ApiUnreachable",
            },
            Self::Json { .. } => "NotJson",
            Self::Stalled { reason, .. } | Self::Waiting { reason, .. } => reason,
            Self::Quantity(_) | Self::Duration(_) => "MalformedObject",
        }
    }

    /// The error and everything behind it in one line, for logs and for conditions.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(error) = next {
            text.push_str(": ");
            text.push_str(&error.to_string());
            next = error.source();
        }
        text
    }
}
