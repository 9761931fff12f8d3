//! The report of a plan as text for people. No I/O.

#![allow(
    clippy::format_push_string,
    clippy::format_collect,
    reason = "a page of text: writing into it would only add results that cannot fail"
)]

use raidc_planner::{RackLedger, Resource, SiteLedger};

use crate::change::Change;
use crate::kinds::Kind;
use crate::report::{ColocationLine, Pair, Report, ServerLine, WaitLine};
use crate::shortage;
use crate::table::{arrow, row, table};

/// The report.
#[must_use]
pub fn plan(report: &Report) -> String {
    let mut text = head(report);
    if !report.is_change {
        text += "\nNothing changes.\n";
    }
    section(&mut text, "Objects", &objects(report));
    let (named, others): (Vec<_>, Vec<_>) = report.servers.iter().partition(|line| line.change.is_some());
    section(&mut text, "Servers", &servers(&named));
    section(
        &mut text,
        "Other servers whose place, reserve or copies change because of it",
        &servers(&others),
    );
    section(&mut text, "Colocations", &colocations(&report.colocations));
    section(&mut text, "Waiting", &waiting(report));
    text += &shortage::text(&report.bottlenecks);
    section(&mut text, "Warnings", &lines(&report.warnings));
    section(&mut text, "Power of racks, in watts", &racks(report));
    section(&mut text, "Capacity of sites", &sites(report));
    section(&mut text, "Quotas", &quotas(report));
    section(&mut text, "Losses", &losses(report));
    let (survived, all) = report.losses_survived;
    text += &format!(
        "\nAfter it, every protected server has a place to start after {survived} of {all} possible losses.\n"
    );
    text += "The independent checker finds that the plan keeps every rule.\n";
    text
}

fn head(report: &Report) -> String {
    let mut text = format!("Compared with {}.\n", report.base);
    let words = [
        (Change::Created, "new"),
        (Change::Changed, "changed"),
        (Change::Deleted, "taken away"),
        (Change::Same, "as it is"),
    ];
    let counted: Vec<String> = words
        .into_iter()
        .filter_map(|(change, word)| Some(format!("{} {word}", report.objects.get(&change)?)))
        .collect();
    if !counted.is_empty() {
        text += &format!("Objects: {}.\n", counted.join(", "));
    }
    if !report.ignored.is_empty() {
        let kinds: Vec<String> = report
            .ignored
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        text += &format!(
            "Left out, because they do not matter to where things go: {}.\n",
            kinds.join(", ")
        );
    }
    for remark in &report.remarks {
        text += &format!("Note: {remark}.\n");
    }
    text
}

fn section(text: &mut String, title: &str, body: &str) {
    if !body.is_empty() {
        *text += &format!("\n{title}\n{body}");
    }
}

fn lines(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  {line}\n")).collect()
}

fn mark(change: Option<Change>) -> &'static str {
    match change {
        Some(Change::Created) => "+",
        Some(Change::Changed) => "~",
        Some(Change::Deleted) => "-",
        Some(Change::Same) | None => " ",
    }
}

/// By kind; servers and colocations have tables of their own.
fn objects(report: &Report) -> String {
    let mut lines: Vec<(Change, &str, Vec<&str>)> = Vec::new();
    for line in &report.changes {
        let (kind, name) = line.object.split_once(' ').unwrap_or((&line.object, ""));
        if kind == Kind::VirtualServer.name() || kind == Kind::Colocation.name() {
            continue;
        }
        match lines
            .iter_mut()
            .find(|(change, of, _)| (*change, *of) == (line.change, kind))
        {
            Some((.., names)) => names.push(name),
            None => lines.push((line.change, kind, vec![name])),
        }
    }
    lines
        .into_iter()
        .map(|(change, kind, names)| format!("  {} {kind} {}\n", mark(Some(change)), names.join(", ")))
        .collect()
}

/// `after`, and `before` when it was another; `-` is none.
fn change(pair: &Pair<Option<String>>) -> String {
    let word = |side: &Option<String>| side.clone().unwrap_or_else(|| "-".to_owned());
    match &pair.before {
        Some(_) if pair.differs() => format!("{} (was {})", word(&pair.after), word(&pair.before)),
        _ => word(&pair.after),
    }
}

