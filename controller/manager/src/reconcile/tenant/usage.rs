//! What a tenant uses of its quota as decided now, and what of it is too much. No I/O.

use raidc_crds::tenant::QuotaUsage;
use raidc_crds::tenant::UsedLimit;

use crate::Decision;
use crate::inventory;

/// Used and limit of everything that has a place.
///
/// `None` while no plan has been made: an unknown use is not none.
#[must_use]
pub fn usage(decision: &Decision, tenant: &str) -> Option<QuotaUsage> {
    let made = decision.is_made();
    made.then(|| inventory::usage::usage(&decision.fleet, &decision.plan, tenant))
        .flatten()
}

/// The limits that are exceeded, as their fields in `spec.quota` are called.
#[must_use]
pub fn exceeded(usage: &QuotaUsage) -> Vec<&'static str> {
    let over = |u: &UsedLimit| u.limit.is_some_and(|limit| u.used > limit);
    [
        ("servers", &usage.servers),
        ("cores", &usage.cores),
        ("memory", &usage.memory_mib),
        ("storage", &usage.storage_mib),
        ("watts", &usage.watts),
        ("rackUnits", &usage.rack_units),
    ]
    .into_iter()
    .filter_map(|(name, u)| over(u).then_some(name))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use raidc_planner::Colocation;
    use raidc_planner::ColocationId;
    use raidc_planner::Device;
    use raidc_planner::DevicePlace;
    use raidc_planner::Quota;
    use raidc_planner::Server;
    use raidc_planner::ServerId;
    use raidc_planner::ServerPlan;
    use raidc_planner::Tenant;
    use raidc_planner::TenantName;

    fn decision() -> Decision {
        let mut decision = Decision {
            sequence: 1,
            ..Decision::default()
        };
        let quota = Quota {
            servers: Some(2),
            cpu_milli: Some(4000),
            ..Quota::default()
        };
        decision
            .fleet
            .tenants
            .insert(TenantName::from("kuldiga"), Tenant { quota });
        for (tenant, name, placed) in [
            ("kuldiga", "a", true),
            ("kuldiga", "b", false),
            ("talsi", "c", true),
        ] {
            let id = ServerId::new(tenant, name);
            let server = Server {
                tenant: TenantName::from(tenant),
                cpu_milli: 2500,
                memory_mib: 4096,
                overhead_mib: 300,
                storage_mib: 20_480,
                ..Server::default()
            };
            let decided = ServerPlan {
                granted: server.asked(),
                ..ServerPlan::default()
            };
            // What it asks for beyond that waits.
            let more = Server {
                cpu_milli: 64_000,
                ..server
            };
            decision.fleet.servers.insert(id.clone(), more);
            if placed {
                decision.plan.servers.insert(id, decided);
            }
        }
        decision
    }

    #[test]
    fn what_waits_and_what_is_anothers_is_never_counted() {
        let usage = usage(&decision(), "kuldiga").expect("a plan was made");
        assert_eq!((usage.servers.used, usage.servers.limit), (1, Some(2)));
        assert_eq!((usage.cores.used, usage.cores.limit), (3, Some(4)));
        assert_eq!((usage.memory_mib.used, usage.memory_mib.limit), (4096, None));
        assert_eq!(usage.storage_mib.used, 20_480);
        assert_eq!(usage.watts.used, 0, "servers draw the platform's watts");
        assert!(exceeded(&usage).is_empty());
    }

    #[test]
    fn an_unknown_use_is_never_none() {
        assert_eq!(usage(&Decision::default(), "kuldiga"), None);
        assert_eq!(usage(&decision(), "nobody"), None);
    }

    #[test]
    fn placed_devices_count_with_their_nameplate() {
        let mut decision = decision();
        let id = ColocationId::new("kuldiga", "fw");
        let device = Device {
            name: "fw-a".into(),
            units: 2,
            watts: 120,
            feeds: 2,
        };
        let colocation = Colocation {
            tenant: TenantName::from("kuldiga"),
            devices: vec![device],
            ..Colocation::default()
        };
        decision.fleet.colocations.insert(id.clone(), colocation);
        assert_eq!(usage(&decision, "kuldiga").map(|u| u.watts.used), Some(0));
        decision.plan.colocations.insert(id, vec![DevicePlace::default()]);
        let found = usage(&decision, "kuldiga").expect("a plan was made");
        assert_eq!((found.watts.used, found.rack_units.used), (120, 2));
    }

    #[test]
    fn what_exceeds_is_named_as_in_the_spec() {
        let mut found = usage(&decision(), "kuldiga").expect("a plan was made");
        found.memory_mib = UsedLimit {
            used: 3,
            limit: Some(2),
        };
        assert_eq!(exceeded(&found), vec!["memory"]);
    }
}
