//! Saying what a plan or a loss comes to. No I/O.

use std::fmt::Write as _;

use raidc_planner::{
    Fleet, LossOutcome, MoveKind, Plan, Preflight, Resource, ServerPlan, Shed, Spot, StartIfShed, Survival,
    counted,
};

use super::Story;

fn place(spot: &Spot) -> &str {
    if spot.host.as_str().is_empty() {
        spot.site.as_str()
    } else {
        spot.host.as_str()
    }
}

fn server(decided: &ServerPlan) -> String {
    let mut line = format!("at {}", place(&decided.placement));
    if let Some(backup) = &decided.backup {
        let _ = write!(line, ", reserve {}", place(backup));
    }
    let reserve = decided.backup.as_ref().map(|spot| &spot.site);
    for site in decided.copy_sites.iter().filter(|site| Some(*site) != reserve) {
        let _ = write!(line, ", copy at {site}");
    }
    if let Some(growth) = &decided.growth {
        let _ = write!(
            line,
            "; stays at {}, {}: {growth}",
            decided.granted,
            growth.reason()
        );
    }
    if let Some(why) = &decided.held {
        let _ = write!(line, " ({why})");
    }
    if let Some(waiting) = &decided.unprotected {
        let _ = write!(line, "; unprotected, {}: {waiting}", waiting.reason());
    }
    line
}

/// What is new or different in `next`, who waits, what moves and what is too full.
pub(crate) fn plan(out: &mut String, _fleet: &Fleet, before: &Plan, next: &Plan) {
    for problem in &next.problems {
        let _ = writeln!(out, "problem {}: {}", problem.what, problem.message);
    }
    for (id, decided) in &next.servers {
        if before.servers.get(id) != Some(decided) {
            let _ = writeln!(out, "{id} {}", server(decided));
        }
    }
    for (id, places) in &next.colocations {
        if before.colocations.get(id) != Some(places) {
            for place in places {
                let top = place.lowest_unit + place.units - 1;
                let _ = writeln!(
                    out,
                    "{id} {} in {}, units {} to {top}",
                    place.device, place.rack, place.lowest_unit
                );
            }
        }
    }
    for moved in &next.moves {
        let what = match moved.kind {
            MoveKind::Primary => "moves",
            MoveKind::Backup => "reserve moves",
            MoveKind::Copy => "copy goes",
        };
        let (from, to) = (place(&moved.from), place(&moved.to));
        let _ = writeln!(
            out,
            "{} {what} from {from} to {to}: {:?}",
            moved.server, moved.reason
        );
    }
    for (id, waiting) in &next.waiting {
        let _ = writeln!(out, "{id} waits, {}: {waiting}", waiting.reason());
    }
    for excess in &next.excesses {
        let _ = writeln!(
            out,
            "too full: {}: {} of {}",
            excess.of,
            excess.resource.amount(excess.used),
            excess.resource.room(excess.limit)
        );
    }
    shed(out, &next.shed, &next.starts_if_shed);
    let stranded: i64 = next.scenarios.iter().map(|summary| summary.stranded).sum();
    let verdict = if stranded == 0 {
        "survives every loss"
    } else {
        "does not survive every loss"
    };
    let _ = writeln!(
        out,
        "{} placed, {} waiting; {verdict}",
        next.servers.len() + next.colocations.len(),
        next.waiting.len()
    );
}

/// Who has to stop, and who could then start.
fn shed(out: &mut String, shed: &[Shed], starts: &[StartIfShed]) {
    for shed in shed {
        let _ = writeln!(out, "{} at {}: {shed}", shed.server, place(&shed.at));
    }
    for start in starts {
        let _ = writeln!(out, "{} could then start at {}", start.server, place(&start.at));
    }
}

pub(crate) fn loss(out: &mut String, loss: &LossOutcome) {
    for host in &loss.wake {
        let _ = writeln!(out, "wake {host}");
    }
    for start in &loss.starts {
        let verb = if start.running {
            "starts"
        } else {
            "stays off, its place is"
        };
        let _ = writeln!(
            out,
            "{} (tier {}) {verb} at {}",
            start.server,
            start.tier,
            place(&start.to)
        );
    }
    for id in &loss.single_copy {
        let _ = writeln!(out, "{id} is down until it returns (one copy)");
    }
    for id in &loss.stranded {
        let _ = writeln!(out, "{id} has nowhere to start");
    }
    shed(out, &loss.shed, &loss.starts_if_shed);
    for (rack, after) in loss
        .racks
        .iter()
        .filter(|(_, after)| after.after_watts != after.before_watts)
    {
        let _ = writeln!(
            out,
            "{rack} draws {} W, then {} W of {} W",
            after.before_watts, after.after_watts, after.capacity_watts
        );
    }
    let _ = writeln!(
        out,
        "{} lost, {} start elsewhere, {} with nowhere to start",
        counted(loss.hosts_lost, "host"),
        loss.starts.len(),
        loss.stranded.len()
    );
}

