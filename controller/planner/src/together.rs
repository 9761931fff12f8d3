//! Affinity groups: members run on one host, in one rack or at one site, and start together after a loss. No I/O.

use crate::apart::meet;
use crate::fleet::ApartBy;
use crate::state::Books;
use crate::world::{Amount, DIMS, World};

/// Whether the rule of its group lets `server` run on `host`, given where the other members run.
pub(crate) fn allows_primary(world: &World<'_>, books: &Books, server: usize, host: usize) -> bool {
    others(world, server).all(|(other, by)| {
        let place = books.slots[other].primary;
        place.is_none_or(|place| meet(world, by, place, host))
    })
}

/// Whether the rule of its group lets `host` be reserved for `server`, given the reserves of the other members.
pub(crate) fn allows_backup(world: &World<'_>, books: &Books, server: usize, host: usize) -> bool {
    others(world, server).all(|(other, by)| {
        let place = books.slots[other].backup;
        place.is_none_or(|place| meet(world, by, place, host))
    })
}

/// What the members that wait with `server` for one host will need beside it: the first of them had better go where
/// the rest has room. Nothing for groups that share a rack or a site, where room is rarely so tight.
pub(crate) fn crowd(world: &World<'_>, books: &Books, server: usize) -> Amount {
    let mut sum = [0; DIMS];
    for (other, by) in others(world, server) {
        let wanted = &world.servers[other];
        if by == ApartBy::Host && !books.slots[other].is_placed() && wanted.malformed.is_none() {
            for (sum, amount) in sum.iter_mut().zip(wanted.demand) {
                *sum += amount;
            }
        }
    }
    sum
}

/// Whether any other member has a place.
pub(crate) fn has_company(world: &World<'_>, books: &Books, server: usize) -> bool {
    others(world, server).any(|(other, _)| books.slots[other].is_placed())
}

/// The other members of its group, and how near each must be: the stricter of the two.
fn others<'w>(world: &'w World<'_>, server: usize) -> impl Iterator<Item = (usize, ApartBy)> + 'w {
    let together = world.together(server);
    let members = together.map_or(&[][..], |(circle, _)| &world.circles[circle].members);
    members
        .iter()
        .filter(move |&&other| other != server)
        .filter_map(move |&other| {
            let ((_, mine), (_, its)) = (together?, world.together(other)?);
            Some((other, mine.min(its)))
        })
}
