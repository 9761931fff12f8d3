//! Watts per rack, capacity per site and quota per tenant, before and after. No I/O.

use std::collections::BTreeSet;

use raidc_controller::inventory::usage::usage;
use raidc_crds::tenant::UsedLimit;
use raidc_planner::{Plan, QuotaResource, RackLedger, SiteLedger, TenantName};
use serde::Serialize;

use crate::world::World;

/// A rack's power.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RackLine {
    /// Name.
    pub rack: String,
    /// Before; `None` when it was not there.
    pub before: Option<RackLedger>,
    /// After; `None` when it is gone.
    pub after: Option<RackLedger>,
}

/// A site's capacity.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SiteLine {
    /// Name.
    pub site: String,
    /// Before; `None` when it was not there.
    pub before: Option<SiteLedger>,
    /// After; `None` when it is gone.
    pub after: Option<SiteLedger>,
}

/// One limit of a tenant.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QuotaLine {
    /// The tenant.
    pub tenant: String,
    /// The field of `spec.quota`.
    pub resource: &'static str,
    /// Used and limit before, in cores, MiB, watts or units; `None` when the tenant was not there.
    pub before: Option<UsedLimit>,
    /// The same after.
    pub after: Option<UsedLimit>,
    /// Used before and after and the limit, as people read them.
    #[serde(skip)]
    pub words: [String; 3],
}

/// Racks whose figures differ, or all.
#[must_use]
pub fn racks(before: &Plan, after: &Plan, all: bool) -> Vec<RackLine> {
    let names: BTreeSet<_> = before.racks.keys().chain(after.racks.keys()).collect();
    names
        .into_iter()
        .map(|name| RackLine {
            rack: name.to_string(),
            before: before.racks.get(name).cloned(),
            after: after.racks.get(name).cloned(),
        })
        .filter(|line| all || line.before != line.after)
        .collect()
}

/// Sites whose figures differ, or all.
#[must_use]
pub fn sites(before: &Plan, after: &Plan, all: bool) -> Vec<SiteLine> {
    let names: BTreeSet<_> = before.sites.keys().chain(after.sites.keys()).collect();
    names
        .into_iter()
        .map(|name| SiteLine {
            site: name.to_string(),
            before: before.sites.get(name).cloned(),
            after: after.sites.get(name).cloned(),
        })
        .filter(|line| all || line.before != line.after)
        .collect()
}

const QUOTAS: [QuotaResource; 6] = [
    QuotaResource::Servers,
    QuotaResource::Cpu,
    QuotaResource::Memory,
    QuotaResource::Storage,
    QuotaResource::Watts,
    QuotaResource::RackUnits,
];

/// What tenants use of their quotas, where it differs, or all; counted by the operator's own code.
#[must_use]
pub fn quota(before: &World, after: &World, all: bool) -> Vec<QuotaLine> {
    let names: BTreeSet<&TenantName> = before
        .fleet
        .tenants
        .keys()
        .chain(after.fleet.tenants.keys())
        .collect();
    let mut lines = Vec::new();
    for name in names {
        let (then, now) = (used(before, name), used(after, name));
        for (at, resource) in QUOTAS.into_iter().enumerate() {
            let pick = |all: &Option<[UsedLimit; 6]>| all.as_ref().map(|all| all[at].clone());
            let (before, after) = (pick(&then), pick(&now));
            let shown = after.as_ref().or(before.as_ref());
            let nothing = shown.is_none_or(|quota| quota.used == 0 && quota.limit.is_none());
            if !all && before == after || nothing {
                continue;
            }
            // Usage counts cores whole; the planner's words count them in thousandths.
            let units = if resource == QuotaResource::Cpu { 1000 } else { 1 };
            let amount = |amount: i64| resource.show(amount.saturating_mul(units));
            let limit = |amount: i64| resource.room(amount.saturating_mul(units));
            let used =
                |quota: &Option<UsedLimit>| quota.as_ref().map_or_else(|| "-".to_owned(), |q| amount(q.used));
            lines.push(QuotaLine {
                tenant: name.to_string(),
                resource: resource.field(),
                words: [
                    used(&before),
                    used(&after),
                    limits(before.as_ref(), after.as_ref(), &limit),
                ],
                before,
                after,
            });
        }
    }
    lines
}

fn limits(before: Option<&UsedLimit>, after: Option<&UsedLimit>, amount: &dyn Fn(i64) -> String) -> String {
    let word = |quota: &UsedLimit| quota.limit.map_or_else(|| "none".to_owned(), amount);
    match (before, after) {
        (Some(before), Some(after)) if before.limit != after.limit => {
            format!("{} (was {})", word(after), word(before))
        }
        (_, Some(quota)) | (Some(quota), None) => word(quota),
        (None, None) => String::new(),
    }
}

fn used(world: &World, tenant: &TenantName) -> Option<[UsedLimit; 6]> {
    usage(&world.fleet, &world.plan, tenant.as_str()).map(|u| {
        [
            u.servers,
            u.cores,
            u.memory_mib,
            u.storage_mib,
            u.watts,
            u.rack_units,
        ]
    })
}
