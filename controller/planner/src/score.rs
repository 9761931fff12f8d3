//! How well a host suits: integers, lower is better. No I/O.
//!
//! Residents go on hosts that are on, where the shape of what is free matches the shape of what is asked. Reserves go
//! where something is reserved already for another scenario (it costs nothing), else on sleeping hosts, the least
//! efficient first, so that they can stay asleep. The ideas and their effect: docs/adr/0005-planner-method.md.

use crate::state::Books;
use crate::world::{Amount, DIMS, World};

/// Fixed-point one for shares of a host: 2^12, so that fourth powers stay within 63 bits.
const ONE: i64 = 1 << 12;

/// Step between two kinds of host (on, asleep, asleep with reserves): more than any sum of the finer terms.
pub(crate) const KIND: i64 = 1 << 32;

/// Share of `whole`, `ONE` is all of it. Zero of zero is nothing.
fn share(part: i64, whole: i64) -> i64 {
    if whole <= 0 {
        0
    } else {
        (part.clamp(0, whole) * ONE) / whole
    }
}

/// Square of the sine of the angle between what is free and what is asked, `ONE` is a right angle: both in shares of
/// the host, so that cores and MiB weigh alike.
pub(crate) fn misfit(free: Amount, demand: Amount, capacity: Amount) -> i64 {
    let f: [i64; DIMS] = [share(free[0], capacity[0]), share(free[1], capacity[1])];
    // The direction of a small request would drown in rounding: scale it up first.
    let shift = |amount: i64, whole: i64| if whole <= 0 { 0 } else { (amount << 20) / whole };
    let mut a: [i64; DIMS] = [shift(demand[0], capacity[0]), shift(demand[1], capacity[1])];
    while a[0].max(a[1]) > ONE {
        a = [a[0] >> 1, a[1] >> 1];
    }
    let cross = f[0] * a[1] - f[1] * a[0];
    let norms = (f[0] * f[0] + f[1] * f[1]) * (a[0] * a[0] + a[1] * a[1]);
    if norms == 0 {
        return ONE;
    }
    // cross is at most 2^25 and its square 2^50: times ONE still fits.
    cross * cross * ONE / norms
}

/// What running a request of this size on the host costs. The host has room for it.
pub(crate) fn primary(world: &World<'_>, books: &Books, demand: Amount, host: usize) -> i64 {
    let dense = &world.hosts[host];
    let mut free = dense.capacity;
    let mut left = 0;
    for d in 0..DIMS {
        free[d] -= books.used[host][d] + books.most_reserved[host][d];
        left += share(free[d] - demand[d], dense.capacity[d]);
    }
    let kind = if books.is_on(world, host) {
        0
    } else if books.most_reserved[host] == [0; DIMS] {
        KIND + inefficiency(world, host)
    } else {
        2 * KIND + inefficiency(world, host)
    };
    kind + 4 * misfit(free, demand, dense.capacity) + left
}

/// What reserving the host for a request of this size costs when scenario `lost` is the one that matters.
///
/// Bits, from the coarsest: growth of what is reserved at most (28..42), kind of host (24..28), order among fresh
/// sleeping hosts (14..24), what is left (0..14).
pub(crate) fn backup(world: &World<'_>, books: &Books, demand: Amount, host: usize, lost: usize) -> i64 {
    let dense = &world.hosts[host];
    let at = host * books.scenarios + lost;
    let (mut growth, mut left) = (0, 0);
    for (d, amount) in demand.into_iter().enumerate() {
        let reserved = books.reserved[at][d] + amount;
        growth += share(reserved - books.most_reserved[host][d], dense.capacity[d]);
        left += share(
            dense.capacity[d] - books.used[host][d] - reserved,
            dense.capacity[d],
        );
    }
    let (kind, order) = if books.is_on(world, host) {
        (2, 0)
    } else if books.most_reserved[host] == [0; DIMS] {
        (1, 1023 - (inefficiency(world, host) >> 20).min(1023))
    } else {
        (0, 0)
    };
    (growth << 28) + (kind << 24) + (order << 14) + left
}

/// Idle draw per virtual core, fixed point: 2^16 is one milliwatt per thousandth of a core, that is a watt per core.
/// Stays below [`KIND`], up to which it is cut.
pub(crate) fn inefficiency(world: &World<'_>, host: usize) -> i64 {
    let dense = &world.hosts[host];
    if dense.capacity[0] <= 0 {
        KIND / 2
    } else {
        ((dense.idle_mw << 16) / dense.capacity[0]).min(KIND / 2)
    }
}
