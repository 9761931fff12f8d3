//! Amounts: what a server needs, what a host has and draws, what a rack may draw. No I/O.
//!
//! Bounds: a server needs at most 10^9 milli-cores and 2^41 MiB and `MAX_SERVERS` are counted, so that sums of amounts
//! stay below 2^61 and two of them fit an `i64`. One server adds at most 10^9 x 10^9 milliwatts to a host; sums of milliwatts are
//! kept in `i128`.

use crate::fleet::{Granted, Host, Rack, Server};

/// Most servers of a plan that are counted; see the bounds above.
pub(super) const MAX_SERVERS: usize = 1 << 20;
/// Most milli-cores of a host or server that are believed.
const MAX_CPU: i64 = 1_000_000_000;
/// Most MiB that are believed.
const MAX_MIB: i64 = 1 << 40;
/// Most watts of one thing that are believed.
const MAX_WATTS: i64 = 1_000_000;

/// Virtual cores in thousandths, MiB with overhead.
pub(super) fn need(size: &Granted) -> [i64; 2] {
    let size = believed(size);
    [size.cpu_milli, size.memory_mib + size.overhead_mib]
}

/// Virtual cores in thousandths, MiB without overhead, MiB of storage: what a quota counts.
pub(super) fn counts(size: &Granted) -> [i128; 3] {
    let size = believed(size);
    [size.cpu_milli, size.memory_mib, size.storage_mib].map(i128::from)
}

/// Storage of one copy, in MiB.
pub(super) fn storage(size: &Granted) -> i64 {
    size.storage_mib.clamp(0, MAX_MIB)
}

/// As much of a size as is believed.
pub(super) fn believed(size: &Granted) -> Granted {
    Granted {
        cpu_milli: size.cpu_milli.clamp(0, MAX_CPU),
        memory_mib: size.memory_mib.clamp(0, MAX_MIB),
        overhead_mib: size.overhead_mib.clamp(0, MAX_MIB),
        storage_mib: size.storage_mib.clamp(0, MAX_MIB),
    }
}

/// What a server asks for.
pub(super) fn asked(server: &Server) -> Granted {
    Granted {
        cpu_milli: server.cpu_milli,
        memory_mib: server.memory_mib,
        overhead_mib: server.overhead_mib,
        storage_mib: server.storage_mib,
    }
}

/// What a server has until something is decided: what it asks for, unless it has a place with less of anything, or what it
/// asks for makes no sense.
pub(super) fn kept(server: &Server) -> Granted {
    let asked = asked(server);
    let Some(has) = server.granted.filter(|_| server.current.is_some()) else {
        return asked;
    };
    let pairs = [
        (asked.cpu_milli, has.cpu_milli, 1),
        (asked.memory_mib, has.memory_mib, 1),
        (asked.overhead_mib, has.overhead_mib, 0),
        (asked.storage_mib, has.storage_mib, 0),
    ];
    if pairs
        .iter()
        .all(|&(asked, has, least)| (least..=has).contains(&asked))
    {
        asked
    } else {
        has
    }
}

/// Whether every figure of a request can be true.
pub(super) fn is_sound(server: &Server) -> bool {
    (1..=MAX_CPU).contains(&server.cpu_milli)
        && (1..=MAX_MIB).contains(&server.memory_mib)
        && (0..=MAX_MIB).contains(&server.overhead_mib)
        && (0..=MAX_MIB).contains(&server.storage_mib)
        && (1..=16).contains(&server.copies)
}

/// What a host has and draws.
pub(super) struct Build {
    /// Virtual cores in thousandths and MiB, of the whole host.
    pub(super) whole: [i64; 2],
    /// Of that, taken by pods that are not ours, as a site counts it.
    pub(super) taken: [i64; 2],
    /// Of that, for our servers.
    pub(super) room: [i64; 2],
    /// On and idle, in milliwatts.
    pub(super) idle_mw: i64,
    /// From idle to full load, in milliwatts.
    pub(super) span_mw: i64,
    /// Drawn by pods that are not ours, in milliwatts.
    pub(super) others_mw: i64,
}

