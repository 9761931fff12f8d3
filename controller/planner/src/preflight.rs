//! What draining a host, a rack or a site would come to, said before anything is drained. No I/O.
//!
//! Nothing is decided here: it is the plan of the same fleet with the target set to draining, beside the plan of the fleet as
//! it is. What the second would do anyhow is not counted as the drain's.

use std::collections::{BTreeMap, BTreeSet};

use crate::adopt;
use crate::engine::Engine;
use crate::explain;
use crate::fleet::{Fleet, HostUse, State};
use crate::ids::{ColocationId, DemandId, HostName, ServerId, SiteName};
use crate::outcome::{
    Blocker, Changed, DrainMove, DrainTarget, How, Preflight, Stays, Unprotected, Verdict, WorseLoss,
};
use crate::plan::{Move, MoveKind, Plan, PlanOptions, Spot};
use crate::reason::{WaitingOn, counted};
use crate::why;
use crate::world::{self, count};

/// Says what would happen if `target` were drained now. `plan` with the target set to draining then does just that.
///
/// Cordon the target first, or drain soon: what comes to it meanwhile is not counted. A target that is fenced or cannot be read is not drained
/// on paper either: nothing can be said about what is there.
pub fn preflight_drain(fleet: &Fleet, target: &DrainTarget, options: &PlanOptions) -> Preflight {
    let before = crate::plan(fleet, options);
    let mut drained = fleet.clone();
    let refused = set_draining(&mut drained, target);
    if let Err(blocker) = refused {
        return Preflight {
            target: target.clone(),
            verdict: Verdict::Blocked,
            blocked: vec![blocker],
            idle_watts_before: idle_watts(fleet, &before),
            idle_watts_after: idle_watts(fleet, &before),
            plan: before,
            ..Preflight::default()
        };
    }
    let after = crate::plan(&drained, options);
    let caused = |moved: &&Move| !before.moves.contains(moved);
    let (primaries, reserves): (Vec<&Move>, Vec<&Move>) = after
        .moves
        .iter()
        .filter(caused)
        .partition(|moved| moved.kind == MoveKind::Primary);
    let mut found = Preflight {
        target: target.clone(),
        moves: primaries.into_iter().map(|moved| how(fleet, moved)).collect(),
        reserves: reserves.into_iter().cloned().collect(),
        stays: stays(&drained, &after, target, options),
        unprotected: unprotected(&before, &after),
        losses: losses(&before, &after, target),
        waiting: newly_waiting(&before, &after),
        devices: devices(&after, target, fleet),
        racks: changed(&before.racks, &after.racks),
        sites: changed(&before.sites, &after.sites),
        idle_watts_before: idle_watts(fleet, &before),
        idle_watts_after: idle_watts(&drained, &after),
        verdict: Verdict::Ready,
        blocked: Vec::new(),
        plan: Plan::default(),
    };
    found.blocked = blockers(&found, &after, target, fleet);
    if !found.blocked.is_empty() {
        found.verdict = Verdict::Blocked;
    } else if found.moves.is_empty() && found.reserves.is_empty() && found.waiting.is_empty() {
        found.verdict = Verdict::Nothing;
    }
    found.plan = after;
    found
}

/// Sets the target to draining, unless that would be to claim knowledge that there is not.
fn set_draining(fleet: &mut Fleet, target: &DrainTarget) -> Result<(), Blocker> {
    let none = || Blocker::NotInFleet;
    let readable = |state: State| match state {
        State::Fenced | State::Unknown => Err(Blocker::Unreadable { state }),
        _ => Ok(()),
    };
    let site_of = |fleet: &Fleet, name: &SiteName| fleet.sites.get(name).map(|site| site.state);
    match target {
        DrainTarget::Site(name) => {
            let site = fleet.sites.get_mut(name).ok_or_else(none)?;
            readable(site.state)?;
            site.state = State::Draining;
        }
        DrainTarget::Rack(name) => {
            let rack = fleet.racks.get(name).ok_or_else(none)?;
            readable(rack.state)?;
            readable(site_of(fleet, &rack.site).ok_or_else(none)?)?;
            if let Some(rack) = fleet.racks.get_mut(name) {
                rack.state = State::Draining;
            }
        }
        DrainTarget::Host(name) => {
            let host = fleet.hosts.get(name).ok_or_else(none)?;
            let rack = fleet.racks.get(&host.rack).ok_or_else(none)?;
            readable(rack.state)?;
            readable(site_of(fleet, &rack.site).ok_or_else(none)?)?;
            if matches!(host.usable, HostUse::NotReady | HostUse::Unknown) {
                return Err(Blocker::Unreadable {
                    state: State::Unknown,
                });
            }
            if let Some(host) = fleet.hosts.get_mut(name) {
                host.usable = HostUse::Draining;
            }
        }
    }
    Ok(())
}

