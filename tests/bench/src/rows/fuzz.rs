//! 10,000 random events on a small fleet, the checker after each. No I/O.
//!
//! Four sites (two share a substation), twelve racks, 40 hosts, about 150 servers, four tenants, six colocations; the
//! draws decide what happens to what. Events of 1 in about 40 put a site or rack out of reach, and most of the next ones
//! may be what brings it back, so that the fleet is seldom whole and never gone.
//!
//! In a second run a batch of small servers comes every 50 events, enough of them to be placed together, and goes again.

use raidc_planner::{
    ApartBy, Colocation, ColocationId, Device, Fleet, Host, HostName, HostUse, Plan, PlanOptions, Quota,
    Rack, RackName, Server, ServerId, SiteName, State, Tenant, TenantName, check, confirm_waiting, plan,
};

use super::Context;
use crate::dice::Dice;
use crate::fleets;
use crate::stopwatch::show;

const SERVERS: usize = 150;

/// Servers of a batch, every how many events one comes, and how many events it stays.
const BATCH: (usize, usize, usize) = (80, 50, 20);

/// What came of the events.
#[derive(Default)]
struct Came {
    violations: usize,
    /// The first violation, and after which event.
    first: Option<String>,
    placed: usize,
    waiting: usize,
    /// Batches of which every server found a place at once.
    whole: usize,
}

impl Came {
    /// Puts a plan before the checker.
    fn look(&mut self, fleet: &Fleet, made: &Plan, when: impl FnOnce() -> String) {
        let mut faults = check(fleet, made);
        faults.extend(confirm_waiting(fleet, made));
        if let Some(fault) = faults.first() {
            self.violations += faults.len();
            self.first.get_or_insert_with(|| format!("{}: {fault:?}", when()));
        }
    }
}

/// The row.
pub(crate) fn fuzz(context: &mut Context) {
    let events = if context.quick { 1000 } else { 10_000 };
    for (events, batches) in [(events, false), (events / 10, true)] {
        let start = std::time::Instant::now();
        let came = run(events, context.seed, batches);
        let said = came
            .first
            .map_or_else(String::new, |first| format!("; first: {first}"));
        let what = if batches { " with batches" } else { "" };
        let whole = if batches {
            format!(", {} of {} batches whole", came.whole, events / BATCH.1)
        } else {
            String::new()
        };
        context.table.goal(
            &format!("fuzz: {events} events{what}"),
            &format!("{} violations, seed {}{said}", came.violations, context.seed),
            &format!(
                "mean {} placed, {} waiting{whole}; {}",
                came.placed / events,
                came.waiting / events,
                show(start.elapsed())
            ),
            "0 violations",
            came.violations == 0,
        );
    }
}

fn run(events: usize, seed: u64, batches: bool) -> Came {
    let mut dice = Dice::new(seed);
    // With dice of its own, so that the other events of a seed stay what they are.
    let mut batch_dice = Dice::new(seed ^ 0xba7c);
    let mut fleet = small(&mut dice);
    let options = PlanOptions::default();
    let mut came = Came::default();
    let first = plan(&fleet, &options);
    came.look(&fleet, &first, || "at first".to_owned());
    first.feed_back(&mut fleet);
    for number in 0..events {
        let what = event(&mut fleet, &mut dice, number);
        let new = batches && number % BATCH.1 == BATCH.1 / 2;
        if new {
            fleet.tenants.insert("import".into(), Tenant::default());
            fleet
                .servers
                .extend((0..BATCH.0).map(|at| of_batch(&mut batch_dice, number, at)));
        } else if number % BATCH.1 == BATCH.1 / 2 + BATCH.2 {
            fleet.tenants.remove(&TenantName::from("import"));
            fleet.servers.retain(|id, _| *id.namespace != *"import");
        }
        let made = plan(&fleet, &options);
        came.look(&fleet, &made, || format!("event {number} ({what})"));
        let is_of_batch = |id: &&ServerId| *id.namespace == *"import";
        came.whole += usize::from(new && made.servers.keys().filter(is_of_batch).count() == BATCH.0);
        came.placed += made.servers.len();
        came.waiting += made.waiting.len();
        made.feed_back(&mut fleet);
    }
    came
}

