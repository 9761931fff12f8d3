//! Copies and reserves are where their server survives. No I/O.

use crate::fixture::{at, found, id, running, sound, spot};
use raidc_planner::{
    Fleet, HostUse, Move, MoveKind, MoveReason, Plan, PlanOptions, RiskName, Rule, SiteName, SiteSet, Spot,
    State, Waiting, WaitingOn, check, plan,
};

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
    let none = change(5, &|plan| plan.copy_sites = SiteSet::default());
    found(&fleet, &none, Rule::Copies, what, "where no copy is");
    found(&fleet, &none, Rule::Copies, what, "0 further copies of 1");
    let many = change(5, &|plan| {
        let more = ["a", "b", "c"].map(SiteName::from);
        plan.copy_sites = plan.copy_sites.iter().cloned().chain(more).collect();
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

#[test]
fn no_count_of_copies_passes_because_the_reserve_is_right() {
    let (fleet, made) = sound();
    let what = "server/kuldiga/s5";
    let mut three = fleet.clone();
    three.servers.get_mut(&id(5)).expect("server").copies = 3;
    found(&three, &made, Rule::Copies, what, "1 further copies of 2");
    let reserve = made.servers[&id(5)].backup.clone().expect("reserved");
    let with = |copies: &[&str], at_site: &str| {
        let mut changed = made.clone();
        let plan = at(&mut changed, 5);
        plan.copy_sites = copies.iter().map(|&site| site.into()).collect();
        plan.backup.as_mut().expect("reserved").site = at_site.into();
        changed
    };
    let there = reserve.site.as_str();
    let home = made.servers[&id(5)].placement.site.as_str();
    let more = with(&[there, "zzz"], there);
    found(&fleet, &more, Rule::Copies, what, "where its policy asks for 1");
    found(
        &fleet,
        &with(&["zzz"], there),
        Rule::Copies,
        what,
        "where no copy is",
    );
    found(
        &fleet,
        &with(&[home], there),
        Rule::Copies,
        what,
        "share the site",
    );
    let elsewhere = with(&["zz"], "zz");
    found(
        &fleet,
        &elsewhere,
        Rule::Copies,
        what,
        "is not where the plan says",
    );
}

#[test]
fn no_further_copy_shares_a_risk_unseen() {
    let (mut fleet, _) = sound();
    fleet.servers.get_mut(&id(5)).expect("server").copies = 3;
    let made = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &made), vec![]);
    for site in &made.servers[&id(5)].copy_sites {
        let site = fleet.sites.get_mut(site).expect("site");
        site.shared_risks.insert("water".into());
    }
    let what = "server/kuldiga/s5";
    found(&fleet, &made, Rule::Copies, what, "share the risk water");
}

#[test]
fn no_copy_comes_to_a_closed_site_and_none_must_leave_it() {
    let (fleet, again) = running();
    let what = "server/kuldiga/s5";
    let plan = &again.servers[&id(5)];
    let (home, there) = (&plan.placement.site, &plan.copy_sites);
    let said = |fleet: &Fleet, plan: &Plan| {
        let faults = check(fleet, plan).into_iter();
        faults
            .filter(|fault| fault.rule == Rule::Copies && fault.what == what)
            .map(|fault| fault.message)
            .collect::<Vec<_>>()
    };
    // What was there stays, whatever the site or the policy says now.
    let mut closed = fleet.clone();
    for site in there {
        closed.sites.get_mut(site).expect("site").state = State::Cordoned;
    }
    assert_eq!(said(&closed, &again), Vec::<String>::new());
    let mut forbidden = fleet.clone();
    forbidden.servers.get_mut(&id(5)).expect("server").sites_allowed = Some([home.clone()].into());
    assert_eq!(said(&forbidden, &again), Vec::<String>::new());
    // What was not there does not come.
    let other = fleet
        .sites
        .keys()
        .find(|site| *site != home && !there.contains(*site));
    let other = other.expect("a third site").clone();
    let mut moved = again.clone();
    at(&mut moved, 5).copy_sites = [other.clone()].into();
    at(&mut moved, 5).backup = Some(spot(&format!("{other}-r1-h1")));
    let mut closed = fleet.clone();
    closed.sites.get_mut(&other).expect("site").state = State::Cordoned;
    let why = "a new copy was put at";
    found(&closed, &moved, Rule::Copies, what, why);
    found(&closed, &moved, Rule::Copies, what, "takes nothing new");
    found(&forbidden, &moved, Rule::Copies, what, "which it may not use");
}

