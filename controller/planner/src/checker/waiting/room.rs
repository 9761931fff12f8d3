//! What is left on hosts, racks and sites, now and after every loss, for one more server. No I/O.

use std::collections::BTreeMap;

use crate::checker::fit::SiteRoom;
use crate::checker::model::{Falls, Model, Placed};
use crate::checker::physics;
use crate::checker::scenarios::Scenarios;
use crate::fleet::{ApartBy, Server, Spread, State};
use crate::ids::ServerId;

/// Loads that one scenario adds to a host.
#[derive(Clone, Copy, Default)]
struct Added {
    need: [i64; 2],
}

/// The state of the fleet under the plan.
pub(super) struct Room<'m, 'a> {
    pub(super) model: &'m Model<'a>,
    pub(super) scenarios: &'m Scenarios,
    pub(super) sites: &'m [SiteRoom],
    /// Per rack: the most that one scenario adds, in milliwatts.
    pub(super) most_mw: &'m [i128],
    /// Per host and scenario: what starts there. Scenarios in which nothing does are left out.
    hosts: Vec<BTreeMap<usize, Added>>,
    /// Per rack and scenario, in milliwatts.
    racks: Vec<BTreeMap<usize, i128>>,
}

/// What speaks against a host, nearest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum No {
    /// Takes nothing new, may not be used, or is where or shares what another copy does.
    Place,
    /// Cores or memory; how much is free in the measure.
    Room(usize, i64),
    /// The ceiling of the site.
    Ceiling,
    /// Power: added and left, in milliwatts.
    Watts(i128, i128),
    /// The storage of the site.
    Storage,
    /// The group.
    Apart,
    /// The affinity group.
    Together,
    /// It must start at once and the host is off.
    Asleep,
}

/// A server that looks for a place.
pub(super) struct Seeker<'s> {
    pub(super) id: &'s ServerId,
    pub(super) spec: &'s Server,
    pub(super) need: [i64; 2],
}

impl<'s> Seeker<'s> {
    pub(super) fn new(id: &'s ServerId, spec: &'s Server) -> Self {
        Self {
            id,
            spec,
            need: physics::need(&physics::kept(spec)),
        }
    }
}

impl<'m, 'a> Room<'m, 'a> {
    pub(super) fn new(
        model: &'m Model<'a>,
        scenarios: &'m Scenarios,
        sites: &'m [SiteRoom],
        most_mw: &'m [i128],
    ) -> Self {
        let mut room = Self {
            model,
            scenarios,
            sites,
            most_mw,
            hosts: vec![BTreeMap::new(); model.base.hosts.len()],
            racks: vec![BTreeMap::new(); model.base.racks.len()],
        };
        for server in &model.servers {
            let Some(at) = server.backup else { continue };
            let host = &model.base.hosts[at];
            for &f in scenarios.taking(server.falls) {
                if scenarios.takes_rack(f, host.rack) {
                    continue;
                }
                let rack_mw = room.racks[host.rack].entry(f).or_default();
                *rack_mw += i128::from(server.backup_mw);
                let added = room.hosts[at].entry(f).or_insert_with(|| {
                    if !model.on[at] {
                        *rack_mw += i128::from(host.build.idle_mw);
                    }
                    Added::default()
                });
                added.need = [added.need[0] + server.need[0], added.need[1] + server.need[1]];
            }
        }
        room
    }

    /// Whether a site takes this server as a new one.
    pub(super) fn may_use(&self, spec: &Server, site: usize) -> bool {
        let site = &self.model.base.sites[site];
        site.state == State::Active && allows(spec, site.name)
    }

    /// What is free on a host beside its servers and the most that any loss brings, per measure.
    pub(super) fn free(&self, at: usize) -> [i64; 2] {
        let (host, used) = (&self.model.base.hosts[at], self.model.used[at]);
        [0, 1].map(|d| {
            let most = self.hosts[at].values().map(|added| added.need[d]).max();
            host.build.room[d] - used[d] - most.unwrap_or(0)
        })
    }