fn servers(lines: &[&ServerLine]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let mut rows = vec![row([
        "  SERVER",
        "RUNS AT",
        "AFTER A LOSS STARTS AT",
        "COPIES AT",
        "WATTS",
    ])];
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in lines {
        let sites = |side: &raidc_planner::SiteSet| {
            let names: Vec<&str> = side.iter().map(raidc_planner::SiteName::as_str).collect();
            (!names.is_empty()).then(|| names.join(" "))
        };
        let copies = Pair {
            before: sites(&line.copies.before),
            after: sites(&line.copies.after),
        };
        let runs = match &line.waits {
            Some(reason) => {
                let was = line.runs.before.as_ref().map(|before| format!(" (was {before})"));
                format!("waits: {reason}{}", was.unwrap_or_default())
            }
            None => change(&line.runs),
        };
        rows.push(row([
            &format!("{} {}", mark(line.change), line.server),
            &runs,
            &change(&line.starts),
            &change(&copies),
            &line.watts.after.to_string(),
        ]));
        for why in &line.why {
            match reasons.iter_mut().find(|(reason, _)| reason == why) {
                Some((_, servers)) => servers.push(&line.server),
                None => reasons.push((why, vec![&line.server])),
            }
        }
    }
    let mut text = table("  ", &[4], &rows);
    for (why, servers) in reasons {
        text += &format!("    {}: {why}\n", servers.join(", "));
    }
    text
}

fn colocations(lines: &[ColocationLine]) -> String {
    let mut text = String::new();
    for line in lines {
        text += &format!("  {} {}\n", mark(line.change), line.colocation);
        for place in &line.devices.after {
            let new = if line.devices.before.contains(place) {
                ""
            } else {
                "new: "
            };
            text += &format!("      {new}{place}\n");
        }
        for place in &line.devices.before {
            if !line.devices.after.contains(place) {
                text += &format!("      no longer: {place}\n");
            }
        }
        if let Some(reason) = &line.waits {
            text += &format!("      waits: {reason}\n");
        }
    }
    text
}

/// Those who wait for the same are named together.
fn waiting(report: &Report) -> String {
    let mut groups: Vec<(&WaitLine, Vec<&str>)> = Vec::new();
    for line in &report.waits {
        let alike = |other: &WaitLine| {
            (other.runs, &other.reason, &other.message) == (line.runs, &line.reason, &line.message)
        };
        match groups.iter_mut().find(|(first, _)| alike(first)) {
            Some((_, demands)) => demands.push(&line.demand),
            None => groups.push((line, vec![&line.demand])),
        }
    }
    let mut text = String::new();
    for (line, demands) in groups {
        let how = match (line.runs, demands.len()) {
            (true, 1) => "has a place, but",
            (true, _) => "have a place, but",
            (false, 1) => "waits",
            (false, _) => "wait",
        };
        text += &match demands.as_slice() {
            [one] => format!("  {one} {how} ({}): {}\n", line.reason, line.message),
            all => format!(
                "  {} {how} ({}): {}\n      {}\n",
                all.len(),
                line.reason,
                line.message,
                all.join(", ")
            ),
        };
    }
    if report.wait_as_before > 0 {
        text += &format!(
            "  {} more wait as before; --all lists them\n",
            report.wait_as_before
        );
    }
    text
}

/// The name of what has figures, marked when it is new or goes.
fn marked<T>(name: &str, before: Option<&T>, after: Option<&T>) -> String {
    let change = match (before, after) {
        (None, Some(_)) => Some(Change::Created),
        (Some(_), None) => Some(Change::Deleted),
        _ => None,
    };
    format!("{} {name}", mark(change))
}

