//! Servers in dense form: all of a fleet's, or one more. No I/O.

use std::sync::Arc;

use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};
use smallvec::SmallVec;

use super::build::{MAX_CPU, MAX_MIB};
use super::{
    Amount, Apartness, Asked, Bonds, Circle, Class, DenseServer, Group, Reach, SiteSets, Was, World,
};
use crate::fleet::{Fleet, Granted, Server};
use crate::ids::{HostName, ServerId, TenantName};
use crate::reason::WaitingOn;
use crate::site_set::SiteSet;

/// Largest number of copies.
const MAX_COPIES: i64 = 16;

/// Numbers by name, per tenant. Only ever looked up, never walked: the order is of no account.
type Numbers = HashMap<TenantName, HashMap<String, usize>>;

/// What is numbered as servers come.
#[derive(Debug, Default)]
pub(super) struct Interned {
    groups: Numbers,
    circles: Numbers,
    classes: HashMap<Class, usize>,
    /// Lists of sites: few, and each asked for by very many servers.
    allowed: HashSet<Arc<[usize]>>,
    reaches: HashSet<Arc<Reach>>,
}

/// The number of a name, or `fresh` when it is new.
fn number(numbers: &mut Numbers, tenant: &TenantName, name: &str, fresh: usize) -> usize {
    if let Some(&known) = numbers.get(tenant).and_then(|names| names.get(name)) {
        return known;
    }
    numbers
        .entry(tenant.clone())
        .or_default()
        .insert(name.to_owned(), fresh);
    fresh
}

/// Indices by name, for the many lookups of one build. Only ever looked up, never walked: its order is of no account.
#[derive(Default)]
struct Names<'f> {
    racks: HashMap<&'f str, usize>,
    hosts: HashMap<&'f str, usize>,
}

/// Fills in every server of the fleet.
pub(super) fn dense_servers<'f>(world: &mut World<'f>) {
    let fleet: &'f Fleet = world.fleet;
    let mut names = Names::default();
    let known = fleet.hosts.keys().filter_map(|name| {
        let index = world.host(name)?;
        Some((name.as_str(), index))
    });
    names.hosts.extend(known);
    let known = fleet.racks.keys().filter_map(|name| {
        let index = world.rack(name)?;
        Some((name.as_str(), index))
    });
    names.racks.extend(known);
    let servers = fleet.servers.len();
    world.servers = Vec::with_capacity(servers);
    world.class_of = Vec::with_capacity(servers);
    world.ids = Vec::with_capacity(servers);
    world.bonds = Vec::with_capacity(servers);
    for (id, server) in &fleet.servers {
        push(world, &names, id, server);
    }
}

/// Adds a server that has no place yet, in the free place `at` or behind the last. Returns its index.
pub(crate) fn add_server(world: &mut World<'_>, at: Option<usize>, id: &ServerId, server: &Server) -> usize {
    let index = at.unwrap_or(world.servers.len());
    if index == world.servers.len() {
        push(world, &Names::default(), id, server);
    } else {
        let (dense, class) = dense_server(world, &Names::default(), server);
        world.servers[index] = dense;
        world.class_of[index] = narrow(class);
        world.ids[index] = id.clone();
        world.bonds[index] = bonds(world, index, server);
    }
    index
}

/// Adds a server behind the last.
fn push(world: &mut World<'_>, names: &Names<'_>, id: &ServerId, server: &Server) {
    let bonds = bonds(world, world.servers.len(), server);
    let (dense, class) = dense_server(world, names, server);
    world.servers.push(dense);
    world.class_of.push(narrow(class));
    world.ids.push(id.clone());
    world.bonds.push(bonds);
}

/// Half the width, for what is kept per server; there are no more numbers than servers.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Forgets a server that has no place in the books: its index is free, and nothing waits there.
pub(crate) fn forget_server(world: &mut World<'_>, server: usize) {
    let dense = &mut world.servers[server];
    dense.was = None;
    dense.malformed = Some(Box::new(WaitingOn::Malformed {
        field: "name".to_owned(),
        message: "is that of a server that is gone".to_owned(),
    }));
    let bonds = std::mem::take(&mut world.bonds[server]);
    if let Some(apart) = bonds.apart {
        world.groups[apart.group as usize]
            .members
            .retain(|&member| member != server);
    }
    if let Some((circle, _)) = bonds.together {
        world.circles[circle as usize]
            .members
            .retain(|&member| member != server);
    }
}

