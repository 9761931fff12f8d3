//! The fleet in dense form: names become indices, units become the ones decisions are made in. No I/O.
//!
//! Built once per plan by `build.rs`; what changes while planning is in `state.rs`. Only a server that was granted a larger
//! size takes that on here ([`grow`]), between two rounds.
//! Hosts, racks, sites and servers are in the order of their names, so that an index is a stable tie-break.

mod build;
mod power;
mod servers;
mod zones;

use std::sync::Arc;

use smallvec::SmallVec;

use crate::draw;
use crate::fleet::{ApartBy, Fleet, Granted, Spread};
use crate::ids::{HostName, RackName, RiskName, ServerId, SiteName, TenantName};
use crate::plan::Problem;
use crate::reason::WaitingOn;

pub(crate) use build::build;
pub(crate) use servers::{add_server, forget_server, grow};

/// Number of measures a host is filled in: virtual cores and memory.
pub(crate) const DIMS: usize = 2;

/// Sites that hold a server's copies. Almost every policy keeps one or two: these need no memory of their own, and with very
/// many servers that is what a plan waits for.
pub(crate) type CopySites = SmallVec<[usize; 2]>;

/// Sets of sites, each ascending.
pub(crate) type SiteSets = Arc<[Arc<[usize]>]>;

/// An amount per measure: virtual cores in thousandths, MiB.
pub(crate) type Amount = [i64; DIMS];

/// A count as the signed number that ledgers are kept in.
pub(crate) fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Whole watts, rounded up: a draw is never understated.
pub(crate) fn watts_up(milliwatts: i64) -> i64 {
    milliwatts.div_euclid(1000) + i64::from(milliwatts.rem_euclid(1000) > 0)
}

/// A site. `ceiling` and `capacity` count only the hosts that can be relied on.
#[derive(Debug)]
// Each flag is a separate permission, derived once from the site's state.
#[allow(clippy::struct_excessive_bools)]
pub(crate) struct DenseSite {
    pub(crate) name: SiteName,
    /// Takes new servers, copies and reserves.
    pub(crate) open: bool,
    /// Copies here count (everything but Fenced).
    pub(crate) keeps_copies: bool,
    pub(crate) draining: bool,
    /// Fenced or Unknown: servers recorded here stay recorded.
    pub(crate) held: bool,
    /// Unknown: reserves recorded here stay whatever their host says.
    pub(crate) unknown: bool,
    /// Some of its hosts cannot be read: they may return as they were, so that its copies are not made anew elsewhere yet.
    pub(crate) unreadable: bool,
    pub(crate) capacity: Amount,
    pub(crate) ceiling: Amount,
    /// Used by pods that are not ours, in the same units.
    pub(crate) taken: Amount,
    /// MiB in use by others.
    pub(crate) storage_taken: i64,
    /// MiB in all; `None` is no limit.
    pub(crate) storage_in_all: Option<i64>,
    /// MiB left for us; `None` is no limit.
    pub(crate) storage: Option<i64>,
    /// The zone of a thing that is at the site but in no rack: a copy.
    pub(crate) zone: usize,
    /// Its hosts, ascending.
    pub(crate) hosts: Vec<usize>,
    /// The zones of its hosts, ascending.
    pub(crate) zones: Vec<usize>,
}

/// A rack.
#[derive(Debug)]
pub(crate) struct DenseRack {
    pub(crate) name: RackName,
    pub(crate) site: usize,
    /// The zone of what stands in it.
    pub(crate) zone: usize,
    /// On the surviving feed, derated, in milliwatts.
    pub(crate) capacity_mw: i64,
    /// What each of its feeds may carry by itself, derated, in watts.
    pub(crate) feed_watts: Vec<i64>,
    /// Draw that is neither ours nor colocation, in milliwatts.
    pub(crate) other_mw: i64,
    /// Takes new colocated devices.
    pub(crate) open: bool,
}

