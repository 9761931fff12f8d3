//! Choosing the sites for all copies of one server. No I/O.

use crate::fits;
use crate::place::Wish;
use crate::state::Books;
use crate::world::{CopySites, World};

/// Why the copies cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Short {
    /// Too few sites in all, whatever their risks.
    Sites,
    /// Enough sites, but they share a risk.
    Risks,
    /// Enough sites, but not enough storage.
    Storage,
}

/// The sites for every copy but the primary's, ascending, with the backup's among them. The primary is in the books.
///
/// Sites that hold data already come first. The search is exhaustive, which is bounded because a policy keeps at most
/// 16 copies and a fleet has tens of sites; in practice one extra copy is looked for.
pub(crate) fn choose(
    world: &World<'_>,
    books: &Books,
    server: usize,
    backup: Option<usize>,
    wish: &Wish,
) -> Result<CopySites, Short> {
    match books.primary_zone(world, server) {
        Some(zone) => choose_for(world, books, server, zone, backup, wish),
        None => Err(Short::Sites),
    }
}

/// As [`choose`], for a primary that is, or would be, in the zone `primary`.
pub(crate) fn choose_for(
    world: &World<'_>,
    books: &Books,
    server: usize,
    primary: usize,
    backup: Option<usize>,
    wish: &Wish,
) -> Result<CopySites, Short> {
    let wanted = world.class(server);
    let others = usize::try_from(wanted.copies - 1).unwrap_or(0);
    let from = world.zones[primary].site;
    let mut chosen: CopySites = backup.map(|host| world.hosts[host].site).into_iter().collect();
    if chosen.len() >= others {
        return Ok(chosen);
    }
    let mut zones = vec![primary];
    zones.extend(backup.map(|host| world.hosts[host].zone));
    let has = |site: usize| wish.data.contains(&site);
    let mut sites: Vec<usize> = (0..world.sites.len())
        .filter(|&site| {
            let dense = &world.sites[site];
            let may = if has(site) {
                dense.keeps_copies
            } else {
                dense.open && wish.new_copies
            };
            site != from && !chosen.contains(&site) && may && wanted.reach.allows(site)
        })
        .collect();
    if sites.len() + chosen.len() < others {
        return Err(Short::Sites);
    }
    let all = sites.clone();
    sites.retain(|&site| has(site) || fits::storage(world, books, server, site).is_ok());
    // Data first, then the site with the least storage in use, then its name.
    sites.sort_by_key(|&site| {
        (
            !has(site),
            world.sites[site].draining,
            books.site_storage[site],
            site,
        )
    });
    let mut effort = EFFORT;
    let within = |chosen: &[usize], site: usize| {
        let mut all = chosen.to_vec();
        all.extend([from, site]);
        wanted.reach.sets.is_none() || wanted.reach.spans(&all)
    };
    if extend(
        world,
        wanted.spread,
        &within,
        &sites,
        others,
        &mut chosen,
        &mut zones,
        &mut effort,
    ) {
        chosen.sort_unstable();
        return Ok(chosen);
    }
    let mut effort = EFFORT;
    let storage = extend(
        world,
        wanted.spread,
        &within,
        &all,
        others,
        &mut chosen,
        &mut zones,
        &mut effort,
    );
    Err(if storage { Short::Storage } else { Short::Risks })
}

/// As [`choose`], but what can be had of it when not everything can: the backup's site and the valid copies there are.
pub(crate) fn partial(
    world: &World<'_>,
    books: &Books,
    server: usize,
    backup: Option<usize>,
    wish: &Wish,
) -> CopySites {
    match books.primary_zone(world, server) {
        Some(zone) => partial_for(world, server, zone, backup, wish),
        None => CopySites::new(),
    }
}

/// As [`partial`], for a primary that is, or would be, in the zone `primary`.
pub(crate) fn partial_for(
    world: &World<'_>,
    server: usize,
    primary: usize,
    backup: Option<usize>,
    wish: &Wish,
) -> CopySites {
    let wanted = world.class(server);
    let others = usize::try_from(wanted.copies - 1).unwrap_or(0);
    let from = world.zones[primary].site;
    let mut chosen = CopySites::new();
    let mut zones = vec![primary];
    if let Some(host) = backup {
        chosen.push(world.hosts[host].site);
        zones.push(world.hosts[host].zone);
    }
    for &site in &wish.data {
        let (dense, zone) = (&world.sites[site], world.sites[site].zone);
        let may = site != from && dense.keeps_copies && !chosen.contains(&site) && chosen.len() < others;
        if may
            && zones
                .iter()
                .all(|&other| world.apart_enough(wanted.spread, other, zone))
            && wanted.reach.spans(&[&chosen[..], &[from, site]].concat())
        {
            chosen.push(site);
            zones.push(zone);
        }
    }
    chosen.sort_unstable();
    chosen
}

/// Whether a primary in `zone` is as far from the copies at these sites as its policy asks.
pub(crate) fn clear_of(world: &World<'_>, server: usize, zone: usize, copies: &[usize]) -> bool {
    let spread = world.class(server).spread;
    copies
        .iter()
        .all(|&site| world.apart_enough(spread, zone, world.sites[site].zone))
}

/// Most steps of one search: beyond it the choice counts as impossible. 16 sites with 4 copies need fewer.
const EFFORT: u32 = 4096;

/// Extends `chosen` to `others` sites, each apart enough from every zone so far and such that `within` agrees.
#[allow(
    clippy::too_many_arguments,
    reason = "one recursive search, whose state is passed down"
)]
fn extend(
    world: &World<'_>,
    spread: crate::fleet::Spread,
    within: &dyn Fn(&[usize], usize) -> bool,
    sites: &[usize],
    others: usize,
    chosen: &mut CopySites,
    zones: &mut Vec<usize>,
    effort: &mut u32,
) -> bool {
    if chosen.len() >= others {
        return true;
    }
    for (at, &site) in sites.iter().enumerate() {
        if *effort == 0 {
            return false;
        }
        *effort -= 1;
        let zone = world.sites[site].zone;
        if zones
            .iter()
            .any(|&other| !world.apart_enough(spread, other, zone))
            || !within(chosen, site)
        {
            continue;
        }
        chosen.push(site);
        zones.push(zone);
        if extend(
            world,
            spread,
            within,
            &sites[at + 1..],
            others,
            chosen,
            zones,
            effort,
        ) {
            return true;
        }
        chosen.pop();
        zones.pop();
    }
    false
}