/// A small server of a tenant of its own, first in turn; one in eight may be in a group.
fn of_batch(dice: &mut Dice, number: usize, at: usize) -> (ServerId, Server) {
    let (_, server) = server(dice, number);
    let id = ServerId::new("import", format!("b{number:05}-{at:02}"));
    let small = Server {
        tenant: "import".into(),
        tier: 0,
        cpu_milli: server.cpu_milli / 32,
        memory_mib: server.memory_mib / 32,
        overhead_mib: 0,
        storage_mib: server.storage_mib / 64,
        copies: server.copies.min(2),
        warm: false,
        apart: server.apart.filter(|_| at.is_multiple_of(8)),
        ..server
    };
    (id, small)
}

fn host(dice: &mut Dice) -> Host {
    let cores = dice.between(2, 8) * 8;
    Host {
        cpu_milli: cores * 1000,
        memory_mib: cores * 4096,
        taken_cpu_milli: if dice.once_in(4) { 500 } else { 0 },
        idle_watts: 40 + 2 * cores,
        max_watts: 80 + 9 * cores,
        watts_known: true,
        powered: dice.once_in(3),
        ..Host::default()
    }
}

fn server(dice: &mut Dice, number: usize) -> (ServerId, Server) {
    let tenant = TenantName::from(format!("city-{}", dice.index(4)));
    let cores = dice.between(1, 16);
    let by = *dice
        .pick(&[ApartBy::Host, ApartBy::Rack, ApartBy::Site])
        .unwrap_or(&ApartBy::Host);
    let apart = dice
        .once_in(4)
        .then(|| fleets::apart(format!("g{}", dice.roll(8)), by));
    let server = Server {
        tenant: tenant.clone(),
        tier: dice.between(1, 3),
        created_at: i64::try_from(number).unwrap_or(0),
        cpu_milli: cores * 500,
        memory_mib: dice.between(1, 8) * cores * 256,
        overhead_mib: 256,
        storage_mib: dice.between(0, 200) * 1024,
        copies: if dice.once_in(4) { 1 } else { dice.between(2, 3) },
        warm: dice.once_in(8),
        apart,
        ..Server::default()
    };
    (ServerId::new(tenant.as_str(), format!("s{number:05}")), server)
}

fn small(dice: &mut Dice) -> Fleet {
    let mut fleet = Fleet::default();
    let sites = fleets::sites(&mut fleet);
    for site in fleet.sites.values_mut().take(2) {
        site.shared_risks.insert("substation/one".into());
    }
    for (at, site) in sites.iter().enumerate() {
        for rack in 0..3 {
            let name = RackName::from(format!("{site}-r{rack}"));
            let number = if rack == 0 { 4 } else { 3 };
            let hosts = (0..number)
                .map(|host_at| (HostName::from(format!("h{at}{rack}{host_at}")), host(dice)))
                .collect();
            let percent = dice.between(70, 120);
            fleets::rack(&mut fleet, &name, site, hosts, percent);
        }
    }
    for at in 0..4 {
        let quota = Quota {
            servers: (at == 0).then_some(45),
            cpu_milli: (at == 1).then_some(200_000),
            ..Quota::default()
        };
        fleet
            .tenants
            .insert(TenantName::from(format!("city-{at}")), Tenant { quota });
    }
    for at in 0..6 {
        let colocation = Colocation {
            tenant: TenantName::from(format!("city-{}", at % 4)),
            devices: (0..2).map(|number| device(dice, number)).collect(),
            ..Colocation::default()
        };
        fleet.colocations.insert(
            ColocationId::new(format!("city-{}", at % 4), format!("c{at}")),
            colocation,
        );
    }
    for number in 0..SERVERS {
        let (id, server) = server(dice, number);
        fleet.servers.insert(id, server);
    }
    fleet
}

