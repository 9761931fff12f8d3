//! From what is seen to what the status says. No I/O.
//!
//! Ready is "as you asked": a server that was asked to stop and has stopped is Ready. Protection never feeds it. Nothing is Ready
//! on a host or at a site of which nothing is seen: what is known of a server there is old.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use raidc_crds::VirtualServer;
use raidc_crds::condition;
use raidc_crds::condition::Status;
use raidc_crds::virtual_server::CopyStatus;
use raidc_crds::virtual_server::DiskStatus;
use raidc_crds::virtual_server::Power;
use serde_json::Value;
use serde_json::json;

use super::gather::World;
use super::overdue;
use super::place::ends_by_a_person;
use super::power;
use super::provisioned::LOST_DISK;
use super::provisioned::Provisioned;
use super::provisioned::complaint;
use super::provisioned::disk_statuses;
use super::provisioned::is_true;
use super::provisioned::provisioned;
use super::silent;
use super::validate::Refusal;
use crate::foreign::kubevirt::VirtualMachine;
use crate::foreign::kubevirt::VirtualMachineInstance;
use crate::inventory::servers::policy_name;
use crate::reconcile::copies::evidence::Verdict;
use crate::reconcile::status::Outcome;

/// Addresses that the status has room for.
const MAX_ADDRESSES: usize = 16;

/// What the machine does, as far as it can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// It runs and answers.
    Running,
    /// It does not run and nothing of it is left.
    Stopped,
    /// Anything between, or not known.
    Between,
}

/// What the machine does. KubeVirt's `status.ready` speaks of the generation in `desiredGeneration`; one that speaks of an
/// earlier one is not believed. `printableStatus` is never looked at.
#[must_use]
pub fn run(machine: Option<&VirtualMachine>, instance: Option<&VirtualMachineInstance>) -> Run {
    let status = machine.and_then(|m| m.status.as_ref());
    let Some(instance) = instance else {
        let gone = status.is_some_and(|s| s.created != Some(true) && s.ready != Some(true));
        return if gone { Run::Stopped } else { Run::Between };
    };
    let of = instance.status.as_ref();
    let running =
        of.is_some_and(|s| s.phase.as_deref() == Some("Running") && is_true(&s.conditions, "Ready"));
    let generation = machine.and_then(|m| m.metadata.generation);
    let believed = status.is_some_and(|s| {
        s.ready == Some(true) && (s.desired_generation.is_none() || s.desired_generation == generation)
    });
    let leaving = instance.metadata.deletion_timestamp.is_some();
    if running && believed && !leaving {
        Run::Running
    } else {
        Run::Between
    }
}

/// The whole of our part of a server's status.
#[derive(Clone, Debug)]
pub struct Report {
    /// What is written.
    pub status: Value,
    /// What became of it.
    pub outcome: Outcome,
    /// When time alone changes it.
    pub look_again_at: Option<Timestamp>,
}

/// Puts the status together.
#[must_use]
pub fn report(
    server: &VirtualServer,
    world: &World,
    refusal: Option<&Refusal>,
    cannot_grow: &[&str],
    protected: &Verdict,
    now: Timestamp,
) -> Report {
    let generation = server.metadata.generation;
    let disks = disk_statuses(server, world);
    let provisioned = provisioned(server, world, &disks, cannot_grow);
    let outcome = outcome(server, world, refusal, &disks, &provisioned);
    let since = overdue::since(server, &outcome, now);
    let (outcome, overdue_at) = overdue::judge(server, world, outcome, since, now);
    let mut conditions = outcome.conditions(generation, now);
    conditions.push(condition::condition(
        condition::PROVISIONED,
        provisioned.status,
        provisioned.reason,
        provisioned.message,
        generation,
        now,
    ));
    conditions.push(condition::condition(
        condition::PROTECTED,
        protected.status,
        &protected.reason,
        protected.message.clone(),
        generation,
        now,
    ));
    let instance = world.instance.as_deref().and_then(|i| i.status.as_ref());
    let mut status = json!({
        "observedGeneration": generation.unwrap_or_default(),
        "conditions": conditions,
        "disks": disks,
        "addresses": instance.map(addresses).unwrap_or_default(),
        "copies": copies(&protected.copies),
    });
    if let Some(node) = instance
        .and_then(|s| s.node_name.as_deref())
        .filter(|n| !n.is_empty())
    {
        status["node"] = json!(node);
    }
    if let Some(policy) = policy_name(server, world.tenant.as_deref()) {
        status["policy"] = json!(policy);
    }
    if let Some(since) = since {
        status["waitingSince"] = json!(Time(since));
    }
    Report {
        status,
        outcome,
        look_again_at: [protected.late_at, overdue_at].into_iter().flatten().min(),
    }
}

