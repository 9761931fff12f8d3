//! What tenants use and what is left of their quota. No I/O.

use crate::fleet::{Colocation, Quota};
use crate::reason::{QuotaResource, WaitingOn};
use crate::world::{Asked, DenseServer, World};

/// The measures of a quota in the order in which they are checked.
const RESOURCES: [QuotaResource; 6] = [
    QuotaResource::Servers,
    QuotaResource::Cpu,
    QuotaResource::Memory,
    QuotaResource::Storage,
    QuotaResource::Watts,
    QuotaResource::RackUnits,
];

/// An amount of each measure.
pub(crate) type Amounts = [i64; 6];

/// What a server counts for.
pub(crate) fn of_server(server: &DenseServer) -> Amounts {
    [1, server.demand[0], server.guest_mib, server.storage, 0, 0]
}

/// What the larger size of a server counts for beside what it has.
pub(crate) fn of_growth(server: &DenseServer, asked: &Asked) -> Amounts {
    let has = of_server(server);
    [
        0,
        asked.demand[0] - has[1],
        asked.guest_mib - has[2],
        asked.storage - has[3],
        0,
        0,
    ]
}

/// What the devices of a colocation count for.
pub(crate) fn of_colocation(colocation: &Colocation) -> Amounts {
    let watts = colocation.devices.iter().map(|device| device.watts).sum();
    let units = colocation.devices.iter().map(|device| device.units).sum();
    [0, 0, 0, 0, watts, units]
}

/// Per tenant what it uses.
#[derive(Clone, Debug)]
pub(crate) struct Use(Vec<Amounts>);

impl Use {
    /// Nobody uses anything.
    pub(crate) fn new(world: &World<'_>) -> Self {
        Self(vec![[0; 6]; world.tenants.len()])
    }

    /// Counts something that has a place.
    pub(crate) fn add(&mut self, tenant: Option<usize>, amounts: &Amounts) {
        if let Some(used) = tenant.and_then(|tenant| self.0.get_mut(tenant)) {
            for (used, amount) in used.iter_mut().zip(amounts) {
                *used = used.saturating_add(*amount);
            }
        }
    }

    /// Undoes [`Use::add`].
    pub(crate) fn take(&mut self, tenant: Option<usize>, amounts: &Amounts) {
        if let Some(used) = tenant.and_then(|tenant| self.0.get_mut(tenant)) {
            for (used, amount) in used.iter_mut().zip(amounts) {
                *used = used.saturating_sub(*amount);
            }
        }
    }

    /// The first limit that `amounts` more would exceed.
    pub(crate) fn check(
        &self,
        world: &World<'_>,
        tenant: Option<usize>,
        amounts: &Amounts,
    ) -> Result<(), WaitingOn> {
        let Some(tenant) = tenant else {
            return Err(WaitingOn::UnknownTenant);
        };
        let Some(quota) = world
            .fleet
            .tenants
            .get(&world.tenants[tenant])
            .map(|tenant| &tenant.quota)
        else {
            return Err(WaitingOn::UnknownTenant);
        };
        let limits = limits(quota);
        for (at, resource) in RESOURCES.into_iter().enumerate() {
            let (used, asked) = (self.0[tenant][at], amounts[at]);
            if let Some(limit) = limits[at]
                && asked > 0
                && used.saturating_add(asked) > limit
            {
                return Err(WaitingOn::Quota {
                    resource,
                    used,
                    limit,
                    asked,
                });
            }
        }
        Ok(())
    }
}

fn limits(quota: &Quota) -> [Option<i64>; 6] {
    [
        quota.servers,
        quota.cpu_milli,
        quota.memory_mib,
        quota.storage_mib,
        quota.watts,
        quota.rack_units,
    ]
}