fn device(dice: &mut Dice, number: usize) -> Device {
    Device {
        name: format!("d{number}"),
        units: dice.between(1, 2),
        watts: dice.between(50, 300),
        feeds: dice.between(1, 2),
    }
}

/// A drawn entry of a map.
fn any<'a, K: Clone + Ord, V>(
    map: &'a mut std::collections::BTreeMap<K, V>,
    dice: &mut Dice,
) -> Option<(K, &'a mut V)> {
    let at = dice.index(map.len());
    map.iter_mut().nth(at).map(|(key, value)| (key.clone(), value))
}

/// Lets something happen and says what.
fn event(fleet: &mut Fleet, dice: &mut Dice, number: usize) -> String {
    match dice.roll(16) {
        0..=2 => servers_come_and_go(fleet, dice, number),
        3..=6 => server_changes(fleet, dice),
        7..=9 => host_changes(fleet, dice, number),
        10..=11 => rack_changes(fleet, dice),
        12..=13 => site_changes(fleet, dice),
        _ => tenant_changes(fleet, dice),
    }
}

fn servers_come_and_go(fleet: &mut Fleet, dice: &mut Dice, number: usize) -> String {
    if fleet.servers.len() < SERVERS + dice.index(20) {
        let (id, server) = server(dice, SERVERS + number);
        fleet.servers.insert(id.clone(), server);
        return format!("server {id} is new");
    }
    let gone = any(&mut fleet.servers, dice).map(|(id, _)| id);
    gone.map_or_else(String::new, |id| {
        fleet.servers.remove(&id);
        format!("server {id} is gone")
    })
}

fn server_changes(fleet: &mut Fleet, dice: &mut Dice) -> String {
    let drawn = (dice.roll(7), dice.between(1, 16), dice.between(1, 3));
    let site = SiteName::from(format!("site-{}", dice.index(4)));
    let Some((id, server)) = any(&mut fleet.servers, dice) else {
        return String::new();
    };
    match drawn.0 {
        0 => server.cpu_milli = drawn.1 * 500,
        1 => server.memory_mib = drawn.1 * 1024,
        2 => server.copies = drawn.2,
        3 => server.warm = !server.warm,
        4 => server.released = server.current.is_some(),
        5 => server.sites_allowed = server.sites_allowed.is_none().then(|| [site].into()),
        _ => {
            server.apart = server
                .apart
                .is_none()
                .then(|| fleets::apart(format!("g{}", drawn.1 % 8), ApartBy::Host));
        }
    }
    format!("server {id} changes ({})", drawn.0)
}

fn host_changes(fleet: &mut Fleet, dice: &mut Dice, number: usize) -> String {
    if fleet.hosts.len() < 40 && dice.once_in(2) {
        let host = host(dice);
        let Some((rack, spec)) = any(&mut fleet.racks, dice) else {
            return String::new();
        };
        let spec = Host {
            rack: rack.clone(),
            site: spec.site.clone(),
            ..host
        };
        fleet.hosts.insert(HostName::from(format!("n{number:05}")), spec);
        return format!("a host comes to {rack}");
    }
    let (draw, gone) = (dice.roll(10), fleet.hosts.len() > 34 && dice.once_in(3));
    let Some((name, host)) = any(&mut fleet.hosts, dice) else {
        return String::new();
    };
    if gone {
        fleet.hosts.remove(&name);
        return format!("host {name} is gone");
    }
    host.usable = match draw {
        0 => HostUse::Cordoned,
        1 => HostUse::Draining,
        2 => HostUse::NotReady,
        3 => HostUse::Unknown,
        _ => HostUse::Usable,
    };
    format!("host {name} is {:?}", host.usable)
}

fn state(dice: &mut Dice) -> State {
    match dice.roll(12) {
        0 => State::Cordoned,
        1 => State::Draining,
        2 => State::Fenced,
        3 => State::Unknown,
        _ => State::Active,
    }
}

