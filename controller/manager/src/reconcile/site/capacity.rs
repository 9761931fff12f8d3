//! What a Site's status says of the certifier's verdict. No I/O.

use jiff::Timestamp;
use kube::ResourceExt;
use raidc_crds::Site;
use raidc_crds::condition::{Status, WITHIN_CAPACITY};
use raidc_planner::SiteName;

use crate::Decision;
use crate::certify::Verdict;

/// The field and the condition.
pub(super) struct Capacity {
    pub(super) percent: Option<i64>,
    pub(super) status: Status,
    pub(super) reason: String,
    pub(super) message: String,
}

/// What is proven of the present plan. For the first minute after a start nothing is, and what the status says stays.
pub(super) fn said(site: &Site, verdict: &Verdict, decision: &Decision, now: Timestamp) -> Capacity {
    match verdict.says(decision, &SiteName::from(site.name_any()), now) {
        Some(said) => Capacity {
            percent: said.percent,
            status: said.status,
            reason: said.reason.to_owned(),
            message: said.message,
        },
        None => before(site).unwrap_or_else(|| Capacity {
            percent: None,
            status: Status::Unknown,
            reason: "NotCertifiedYet".to_owned(),
            message: "the plan is certified when it has stood for a quarter of a minute".to_owned(),
        }),
    }
}

/// What the status says now.
fn before(site: &Site) -> Option<Capacity> {
    let status = site.status.as_ref()?;
    let condition = status.conditions.iter().find(|c| c.type_ == WITHIN_CAPACITY)?;
    Some(Capacity {
        percent: status.max_safe_load_percent,
        status: match condition.status.as_str() {
            "True" => Status::True,
            "False" => Status::False,
            _ => Status::Unknown,
        },
        reason: condition.reason.clone(),
        message: condition.message.clone(),
    })
}

#[cfg(test)]
#[path = "capacity_tests.rs"]
mod tests;
