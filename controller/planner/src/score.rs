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

/// What a capacity is multiplied by instead of dividing by it: 2^44 over it, nothing for none.
pub(crate) fn inverse(capacity: Amount) -> Amount {
    capacity.map(|whole| if whole <= 0 { 0 } else { (ONE << 32) / whole })
}

/// Share of a capacity, `ONE` is all of it, by its [`inverse`]. The part is cut to 0 and the whole, so that the
/// product stays below 2^44.
fn share(part: i64, whole: i64, inverse: i64) -> i64 {
    (part.clamp(0, whole.max(0)) * inverse) >> 32
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
    /// that of a small request would else drown in rounding. The demand fits the capacity.
    pub(crate) fn of(demand: Amount, capacity: Amount, inverse: Amount) -> Self {
        // 2^20 is all of the host.
        let shift = |d: usize| (demand[d].clamp(0, capacity[d].max(0)) * inverse[d]) >> 24;
        let mut shares = [shift(0), shift(1)];
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
pub(crate) fn shares(free: Amount, capacity: Amount, inverse: Amount) -> [i64; DIMS] {
    [0, 1].map(|d| share(free[d], capacity[d], inverse[d]))
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

/// All that the scores of a host depend on, but for what is asked and what is reserved for the loss in question.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    capacity: Amount,
    inverse: Amount,
    /// Neither used nor reserved for any loss; below nothing for a host that takes nothing new.
    pub(crate) free: Amount,
    /// Not used; below nothing for a host that takes nothing new.
    pub(crate) unused: Amount,
    most_reserved: Amount,
    /// The kind of host with its inefficiency, as the coarsest part of the score of a primary.
    pub(crate) kind: i64,
    /// The kind of host and the order among fresh sleeping ones, as they stand in the score of a reserve.
    pub(crate) order: i64,
    /// It is on for certain.
    pub(crate) on_now: bool,
}

impl Standing {
    pub(crate) fn of(world: &World<'_>, books: &Books, host: usize) -> Self {
        let dense = &world.hosts[host];
        let (used, most_reserved) = (books.used[host], books.most_reserved[host]);
        let takes = |amount: Amount| if dense.open { amount } else { [-1; DIMS] };
        let (on, fresh) = (books.is_on(world, host), most_reserved == [0; DIMS]);
        let (kind, order) = match (on, fresh) {
            (true, _) => (0, 2 << 24),
            (false, true) => {
                let order = 1023 - (dense.inefficiency >> 20).min(1023);
                (KIND + dense.inefficiency, (1 << 24) + (order << 14))
            }
            (false, false) => (2 * KIND + dense.inefficiency, 0),
        };
        Self {
            capacity: dense.capacity,
            inverse: dense.inverse,
            free: takes([0, 1].map(|d| dense.capacity[d] - used[d] - most_reserved[d])),
            unused: takes([0, 1].map(|d| dense.capacity[d] - used[d])),
            most_reserved,
            kind,
            order,
            on_now: books.is_on_now(world, host),
        }
    }

    fn share(&self, d: usize, part: i64) -> i64 {
        share(part, self.capacity[d], self.inverse[d])
    }

    /// What running a request of this size on the host costs. The host has room for it. As soon as it is known to cost
    /// `below` or more, it is not worked out further.
    pub(crate) fn primary(&self, demand: Amount, below: i64) -> i64 {
        if self.kind >= below {
            return self.kind;
        }
        let left: i64 = (0..DIMS).map(|d| self.share(d, self.free[d] - demand[d])).sum();
        let tight = self.kind + LEFT * left;
        if tight >= below {
            return tight;
        }
        tight
            + misfit_of(
                shares(self.free, self.capacity, self.inverse),
                Direction::of(demand, self.capacity, self.inverse),
            )
    }

    /// What reserving the host costs when `then` is what is reserved with it for the loss in question. As soon as it
    /// is known to cost `below` or more, it is not worked out further.
    ///
    /// Bits, from the coarsest: growth of what is reserved at most (28..42), kind of host (24..28), order among fresh
    /// sleeping hosts (14..24), what is left (0..14).
    #[inline]
    pub(crate) fn backup(&self, then: Amount, below: i64) -> i64 {
        let grows = |d: usize| self.share(d, then[d] - self.most_reserved[d]);
        let growth = grows(0) + grows(1);
        let coarse = (growth << 28) + self.order;
        if coarse >= below {
            return coarse;
        }
        let left: i64 = (0..DIMS).map(|d| self.share(d, self.unused[d] - then[d])).sum();
        coarse + left
    }
}

/// What running a request of this size on the host costs. The host has room for it.
pub(crate) fn primary(world: &World<'_>, books: &Books, demand: Amount, host: usize) -> i64 {
    Standing::of(world, books, host).primary(demand, i64::MAX)
}

/// The parts of a [`Standing::backup`] score that count beside the score of the primary: growth in shares of the host (`ONE` is
/// a whole host), and `ONE` for each kind of host worse than the best.
pub(crate) fn backup_cost(score: i64) -> i64 {
    (score >> 28) + ((score >> 24) & 15) * ONE
}

/// Idle draw for what a host offers: milliwatts for a thousandth of the fleet's cores and memory together, each
/// weighed by how much of it is asked for. Below [`KIND`], up to which it is cut.
pub(crate) fn inefficiency_of(idle_mw: i64, capacity: Amount, offered: Amount, weights: Amount) -> i64 {
    // 2^40 is all of the fleet.
    let part = |d: usize| {
        let share = (i128::from(capacity[d].max(0)) << 40) / i128::from(offered[d].max(1));
        share * i128::from(weights[d]) / i128::from((weights[0] + weights[1]).max(1))
    };
    let offers = part(0) + part(1);
    if offers <= 0 {
        return KIND / 2;
    }
    let milliwatts = (i128::from(idle_mw) << 30) / offers;
    i64::try_from(milliwatts).unwrap_or(i64::MAX).min(KIND / 2)
}

/// As [`inefficiency_of`], of a host of the fleet.
pub(crate) fn inefficiency(world: &World<'_>, host: usize) -> i64 {
    world.hosts[host].inefficiency
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: Amount = [1024, 1024];

    fn direction(demand: Amount, capacity: Amount) -> Direction {
        Direction::of(demand, capacity, inverse(capacity))
    }

    #[test]
    fn what_is_asked_never_drowns_in_rounding_or_leaves_its_bounds() {
        let of = |demand: Amount| direction(demand, CAPACITY);
        let [half, quarter] = [ONE / 2, ONE / 4];
        assert_eq!(of([512, 256]).shares, [ONE, half]);
        assert_eq!(of([512, 256]).norm, ONE * ONE + half * half);
        assert_eq!(of([2, 1]).shares, [half, quarter]);
        assert_eq!(of([256, 768]).shares, [quarter, 3 * quarter]);
        assert_eq!(of([0, 0]), Direction::default());
        // The smallest that can be told apart is not made smaller.
        assert_eq!(direction([1, 3], [1 << 20; DIMS]).shares, [1, 3]);
        assert_eq!(direction([ONE, 0], [1 << 20; DIMS]).shares, [ONE, 0]);
        assert_eq!(direction([ONE + 1, 0], [1 << 20; DIMS]).shares, [half, 0]);
        assert_eq!(inverse([0, -1]), [0, 0]);
        let free = |free: Amount| shares(free, CAPACITY, inverse(CAPACITY));
        assert_eq!(free([512, 256]), [half, quarter]);
        assert_eq!(free([-5, 2048]), [0, ONE]);
    }

    #[test]
    fn a_like_shape_never_costs_more_than_an_unlike_one() {
        let asked = |demand: Amount| direction(demand, CAPACITY);
        assert_eq!(misfit_of([200, 100], asked([512, 256])), 0);
        assert_eq!(misfit_of([100, 0], asked([0, 512])), ONE);
        assert_eq!(misfit_of([100, 100], asked([512, 0])), ONE / 2);
        // Squares of sines: 9/25, and 1/5 of a right angle.
        assert_eq!(misfit_of([4, 3], asked([512, 0])), ONE * 9 / 25);
        assert_eq!(misfit_of([3, 4], asked([512, 256])), ONE / 5);
        assert_eq!(misfit_of([0, 0], asked([512, 256])), ONE);
        assert_eq!(misfit_of([100, 100], asked([0, 0])), ONE);
    }

    fn standing() -> Standing {
        Standing {
            capacity: CAPACITY,
            inverse: inverse(CAPACITY),
            free: [768, 384],
            unused: [1024, 512],
            most_reserved: [256, 128],
            kind: KIND,
            order: 1 << 24,
            on_now: true,
        }
    }

    #[test]
    fn a_tight_fit_never_costs_more_than_a_loose_one() {
        // Of like shape: a quarter and an eighth of the host are left.
        let left = ONE / 4 + ONE / 8;
        assert_eq!(standing().primary([512, 256], i64::MAX), KIND + LEFT * left);
        let tighter = standing().primary([768, 384], i64::MAX);
        assert_eq!(tighter, KIND);
        for below in [KIND, KIND + LEFT * left] {
            assert!(standing().primary([512, 256], below) >= below);
        }
    }

    #[test]
    fn a_reserve_that_shares_what_is_reserved_never_costs_more_than_one_that_does_not() {
        // Nothing more is reserved at most; three quarters and three eighths are left.
        let left = ONE * 3 / 4 + ONE * 3 / 8;
        assert_eq!(standing().backup([256, 128], i64::MAX), (1 << 24) + left);
        let grows = standing().backup([512, 128], i64::MAX);
        assert_eq!(grows, ((ONE / 4) << 28) + (1 << 24) + left - ONE / 4);
        let both = standing().backup([512, 256], i64::MAX);
        assert_eq!(both >> 28, ONE / 4 + ONE / 8);
        assert!(standing().backup([512, 128], 1 << 24) >= 1 << 24);
        assert_eq!(backup_cost((3 << 28) + (2 << 24) + 77), 3 + 2 * ONE);
    }

    #[test]
    fn a_host_that_draws_more_for_what_it_offers_never_counts_as_efficient() {
        let of = |idle_mw: i64, capacity: Amount| inefficiency_of(idle_mw, capacity, [4000, 4000], [1, 3]);
        // A quarter of the cores, which count for a quarter, and half the memory: 7/16 of the fleet, in thousandths (of 1024).
        assert_eq!(of(100_000, [1000, 2000]), 100_000 * 16 / 7 / 1024);
        assert!(of(200_000, [1000, 2000]) > of(100_000, [1000, 2000]));
        assert!(of(100_000, [1000, 1000]) > of(100_000, [1000, 2000]));
        assert!(of(100_000, [2000, 1000]) > of(100_000, [1000, 2000]));
        assert_eq!(of(100_000, [0, 0]), KIND / 2);
        assert_eq!(of(i64::MAX >> 31, [1, 0]), KIND / 2);
    }
}
