//! Copies and reserves are where their server survives. No I/O.

use crate::fixture::{at, found, id, running, sound, spot};
use raidc_planner::{HostUse, RiskName, Rule, State, Waiting, WaitingOn};

#[test]
fn no_copy_is_missing_too_many_or_too_near() {
    let (mut fleet, made) = sound();
    let what = "server/kuldiga/s5";
    let change = |server: i64, change: &dyn Fn(&mut raidc_planner::ServerPlan)| {
        let mut changed = made.clone();
        change(at(&mut changed, server));
        changed
    };
    let bare = change(5, &|plan| plan.backup = None);
    found(&fleet, &bare, Rule::Copies, what, "says otherwise");
    found(&fleet, &bare, Rule::Copies, what, "let in without");
    let none = change(5, &|plan| plan.copy_sites.clear());
    found(&fleet, &none, Rule::Copies, what, "where no copy is");
    found(&fleet, &none, Rule::Copies, what, "0 further copies of 1");
    let many = change(5, &|plan| {
        plan.copy_sites.extend(["a".into(), "b".into(), "c".into()])
    });
    found(&fleet, &many, Rule::Copies, what, "where its policy asks for 1");
    let home = change(5, &|plan| {
        plan.copy_sites.insert(plan.placement.site.clone());
    });
    found(&fleet, &home, Rule::Copies, what, "where the original is");
    let unasked = change(9, &|plan| {
        plan.copy_sites.insert("zz".into());
    });
    found(
        &fleet,
        &unasked,
        Rule::Copies,
        "server/kuldiga/s9",
        "keeps one copy",
    );
    let scared = change(9, &|plan| {
        plan.unprotected = Some(Box::new(Waiting::on(WaitingOn::UnknownTenant)))
    });
    found(
        &fleet,
        &scared,
        Rule::Copies,
        "server/kuldiga/s9",
        "calls it unprotected",
    );
    let near = change(5, &|plan| {
        let twin = if plan.placement.host.as_str().ends_with('1') {
            "h2"
        } else {
            "h1"
        };
        let host = format!("{}-{twin}", plan.placement.rack);
        plan.copy_sites = [plan.placement.site.clone()].into();
        plan.backup = Some(spot(&host));
    });
    found(&fleet, &near, Rule::Copies, what, "share the site");
    found(&fleet, &near, Rule::Survives, what, "takes it and its reserve");
    let elsewhere = change(5, &|plan| {
        plan.backup.as_mut().expect("reserved").rack = "zz".into()
    });
    found(&fleet, &elsewhere, Rule::Copies, what, "not where the plan says");

    let risk = RiskName::from("substation/one");
    let (from, to) = (
        made.servers[&id(5)].placement.rack.clone(),
        made.servers[&id(5)].backup.clone().expect("reserved").site,
    );
    fleet
        .racks
        .get_mut(&from)
        .expect("rack")
        .shared_risks
        .insert(risk.clone());
    fleet.sites.get_mut(&to).expect("site").shared_risks.insert(risk);
    found(&fleet, &made, Rule::Copies, what, "share the risk substation/one");
    found(
        &fleet,
        &made,
        Rule::Survives,
        what,
        "risk/substation/one takes it",
    );
}

#[test]
fn no_reserve_is_where_nothing_can_start() {
    let (fleet, made) = sound();
    let (running_fleet, again) = running();
    let reserve = made.servers[&id(5)].backup.clone().expect("reserved");
    for used in [HostUse::Cordoned, HostUse::NotReady, HostUse::Unknown] {
        let mut fleet = running_fleet.clone();
        fleet.hosts.get_mut(&reserve.host).expect("host").usable = used;
        found(
            &fleet,
            &again,
            Rule::Copies,
            "server/kuldiga/s5",
            "nothing can start",
        );
    }
    for state in [State::Fenced, State::Unknown] {
        let mut fleet = running_fleet.clone();
        fleet.racks.get_mut(&reserve.rack).expect("rack").state = state;
        found(
            &fleet,
            &again,
            Rule::Copies,
            "server/kuldiga/s5",
            "nothing can start",
        );
    }
    let mut fenced = running_fleet.clone();
    fenced.sites.get_mut(&reserve.site).expect("site").state = State::Fenced;
    found(&fenced, &again, Rule::Copies, "server/kuldiga/s5", "is fenced");
    found(
        &fenced,
        &again,
        Rule::Copies,
        "server/kuldiga/s5",
        "nothing can start",
    );
    let mut drained = fleet.clone();
    drained.sites.get_mut(&reserve.site).expect("site").state = State::Draining;
    found(
        &drained,
        &made,
        Rule::Copies,
        "server/kuldiga/s5",
        "reserve came to",
    );
    found(
        &drained,
        &made,
        Rule::Copies,
        "server/kuldiga/s5",
        "a new copy was put",
    );
}

#[test]
fn no_server_that_must_start_at_once_waits_for_a_host_to_wake() {
    let (fleet, mut made) = sound();
    let home = made.servers[&id(8)].placement.site.clone();
    let busy: Vec<_> = made
        .servers
        .values()
        .map(|plan| plan.placement.host.clone())
        .collect();
    let asleep = fleet
        .hosts
        .iter()
        .find(|(name, host)| !host.powered && host.site != home && !busy.contains(name))
        .map(|(name, _)| name.clone())
        .expect("a host asleep");
    let plan = at(&mut made, 8);
    plan.backup = Some(spot(asleep.as_str()));
    plan.copy_sites = [plan.backup.clone().expect("reserved").site].into();
    found(&fleet, &made, Rule::Copies, "server/kuldiga/s8", "is off");
}