/// Gives a server the size that it asks for. The books count it already.
pub(crate) fn grow(world: &mut World<'_>, server: usize) {
    let dense = &mut world.servers[server];
    if let Some(asked) = dense.asked.take() {
        dense.demand = asked.demand;
        world.class_of[server] = narrow(asked.class);
        (dense.guest_mib, dense.storage) = (asked.guest_mib, asked.storage);
    }
}

/// Members are kept ascending.
fn join(members: &mut Vec<usize>, server: usize) {
    let at = members.partition_point(|&member| member < server);
    members.insert(at, server);
}

fn bonds(world: &mut World<'_>, index: usize, server: &Server) -> Bonds {
    Bonds {
        apart: apartness(world, index, server),
        together: togetherness(world, index, server),
    }
}

fn apartness(world: &mut World<'_>, index: usize, server: &Server) -> Option<Apartness> {
    let apart = server.apart.as_ref()?;
    let fresh = world.groups.len();
    let group = number(&mut world.interned.groups, &server.tenant, &apart.group, fresh);
    if group == fresh {
        world.groups.push(Group {
            name: apart.group.clone(),
            members: Vec::new(),
            domains: Vec::new(),
        });
    }
    let members = &mut world.groups[group];
    join(&mut members.members, index);
    Some(Apartness {
        group: narrow(group),
        by: apart.by,
        domain: apart.domain.as_ref().map(|name| narrow(members.domain(name))),
    })
}

fn togetherness(
    world: &mut World<'_>,
    index: usize,
    server: &Server,
) -> Option<(u32, crate::fleet::ApartBy)> {
    let together = server.together.as_ref()?;
    let fresh = world.circles.len();
    let circle = number(
        &mut world.interned.circles,
        &server.tenant,
        &together.group,
        fresh,
    );
    if circle == fresh {
        world.circles.push(Circle {
            name: together.group.clone(),
            members: Vec::new(),
        });
    }
    join(&mut world.circles[circle].members, index);
    Some((narrow(circle), together.by))
}

/// The sites of these names, ascending.
fn sites_of(world: &mut World<'_>, names: &SiteSet) -> Arc<[usize]> {
    let sites: SmallVec<[usize; 8]> = names.iter().filter_map(|name| world.site(name)).collect();
    if let Some(known) = world.interned.allowed.get(sites.as_slice()) {
        return Arc::clone(known);
    }
    let fresh: Arc<[usize]> = sites.as_slice().into();
    world.interned.allowed.insert(Arc::clone(&fresh));
    fresh
}

/// The sets of sites that a server and its copies are within one of.
fn site_sets(world: &mut World<'_>, server: &Server) -> Option<SiteSets> {
    if server.site_sets.is_empty() {
        return None;
    }
    Some(
        server
            .site_sets
            .iter()
            .map(|names| sites_of(world, names))
            .collect(),
    )
}

/// The sites that a server may use: of those that it names the ones in any of its sets.
fn allowed(world: &mut World<'_>, server: &Server, sets: Option<&SiteSets>) -> Option<Arc<[usize]>> {
    if sets.is_none() {
        return server.sites_allowed.as_ref().map(|names| sites_of(world, names));
    }
    let named = server.site_sets.iter().flatten();
    let allowed = server.sites_allowed.as_ref();
    let usable = named.filter(|name| allowed.is_none_or(|allowed| allowed.contains(name)));
    Some(sites_of(world, &usable.cloned().collect()))
}

/// Where a server may be.
fn reach(world: &mut World<'_>, server: &Server) -> Arc<Reach> {
    let sets = site_sets(world, server);
    let reach = Reach {
        allowed: allowed(world, server, sets.as_ref()),
        sets,
    };
    if let Some(known) = world.interned.reaches.get(&reach) {
        return Arc::clone(known);
    }
    let fresh = Arc::new(reach);
    world.interned.reaches.insert(Arc::clone(&fresh));
    fresh
}

/// The number of a class, old or new.
fn intern(world: &mut World<'_>, class: Class) -> usize {
    if let Some(&at) = world.interned.classes.get(&class) {
        return at;
    }
    world.classes.push(class.clone());
    world.interned.classes.insert(class, world.classes.len() - 1);
    world.classes.len() - 1
}

