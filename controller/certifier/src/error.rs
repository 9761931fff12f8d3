//! Why there is no certificate. No I/O.

/// Why there is no certificate. The plan is neither better nor worse for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertifyError {
    /// The solver gave no multipliers.
    #[error(
        "the solver found no multipliers ({why}): the bound is unknown; the plan is not touched by this, try again with the next one"
    )]
    Solver {
        /// What the solver said.
        why: String,
    },
    /// The sums do not fit into 128 bits.
    #[error(
        "the amounts in this fleet are too large to add up exactly: the bound is unknown; look for a host or server whose size cannot be true"
    )]
    TooLarge,
    /// The multipliers are not for this fleet and plan.
    #[error(
        "{given} multipliers were given and this fleet and plan have {expected} rows: certify the plan again"
    )]
    OtherRows {
        /// How many were given.
        given: usize,
        /// How many are needed.
        expected: usize,
    },
    /// The certificate says more than its multipliers prove.
    #[error(
        "the certificate says {stated} and its multipliers prove {proven}: do not rely on it, certify the plan again"
    )]
    NotProven {
        /// What the certificate says.
        stated: i64,
        /// What follows from its multipliers.
        proven: i64,
    },
}
