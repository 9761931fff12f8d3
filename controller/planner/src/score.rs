//! How well a host suits: integers, lower is better. No I/O.
//!
//! Residents go on hosts that are on, where the shape of what is free matches the shape of what is asked. Reserves go
//! where something is reserved already for another scenario (it costs nothing), else on sleeping hosts, the least
//! efficient first, so that they can stay asleep. The ideas and their effect: docs/adr/0005-planner-method.md.

use crate::state::Books;
use crate::world::{Amount, DIMS, World};

/// Fixed-point one for shares of a host: 2^12, so that fourth powers stay within 63 bits.
const ONE: i64 = 1 << 12;

/// How much more what would be left counts than the shape of what is free. For one server at a time a tight fit is
/// what keeps hosts full over thousands of comings and goings; the shape decides between tight ones. Measured with 50,000
/// events at load 0.60: idle watts over the bound 27 % at a quarter, 8 % at one, 7 % at eight.
const LEFT: i64 = 8;

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

/// The direction of a request, in shares of a host: cores and MiB weigh alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Direction {
    shares: [i64; DIMS],
    /// Sum of the squares.
    norm: i64,
}

impl Direction {
    /// The direction of `demand` on a host of this capacity, the larger share scaled to between `ONE` / 2 and `ONE`:
    /// that of a small request would else drown in rounding.
    pub(crate) fn of(demand: Amount, capacity: Amount) -> Self {
        let shift = |amount: i64, whole: i64| if whole <= 0 { 0 } else { (amount << 20) / whole };
        let mut shares = [shift(demand[0], capacity[0]), shift(demand[1], capacity[1])];
        let most = shares[0].max(shares[1]);
        if most > ONE {
            let down = most.ilog2() - ONE.ilog2();
            let down = down + u32::from(most >> down > ONE);
            shares = shares.map(|share| share >> down);
        }
        Self {
            shares,
            norm: shares[0] * shares[0] + shares[1] * shares[1],
        }
    }
}

/// What is free, in shares of the host.
pub(crate) fn shares(free: Amount, capacity: Amount) -> [i64; DIMS] {
    [share(free[0], capacity[0]), share(free[1], capacity[1])]
}

/// Square of the sine of the angle between what is free and what is asked, `ONE` is a right angle.
pub(crate) fn misfit_of(free: [i64; DIMS], asked: Direction) -> i64 {
    let cross = free[0] * asked.shares[1] - free[1] * asked.shares[0];
    let norms = (free[0] * free[0] + free[1] * free[1]) * asked.norm;
    if norms == 0 {
        return ONE;
    }
    // cross is at most 2^25 and its square 2^50: times ONE still fits.
    cross * cross * ONE / norms
}

/// As [`misfit_of`], from amounts.
pub(crate) fn misfit(free: Amount, demand: Amount, capacity: Amount) -> i64 {
    misfit_of(shares(free, capacity), Direction::of(demand, capacity))
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
    kind + misfit(free, demand, dense.capacity) + LEFT * left
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

/// The parts of a [`backup`] score that count beside the score of the primary: growth in shares of the host (`ONE` is
/// a whole host), and `ONE` for each kind of host worse than the best.
pub(crate) fn backup_cost(score: i64) -> i64 {
    (score >> 28) + ((score >> 24) & 15) * ONE
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
