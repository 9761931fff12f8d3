//! Why servers wait: what each reason has to mean to be true. No I/O.

use super::room::{No, Room, Seeker};
use crate::checker::physics::{self, watts_up};
use crate::checker::totals::Totals;
use crate::fleet::{Server, Spread, State};
use crate::ids::{DemandId, ServerId};
use crate::reason::{Resource, WaitingOn};
use crate::site_set::SiteSet;

fn dimension(resource: Resource) -> Option<usize> {
    match resource {
        Resource::Cpu => Some(0),
        Resource::Memory => Some(1),
        Resource::Watts | Resource::Storage => None,
    }
}

/// Judges one reason.
pub(super) fn judge(
    room: &Room<'_, '_>,
    totals: &Totals<'_>,
    id: &ServerId,
    spec: &Server,
    on: &WaitingOn,
    say: &mut impl FnMut(String),
) {
    let seeker = Seeker::new(id, spec);
    let guest = [spec.cpu_milli, spec.memory_mib, spec.storage_mib].map(|n| i128::from(n.max(0)));
    match on {
        WaitingOn::Quota { .. } => {
            let asks = [1, guest[0], guest[1], guest[2], 0, 0];
            super::quota(room, totals, &spec.tenant, asks, on, say);
        }
        // True when the fleet has no such tenant.
        WaitingOn::UnknownTenant => {
            if room.model.fleet.tenants.contains_key(&spec.tenant) {
                say("the tenant is known".to_owned());
            }
        }
        // True when a figure of the request is out of bounds.
        WaitingOn::Malformed { .. } => {
            if physics::is_sound(spec) {
                say("no figure of it is out of bounds".to_owned());
            }
        }
        WaitingOn::Queue { ahead } => queue(room, &seeker, *ahead, say),
        _ => {
            // One that had a place and lost it may start without a reserve: that is judged by its own rule.
            if spec.current.is_none()
                && let Some((at, reserve)) = room.pair(&seeker)
            {
                let name = |host: usize| room.model.base.hosts[host].name;
                let beside = reserve.map_or(String::new(), |host| {
                    format!(" with its reserve on {}", name(host))
                });
                say(format!("it would fit on {}{beside}", name(at)));
            }
            if room.left(spec).is_some() {
                again(room, &seeker, on, say);
            }
            structure(room, &seeker, on, say);
            amounts(room, &seeker, on, say);
        }
    }
}

/// One that was released starts wherever it physically can; ceilings, reserves and a second site do not hold it up.
fn again(room: &Room<'_, '_>, seeker: &Seeker<'_>, on: &WaitingOn, say: &mut impl FnMut(String)) {
    if let Some(at) = (0..room.model.base.hosts.len()).find(|&at| room.could_start(seeker, at)) {
        say(format!("it could start on {}", room.model.base.hosts[at].name));
    }
    if let WaitingOn::SiteCeiling { .. }
    | WaitingOn::Storage { .. }
    | WaitingOn::ReserveForLoss { .. }
    | WaitingOn::HostsAsleep { .. }
    | WaitingOn::NoSecondSite { .. }
    | WaitingOn::SharedRisk { .. } = on
    {
        say("that does not hold up one that is down".to_owned());
    }
}

/// `Queue`: there is a place for it, and at least one, and no more than it says, waits before it by tier, age and name.
fn queue(room: &Room<'_, '_>, seeker: &Seeker<'_>, ahead: i64, say: &mut impl FnMut(String)) {
    let fleet = room.model.fleet;
    let turn = (seeker.spec.tier, seeker.spec.created_at, seeker.id);
    let before = room.model.plan.waiting.keys().filter(|id| match id {
        DemandId::Server(id) => fleet
            .servers
            .get(id)
            .is_some_and(|other| other.current.is_none() && (other.tier, other.created_at, id) < turn),
        DemandId::Colocation(_) => false,
    });
    let before = i64::try_from(before.count()).unwrap_or(i64::MAX);
    if ahead < 1 || ahead > before {
        say(format!("it says {ahead} wait ahead of it, and {before} do"));
    }
    if room.pair(seeker).is_none() {
        say("there is no room for it either".to_owned());
    }
}

