//! What a loss would take. No I/O.

use raidc_planner::{LossOutcome, Scenario, ServerId, Shed, ShedReason, Spot, simulate_loss};
use serde::Serialize;

use crate::error::Error;
use crate::shortage::{self, Shortage};
use crate::table::{row, table};
use crate::world::World;

/// What a loss would take.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Simulated {
    /// The planner's answer.
    #[serde(flatten)]
    pub outcome: LossOutcome,
    /// What each rack would have left, where it would be overloaded: nothing here means that none is.
    pub overloaded: Vec<String>,
    /// When servers have nowhere to start: which of them exceed which sites after this loss, whatever the plan, and by how much.
    pub bottlenecks: Vec<Shortage>,
    /// What could not be read.
    pub remarks: Vec<String>,
}

/// Simulates the loss that the words name. One at a time: a plan promises a place after any single loss, not after two.
pub fn simulate(world: &World, losses: &[String]) -> Result<Simulated, Error> {
    let [loss] = losses else {
        return Err(Error::Usage(format!(
            "{} losses were named: the plan keeps a place for any one loss at a time and says nothing of several at once; simulate each by \
             itself, or declare what falls together as a shared risk and lose that",
            losses.len()
        )));
    };
    let scenario: Scenario = loss
        .parse()
        .map_err(|error: raidc_planner::ScenarioParseError| Error::Usage(error.to_string()))?;
    let known = || world.plan.scenarios.iter().map(|summary| &summary.scenario);
    if !known().any(|known| *known == scenario) {
        let kind = |scenario: &Scenario| scenario.to_string().split('/').next().map(str::to_owned);
        let alike: Vec<String> = known()
            .filter(|known| kind(known) == kind(&scenario))
            .map(ToString::to_string)
            .collect();
        return Err(Error::NotFound(format!(
            "there is no {scenario} in this fleet to lose; {}",
            if alike.is_empty() {
                "there is nothing of that kind (a feed that names a panel is lost with its panel: panel/SITE/PANEL)".to_owned()
            } else {
                format!("there are {}", alike.join(", "))
            }
        )));
    }
    let outcome = simulate_loss(&world.fleet, &world.plan, &scenario);
    let overloaded = outcome
        .racks
        .iter()
        .filter(|(_, rack)| rack.after_watts > rack.capacity_watts)
        .map(|(name, _)| name.to_string())
        .collect();
    let mut bottlenecks = Vec::new();
    if !outcome.stranded.is_empty() {
        bottlenecks = shortage::all(world);
        bottlenecks.retain(|shortage| shortage.bottleneck.loss.as_ref() == Some(&scenario));
    }
    Ok(Simulated {
        outcome,
        bottlenecks,
        overloaded,
        remarks: world.broken.clone(),
    })
}

fn place(spot: &Spot) -> String {
    let host = spot.host.as_str();
    format!(
        "{}/{}/{}",
        spot.site,
        spot.rack,
        if host.is_empty() { "?" } else { host }
    )
}

/// Who has to stop, and who could then start.
fn stopping(say: &mut impl FnMut(&str), simulated: &Simulated) {
    let outcome = &simulated.outcome;
    if outcome.shed.is_empty() && simulated.overloaded.is_empty() {
        say("\nNobody has to stop.");
    } else if outcome.shed.is_empty() {
        say("\nNobody has to stop: no server's stop would make the overloaded racks draw less.");
    } else {
        say("\nWho has to stop, the least important first");
        let mut rows = vec![row(["TIER", "SERVER", "RUNS AT", "WATTS", "WHY"])];
        for shed in &outcome.shed {
            rows.push(row([
                &shed.tier.to_string(),
                &shed.server.to_string(),
                &place(&shed.at),
                &shed.watts.to_string(),
                &why(shed),
            ]));
        }
        say(table("  ", &[0, 3], &rows).trim_end_matches('\n'));
    }
    if !outcome.starts_if_shed.is_empty() {
        say("\nWho could then start after all");
        for start in &outcome.starts_if_shed {
            say(&format!("  {} at {}", start.server, place(&start.at)));
        }
    }
}

