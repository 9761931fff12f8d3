//! A Colocation: Ready once every device has its place. The places are decided and written by the placement loop. I/O: reads stores,
//! writes status.

use std::sync::Arc;

use kube::ResourceExt;
use kube::runtime::controller::Action;
use raidc_crds::Colocation;
use raidc_crds::colocation::ColocationStatus;
use raidc_crds::condition::PLACED;
use raidc_planner::{ColocationId, WaitingOn};

use super::status::{self, Outcome};
use crate::{Ctx, Decision, Error};

/// Says how a colocation is doing.
///
/// # Errors
/// When the status could not be written.
pub async fn reconcile(colocation: Arc<Colocation>, ctx: Arc<Ctx>) -> Result<Action, Error> {
    let decision = ctx.decision();
    let outcome = validate(&colocation, &decision);
    let generation = colocation.metadata.generation;
    let wanted = ColocationStatus {
        observed_generation: generation.unwrap_or(0),
        conditions: outcome.conditions(generation, ctx.clock.now()),
        ..ColocationStatus::default()
    };
    status::write(&ctx, &status::COLOCATION, colocation.as_ref(), &wanted).await?;
    Ok(Action::await_change())
}

fn validate(colocation: &Colocation, decision: &Decision) -> Outcome {
    let id = ColocationId::new(colocation.namespace().unwrap_or_default(), colocation.name_any());
    if let Some(note) = decision.notes.colocations.get(&id) {
        return Outcome::stalled(note.reason, note.message.clone());
    }
    let status = colocation.status.as_ref();
    let placed = status
        .iter()
        .flat_map(|status| &status.conditions)
        .find(|c| c.type_ == PLACED)
        .filter(|c| c.observed_generation == colocation.metadata.generation);
    match placed {
        Some(placed) if placed.status == "True" => {
            Outcome::ready("every device has its rack units and feeds; status.devices says where")
        }
        Some(placed) => {
            let waiting = decision.plan.waiting.get(&id.into());
            // Room may come by itself; what the object asks for does not change by itself.
            let passing = waiting.is_some_and(|waiting| {
                matches!(
                    waiting.on,
                    WaitingOn::Queue { .. }
                        | WaitingOn::UnknownInventory { .. }
                        | WaitingOn::SitesClosed { .. }
                )
            });
            if passing {
                Outcome::reconciling(placed.reason.clone(), placed.message.clone())
            } else {
                Outcome::stalled(placed.reason.clone(), placed.message.clone())
            }
        }
        None => Outcome::reconciling("Placing", "it waits for the next plan"),
    }
}