/// What draining something would come to.
pub(crate) fn drain(out: &mut String, found: &Preflight) {
    let _ = writeln!(out, "{}: {:?}", found.target, found.verdict);
    for blocker in &found.blocked {
        let _ = writeln!(out, "blocked: {blocker}");
    }
    for moved in &found.moves {
        let (from, to) = (place(&moved.from), place(&moved.to));
        let _ = writeln!(
            out,
            "{} would go from {from} to {to}, {}",
            moved.server, moved.how
        );
    }
    for moved in &found.reserves {
        let what = match moved.kind {
            MoveKind::Primary | MoveKind::Backup => "reserve",
            MoveKind::Copy => "copy",
        };
        let (from, to) = (place(&moved.from), place(&moved.to));
        let _ = writeln!(out, "{} {what} would go from {from} to {to}", moved.server);
    }
    for stays in &found.stays {
        let _ = writeln!(
            out,
            "{} would stay at {}, {}: {}",
            stays.server,
            place(&stays.at),
            stays.reason,
            stays.why
        );
        if let Some(fix) = stays.fixes.first() {
            let _ = writeln!(out, "  nearest fix: {fix}");
        }
    }
    for server in &found.unprotected {
        let _ = writeln!(
            out,
            "{} would run unprotected, {}: {}",
            server.server, server.reason, server.why
        );
    }
    for line in &found.losses {
        let _ = writeln!(
            out,
            "after {} {} would have nowhere to start ({} now)",
            line.loss, line.stranded_after, line.stranded_before
        );
    }
    for id in &found.waiting {
        let _ = writeln!(out, "{id} would wait");
    }
    for (id, devices) in &found.devices {
        let _ = writeln!(out, "{id} stays where it stands: {}", devices.join(", "));
    }
    for (rack, change) in &found.racks {
        let _ = writeln!(
            out,
            "{rack} draws {} W, then {} W, with {} W reserved, of {} W",
            change.before.committed_watts,
            change.after.committed_watts,
            change.after.reserved_watts,
            change.after.capacity_watts
        );
    }
    for (site, change) in &found.sites {
        let _ = writeln!(
            out,
            "{site} then uses {} and {}; its ceiling: {} and {}",
            Resource::Cpu.show(change.after.cpu_used_milli),
            Resource::Memory.show(change.after.memory_used_mib),
            Resource::Cpu.room(change.after.cpu_ceiling_milli),
            Resource::Memory.room(change.after.memory_ceiling_mib)
        );
    }
    let _ = writeln!(
        out,
        "idle draw of hosts with servers: {} W, then {} W",
        found.idle_watts_before, found.idle_watts_after
    );
}

pub(crate) fn racks(story: &mut Story) {
    for (name, rack) in &story.plan.racks {
        let worst = rack
            .worst
            .as_ref()
            .map(|scenario| format!(" after {scenario}"))
            .unwrap_or_default();
        let _ = writeln!(
            story.out,
            "{name}: {} W of {} W drawn, {} W reserved{worst}, {} W left, {} of {} units free",
            rack.committed_watts,
            rack.capacity_watts,
            rack.reserved_watts,
            rack.headroom_watts,
            rack.units_free,
            rack.units
        );
    }
}

pub(crate) fn sites(story: &mut Story) {
    for (name, site) in &story.plan.sites {
        let survives = match &site.survives {
            Survival::Survives => "its loss is survived".to_owned(),
            Survival::Loses { first, servers } => format!(
                "its loss leaves {} with nowhere to start, {first} first",
                counted(*servers, "server")
            ),
            Survival::Unknown => "whether its loss is survived is not known".to_owned(),
        };
        let _ = writeln!(
            story.out,
            "{name}: {} of {} to the ceiling, {} of {}, {}, {}; {survives}",
            Resource::Cpu.show(site.cpu_used_milli),
            Resource::Cpu.room(site.cpu_ceiling_milli),
            Resource::Memory.show(site.memory_used_mib),
            Resource::Memory.room(site.memory_ceiling_mib),
            counted(site.servers, "server"),
            counted(site.backups, "reserve")
        );
    }
    for (from, row) in &story.plan.pairs {
        for (to, load) in row {
            let _ = writeln!(
                story.out,
                "when {from} is lost, to {to}: {}, then {} % full",
                counted(load.servers, "server"),
                load.share_permille / 10
            );
        }
    }
}

pub(crate) fn scenarios(story: &mut Story) {
    for summary in &story.plan.scenarios {
        let _ = writeln!(
            story.out,
            "{}: {} displaced, {} start elsewhere, {} with one copy, {} with nowhere to start",
            summary.scenario, summary.displaced, summary.restarted, summary.single_copy, summary.stranded
        );
    }
}
