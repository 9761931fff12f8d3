//! Condition types and how they are set: one place, so that a status always reads the same. No I/O.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

/// The object is as its spec asks (kstatus).
pub const READY: &str = "Ready";
/// Work is going on; removed when it ends (kstatus).
pub const RECONCILING: &str = "Reconciling";
/// A human must act; removed when it no longer applies (kstatus).
pub const STALLED: &str = "Stalled";
/// A site, rack and host were found.
pub const PLACED: &str = "Placed";
/// Disks and the virtual machine exist as asked.
pub const PROVISIONED: &str = "Provisioned";
/// Every copy is where the plan says and within its recovery point objective.
pub const PROTECTED: &str = "Protected";
/// Every server of this site has a place if the site is lost.
pub const SURVIVES_SITE_LOSS: &str = "SurvivesSiteLoss";
/// No group of servers asks for more than the sites that it may be at have, in normal running or after a loss.
pub const WITHIN_CAPACITY: &str = "WithinCapacity";
/// Copies that are sent from this site leave no volume behind.
pub const TRANSFERS_LEAVE_NOTHING: &str = "TransfersLeaveNothing";
/// The rack stays within its breakers if a feed is lost.
pub const SURVIVES_FEED_LOSS: &str = "SurvivesFeedLoss";
/// Measured watts are read for this rack.
pub const POWER_MEASURED: &str = "PowerMeasured";
/// Use is within the quota.
pub const WITHIN_QUOTA: &str = "WithinQuota";
/// Every server that asked for this policy is protected by it.
pub const WITHIN_RPO: &str = "WithinRPO";

/// A condition's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody can tell; opens no gate.
    Unknown,
}

impl Status {
    /// The word that Kubernetes uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// One condition; `observed_generation` is the generation that was looked at.
#[must_use]
pub fn condition(
    kind: &str,
    status: Status,
    reason: &str,
    message: impl Into<String>,
    observed_generation: Option<i64>,
    now: Timestamp,
) -> Condition {
    Condition {
        type_: kind.to_owned(),
        status: status.as_str().to_owned(),
        reason: reason.to_owned(),
        message: message.into(),
        observed_generation,
        last_transition_time: Time(now),
    }
}

/// The new list of conditions, sorted by type, keeping the transition time of every condition whose status did not change.
/// A condition that `wanted` does not name is gone.
#[must_use]
pub fn merge(previous: &[Condition], mut wanted: Vec<Condition>) -> Vec<Condition> {
    for new in &mut wanted {
        if let Some(old) = previous.iter().find(|c| c.type_ == new.type_)
            && old.status == new.status
        {
            new.last_transition_time = old.last_transition_time.clone();
        }
    }
    wanted.sort_by(|a, b| a.type_.cmp(&b.type_));
    wanted
}

/// Whether a condition of this type is `True` in the list.
#[must_use]
pub fn is_true(conditions: &[Condition], kind: &str) -> bool {
    conditions.iter().any(|c| c.type_ == kind && c.status == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn a_transition_time_never_moves_without_a_transition() {
        let before = [condition(
            READY,
            Status::False,
            "Waiting",
            "no host",
            Some(1),
            at(10),
        )];
        let same = merge(
            &before,
            vec![condition(
                READY,
                Status::False,
                "Creating",
                "disk",
                Some(2),
                at(20),
            )],
        );
        assert_eq!(same[0].last_transition_time, Time(at(10)));
        assert_eq!(
            (same[0].reason.as_str(), same[0].observed_generation),
            ("Creating", Some(2))
        );
        let flipped = merge(
            &before,
            vec![condition(READY, Status::True, "Running", "", Some(2), at(20))],
        );
        assert_eq!(flipped[0].last_transition_time, Time(at(20)));
    }

    #[test]
    fn a_condition_that_no_longer_applies_is_gone_and_the_order_never_depends_on_the_writer() {
        let before = [condition(
            STALLED,
            Status::True,
            "UnknownSize",
            "no size x",
            Some(1),
            at(10),
        )];
        let ready = condition(READY, Status::True, "Running", "", Some(2), at(20));
        let placed = condition(PLACED, Status::True, "Placed", "", Some(2), at(20));
        let one = merge(&before, vec![ready.clone(), placed.clone()]);
        assert_eq!(one, merge(&before, vec![placed, ready]));
        assert_eq!(
            one.iter().map(|c| c.type_.as_str()).collect::<Vec<_>>(),
            [PLACED, READY]
        );
    }

    #[test]
    fn unknown_opens_no_gate() {
        let list = [condition(
            PROTECTED,
            Status::Unknown,
            "NoEvidence",
            "",
            None,
            at(0),
        )];
        assert!(!is_true(&list, PROTECTED) && !is_true(&[], PROTECTED));
        assert!(is_true(
            &[condition(PROTECTED, Status::True, "Current", "", None, at(0))],
            PROTECTED
        ));
    }
}