/// A host.
#[derive(Debug)]
// Each flag is a separate permission, derived once from site, rack and host state.
#[allow(clippy::struct_excessive_bools)]
pub(crate) struct DenseHost {
    pub(crate) name: HostName,
    pub(crate) site: usize,
    pub(crate) rack: usize,
    pub(crate) zone: usize,
    /// Its number among the hosts of the zone.
    pub(crate) place_in_zone: usize,
    /// For us: after overcommit and after what others' pods take.
    pub(crate) capacity: Amount,
    /// `score::inverse` of the capacity.
    pub(crate) inverse: Amount,
    /// `score::inefficiency_of` it.
    pub(crate) inefficiency: i64,
    /// Virtual cores of the whole host, in thousandths: the denominator of the draw.
    pub(crate) full_cpu: i64,
    pub(crate) idle_mw: i64,
    /// Draw at full load less idle, in milliwatts.
    pub(crate) dynamic_mw: i64,
    pub(crate) powered: bool,
    /// Takes new servers and reserves.
    pub(crate) open: bool,
    /// Reserves that are here may stay.
    pub(crate) keeps_reserves: bool,
    pub(crate) draining: bool,
    /// Nothing may be concluded about it: servers recorded here stay.
    pub(crate) held: bool,
}

impl DenseHost {
    /// What a server with `cpu` thousandths of a virtual core adds to the draw, in milliwatts, rounded up.
    pub(crate) fn draw_mw(&self, cpu: i64) -> i64 {
        draw::share_mw(cpu, self.full_cpu, self.dynamic_mw)
    }
}

/// Where two hosts are alike as to what takes them down: a site and the cross-site risks of site and rack.
#[derive(Debug)]
pub(crate) struct Zone {
    pub(crate) site: usize,
    /// Scenarios (indices into `World::scenarios`) that take this zone down, ascending.
    pub(crate) scenarios: Vec<usize>,
    /// Its hosts, ascending.
    pub(crate) hosts: Vec<usize>,
}

/// A scenario that reserves are kept for. Racks, feeds, panels and risks within one site need none of their own: a
/// backup is always at another site, so that what they displace is part of what the loss of the site displaces, and
/// its targets are the same hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DenseScenario {
    Site(usize),
    /// A risk that takes hosts or copies at more than one site.
    Risk(RiskName),
}

/// A size that waits, of a server that goes on with a smaller one.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) demand: Amount,
    pub(crate) class: usize,
    pub(crate) guest_mib: i64,
    pub(crate) storage: i64,
}

/// A virtual server that can be placed.
#[derive(Debug)]
// Each flag is a separate property of the request.
#[allow(clippy::struct_excessive_bools)]
pub(crate) struct DenseServer {
    pub(crate) tenant: Option<usize>,
    pub(crate) tier: i64,
    pub(crate) created_at: i64,
    /// As granted; so are the class, the memory and the storage.
    pub(crate) demand: Amount,
    /// Without overhead: what the quota counts.
    pub(crate) guest_mib: i64,
    pub(crate) storage: i64,
    /// The larger size that it asks for, until [`grow`].
    pub(crate) asked: Option<Box<Asked>>,
    pub(crate) copies: i64,
    pub(crate) spread: Spread,
    pub(crate) warm: bool,
    /// Where it may be; one for all that may be in the same places.
    pub(crate) reach: Arc<Reach>,
    /// Why it can never be placed as written.
    pub(crate) malformed: Option<Box<WaitingOn>>,
    /// The last decision.
    pub(crate) was: Option<Box<Was>>,
    pub(crate) released: bool,
}

/// The sites that a server may be at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Reach {
    /// Sites it may use; ascending. `None` is any.
    pub(crate) allowed: Option<Arc<[usize]>>,
    /// Sets of sites, each ascending, of which one covers the server and its copies; `None` is no such rule. `allowed` is within them.
    pub(crate) sets: Option<SiteSets>,
}

/// The groups that a server belongs to. Half the usual width: every server is asked for them at every host, in any order,
/// and of a hundred thousand each byte is waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bonds {
    /// Its part in an anti-affinity group.
    apart: Option<Apartness>,
    /// Index into `World::circles`, and how near.
    together: Option<(u32, ApartBy)>,
}

