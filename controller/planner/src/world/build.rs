//! From the fleet to its dense form: bounds are checked here, so that nothing later can overflow or be missing.
//! What cannot be used is set aside and named in `problems`. No I/O.

use std::collections::BTreeSet;

use super::servers::{Interned, dense_servers};
use super::zones::Zones;
use super::{DenseHost, DenseRack, DenseSite, World, Zone, power};
use crate::fleet::{Fleet, Host, HostUse, Rack, Site, State};
use crate::ids::{HostName, SiteName};
use crate::plan::Problem;
use crate::score;

/// Largest number of thousandths of a core on a host or in a request: a million cores.
pub(super) const MAX_CPU: i64 = 1_000_000_000;
/// Largest memory or storage, in MiB: an exbibyte.
pub(super) const MAX_MIB: i64 = 1 << 40;
/// Largest draw of one host, device or feed, in watts: a megawatt.
const MAX_WATTS: i64 = 1_000_000;
/// Largest overcommit, in percent: a hundred virtual cores per core.
const MAX_OVERCOMMIT: i64 = 10_000;

/// Collects problems.
struct Notes(Vec<Problem>);

impl Notes {
    fn add(&mut self, what: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem {
            what: what.into(),
            message: message.into(),
        });
    }
}

/// Builds the dense form of `fleet`.
pub(crate) fn build(fleet: &Fleet) -> World<'_> {
    let mut notes = Notes(Vec::new());
    let names = site_names(fleet, &mut notes);
    let mut zones = Zones::new(fleet, &names);
    let mut sites: Vec<DenseSite> = names
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let zone = zones.zone(fleet, index, name, None);
            dense_site(name, fleet.sites.get(name), zone, &mut notes)
        })
        .collect();
    let racks = dense_racks(fleet, &names, &sites, &mut zones, &mut notes);
    let hosts = dense_hosts(fleet, &names, &racks, &mut sites, &mut zones.list, &mut notes);
    for (name, site) in names.iter().zip(&mut sites) {
        let percent = fleet
            .sites
            .get(name)
            .map_or(0, |site| site.ceiling_percent.clamp(0, 100));
        site.ceiling = site
            .capacity
            .map(|amount| amount / 100 * percent + amount % 100 * percent / 100);
    }
    let mut world = World {
        fleet,
        sites,
        racks,
        hosts,
        zones: zones.list,
        scenarios: zones.scenarios,
        servers: Vec::new(),
        ids: Vec::new(),
        class_of: Vec::new(),
        bonds: Vec::new(),
        classes: Vec::new(),
        tenants: fleet.tenants.keys().cloned().collect(),
        groups: Vec::new(),
        circles: Vec::new(),
        interned: Interned::default(),
        problems: Vec::new(),
    };
    dense_servers(&mut world);
    weigh_hosts(&mut world);
    world.problems = notes.0;
    world.problems.sort();
    world
}

/// Every site of the fleet, and every one that a placement names: a site whose object was deleted is held, not
/// forgotten, because servers and data are there.
fn site_names(fleet: &Fleet, notes: &mut Notes) -> Vec<SiteName> {
    let mut names: BTreeSet<&SiteName> = fleet.sites.keys().collect();
    for current in fleet
        .servers
        .values()
        .filter_map(|server| server.current.as_ref())
    {
        for name in current.copy_sites.iter().chain([&current.site]) {
            if names.insert(name) {
                notes.add(
                    format!("site/{name}"),
                    "servers are recorded there and the site is not known: they stay as recorded; restore the Site",
                );
            }
        }
    }
    names.into_iter().cloned().collect()
}

fn dense_site(name: &SiteName, site: Option<&Site>, zone: usize, notes: &mut Notes) -> DenseSite {
    let mut state = site.map_or(State::Unknown, |site| site.state);
    let mut storage = None;
    if let Some(site) = site {
        if !(0..=100).contains(&site.ceiling_percent) {
            notes.add(
                format!("site/{name}"),
                format!("ceiling of {} % is not within 0 and 100", site.ceiling_percent),
            );
        }
        if !(1..=MAX_OVERCOMMIT).contains(&site.cpu_overcommit_percent) {
            let percent = site.cpu_overcommit_percent;
            notes.add(
                format!("site/{name}"),
                format!("overcommit of {percent} % is not within 1 and {MAX_OVERCOMMIT}"),
            );
            state = State::Unknown;
        }
        storage = site.storage_mib.map(|mib| {
            let (mib, taken) = (mib.clamp(0, MAX_MIB), site.storage_taken_mib.clamp(0, MAX_MIB));
            (mib - taken).max(0)
        });
    }
    DenseSite {
        name: name.clone(),
        open: state == State::Active,
        keeps_copies: state != State::Fenced,
        draining: state == State::Draining,
        held: matches!(state, State::Fenced | State::Unknown),
        unknown: state == State::Unknown,
        unreadable: state == State::Unknown,
        capacity: [0; 2],
        ceiling: [0; 2],
        taken: [0; 2],
        storage_taken: site.map_or(0, |site| site.storage_taken_mib.clamp(0, MAX_MIB)),
        storage_in_all: site
            .and_then(|site| site.storage_mib)
            .map(|mib| mib.clamp(0, MAX_MIB)),
        storage,
        zone,
        hosts: Vec::new(),
        zones: Vec::new(),
    }
}

