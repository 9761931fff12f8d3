//! What draining a host, a rack or a site would come to. No I/O.

use std::fmt::Write as _;

use raidc_planner::{
    Changed, DrainTarget, HostName, MoveKind, PlanOptions, Preflight, RackLedger, RackName, Resource,
    SiteLedger, SiteName, Spot, Verdict, preflight_drain,
};
use serde::Serialize;

use crate::error::Error;
use crate::kinds::{Id, Kind};
use crate::table::{row, table};
use crate::world::World;

/// What draining would come to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drained {
    /// The planner's answer.
    #[serde(flatten)]
    pub preflight: Preflight,
    /// What speaks against it, in sentences.
    pub blocked_because: Vec<String>,
    /// What could not be read, and what else has to be known.
    pub remarks: Vec<String>,
}

impl Drained {
    /// The exit code: 0 nothing to do, 2 something would move, 3 blocked.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self.preflight.verdict {
            Verdict::Nothing => 0,
            Verdict::Ready => 2,
            Verdict::Blocked => 3,
        }
    }
}

/// Looks at the drain that the words name, as things are once what is decided already has been carried out.
pub fn drain(world: &World, id: &Id) -> Result<Drained, Error> {
    let target = match id.kind {
        Kind::Site => DrainTarget::Site(id.name.as_str().into()),
        Kind::Rack => DrainTarget::Rack(id.name.as_str().into()),
        Kind::Node => DrainTarget::Host(id.name.as_str().into()),
        kind => {
            return Err(Error::Usage(format!(
                "a {} is not drained: name a site, a rack or a node",
                kind.name()
            )));
        }
    };
    let fleet = world.carried();
    let names: Vec<&str> = match &target {
        DrainTarget::Site(_) => fleet.sites.keys().map(SiteName::as_str).collect(),
        DrainTarget::Rack(_) => fleet.racks.keys().map(RackName::as_str).collect(),
        DrainTarget::Host(_) => fleet.hosts.keys().map(HostName::as_str).collect(),
    };
    if !names.contains(&id.name.as_str()) {
        let there = if names.is_empty() {
            "there is none of that kind".to_owned()
        } else {
            format!("there are {}", names.join(", "))
        };
        return Err(Error::NotFound(format!(
            "there is no {id} in this fleet to drain; {there}"
        )));
    }
    let preflight = preflight_drain(&fleet, &target, &PlanOptions::default());
    let mut remarks = world.broken.clone();
    if !preflight.moves.is_empty() {
        remarks.push(
            "the operator of this version moves reserves by itself and leaves running servers where they are: this is what there is room for, \
             to be carried out by people"
                .to_owned(),
        );
    }
    Ok(Drained {
        blocked_because: preflight.blocked.iter().map(ToString::to_string).collect(),
        preflight,
        remarks,
    })
}

fn place(spot: &Spot) -> String {
    let host = spot.host.as_str();
    if spot.rack.as_str().is_empty() {
        spot.site.to_string()
    } else {
        format!(
            "{}/{}/{}",
            spot.site,
            spot.rack,
            if host.is_empty() { "?" } else { host }
        )
    }
}

/// The answer for people.
#[must_use]
pub fn text(drained: &Drained) -> String {
    let found = &drained.preflight;
    let verdict = match found.verdict {
        Verdict::Nothing => "nothing is there that would have to leave",
        Verdict::Ready => "ready: everything leaves, and whatever loss is survived now is survived meanwhile",
        Verdict::Blocked => "blocked",
    };
    let mut text = format!("Draining {}: {verdict}.\n", found.target);
    for blocker in &drained.blocked_because {
        say(&mut text, &format!("  {blocker}"));
    }
    leaving(&mut text, found);
    staying(&mut text, found);
    if !found.racks.is_empty() {
        say(&mut text, "\nPower of the racks that change, in watts");
        let heading = row(["RACK", "CAPACITY", "DRAWN", "THEN", "RESERVED THEN", "LEFT THEN"]);
        let rows = found
            .racks
            .iter()
            .map(|(name, change)| rack(name.as_str(), change));
        let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
        text += &table("  ", &[1, 2, 3, 4, 5], &rows);
    }
    if !found.sites.is_empty() {
        say(&mut text, "\nSites that change, to their ceilings");
        let heading = row(["SITE", "CORES", "CORES THEN", "MEMORY", "MEMORY THEN"]);
        let rows = found
            .sites
            .iter()
            .map(|(name, change)| site(name.as_str(), change));
        let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
        text += &table("  ", &[], &rows);
    }
    say(
        &mut text,
        &format!(
            "\nHosts that servers run on draw {} W idle, then {} W.",
            found.idle_watts_before, found.idle_watts_after
        ),
    );
    for remark in &drained.remarks {
        say(&mut text, &format!("Note: {remark}."));
    }
    text
}