fn within(target: &DrainTarget, spot: &Spot) -> bool {
    match target {
        DrainTarget::Host(host) => spot.host == *host,
        DrainTarget::Rack(rack) => spot.rack == *rack,
        DrainTarget::Site(site) => spot.site == *site,
    }
}

fn how(fleet: &Fleet, moved: &Move) -> DrainMove {
    let current = fleet
        .servers
        .get(&moved.server)
        .and_then(|server| server.current.as_ref());
    let holds = current.is_some_and(|current| {
        let backup = current.backup.as_ref().and_then(|host| fleet.hosts.get(host));
        current.copy_sites.contains(&moved.to.site) || backup.is_some_and(|host| host.site == moved.to.site)
    });
    DrainMove {
        server: moved.server.clone(),
        from: moved.from.clone(),
        to: moved.to.clone(),
        how: if moved.from.site == moved.to.site {
            How::Live
        } else if holds {
            How::ToItsCopy
        } else {
            How::CopyFirst
        },
    }
}

/// Who would still be there, and why.
fn stays(drained: &Fleet, after: &Plan, target: &DrainTarget, options: &PlanOptions) -> Vec<Stays> {
    let left: Vec<&ServerId> = after
        .servers
        .iter()
        .filter(|(_, decided)| within(target, &decided.placement))
        .map(|(id, _)| id)
        .collect();
    if left.is_empty() {
        return Vec::new();
    }
    let mut fleet = drained.clone();
    after.feed_back(&mut fleet);
    let world = world::build(&fleet);
    let mut engine = Engine::new(&world, &PlanOptions::default());
    adopt::adopt(&mut engine);
    let mut stays = Vec::with_capacity(left.len());
    for id in left {
        let Some(server) = world.server(id) else { continue };
        let at = after.servers[id].placement.clone();
        let host = engine.books.slots[server].primary;
        if host.is_none_or(|host| !world.hosts[host].draining) {
            let why = after.servers[id].held.clone().unwrap_or_default();
            let fixes = vec!["wait until its host can be read, or grant a failover".to_owned()];
            stays.push(Stays {
                server: id.clone(),
                at,
                reason: "Held".to_owned(),
                why,
                fixes,
            });
            continue;
        }
        let before = engine.books.lift(&world, server);
        let waiting = why::primary(&world, &mut engine.books, server);
        engine.books.put(&world, server, &before);
        let limited = after
            .moves
            .iter()
            .filter(|moved| moved.kind == MoveKind::Primary)
            .count();
        let (reason, why, fixes) = if count(limited) >= options.max_moves.max(0) {
            let why = format!(
                "no more than {} may move in one plan",
                counted(options.max_moves.max(0), "server")
            );
            (
                "MoveLimit",
                why,
                vec!["let it go on with the next plan".to_owned()],
            )
        } else if let WaitingOn::SitesClosed { .. } | WaitingOn::UnknownInventory { .. } = waiting.on {
            ("NowhereElse", nowhere(&fleet, id, target), nowhere_fixes())
        } else {
            let fixes = explain::fixes(&waiting.on);
            (waiting.reason(), waiting.to_string(), fixes)
        };
        stays.push(Stays {
            server: id.clone(),
            at,
            reason: reason.to_owned(),
            why,
            fixes,
        });
    }
    stays
}

/// Every host that it may use is closed: the target is all that there is for it.
fn nowhere(fleet: &Fleet, id: &ServerId, target: &DrainTarget) -> String {
    let allowed = fleet
        .servers
        .get(id)
        .and_then(|server| server.sites_allowed.as_ref());
    let sites = allowed.map_or_else(
        || "any site".to_owned(),
        |sites| {
            let names: Vec<&str> = sites.iter().map(SiteName::as_str).collect();
            names.join(", ")
        },
    );
    format!(
        "it may use {sites}, and beside {target} no host there takes anything new: {}",
        nowhere_fixes().join(", or ")
    )
}

fn nowhere_fixes() -> Vec<String> {
    let fixes = ["allow it another site", "stop it while the work lasts"];
    fixes.map(str::to_owned).into()
}

/// Who has its reserve and its copies now and would not have them.
fn unprotected(before: &Plan, after: &Plan) -> Vec<Unprotected> {
    let was_safe = |id: &ServerId| {
        let decided = before.servers.get(id);
        decided.is_some_and(|decided| decided.unprotected.is_none())
    };
    let lacks = after.servers.iter().filter_map(|(id, decided)| {
        let waiting = decided.unprotected.as_deref().filter(|_| was_safe(id))?;
        Some(Unprotected {
            server: id.clone(),
            reason: waiting.reason().to_owned(),
            why: waiting.to_string(),
            fixes: explain::fixes(&waiting.on),
        })
    });
    lacks.collect()
}

