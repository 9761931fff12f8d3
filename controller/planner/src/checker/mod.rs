//! The independent checker: recomputes from a fleet and a plan everything that the plan promises. No I/O.
//!
//! It uses the vocabulary (`fleet`, `plan`, `reason`, `scenario`, `ids`) and nothing else of this crate: a mistake in
//! the planner's arithmetic cannot hide here. It prefers brute force to cleverness: every scenario is played out.
//!
//! What was there before the plan may already break a rule (a budget was cut, a site fell out). The checker then asks
//! that nothing *new* was put on what is too full, and that the plan says so (`Plan::excesses`).

mod accounts;
mod apart;
mod copies;
mod devices;
mod fit;
mod ledger;
mod model;
mod survive;
mod together;

use std::borrow::Cow;

use crate::fault::Fault;
use crate::fleet::{Fleet, Site, State};
use crate::plan::Plan;

use model::Model;

/// The fleet with every site whose overcommit makes no sense as one that cannot be read: nothing is known of what
/// its hosts can carry.
fn readable(fleet: &Fleet) -> Cow<'_, Fleet> {
    let mut fleet = Cow::Borrowed(fleet);
    let sound = |site: &Site| (1..=10_000).contains(&site.cpu_overcommit_percent);
    if !fleet.sites.values().all(sound) {
        for site in fleet.to_mut().sites.values_mut().filter(|site| !sound(site)) {
            site.state = State::Unknown;
        }
    }
    fleet
}

/// Everything that is wrong with `plan` for `fleet`; empty when nothing is.
pub fn check(fleet: &Fleet, plan: &Plan) -> Vec<Fault> {
    let fleet = &readable(fleet);
    let mut faults = Vec::new();
    let model = Model::read(fleet, plan, &mut faults);
    accounts::check(&model, &mut faults);
    fit::check(&model, &mut faults);
    copies::check(&model, &mut faults);
    survive::check(&model, &mut faults);
    apart::check(&model, &mut faults);
    together::check(&model, &mut faults);
    devices::check(&model, &mut faults);
    ledger::check(&model, &mut faults);
    faults.sort();
    faults.dedup();
    faults
}
