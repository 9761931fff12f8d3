//! Why the simulator, or one step of it, failed. No I/O.

use thiserror::Error;

/// Why the simulator ended, or why one object could not be brought further.
#[derive(Debug, Error)]
pub enum SimError {
    /// The API server refused or could not be reached.
    #[error("the API server did not accept {what}; look at its log and at the object")]
    Api {
        /// The call.
        what: String,
        /// The answer.
        source: Box<kube::Error>,
    },
    /// The API server did not answer in time: whether the write happened is unknown.
    #[error("no answer within {seconds} s to {what}; the object is looked at again")]
    Timeout {
        /// The call.
        what: String,
        /// The bound.
        seconds: u64,
    },
    /// An object that the simulator made up is not one.
    #[error("the simulator built a broken object when {what}; this is a defect of the lab")]
    Malformed {
        /// The call.
        what: String,
        /// What JSON said.
        source: serde_json::Error,
    },
    /// The fleet cannot be played.
    #[error("the fleet cannot be played; correct it and start again")]
    Fleet(#[from] crate::fleet::FleetError),
    /// A task of the simulator died.
    #[error("a task of the simulator died; this is a defect of the lab")]
    Task {
        /// How it died.
        source: tokio::task::JoinError,
    },
    /// Something that another object needs is not there.
    #[error("{0} is not there (yet); it is looked for again")]
    Gone(String),
}

impl SimError {
    /// HTTP code of the API server's answer.
    pub(crate) fn code(&self) -> Option<u16> {
        match self {
            Self::Api { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            _ => None,
        }
    }

    /// What the API server said, in one line.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Api { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => status.message.clone(),
                other => other.to_string(),
            },
            other => std::error::Error::source(other)
                .map(ToString::to_string)
                .unwrap_or_default(),
        }
    }

    /// Someone else was faster, or the whole namespace goes away; nothing is wrong.
    pub(crate) fn is_race(&self) -> bool {
        matches!(self.code(), Some(404 | 409))
            || matches!(self, Self::Gone(_))
            || (self.code() == Some(403) && self.reason().contains("because it is being terminated"))
    }
}