/// Losses that would leave more servers without a place than now. What only takes the target is not among them.
fn losses(before: &Plan, after: &Plan, target: &DrainTarget) -> Vec<WorseLoss> {
    let worse = after.scenarios.iter().filter_map(|summary| {
        let was = before
            .scenarios
            .iter()
            .find(|was| was.scenario == summary.scenario)
            .map_or(0, |was| was.stranded);
        (summary.stranded > was).then(|| WorseLoss {
            loss: summary.scenario.clone(),
            stranded_before: was,
            stranded_after: summary.stranded,
        })
    });
    let own = target.to_string();
    worse.filter(|line| line.loss.to_string() != own).collect()
}

fn newly_waiting(before: &Plan, after: &Plan) -> Vec<DemandId> {
    let new = after.waiting.keys().filter(|id| !before.waiting.contains_key(id));
    new.cloned().collect()
}

/// Colocated devices that stand there: they stay and lose their power with the target.
fn devices(after: &Plan, target: &DrainTarget, fleet: &Fleet) -> BTreeMap<ColocationId, Vec<String>> {
    let stands = |site: &SiteName, rack: &crate::ids::RackName| match target {
        DrainTarget::Host(_) => false,
        DrainTarget::Rack(name) => name == rack,
        DrainTarget::Site(name) => name == site,
    };
    let mut found: BTreeMap<ColocationId, Vec<String>> = BTreeMap::new();
    for (id, places) in &after.colocations {
        for place in places.iter().filter(|place| stands(&place.site, &place.rack)) {
            // One that would come there only now is kept away by the drain.
            if fleet.colocations.contains_key(id) {
                found.entry(id.clone()).or_default().push(place.device.clone());
            }
        }
    }
    found
}

fn changed<K: Ord + Clone, L: PartialEq + Clone>(
    before: &BTreeMap<K, L>,
    after: &BTreeMap<K, L>,
) -> BTreeMap<K, Changed<L>> {
    let pairs = after.iter().filter_map(|(name, ledger)| {
        let was = before.get(name)?;
        (was != ledger).then(|| {
            let change = Changed {
                before: was.clone(),
                after: ledger.clone(),
            };
            (name.clone(), change)
        })
    });
    pairs.collect()
}

/// Idle draw of the hosts that servers run on, in watts.
fn idle_watts(fleet: &Fleet, plan: &Plan) -> i64 {
    let hosts: BTreeSet<&HostName> = plan
        .servers
        .values()
        .map(|decided| &decided.placement.host)
        .collect();
    let idle = hosts.into_iter().filter_map(|name| fleet.hosts.get(name));
    idle.fold(0, |sum: i64, host| sum.saturating_add(host.idle_watts.max(0)))
}

/// Everything that speaks against draining it.
fn blockers(found: &Preflight, after: &Plan, target: &DrainTarget, fleet: &Fleet) -> Vec<Blocker> {
    let mut blocked = Vec::new();
    if !found.stays.is_empty() {
        blocked.push(Blocker::ServersStay {
            servers: count(found.stays.len()),
        });
    }
    let reserves = after.servers.values().filter(|decided| {
        let backup = decided.backup.as_ref();
        backup.is_some_and(|spot| within(target, spot))
    });
    let reserves = count(reserves.count());
    if reserves > 0 {
        blocked.push(Blocker::ReservesStay { servers: reserves });
    }
    if let DrainTarget::Site(site) = target {
        let stored = after
            .servers
            .iter()
            .filter(|(_, decided)| decided.copy_sites.contains(site));
        let copies = count(stored.count());
        if copies > 0 {
            blocked.push(Blocker::CopiesStay { servers: copies });
        }
    }
    if !found.unprotected.is_empty() {
        blocked.push(Blocker::Unprotected {
            servers: count(found.unprotected.len()),
        });
    }
    let (survived, worse): (Vec<_>, Vec<_>) = found.losses.iter().partition(|loss| loss.stranded_before == 0);
    if !survived.is_empty() {
        blocked.push(Blocker::LossesNotSurvived {
            losses: count(survived.len()),
        });
    }
    if !worse.is_empty() {
        blocked.push(Blocker::LossesWorse {
            losses: count(worse.len()),
        });
    }
    let had_place = |id: &&DemandId| match id {
        DemandId::Server(id) => fleet
            .servers
            .get(id)
            .is_some_and(|server| server.current.is_some()),
        DemandId::Colocation(_) => false,
    };
    let down = count(found.waiting.iter().filter(had_place).count());
    if down > 0 {
        blocked.push(Blocker::ServersDown { servers: down });
    }
    blocked
}