fn racks(report: &Report) -> String {
    if report.racks.is_empty() {
        return String::new();
    }
    let heading = [
        "  RACK",
        "CAPACITY",
        "IN USE",
        "RESERVED FOR THE WORST LOSS",
        "HEADROOM",
        "FREE UNITS",
        "WORST LOSS",
    ];
    let mut rows = vec![row(heading)];
    for line in &report.racks {
        let figure = |read: fn(&RackLedger) -> i64| {
            arrow(line.before.as_ref().map(read), line.after.as_ref().map(read))
        };
        let worst = line.after.as_ref().and_then(|ledger| ledger.worst.as_ref());
        rows.push(row([
            &marked(&line.rack, line.before.as_ref(), line.after.as_ref()),
            &figure(|l| l.capacity_watts),
            &figure(|l| l.committed_watts),
            &figure(|l| l.reserved_watts),
            &figure(|l| l.headroom_watts),
            &figure(|l| l.units_free),
            &worst.map_or_else(|| "-".to_owned(), ToString::to_string),
        ]));
    }
    let nameplate: Vec<&str> = report
        .racks
        .iter()
        .filter(|line| {
            line.after
                .as_ref()
                .is_some_and(|ledger| ledger.hosts_by_nameplate > 0)
        })
        .map(|line| line.rack.as_str())
        .collect();
    let mut text = table("  ", &[1, 2, 3, 4, 5], &rows);
    if !nameplate.is_empty() {
        text += &format!(
            "  The draw of some hosts in {} is not known: they count with their nameplate.\n",
            nameplate.join(", ")
        );
    }
    text
}

fn sites(report: &Report) -> String {
    if report.sites.is_empty() {
        return String::new();
    }
    let mut rows = vec![row([
        "  SITE", "HOSTS", "SERVERS", "CPU", "CEILING", "MEMORY", "CEILING", "STORAGE", "OF",
    ])];
    for line in &report.sites {
        let whole = |read: fn(&SiteLedger) -> i64| {
            arrow(line.before.as_ref().map(read), line.after.as_ref().map(read))
        };
        let used = |resource: Resource, read: fn(&SiteLedger) -> i64| {
            let side =
                |ledger: &Option<SiteLedger>| ledger.as_ref().map(|ledger| resource.show(read(ledger)));
            arrow(side(&line.before), side(&line.after))
        };
        let limit = |resource: Resource, read: fn(&SiteLedger) -> Option<i64>| {
            let told =
                |ledger| read(ledger).map_or_else(|| "no limit".to_owned(), |amount| resource.room(amount));
            arrow(line.before.as_ref().map(told), line.after.as_ref().map(told))
        };
        rows.push(row([
            &marked(&line.site, line.before.as_ref(), line.after.as_ref()),
            &whole(|l| l.hosts_usable),
            &whole(|l| l.servers),
            &used(Resource::Cpu, |l| l.cpu_used_milli),
            &limit(Resource::Cpu, |l| Some(l.cpu_ceiling_milli)),
            &used(Resource::Memory, |l| l.memory_used_mib),
            &limit(Resource::Memory, |l| Some(l.memory_ceiling_mib)),
            &used(Resource::Storage, |l| l.storage_used_mib),
            &limit(Resource::Storage, |l| l.storage_mib),
        ]));
    }
    table("  ", &[1, 2, 3, 4, 5, 6, 7, 8], &rows)
}

fn quotas(report: &Report) -> String {
    if report.quota.is_empty() {
        return String::new();
    }
    let mut rows = vec![row(["TENANT", "QUOTA", "USED BEFORE", "USED AFTER", "LIMIT"])];
    for line in &report.quota {
        let [before, after, limit] = &line.words;
        rows.push(row([&line.tenant, line.resource, before, after, limit]));
    }
    table("  ", &[2, 3, 4], &rows)
}

fn losses(report: &Report) -> String {
    let mut text = String::new();
    for line in &report.losses {
        let count =
            |side: Option<i64>| side.map_or_else(|| "not a possible loss".to_owned(), |n| n.to_string());
        let verdict = match (line.is_worse(), line.stranded_before) {
            (true, Some(0) | None) => "would no longer be survived",
            (true, Some(_)) => "gets worse",
            (false, _) if line.stranded_after.unwrap_or(0) == 0 => "would be survived now",
            (false, _) => "gets better",
        };
        text += &format!(
            "  {} {verdict}: servers with nowhere to start {} → {}\n",
            line.loss,
            count(line.stranded_before),
            count(line.stranded_after)
        );
        for server in &line.newly_stranded {
            text += &format!("      {server} has nowhere to start\n");
        }
    }
    text
}
