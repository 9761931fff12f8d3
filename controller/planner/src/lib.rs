//! Every decision of RAIDC as a pure function: [`Fleet`] in, [`Plan`] out, with the reasons. No I/O.
//!
//! Nothing here may see a clock, a file, a network, a random number or the order of a hash map: the same fleet
//! always gives the same plan. Decisions are made in integers only (milli-cores, MiB, milliwatts).
//!
//! Read [`plan()`] first, then `fleet.rs` (what the planner may look at) and `plan.rs` (what it answers).
//! [`check`] verifies a plan and shares no code with the planner; it knows only the vocabulary.

mod fault;
mod fleet;
mod ids;
mod outcome;
mod plan;
mod reason;
mod scenario;

pub use fault::{Fault, Rule};
pub use fleet::{
    Apart, ApartBy, Colocation, ColocationSpread, Device, DevicePosition, Feed, Fleet, Host, HostUse,
    Placement, Quota, Rack, Server, Site, Spread, State, Tenant, UnitRange,
};
pub use ids::{ColocationId, DemandId, HostName, RackName, RiskName, ServerId, SiteName, TenantName};
pub use outcome::{Explanation, LossOutcome, RackAfter, SiteView, Start};
pub use plan::{
    DevicePlace, Excess, ExcessOf, Move, MoveKind, MoveReason, PairLoad, Plan, PlanOptions, Problem,
    RackLedger, ScenarioSummary, ServerPlan, SiteLedger, Spot, Survival,
};
pub use reason::{Considered, QuotaResource, Resource, Waiting, WaitingOn};
pub use scenario::{Scenario, ScenarioParseError};

/// Decides where everything goes.
pub fn plan(fleet: &Fleet, _options: &PlanOptions) -> Plan {
    let waits = |id: DemandId| (id, Waiting::on(WaitingOn::UnknownInventory { hosts: 0 }));
    let servers = fleet.servers.keys().map(|id| waits(DemandId::Server(id.clone())));
    let colocations = fleet
        .colocations
        .keys()
        .map(|id| waits(DemandId::Colocation(id.clone())));
    Plan {
        waiting: servers.chain(colocations).collect(),
        ..Plan::default()
    }
}
