//! A linear program in integers, and what any multipliers prove about it. No I/O.
//!
//! `minimise c·x` where every row says `A·x >= b` and every variable lies between 0 and its limit. For any multipliers
//! that are not negative,
//!
//! ```text
//! c·x  >=  c·x - pi·(A·x - b)  =  pi·b + sum_j (c_j - A_j·pi) x_j  >=  pi·b + sum_j min(0, c_j - A_j·pi) limit_j
//! ```
//!
//! holds for every feasible x (weak duality; the limits make it hold however bad the multipliers are). The right side is
//! a sum of products of integers, and is evaluated as such: who found the multipliers, and how, does not matter.

use crate::error::CertifyError;

/// A variable: its cost, its limit, and the rows it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// What one unit costs.
    pub(crate) cost: i128,
    /// The most it can be.
    pub(crate) limit: i128,
    /// Row and coefficient, each row once.
    pub(crate) entries: Vec<(usize, i128)>,
    /// The limit binds by itself and is not implied by the rows: the solver has to know it.
    pub(crate) bounded: bool,
}

/// The program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Linear {
    /// Right-hand sides: `A·x >= b`.
    pub(crate) rows: Vec<i128>,
    /// Variables.
    pub(crate) columns: Vec<Column>,
}

/// Multipliers, one per row: `numerators[i] / 2^shift`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Multipliers {
    /// One per row, not negative (a negative one counts as 0).
    pub numerators: Vec<i128>,
    /// The common denominator is two to this power.
    pub shift: u32,
}

/// Largest exponent of the common denominator.
pub(crate) const MAX_SHIFT: u32 = 100;

impl Linear {
    /// Adds a row `... >= least` and says its number.
    pub(crate) fn row(&mut self, least: i128) -> usize {
        self.rows.push(least);
        self.rows.len() - 1
    }

    /// What `multipliers` prove: the objective is at least the first number over the second.
    pub(crate) fn bound(&self, multipliers: &Multipliers) -> Result<(i128, i128), CertifyError> {
        if multipliers.numerators.len() != self.rows.len() {
            return Err(CertifyError::OtherRows {
                given: multipliers.numerators.len(),
                expected: self.rows.len(),
            });
        }
        if multipliers.shift > MAX_SHIFT {
            return Err(CertifyError::TooLarge);
        }
        let one = 1i128 << multipliers.shift;
        self.sum(multipliers, one)
            .map(|sum| (sum, one))
            .ok_or(CertifyError::TooLarge)
    }

    /// The right side of the inequality above, times `one`; `None` when it does not fit.
    fn sum(&self, multipliers: &Multipliers, one: i128) -> Option<i128> {
        let pi = |row: usize| multipliers.numerators.get(row).map(|&value| value.max(0));
        let mut sum = 0i128;
        for (row, least) in self.rows.iter().enumerate() {
            sum = sum.checked_add(pi(row)?.checked_mul(*least)?)?;
        }
        for column in &self.columns {
            let mut reduced = column.cost.checked_mul(one)?;
            for &(row, coefficient) in &column.entries {
                reduced = reduced.checked_sub(pi(row)?.checked_mul(coefficient)?)?;
            }
            if reduced < 0 {
                sum = sum.checked_add(reduced.checked_mul(column.limit)?)?;
            }
        }
        Some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Minimise 3x + 5y with 2x + 4y >= 10, x and y up to 4: optimum 12.5 at y = 2.5.
    fn small() -> Linear {
        let mut linear = Linear::default();
        let row = linear.row(10);
        for (cost, coefficient) in [(3, 2), (5, 4)] {
            linear.columns.push(Column {
                cost,
                limit: 4,
                entries: vec![(row, coefficient)],
                bounded: true,
            });
        }
        linear
    }

    fn times_four(numerator: i128) -> Multipliers {
        Multipliers {
            numerators: vec![numerator],
            shift: 2,
        }
    }

    #[test]
    fn no_multiplier_proves_more_than_the_optimum() {
        for numerator in -20..200 {
            let (sum, one) = small().bound(&times_four(numerator)).unwrap();
            assert!(2 * sum <= 25 * one, "{numerator} quarters prove {sum}/{one}");
        }
        assert_eq!(small().bound(&times_four(5)).unwrap(), (50, 4));
    }

    #[test]
    fn amounts_that_do_not_fit_never_become_a_bound() {
        let mut linear = small();
        linear.rows[0] = i128::MAX;
        assert_eq!(linear.bound(&times_four(5)), Err(CertifyError::TooLarge));
        let other = Multipliers::default();
        assert_eq!(
            small().bound(&other),
            Err(CertifyError::OtherRows {
                given: 0,
                expected: 1
            })
        );
    }
}
