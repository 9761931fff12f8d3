//! What stands in a server's way: things of its names that are not its own, disks that have vanished, disks that lie elsewhere. No I/O.

use raidc_crds::VirtualServer;
use raidc_crds::names;

use super::gather::World;
use super::validate::Place;
use super::validate::Refusal;
use super::validate::owner;
use crate::inventory::adopt;

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
        if let Some(claim) = &disk.claim {
            let volume_is_ours = disk.volume.as_ref().is_some_and(|v| {
                v.metadata
                    .labels
                    .as_ref()
                    .and_then(|l| l.get(names::SERVER_UID_LABEL))
                    .map(String::as_str)
                    == Some(owner.uid)
            });
            // A claim that CDI has just made may not have our label yet: then its DataVolume speaks for it.
            let ours = claim.server_uid().map_or(volume_is_ours, |uid| uid == owner.uid);
            if !ours {
                return Err(Refusal::stalled(
                    "DiskNameTaken",
                    format!(
                        "the disk {} is already here and was kept from an earlier server: give the server another name, or ask the \
                         platform team either to delete that disk or to hand it over by the label {}={}",
                        disk.claim_name,
                        names::SERVER_UID_LABEL,
                        owner.uid
                    ),
                ));
            }
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
            d.name == disk && (d.state == super::report::READY_DISK || d.state == super::report::LOST_DISK)
        })
    })
}
