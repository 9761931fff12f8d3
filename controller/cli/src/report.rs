//! What a change does, for people and programs. Types only, no I/O; `compare.rs` fills them in.

use std::collections::BTreeMap;

use raidc_planner::SiteSet;
use serde::Serialize;

use crate::change::Change;
use crate::ledgers::{QuotaLine, RackLine, SiteLine};
use crate::shortage::Shortage;

/// What a change does. All lists are sorted; what is empty says that nothing is different there.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What it was compared with, in words.
    pub base: String,
    /// Documents by what becomes of their objects.
    pub objects: BTreeMap<Change, usize>,
    /// Each object that becomes another.
    pub changes: Vec<ObjectLine>,
    /// Documents of kinds that do not matter to a plan, by kind.
    pub ignored: BTreeMap<String, usize>,
    /// What was taken for granted, and what could not be read.
    pub remarks: Vec<String>,
    /// Servers that are named in the change or stand otherwise because of it.
    pub servers: Vec<ServerLine>,
    /// Colocations that are named in the change or stand otherwise because of it.
    pub colocations: Vec<ColocationLine>,
    /// Who waits after the change and did not wait for that before; with `--all` everybody who waits.
    pub waits: Vec<WaitLine>,
    /// When some wait for room: which servers exceed which sites, whatever the plan, and by how much.
    pub bottlenecks: Vec<Shortage>,
    /// How many wait as before, and are not listed.
    pub wait_as_before: usize,
    /// Racks whose figures change; with `--all` every rack.
    pub racks: Vec<RackLine>,
    /// Sites whose figures change; with `--all` every site.
    pub sites: Vec<SiteLine>,
    /// Quotas that are used otherwise; with `--all` every one.
    pub quota: Vec<QuotaLine>,
    /// Losses that more or fewer protected servers do not survive.
    pub losses: Vec<LossLine>,
    /// Losses that every protected server survives after the change, of how many.
    pub losses_survived: (usize, usize),
    /// Anything wrong that was not wrong before: racks over their power, nodes that cannot be used, and the like.
    pub warnings: Vec<String>,
    /// What the independent checker has against the plan after the change.
    pub checker: Vec<String>,
    /// Whether anything is different.
    pub is_change: bool,
}

/// An object and what becomes of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectLine {
    /// Such as `Rack talsi-r1`.
    pub object: String,
    /// What becomes of it.
    pub change: Change,
}

/// Before and after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pair<T> {
    /// Before the change.
    pub before: T,
    /// After it.
    pub after: T,
}

impl<T: PartialEq> Pair<T> {
    /// Whether they are different.
    pub fn differs(&self) -> bool {
        self.before != self.after
    }
}

/// A server.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerLine {
    /// Namespace and name.
    pub server: String,
    /// Whether the change names it; `None` for one that only stands otherwise because of it.
    pub change: Option<Change>,
    /// Where it runs: site/rack/host.
    pub runs: Pair<Option<String>>,
    /// Where it starts after a loss: site/rack/host.
    pub starts: Pair<Option<String>>,
    /// Sites with another copy of its data.
    pub copies: Pair<SiteSet>,
    /// What it adds to the draw of its host, in watts.
    pub watts: Pair<i64>,
    /// Why it waits after the change; its reason is among `waits`.
    pub waits: Option<String>,
    /// Why it moves, for what moves.
    pub why: Vec<String>,
}

/// A colocation.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ColocationLine {
    /// Namespace and name.
    pub colocation: String,
    /// Whether the change names it.
    pub change: Option<Change>,
    /// Devices with their places, such as `fw-a in talsi/talsi-r1, unit 4`.
    pub devices: Pair<Vec<String>>,
    /// Why some wait.
    pub waits: Option<String>,
}

/// Somebody who waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitLine {
    /// `server/…` or `colocation/…`.
    pub demand: String,
    /// The reason in one word.
    pub reason: String,
    /// What, why and what to do.
    pub message: String,
    /// It runs and waits only for the copies or the reserve that its policy asks for.
    pub runs: bool,
}

/// A loss.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LossLine {
    /// What is lost.
    pub loss: String,
    /// Protected servers with nowhere to start; `None` when the loss was not possible before.
    pub stranded_before: Option<i64>,
    /// The same after; `None` when it is no longer possible.
    pub stranded_after: Option<i64>,
    /// Those that have nowhere to start only after the change.
    pub newly_stranded: Vec<String>,
}

impl LossLine {
    /// It was survived, and is not any more, or strands others than before.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        !self.newly_stranded.is_empty() || self.stranded_after > self.stranded_before.or(Some(0))
    }
}