    /// What is free on a host in one scenario.
    pub(super) fn free_after(&self, at: usize, f: usize) -> [i64; 2] {
        let added = self.hosts[at].get(&f).copied().unwrap_or_default();
        let room = self.model.base.hosts[at].build.room;
        [0, 1].map(|d| room[d] - self.model.used[at][d] - added.need[d])
    }

    /// What a server running on a host adds to its rack, and what is left there for it, in milliwatts.
    pub(super) fn watts(&self, seeker: &Seeker<'_>, at: usize) -> (i128, i128) {
        let host = &self.model.base.hosts[at];
        let wakes = if self.model.on[at] {
            0
        } else {
            i128::from(host.build.idle_mw)
        };
        let asked = i128::from(host.build.draw_mw(seeker.need[0])) + wakes;
        // A host that is on before a loss need not be woken by it.
        let woken = |f: &usize| if self.hosts[at].contains_key(f) { wakes } else { 0 };
        let added = self.racks[host.rack].iter().map(|(f, mw)| mw - woken(f));
        let left = self.model.base.racks[host.rack].capacity_mw - self.model.drawn_mw[host.rack];
        if self.left(seeker.spec).is_some() {
            return (asked, left);
        }
        (asked, left - added.max().unwrap_or(0).max(0))
    }

    /// What a server started on a host after `f` adds to its rack, and what is left there, in milliwatts.
    pub(super) fn watts_after(&self, seeker: &Seeker<'_>, at: usize, f: usize) -> (i128, i128) {
        let host = &self.model.base.hosts[at];
        let wakes = !self.model.on[at] && !self.hosts[at].contains_key(&f);
        let idle = if wakes { i128::from(host.build.idle_mw) } else { 0 };
        let asked = i128::from(host.build.draw_mw(seeker.need[0])) + idle;
        let added = self.racks[host.rack].get(&f).copied().unwrap_or(0);
        let left = self.model.base.racks[host.rack].capacity_mw - self.model.drawn_mw[host.rack];
        (asked, left - added)
    }

    /// Whether a site is too full to store the server's data, which takes no more where it lies already.
    pub(super) fn no_storage(&self, seeker: &Seeker<'_>, site: usize) -> bool {
        let asked = physics::storage(&physics::kept(seeker.spec));
        if self.home(seeker.spec) == Some(site) || self.copies(seeker.spec).contains(&site) {
            return false;
        }
        let room = &self.sites[site];
        let full = |limit: i64| room.stored + i128::from(asked) > i128::from(limit);
        asked > 0 && room.storage.is_some_and(full)
    }

    /// What speaks against running a server on a host.
    pub(super) fn primary(&self, seeker: &Seeker<'_>, at: usize) -> Result<(), No> {
        let host = &self.model.base.hosts[at];
        if !host.open || !allows(seeker.spec, self.model.base.sites[host.site].name) {
            return Err(No::Place);
        }
        let free = self.free(at);
        for (d, &left) in free.iter().enumerate() {
            if seeker.need[d] > left {
                return Err(No::Room(d, left));
            }
        }
        let room = &self.sites[host.site];
        if (0..2).any(|d| room.used[d] + seeker.need[d] > room.ceiling[d]) {
            return Err(No::Ceiling);
        }
        let (asked, left) = self.watts(seeker, at);
        if asked > left {
            return Err(No::Watts(asked, left));
        }
        if self.no_storage(seeker, host.site) {
            return Err(No::Storage);
        }
        let rack = Falls::Rack(host.rack);
        let stands = |f: usize| self.scenarios.taking(rack).binary_search(&f).is_err();
        if self.meets(seeker, at, None, stands) {
            return Err(No::Apart);
        }
        if self.strays(seeker, at, |other| other.host) {
            return Err(No::Together);
        }
        Ok(())
    }