fn dense_racks(
    fleet: &Fleet,
    names: &[SiteName],
    sites: &[DenseSite],
    zones: &mut Zones<'_>,
    notes: &mut Notes,
) -> Vec<DenseRack> {
    let mut racks = Vec::new();
    for (name, rack) in &fleet.racks {
        let what = || format!("rack/{name}");
        let (Ok(site), true) = (
            names.binary_search(&rack.site),
            fleet.sites.contains_key(&rack.site),
        ) else {
            notes.add(
                what(),
                format!(
                    "its site {} does not exist: correct spec.site or create the Site",
                    rack.site
                ),
            );
            continue;
        };
        let sound = rack.feeds.len() <= 64
            && rack
                .feeds
                .iter()
                .all(|feed| (0..=MAX_WATTS).contains(&feed.watts))
            && (0..=100).contains(&rack.derate_percent)
            && rack
                .max_watts
                .is_none_or(|limit| (0..=MAX_WATTS * 64).contains(&limit))
            && (0..=MAX_WATTS).contains(&rack.other_watts);
        if !sound {
            notes.add(what(), "its power figures are negative or beyond any rack: it gets no power until they are corrected");
        } else if rack.feeds.is_empty() {
            notes.add(
                what(),
                "it has no feeds: how much it may draw is not known, so that nothing new is put there",
            );
        }
        let mut seen = BTreeSet::new();
        for feed in &rack.feeds {
            if !seen.insert(&feed.name) {
                notes.add(what(), format!("feed {} is listed twice", feed.name));
            }
        }
        racks.push(DenseRack {
            name: name.clone(),
            site,
            zone: zones.zone(fleet, site, &rack.site, Some(name)),
            capacity_mw: if sound { power::capacity_mw(rack) } else { 0 },
            feed_watts: if sound {
                power::feed_watts(rack)
            } else {
                Vec::new()
            },
            other_mw: rack.other_watts.clamp(0, MAX_WATTS) * 1000,
            open: rack.state == State::Active && sites[site].open,
        });
    }
    racks
}

fn dense_hosts(
    fleet: &Fleet,
    names: &[SiteName],
    racks: &[DenseRack],
    sites: &mut [DenseSite],
    zones: &mut [Zone],
    notes: &mut Notes,
) -> Vec<DenseHost> {
    let mut hosts = Vec::new();
    for (name, host) in &fleet.hosts {
        let what = || format!("host/{name}");
        let placed = rack_of(fleet, racks, host);
        let Some((rack, rack_spec, site_spec)) = placed else {
            notes.add(
                what(),
                format!(
                    "its rack {} does not exist or has no site: it is not used",
                    host.rack
                ),
            );
            continue;
        };
        let site = racks[rack].site;
        if names[site] != host.site {
            let message = format!(
                "it says site {} and its rack stands in {}: it is not used",
                host.site, names[site]
            );
            notes.add(what(), message);
            continue;
        }
        if let Err(message) = sound_host(host) {
            notes.add(what(), format!("{message}: it is not used"));
            continue;
        }
        let dense = dense_host(
            name,
            host,
            (site, &sites[site]),
            (rack, &racks[rack], rack_spec),
            site_spec,
        );
        let zone = dense.zone;
        let place_in_zone = zones[zone].hosts.len();
        let overcommit = site_spec.cpu_overcommit_percent.clamp(1, MAX_OVERCOMMIT);
        if !dense.held && !dense.draining {
            let site = &mut sites[site];
            let taken = [host.taken_cpu_milli * overcommit / 100, host.taken_memory_mib];
            for (d, full) in [dense.full_cpu, host.memory_mib].into_iter().enumerate() {
                site.capacity[d] += full;
                site.taken[d] += taken[d].min(full);
            }
        }
        let unready = matches!(host.usable, HostUse::NotReady | HostUse::Unknown);
        sites[site].unreadable |= (unready || rack_spec.state == State::Unknown)
            && site_spec.state != State::Fenced
            && rack_spec.state != State::Fenced;
        sites[site].hosts.push(hosts.len());
        if !sites[site].zones.contains(&zone) {
            sites[site].zones.push(zone);
        }
        zones[zone].hosts.push(hosts.len());
        hosts.push(DenseHost {
            place_in_zone,
            ..dense
        });
    }
    hosts
}