/// Reasons that no change in use could mend.
fn structure(room: &Room<'_, '_>, seeker: &Seeker<'_>, on: &WaitingOn, say: &mut impl FnMut(String)) {
    let (base, spec) = (&room.model.base, seeker.spec);
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let allowed = |site: &usize| super::room::allows(spec, base.sites[*site].name);
    let sites: Vec<usize> = (0..base.sites.len()).filter(allowed).collect();
    let open: Vec<usize> = sites
        .iter()
        .copied()
        .filter(|&site| room.may_use(spec, site))
        .collect();
    let usable = || {
        let all = base.hosts.iter().enumerate();
        all.filter(|(at, _)| room.takes(spec, *at)).map(|(_, host)| host)
    };
    match on {
        // True when that many hosts are at the sites it may use and none of them is open to it.
        WaitingOn::UnknownInventory { hosts } => {
            let there = base
                .hosts
                .iter()
                .filter(|host| sites.contains(&host.site))
                .count();
            if usable().next().is_some() || *hosts != count(there) {
                let open = usable().count();
                say(format!(
                    "it says {hosts} hosts are known, {there} are and {open} are usable"
                ));
            }
        }
        // True when so many sites of its choice exist and none is active.
        WaitingOn::SitesClosed { allowed } => {
            if *allowed != count(sites.len()) || !open.is_empty() {
                say(format!(
                    "it may use {} sites, {} are active",
                    sites.len(),
                    open.len()
                ));
            }
        }
        // True when it was released, these are its copies' sites, and no host there, or where it ran, is open to it.
        WaitingOn::CopySitesClosed { sites } => {
            let home = room.left(spec);
            let copies = room.copies(spec).into_iter().filter(|&site| Some(site) != home);
            let same = copies.map(|site| base.sites[site].name).eq(sites);
            if home.is_none() || sites.is_empty() || !same || usable().next().is_some() {
                say("it may start elsewhere, or a host at these sites is usable".to_owned());
            }
        }
        // True when it was released, ran at this site, has no copy at another, and no host there is open to it.
        WaitingOn::NoCopyElsewhere { site } => {
            let home = room.left(spec).filter(|&home| base.sites[home].name == site);
            let elsewhere = room.copies(spec).into_iter().any(|at| Some(at) != home);
            if home.is_none() || elsewhere || usable().next().is_some() {
                say(format!(
                    "its data is not at {site} only, or a host there is usable"
                ));
            }
        }
        // True when these are the sites it may use and the fleet has none of them.
        WaitingOn::NotAllowedSite { allowed } => {
            let same = spec
                .sites_allowed
                .as_ref()
                .is_some_and(|sites| sites.iter().eq(allowed));
            if !same
                || allowed
                    .iter()
                    .any(|site| room.model.fleet.sites.contains_key(site))
            {
                say("these are not the sites it may use, or one of them exists".to_owned());
            }
        }
        // True when the largest host that takes it is so large, and smaller than what it asks.
        WaitingOn::HostCores { asked, largest } | WaitingOn::HostMemory { asked, largest } => {
            let d = usize::from(matches!(on, WaitingOn::HostMemory { .. }));
            let most = usable().map(|host| host.build.room[d]).max().unwrap_or(0);
            if *asked != seeker.need[d] || *largest != most || asked <= largest {
                let need = seeker.need[d];
                say(format!("it asks {need} of {most}, and not {asked} of {largest}"));
            }
        }
        // True when that many active sites may hold a copy, and that is fewer than the policy asks.
        WaitingOn::NoSecondSite { copies, sites } => {
            let hosted = |site: &&usize| base.hosts.iter().any(|host| host.open && host.site == **site);
            // Where sets of sites limit it, the first with the most active ones.
            let of_set = |set: &SiteSet| -> Vec<usize> {
                let inside = open.iter().copied();
                inside
                    .filter(|&site| set.contains(base.sites[site].name))
                    .collect()
            };
            let sets = spec.site_sets.iter().rev().map(of_set);
            let open = sets.max_by_key(Vec::len).unwrap_or_else(|| open.clone());
            let (there, bearing) = (open.len(), open.iter().filter(hosted).count());
            let few = *sites == count(there) && sites < copies;
            let unmanned = *sites == count(bearing) && bearing < 2;
            if *copies != spec.copies || !(few || unmanned) {
                say(format!(
                    "{there} active sites may hold its {} copies, and not {sites}",
                    spec.copies
                ));
            }
        }
        // True when the policy heeds risks and two of the sites, or what stands there, list this one.
        WaitingOn::SharedRisk { copies, risk } => {
            let lists = |site: &&usize| {
                let listed = |at: &usize| base.risks[*at] == risk.as_str();
                let racks = base.sites[**site].racks.iter();
                base.sites[**site].risks.iter().any(listed)
                    || racks
                        .into_iter()
                        .any(|&rack| base.racks[rack].risks.iter().any(listed))
            };
            let listing = open.iter().filter(lists).count();
            if *copies != spec.copies || listing < 2 {
                say(format!(
                    "{listing} of its sites list {risk}, for its {} copies",
                    spec.copies
                ));
            }
            if spec.spread != Spread::SharedRisk {
                say("its policy does not heed shared risks".to_owned());
            }
        }
        _ => {}
    }
}

