//! The flags of `raidc`. No I/O.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// What a change would do to the array of data centres, why something stands where it does, and what a loss would take.
///
/// Every command works without a cluster when it is given files (-f) or a snapshot (--fleet); it opens no connection then. With --cluster, or
/// when no other source is named, it reads the cluster of the kubeconfig and never writes to it.
#[derive(Debug, Parser)]
#[command(name = "raidc", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How the answer is written.
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// How the answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people; a snapshot is YAML.
    Text,
    /// For programs.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What applying files would do: places, moves, what waits, watts, quota, losses. Exit 0: nothing, 2: something, 1: an error
    Plan {
        /// Where the fleet comes from.
        #[command(flatten)]
        source: Source,
        /// Show every rack, site and tenant, and all that waits, not only what changes
        #[arg(long)]
        all: bool,
    },
    /// Why a server or a colocation stands where it does, why not elsewhere, and what would let it in
    Explain {
        /// virtualserver/NAME or colocation/NAME, in the namespace of -n; or virtualserver/NAMESPACE/NAME
        #[arg(value_name = "KIND/NAME")]
        what: String,
        /// Where the fleet comes from.
        #[command(flatten)]
        source: Source,
    },
    /// What a loss would take: who starts where, who has nowhere to start, and what every rack draws then
    Simulate {
        /// site/NAME, rack/NAME, risk/NAME, feed/RACK/NAME or panel/SITE/NAME
        #[arg(long, value_name = "WHAT", required = true)]
        lose: Vec<String>,
        /// Where the fleet comes from.
        #[command(flatten)]
        source: Source,
    },
    /// What draining would come to: who goes where, who cannot and why, what is no longer survived. Exit 0: nothing, 2: ready, 3: blocked, 1: an error
    Drain {
        /// site/NAME, rack/NAME or node/NAME
        #[arg(value_name = "KIND/NAME")]
        what: String,
        /// Where the fleet comes from.
        #[command(flatten)]
        source: Source,
    },
    /// The fleet as one file for --fleet, so that plans can be made without a cluster
    Snapshot {
        /// Where the fleet comes from.
        #[command(flatten)]
        source: Source,
        /// Replace the names that municipalities chose by pseudonyms of the same order; =all: also sites, racks, hosts and the catalogue
        #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "names")]
        redact: Option<Redact>,
    },
}

/// Whose names are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Redact {
    /// Tenants', and what is theirs.
    Names,
    /// Everybody's.
    All,
}

/// Where the fleet comes from, and what is changed in it.
#[derive(Clone, Debug, Default, Args)]
pub struct Source {
    /// YAML or JSON as for "kubectl apply": a file, a folder (with the folders in it), or - for standard input. May be given often
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    pub files: Vec<PathBuf>,
    /// The fleet to start from: a file of "raidc snapshot", or any dump of these kinds with their status
    #[arg(long, value_name = "FILE", conflicts_with = "cluster")]
    pub fleet: Option<PathBuf>,
    /// The fleet to start from is the cluster of the kubeconfig, which is only read
    #[arg(long)]
    pub cluster: bool,
    /// Also take this away: KIND/NAME or KIND/NAMESPACE/NAME. May be given often
    #[arg(long, value_name = "KIND/NAME")]
    pub delete: Vec<String>,
    /// Take away servers and colocations that the files leave out, in every namespace of which they hold any
    #[arg(long, requires = "files")]
    pub prune: bool,
    /// Namespace of documents and names that say none
    #[arg(short, long)]
    pub namespace: Option<String>,
    /// Context of the kubeconfig
    #[arg(long)]
    pub context: Option<String>,
    /// Namespace of the image catalogue
    #[arg(long, env = "RAIDC_IMAGE_NAMESPACE", default_value = "raidc-images")]
    pub image_namespace: String,
}

impl Source {
    /// Whether the cluster is read: when it is asked for, or when nothing else is named.
    #[must_use]
    pub fn reads_cluster(&self) -> bool {
        self.cluster || (self.fleet.is_none() && self.files.is_empty())
    }
}
