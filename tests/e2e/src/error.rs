//! What can go wrong around the product under test. No I/O.

use std::path::PathBuf;
use std::time::Duration;

/// Each variant names what was tried.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The lab itself failed.
    #[error("the lab failed")]
    Lab(#[from] raidc_lab::LabError),
    /// The API server refused or could not be reached.
    #[error("could not {what}")]
    Api {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        source: Box<kube::Error>,
    },
    /// A file could not be read or written.
    #[error("could not use {path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// A command of kubectl, Helm or the lab failed.
    #[error("`{command}` failed: {output}")]
    Command {
        /// The command line.
        command: String,
        /// What it printed.
        output: String,
    },
    /// Something did not come true in time.
    #[error("after {} s still not so: {what}; last seen: {last}", after.as_secs())]
    Late {
        /// What was awaited.
        what: String,
        /// How long.
        after: Duration,
        /// What was seen instead.
        last: String,
    },
    /// A program of ours is not built.
    #[error("{0} is not built: run `cargo build --workspace --bins` first")]
    NotBuilt(PathBuf),
    /// What the cluster holds is wrong.
    #[error("{0}")]
    Wrong(String),
}

impl Error {
    /// For `map_err` on a call to the API server.
    pub fn api(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |source| Self::Api {
            what,
            source: Box::new(source),
        }
    }

    /// For `map_err` on a file operation.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

/// The error and all its causes in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