/// A server's part in an anti-affinity group: which, and how far apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Apartness {
    /// Index into `World::groups`.
    pub(crate) group: u32,
    pub(crate) by: ApartBy,
    /// Number of its domain within the group; members of one domain may be together.
    pub(crate) domain: Option<u32>,
}

/// Where a server was.
#[derive(Debug, Clone)]
pub(crate) struct Was {
    pub(crate) site: usize,
    /// The zone of the recorded rack where that is known and stands at the site; else the site's.
    pub(crate) zone: usize,
    /// Known only when the host is in the fleet and usable as a place in the books.
    pub(crate) host: Option<usize>,
    /// The recorded host is in the fleet but was set aside (its rack is unknown): hold.
    pub(crate) host_set_aside: bool,
    pub(crate) backup: Option<usize>,
    /// Sites with a copy, ascending, the primary's not among them.
    pub(crate) copies: Vec<usize>,
}

impl DenseHost {
    /// Whether a server that is down may be started here, at the price of ceilings and reserves.
    pub(crate) fn takes_over(&self) -> bool {
        !self.held && (self.open || self.keeps_reserves)
    }
}

impl Was {
    /// Whether its data is at this site: a copy, or what it left there.
    pub(crate) fn has_data(&self, site: usize) -> bool {
        self.site == site || self.copies.contains(&site)
    }
}

impl DenseServer {
    /// Whether the policy keeps more than one copy.
    pub(crate) fn is_protected(&self) -> bool {
        self.copies >= 2
    }

    /// The size that counts, as the plan tells it.
    pub(crate) fn granted(&self) -> Granted {
        Granted {
            cpu_milli: self.demand[0],
            memory_mib: self.guest_mib,
            overhead_mib: self.demand[1] - self.guest_mib,
            storage_mib: self.storage,
        }
    }

    /// Of these sites those that may be used together: of every set that covers `with` the one with the most.
    pub(crate) fn most_within(&self, with: &[usize], sites: Vec<usize>) -> Vec<usize> {
        let Some(sets) = &self.reach.sets else {
            return sites;
        };
        let has = |set: &Arc<[usize]>, site: &usize| set.binary_search(site).is_ok();
        let within = |set: &Arc<[usize]>| -> Vec<usize> {
            let inside = sites.iter().copied();
            inside
                .filter(|site| has(set, site) || with.contains(site))
                .collect()
        };
        let covering = sets.iter().filter(|set| with.iter().all(|site| has(set, site)));
        let most = covering.map(within).rev().max_by_key(Vec::len);
        most.unwrap_or_else(|| with.to_vec())
    }

    /// Whether it may use this site.
    pub(crate) fn allows(&self, site: usize) -> bool {
        self.reach.allows(site)
    }
}

impl Class {
    /// Whether the policy keeps more than one copy.
    pub(crate) fn is_protected(&self) -> bool {
        self.copies >= 2
    }
}

impl Reach {
    /// Whether these sites may hold a server and its copies together.
    pub(crate) fn spans(&self, sites: &[usize]) -> bool {
        self.sets.as_ref().is_none_or(|sets| {
            let covers = |set: &Arc<[usize]>| sites.iter().all(|site| set.binary_search(site).is_ok());
            sets.iter().any(covers)
        })
    }

    /// Whether a server may use this site.
    pub(crate) fn allows(&self, site: usize) -> bool {
        let allowed = self.allowed.as_ref();
        allowed.is_none_or(|sites| sites.binary_search(&site).is_ok())
    }
}

/// What servers of one kind ask for: whatever is true of one of them, groups aside, is true of all.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Class {
    pub(crate) demand: Amount,
    pub(crate) copies: i64,
    pub(crate) spread: Spread,
    pub(crate) warm: bool,
    pub(crate) stores: bool,
    pub(crate) reach: Arc<Reach>,
}

/// The members of one anti-affinity group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// Servers, ascending.
    pub(crate) members: Vec<usize>,
    /// Names of the domains, in the order of their first member.
    pub(crate) domains: Vec<String>,
}

impl Group {
    /// The number of a domain, old or new.
    pub(crate) fn domain(&mut self, name: &str) -> usize {
        let known = self.domains.iter().position(|domain| domain == name);
        known.unwrap_or_else(|| {
            self.domains.push(name.to_owned());
            self.domains.len() - 1
        })
    }
}