impl Build {
    /// `None` when the host's figures cannot be true. A fenced host is proven to be off and draws nothing.
    pub(super) fn of(host: &Host, overcommit_percent: i64, fenced: bool) -> Option<Self> {
        let believable = (1..=MAX_CPU).contains(&host.cpu_milli)
            && (1..=MAX_MIB).contains(&host.memory_mib)
            && (0..=MAX_CPU).contains(&host.taken_cpu_milli)
            && (0..=MAX_MIB).contains(&host.taken_memory_mib)
            && (0..=MAX_WATTS).contains(&host.idle_watts)
            && (host.idle_watts..=MAX_WATTS).contains(&host.max_watts);
        if !believable {
            return None;
        }
        let overcommit = overcommit_percent.clamp(1, 10_000);
        let virtual_cpu = host.cpu_milli * overcommit / 100;
        let free_cpu = (host.cpu_milli - host.taken_cpu_milli).max(0);
        let (idle, span) = if fenced {
            (0, 0)
        } else {
            (host.idle_watts, host.max_watts - host.idle_watts)
        };
        let taken = host.taken_cpu_milli.min(host.cpu_milli);
        Some(Self {
            whole: [virtual_cpu, host.memory_mib],
            taken: [
                (host.taken_cpu_milli * overcommit / 100).min(virtual_cpu),
                host.taken_memory_mib.min(host.memory_mib),
            ],
            room: [
                free_cpu * overcommit / 100,
                (host.memory_mib - host.taken_memory_mib).max(0),
            ],
            idle_mw: idle * 1000,
            span_mw: span * 1000,
            others_mw: part_up(taken, span * 1000, host.cpu_milli),
        })
    }

    /// What so many milli-cores add to the draw, in milliwatts, rounded up.
    pub(super) fn draw_mw(&self, cpu: i64) -> i64 {
        part_up(cpu, self.span_mw, self.whole[0])
    }
}

/// `share` of `whole` parts of `amount`, rounded up; nothing of a whole that is nothing.
fn part_up(share: i64, amount: i64, whole: i64) -> i64 {
    if whole <= 0 {
        return 0;
    }
    let product = share * amount;
    product / whole + i64::from(product % whole > 0)
}

/// Whole watts of milliwatts, rounded up.
pub(super) fn watts_up(milliwatts: i128) -> i128 {
    (milliwatts + 999).div_euclid(1000)
}

/// Draw of what is neither a host nor colocation, in milliwatts.
pub(super) fn other_mw(rack: &Rack) -> i128 {
    i128::from(rack.other_watts.clamp(0, MAX_WATTS)) * 1000
}

/// Whether the power figures of a rack can be true. One whose figures cannot gets no power.
fn sane(rack: &Rack) -> bool {
    let feeds = &rack.feeds;
    feeds.len() <= 64
        && feeds.iter().all(|feed| (0..=MAX_WATTS).contains(&feed.watts))
        && (0..=100).contains(&rack.derate_percent)
        && rack
            .max_watts
            .is_none_or(|limit| (0..=64 * MAX_WATTS).contains(&limit))
        && (0..=MAX_WATTS).contains(&rack.other_watts)
}

/// Feeds that a device of so many watts can hang on when its other feeds are lost: the share of each that may be used for good
/// is no less than the device draws.
pub(super) fn feeds_that_carry(rack: &Rack, watts: i64) -> i64 {
    if !sane(rack) {
        return 0;
    }
    let share = i128::from(rack.derate_percent);
    let carries = |feed: &&crate::fleet::Feed| i128::from(feed.watts) * share >= i128::from(watts) * 100;
    i64::try_from(rack.feeds.iter().filter(carries).count()).unwrap_or(0)
}

/// By brute force: for each feed and each panel, what is left without it; the worst of those that leave anything.
pub(super) fn rack_capacity_mw(rack: &Rack) -> i128 {
    if !sane(rack) {
        return 0;
    }
    let left_by = |lost: &dyn Fn(usize) -> bool| -> Option<i128> {
        let remaining: Vec<usize> = (0..rack.feeds.len()).filter(|&at| !lost(at)).collect();
        let sum = || remaining.iter().map(|&at| i128::from(rack.feeds[at].watts)).sum();
        (!remaining.is_empty()).then(sum)
    };
    let mut survivors: Option<i128> = None;
    for (gone, feed) in rack.feeds.iter().enumerate() {
        let one = left_by(&|at| at == gone);
        let panel = feed
            .panel
            .as_ref()
            .and_then(|panel| left_by(&|at| rack.feeds[at].panel.as_ref() == Some(panel)));
        for left in one.into_iter().chain(panel) {
            survivors = Some(survivors.map_or(left, |least| least.min(left)));
        }
    }
    let all: i128 = rack.feeds.iter().map(|feed| i128::from(feed.watts)).sum();
    // Whole watts: what is left of one cannot be shown, and is not used.
    let derated = survivors.unwrap_or(all) * i128::from(rack.derate_percent) / 100;
    rack.max_watts
        .map_or(derated, |limit| derated.min(i128::from(limit)))
        * 1000
}
