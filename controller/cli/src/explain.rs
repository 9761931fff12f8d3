//! Why something stands where it does. No I/O.

use std::collections::BTreeMap;

use raidc_controller::inventory::translate::Note;
use raidc_planner::{ColocationId, DemandId, Explanation, ServerId, WaitingOn, counted};
use serde::Serialize;

use crate::error::Error;
use crate::kinds::{Id, Kind};
use crate::shortage::{self, Shortage};
use crate::table::{row, table};
use crate::world::World;

/// Why something stands where it does, or does not.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// What was asked about.
    pub object: String,
    /// The planner's answer.
    #[serde(flatten)]
    pub explanation: Explanation,
    /// The constraint that binds, in one word; nothing when nothing does.
    pub reason: Option<String>,
    /// The same in a sentence with its numbers.
    pub message: Option<String>,
    /// When it waits for room: which servers exceed which sites, whatever the plan, and by how much.
    pub bottlenecks: Vec<Shortage>,
    /// How many hosts were looked at for it in all.
    pub hosts: i64,
    /// Its place in the queue when it waits for others, and what else has to be known about the fleet.
    pub remarks: Vec<String>,
}

/// Explains a server or a colocation.
pub fn explain(world: &World, id: &Id) -> Result<Explained, Error> {
    let (demand, note): (DemandId, Option<&Note>) = match id.kind {
        Kind::VirtualServer => {
            let server = ServerId::new(&*id.namespace, &*id.name);
            let note = world.notes.servers.get(&server);
            (DemandId::Server(server), note)
        }
        Kind::Colocation => {
            let colocation = ColocationId::new(&*id.namespace, &*id.name);
            let note = world.notes.colocations.get(&colocation);
            (DemandId::Colocation(colocation), note)
        }
        kind => {
            return Err(Error::Usage(format!(
                "a {} has no place to explain: name a virtualserver or a colocation",
                kind.name()
            )));
        }
    };
    let known = match &demand {
        DemandId::Server(server) => world.fleet.servers.contains_key(server),
        DemandId::Colocation(colocation) => world.fleet.colocations.contains_key(colocation),
    };
    if !known && note.is_none() {
        return Err(Error::NotFound(format!("there is no {id}{}", others(world, id))));
    }
    let explanation = raidc_planner::explain(&world.fleet, &world.plan, &demand);
    let waiting = explanation.waiting.as_ref();
    let reason = waiting.map(|waiting| waiting.reason().to_owned());
    let message = waiting.map(ToString::to_string);
    let mut remarks = world.broken.clone();
    if let Some(waiting) = waiting
        && let WaitingOn::Queue { .. } = waiting.on
    {
        remarks.push("servers are let in by tier, then age, then name".to_owned());
    }
    Ok(Explained {
        object: id.to_string(),
        reason: reason.or_else(|| note.map(|note| note.reason.to_owned())),
        message: message.or_else(|| note.map(|note| note.message.clone())),
        bottlenecks: waiting
            .filter(|waiting| shortage::for_room(waiting))
            .map_or_else(Vec::new, |_| shortage::concerning(world, &demand)),
        hosts: i64::try_from(world.fleet.hosts.len()).unwrap_or(i64::MAX),
        explanation,
        remarks,
    })
}

/// Names that are there, for one that is not.
fn others(world: &World, id: &Id) -> String {
    let servers = world
        .fleet
        .servers
        .keys()
        .map(|id| (Kind::VirtualServer, &id.namespace, &id.name));
    let colocations = world
        .fleet
        .colocations
        .keys()
        .map(|id| (Kind::Colocation, &id.namespace, &id.name));
    let all: Vec<_> = servers
        .chain(colocations)
        .filter(|(kind, ..)| *kind == id.kind)
        .collect();
    let elsewhere: Vec<&str> = all
        .iter()
        .filter(|(_, _, name)| ***name == *id.name)
        .map(|(_, namespace, _)| &***namespace)
        .collect();
    if !elsewhere.is_empty() {
        return format!(
            " in this fleet; there is one of that name in {}",
            elsewhere.join(", ")
        );
    }
    let here: Vec<&str> = all
        .iter()
        .filter(|(_, namespace, _)| ***namespace == *id.namespace)
        .map(|(_, _, name)| &***name)
        .collect();
    if here.is_empty() {
        format!(" in this fleet: namespace {} has none of that kind", id.namespace)
    } else {
        format!(
            " in this fleet: namespace {} has {}",
            id.namespace,
            here.join(", ")
        )
    }
}