fn rack_changes(fleet: &mut Fleet, dice: &mut Dice) -> String {
    let (cut, watts, state) = (dice.once_in(2), dice.between(400, 2500), state(dice));
    let restored = dice.once_in(2);
    let Some((name, rack)) = any::<_, Rack>(&mut fleet.racks, dice) else {
        return String::new();
    };
    if cut {
        rack.max_watts = (!restored).then_some(watts);
        format!("rack {name} may draw {:?} W", rack.max_watts)
    } else {
        rack.state = state;
        format!("rack {name} is {state:?}")
    }
}

fn site_changes(fleet: &mut Fleet, dice: &mut Dice) -> String {
    let (draw, state, ceiling) = (dice.roll(6), state(dice), dice.between(50, 90));
    let Some((name, site)) = any(&mut fleet.sites, dice) else {
        return String::new();
    };
    match draw {
        0 => {
            site.ceiling_percent = ceiling;
            format!("site {name} has a ceiling of {ceiling} %")
        }
        1 => {
            let risk = "carrier/two".into();
            if !site.shared_risks.remove(&risk) {
                site.shared_risks.insert(risk);
            }
            format!("site {name} has the risks {:?}", site.shared_risks)
        }
        2 => {
            site.storage_mib = site.storage_mib.is_none().then_some(ceiling * 100 * 1024);
            format!("site {name} stores {:?} MiB", site.storage_mib)
        }
        3 => {
            for server in fleet.servers.values_mut() {
                let there = server
                    .current
                    .as_ref()
                    .is_some_and(|current| current.site == name);
                server.released |= there && site.state == State::Fenced;
            }
            format!("failover from {name}, which is {:?}", site.state)
        }
        _ => {
            site.state = state;
            format!("site {name} is {state:?}")
        }
    }
}

fn tenant_changes(fleet: &mut Fleet, dice: &mut Dice) -> String {
    if dice.once_in(2) {
        let limit = dice.between(20, 60);
        let Some((name, tenant)) = any(&mut fleet.tenants, dice) else {
            return String::new();
        };
        tenant.quota.servers = tenant.quota.servers.is_none().then_some(limit);
        return format!("tenant {name} has {:?} servers", tenant.quota.servers);
    }
    let watts = dice.between(50, 400);
    let Some((id, colocation)) = any(&mut fleet.colocations, dice) else {
        return String::new();
    };
    let number = colocation.devices.len();
    if number < 6 {
        colocation.devices.push(device(dice, number));
    } else if let Some(first) = colocation.devices.first_mut() {
        first.watts = watts;
    }
    format!("colocation {id} grows")
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_event_of_five_thousand_ever_breaks_a_rule() {
        // A copy was once said to be made to make room: after 4,471 of the first. One that was let in lost its reserve to a takeover
        // in the same plan and stayed in without: after 4,494 of the second.
        // Of the third, released servers were told of ceilings, which do not hold them up, at sites without a copy. Of the fourth, one
        // whose host was gone was told that the store which holds its disk is too full for it.
        for (seed, events) in [(1, 5000), (13, 5000), (8, 700), (9, 3400)] {
            assert_eq!(super::run(events, seed, false).first, None, "seed {seed}");
        }
    }

    #[test]
    fn no_other_fleet_ever_breaks_a_rule_either() {
        // Of seed 6, a takeover once left a reserve of the same group at the site: after 90 events.
        for seed in 2..22 {
            assert_eq!(super::run(250, seed, false).first, None, "seed {seed}");
        }
    }

    #[test]
    fn no_batch_among_other_events_ever_breaks_a_rule() {
        let mut whole = 0;
        for seed in 1..5 {
            let came = super::run(200, seed, true);
            assert_eq!(came.first, None, "seed {seed}");
            whole += came.whole;
        }
        assert!(whole > 0, "no batch was ever placed together");
    }
}
