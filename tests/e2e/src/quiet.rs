//! What the operator writes while little or nothing happens, by the API server's audit log, and which transfers of copies ended
//! meanwhile. Reads the audit log and the API server.

use crate::controller::USER;
use crate::error::Error;
use crate::recount::list;
use crate::world::World;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use kube::ResourceExt;
use raidc_controller::foreign::volsync::ReplicationDestination;
use raidc_controller::foreign::volsync::ReplicationSource;
use raidc_crds::names::SERVER_LABEL;
use raidc_lab::AuditEntry;
use raidc_lab::AuditFilter;
use std::collections::BTreeMap;

/// Minutes before and after a window in which no transfer may be due: one that began before it may still be under way.
const MARGIN: i64 = 2;

/// What the operator wrote since then. The leader's claim is left out: it is the heartbeat, the one thing that must be written
/// while nothing happens.
pub fn writes(world: &World, since: Timestamp) -> Result<Vec<AuditEntry>, Error> {
    let mut entries = world.lab.audit(&AuditFilter::writes_by(USER, since))?;
    entries.retain(|e| e.resource != "leases");
    Ok(entries)
}

/// One end of a copy and when it last reported the end of a transfer.
pub type Reports = BTreeMap<(String, String), (String, [Option<Timestamp>; 2])>;

/// By namespace and name of each pair: its server, and when the source and the destination last reported.
pub async fn reports(world: &World) -> Result<Reports, Error> {
    let mut all = Reports::new();
    for source in list::<ReplicationSource>(&world.cluster).await? {
        let at = source.status.as_ref().and_then(|s| s.last_sync_time.as_ref());
        let key = (source.namespace().unwrap_or_default(), source.name_any());
        let server = source.labels().get(SERVER_LABEL).cloned().unwrap_or_default();
        all.insert(key, (server, [at.map(|t| t.0), None]));
    }
    for destination in list::<ReplicationDestination>(&world.cluster).await? {
        let at = destination
            .status
            .as_ref()
            .and_then(|s| s.last_sync_time.as_ref());
        let key = (
            destination.namespace().unwrap_or_default(),
            destination.name_any(),
        );
        if let Some((_, both)) = all.get_mut(&key) {
            both[1] = at.map(|t| t.0);
        }
    }
    Ok(all)
}

/// Pairs of which a transfer is under way or due about now, by daily schedules such as `7 3 * * *`; another schedule counts as due.
pub async fn due(world: &World, now: Timestamp) -> Result<Vec<String>, Error> {
    let clock = now.to_zoned(TimeZone::UTC);
    let minute = i64::from(clock.hour()) * 60 + i64::from(clock.minute());
    let mut due = Vec::new();
    for source in list::<ReplicationSource>(&world.cluster).await? {
        let schedule = source.spec.trigger.as_ref().and_then(|t| t.schedule.as_deref());
        let at = schedule.and_then(daily);
        let near = at.is_none_or(|at| {
            let apart = (at - minute).rem_euclid(24 * 60);
            apart <= MARGIN || apart >= 24 * 60 - MARGIN
        });
        let under_way = source
            .status
            .as_ref()
            .is_some_and(|s| s.last_sync_start_time.is_some());
        if near || under_way {
            due.push(format!("{} {schedule:?}", source.name_any()));
        }
    }
    Ok(due)
}

/// The minute of the day of a daily schedule.
fn daily(schedule: &str) -> Option<i64> {
    let mut fields = schedule.split(' ');
    let (minute, hour): (i64, i64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    (fields.collect::<Vec<_>>() == ["*", "*", "*"]).then_some(hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_daily_schedule_is_ever_called_quiet() {
        assert_eq!(daily("7 3 * * *"), Some(187));
        assert_eq!(daily("3-59/6 * * * *"), None);
        assert_eq!(daily("7 3-23/4 * * *"), None);
        assert_eq!(daily("7 3 * * 1"), None);
    }
}
