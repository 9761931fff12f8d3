//! VolSync's state machine: when a copy is due, and what its object says. No I/O.

use croner::Cron;
use croner::parser::{CronParser, Seconds};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::sim::engine::Seen;
use crate::sim::value::{Look, rfc3339, time, with_condition};

/// What to do with a copy now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A transfer is under way since then.
    Syncing(Timestamp),
    /// A transfer has to begin.
    Now,
    /// The next one begins then.
    At(Timestamp),
    /// The next one begins when someone asks for it.
    Manual,
    /// The schedule is not readable.
    Broken(String),
}

/// Reads where an object is.
pub(super) fn due(object: &Seen, now: Timestamp) -> Due {
    if let Some(since) = time(object.text("/status/lastSyncStartTime")) {
        return Due::Syncing(since);
    }
    let Some(last) = time(object.text("/status/lastSyncTime")) else {
        return Due::Now;
    };
    let manual = object.text("/spec/trigger/manual");
    let schedule = object.text("/spec/trigger/schedule");
    if !manual.is_empty() {
        if manual == object.text("/status/lastManualSync") {
            Due::Manual
        } else {
            Due::Now
        }
    } else if schedule.is_empty() {
        Due::Now
    } else {
        match next(schedule, last) {
            Ok(at) if at <= now => Due::Now,
            Ok(at) => Due::At(at),
            Err(why) => Due::Broken(why),
        }
    }
}

/// The first time after `last` that a schedule names, in UTC.
fn next(schedule: &str, last: Timestamp) -> Result<Timestamp, String> {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).build();
    let cron: Cron = parser.parse(schedule).map_err(|error| error.to_string())?;
    let next = cron.find_next_occurrence(&last.to_zoned(TimeZone::UTC), false);
    next.map(|zoned| zoned.timestamp())
        .map_err(|error| error.to_string())
}

/// A transfer begins.
pub(super) fn begun(object: &Seen, now: Timestamp) -> Value {
    json!({
        "lastSyncStartTime": rfc3339(now),
        "conditions": conditions(object, "True", "SyncInProgress", "Synchronization in-progress", now),
    })
}

/// A transfer is done. Its duration counts from its beginning, failed tries included.
pub(super) fn done(object: &Seen, since: Timestamp, now: Timestamp) -> Value {
    let manual = object.text("/spec/trigger/manual");
    let schedule = object.text("/spec/trigger/schedule");
    let (reason, message) = if schedule.is_empty() || !manual.is_empty() {
        ("WaitingForManual", "Waiting for manual trigger")
    } else {
        ("WaitingForSchedule", "Waiting for next scheduled synchronization")
    };
    let next = if manual.is_empty() && !schedule.is_empty() {
        next(schedule, now).ok()
    } else {
        None
    };
    json!({
        "lastSyncTime": rfc3339(now),
        "lastSyncDuration": duration(now.as_millisecond() - since.as_millisecond()),
        "lastSyncStartTime": null,
        "nextSyncTime": next.map(rfc3339),
        "lastManualSync": Some(manual).filter(|m| !m.is_empty()),
        "latestMoverStatus": {"result": "Successful", "logs": ""},
        "conditions": conditions(object, "False", reason, message, now),
    })
}

/// The object cannot be worked on.
pub(super) fn broken(object: &Seen, why: &str, now: Timestamp) -> Value {
    json!({"conditions": conditions(object, "False", "Error", why, now)})
}

fn conditions(object: &Seen, status: &str, reason: &str, message: &str, now: Timestamp) -> Vec<Value> {
    let condition = json!({"type": "Synchronizing", "status": status, "reason": reason, "message": message});
    with_condition(object.list("/status/conditions"), condition, now)
}

/// A duration as Go writes it.
fn duration(millis: i64) -> String {
    let millis = millis.max(0);
    let (minutes, rest) = (millis / 60_000, millis % 60_000);
    let seconds = format!("{}.{:03}", rest / 1000, rest % 1000);
    let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::value::object;
    use std::sync::Arc;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn copy(trigger: Value, status: Value) -> Seen {
        Arc::new(object(json!({"spec": {"trigger": trigger}, "status": status})))
    }

    #[test]
    fn a_copy_that_was_never_made_is_due_at_once() {
        assert_eq!(
            due(
                &copy(json!({"schedule": "0 3 * * *"}), json!({})),
                at("2026-01-01T00:00:00Z")
            ),
            Due::Now
        );
    }

    #[test]
    fn a_schedule_is_neither_missed_nor_run_early() {
        let made = copy(
            json!({"schedule": "*/15 * * * *"}),
            json!({"lastSyncTime": "2026-01-01T00:03:00Z"}),
        );
        assert_eq!(
            due(&made, at("2026-01-01T00:14:59Z")),
            Due::At(at("2026-01-01T00:15:00Z"))
        );
        assert_eq!(due(&made, at("2026-01-01T00:15:00Z")), Due::Now);
        let broken = copy(
            json!({"schedule": "often"}),
            json!({"lastSyncTime": "2026-01-01T00:03:00Z"}),
        );
        assert!(matches!(due(&broken, at("2026-01-01T00:15:00Z")), Due::Broken(_)));
    }

    #[test]
    fn a_manual_copy_is_made_once_per_token() {
        let trigger = json!({"manual": "final"});
        let status = json!({"lastSyncTime": "2026-01-01T00:03:00Z", "lastManualSync": "final"});
        assert_eq!(
            due(&copy(trigger.clone(), status), at("2026-01-01T00:15:00Z")),
            Due::Manual
        );
        let status = json!({"lastSyncTime": "2026-01-01T00:03:00Z", "lastManualSync": "earlier"});
        assert_eq!(due(&copy(trigger, status), at("2026-01-01T00:15:00Z")), Due::Now);
    }

    #[test]
    fn the_start_is_cleared_and_the_duration_counts_from_it() {
        let began = at("2026-01-01T00:00:00Z");
        let c = copy(
            json!({"schedule": "*/15 * * * *"}),
            json!({"lastSyncStartTime": "2026-01-01T00:00:00Z"}),
        );
        let status = done(&c, began, at("2026-01-01T00:00:01.5Z"));
        assert_eq!(
            (&status["lastSyncStartTime"], &status["lastSyncDuration"]),
            (&Value::Null, &json!("1.5s"))
        );
        assert_eq!(status["nextSyncTime"], "2026-01-01T00:15:00Z");
        assert_eq!(
            (duration(3_723_000).as_str(), duration(60_000).as_str()),
            ("1h2m3s", "1m0s")
        );
    }
}
