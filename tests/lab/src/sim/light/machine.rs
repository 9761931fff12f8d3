//! Plays virt-controller for VirtualMachines: the instance is there when it should be, and only then. Writes instances
//! and the machines' status and finalizer.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::machine_status::{Facts, status};
use super::render::{self, MACHINE_FINALIZER};
use crate::sim::SimError;
use crate::sim::engine::{Change, Context, Keeper, Kind, Next, Seen, claim_of_volume};
use crate::sim::kubelet::owner;
use crate::sim::value::{Key, Look};

/// Pause before a guest that ended is started again.
const RESTART: Duration = Duration::from_millis(500);

/// Keeps the machines.
pub(crate) struct Machines {
    context: Arc<Context>,
}

impl Machines {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    fn size(&self, machine: &Seen) -> Result<Option<Seen>, String> {
        let name = machine.text("/spec/instancetype/name");
        if name.is_empty() {
            return Ok(None);
        }
        let size = self.context.world.get(Kind::ClusterSize, &Key::cluster(name));
        size.map(Some)
            .ok_or_else(|| format!("VirtualMachineClusterInstancetype \"{name}\" not found"))
    }

    /// Why the disks are not ready yet.
    fn disks(&self, machine: &Seen) -> Option<&'static str> {
        let ns = machine.key().ns;
        let world = &self.context.world;
        machine
            .list("/spec/template/spec/volumes")
            .iter()
            .filter_map(claim_of_volume)
            .find_map(|name| {
                let key = Key::new(&ns, name);
                let Some(claim) = world.get(Kind::Claim, &key) else {
                    let volume = world.get(Kind::DataVolume, &key);
                    return Some(if volume.is_some() {
                        "Provisioning"
                    } else {
                        "ErrorPvcNotFound"
                    });
                };
                owner(&claim, "DataVolume")?;
                match world.get(Kind::DataVolume, &key)?.text("/status/phase") {
                    "Succeeded" => None,
                    "WaitForFirstConsumer" | "PendingPopulation" => Some("WaitingForVolumeBinding"),
                    "Failed" => Some("DataVolumeError"),
                    _ => Some("Provisioning"),
                }
            })
    }

    async fn finish(&self, machine: &Seen, vmi: Option<&Seen>) -> Result<(), SimError> {
        match vmi {
            Some(vmi) if !vmi.deleting() => self.context.delete(Kind::Instance, vmi, None).await,
            Some(_) => Ok(()),
            None => {
                let finalizers = machine.metadata.finalizers.iter().flatten();
                let left: Vec<&String> = finalizers.filter(|f| *f != MACHINE_FINALIZER).collect();
                let patch = json!({"metadata": {"uid": machine.uid(), "finalizers": left}});
                self.context.merge(Kind::Machine, machine, patch).await
            }
        }
    }

    async fn guard(&self, machine: &Seen) -> Result<(), SimError> {
        let known = machine.metadata.finalizers.clone().unwrap_or_default();
        if known.iter().any(|f| f == MACHINE_FINALIZER) {
            return Ok(());
        }
        let all: Vec<String> = known.into_iter().chain([MACHINE_FINALIZER.to_owned()]).collect();
        let version = machine.metadata.resource_version.clone();
        let patch = json!({"metadata": {"resourceVersion": version, "finalizers": all}});
        self.context.merge(Kind::Machine, machine, patch).await
    }

    /// Whether the guest should run now, given how it ended.
    fn steer(machine: &Seen, vmi: Option<&Seen>) -> Steer {
        let running = machine.flag("/spec/running");
        let strategy = match machine.text("/spec/runStrategy") {
            "" if running => "Always",
            "" => "Halted",
            strategy => strategy,
        };
        let phase = vmi.map_or("", |vmi| vmi.text("/status/phase"));
        match (strategy, phase) {
            ("Always", "Succeeded" | "Failed") | ("RerunOnFailure", "Failed") => Steer::Restart,
            ("Always" | "RerunOnFailure", "") if vmi.is_none() => Steer::Start,
            ("Once", "")
                if vmi.is_none()
                    && !machine.flag("/status/created")
                    && machine.at("/status/conditions").is_null() =>
            {
                Steer::Start
            }
            ("Halted", _) if vmi.is_some() => Steer::Stop,
            ("Halted", _) => Steer::Rest { wanted: false },
            _ => Steer::Rest {
                wanted: vmi.is_some(),
            },
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Steer {
    Start,
    Restart,
    Stop,
    Rest { wanted: bool },
}

impl Keeper for Machines {
    const NAME: &'static str = "virt-controller/vm";

    fn concerned(&self, change: &Change) -> Vec<Key> {
        let world = &self.context.world;
        match change {
            // An instance has its machine's name.
            Change::Object {
                kind: Kind::Machine | Kind::Instance,
                key,
                ..
            } => vec![key.clone()],
            Change::Object {
                kind: Kind::DataVolume | Kind::Claim,
                key,
                ..
            } => {
                let machines = world.find(Kind::Machine, "claim", &key.to_string());
                machines.iter().map(|machine| machine.key()).collect()
            }
            Change::Object {
                kind: Kind::ClusterSize,
                key,
                ..
            } => {
                let all = world.all(Kind::Machine);
                let using = all
                    .iter()
                    .filter(|m| m.text("/spec/instancetype/name") == key.name);
                using.map(|machine| machine.key()).collect()
            }
            _ => vec![],
        }
    }

    async fn look(&self, key: Key) -> Result<Next, SimError> {
        let context = &self.context;
        let Some(machine) = context.world.get(Kind::Machine, &key) else {
            return Ok(Next::OnChange);
        };
        let vmi = context.world.get(Kind::Instance, &key);
        let vmi =
            vmi.filter(|vmi| owner(vmi, "VirtualMachine").is_some_and(|owner| owner.uid == machine.uid()));
        let mut next = Next::OnChange;
        if machine.deleting() {
            if vmi.is_none() {
                self.finish(&machine, None).await?;
                return Ok(next);
            }
            self.finish(&machine, vmi.as_ref()).await?;
        } else {
            self.guard(&machine).await?;
        }
        let size = self.size(&machine);
        let steer = Self::steer(&machine, vmi.as_ref());
        if !machine.deleting() {
            match (&steer, &size) {
                (Steer::Start, Ok(size))
                    if self.disks(&machine).is_none_or(|why| why != "ErrorPvcNotFound") =>
                {
                    context
                        .create(Kind::Instance, &key.ns, render::instance(&machine, size.as_ref()))
                        .await?;
                }
                (Steer::Restart, _) => {
                    let vmi = vmi.as_ref().filter(|vmi| !vmi.deleting());
                    if let Some(vmi) = vmi {
                        match context.waiting(vmi.uid(), "restart", RESTART) {
                            Some(left) => next = Next::After(left),
                            None => context.delete(Kind::Instance, vmi, None).await?,
                        }
                    }
                }
                (Steer::Stop, _) => {
                    if let Some(vmi) = vmi.as_ref().filter(|vmi| !vmi.deleting()) {
                        context.delete(Kind::Instance, vmi, None).await?;
                    }
                }
                _ => {}
            }
        }
        self.report(&key, steer, size).await?;
        Ok(next)
    }
}

impl Machines {
    async fn report(
        &self,
        key: &Key,
        steer: Steer,
        size: Result<Option<Seen>, String>,
    ) -> Result<(), SimError> {
        let context = &self.context;
        let Some(machine) = context.world.get(Kind::Machine, key) else {
            return Ok(());
        };
        let vmi = context.world.get(Kind::Instance, key);
        let vmi =
            vmi.filter(|vmi| owner(vmi, "VirtualMachine").is_some_and(|owner| owner.uid == machine.uid()));
        let restart_required = vmi.as_ref().is_some_and(|vmi| {
            let wanted = render::instance_spec(&machine, size.as_ref().ok().and_then(Option::as_ref));
            wanted["domain"] != *vmi.at("/spec/domain") || wanted["volumes"] != *vmi.at("/spec/volumes")
        });
        let facts = Facts {
            vmi: vmi.as_ref(),
            wanted: !matches!(steer, Steer::Stop | Steer::Rest { wanted: false }),
            disks: self.disks(&machine),
            restart_required,
        };
        let now = Timestamp::now();
        let mut status = status(&machine, &facts, now);
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        status["conditions"] = failure(conditions, size.err().as_deref(), now).into();
        context.merge_status(Kind::Machine, &machine, status).await
    }
}

/// Says why no instance can be made.
fn failure(conditions: Vec<Value>, why: Option<&str>, now: Timestamp) -> Vec<Value> {
    let mut conditions = conditions;
    match why {
        Some(message) => {
            let condition = json!({
                "type": "Failure", "status": "True", "reason": "FailedCreate", "message": message, "lastProbeTime": null,
            });
            crate::sim::value::with_condition(&conditions, condition, now)
        }
        None => {
            conditions.retain(|c| c["type"] != "Failure");
            conditions
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::value::object;

    fn machine(strategy: &str) -> Seen {
        Arc::new(object(json!({"spec": {"runStrategy": strategy}})))
    }

    fn vmi(phase: &str) -> Seen {
        Arc::new(object(json!({"status": {"phase": phase}})))
    }

    #[test]
    fn a_halted_machine_never_starts_and_an_always_one_never_rests() {
        let rest = Steer::Rest { wanted: false };
        assert_eq!(Machines::steer(&machine("Halted"), None), rest);
        assert_eq!(
            Machines::steer(&machine("Halted"), Some(&vmi("Running"))),
            Steer::Stop
        );
        assert_eq!(Machines::steer(&machine("Always"), None), Steer::Start);
        assert_eq!(
            Machines::steer(&machine("Always"), Some(&vmi("Succeeded"))),
            Steer::Restart
        );
        assert_eq!(
            Machines::steer(&machine("RerunOnFailure"), Some(&vmi("Failed"))),
            Steer::Restart
        );
        assert_eq!(
            Machines::steer(&machine("RerunOnFailure"), Some(&vmi("Succeeded"))),
            Steer::Rest { wanted: true }
        );
        assert_eq!(Machines::steer(&machine("Manual"), None), rest);
    }
}
