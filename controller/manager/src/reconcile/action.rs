//! Failover and Drill: checked, and answered that this version does not carry them out. Nothing is touched. I/O: reads stores, writes
//! status.

use std::sync::Arc;

use kube::runtime::controller::Action;
use raidc_crds::drill::DrillStatus;
use raidc_crds::failover::{FailoverStatus, ServerReference};
use raidc_crds::{Drill, Failover};

use super::status::{self, Outcome};
use crate::inventory::stores::Stores;
use crate::{Ctx, Error};

/// Answers a Failover.
///
/// # Errors
/// When the status could not be written.
pub async fn failover(failover: Arc<Failover>, ctx: Arc<Ctx>) -> Result<Action, Error> {
    let spec = &failover.spec;
    let named = Named {
        sites: [&spec.from.site, &spec.to]
            .into_iter()
            .flatten()
            .cloned()
            .collect(),
        rack: spec.from.rack.clone(),
        tenant: spec.from.tenant.clone(),
        policy: None,
        servers: spec.from.servers.clone().unwrap_or_default(),
    };
    let wrong_duration = spec.accept_loss.as_ref().and_then(|loss| loss.seconds().err());
    let wrong = wrong_duration
        .map(|wrong| format!("spec.acceptLoss: {wrong}"))
        .or_else(|| named.unknown(&ctx.stores));
    let outcome = answer("Failover", wrong);
    let generation = failover.metadata.generation;
    let wanted = FailoverStatus {
        observed_generation: generation.unwrap_or(0),
        conditions: outcome.conditions(generation, ctx.clock.now()),
    };
    status::write(&ctx, &status::ACTION, failover.as_ref(), &wanted).await?;
    Ok(Action::await_change())
}

/// Answers a Drill.
///
/// # Errors
/// When the status could not be written.
pub async fn drill(drill: Arc<Drill>, ctx: Arc<Ctx>) -> Result<Action, Error> {
    let spec = &drill.spec;
    let named = Named {
        sites: spec.lose.site.iter().cloned().collect(),
        rack: spec.lose.rack.clone(),
        tenant: spec.scope.tenant.clone(),
        policy: spec.scope.policy.clone(),
        servers: spec.scope.servers.clone().unwrap_or_default(),
    };
    let outcome = answer("Drill", named.unknown(&ctx.stores));
    let generation = drill.metadata.generation;
    let wanted = DrillStatus {
        observed_generation: generation.unwrap_or(0),
        conditions: outcome.conditions(generation, ctx.clock.now()),
    };
    status::write(&ctx, &status::ACTION, drill.as_ref(), &wanted).await?;
    Ok(Action::await_change())
}

/// What an action names.
struct Named {
    sites: Vec<String>,
    rack: Option<String>,
    tenant: Option<String>,
    policy: Option<String>,
    servers: Vec<ServerReference>,
}

impl Named {
    /// The first thing that it names and that does not exist.
    fn unknown(&self, stores: &Stores) -> Option<String> {
        let site = self
            .sites
            .iter()
            .find(|name| stores.sites.get_cluster(name).is_none());
        let rack = self
            .rack
            .iter()
            .find(|name| stores.racks.get_cluster(name).is_none());
        let tenant = self
            .tenant
            .iter()
            .find(|name| stores.tenants.get_cluster(name).is_none());
        let policy = self
            .policy
            .iter()
            .find(|name| stores.policies.get_cluster(name).is_none());
        let server = self.servers.iter().find(|server| {
            stores
                .virtual_servers
                .get(&server.namespace, &server.name)
                .is_none()
        });
        None.or_else(|| site.map(|name| format!("Site {name}")))
            .or_else(|| rack.map(|name| format!("Rack {name}")))
            .or_else(|| tenant.map(|name| format!("Tenant {name}")))
            .or_else(|| policy.map(|name| format!("ReplicationPolicy {name}")))
            .or_else(|| server.map(|server| format!("VirtualServer {}/{}", server.namespace, server.name)))
            .map(|what| format!("{what} does not exist"))
    }
}

fn answer(kind: &str, wrong: Option<String>) -> Outcome {
    let checked = match wrong {
        Some(wrong) => {
            format!("{wrong}, so that this {kind} could not be carried out anyway: make a new one")
        }
        None => "everything that it names exists".to_owned(),
    };
    Outcome::stalled(
        "NotImplemented",
        format!(
            "{kind} is not yet implemented by this version: nothing was moved, started or stopped, and nothing will be; {checked}"
        ),
    )
}
