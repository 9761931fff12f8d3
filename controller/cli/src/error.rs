//! Why a command could not do what it was asked. Types only, no I/O.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::documents::Fault;

/// Why a command could not do what it was asked. All of them end it with exit code 1.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The flags do not make sense together.
    #[error("{0}")]
    Usage(String),
    /// A file or folder cannot be read.
    #[error("{} cannot be read: name a file or folder that exists and that you may read", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Documents cannot be used.
    #[error("{}", faults(.0))]
    Documents(Vec<Fault>),
    /// The kubeconfig cannot be used.
    #[error(
        "no cluster can be reached by the kubeconfig: correct KUBECONFIG or --context, or work offline with -f or --fleet"
    )]
    Config(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The API server did not answer, or not with what was asked for.
    #[error("the cluster could not be read ({what}): try again, or work offline with --fleet")]
    Cluster {
        /// What was being read.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The API server did not answer in time: nothing is known.
    #[error(
        "the cluster did not answer within {seconds} s ({what}), so nothing is known of it: try again, or work offline with --fleet"
    )]
    Timeout {
        /// What was being read.
        what: String,
        /// How long was waited.
        seconds: u64,
    },
    /// Rights are missing.
    #[error("{}", rights(.0))]
    Rights(Vec<String>),
    /// What was asked about is not there.
    #[error("{0}")]
    NotFound(String),
    /// The independent checker refuses the plan.
    #[error("{}", refused(.0))]
    Refused(Vec<String>),
    /// The answer cannot be written.
    #[error("the answer cannot be written")]
    Write(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn faults(faults: &[Fault]) -> String {
    let mut text = format!(
        "{} in the documents; nothing was planned. Correct what is named and try again:",
        crate::number(faults.len(), "mistake")
    );
    for fault in faults {
        // Writing to a String cannot fail.
        let _never = write!(text, "\n  {fault}");
    }
    text
}

fn rights(missing: &[String]) -> String {
    format!(
        "your rights in the cluster do not let you read the whole fleet; missing: {}. Ask the platform team for these rights, or for a \
         file of \"raidc snapshot --redact\" to use with --fleet",
        missing.join(", ")
    )
}

fn refused(faults: &[String]) -> String {
    let mut text = "the independent checker refuses the plan, so the operator would not carry it out; this is a defect of the planner, \
                    please report it with the output of \"raidc snapshot --redact=all\":"
        .to_owned();
    for fault in faults {
        let _never = write!(text, "\n  {fault}");
    }
    text
}
