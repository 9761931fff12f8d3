//! Anti-affinity groups: members never share a host, rack or site, in normal running and after any loss. No I/O.
//!
//! After the loss of `f` a member is at its backup if `f` took its primary, else at its primary. For two members v
//! and w that gives four pairs of places:
//! - primary and primary: together now;
//! - backup of v and primary of w: together after the loss of v's site. (If w's primary were lost with it, the two
//!   would be at one site, and v's backup is at another: they cannot meet.)
//! - backup and backup: together after a scenario that takes both primaries and not the backups.

use crate::fleet::ApartBy;
use crate::state::Books;
use crate::world::World;

/// Whether the rule of its group lets `server` run on `host`, given the primaries and backups of the other members.
pub(crate) fn allows_primary(world: &World<'_>, books: &Books, server: usize, host: usize) -> bool {
    others(world, server).all(|(other, by)| {
        let slot = &books.slots[other];
        let clear = |place: Option<usize>| place.is_none_or(|place| !meet(world, by, place, host));
        clear(slot.primary) && clear(slot.backup)
    })
}

/// Whether the rule of its group lets `host` be reserved for `server`, whose primary is, or would be, in `zone`.
pub(crate) fn allows_backup(
    world: &World<'_>,
    books: &Books,
    server: usize,
    host: usize,
    zone: usize,
) -> bool {
    others(world, server).all(|(other, by)| {
        let slot = &books.slots[other];
        if slot.primary.is_some_and(|place| meet(world, by, place, host)) {
            return false;
        }
        match (slot.backup, books.primary_zone(world, other)) {
            (Some(place), Some(its_zone)) => {
                !meet(world, by, place, host) || !lost_together(world, zone, its_zone, host, place)
            }
            _ => true,
        }
    })
}

/// The other members of its group, and how far apart each pair must be: the stricter of the two.
pub(crate) fn others<'w>(world: &'w World<'_>, server: usize) -> impl Iterator<Item = (usize, ApartBy)> + 'w {
    let apart = world.apart(server);
    let members = apart.map_or(&[][..], |apart| &world.groups[apart.group as usize].members);
    members
        .iter()
        .filter(move |&&other| other != server)
        .filter_map(move |&other| {
            let (mine, its) = (apart?, world.apart(other)?);
            let free = mine.domain.is_some() && mine.domain == its.domain;
            (!free).then_some((other, mine.by.max(its.by)))
        })
}

/// Whether two hosts are the same at the level of the rule.
pub(crate) fn meet(world: &World<'_>, by: ApartBy, a: usize, b: usize) -> bool {
    match by {
        ApartBy::Host => a == b,
        ApartBy::Rack => world.hosts[a].rack == world.hosts[b].rack,
        ApartBy::Site => world.hosts[a].site == world.hosts[b].site,
    }
}

/// Whether some scenario takes both zones and leaves both backups.
fn lost_together(world: &World<'_>, zone: usize, other: usize, backup: usize, its_backup: usize) -> bool {
    let takes = |host: usize, f: &usize| world.zones[world.hosts[host].zone].scenarios.contains(f);
    world.zones[zone]
        .scenarios
        .iter()
        .any(|f| world.zones[other].scenarios.contains(f) && !takes(backup, f) && !takes(its_backup, f))
}