/// Reasons with amounts of what is in use.
fn amounts(room: &Room<'_, '_>, seeker: &Seeker<'_>, on: &WaitingOn, say: &mut impl FnMut(String)) {
    let (base, spec) = (&room.model.base, seeker.spec);
    let hosts = || {
        let all = base.hosts.iter().enumerate();
        all.filter(|(at, _)| room.takes(spec, *at))
    };
    match on {
        // True when the site takes it, uses so much of such a ceiling, and would be above it.
        WaitingOn::SiteCeiling {
            site,
            resource,
            used,
            limit,
            asked,
        } => {
            let truth = base.site(site).zip(dimension(*resource)).map(|(at, d)| {
                let sums = &room.sites[at];
                (
                    sums.used[d],
                    sums.ceiling[d],
                    seeker.need[d],
                    room.may_use(spec, at),
                )
            });
            if truth != Some((*used, *limit, *asked, true)) || used + asked <= *limit {
                say(format!(
                    "it says {used} of {limit} and {asked} asked; {truth:?} was counted"
                ));
            }
        }
        // True when a host that takes it has so much free, less than it asks, and none that is short of this alone has
        // more.
        WaitingOn::HostFull {
            resource,
            asked,
            free,
        } => {
            let Some(d) = dimension(*resource) else {
                return say("hosts have no such measure".to_owned());
            };
            let mut shown = false;
            let mut nearest: Option<i64> = None;
            for (at, host) in hosts() {
                let left = room.free_for(spec, at);
                shown |= left[d] == *free || host.build.room[d] == *free;
                let large_enough = (0..2).all(|d| seeker.need[d] <= host.build.room[d]);
                if large_enough && seeker.need[d] > left[d] && seeker.need[1 - d] <= left[1 - d] {
                    nearest = nearest.max(Some(left[d]));
                }
            }
            if *asked != seeker.need[d] || free >= asked || !shown {
                let need = seeker.need[d];
                say(format!(
                    "it says {asked} asked and {free} free; {need} is asked and no host has that free"
                ));
            } else if nearest.is_some_and(|nearest| nearest > *free) {
                say(format!(
                    "nearest: it says {free} are free, and a host that lacks nothing else has {nearest:?}"
                ));
            }
        }
        // True when a host in that rack has room for it, would add so much, and so much is left.
        WaitingOn::RackWatts {
            rack,
            asked,
            headroom,
        } => {
            let mut there = hosts().filter(|(_, host)| base.racks[host.rack].name == rack);
            let so = there.any(|(at, _)| {
                let (adds, left) = room.watts(seeker, at);
                let said = (i128::from(*asked), i128::from(*headroom));
                adds > left && said == (watts_up(adds), left.div_euclid(1000))
            });
            if !so {
                say(format!(
                    "no host in {rack} would add {asked} W with {headroom} W left"
                ));
            }
        }
        WaitingOn::ReserveForLoss {
            lost,
            resource,
            asked,
            free,
        } => {
            let Some(f) = room.scenarios.index(lost) else {
                return say(format!("there is no scenario {lost}"));
            };
            reserve(room, seeker, f, (*resource, *asked, *free), say);
        }
        // True when it is of that group, and the group has another member with a place.
        WaitingOn::ApartGroup { group, by } => {
            let mine = spec.apart.as_ref();
            let others = room.model.servers.iter().filter(|other| {
                other.spec.tenant == spec.tenant
                    && other.spec.apart.as_ref().is_some_and(|its| its.group == *group)
            });
            if mine.is_none_or(|mine| mine.group != *group || mine.by != *by) || others.count() == 0 {
                say("it is not of that group, or no other member has a place".to_owned());
            }
        }
        // True when it is of that group, and the group has another member with a place.
        WaitingOn::TogetherGroup { group, by } => {
            let mine = spec.together.as_ref();
            let others = room.model.servers.iter().filter(|other| {
                let its = other.spec.together.as_ref();
                other.spec.tenant == spec.tenant && its.is_some_and(|its| its.group == *group)
            });
            if mine.is_none_or(|mine| mine.group != *group || mine.by != *by) || others.count() == 0 {
                say("it is not of that group, or no other member has a place".to_owned());
            }
        }
        // True when it must start at once and so many hosts that it may use are usable and off.
        WaitingOn::HostsAsleep { hosts: off } => {
            let asleep = hosts().filter(|(at, _)| !room.model.on[*at]).count();
            if !spec.warm || i64::try_from(asleep) != Ok(*off) || *off == 0 {
                say(format!("{asleep} of its hosts are off, and not {off}"));
            }
        }
        // True when the site takes it, has so much left, that is too little, and no site that is short has more.
        WaitingOn::Storage { site, asked, free } => {
            let left = |at: usize| {
                room.sites[at]
                    .storage
                    .map(|limit| i128::from(limit) - room.sites[at].stored)
            };
            let short =
                (0..base.sites.len()).filter(|&at| room.may_use(spec, at) && room.no_storage(seeker, at));
            let most = short.filter_map(left).max();
            let there = base
                .site(site)
                .filter(|&at| room.may_use(spec, at) && room.no_storage(seeker, at))
                .and_then(left);
            let so = there == Some(i128::from(*free))
                && there == most
                && *asked == physics::storage(&physics::kept(spec));
            if !so || free >= asked {
                say(format!(
                    "it says {asked} MiB asked and {free} free; {there:?} are, and at most {most:?}"
                ));
            }
        }
        WaitingOn::RackUnits { .. } | WaitingOn::Feeds { .. } | WaitingOn::DevicesApart { .. } => {
            say("it is a server and has no devices".to_owned());
        }
        _ => {}
    }
}

