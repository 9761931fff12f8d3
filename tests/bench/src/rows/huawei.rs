//! The real trace with groups: every rule met, or refused for reasons that the checker confirms. No I/O but the trace.

use std::collections::BTreeMap;

use raidc_planner::{ApartBy, Fleet, Plan, PlanOptions, Spot, check, plan};

use crate::engine;
use crate::fleets::{self, huawei as trace};
use crate::rows::Context;
use crate::stopwatch::{keep, medians, show};
use crate::yardstick::first_fit;

/// Two of the trace's request sequences.
pub(crate) fn huawei(context: &mut Context) {
    let Some(data) = fleets::data() else {
        context.table.absent("huawei", "no data");
        return;
    };
    for sequence in ["C1", "C2"] {
        match trace::read(&data, sequence) {
            Ok(fleet) => row(context, &format!("huawei {sequence}"), &fleet),
            Err(why) => context.table.absent("huawei", &format!("no data ({why})")),
        }
    }
}

fn row(context: &mut Context, name: &str, fleet: &Fleet) {
    let options = PlanOptions::default();
    let made = plan(fleet, &options);
    let faults = check(fleet, &made);
    let broken = broken_rules(fleet, &made);
    let load = fleets::load(fleet);
    let groups = fleet
        .servers
        .values()
        .filter(|server| server.apart.is_some() || server.together.is_some())
        .count();
    context.table.goal(
        &format!("{name}: group rules"),
        &format!("{broken} broken, {} faults", faults.len()),
        &format!(
            "{} servers ({groups} in groups), {} hosts, load {}/{} ‰",
            fleet.servers.len(),
            fleet.hosts.len(),
            load[0],
            load[1]
        ),
        "0 broken",
        broken == 0 && faults.is_empty(),
    );
    let wrong = engine::wrong_reasons(fleet, &made);
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for waiting in made.waiting.values() {
        *reasons.entry(waiting.reason()).or_default() += 1;
    }
    context.table.goal(
        &format!("{name}: refused"),
        &format!(
            "{} refused {reasons:?}, {} not confirmed",
            made.waiting.len(),
            wrong.len()
        ),
        &wrong
            .first()
            .map_or_else(String::new, |first| format!("{first:?}")),
        "every reason confirmed",
        wrong.is_empty(),
    );
    let [bulk, first_fit] = medians(
        context.runs,
        [&mut || keep(&plan(fleet, &options)), &mut || {
            keep(&first_fit::named(fleet));
        }],
    );
    let beside = format!("first-fit-decreasing {}", show(first_fit));
    context
        .table
        .info(&format!("{name}: bulk plan"), &show(bulk), &beside);
}

/// Where a member is, at which level it keeps apart, and its domain.
type Member<'a> = (&'a Spot, ApartBy, Option<&'a str>);

/// Pairs of members of one group that break its rule, counted from the trace's own words and not by the checker.
fn broken_rules(fleet: &Fleet, plan: &Plan) -> usize {
    let mut apart: BTreeMap<&str, Vec<Member<'_>>> = BTreeMap::new();
    let mut together: BTreeMap<&str, Vec<&Spot>> = BTreeMap::new();
    for (id, decided) in &plan.servers {
        let Some(server) = fleet.servers.get(id) else {
            continue;
        };
        if let Some(rule) = &server.apart {
            let member = (&decided.placement, rule.by, rule.domain.as_deref());
            apart.entry(&rule.group).or_default().push(member);
        }
        if let Some(rule) = &server.together {
            together.entry(&rule.group).or_default().push(&decided.placement);
        }
    }
    let mut broken = 0;
    for members in apart.values() {
        for (at, (a, by, domain)) in members.iter().enumerate() {
            for (b, _, other) in &members[at + 1..] {
                let meet = match by {
                    ApartBy::Host => a.host == b.host,
                    ApartBy::Rack => a.rack == b.rack,
                    ApartBy::Site => a.site == b.site,
                };
                broken += usize::from(meet && (domain.is_none() || domain != other));
            }
        }
    }
    for members in together.values() {
        broken += members
            .iter()
            .filter(|spot| Some(&spot.host) != members.first().map(|first| &first.host))
            .count();
    }
    broken
}
