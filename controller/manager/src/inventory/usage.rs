//! What a tenant uses of its quota, counted from the planner's own fleet and plan, so that status, admission and the command agree.
//! No I/O.

use raidc_crds::tenant::QuotaUsage;
use raidc_crds::tenant::UsedLimit;
use raidc_planner::Fleet;
use raidc_planner::Plan;
use raidc_planner::Quota;
use raidc_planner::TenantName;

/// Used and limit of everything that has a place; what waits is not used. Copies and reserves are the platform's.
///
/// `None` for a tenant that is not in the fleet.
#[must_use]
pub fn usage(fleet: &Fleet, plan: &Plan, tenant: &str) -> Option<QuotaUsage> {
    let name = TenantName::from(tenant);
    let limits = fleet.tenants.get(&name)?.quota.clone();
    let mut used = Quota {
        servers: Some(0),
        cpu_milli: Some(0),
        memory_mib: Some(0),
        storage_mib: Some(0),
        watts: Some(0),
        rack_units: Some(0),
    };
    let add = |sum: &mut Option<i64>, amount: i64| *sum = sum.map(|s| s.saturating_add(amount));
    for (id, server) in &fleet.servers {
        if server.tenant == name
            && let Some(decided) = plan.servers.get(id)
        {
            add(&mut used.servers, 1);
            add(&mut used.cpu_milli, decided.granted.cpu_milli);
            add(&mut used.memory_mib, decided.granted.memory_mib);
            add(&mut used.storage_mib, decided.granted.storage_mib);
        }
    }
    for (id, colocation) in &fleet.colocations {
        // As the planner does, a colocation counts whole once any of its devices has a place.
        let placed = plan.colocations.get(id).is_some_and(|p| !p.is_empty());
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