fn rack_of<'f>(fleet: &'f Fleet, racks: &[DenseRack], host: &Host) -> Option<(usize, &'f Rack, &'f Site)> {
    let index = racks.binary_search_by(|rack| rack.name.cmp(&host.rack)).ok()?;
    let rack = fleet.racks.get(&host.rack)?;
    Some((index, rack, fleet.sites.get(&rack.site)?))
}

fn sound_host(host: &Host) -> Result<(), &'static str> {
    if !(1..=MAX_CPU).contains(&host.cpu_milli) {
        Err("it has no cores or too many to be true")
    } else if !(1..=MAX_MIB).contains(&host.memory_mib) {
        Err("it has no memory or too much to be true")
    } else if !(0..=MAX_CPU).contains(&host.taken_cpu_milli)
        || !(0..=MAX_MIB).contains(&host.taken_memory_mib)
    {
        Err("what other pods take there is negative or too much to be true")
    } else if host.idle_watts < 0 || !(host.idle_watts..=MAX_WATTS).contains(&host.max_watts) {
        Err("its watts are negative, too many, or less at full load than idle")
    } else {
        Ok(())
    }
}

fn dense_host(
    name: &HostName,
    host: &Host,
    (site, dense_site): (usize, &DenseSite),
    (rack, dense_rack, rack_spec): (usize, &DenseRack, &Rack),
    site_spec: &Site,
) -> DenseHost {
    let overcommit = site_spec.cpu_overcommit_percent.clamp(1, MAX_OVERCOMMIT);
    let unready = matches!(host.usable, HostUse::NotReady | HostUse::Unknown);
    let held = dense_site.held || matches!(rack_spec.state, State::Fenced | State::Unknown) || unready;
    let fenced = site_spec.state == State::Fenced || rack_spec.state == State::Fenced;
    let draining = !held
        && (dense_site.draining || rack_spec.state == State::Draining || host.usable == HostUse::Draining);
    let free_cpu = (host.cpu_milli - host.taken_cpu_milli).max(0);
    // A host that cannot be read keeps drawing what it is recorded to carry, and is never off. A fenced one is proven
    // to be off.
    let (idle, dynamic) = if fenced {
        (0, 0)
    } else {
        (host.idle_watts, host.max_watts - host.idle_watts)
    };
    let powered = fenced || unready || host.powered || host.taken_cpu_milli > 0;
    let capacity = [
        free_cpu * overcommit / 100,
        (host.memory_mib - host.taken_memory_mib).max(0),
    ];
    DenseHost {
        name: name.clone(),
        site,
        rack,
        zone: dense_rack.zone,
        place_in_zone: 0,
        capacity,
        inverse: score::inverse(capacity),
        inefficiency: 0,
        full_cpu: host.cpu_milli * overcommit / 100,
        idle_mw: idle * 1000,
        dynamic_mw: dynamic * 1000,
        powered,
        open: dense_site.open && rack_spec.state == State::Active && host.usable == HostUse::Usable,
        keeps_reserves: dense_site.unknown || (!held && host.usable != HostUse::Cordoned),
        draining,
        held,
    }
}

/// How efficient every host is, by what the servers ask for in all.
fn weigh_hosts(world: &mut World<'_>) {
    let mut offered = [0i64; 2];
    for host in &world.hosts {
        for (sum, amount) in offered.iter_mut().zip(host.capacity) {
            *sum = sum.saturating_add(amount);
        }
    }
    let mut asked = [0i64; 2];
    for server in &world.servers {
        for (sum, amount) in asked.iter_mut().zip(server.demand) {
            *sum = sum.saturating_add(amount);
        }
    }
    // Thousandths of what is offered; the square makes the scarcer one count more.
    let weights = [0, 1].map(|d| {
        let load = (i128::from(asked[d]) * 1000 / i128::from(offered[d].max(1))).clamp(1, 1000);
        i64::try_from(load * load).unwrap_or(1)
    });
    for host in &mut world.hosts {
        host.inefficiency = score::inefficiency_of(host.idle_mw, host.capacity, offered, weights);
    }
}
