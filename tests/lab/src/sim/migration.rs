//! Plays the two virt-handlers' parts of a live migration. Writes the migration state of VirtualMachineInstances.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::SimError;
use super::engine::{Context, Next, Seen};
use super::faults::Reach;
use super::value::{Look, rfc3339};
use super::virt_handler::{NODE_LABEL, launcher, put};
use super::vmi_status;

/// Label by which the target's virt-handler gets to know the guest.
pub(crate) const TARGET_LABEL: &str = "kubevirt.io/migrationTargetNodeName";

/// What the hosts have to do next for a migration.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Nothing moves, or the controller has not handed it to the hosts.
    None,
    /// The target opens its ports.
    Prepare,
    /// The source starts to send.
    Send,
    /// The guest is there: the target takes it over.
    TakeOver,
    /// The user changed their mind in time.
    Abort,
}

fn step(state: &Value) -> Step {
    if !state.is_object()
        || state["completed"] == true
        || state["failed"] == true
        || state["targetNode"].is_null()
    {
        Step::None
    } else if state["abortRequested"] == true {
        Step::Abort
    } else if state["targetNodeAddress"].is_null() {
        Step::Prepare
    } else if state["startTimestamp"].is_null() {
        Step::Send
    } else {
        Step::TakeOver
    }
}

/// Brings a migration one step further.
pub(crate) async fn advance(context: &Context, vmi: &Seen) -> Result<Next, SimError> {
    let state = vmi.at("/status/migrationState");
    let source = vmi.text("/status/nodeName");
    let target = state["targetNode"].as_str().unwrap_or_default();
    let step = step(state);
    if step == Step::None {
        return Ok(Next::OnChange);
    }
    let Some(host) = context.places.hosts.get(target) else {
        return Ok(Next::OnChange);
    };
    let faults = context.faults();
    let source_site = context.places.site_of(source).unwrap_or_default();
    if faults.host(&host.site, target) != Reach::On || !faults.linked(source_site, &host.site) {
        return Ok(Next::OnChange);
    }
    let now = Timestamp::now();
    let mut status = vmi.at("/status").clone();
    let m = &mut status["migrationState"];
    match step {
        Step::None => {}
        Step::Prepare => {
            m["targetNodeAddress"] = host.address.clone().into();
            m["targetDirectMigrationNodePorts"] = json!({"49152": 49152});
            put(context, vmi, target, status, |_| {}).await?;
        }
        Step::Send => {
            m["startTimestamp"] = rfc3339(now).into();
            m["mode"] = "PreCopy".into();
            context.reset(vmi.uid(), "migrate");
            put(context, vmi, source, status, |_| {}).await?;
        }
        Step::TakeOver => {
            if let Some(left) = context.waiting(vmi.uid(), "migrate", context.delays.migrate) {
                return Ok(Next::After(left));
            }
            let Some(pod) = launcher(context, vmi, target) else {
                return Ok(Next::OnChange);
            };
            m["targetNodeDomainDetected"] = true.into();
            m["targetNodeDomainReadyTimestamp"] = rfc3339(now).into();
            m["endTimestamp"] = rfc3339(now).into();
            m["completed"] = true.into();
            status["nodeName"] = target.into();
            status["interfaces"] = vmi_status::interfaces(vmi, pod.text("/status/podIP"));
            put(context, vmi, target, status, |wanted| {
                let labels = wanted.metadata.labels.get_or_insert_default();
                labels.insert(NODE_LABEL.to_owned(), target.to_owned());
                labels.remove(TARGET_LABEL);
            })
            .await?;
        }
        Step::Abort => {
            m["completed"] = true.into();
            m["failed"] = true.into();
            m["abortStatus"] = "Succeeded".into();
            m["failureReason"] = "Live migration was aborted by request".into();
            m["endTimestamp"] = rfc3339(now).into();
            put(context, vmi, source, status, |_| {}).await?;
        }
    }
    Ok(Next::OnChange)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_migration_is_not_run_again() {
        assert_eq!(step(&Value::Null), Step::None);
        assert_eq!(
            step(&json!({"targetNode": "b", "completed": true, "targetNodeAddress": "x"})),
            Step::None
        );
        assert_eq!(step(&json!({"targetNode": "b", "failed": true})), Step::None);
    }

    #[test]
    fn a_migration_goes_through_its_steps_in_order() {
        assert_eq!(step(&json!({"targetNode": "b"})), Step::Prepare);
        assert_eq!(
            step(&json!({"targetNode": "b", "targetNodeAddress": "x"})),
            Step::Send
        );
        let sending = json!({"targetNode": "b", "targetNodeAddress": "x", "startTimestamp": "t"});
        assert_eq!(step(&sending), Step::TakeOver);
        let aborted = json!({"targetNode": "b", "targetNodeAddress": "x", "startTimestamp": "t", "abortRequested": true});
        assert_eq!(step(&aborted), Step::Abort);
    }
}
