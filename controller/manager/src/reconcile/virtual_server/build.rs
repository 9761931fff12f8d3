//! From what is wanted to the bodies that are applied. No I/O, no choices.

use serde_json::Value;

use super::validate::Wanted;
use super::validate::WantedDisk;
use crate::executors::Owner;
use crate::executors::canonical_mib;
use crate::executors::cdi;
use crate::executors::kubevirt;

/// What is done about one disk.
#[derive(Clone, Debug, PartialEq)]
pub enum DiskStep {
    /// Nothing of it exists: make it.
    Make(Value),
    /// It exists: see that the claim is marked as ours and asks for enough.
    Keep(Value),
    /// CDI is still making the claim.
    Wait,
}

/// Everything to be applied, in this order: disks, then the machine, which waits for them by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Disks.
    pub disks: Vec<DiskStep>,
    /// The machine.
    pub machine: Value,
}

/// Builds every body.
#[must_use]
pub fn build(wanted: &Wanted<'_>, image_namespace: &str) -> Desired {
    let place = &wanted.place;
    let machine = kubevirt::machine(&kubevirt::Machine {
        owner: wanted.owner,
        on: wanted.on,
        size: wanted.size,
        disks: wanted
            .disks
            .iter()
            .map(|d| kubevirt::MachineDisk {
                name: d.seen.name.clone(),
                claim: d.seen.claim_name.clone(),
            })
            .collect(),
        first_boot: wanted.first_boot,
        networks: wanted.networks.clone(),
        site: place.site,
        rack: place.rack,
        host: place.host,
        backup: place.backup.clone(),
        copy_sites: place.copy_sites,
        epoch: place.epoch,
        apart: wanted.apart,
    });
    let disks = wanted
        .disks
        .iter()
        .map(|disk| disk_step(wanted, disk, image_namespace))
        .collect();
    Desired { disks, machine }
}

fn disk_step(wanted: &Wanted<'_>, disk: &WantedDisk<'_>, image_namespace: &str) -> DiskStep {
    let seen = disk.seen;
    let owner: Owner<'_> = wanted.owner;
    let Some(claim) = &seen.claim else {
        if seen.volume.is_some() {
            return DiskStep::Wait;
        }
        return DiskStep::Make(cdi::data_volume(
            owner,
            &cdi::NewDisk {
                disk: &seen.name,
                claim: &seen.claim_name,
                source: if disk.from_image {
                    cdi::Source::Image {
                        namespace: image_namespace,
                        name: wanted.image,
                    }
                } else {
                    cdi::Source::Blank
                },
                mib: disk.mib,
                class: wanted.place.class,
            },
        ));
    };
    // Until the claim is bound it cannot grow and CDI may still be writing it.
    let (true, Some((asked, asked_mib)), Some(uid)) = (
        claim.is_bound(),
        claim.request(),
        claim.claim.metadata.uid.as_deref(),
    ) else {
        return DiskStep::Wait;
    };
    let grows = disk.mib > asked_mib && seen.can_grow == Some(true);
    let storage = if grows {
        canonical_mib(disk.mib)
    } else {
        asked.to_owned()
    };
    DiskStep::Keep(cdi::claim(owner, &seen.name, &seen.claim_name, uid, &storage))
}

/// Disks that should grow and cannot, because their class does not let them.
#[must_use]
pub fn cannot_grow<'a>(wanted: &'a Wanted<'_>) -> Vec<&'a str> {
    wanted
        .disks
        .iter()
        .filter(|disk| {
            let asked = disk.seen.claim.as_ref().and_then(|c| c.request());
            asked.is_some_and(|(_, mib)| disk.mib > mib) && disk.seen.can_grow == Some(false)
        })
        .map(|disk| disk.seen.name.as_str())
        .collect()
}