fn why(shed: &Shed) -> String {
    let why = match &shed.reason {
        ShedReason::Rack { rack, over_watts } => format!("{rack} would draw {over_watts} W too much"),
        ShedReason::Host { host, resource, over } => {
            format!("{host} is short of {}", resource.amount(*over))
        }
        ShedReason::Starts { server, tier } => format!("{server} of tier {tier} can only start there"),
    };
    if shed.running {
        why
    } else {
        format!("{why}; it is off and must stay off")
    }
}

/// Servers under a title; empty when there are none.
fn list(title: &str, servers: &[ServerId]) -> String {
    if servers.is_empty() {
        return String::new();
    }
    let lines: Vec<String> = servers.iter().map(|server| format!("  {server}\n")).collect();
    format!("\n{title}\n{}", lines.concat())
}

/// The outcome for people.
#[must_use]
pub fn text(simulated: &Simulated) -> String {
    let outcome = &simulated.outcome;
    let mut text = format!(
        "Loss of {}: {} lost.\n",
        outcome.scenario,
        match outcome.hosts_lost {
            0 => "no host is".to_owned(),
            1 => "1 host is".to_owned(),
            more => format!("{more} hosts are"),
        }
    );
    let mut say = |line: &str| {
        text += line;
        text.push('\n');
    };
    let running = outcome.starts.iter().filter(|start| start.running).count();
    let off = outcome.starts.len() - running;
    for (what, servers) in [
        ("servers that start elsewhere", running),
        ("servers that are off and only keep a place elsewhere", off),
        (
            "servers with a single copy, down until it returns",
            outcome.single_copy.len(),
        ),
        ("protected servers with nowhere to start", outcome.stranded.len()),
    ] {
        say(&format!("  {what}: {servers}"));
    }
    if !outcome.starts.is_empty() {
        say("\nWho starts where, in order");
        let mut rows = vec![row(["TIER", "SERVER", "RAN AT", "STARTS AT", ""])];
        for start in &outcome.starts {
            rows.push(row([
                &start.tier.to_string(),
                &start.server.to_string(),
                &place(&start.from),
                &place(&start.to),
                if start.running {
                    ""
                } else {
                    "off: only its place is kept"
                },
            ]));
        }
        say(table("  ", &[0], &rows).trim_end_matches('\n'));
    }
    text += &list(
        "Nowhere to start, although their policy protects them",
        &outcome.stranded,
    );
    text += &shortage::text(&simulated.bottlenecks);
    text += &list(
        "Down until it returns, because their policy keeps a single copy",
        &outcome.single_copy,
    );
    let mut say = |line: &str| {
        text += line;
        text.push('\n');
    };
    stopping(&mut say, simulated);
    if !outcome.wake.is_empty() {
        say("\nHosts to switch on first");
        for host in &outcome.wake {
            say(&format!("  {host}"));
        }
    }
    if !outcome.racks.is_empty() {
        say("\nPower of the other racks, in watts");
        let mut rows = vec![row(["RACK", "CAPACITY", "BEFORE", "AFTER", "LEFT"])];
        for (name, rack) in &outcome.racks {
            let left = rack.capacity_watts.saturating_sub(rack.after_watts);
            let figures = [rack.capacity_watts, rack.before_watts, rack.after_watts, left];
            let mut cells = vec![name.to_string()];
            cells.extend(figures.iter().map(ToString::to_string));
            rows.push(cells);
        }
        say(table("  ", &[1, 2, 3, 4], &rows).trim_end_matches('\n'));
    }
    if !simulated.overloaded.is_empty() {
        say(&format!(
            "\nRacks that would draw more than they can carry: {}. Free power there, or start fewer servers.",
            simulated.overloaded.join(", ")
        ));
    }
    for remark in &simulated.remarks {
        say(&format!("Note: {remark}."));
    }
    text
}
