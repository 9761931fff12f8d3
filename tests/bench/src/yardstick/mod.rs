//! What our times and counts are put beside: plain algorithms that know no scenario, written as one would write them. No I/O.

pub(crate) mod first_fit;
pub(crate) mod pairs;
pub(crate) mod spread;

use raidc_planner::{Fleet, Host, Server};

/// Room on a host for our servers: cores after overcommit and others' pods, memory.
pub(crate) fn room(fleet: &Fleet, host: &Host) -> [i64; 2] {
    let overcommit = fleet
        .sites
        .get(&host.site)
        .map_or(100, |site| site.cpu_overcommit_percent);
    [
        (host.cpu_milli - host.taken_cpu_milli) * overcommit / 100,
        host.memory_mib - host.taken_memory_mib,
    ]
}

/// What a server needs.
pub(crate) fn size(server: &Server) -> [i64; 2] {
    [server.cpu_milli, server.memory_mib + server.overhead_mib]
}
