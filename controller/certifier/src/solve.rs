//! Multipliers for a linear program, by solving its dual with microlp. The only place with floating-point numbers, and
//! none leaves it: what comes out is rounded to fractions, and proves what it proves (see `linear.rs`). No I/O.

use std::time::Duration;

use microlp::{ComparisonOp, OptimizationDirection, Problem, Variable};

use crate::error::CertifyError;
use crate::linear::{Linear, MAX_SHIFT, Multipliers};

/// Longest time for one program. Usual are milliseconds; this only keeps a cycling solver from being endless.
const PATIENCE: Duration = Duration::from_secs(20);

/// Binary digits that the largest multiplier gets.
const DIGITS: i32 = 50;

/// The best multipliers that the solver finds.
///
/// The dual as a program of its own, because the solver shows no multipliers: maximise `b·pi - sum w_j limit_j` with
/// `A_j·pi - w_j <= c_j`. Variables and rows are scaled to about one, and scaled back.
pub(crate) fn multipliers(linear: &Linear) -> Result<Multipliers, CertifyError> {
    let sizes = row_sizes(linear);
    let dearest = linear
        .columns
        .iter()
        .map(|column| float(column.cost).abs() * float(column.limit))
        .fold(1.0, f64::max);
    let mut problem = Problem::new(OptimizationDirection::Maximize);
    problem.set_time_limit(PATIENCE);
    let pi: Vec<Variable> = linear
        .rows
        .iter()
        .zip(&sizes)
        .map(|(least, size)| problem.add_var(float(*least) / size, (0.0, f64::INFINITY)))
        .collect();
    for column in linear.columns.iter().filter(|column| column.limit > 0) {
        let limit = float(column.limit);
        let mut terms: Vec<(Variable, f64)> = column
            .entries
            .iter()
            .filter_map(|&(row, coefficient)| {
                Some((*pi.get(row)?, float(coefficient) * limit / sizes.get(row)?))
            })
            .collect();
        if column.bounded {
            terms.push((problem.add_var(-1.0, (0.0, f64::INFINITY)), -1.0));
        }
        problem.add_constraint(terms, ComparisonOp::Le, float(column.cost) * limit / dearest);
    }
    let failed = |why: String| CertifyError::Solver { why };
    let outcome = problem.solve().map_err(|error| failed(error.to_string()))?;
    let solution = outcome
        .into_solution()
        .map_err(|_| failed(format!("no answer within {} s", PATIENCE.as_secs())))?;
    let values: Vec<f64> = pi
        .iter()
        .zip(&sizes)
        .map(|(variable, size)| solution.var_value(*variable) * dearest / size)
        .collect();
    Ok(rounded(&values))
}

/// The largest that each row's terms can be, as a scale.
fn row_sizes(linear: &Linear) -> Vec<f64> {
    let mut sizes = vec![1.0f64; linear.rows.len()];
    for column in &linear.columns {
        for &(row, coefficient) in &column.entries {
            if let Some(size) = sizes.get_mut(row) {
                *size = size.max(float(coefficient).abs() * float(column.limit));
            }
        }
    }
    sizes
}

/// As fractions with one power of two below them all.
#[expect(
    clippy::cast_possible_truncation,
    reason = "rounding is what this is for, and casts saturate"
)]
fn rounded(values: &[f64]) -> Multipliers {
    let most = values
        .iter()
        .copied()
        .filter(|value| value.is_finite())
        .fold(0.0, f64::max);
    if most <= 0.0 {
        return Multipliers {
            numerators: vec![0; values.len()],
            shift: 0,
        };
    }
    let shift = (DIGITS - most.log2().ceil() as i32).clamp(0, i32::try_from(MAX_SHIFT).unwrap_or(0));
    let numerators = values
        .iter()
        .map(|value| (value.max(0.0) * 2f64.powi(shift)).round() as i128)
        .collect();
    Multipliers {
        numerators,
        shift: u32::try_from(shift).unwrap_or(0),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the solver may err: what it finds is verified in integers"
)]
fn float(value: i128) -> f64 {
    value as f64
}
