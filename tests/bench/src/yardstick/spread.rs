//! Schedulers that know no scenario, and what a site loss does to them. No I/O.
//!
//! Servers come in the order of their names; each goes to the host with room, at a site that it may use and that stays
//! below its ceiling, that is least (or most) allocated by the mean of its cores and memory, and where no other of its
//! group runs. After the loss of a site the servers that ran there go, the largest first, to the host with the least
//! room left that still fits, at the other sites that they may use; who finds none is stranded.

use std::collections::{BTreeMap, BTreeSet};

use raidc_planner::{Fleet, Server, SiteName};

use super::{room, size};

/// How a host is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefer {
    /// As kube-scheduler's LeastAllocated: spreads.
    LeastAllocated,
    /// As its MostAllocated: packs.
    MostAllocated,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// Servers that found no host to begin with.
    pub(crate) unplaced: usize,
    /// Servers that ran at the lost site.
    pub(crate) displaced: usize,
    /// Those that found no host after it.
    pub(crate) stranded: usize,
    /// Idle watts of hosts with a server, before the loss.
    pub(crate) idle_watts: i64,
}

struct AHost<'a> {
    site: &'a SiteName,
    room: [i64; 2],
    free: [i64; 2],
    idle_watts: i64,
    groups: BTreeSet<&'a str>,
}

impl AHost<'_> {
    fn fits(&self, size: [i64; 2]) -> bool {
        self.free[0] >= size[0] && self.free[1] >= size[1]
    }

    /// Allocated share with `size` more, in millionths of both measures together.
    fn share(&self, size: [i64; 2]) -> i64 {
        (0..2)
            .map(|d| (self.room[d] - self.free[d] + size[d]) * 1_000_000 / self.room[d].max(1))
            .sum()
    }

    fn take(&mut self, size: [i64; 2]) {
        self.free = [self.free[0] - size[0], self.free[1] - size[1]];
    }
}

fn group(server: &Server) -> Option<&str> {
    server.apart.as_ref().map(|apart| apart.group.as_str())
}

fn may(server: &Server, site: &SiteName) -> bool {
    server
        .sites_allowed
        .as_ref()
        .is_none_or(|sites| sites.contains(site))
}

/// Places every server, loses each site in turn, and tells the worst loss.
pub(crate) fn worst_loss(fleet: &Fleet, prefer: Prefer) -> Outcome {
    let mut hosts: Vec<AHost<'_>> = fleet
        .hosts
        .values()
        .map(|host| {
            let room = room(fleet, host);
            AHost {
                site: &host.site,
                room,
                free: room,
                idle_watts: host.idle_watts,
                groups: BTreeSet::new(),
            }
        })
        .collect();
    let mut left: BTreeMap<&SiteName, [i64; 2]> = BTreeMap::new();
    for host in &hosts {
        let percent = fleet.sites.get(host.site).map_or(0, |site| site.ceiling_percent);
        let left = left.entry(host.site).or_default();
        *left = [0, 1].map(|d| left[d] + host.room[d] * percent / 100);
    }
    let mut at: Vec<(&Server, usize)> = Vec::with_capacity(fleet.servers.len());
    let mut unplaced = 0;
    for server in fleet.servers.values() {
        let size = size(server);
        let best = hosts
            .iter()
            .enumerate()
            .filter(|(_, host)| host.fits(size) && may(server, host.site))
            .filter(|(_, host)| {
                left.get(host.site)
                    .is_some_and(|left| left[0] >= size[0] && left[1] >= size[1])
            })
            .filter(|(_, host)| group(server).is_none_or(|group| !host.groups.contains(group)))
            .min_by_key(|(_, host)| match prefer {
                Prefer::LeastAllocated => host.share(size),
                Prefer::MostAllocated => -host.share(size),
            })
            .map(|(at, _)| at);
        let Some(best) = best else {
            unplaced += 1;
            continue;
        };
        hosts[best].take(size);
        hosts[best].groups.extend(group(server));
        if let Some(left) = left.get_mut(hosts[best].site) {
            *left = [left[0] - size[0], left[1] - size[1]];
        }
        at.push((server, best));
    }
    let on: BTreeSet<usize> = at.iter().map(|(_, host)| *host).collect();
    let idle_watts = on.into_iter().map(|host| hosts[host].idle_watts).sum();
    let free: Vec<[i64; 2]> = hosts.iter().map(|host| host.free).collect();
    let losses = fleet.sites.keys().map(|lost| {
        let (displaced, stranded) = lose(&mut hosts, &free, &at, lost);
        Outcome {
            unplaced,
            displaced,
            stranded,
            idle_watts,
        }
    });
    losses
        .max_by_key(|outcome| (outcome.stranded, outcome.displaced))
        .unwrap_or_default()
}

/// How many ran at `lost`, and how many of them find no other host.
fn lose(
    hosts: &mut [AHost<'_>],
    free: &[[i64; 2]],
    at: &[(&Server, usize)],
    lost: &SiteName,
) -> (usize, usize) {
    for (host, free) in hosts.iter_mut().zip(free) {
        host.free = *free;
    }
    let mut evacuees: Vec<&Server> = at
        .iter()
        .filter(|(_, host)| hosts[*host].site == lost)
        .map(|(server, _)| *server)
        .collect();
    evacuees.sort_by_key(|server| std::cmp::Reverse(size(server)));
    let displaced = evacuees.len();
    let mut stranded = 0;
    for server in evacuees {
        let size = size(server);
        let best = hosts
            .iter_mut()
            .filter(|host| host.site != lost && host.fits(size) && may(server, host.site))
            .max_by_key(|host| host.share(size));
        match best {
            Some(host) => host.take(size),
            None => stranded += 1,
        }
    }
    (displaced, stranded)
}
