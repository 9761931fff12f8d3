//! The flags of `raidc-controller`. No I/O.

use std::net::SocketAddr;

use clap::{Parser, Subcommand, ValueEnum};

/// The RAIDC operator. It finds its cluster like kubectl does (KUBECONFIG), or by its service account.
#[derive(Clone, Debug, Parser)]
#[command(name = "raidc-controller", version, about)]
pub struct Cli {
    /// What to do; without a command the operator runs.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Flags of the operator.
    #[command(flatten)]
    pub config: Config,
}

/// What else the binary can do.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Command {
    /// Print the CustomResourceDefinitions as YAML and end.
    Crds,
}

/// Flags of the operator.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// Namespace that the operator runs in: its lease and the events about cluster-wide things are there.
    #[arg(long, env = "RAIDC_NAMESPACE", default_value = "raidc-system")]
    pub namespace: String,
    /// Name of the Lease that makes one replica the leader.
    #[arg(long, env = "RAIDC_LEASE_NAME", default_value = "raidc-controller")]
    pub lease_name: String,
    /// Name of this replica in the Lease. Default: the host name and a random part.
    #[arg(long, env = "RAIDC_IDENTITY")]
    pub identity: Option<String>,
    /// Seconds after which another replica may take over a lease that is no longer renewed.
    #[arg(long, env = "RAIDC_LEASE_SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u32).range(3..=120))]
    pub lease_seconds: u32,
    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, env = "RAIDC_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Namespace of the image catalogue (CDI DataSources).
    #[arg(long, env = "RAIDC_IMAGE_NAMESPACE", default_value = "raidc-images")]
    pub image_namespace: String,
    /// ClusterRole that a tenant's admins get in their namespace.
    #[arg(long, env = "RAIDC_ADMIN_ROLE", default_value = "raidc-tenant-admin")]
    pub admin_role: String,
    /// ClusterRole that a tenant's viewers get in their namespace.
    #[arg(long, env = "RAIDC_VIEWER_ROLE", default_value = "raidc-tenant-viewer")]
    pub viewer_role: String,
    /// ClusterRole that lets tenants read the image catalogue.
    #[arg(long, env = "RAIDC_CATALOGUE_ROLE", default_value = "raidc-catalogue-reader")]
    pub catalogue_role: String,
    /// Names of pull secrets that the `default` service account of every tenant's namespace is to name, so that what KubeVirt and CDI
    /// start there can be pulled from a registry that asks who is there. The secrets themselves are the platform team's to put there.
    #[arg(
        long = "tenant-pull-secret",
        env = "RAIDC_TENANT_PULL_SECRETS",
        value_delimiter = ','
    )]
    pub tenant_pull_secrets: Vec<String>,
    /// What is done about hosts that a consolidation could switch off.
    #[arg(long, env = "RAIDC_CONSOLIDATION", value_enum, default_value_t = ConsolidationMode::Propose)]
    pub consolidation: ConsolidationMode,
    /// Least seconds from one certification of the plan to the next. A certificate tells how far the plan is from the best there can be
    /// and how much load is safe; each takes some seconds of one core on a large fleet.
    #[arg(long, env = "RAIDC_CERTIFY_SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(10..=1200))]
    pub certify_seconds: u32,
    /// With execute: most live migrations that are begun in an hour.
    #[arg(long, env = "RAIDC_CONSOLIDATION_MOVES_PER_HOUR", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=120))]
    pub consolidation_moves_per_hour: u32,
    /// With execute: minutes for which a server that was moved is left alone.
    #[arg(long, env = "RAIDC_CONSOLIDATION_REST_MINUTES", default_value_t = 720, value_parser = clap::value_parser!(u32).range(1..=43_200))]
    pub consolidation_rest_minutes: u32,
    /// With execute: the same after a migration that failed.
    #[arg(long, env = "RAIDC_CONSOLIDATION_REST_AFTER_FAILURE_MINUTES", default_value_t = 2_880, value_parser = clap::value_parser!(u32).range(1..=43_200))]
    pub consolidation_rest_after_failure_minutes: u32,
    /// With execute: least idle draw, in watts, that a host must save to be emptied.
    #[arg(long, env = "RAIDC_CONSOLIDATION_LEAST_WATTS", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub consolidation_least_watts: u32,
    /// How logs are written.
    #[arg(long, env = "RAIDC_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// What is done about hosts that a consolidation could switch off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ConsolidationMode {
    /// Nothing.
    Off,
    /// Metrics and a log line say what would be saved, and by which moves.
    Propose,
    /// The same, and live migrations within a rack are carried out, one at a time.
    Execute,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

#[cfg(test)]
impl Config {
    /// What a bare command line gives.
    pub(crate) fn from_defaults() -> Self {
        Cli::parse_from(["raidc-controller"]).config
    }
}
