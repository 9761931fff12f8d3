//! What stands in a server's way: things of its names that are not its own, disks that have vanished, disks that lie elsewhere. No I/O.

use raidc_crds::VirtualServer;
use raidc_crds::names;

use super::gather::DiskSeen;
use super::gather::World;
use super::place::Place;
use super::validate::Refusal;
use super::validate::owner;
use crate::inventory::adopt;
use crate::inventory::claims::ClaimSeen;

/// Things of the same name that are not this server's, disks that have vanished, and disks that lie elsewhere.
pub(super) fn in_the_way(server: &VirtualServer, world: &World, place: &Place<'_>) -> Result<(), Refusal> {
    let owner = owner(server);
    if world.other_machine {
        return Err(Refusal::stalled(
            "NameTaken",
            "a VirtualMachine of this name is here and is not this server's: delete it or give the server another name",
        ));
    }
    stays_at_its_site(server, world, place)?;
    for disk in &world.disks {
        not_taken(disk, owner.uid, world)?;
        if let Some(claim) = &disk.claim {
            if let Some(sites) = claim.sites()
                && !sites.contains(place.site)
            {
                return Err(Refusal::waits(
                    "DisksElsewhere",
                    format!(
                        "the plan has a place at {} and the disk {} lies at {}: it stays where it is until a failover moves it",
                        place.site,
                        disk.claim_name,
                        sites.into_iter().collect::<Vec<_>>().join(", ")
                    ),
                ));
            }
        } else if disk.volume.is_none() && was_ready(server, &disk.name) {
            return Err(Refusal::stalled(
                "DiskLost",
                format!(
                    "the disk {} was ready and is gone: nothing is made in its place, because it would be empty; the platform team can \
                     restore it from a copy or backup under the same name",
                    disk.claim_name
                ),
            ));
        }
    }
    Ok(())
}

/// Who has a disk of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder<'a> {
    /// Nobody, or this server.
    Free,
    /// This server, that lives in the same namespace.
    Neighbour(&'a str),
    /// A server that is gone, or nobody knows who.
    Earlier,
}

/// Whose a disk is. Its claim says so; a claim that CDI has just made may not say yet, or not be there yet, and then its DataVolume speaks
/// for it. A claim handed over by its label is this server's, though its DataVolume still names the server that it was filled for,
/// unless that server is here: then its machine may be writing to it.
fn holder<'a>(disk: &DiskSeen, own_uid: &str, world: &'a World) -> Holder<'a> {
    let labels = disk.volume.as_ref().and_then(|v| v.metadata.labels.as_ref());
    let on_volume = labels
        .and_then(|l| l.get(names::SERVER_UID_LABEL))
        .map(String::as_str);
    let on_claim = disk.claim.as_ref().and_then(ClaimSeen::server_uid);
    let mut named = [on_claim, on_volume].into_iter().flatten();
    if let Some(neighbour) = named.find_map(|uid| world.neighbours.get(uid)) {
        return Holder::Neighbour(neighbour);
    }
    let made = disk.claim.is_some() || disk.volume.is_some();
    if made && on_claim.or(on_volume) != Some(own_uid) {
        return Holder::Earlier;
    }
    Holder::Free
}

/// Whether a disk of this name is there and is not this server's: then nothing of it says anything about the server.
pub(super) fn is_taken(disk: &DiskSeen, server: &VirtualServer, world: &World) -> bool {
    holder(disk, owner(server).uid, world) != Holder::Free
}

/// Refuses a disk that is not this server's.
fn not_taken(disk: &DiskSeen, own_uid: &str, world: &World) -> Result<(), Refusal> {
    let message = match holder(disk, own_uid, world) {
        Holder::Free => return Ok(()),
        Holder::Neighbour(neighbour) => format!(
            "the disk {} of this server would be called {}, and that is a disk of server {neighbour}: give this server another name, or \
             its disk",
            disk.name, disk.claim_name
        ),
        Holder::Earlier => {
            let object = if disk.claim.is_some() {
                "disk"
            } else {
                "DataVolume"
            };
            format!(
                "the {object} {} is already here and was kept from an earlier server: give the server another name, or ask the platform \
                 team either to delete that {object} or to hand it over by the label {}={own_uid}",
                disk.claim_name,
                names::SERVER_UID_LABEL,
            )
        }
    };
    Err(Refusal::stalled("DiskNameTaken", message))
}

/// A machine is never re-made for another site under the epoch that it was made under: it may still run where it is. Only a failover,
/// which raises the epoch first, does that.
fn stays_at_its_site(server: &VirtualServer, world: &World, place: &Place<'_>) -> Result<(), Refusal> {
    let Some(machine) = &world.machine else {
        return Ok(());
    };
    let Some(at) = adopt::placement(server, machine).filter(|at| at.site.as_str() != place.site) else {
        return Ok(());
    };
    if adopt::epoch(server, machine).is_some_and(|made| made < place.epoch) {
        return Ok(());
    }
    Err(Refusal::waits(
        "MachineElsewhere",
        format!(
            "the plan has a place at {} and the machine was made for {}: it stays there until a failover moves it",
            place.site, at.site
        ),
    ))
}

fn was_ready(server: &VirtualServer, disk: &str) -> bool {
    let status = server.status.as_ref();
    status.is_some_and(|s| {
        s.disks.iter().any(|d| {
            d.name == disk
                && (d.state == super::provisioned::READY_DISK || d.state == super::provisioned::LOST_DISK)
        })
    })
}