fn copies(copies: &[CopyStatus]) -> Vec<CopyStatus> {
    let mut sorted = copies.to_vec();
    sorted.sort_by(|a, b| a.site.cmp(&b.site));
    sorted
}

fn addresses(status: &crate::foreign::kubevirt::VirtualMachineInstanceStatus) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for interface in &status.interfaces {
        let several = interface.ip_addresses.iter().flatten();
        for address in interface.ip_address.iter().chain(several) {
            if !address.is_empty() && !all.contains(address) {
                all.push(address.clone());
            }
        }
    }
    all.truncate(MAX_ADDRESSES);
    all
}

fn outcome(
    server: &VirtualServer,
    world: &World,
    refusal: Option<&Refusal>,
    disks: &[DiskStatus],
    provisioned: &Provisioned,
) -> Outcome {
    if let Some(refusal) = refusal {
        let message = format!("{}{}", refusal.message, power::told(server, world));
        return if refusal.stalled {
            Outcome::stalled(&refusal.reason, message)
        } else {
            Outcome::reconciling(&refusal.reason, message)
        };
    }
    if let Some(lost) = disks.iter().find(|d| d.state == LOST_DISK) {
        return Outcome::stalled(
            "DiskLost",
            format!(
                "the disk {} is gone or has lost its volume: the platform team can restore it from a copy or backup",
                lost.claim
            ),
        );
    }
    for disk in &world.disks {
        if let Some(says) = complaint(disk) {
            return Outcome::stalled(
                "DiskFailed",
                format!(
                    "the disk {} cannot be filled: {says}; {}",
                    disk.claim_name,
                    overdue::disk_advice(&disk.name)
                ),
            );
        }
    }
    if provisioned.reason == "DiskCannotGrow" {
        return Outcome::stalled(provisioned.reason, provisioned.message.as_str());
    }
    if provisioned.status != Status::True {
        return Outcome::reconciling(provisioned.reason, provisioned.message.as_str());
    }
    let run = run(world.machine.as_deref(), world.instance.as_deref());
    if let Some(unseen) = silent::unseen(server, world, run) {
        return unseen;
    }
    if let (Power::On, Run::Running) | (Power::Off, Run::Stopped) = (server.spec.power, run)
        && let Some(waits) = growth(world)
    {
        return waits;
    }
    match (server.spec.power, run) {
        (Power::On, Run::Running) => Outcome::Ready {
            reason: "Running",
            message: "the server runs".to_owned(),
        },
        (Power::Off, Run::Stopped) => Outcome::Ready {
            reason: "Stopped",
            message: "the server is stopped, as asked".to_owned(),
        },
        (Power::On, _) => Outcome::reconciling(overdue::STARTING, overdue::starting(server, world)),
        (Power::Off, _) => Outcome::reconciling(overdue::STOPPING, "the server is stopping"),
    }
}

/// What is said of a server that asks for more than it has: it does what it should, with less than was asked.
fn growth(world: &World) -> Option<Outcome> {
    world.held.as_ref()?;
    let Some((has, asks, growth)) = &world.told.growth else {
        return Some(Outcome::reconciling(
            "GrowthWaits",
            "it goes on with the size in status.granted; whether there is room for the larger one that it asks for is being decided",
        ));
    };
    let message = format!(
        "it goes on with {has}, and has to wait for the {asks} that it asks for: {growth}; the larger size comes by itself once it fits"
    );
    Some(if ends_by_a_person(&growth.on) {
        Outcome::stalled("GrowthWaits", message)
    } else {
        Outcome::reconciling("GrowthWaits", message)
    })
}
