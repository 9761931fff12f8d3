//! When a plan is certified: seldom, and only when it has come to rest. No I/O.

use std::time::Duration;

use tokio::time::Instant;

/// A certificate older than this says nothing any more.
pub(super) const OLDEST: Duration = Duration::from_mins(30);

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The plan must have stood for this long: while servers are being added, a certificate would be of yesterday before it is read.
    pub quiet: Duration,
    /// Least time from the beginning of one attempt to that of the next, whatever happens.
    pub every: Duration,
    /// A plan that stands is certified again after this long, so that what others' pods take meanwhile is counted.
    pub again: Duration,
    /// Longest time for one attempt. The solver gives up before; this is for what nobody thought of.
    pub deadline: Duration,
    /// For so long after a start the status keeps what it said before: an operator that is started again has forgotten nothing yet.
    pub grace: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            quiet: Duration::from_secs(15),
            every: Duration::from_mins(10),
            again: Duration::from_mins(20),
            deadline: Duration::from_mins(1),
            grace: Duration::from_mins(1),
        }
    }
}

impl Pace {
    /// When the next attempt may begin. `changed`: when the plan last became another; `began`: the last attempt; `answered`: there is a
    /// certificate of the plan as it is now.
    pub(super) fn next(&self, changed: Instant, began: Option<Instant>, answered: bool) -> Instant {
        match began {
            None => changed + self.quiet,
            Some(began) if answered => began + self.again,
            Some(began) => (changed + self.quiet).max(began + self.every),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_plan_is_certified_while_it_still_changes_or_more_than_once_in_ten_minutes() {
        let (start, pace) = (Instant::now(), Pace::default());
        let at = |minutes: u64| start + Duration::from_mins(minutes);
        assert_eq!(pace.next(at(5), None, false), at(5) + pace.quiet);
        for changed in 0..40 {
            for answered in [false, true] {
                let next = pace.next(at(changed), Some(at(3)), answered);
                assert!(next >= at(3) + Duration::from_mins(10), "changed at {changed}");
                assert!(
                    answered || next >= at(changed) + pace.quiet,
                    "changed at {changed}"
                );
            }
        }
    }

    #[test]
    fn a_certificate_never_grows_too_old_while_its_plan_stands() {
        let (start, pace) = (Instant::now(), Pace::default());
        let replaced = pace.next(start, Some(start), true) + pace.deadline;
        assert!(replaced < start + OLDEST);
    }
}