    /// What speaks against reserving a host for a server that runs in `rack`.
    pub(super) fn backup(&self, seeker: &Seeker<'_>, rack: usize, at: usize) -> Result<(), No> {
        let base = &self.model.base;
        let (host, home) = (&base.hosts[at], &base.racks[rack]);
        let shares = seeker.spec.spread == Spread::SharedRisk
            && base
                .shared_risk(&home.risks, &base.racks[host.rack].risks)
                .is_some();
        let sites = [base.sites[home.site].name, base.sites[host.site].name];
        let allowed = allows(seeker.spec, sites[1]) && covers(seeker.spec, &sites);
        if !host.open || !allowed || host.site == home.site || shares {
            return Err(No::Place);
        }
        if seeker.spec.warm && !self.model.on[at] {
            return Err(No::Asleep);
        }
        for &f in self.scenarios.taking(Falls::Rack(rack)) {
            if self.scenarios.takes_rack(f, host.rack) {
                continue;
            }
            for (d, left) in self.free_after(at, f).into_iter().enumerate() {
                if seeker.need[d] > left {
                    return Err(No::Room(d, left));
                }
            }
            let (asked, left) = self.watts_after(seeker, at, f);
            if asked > left {
                return Err(No::Watts(asked, left));
            }
        }
        let starts =
            |f: usize| self.scenarios.takes_rack(f, rack) && !self.scenarios.takes_rack(f, host.rack);
        if self.meets(seeker, at, Some(rack), starts) {
            return Err(No::Apart);
        }
        if self.strays(seeker, at, |other| other.backup) {
            return Err(No::Together);
        }
        Ok(())
    }

    /// Whether a server at this host would meet another of its group: now, unless it only starts there after the loss
    /// of `home`, and in every scenario in which it is `there`.
    fn meets(
        &self,
        seeker: &Seeker<'_>,
        at: usize,
        home: Option<usize>,
        there: impl Fn(usize) -> bool,
    ) -> bool {
        let Some(mine) = &seeker.spec.apart else {
            return false;
        };
        let others = self.model.servers.iter().filter(|other| {
            other.id != seeker.id
                && other.spec.tenant == seeker.spec.tenant
                && other.spec.apart.as_ref().is_some_and(|its| {
                    its.group == mine.group && (its.domain.is_none() || its.domain != mine.domain)
                })
        });
        for other in others {
            let its = other.spec.apart.as_ref().map_or(mine.by, |its| its.by);
            let meet =
                |place: Option<usize>| place.is_some_and(|place| self.meet(mine.by.max(its), at, place));
            if home.is_none() && meet(other.host) {
                return true;
            }
            let mut losses: Vec<usize> = self.scenarios.taking(other.falls).to_vec();
            losses.extend(
                home.into_iter()
                    .flat_map(|rack| self.scenarios.taking(Falls::Rack(rack))),
            );
            for f in losses.into_iter().filter(|&f| there(f)) {
                if meet(self.after(other, f)) {
                    return true;
                }
            }
        }
        false
    }