fn class_of(server: &DenseServer) -> Class {
    Class {
        demand: server.demand,
        copies: server.copies,
        spread: server.spread,
        warm: server.warm,
        stores: server.storage > 0,
        reach: Arc::clone(&server.reach),
    }
}

/// A server, and its class.
fn dense_server(world: &mut World<'_>, names: &Names<'_>, server: &Server) -> (DenseServer, usize) {
    let reach = reach(world, server);
    let was = was(world, names, server).map(Box::new);
    let (asked, size) = (within(server.asked()), within(server.counted()));
    let mut dense = DenseServer {
        tenant: world.tenants.binary_search(&server.tenant).ok(),
        tier: server.tier,
        created_at: server.created_at,
        demand: demand(&size),
        guest_mib: size.memory_mib,
        storage: size.storage_mib,
        asked: None,
        copies: server.copies.clamp(1, MAX_COPIES),
        spread: server.spread,
        warm: server.warm,
        reach,
        malformed: malformed(server).map(Box::new),
        was,
        released: server.released,
    };
    let class = intern(world, class_of(&dense));
    if asked != size {
        let larger = Class {
            demand: demand(&asked),
            stores: asked.storage_mib > 0,
            ..class_of(&dense)
        };
        dense.asked = Some(Box::new(Asked {
            demand: larger.demand,
            class: intern(world, larger),
            guest_mib: asked.memory_mib,
            storage: asked.storage_mib,
        }));
    }
    (dense, class)
}

/// The same within what is believed.
fn within(size: Granted) -> Granted {
    Granted {
        cpu_milli: size.cpu_milli.clamp(0, MAX_CPU),
        memory_mib: size.memory_mib.clamp(0, MAX_MIB),
        overhead_mib: size.overhead_mib.clamp(0, MAX_MIB),
        storage_mib: size.storage_mib.clamp(0, MAX_MIB),
    }
}

fn demand(size: &Granted) -> Amount {
    [size.cpu_milli, size.memory_mib + size.overhead_mib]
}

fn was(world: &World<'_>, names: &Names<'_>, server: &Server) -> Option<Was> {
    let current = server.current.as_ref()?;
    let site = world.site(&current.site)?;
    let host_of = |name: &HostName| names.hosts.get(name.as_str()).copied();
    let host = current.host.as_ref().and_then(host_of);
    let mut copies: Vec<usize> = current
        .copy_sites
        .iter()
        .filter_map(|name| world.site(name))
        .collect();
    let backup = current.backup.as_ref().and_then(host_of);
    let at = host.map_or(site, |host| world.hosts[host].site);
    copies.extend(backup.map(|host| world.hosts[host].site));
    copies.retain(|&copy| copy != at);
    copies.sort_unstable();
    copies.dedup();
    let rack = names.racks.get(current.rack.as_str()).copied();
    let rack = rack.filter(|&rack| world.racks[rack].site == at);
    Some(Was {
        site: at,
        zone: rack.map_or(world.sites[at].zone, |rack| world.racks[rack].zone),
        host,
        host_set_aside: host.is_none()
            && current
                .host
                .as_ref()
                .is_some_and(|name| world.fleet.hosts.contains_key(name)),
        backup,
        copies,
    })
}

/// What is wrong with the request itself, if anything.
fn malformed(server: &Server) -> Option<WaitingOn> {
    let wrong = |field: &str, message: String| {
        Some(WaitingOn::Malformed {
            field: field.to_owned(),
            message,
        })
    };
    if !(1..=MAX_CPU).contains(&server.cpu_milli) {
        return wrong(
            "cores",
            format!("is {} thousandths and has to be at least 1", server.cpu_milli),
        );
    }
    if !(1..=MAX_MIB).contains(&server.memory_mib) {
        return wrong(
            "memory",
            format!("is {} MiB and has to be at least 1", server.memory_mib),
        );
    }
    if !(0..=MAX_MIB).contains(&server.overhead_mib) || !(0..=MAX_MIB).contains(&server.storage_mib) {
        return wrong(
            "disks",
            "have a size that is negative or beyond any store".to_owned(),
        );
    }
    if !(1..=MAX_COPIES).contains(&server.copies) {
        return wrong(
            "policy",
            format!(
                "asks for {} copies and 1 to {MAX_COPIES} can be kept",
                server.copies
            ),
        );
    }
    None
}
