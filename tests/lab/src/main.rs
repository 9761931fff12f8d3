//! The command line of the lab. Wiring only.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand, ValueEnum};
use raidc_lab::daemon::{self, LabState};
use raidc_lab::faults::parse_partition;
use raidc_lab::parts::Parts;
use raidc_lab::{Access, Faults, FleetSpec, LabError, LabOptions, Profile, chain};

/// A real Kubernetes control plane on loopback, with KubeVirt's and VolSync's own controllers; only the hardware
/// under it is simulated. Everything of a lab lies in .lab/NAME.
#[derive(Parser)]
#[command(name = "raidc-lab", version)]
struct Arguments {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Bring a lab up in the background and wait until it is ready
    Up(Wanted),
    /// End a lab and remove its folder
    Down { name: String },
    /// Say which labs there are and what runs in them
    Status { name: Option<String> },
    /// Print the path of a lab's kubeconfig
    Kubeconfig { name: String },
    /// Make a kubeconfig with a token of a service account, `namespace/name`, and print its path
    Account { name: String, account: String },
    /// Run a command that uses a lab and its tools, as in `exec demo kubectl get nodes`
    Exec {
        name: String,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<OsString>,
    },
    /// Cut a site's power
    SiteOff { name: String, site: String },
    /// Give a site its power back
    SiteOn { name: String, site: String },
    /// Cut a host's power
    NodeOff { name: String, node: String },
    /// Give a host its power back
    NodeOn { name: String, node: String },
    /// Cut the network between groups of sites, as in `a,b/c,d`
    Partition { name: String, groups: String },
    /// Make the import of a DataVolume fail: `namespace/name`, or `*`
    ImportError { name: String, volume: String },
    /// Keep a copy from getting done: `namespace/name` of the ReplicationSource, or `*`
    SyncStuck { name: String, source: String },
    /// Turn every fault off
    FaultsClear { name: String },
    /// Build the real parts only, or say what is missing (`--check`) or where they come from (`--list`)
    Parts {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Hold a lab in the foreground
    #[command(hide = true)]
    Run(Wanted),
}

#[derive(clap::Args)]
struct Wanted {
    /// Names the lab and its folder
    name: String,
    /// Whether KubeVirt's and VolSync's controllers are real or played
    #[arg(long, value_enum, default_value = "full")]
    profile: Which,
    /// YAML or JSON file with the sites to play; the example fleet by default
    #[arg(long)]
    fleet: Option<PathBuf>,
    /// Leave the folder when the lab ends
    #[arg(long)]
    keep: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    Full,
    Light,
}

impl Wanted {
    fn options(self) -> Result<LabOptions, LabError> {
        let profile = match self.profile {
            Which::Full => Profile::Full,
            Which::Light => Profile::Light,
        };
        let mut options = LabOptions::new(self.name).profile(profile);
        options.keep = self.keep;
        if let Some(path) = self.fleet {
            options.fleet = FleetSpec::read(&path)?;
        }
        Ok(options)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,kube=warn,tower=warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match act(Arguments::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("raidc-lab: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn act(verb: Verb) -> Result<(), LabError> {
    match verb {
        Verb::Up(wanted) => up(wanted).await,
        Verb::Down { name } => daemon::down(&name).await,
        Verb::Status { name } => status(name.as_deref()),
        Verb::Kubeconfig { name } => {
            println!("{}", LabState::running(&name)?.kubeconfig.display());
            Ok(())
        }
        Verb::Account { name, account } => {
            let (namespace, account) = account.split_once('/').unwrap_or(("default", &account));
            println!(
                "{}",
                access(&name)
                    .await?
                    .service_account_kubeconfig(namespace, account)
                    .await?
                    .display()
            );
            Ok(())
        }
        Verb::Exec { name, command } => exec(&access(&name).await?, &command),
        Verb::SiteOff { name, site } => faults(&name).await?.site_off(&site).await,
        Verb::SiteOn { name, site } => faults(&name).await?.site_on(&site).await,
        Verb::NodeOff { name, node } => faults(&name).await?.node_off(&node).await,
        Verb::NodeOn { name, node } => faults(&name).await?.node_on(&node).await,
        Verb::Partition { name, groups } => faults(&name).await?.partition(&parse_partition(&groups)).await,
        Verb::ImportError { name, volume } => faults(&name).await?.import_error(&volume).await,
        Verb::SyncStuck { name, source } => faults(&name).await?.sync_stuck(&source).await,
        Verb::FaultsClear { name } => faults(&name).await?.clear().await,
        Verb::Parts { arguments } => Parts::build(&arguments, &|line| println!("{line}")).await,
        Verb::Run(wanted) => daemon::run(wanted.options()?).await,
    }
}

async fn up(wanted: Wanted) -> Result<(), LabError> {
    let options = wanted.options()?;
    let program = std::env::current_exe().map_err(|source| LabError::File {
        what: "find the program in",
        path: PathBuf::from("/proc/self/exe"),
        source,
    })?;
    let started = Instant::now();
    let state = daemon::up(&program, &options, |line| println!("{}: {line}", options.name)).await?;
    println!(
        "{}: up after {:.1} s",
        options.name,
        started.elapsed().as_secs_f64()
    );
    println!("export KUBECONFIG={}", state.kubeconfig.display());
    Ok(())
}

/// Becomes the command, so that its exit code and its terminal are its own.
fn exec(access: &Access, command: &[OsString]) -> Result<(), LabError> {
    let Some((program, arguments)) = command.split_first() else {
        return Ok(());
    };
    let source = std::process::Command::new(program)
        .args(arguments)
        .envs(access.environment())
        .exec();
    Err(LabError::Start {
        part: "the command".to_owned(),
        program: program.into(),
        source,
    })
}

fn status(name: Option<&str>) -> Result<(), LabError> {
    let states = match name {
        Some(name) => vec![LabState::read(name)?.ok_or_else(|| LabError::Unknown(name.to_owned()))?],
        None => LabState::all()?,
    };
    if states.is_empty() {
        println!("no lab is up; start one with `raidc-lab up NAME`");
    }
    for state in states {
        let word = match (state.alive(), state.ready) {
            (true, true) => "ready",
            (true, false) => "coming up",
            (false, _) => "ended",
        };
        println!(
            "{}: {word}, {} sites, {} hosts",
            state.name,
            state.fleet.sites.len(),
            state.fleet.hosts()
        );
        for (part, pid) in state.living_parts() {
            println!("  {part} (process {pid})");
        }
        if let Some(error) = state.error {
            println!("  {error}");
        }
    }
    Ok(())
}

async fn faults(name: &str) -> Result<Faults, LabError> {
    access(name).await?.faults()
}

async fn access(name: &str) -> Result<Access, LabError> {
    Access::of(&LabState::running(name)?).await
}
