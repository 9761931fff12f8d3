//! What draining a host, a rack or a site would come to. No I/O.

use std::fmt::Write as _;

use raidc_planner::{
    Changed, DrainTarget, HostName, MoveKind, PlanOptions, Preflight, RackLedger, RackName, Resource,
    SiteLedger, SiteName, Spot, Stays, Verdict, preflight_drain,
};
use serde::Serialize;

use crate::error::Error;
use crate::kinds::{Id, Kind};
use crate::table::{arrow, row, table};
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
        Verdict::Ready => {
            "ready: everything leaves, and meanwhile no loss leaves more servers with nowhere to start than it would now"
        }
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
        let heading = row([
            "RACK",
            "CAPACITY",
            "IN USE",
            "RESERVED FOR THE WORST LOSS",
            "HEADROOM",
        ]);
        let rows = found
            .racks
            .iter()
            .map(|(name, change)| rack(name.as_str(), change));
        let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
        text += &table("  ", &[1, 2, 3, 4], &rows);
    }
    if !found.sites.is_empty() {
        say(
            &mut text,
            "\nSites that change: what servers use there, of what they may use in all (the ceiling)",
        );
        let heading = row(["SITE", "CPU", "CEILING", "MEMORY", "CEILING"]);
        let rows = found
            .sites
            .iter()
            .map(|(name, change)| site(name.as_str(), change));
        let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
        text += &table("  ", &[1, 2, 3, 4], &rows);
    }
    say(
        &mut text,
        &format!(
            "\nThe hosts that servers run on draw {} W when idle now, and {} W then.",
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
        let line = |stays: &Stays| format!("{} at {}", stays.server, place(&stays.at));
        alike(
            text,
            found
                .stays
                .iter()
                .map(|s| (s.reason.as_str(), s.why.as_str(), line(s))),
        );
    }
    if !found.unprotected.is_empty() {
        say(
            text,
            "\nServers that would run without the reserve or copies that they have now",
        );
        alike(
            text,
            found
                .unprotected
                .iter()
                .map(|s| (s.reason.as_str(), s.why.as_str(), s.server.to_string())),
        );
    }
    if !found.losses.is_empty() {
        say(
            text,
            "\nLosses that would meanwhile leave more protected servers with nowhere to start than now",
        );
        let mut rows = vec![row(["LOSS", "SERVERS NOW", "MEANWHILE", "SURVIVED NOW"])];
        for line in &found.losses {
            rows.push(row([
                &line.loss.to_string(),
                &line.stranded_before.to_string(),
                &line.stranded_after.to_string(),
                if line.stranded_before == 0 { "yes" } else { "no" },
            ]));
        }
        text.push_str(&table("  ", &[1, 2], &rows));
    }
    if !found.waiting.is_empty() {
        say(text, "\nWould find a place now, and would wait meanwhile");
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

/// Those for whom the same holds are named together, under what it is.
fn alike<'a>(text: &mut String, lines: impl Iterator<Item = (&'a str, &'a str, String)>) {
    let mut groups: Vec<(&str, &str, Vec<String>)> = Vec::new();
    for (reason, why, who) in lines {
        match groups.iter_mut().find(|(r, w, _)| (*r, *w) == (reason, why)) {
            Some((.., all)) => all.push(who),
            None => groups.push((reason, why, vec![who])),
        }
    }
    for (reason, why, all) in groups {
        say(text, &format!("  {reason}: {why}"));
        for who in all {
            say(text, &format!("    {who}"));
        }
    }
}

fn rack(name: &str, change: &Changed<RackLedger>) -> Vec<String> {
    let figure = |read: fn(&RackLedger) -> i64| arrow(Some(read(&change.before)), Some(read(&change.after)));
    row([
        name,
        &figure(|rack| rack.capacity_watts),
        &figure(|rack| rack.committed_watts),
        &figure(|rack| rack.reserved_watts),
        &figure(|rack| rack.headroom_watts),
    ])
}

fn site(name: &str, change: &Changed<SiteLedger>) -> Vec<String> {
    let used = |resource: Resource, read: fn(&SiteLedger) -> i64| {
        arrow(
            Some(resource.show(read(&change.before))),
            Some(resource.show(read(&change.after))),
        )
    };
    let limit = |resource: Resource, read: fn(&SiteLedger) -> i64| {
        arrow(
            Some(resource.room(read(&change.before))),
            Some(resource.room(read(&change.after))),
        )
    };
    row([
        name,
        &used(Resource::Cpu, |site| site.cpu_used_milli),
        &limit(Resource::Cpu, |site| site.cpu_ceiling_milli),
        &used(Resource::Memory, |site| site.memory_used_mib),
        &limit(Resource::Memory, |site| site.memory_ceiling_mib),
    ])
}
