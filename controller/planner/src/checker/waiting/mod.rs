//! Is the reason that every waiting demand is given true, and is it necessary? By brute force over all pairs of hosts,
//! with the plan as it stands. No I/O.
//!
//! Not part of `check`: it takes O(waiting x hosts^2) at worst. A reason that says that there is no place is refuted by
//! naming one. What "true" means beyond that is written at each variant, in `servers.rs` and `devices.rs`.

mod again;
// One arm per reason, as the sentence at each arm says what it has to mean.
#[allow(clippy::too_many_lines)]
mod devices;
mod growth;
mod room;
#[allow(clippy::too_many_lines, clippy::collapsible_match)] // as above
mod servers;

use super::apart::Groups;
use super::model::{Model, fault};
use super::scenarios::Scenarios;
use super::totals::Totals;
use super::{fit, ledger, survive};
use crate::fault::{Fault, Rule};
use crate::fleet::Fleet;
use crate::ids::DemandId;
use crate::plan::Plan;
use crate::reason::{QuotaResource, WaitingOn};

use room::Room;

/// Everything that is false about why demands wait; empty when every reason is true and necessary. Judges
/// `plan.waiting`, and larger sizes that wait, alone: whether the rest of the plan is right is for [`super::check`] to say, and where it is not, what
/// this says is worth nothing.
pub fn confirm_waiting(fleet: &Fleet, plan: &Plan) -> Vec<Fault> {
    let (mut nothing, mut totals) = (Vec::new(), Totals::default());
    let mut groups = Groups::of(plan.servers.len());
    let mut model = Model::read(fleet, plan, &mut nothing, &mut |base, spec, placed, _| {
        totals.add(base, spec, placed);
        if let Some(server) = placed {
            groups.add(server);
        }
    });
    for current in fleet
        .servers
        .values()
        .filter_map(|server| server.current.as_ref())
    {
        for site in &current.copy_sites {
            model.base.named_site(site);
        }
    }
    let scenarios = Scenarios::of(&model.base, &totals.recorded);
    let rooms = fit::site_rooms(&model, &totals);
    let losses = survive::check(
        &model,
        &scenarios,
        &ledger::named_worst(&model, &scenarios),
        &mut nothing,
    );
    totals.quotas(&model, &mut nothing);
    let room = Room::new(&model, &scenarios, &rooms, &losses.most_mw);
    let mut faults = Vec::new();
    for (id, waiting) in &plan.waiting {
        let mut say = |how: String| {
            let how = format!("waits on {}: {how}", waiting.reason());
            faults.push(fault(Rule::Waiting, id.to_string(), how));
        };
        match id {
            DemandId::Server(id) => {
                if let Some(spec) = fleet.servers.get(id) {
                    servers::judge(&room, &totals, id, spec, &waiting.on, &mut say);
                }
            }
            DemandId::Colocation(id) => {
                if let Some(spec) = fleet.colocations.get(id) {
                    devices::judge(&room, &totals, id, spec, &waiting.on, &mut say);
                }
            }
        }
    }
    for server in &model.servers {
        if let Some(growth) = &server.plan.growth {
            growth::judge(&room, &totals, server, &growth.on, &mut |how| {
                let how = format!("its larger size waits on {}: {how}", growth.reason());
                faults.push(fault(Rule::Waiting, format!("server/{}", server.id), how));
            });
        }
    }
    faults.sort();
    faults.dedup();
    faults
}

/// The place of a measure in a quota's amounts.
fn measure(resource: QuotaResource) -> usize {
    match resource {
        QuotaResource::Servers => 0,
        QuotaResource::Cpu => 1,
        QuotaResource::Memory => 2,
        QuotaResource::Storage => 3,
        QuotaResource::Watts => 4,
        QuotaResource::RackUnits => 5,
    }
}

/// `Quota`: the tenant is known and limits this measure; it uses, and the demand asks for, just so much; and the two
/// come to more than the limit.
fn quota(
    room: &Room<'_, '_>,
    totals: &Totals<'_>,
    tenant: &crate::ids::TenantName,
    asks: [i128; 6],
    on: &WaitingOn,
    say: &mut impl FnMut(String),
) {
    let WaitingOn::Quota {
        resource,
        used,
        limit,
        asked,
    } = on
    else {
        return;
    };
    let at = measure(*resource);
    let spec = room.model.fleet.tenants.get(tenant);
    let set = spec.and_then(|spec| super::totals::limits(&spec.quota)[at].0);
    let truth = (totals.used_by(tenant)[at], set, asks[at]);
    if (i128::from(*used), Some(*limit), i128::from(*asked)) != (truth.0, truth.1, truth.2) {
        say(format!(
            "it says {used} of {limit} and {asked} asked, {truth:?} was counted"
        ));
    }
    if i128::from(*used) + i128::from(*asked) <= i128::from(*limit) {
        say("it is within the limit".to_owned());
    }
}
