//! Why a larger size waits: true, and necessary. It is necessary when the plan that grants it, with any reserve at a site of
//! its copies, would break a rule that this plan does not break. No I/O.

use super::room::Room;
use crate::checker::model::Placed;
use crate::checker::totals::Totals;
use crate::checker::{check, physics};
use crate::fault::{Fault, Rule};
use crate::fleet::State;
use crate::ids::{DemandId, SiteName};
use crate::plan::{Plan, Spot};
use crate::reason::{Resource, WaitingOn};

/// Judges one reason. Amounts are what comes on top of what the server has, unless said otherwise.
pub(super) fn judge(
    room: &Room<'_, '_>,
    totals: &Totals<'_>,
    server: &Placed<'_>,
    on: &WaitingOn,
    say: &mut impl FnMut(String),
) {
    let (base, spec) = (&room.model.base, server.spec);
    let wanted = physics::asked(spec);
    let need = physics::need(&wanted);
    let more = [need[0] - server.need[0], need[1] - server.need[1]];
    let counts = (physics::counts(&wanted), physics::counts(&server.plan.granted));
    let extra = |at: usize| counts.0[at] - counts.1[at];
    // What is not protected as it is, is protected first.
    let protected = spec.copies <= 1
        || server.plan.backup.is_some()
            && i64::try_from(server.plan.copy_sites.len()).is_ok_and(|copies| copies >= spec.copies - 1);
    let fits = protected && could_grow(room, server);
    if matches!(on, WaitingOn::Queue { .. }) {
        queue(room, server, on, say);
    }
    if fits != matches!(on, WaitingOn::Queue { .. }) {
        say(format!("it could have it: {fits}"));
    }
    let measure = |resource: Resource| usize::from(resource != Resource::Cpu);
    let at = server.host.map(|at| (at, &base.hosts[at]));
    let good = match on {
        WaitingOn::Quota { .. } => {
            super::quota(
                room,
                totals,
                &spec.tenant,
                [0, extra(0), extra(1), extra(2), 0, 0],
                on,
                say,
            );
            true
        }
        WaitingOn::UnknownTenant => !room.model.fleet.tenants.contains_key(&spec.tenant),
        WaitingOn::Malformed { .. } => !physics::is_sound(spec),
        // What is free on its host beside its servers and the most that any loss brings.
        WaitingOn::HostFull {
            resource,
            asked,
            free,
        } => {
            let d = measure(*resource);
            at.is_some_and(|(at, _)| *free == room.free(at)[d]) && *asked == more[d] && asked > free
        }
        WaitingOn::SiteCeiling {
            site,
            resource,
            used,
            limit,
            asked,
        } => {
            let (d, here) = (measure(*resource), &room.sites[server.site]);
            base.sites[server.site].name == site
                && (*used, *limit, *asked) == (here.used[d], here.ceiling[d], more[d])
                && used + asked > *limit
        }
        WaitingOn::RackWatts {
            rack,
            asked,
            headroom,
        } => at.is_some_and(|(_, host)| {
            let draws = host.build.draw_mw(need[0]) - server.draw_mw;
            let its = &base.racks[host.rack];
            let left = its.capacity_mw - room.model.drawn_mw[host.rack] - room.most_mw[host.rack];
            let said = (i128::from(*asked), i128::from(*headroom));
            its.name == rack
                && said == (physics::watts_up(draws.into()), left.div_euclid(1000))
                && i128::from(draws) > left
        }),
        WaitingOn::Storage { site, asked, free } => {
            let size = if protected { extra(2) } else { counts.1[2] };
            stored(room, server, protected, (site, size)) == Some(i128::from(*free))
                && i128::from(*asked) == size
                && asked > free
        }
        // About the whole size: the largest open host that it may run on is smaller.
        WaitingOn::HostCores { asked, largest } | WaitingOn::HostMemory { asked, largest } => {
            let d = usize::from(matches!(on, WaitingOn::HostMemory { .. }));
            let hosts = base.hosts.iter().filter(|host| {
                let allowed = spec.sites_allowed.as_ref();
                let site = &base.sites[host.site];
                host.open && allowed.is_none_or(|sites| sites.contains(site.name))
            });
            let most = hosts.map(|host| host.build.room[d]).max();
            *asked == need[d] && most == Some(*largest) && asked > largest
        }
        // Something that carries it, its reserve or its data takes nothing new.
        WaitingOn::SitesClosed { .. } => closed(room, server),
        // About the whole size, as for a new server; about what it has, when that is not protected.
        WaitingOn::ReserveForLoss {
            resource,
            asked,
            free,
            ..
        } => {
            let whole = if protected { need } else { server.need };
            spec.copies > 1
                && asked > free
                && (*resource == Resource::Watts || *asked == whole[measure(*resource)])
        }
        // Of these only that it cannot have the size.
        _ => spec.copies > 1 || matches!(on, WaitingOn::Queue { .. }),
    };
    if !good {
        say(format!("these are not the numbers, or it is not so: {on:?}"));
    }
}

