//! The certificate: numbers, and the multipliers that prove them. No I/O.

use raidc_planner::{Fleet, Plan};
use serde::{Deserialize, Serialize};

use crate::error::CertifyError;
use crate::linear::Multipliers;
use crate::relax::{Relaxed, relax};
use crate::solve;
use crate::view::View;

/// What is proven about one plan for one fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// Idle draw of the hosts that the plan has on, in watts: those with a server, and those that others' pods keep on.
    pub idle_watts: i64,
    /// No plan that places and protects the same servers has less, in watts.
    pub bound_watts: i64,
    /// How far the plan is above the bound, in thousandths of the bound, rounded up; 0 when the bound is 0.
    pub gap_permille: i64,
    /// No plan holds more of the same mix than so many thousandths of what is placed now, with every protected server
    /// still protected; `None` when nothing is placed. 1130 means: at most 13 per cent more.
    pub max_safe_load_permille: Option<i64>,
    /// Rules that the plan found broken and could not mend; the numbers hold for plans that break them no further.
    pub inherited: i64,
    /// Prove `bound_watts`.
    pub watts: Multipliers,
    /// Prove `max_safe_load_permille`.
    pub load: Multipliers,
}

/// Idle draw, in watts, of the hosts that `plan` has on: those with a server, and those that others' pods keep on.
/// Hosts that are fenced, unready or cannot be read are left out.
pub fn idle_watts(fleet: &Fleet, plan: &Plan) -> i64 {
    narrow(relax(&View::read(fleet, plan)).plan_watts)
}

/// Bounds for `plan`, which is one for `fleet`. Takes milliseconds to a second; the result does not depend on the clock
/// but for the solver giving up after many seconds.
///
/// # Errors
/// When the solver fails or the amounts cannot be added up exactly. Never a wrong number.
pub fn certify(fleet: &Fleet, plan: &Plan) -> Result<Certificate, CertifyError> {
    let relaxed = relax(&View::read(fleet, plan));
    let (mut watts, mut load) = (Multipliers::default(), Multipliers::default());
    if !relaxed.is_empty() {
        watts = solve::multipliers(&relaxed.watts())?;
        load = solve::multipliers(&relaxed.load())?;
    }
    prove(&relaxed, watts, load)
}

impl Certificate {
    /// Evaluates the multipliers again, in integers, and compares.
    ///
    /// # Errors
    /// When they are for another fleet or plan, or prove less than the certificate says.
    pub fn verify(&self, fleet: &Fleet, plan: &Plan) -> Result<(), CertifyError> {
        let relaxed = relax(&View::read(fleet, plan));
        let proven = prove(&relaxed, self.watts.clone(), self.load.clone())?;
        let agree = |stated: i64, proven: i64| {
            if stated == proven {
                Ok(())
            } else {
                Err(CertifyError::NotProven { stated, proven })
            }
        };
        agree(self.bound_watts, proven.bound_watts)?;
        agree(self.idle_watts, proven.idle_watts)?;
        agree(self.gap_permille, proven.gap_permille)?;
        agree(
            self.max_safe_load_permille.unwrap_or(-1),
            proven.max_safe_load_permille.unwrap_or(-1),
        )
    }

    /// The certificate that any multipliers prove, however bad they are: its bound is valid, if low.
    ///
    /// # Errors
    /// When there are too few or too many of them, or the amounts cannot be added up exactly.
    pub fn from_multipliers(
        fleet: &Fleet,
        plan: &Plan,
        watts: Multipliers,
        load: Multipliers,
    ) -> Result<Self, CertifyError> {
        prove(&relax(&View::read(fleet, plan)), watts, load)
    }
}

fn prove(relaxed: &Relaxed, watts: Multipliers, load: Multipliers) -> Result<Certificate, CertifyError> {
    let (mut bound, mut most) = (relaxed.constant_watts, None);
    if !relaxed.is_empty() {
        let (sum, one) = relaxed.watts().bound(&watts)?;
        // Idle watts of hosts are whole: what is above a fraction is at least the next whole number.
        bound += (sum.div_euclid(one) + i128::from(sum.rem_euclid(one) > 0)).max(0);
        let (sum, one) = relaxed.load().bound(&load)?;
        let thousandths = sum.checked_neg().and_then(|sum| sum.checked_mul(1000));
        most = Some(narrow(thousandths.ok_or(CertifyError::TooLarge)?.div_euclid(one)));
    }
    let gap = if bound > 0 {
        let over = (relaxed.plan_watts - bound) * 1000;
        over.div_euclid(bound) + i128::from(over.rem_euclid(bound) > 0)
    } else {
        0
    };
    Ok(Certificate {
        idle_watts: narrow(relaxed.plan_watts),
        bound_watts: narrow(bound),
        gap_permille: narrow(gap),
        max_safe_load_permille: most,
        inherited: i64::try_from(relaxed.inherited).unwrap_or(i64::MAX),
        watts,
        load,
    })
}

/// Sums of at most 2^32 hosts of at most a megawatt fit; what does not is shown as the most there can be.
fn narrow(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}
