//! Every decision of RAIDC as a pure function: [`Fleet`] in, [`Plan`] out, with the reasons. No I/O.
//!
//! Nothing here may see a clock, a file, a network, a random number or the order of a hash map: the same fleet
//! always gives the same plan. Decisions are made in integers only (milli-cores, MiB, milliwatts).
//!
//! Read [`plan()`] first, then `fleet.rs` (what the planner may look at) and `plan.rs` (what it answers).
//! [`check`] verifies a plan and shares no code with the planner; it knows only the vocabulary.

mod admit;
mod adopt;
mod apart;
mod bulk;
mod checker;
mod claim;
mod colocate;
mod consolidate;
mod copies;
mod digest;
mod draw;
mod eject;
mod engine;
mod explain;
mod fault;
mod fits;
mod fleet;
mod grow;
mod ids;
mod index;
mod loads;
mod loss;
mod mend;
mod outcome;
mod pattern;
mod piles;
mod place;
mod plan;
mod planner;
mod preflight;
mod protect;
mod quota;
mod reason;
mod report;
mod reserves;
mod scenario;
mod score;
mod shed;
mod site_set;
mod standings;
mod state;
mod summary;
mod swap;
mod sweep;
mod together;
mod why;
mod world;

pub use checker::{check, confirm_shed, confirm_waiting};
pub use consolidate::{Consolidation, ConsolidationOptions, Reach, consolidate};
pub use explain::explain;
pub use fault::{Fault, Rule};
pub use fleet::{
    Apart, ApartBy, Colocation, ColocationSpread, Device, DevicePosition, Feed, Fleet, Granted, Host,
    HostUse, Placement, Quota, Rack, Server, Site, Spread, State, Tenant, Together, UnitRange,
};
pub use ids::{ColocationId, DemandId, HostName, RackName, RiskName, ServerId, SiteName, TenantName};
pub use loss::simulate_loss;
pub use outcome::{
    Blocker, Changed, DrainMove, DrainTarget, Explanation, How, LossOutcome, Preflight, RackAfter, RackView,
    Shed, ShedReason, SiteView, Start, StartIfShed, Stays, Unprotected, Verdict, WorseLoss,
};
pub use plan::{
    DevicePlace, Excess, ExcessOf, Move, MoveKind, MoveReason, PairLoad, Plan, PlanOptions, Problem,
    RackLedger, ScenarioSummary, ServerPlan, SiteLedger, Spot, Survival,
};
pub use planner::Planner;
pub use preflight::preflight_drain;
pub use reason::{Considered, Growth, QuotaResource, Resource, Waiting, WaitingOn, counted};
pub use scenario::{Scenario, ScenarioParseError};
pub use site_set::SiteSet;

/// Decides where everything goes: keeps what stands, mends what does not, protects, and admits who waits in turn.
///
/// Total: a malformed fleet gives a plan that sets aside what cannot be used (`Plan::problems`), never a panic.
/// Deterministic: equal fleets give equal plans. Planning again after [`Plan::feed_back`] changes nothing.
pub fn plan(fleet: &Fleet, options: &PlanOptions) -> Plan {
    let mut world = world::build(fleet);
    let mut engine = engine::run(&mut world, options);
    report::report(&mut engine)
}