    /// Whether a server at this host would be away from another of its affinity group.
    pub(super) fn strays(
        &self,
        seeker: &Seeker<'_>,
        at: usize,
        place: impl Fn(&Placed<'_>) -> Option<usize>,
    ) -> bool {
        let Some(mine) = &seeker.spec.together else {
            return false;
        };
        self.model.servers.iter().any(|other| {
            let its = other.spec.together.as_ref();
            let same = other.id != seeker.id && other.spec.tenant == seeker.spec.tenant;
            let near = its.filter(|its| same && its.group == mine.group);
            near.zip(place(other))
                .is_some_and(|(its, place)| !self.meet(mine.by.min(its.by), at, place))
        })
    }

    fn after(&self, server: &Placed<'_>, f: usize) -> Option<usize> {
        if self.scenarios.taking(server.falls).binary_search(&f).is_err() {
            return server.host;
        }
        let stands = |&host: &usize| !self.scenarios.takes_rack(f, self.model.base.hosts[host].rack);
        server.backup.filter(stands)
    }

    pub(super) fn meet(&self, by: ApartBy, here: usize, there: usize) -> bool {
        let (one, two) = (&self.model.base.hosts[here], &self.model.base.hosts[there]);
        match by {
            ApartBy::Host => here == there,
            ApartBy::Rack => one.rack == two.rack,
            ApartBy::Site => one.site == two.site,
        }
    }

    /// Whether further copies can be had, beside the primary in `rack` and the reserve in `reserve`: sites that take
    /// something new, have the storage and share no more than the policy accepts.
    fn further(&self, seeker: &Seeker<'_>, rack: usize, reserve: usize) -> bool {
        let base = &self.model.base;
        if self.no_storage(seeker, base.racks[reserve].site) {
            return false;
        }
        let mut taken: Vec<(usize, &[usize])> = [rack, reserve]
            .iter()
            .map(|&rack| (base.racks[rack].site, &base.racks[rack].risks[..]))
            .collect();
        let sites: Vec<usize> = (0..base.sites.len())
            .filter(|&site| self.may_use(seeker.spec, site) && !self.no_storage(seeker, site))
            .collect();
        let missing = usize::try_from(seeker.spec.copies - 2).unwrap_or(0);
        self.extend(seeker, &sites, missing, &mut taken)
    }

    fn extend<'t>(
        &'t self,
        seeker: &Seeker<'_>,
        sites: &[usize],
        missing: usize,
        taken: &mut Vec<(usize, &'t [usize])>,
    ) -> bool {
        if missing == 0 {
            return true;
        }
        let base = &self.model.base;
        for (at, &site) in sites.iter().enumerate() {
            let risks = &base.sites[site].risks[..];
            let near = |&(other, shares): &(usize, &[usize])| {
                other == site
                    || seeker.spec.spread == Spread::SharedRisk && base.shared_risk(risks, shares).is_some()
            };
            let mut names: Vec<_> = taken.iter().map(|&(other, _)| base.sites[other].name).collect();
            names.push(base.sites[site].name);
            if taken.iter().any(near) || !covers(seeker.spec, &names) {
                continue;
            }
            taken.push((site, risks));
            if self.extend(seeker, &sites[at + 1..], missing - 1, taken) {
                return true;
            }
            taken.pop();
        }
        false
    }

    /// A place that has everything the policy asks: host, and reserve if it asks for one. By brute force; what a
    /// reserve has to be depends on the rack of the primary only.
    pub(super) fn pair(&self, seeker: &Seeker<'_>) -> Option<(usize, Option<usize>)> {
        let mut tried = vec![false; self.model.base.racks.len()];
        for at in 0..self.model.base.hosts.len() {
            let rack = self.model.base.hosts[at].rack;
            if tried[rack] || self.primary(seeker, at).is_err() {
                continue;
            }
            if seeker.spec.copies <= 1 {
                return Some((at, None));
            }
            tried[rack] = true;
            let reserve = (0..self.model.base.hosts.len()).find(|&reserve| {
                self.backup(seeker, rack, reserve).is_ok()
                    && self.further(seeker, rack, self.model.base.hosts[reserve].rack)
            });
            if reserve.is_some() {
                return Some((at, reserve));
            }
        }
        None
    }
}

pub(super) fn allows(spec: &Server, site: &crate::ids::SiteName) -> bool {
    let named = spec.sites_allowed.as_ref();
    named.is_none_or(|sites| sites.contains(site)) && covers(spec, &[site])
}

/// Whether one of the server's sets holds all of these sites.
fn covers(spec: &Server, sites: &[&crate::ids::SiteName]) -> bool {
    let sets = &spec.site_sets;
    sets.is_empty()
        || sets
            .iter()
            .any(|set| sites.iter().all(|site| set.contains(*site)))
}
