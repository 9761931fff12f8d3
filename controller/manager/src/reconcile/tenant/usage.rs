//! What a tenant uses of its quota, counted from the planner's own fleet and plan, so that status and admission agree. No I/O.

use raidc_crds::tenant::QuotaUsage;
use raidc_crds::tenant::UsedLimit;
use raidc_planner::Quota;
use raidc_planner::TenantName;

use crate::Decision;

/// Used and limit of everything that has a place; what waits is not used. Copies and reserves are the platform's.
///
/// `None` while no plan has been made: an unknown use is not none.
#[must_use]
pub fn usage(decision: &Decision, tenant: &str) -> Option<QuotaUsage> {
    if !decision.is_made() {
        return None;
    }
    let name = TenantName::from(tenant);
    let limits = decision.fleet.tenants.get(&name)?.quota.clone();
    let mut used = Quota {
        servers: Some(0),
        cpu_milli: Some(0),
        memory_mib: Some(0),
        storage_mib: Some(0),
        watts: Some(0),
        rack_units: Some(0),
    };
    let add = |sum: &mut Option<i64>, amount: i64| *sum = sum.map(|s| s.saturating_add(amount));
    for (id, server) in &decision.fleet.servers {
        if server.tenant == name && decision.plan.servers.contains_key(id) {
            add(&mut used.servers, 1);
            add(&mut used.cpu_milli, server.cpu_milli);
            add(&mut used.memory_mib, server.memory_mib);
            add(&mut used.storage_mib, server.storage_mib);
        }
    }
    for (id, colocation) in &decision.fleet.colocations {
        // As the planner does, a colocation counts whole once any of its devices has a place.
        let placed = decision.plan.colocations.get(id).is_some_and(|p| !p.is_empty());
        if colocation.tenant == name && placed {
            for device in &colocation.devices {
                add(&mut used.watts, device.watts);
                add(&mut used.rack_units, device.units);
            }
        }
    }
    let pair = |used: Option<i64>, limit: Option<i64>| UsedLimit {
        used: used.unwrap_or_default(),
        limit,
    };
    // Cores are whole in the API: a started core counts, a limit is exact because it was written in cores.
    let cores = used.cpu_milli.map(|milli| milli.saturating_add(999) / 1000);
    Some(QuotaUsage {
        servers: pair(used.servers, limits.servers),
        cores: pair(cores, limits.cpu_milli.map(|milli| milli / 1000)),
        memory_mib: pair(used.memory_mib, limits.memory_mib),
        storage_mib: pair(used.storage_mib, limits.storage_mib),
        watts: pair(used.watts, limits.watts),
        rack_units: pair(used.rack_units, limits.rack_units),
    })
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
    use raidc_planner::Server;
    use raidc_planner::ServerId;
    use raidc_planner::ServerPlan;
    use raidc_planner::Tenant;

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
            decision.fleet.servers.insert(id.clone(), server);
            if placed {
                decision.plan.servers.insert(id, ServerPlan::default());
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
