//! The independent checker: recomputes from a fleet and a plan everything that the plan promises. No I/O.
//!
//! It uses the vocabulary (`fleet`, `plan`, `reason`, `scenario`, `ids`) and nothing else of this crate: a mistake in
//! the planner's arithmetic cannot hide here. It prefers brute force to cleverness: every scenario is played out.
//!
//! What was there before the plan may already break a rule (a budget was cut, a site fell out). The checker then asks
//! that nothing *new* was put on what is too full, and that the plan says so (`Plan::excesses`).

mod accounts;
mod ahead;
mod apart;
mod base;
mod copies;
mod devices;
mod fit;
mod growth;
mod ledger;
mod model;
mod moves;
mod names;
mod physics;
mod scenarios;
mod shed;
mod survive;
mod together;
mod totals;
mod waiting;

use crate::fault::Fault;
use crate::fleet::Fleet;
use crate::plan::Plan;

use apart::Groups;
use model::Model;
use scenarios::Scenarios;
use totals::Totals;

pub use shed::confirm_shed;
pub use waiting::confirm_waiting;

/// Everything that is wrong with `plan` for `fleet`; empty when nothing is.
pub fn check(fleet: &Fleet, plan: &Plan) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut totals = Totals::default();
    let mut groups = Groups::of(plan.servers.len());
    let model = Model::read(fleet, plan, &mut faults, &mut |base, spec, placed, faults| {
        totals.add(base, spec, placed);
        if let Some(server) = placed {
            accounts::place(base, server, faults);
            copies::check(base, server, faults);
            growth::check(fleet, base, server, faults);
            ledger::draw(server, faults);
            groups.add(server);
        }
    });
    let scenarios = Scenarios::of(&model.base, &totals.recorded);
    let rooms = fit::site_rooms(&model, &totals);
    let named = ledger::named_worst(&model, &scenarios);
    accounts::check(&model, &mut faults);
    fit::check(&model, &totals, &rooms, &mut faults);
    totals.quotas(&model, &mut faults);
    copies::warm(&model, &mut faults);
    let losses = survive::check(&model, &scenarios, &named, &mut faults);
    apart::check(&model, &scenarios, &groups, &mut faults);
    together::check(&model, &scenarios, &mut faults);
    let units_free = devices::check(&model, &mut faults);
    moves::check(&model, &mut faults);
    shed::check(&model, &mut faults);
    let counted = ledger::Counted {
        scenarios: &scenarios,
        losses: &losses,
        totals: &totals,
        rooms: &rooms,
        units_free: &units_free,
    };
    ledger::check(&model, &counted, &mut faults);
    faults.sort();
    faults.dedup();
    faults
}