/// `ReserveForLoss`: a host that falls with the loss could run it; and a host that stays, and is open to it, has just
/// so much left after the loss, less than asked.
fn reserve(
    room: &Room<'_, '_>,
    seeker: &Seeker<'_>,
    f: usize,
    (resource, asked, free): (Resource, i64, i64),
    say: &mut impl FnMut(String),
) {
    let base = &room.model.base;
    let falls = |rack: usize| room.scenarios.takes_rack(f, rack);
    let homes: Vec<usize> = (0..base.hosts.len())
        .filter(|&at| falls(base.hosts[at].rack) && room.primary(seeker, at).is_ok())
        .collect();
    if seeker.spec.current.is_none() && homes.is_empty() {
        return say("no host that falls with it could run it".to_owned());
    }
    let so = |at: usize| {
        let host = &base.hosts[at];
        if falls(host.rack) || !host.open || base.sites[host.site].state != State::Active {
            return false;
        }
        if let Some(d) = dimension(resource) {
            let left = room.free_after(at, f)[d];
            let size = host.build.room[d];
            asked == seeker.need[d] && free < asked && (free == left || free == size)
        } else {
            let (adds, left) = room.watts_after(seeker, at, f);
            adds > left && (i128::from(asked), i128::from(free)) == (watts_up(adds), left.div_euclid(1000))
        }
    };
    if !(0..base.hosts.len()).any(so) {
        say(format!("no host has {free} of {asked} left after that loss"));
    }
    let against = |at: usize| {
        let of = |&home: &usize| room.backup(seeker, base.hosts[home].rack, at);
        homes.iter().map(of).collect::<Vec<_>>()
    };
    // One that is too small besides could not take it when it is woken, and what may not have it at all speaks for nothing.
    let large = |at: usize| (0..2).all(|d| seeker.need[d] <= base.hosts[at].build.room[d]);
    let only_off = |at: usize| large(at) && against(at).contains(&Err(No::Asleep));
    let off = |at: usize| {
        let mut against = against(at).into_iter();
        against.all(|against| matches!(against, Err(No::Asleep | No::Place)))
    };
    let open = || (0..base.hosts.len()).filter(|&at| base.hosts[at].open);
    if seeker.spec.warm && open().any(only_off) && open().all(off) {
        say("what speaks against every reserve is that it is off".to_owned());
    }
}