fn say(text: &mut String, line: &str) {
    // Writing to a String cannot fail.
    let _never = writeln!(text, "{line}");
}

/// Who and what leaves.
fn leaving(text: &mut String, found: &Preflight) {
    if !found.moves.is_empty() {
        say(text, "\nServers that leave");
        let mut rows = vec![row(["SERVER", "FROM", "TO", "HOW"])];
        for moved in &found.moves {
            rows.push(row([
                &moved.server.to_string(),
                &place(&moved.from),
                &place(&moved.to),
                &moved.how.to_string(),
            ]));
        }
        text.push_str(&table("  ", &[], &rows));
    }
    if !found.reserves.is_empty() {
        say(text, "\nReserves and copies that move");
        let mut rows = vec![row(["SERVER", "WHAT", "FROM", "TO"])];
        for moved in &found.reserves {
            let what = match moved.kind {
                MoveKind::Primary | MoveKind::Backup => "reserve",
                MoveKind::Copy => "copy",
            };
            rows.push(row([
                &moved.server.to_string(),
                what,
                &place(&moved.from),
                &place(&moved.to),
            ]));
        }
        text.push_str(&table("  ", &[], &rows));
    }
}

/// Who and what stays, and what that means.
fn staying(text: &mut String, found: &Preflight) {
    if !found.stays.is_empty() {
        say(text, "\nServers that find no place elsewhere");
        for stays in &found.stays {
            say(
                text,
                &format!("  {} at {}: {}", stays.server, place(&stays.at), stays.reason),
            );
            say(text, &format!("    {}", stays.why));
        }
    }
    if !found.unprotected.is_empty() {
        say(
            text,
            "\nServers that would run without the reserve or copies that they have now",
        );
        for server in &found.unprotected {
            say(text, &format!("  {}: {}", server.server, server.reason));
            say(text, &format!("    {}", server.why));
        }
    }
    if !found.losses.is_empty() {
        say(text, "\nLosses that would not be survived meanwhile");
        let mut rows = vec![row(["LOSS", "NOWHERE TO START", "NOW"])];
        for line in &found.losses {
            rows.push(row([
                &line.loss.to_string(),
                &line.stranded_after.to_string(),
                &line.stranded_before.to_string(),
            ]));
        }
        text.push_str(&table("  ", &[1, 2], &rows));
    }
    if !found.waiting.is_empty() {
        say(text, "\nDemands that would wait meanwhile");
        for id in &found.waiting {
            say(text, &format!("  {id}"));
        }
    }
    if !found.devices.is_empty() {
        say(
            text,
            "\nTenants' own hardware that stands there and does not move",
        );
        for (id, devices) in &found.devices {
            say(text, &format!("  {id}: {}", devices.join(", ")));
        }
    }
}

fn rack(name: &str, change: &Changed<RackLedger>) -> Vec<String> {
    row([
        name,
        &change.after.capacity_watts.to_string(),
        &change.before.committed_watts.to_string(),
        &change.after.committed_watts.to_string(),
        &change.after.reserved_watts.to_string(),
        &change.after.headroom_watts.to_string(),
    ])
}

fn site(name: &str, change: &Changed<SiteLedger>) -> Vec<String> {
    let of = |resource: Resource, used: i64, ceiling: i64| {
        format!("{} of {}", resource.show(used), resource.show(ceiling))
    };
    let (before, after) = (&change.before, &change.after);
    row([
        name,
        &of(Resource::Cpu, before.cpu_used_milli, before.cpu_ceiling_milli),
        &of(Resource::Cpu, after.cpu_used_milli, after.cpu_ceiling_milli),
        &of(
            Resource::Memory,
            before.memory_used_mib,
            before.memory_ceiling_mib,
        ),
        &of(Resource::Memory, after.memory_used_mib, after.memory_ceiling_mib),
    ])
}