/// What is left at a site that has too little storage for so much, if that site is asked for it: for the larger size where its
/// data is, and, when it is not protected, for a copy of what it has where none is.
fn stored(
    room: &Room<'_, '_>,
    server: &Placed<'_>,
    protected: bool,
    (at, amount): (&SiteName, i128),
) -> Option<i128> {
    let holds = *at == server.plan.placement.site || server.plan.copy_sites.contains(at);
    let here = &room.sites[room.model.base.site(at)?];
    let left = i128::from(here.storage?) - here.stored;
    (holds == protected && amount > left).then_some(left)
}

/// Whether something that carries the server, its reserve or its data takes nothing new.
fn closed(room: &Room<'_, '_>, server: &Placed<'_>) -> bool {
    let (base, spec) = (&room.model.base, server.spec);
    let shut = |host: Option<usize>| host.is_none_or(|host| !base.hosts[host].open);
    let closed = |site: &SiteName| {
        let allowed = spec.sites_allowed.as_ref();
        base.site_state(site) != State::Active || allowed.is_some_and(|sites| !sites.contains(site))
    };
    // One of a single copy has no reserve that could be closed.
    shut(server.host) || spec.copies > 1 && shut(server.backup) || server.plan.copy_sites.iter().any(closed)
}

/// `Queue`: at least one, and no more than it says, waits before it by tier, age and name.
fn queue(room: &Room<'_, '_>, server: &Placed<'_>, on: &WaitingOn, say: &mut impl FnMut(String)) {
    let WaitingOn::Queue { ahead } = on else { return };
    let fleet = room.model.fleet;
    let turn = (server.spec.tier, server.spec.created_at, server.id);
    let before = room.model.plan.waiting.keys().filter(|id| match id {
        DemandId::Server(id) => fleet
            .servers
            .get(id)
            .is_some_and(|other| (other.tier, other.created_at, id) < turn),
        DemandId::Colocation(_) => false,
    });
    let before = i64::try_from(before.count()).unwrap_or(i64::MAX);
    if *ahead < 1 || *ahead > before {
        say(format!("it says {ahead} wait ahead of it, and {before} do"));
    }
}

/// Whether a plan that grants the larger size, and is else the same, would break no more rules than this one does.
fn could_grow(room: &Room<'_, '_>, server: &Placed<'_>) -> bool {
    let (model, base) = (room.model, &room.model.base);
    let broken = |plan: &Plan| -> Vec<Fault> {
        let mut faults = check(model.fleet, plan);
        // A plan that is forged here has neither the ledgers nor the moves that go with it.
        faults.retain(|fault| !matches!(fault.rule, Rule::Ledger | Rule::Moves | Rule::Shed));
        faults
    };
    let before = broken(model.plan);
    let mut forged = model.plan.clone();
    let mut reserves: Vec<Option<Spot>> = vec![server.plan.backup.clone()];
    if server.spec.copies > 1 {
        let at_copies = |site: usize| server.plan.copy_sites.contains(base.sites[site].name);
        reserves.extend(base.hosts.iter().filter(|host| at_copies(host.site)).map(|host| {
            Some(Spot {
                site: base.sites[host.site].name.clone(),
                rack: base.racks[host.rack].name.clone(),
                host: host.name.clone(),
            })
        }));
    }
    reserves.into_iter().any(|reserve| {
        if let Some(decided) = forged.servers.get_mut(server.id) {
            decided.granted = physics::believed(&physics::asked(server.spec));
            decided.growth = None;
            decided.backup = reserve;
        }
        broken(&forged).iter().all(|fault| before.contains(fault))
    })
}
