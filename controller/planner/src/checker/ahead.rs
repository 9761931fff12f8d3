//! Reading ahead in a large sorted map. No I/O.
//!
//! Ten thousand servers with their names lie scattered over more memory than the processor keeps close, and judging one
//! server asks for a dozen names one after another: most of the time would be spent waiting for each in turn. Touching
//! the names of a few servers in a tight loop first lets the processor fetch them all at once.

use crate::fleet::Server;
use crate::ids::ServerId;
use crate::plan::ServerPlan;
use crate::site_set::SiteSet;

/// Items that are fetched at once: few enough that what they name stays in the first-level cache, about 32 KiB.
const BATCH: usize = 24;

/// An iterator that touches its items in batches before it hands them out.
pub(super) struct Ahead<I: Iterator> {
    items: I,
    batch: Vec<I::Item>,
    at: usize,
    touch: fn(&I::Item) -> usize,
}

impl<I: Iterator> Ahead<I> {
    /// `touch` reads what will be read of an item; its answer means nothing.
    pub(super) fn new(items: I, touch: fn(&I::Item) -> usize) -> Self {
        Self {
            items,
            batch: Vec::with_capacity(BATCH),
            at: 0,
            touch,
        }
    }
}

impl<I: Iterator<Item: Copy>> Iterator for Ahead<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        if self.at == self.batch.len() {
            self.batch.clear();
            self.batch.extend(self.items.by_ref().take(BATCH));
            self.at = 0;
            let touched: usize = self.batch.iter().map(self.touch).fold(0, usize::wrapping_add);
            std::hint::black_box(touched);
        }
        let item = self.batch.get(self.at).copied();
        self.at += usize::from(item.is_some());
        item
    }
}

fn letter(text: &str) -> usize {
    text.as_bytes().first().map_or(0, |&byte| usize::from(byte))
}

/// The first of a set: where its names lie is read, and not their text, which is mostly that of a name known already.
fn first(sites: &SiteSet) -> usize {
    sites.first().map_or(0, |site| site.as_str().len())
}

/// Touches what is read of a server of the fleet: itself, in all its length, and what it points to.
pub(super) fn server(&(id, spec): &(&ServerId, &Server)) -> usize {
    let group = spec.apart.as_ref().map_or(0, |apart| letter(&apart.group));
    let current = spec
        .current
        .as_ref()
        .map_or(0, |current| first(&current.copy_sites));
    let allowed = spec.sites_allowed.as_ref().map_or(0, first);
    let itself = [
        id.name.len(),
        usize::from(spec.cpu_milli > 0),
        usize::from(spec.storage_mib > 0),
        usize::from(spec.copies > 0),
        usize::from(spec.warm),
        usize::from(spec.together.is_some()),
        usize::from(spec.granted.is_some()),
        spec.site_sets.len(),
    ];
    letter(spec.tenant.as_str()) + group + current + allowed + itself.into_iter().sum::<usize>()
}

/// Touches what is read of a placed server of the plan: itself, and where its copies are.
pub(super) fn decided(&(id, plan): &(&ServerId, &ServerPlan)) -> usize {
    let itself = [
        id.name.len(),
        plan.placement.host.as_str().len(),
        plan.backup.as_ref().map_or(0, |spot| spot.rack.as_str().len()),
        usize::from(plan.granted.cpu_milli > 0),
        usize::from(plan.watts > 0),
        usize::from(plan.held.is_some()),
        usize::from(plan.unprotected.is_some()),
    ];
    first(&plan.copy_sites) + itself.into_iter().sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_ahead_never_loses_or_repeats_an_item() {
        for items in [0, 1, BATCH - 1, BATCH, BATCH + 1, 5 * BATCH + 3] {
            let read: Vec<usize> = Ahead::new(0..items, |at| *at).collect();
            assert_eq!(read, (0..items).collect::<Vec<_>>());
        }
    }
}
