//! Huawei Cloud's topology-aware trace: 1,710 hosts in 100 racks and sequences of 4,998 requests with groups. Reads
//! `huawei/` in the data folder; nothing is copied.
//!
//! Assumed: a host is both of its NUMA nodes added up. Host n of the resource file is `host-n` of the topology file, of
//! which only those 1,710 are used; rack r stands at site r modulo 4. Watts as for openb; power never binds (each feed
//! carries a quarter more than the full load, derated). Ceiling 75 per cent, every server protected and free to be at
//! any site. `affinity`: the group is on one host. `anti-affinity`: its members are never on one host. `fault_domain`:
//! members with different domains are never in one rack, members with the same domain are free. A whole sequence runs
//! at once.

use std::collections::BTreeMap;
use std::path::Path;

use raidc_planner::{Apart, ApartBy, Fleet, Host, HostName, RackName, Server, ServerId, Tenant, Together};

/// The fleet with one of the sequences, such as `C1`; or why there is none.
pub(crate) fn read(data: &Path, sequence: &str) -> Result<Fleet, String> {
    let text = |name: String| {
        let path = data.join("huawei").join(name);
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let (machines, topology) = (text("PM_res.csv".to_owned())?, text("topology.csv".to_owned())?);
    let requests = text(format!("VM_data_{sequence}.csv"))?;
    let mut fleet = Fleet::default();
    let sites = super::sites(&mut fleet);
    let mut racks: BTreeMap<usize, Vec<(HostName, Host)>> = BTreeMap::new();
    for (size, place) in machines.lines().skip(1).zip(topology.lines().skip(1)) {
        let (host, rack) = host(size, place).ok_or_else(|| format!("a host reads {size:?}, {place:?}"))?;
        racks.entry(rack).or_default().push(host);
    }
    for (number, hosts) in racks {
        let name = RackName::from(format!("rack-{number:03}"));
        super::rack(&mut fleet, &name, &sites[number % sites.len()], hosts, 125);
    }
    fleet.tenants.insert("city".into(), Tenant::default());
    for (at, line) in requests.lines().skip(1).enumerate() {
        let server = server(at, line).ok_or_else(|| format!("a request reads {line:?}"))?;
        fleet
            .servers
            .insert(ServerId::new("city", format!("vm-{at:05}")), server);
    }
    Ok(fleet)
}

fn host(size: &str, place: &str) -> Option<((HostName, Host), usize)> {
    let size: Vec<i64> = size
        .split(',')
        .map_while(|field| field.trim().parse().ok())
        .collect();
    let (name, rack) = place.split_once(',')?;
    let &[cores, gib, more_cores, more_gib] = size.as_slice() else {
        return None;
    };
    let cpu_milli = (cores + more_cores) * 1000;
    let idle_watts = 60 + cpu_milli * 16 / 10_000;
    let host = Host {
        cpu_milli,
        memory_mib: (gib + more_gib) * 1024,
        idle_watts,
        max_watts: idle_watts + cpu_milli * 5 / 1000,
        watts_known: true,
        ..Host::default()
    };
    let number: usize = name.strip_prefix("host-")?.parse().ok()?;
    Some((
        (HostName::from(format!("host-{number:05}")), host),
        rack.trim().parse().ok()?,
    ))
}

fn server(at: usize, line: &str) -> Option<Server> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let &[cores, gib, _, strategy, group, domain] = fields.as_slice() else {
        return None;
    };
    let mut server = Server {
        tenant: "city".into(),
        created_at: i64::try_from(at).ok()?,
        cpu_milli: cores.parse::<i64>().ok()? * 1000,
        memory_mib: gib.parse::<i64>().ok()? * 1024,
        copies: 2,
        ..Server::default()
    };
    // Groups of different strategies are different groups, though their numbers may be the same.
    let group = format!("{strategy}-{group}");
    match strategy {
        "" => {}
        "affinity" => {
            server.together = Some(Together {
                group,
                by: ApartBy::Host,
            });
        }
        "anti-affinity" => {
            server.apart = Some(Apart {
                group,
                by: ApartBy::Host,
                domain: None,
            });
        }
        "fault_domain" => {
            server.apart = Some(Apart {
                group,
                by: ApartBy::Rack,
                domain: Some(domain.to_owned()),
            });
        }
        _ => return None,
    }
    Some(server)
}
