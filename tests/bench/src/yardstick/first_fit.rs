//! First-fit-decreasing: every server, the largest first, to the first host with room. Knows no site, rack, group,
//! ceiling or scenario. No I/O.

use std::collections::BTreeMap;

use raidc_planner::{Fleet, HostName, ServerId};

use super::{room, size};

/// From a fleet to a table of names, as a planner without scenarios would answer: the yardstick.
pub(crate) fn named(fleet: &Fleet) -> BTreeMap<ServerId, HostName> {
    let mut free: Vec<(&HostName, [i64; 2])> = fleet
        .hosts
        .iter()
        .map(|(name, host)| (name, room(fleet, host)))
        .collect();
    let mut servers: Vec<(&ServerId, [i64; 2])> = fleet
        .servers
        .iter()
        .map(|(id, server)| (id, size(server)))
        .collect();
    // Stable, and in the order of their names before: of equals the first by name.
    servers.sort_by_key(|server| std::cmp::Reverse(server.1));
    let mut placed = BTreeMap::new();
    for (id, size) in servers {
        let host = free
            .iter_mut()
            .find(|(_, free)| free[0] >= size[0] && free[1] >= size[1]);
        if let Some((name, free)) = host {
            *free = [free[0] - size[0], free[1] - size[1]];
            placed.insert(id.clone(), (*name).clone());
        }
    }
    placed
}

/// The same on bare arrays, with a count as its answer: the least that the algorithm itself can take.
pub(crate) fn bare(hosts: &[[i64; 2]], servers: &[[i64; 2]]) -> usize {
    let mut free = hosts.to_vec();
    let mut servers = servers.to_vec();
    servers.sort_unstable_by(|a, b| b.cmp(a));
    let mut placed = 0;
    for size in servers {
        if let Some(host) = free
            .iter_mut()
            .find(|host| host[0] >= size[0] && host[1] >= size[1])
        {
            *host = [host[0] - size[0], host[1] - size[1]];
            placed += 1;
        }
    }
    placed
}

/// The arrays for [`bare`].
pub(crate) fn arrays(fleet: &Fleet) -> (Vec<[i64; 2]>, Vec<[i64; 2]>) {
    let hosts = fleet.hosts.values().map(|host| room(fleet, host)).collect();
    (hosts, fleet.servers.values().map(size).collect())
}