/// The members of one affinity group.
#[derive(Debug)]
pub(crate) struct Circle {
    pub(crate) name: String,
    /// Servers, ascending.
    pub(crate) members: Vec<usize>,
}

/// The fleet in dense form.
#[derive(Debug)]
pub(crate) struct World<'f> {
    pub(crate) fleet: &'f Fleet,
    pub(crate) sites: Vec<DenseSite>,
    pub(crate) racks: Vec<DenseRack>,
    pub(crate) hosts: Vec<DenseHost>,
    pub(crate) zones: Vec<Zone>,
    pub(crate) scenarios: Vec<DenseScenario>,
    pub(crate) servers: Vec<DenseServer>,
    /// Per server its identity: apart from the rest, which is read in every order, and this mostly in its own.
    pub(crate) ids: Vec<ServerId>,
    /// Per server an index into `classes`: see [`World::class_of`].
    class_of: Vec<u32>,
    /// Per server: see [`World::apart`] and [`World::together`].
    bonds: Vec<Bonds>,
    /// In the order of their first server.
    pub(crate) classes: Vec<Class>,
    pub(crate) tenants: Vec<TenantName>,
    pub(crate) groups: Vec<Group>,
    pub(crate) circles: Vec<Circle>,
    interned: servers::Interned,
    pub(crate) problems: Vec<Problem>,
}

impl World<'_> {
    /// Which of the classes a server is of: servers that ask for the same.
    pub(crate) fn class_of(&self, server: usize) -> usize {
        self.class_of[server] as usize
    }

    /// The class of a server. The few classes are at hand where one of very many servers is not.
    pub(crate) fn class(&self, server: usize) -> &Class {
        &self.classes[self.class_of(server)]
    }

    /// Storage of one copy of a server as granted, in MiB.
    pub(crate) fn storage(&self, server: usize) -> i64 {
        if self.class(server).stores {
            self.servers[server].storage
        } else {
            0
        }
    }

    /// A server's part in an anti-affinity group.
    pub(crate) fn apart(&self, server: usize) -> Option<Apartness> {
        self.bonds[server].apart
    }

    /// A server's affinity group, an index into `circles`, and how near.
    pub(crate) fn together(&self, server: usize) -> Option<(usize, ApartBy)> {
        let (circle, by) = self.bonds[server].together?;
        Some((circle as usize, by))
    }

    /// The order in which demands are served: tier, then age, then name. Servers are indexed in the order of their
    /// names.
    pub(crate) fn turn(&self, server: usize) -> (i64, i64, usize) {
        let dense = &self.servers[server];
        (dense.tier, dense.created_at, server)
    }

    /// Whether some scenario takes both zones down.
    pub(crate) fn zones_share(&self, a: usize, b: usize) -> bool {
        let (a, b) = (&self.zones[a].scenarios, &self.zones[b].scenarios);
        a.iter().any(|f| b.contains(f))
    }

    /// Whether copies in these two zones are as far apart as `spread` asks.
    pub(crate) fn apart_enough(&self, spread: Spread, a: usize, b: usize) -> bool {
        match spread {
            Spread::Site => self.zones[a].site != self.zones[b].site,
            Spread::SharedRisk => !self.zones_share(a, b),
        }
    }

    /// Index of a site by name.
    pub(crate) fn site(&self, name: &SiteName) -> Option<usize> {
        self.sites.binary_search_by(|site| site.name.cmp(name)).ok()
    }

    /// Index of a rack by name.
    pub(crate) fn rack(&self, name: &RackName) -> Option<usize> {
        self.racks.binary_search_by(|rack| rack.name.cmp(name)).ok()
    }

    /// Index of a host by name.
    pub(crate) fn host(&self, name: &HostName) -> Option<usize> {
        self.hosts.binary_search_by(|host| host.name.cmp(name)).ok()
    }

    /// Index of a server by identity.
    pub(crate) fn server(&self, id: &ServerId) -> Option<usize> {
        self.ids.binary_search(id).ok()
    }
}