#[test]
fn no_copy_moves_without_a_word() {
    let (mut fleet, _) = sound();
    fleet.servers.get_mut(&id(5)).expect("server").copies = 3;
    plan(&fleet, &PlanOptions::default()).feed_back(&mut fleet);
    let again = plan(&fleet, &PlanOptions::default());
    assert_eq!(check(&fleet, &again), vec![]);
    let what = "server/kuldiga/s5";
    let (reserve, copies) = {
        let plan = &again.servers[&id(5)];
        (plan.backup.clone().expect("reserved"), plan.copy_sites.clone())
    };
    let unlisted = "no move of it is listed";
    // The reserve goes to another host of its site.
    let mut other = again.clone();
    let rack = reserve.rack.as_str();
    let twin = if reserve.host.as_str().ends_with('1') {
        2
    } else {
        1
    };
    at(&mut other, 5).backup = Some(spot(&format!("{rack}-h{twin}")));
    found(&fleet, &other, Rule::Moves, what, unlisted);
    // The further copy goes to another site: told by site alone.
    let from = copies.iter().find(|site| **site != reserve.site).expect("a copy");
    let home = &again.servers[&id(5)].placement.site;
    let to = fleet
        .sites
        .keys()
        .find(|site| *site != home && !copies.contains(*site));
    let to = to.expect("a fourth site");
    let mut moved = again.clone();
    let plan = at(&mut moved, 5);
    plan.copy_sites = plan
        .copy_sites
        .iter()
        .filter(|site| *site != from)
        .cloned()
        .collect();
    plan.copy_sites.insert(to.clone());
    found(&fleet, &moved, Rule::Moves, what, unlisted);
    let told = |site: &str, rack: &str, host: &str| {
        let mut told = moved.clone();
        told.moves.push(Move {
            server: id(5),
            kind: MoveKind::Copy,
            from: Spot {
                site: from.clone(),
                ..Spot::default()
            },
            to: Spot {
                site: site.into(),
                rack: rack.into(),
                host: host.into(),
            },
            reason: MoveReason::Draining,
        });
        told
    };
    let right = check(&fleet, &told(to.as_str(), "", ""));
    assert!(!right.iter().any(|fault| fault.rule == Rule::Moves), "{right:#?}");
    for (site, rack, host) in [("zz", "", ""), (to.as_str(), "x", ""), (to.as_str(), "", "x")] {
        found(&fleet, &told(site, rack, host), Rule::Moves, what, unlisted);
    }
}

#[test]
fn no_copy_goes_where_no_set_of_its_sites_reaches() {
    let (mut fleet, again) = running();
    let was = again.servers[&id(5)].clone();
    let (home, there) = (
        was.placement.site.clone(),
        was.backup.clone().expect("reserved").site,
    );
    // Where its reserve is, its data is: no record of the copy is needed.
    let server = fleet.servers.get_mut(&id(5)).expect("server");
    server.current.as_mut().expect("a place").copy_sites = [].into();
    let mut others = fleet.sites.keys();
    let other = others.find(|site| **site != home && **site != there);
    let other = other.expect("a third site").clone();
    let mut moved = again.clone();
    at(&mut moved, 5).copy_sites = [other.clone()].into();
    at(&mut moved, 5).backup = Some(spot(&format!("{other}-r1-h1")));
    let uncovered = |with: &raidc_planner::SiteName, plan: &Plan| {
        let mut fleet = fleet.clone();
        let server = fleet.servers.get_mut(&id(5)).expect("server");
        server.site_sets = vec![[home.clone(), with.clone()].into()];
        let faults = check(&fleet, plan);
        faults.iter().any(|fault| {
            fault.rule == Rule::Copies
                && fault.what == "server/kuldiga/s5"
                && fault.message.contains("no set")
        })
    };
    assert!(!uncovered(&there, &again) && !uncovered(&other, &moved));
    assert!(uncovered(&there, &moved));
    // What was there stays, whatever the sets say now.
    assert!(!uncovered(&other, &again));
}
