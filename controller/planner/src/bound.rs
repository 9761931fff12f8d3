//! A certified lower bound on the idle watts of any plan for the same servers. No I/O.
//!
//! Any plan has to keep on hosts whose cores and memory, added up, hold all that is placed. Weigh the two measures with
//! any pair of multipliers that are not negative and add them: what is on still has to hold the weighed sum. With one
//! measure left, the fewest idle watts are found by taking the hosts with the least idle watts per weighed unit first,
//! the last of them in part. That value is a bound for *any* multipliers (surrogate relaxation; Glover 1968), so that
//! how they were found need not be trusted; the best pair gives the optimum of the linear program over all hosts. It
//! knows nothing of sites, reserves, racks and groups: the true optimum is no lower.

use crate::fleet::{Fleet, HostUse};
use crate::plan::Plan;

/// Steps in which the ratio of the two multipliers is tried.
const STEPS: i128 = 256;

/// The bound, and the multipliers that prove it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// No plan that places the same servers has fewer idle watts on.
    pub idle_watts: i64,
    /// Multiplier of virtual cores, in 256ths of the fleet's cores.
    pub cpu: i64,
    /// Multiplier of memory, in 256ths of the fleet's memory.
    pub memory: i64,
}

/// The bound for what `plan` places in `fleet`.
pub fn idle_watts_bound(fleet: &Fleet, plan: &Plan) -> Bound {
    let mut hosts: Vec<([i128; 2], i128)> = Vec::new();
    let mut total = [0i128; 2];
    for host in fleet.hosts.values().filter(|host| host.usable == HostUse::Usable) {
        let overcommit = fleet
            .sites
            .get(&host.site)
            .map_or(100, |site| site.cpu_overcommit_percent);
        let free = i128::from(host.cpu_milli) - i128::from(host.taken_cpu_milli);
        let memory = i128::from(host.memory_mib) - i128::from(host.taken_memory_mib);
        let room = [(free * i128::from(overcommit) / 100).max(0), memory.max(0)];
        total = [total[0] + room[0], total[1] + room[1]];
        hosts.push((room, i128::from(host.idle_watts.max(0))));
    }
    let mut need = [0i128; 2];
    for server in plan.servers.keys().filter_map(|id| fleet.servers.get(id)) {
        need[0] += i128::from(server.cpu_milli);
        need[1] += i128::from(server.memory_mib) + i128::from(server.overhead_mib);
    }
    let mut best = Bound::default();
    for step in 0..=STEPS {
        // Relative to the fleet's totals, so that cores and MiB weigh alike.
        let weights = [step * total[1].max(1), (STEPS - step) * total[0].max(1)];
        let idle_watts = i64::try_from(cover(&hosts, need, weights)).unwrap_or(0);
        if idle_watts > best.idle_watts {
            best = Bound {
                idle_watts,
                cpu: i64::try_from(step).unwrap_or(0),
                memory: i64::try_from(STEPS - step).unwrap_or(0),
            };
        }
    }
    best
}

/// The least idle watts, in part for the last host and rounded up, that hold the weighed need.
fn cover(hosts: &[([i128; 2], i128)], need: [i128; 2], weights: [i128; 2]) -> i128 {
    let weigh = |amount: [i128; 2]| amount[0] * weights[0] + amount[1] * weights[1];
    let mut order: Vec<(i128, i128)> = hosts
        .iter()
        .map(|(room, idle)| (weigh(*room), *idle))
        .filter(|(room, _)| *room > 0)
        .collect();
    // Idle watts per unit, by cross multiplication.
    order.sort_by(|a, b| (a.1 * b.0).cmp(&(b.1 * a.0)));
    let (mut left, mut watts) = (weigh(need), 0);
    for (room, idle) in order {
        if left <= 0 {
            break;
        }
        if room >= left {
            return watts + (idle * left + room - 1) / room;
        }
        left -= room;
        watts += idle;
    }
    watts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_never_above_what_is_needed() {
        let hosts = vec![([4, 4], 100), ([4, 4], 200)];
        assert_eq!(cover(&hosts, [0, 0], [1, 1]), 0);
        assert_eq!(cover(&hosts, [4, 4], [1, 1]), 100);
        assert_eq!(cover(&hosts, [4, 6], [0, 1]), 200);
        assert_eq!(cover(&hosts, [2, 2], [1, 1]), 50);
    }
}
