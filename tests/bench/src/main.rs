//! `make bench-planner`: what the planner promises, in numbers, each beside a yardstick measured in the same run.
//!
//! `bench-planner [--row NAME]... [--quick] [--json] [--seed N]`. Exit code 1 when a row is SHORT, 2 when the arguments
//! make no sense. Reads the traces under `RAIDC_DATA` (or `../shared/data`) where they are; needs no cluster.

mod dice;
mod engine;
mod fleets;
mod machine;
mod rows;
mod stopwatch;
mod table;
mod yardstick;

use std::process::ExitCode;

use rows::{Context, ROWS};
use table::Table;

/// What was asked for.
struct Asked {
    rows: Vec<String>,
    quick: bool,
    json: bool,
    seed: u64,
}

fn asked(arguments: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut asked = Asked {
        rows: Vec::new(),
        quick: false,
        json: false,
        seed: 1,
    };
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => asked.quick = true,
            "--json" => asked.json = true,
            "--row" => {
                let name = arguments.next().ok_or("--row needs a name")?;
                if !ROWS.iter().any(|row| row.0 == name) {
                    return Err(format!("there is no row {name}"));
                }
                asked.rows.push(name);
            }
            "--seed" => {
                let seed = arguments.next().and_then(|seed| seed.parse().ok());
                asked.seed = seed.ok_or("--seed needs a number")?;
            }
            other => return Err(format!("{other} is not known")),
        }
    }
    Ok(asked)
}

fn main() -> ExitCode {
    let asked = match asked(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(why) => {
            let rows: Vec<&str> = ROWS.iter().map(|row| row.0).collect();
            eprintln!("bench-planner: {why}; rows are {}", rows.join(", "));
            return ExitCode::from(2);
        }
    };
    let mut context = Context {
        table: Table {
            json: asked.json,
            short: 0,
        },
        runs: if asked.quick { 1 } else { 5 },
        quick: asked.quick,
        seed: asked.seed,
    };
    let quick = if asked.quick { ", quick: single runs" } else { "" };
    context
        .table
        .heading(&format!("{}, seed {}{quick}", machine::line(), asked.seed));
    for (name, row) in ROWS {
        if asked.rows.is_empty() || asked.rows.iter().any(|asked| asked == name) {
            row(&mut context);
        }
    }
    if context.table.short > 0 {
        eprintln!(
            "bench-planner: {} SHORT; load now {}",
            context.table.short,
            machine::load()
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