/// The explanation for people.
#[must_use]
pub fn text(explained: &Explained) -> String {
    let explanation = &explained.explanation;
    let mut text = format!("{}\n", explained.object);
    let mut say = |line: String| {
        text += &line;
        text.push('\n');
    };
    if explanation.placed.is_empty() {
        say("  has no place".to_owned());
    }
    for line in &explanation.placed {
        say(format!("  {line}"));
    }
    if let (Some(reason), Some(message)) = (&explained.reason, &explained.message) {
        say(format!("\nWhat stands in the way: {reason}\n  {message}"));
    }
    if !explanation.fixes.is_empty() {
        say("\nWhat would help, nearest first".to_owned());
        for fix in &explanation.fixes {
            say(format!("  {fix}"));
        }
    }
    text += &shortage::text(&explained.bottlenecks);
    let mut say = |line: String| {
        text += &line;
        text.push('\n');
    };
    if !explanation.sites.is_empty() {
        let is_server = matches!(explanation.demand, DemandId::Server(_));
        let (title, heading) = if is_server {
            let title = format!(
                "\nHow the {} look to it, by site and rack",
                counted(explained.hosts, "host")
            );
            (
                title,
                row([
                    "SITE",
                    "HOSTS THAT FIT",
                    "HOSTS THAT DO NOT, BY WHAT SPEAKS AGAINST EACH FIRST",
                ]),
            )
        } else {
            (
                "\nWhat is free for it, by site".to_owned(),
                row(["SITE", "RACKS"]),
            )
        };
        say(title);
        let mut rows = vec![heading];
        for (site, view) in &explanation.sites {
            let mut cells = vec![site.to_string()];
            cells.extend(is_server.then(|| view.fit.to_string()));
            cells.push(against(view.closed.as_deref(), &view.refused, is_server));
            rows.push(cells);
            // One rack says no more than its site, and a closed site is closed in all of them.
            let tells_more = view.racks.len() > 1 && view.closed.is_none();
            for (rack, view) in view.racks.iter().filter(|_| tells_more) {
                rows.push(row([
                    &format!("  {rack}"),
                    &view.fit.to_string(),
                    &against(None, &view.refused, is_server),
                ]));
            }
        }
        let right: &[usize] = if is_server { &[1] } else { &[] };
        say(table("  ", right, &rows).trim_end_matches('\n').to_owned());
    }
    for remark in &explained.remarks {
        say(format!("Note: {remark}."));
    }
    text
}

/// What speaks against a site or a rack, and how often.
fn against(closed: Option<&str>, refused: &BTreeMap<String, i64>, is_server: bool) -> String {
    if let Some(closed) = closed {
        return closed.to_owned();
    }
    let mut against: Vec<String> = Vec::new();
    against.extend(refused.iter().map(|(reason, hosts)| match words(reason) {
        Some(words) => format!("{hosts} {words} ({reason})"),
        None if is_server => format!("{hosts} {reason}"),
        // A colocation's rack with what is free in it.
        None => reason.clone(),
    }));
    if against.is_empty() {
        "-".to_owned()
    } else {
        against.join("; ")
    }
}

/// What a refusal means.
fn words(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "HostFull" => "with too little left beside what runs and is reserved there",
        "HostCores" | "HostMemory" => "too small even when empty",
        "SiteCeiling" => "at a site that is at its ceiling",
        "RackWatts" => "in a rack with too little power on its surviving feed",
        "Storage" => "at a site with too little storage",
        "ApartGroup" => "too near to another of its group",
        "TogetherGroup" => "not where the rest of its group is",
        "SharedRisk" => "sharing a site or a risk with a copy",
        "Asleep" => "switched off, and it must be back within minutes",
        "SitesClosed" => "taking nothing new, or not readable",
        "NoCopyThere" => "without a copy of its data to start from",
        "NotAllowedSite" => "at a site that it may not use",
        _ => return None,
    })
}
