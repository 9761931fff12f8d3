//! What can go wrong with a lab, told so that the next step is clear. No I/O.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::fleet::FleetError;

/// Why a lab could not be started, used or ended.
#[derive(Debug, Error)]
pub enum LabError {
    /// A file or folder of the lab could not be used.
    #[error("cannot {what} {}; check that the disk has room and the folder belongs to you", path.display())]
    File {
        /// What was tried, as a verb.
        what: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The name cannot be that of a folder and of a lab.
    #[error("`{0}` cannot name a lab: use 1 to 40 of a-z, 0-9 and `-`")]
    Name(String),
    /// The fleet cannot be played.
    #[error("the fleet cannot be played")]
    Fleet(#[from] FleetError),
    /// The fleet's file does not hold a fleet.
    #[error("{} does not hold a fleet: {reason}", path.display())]
    FleetFile {
        /// The file that was read.
        path: PathBuf,
        /// The reader's words, with line and column.
        reason: String,
    },
    /// Another process holds this lab.
    #[error("lab `{0}` is already up; use it, end it with `raidc-lab down {0}`, or choose another name")]
    Held(String),
    /// There is no such lab.
    #[error("there is no lab `{0}`; `raidc-lab status` lists those that are up")]
    Unknown(String),
    /// The real parts are missing and could not be built.
    #[error("the parts of the control plane could not be built: {reason}")]
    Parts {
        /// The build's own words or what is missing from its result.
        reason: String,
    },
    /// A part could not be started at all.
    #[error("cannot start {part} ({}); is it installed? parts of the lab are built by `raidc-lab parts`", program.display())]
    Start {
        /// Short name of the part.
        part: String,
        /// What was to be run.
        program: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A part ended although the lab still needs it.
    #[error("{part} ended early ({status}); its last lines, from {}:\n{tail}", log.display())]
    Exited {
        /// Short name of the part.
        part: String,
        /// How it ended.
        status: String,
        /// Where its log lies.
        log: PathBuf,
        /// The end of its log.
        tail: String,
    },
    /// Something did not come in time.
    #[error("{what} did not come within {after:?}; last seen: {last}")]
    Late {
        /// What was waited for.
        what: String,
        /// For how long.
        after: Duration,
        /// What was seen instead.
        last: String,
    },
    /// No free port was left.
    #[error("no free port on 127.0.0.1 between {from} and {to}; end other labs (`raidc-lab status`)")]
    Ports {
        /// First port tried.
        from: u16,
        /// Last port tried.
        to: u16,
    },
    /// A certificate could not be made.
    #[error("cannot make the certificate of {of}")]
    Certificate {
        /// Whose certificate.
        of: String,
        /// Why.
        source: rcgen::Error,
    },
    /// The API server refused or did not answer.
    #[error("the API server did not {what}")]
    Api {
        /// What was asked, as a verb.
        what: String,
        /// Its answer.
        source: Box<kube::Error>,
    },
    /// A manifest of the parts cannot be read.
    #[error("{} is not a list of Kubernetes objects: {reason}", path.display())]
    Manifest {
        /// The file that was read.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The lab's own kubeconfig cannot be used.
    #[error("the lab's kubeconfig {} cannot be used", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Box<kube::config::KubeconfigError>,
    },
    /// A command ran and failed.
    #[error("`{command}` failed ({status}):\n{output}")]
    Command {
        /// The command line.
        command: String,
        /// How it ended.
        status: String,
        /// What it wrote to standard error, or else to standard output.
        output: String,
    },
    /// A fault names a site or node that the fleet does not have.
    #[error("the fleet has no {kind} `{name}`; it has {known}")]
    NoSuch {
        /// `site` or `node`.
        kind: &'static str,
        /// The name that was given.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// The lab's process ended or said why it cannot go on.
    #[error("lab `{name}` did not come up: {reason}\nits log is {}", log.display())]
    Daemon {
        /// The lab.
        name: String,
        /// The daemon's last words.
        reason: String,
        /// The daemon's log.
        log: PathBuf,
    },
}

impl LabError {
    /// Turns an operating system's answer into an error about `path`.
    pub(crate) fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }

    /// Turns an API server's answer into an error about what was asked.
    pub(crate) fn api(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |source| Self::Api {
            what,
            source: Box::new(source),
        }
    }
}

/// The whole chain of an error on one line, for logs and for the command line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // Some libraries repeat their source in their own words: once is enough.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
