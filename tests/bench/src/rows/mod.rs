//! The rows, in the order in which they run. No I/O of their own.

mod admit;
mod bulk;
mod churn;
mod fuzz;
mod huawei;
mod large;
mod loss;
mod stable;

use raidc_certifier::{Certificate, certify};
use raidc_planner::{Fleet, Plan};

use crate::stopwatch::show;
use crate::table::Table;

/// What every row gets.
pub(crate) struct Context {
    pub(crate) table: Table,
    /// Runs that count, of which the median is shown.
    pub(crate) runs: usize,
    pub(crate) quick: bool,
    /// For the rows that draw (fuzz, churn); the fleets have seeds of their own.
    pub(crate) seed: u64,
}

/// One row of the table, or a few that belong together.
pub(crate) type Row = fn(&mut Context);

/// Name and row.
pub(crate) const ROWS: &[(&str, Row)] = &[
    ("synthetic", bulk::synthetic),
    ("sizes", bulk::many_sizes),
    ("openb", bulk::real),
    ("huawei", huawei::huawei),
    ("admit", admit::admit),
    ("churn", churn::churn),
    ("large", large::large),
    ("stable", stable::stable),
    ("loss", loss::loss),
    ("fuzz", fuzz::fuzz),
];

/// A line for the idle watts of a plan beside its bound; `most` is in thousandths above 1.
pub(crate) fn watts(
    context: &mut Context,
    name: &str,
    fleet: &Fleet,
    plan: &Plan,
    most: f64,
) -> Option<Certificate> {
    let measure = format!("{name}: idle watts / bound");
    let start = std::time::Instant::now();
    let result = certify(fleet, plan);
    let took = show(start.elapsed());
    match result {
        Ok(certificate) => {
            let verified = certificate.verify(fleet, plan);
            let ratio = share(certificate.idle_watts, certificate.bound_watts);
            let load = certificate
                .max_safe_load_permille
                .map_or_else(|| "-".to_owned(), |most| format!("{most} ‰"));
            context.table.goal(
                &measure,
                &format!("{} W", certificate.idle_watts),
                &format!(
                    "bound {} W in {took}, max safe load {load} of now",
                    certificate.bound_watts
                ),
                &format!("{ratio:.4} <= {most:.2}"),
                ratio <= most && verified.is_ok(),
            );
            Some(certificate)
        }
        Err(error) => {
            context.table.goal(&measure, &error.to_string(), "", "", false);
            None
        }
    }
}

/// `a / b` for people to read.
#[expect(clippy::cast_precision_loss, reason = "for people to read")]
pub(crate) fn share(a: i64, b: i64) -> f64 {
    a as f64 / b.max(1) as f64
}
