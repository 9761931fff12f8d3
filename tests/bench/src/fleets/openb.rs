//! Alibaba's openb (2023): 1,523 hosts and 8,152 tasks. Reads `openb/` in the data folder; nothing is copied.
//!
//! Assumed: the GPU columns are ignored. Hosts in the order of the file go in turn to four sites, there into racks of 24
//! whose surviving feed carries 70 to 95 per cent of their nameplates (drawn, seed 1; a third above the full load). Idle watts are 60 and 1.6 per
//! core, at full load 5 per core more. Every task is a protected server that may be at any site, and all of them run at
//! once; those that ask for no core or no memory are left out.

use std::path::Path;

use raidc_planner::{Fleet, Host, HostName, Server, ServerId, Tenant};

use crate::dice::Dice;

/// The fleet, or why there is none.
pub(crate) fn read(data: &Path) -> Result<Fleet, String> {
    let text = |name: &str| {
        let path = data.join("openb").join(name);
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let nodes = text("openb_node_list_all_node.csv")?;
    let tasks = text("openb_pod_list_default.csv")?;
    let mut fleet = Fleet::default();
    let sites = super::sites(&mut fleet);
    let mut per_site = vec![Vec::new(); sites.len()];
    for (at, line) in nodes.lines().skip(1).enumerate() {
        let (name, cpu_milli, memory_mib) =
            name_and_size(line).ok_or_else(|| format!("a host reads {line:?}"))?;
        let idle_watts = 60 + cpu_milli * 16 / 10_000;
        let host = Host {
            cpu_milli,
            memory_mib,
            idle_watts,
            max_watts: idle_watts + cpu_milli * 5 / 1000,
            watts_known: true,
            ..Host::default()
        };
        per_site[at % sites.len()].push((HostName::from(name), host));
    }
    let mut dice = Dice::new(1);
    for (site, hosts) in sites.iter().zip(per_site) {
        super::racks_of_24(&mut fleet, site, hosts, &mut dice);
    }
    fleet.tenants.insert("city".into(), Tenant::default());
    for (at, line) in tasks.lines().skip(1).enumerate() {
        let (name, cpu_milli, memory_mib) =
            name_and_size(line).ok_or_else(|| format!("a task reads {line:?}"))?;
        if cpu_milli <= 0 || memory_mib <= 0 {
            continue;
        }
        let server = Server {
            tenant: "city".into(),
            created_at: i64::try_from(at).unwrap_or(0),
            cpu_milli,
            memory_mib,
            copies: 2,
            ..Server::default()
        };
        fleet.servers.insert(ServerId::new("city", name), server);
    }
    Ok(fleet)
}

fn name_and_size(line: &str) -> Option<(String, i64, i64)> {
    let mut fields = line.split(',');
    let name = fields.next()?.to_owned();
    Some((name, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}
