//! `raidc-demo up|down`: the demo. Wiring only.

use clap::Parser;
use clap::Subcommand;
use raidc_e2e::demo;
use raidc_e2e::error::chain;
use std::process::ExitCode;
use std::time::Duration;

/// The whole product on this machine.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Brings the demo up and leaves it running.
    Up {
        /// A phase that ran before, as name=seconds.
        #[arg(long, value_parser = phase)]
        phase: Vec<(String, Duration)>,
    },
    /// Removes it.
    Down,
}

fn phase(text: &str) -> Result<(String, Duration), String> {
    let (name, seconds) = text.split_once('=').ok_or("write name=seconds")?;
    let seconds: u64 = seconds
        .parse()
        .map_err(|_| format!("{seconds} is no number of seconds"))?;
    Ok((name.to_owned(), Duration::from_secs(seconds)))
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Args::parse().command {
        Action::Up { phase } => demo::up(demo::Phases::after(phase)).await,
        Action::Down => demo::down().await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("raidc-demo: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}
