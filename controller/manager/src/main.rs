//! Wiring only: flags, logs, and which of the two things to do.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use raidc_controller::runtime::config::{Cli, Command};
use raidc_controller::runtime::{process, telemetry};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Crds) => match print_crds() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                drop(writeln!(std::io::stderr(), "raidc-controller: {error}"));
                ExitCode::FAILURE
            }
        },
        None => {
            telemetry::start(cli.config.log_format);
            match process::run(cli.config).await {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    tracing::error!(%error, "ended");
                    ExitCode::FAILURE
                }
            }
        }
    }
}

/// The CustomResourceDefinitions, one YAML document each.
fn print_crds() -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    for crd in raidc_crds::all() {
        let yaml = serde_saphyr::to_string(&crd).map_err(|error| error.to_string())?;
        write!(out, "---\n{yaml}").map_err(|error| error.to_string())?;
    }
    Ok(())
}
