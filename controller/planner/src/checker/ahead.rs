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

/// Two iterators whose items are touched in batches before they are handed out. They are read ahead side by side: each comes to
/// the next node of its map only when the last has been fetched, and so the two at least wait at the same time.
pub(super) struct Ahead<A: Iterator, B: Iterator> {
    one: Lane<A>,
    other: Lane<B>,
}

struct Lane<I: Iterator> {
    items: I,
    batch: Vec<I::Item>,
    /// Of the batch so many have been handed out.
    at: usize,
    touch: fn(&I::Item) -> usize,
}

impl<I: Iterator<Item: Copy>> Lane<I> {
    fn new(items: I, touch: fn(&I::Item) -> usize) -> Self {
        Self {
            items,
            batch: Vec::with_capacity(BATCH),
            at: 0,
            touch,
        }
    }

    /// Forgets what was handed out. Returns how many are left.
    fn start(&mut self) -> usize {
        self.batch.drain(..std::mem::take(&mut self.at));
        self.batch.len()
    }

    fn read(&mut self) {
        if self.batch.len() < BATCH {
            self.batch.extend(self.items.next());
        }
    }

    /// Touches all but the first so many.
    fn touch(&self, from: usize) -> usize {
        let new = self.batch.iter().skip(from);
        new.map(self.touch).fold(0, usize::wrapping_add)
    }

    fn take(&mut self) -> Option<I::Item> {
        let item = self.batch.get(self.at).copied();
        self.at += usize::from(item.is_some());
        item
    }
}

impl<A: Iterator<Item: Copy>, B: Iterator<Item: Copy>> Ahead<A, B> {
    /// What is given beside an iterator reads what will be read of an item; its answer means nothing.
    pub(super) fn new(one: (A, fn(&A::Item) -> usize), other: (B, fn(&B::Item) -> usize)) -> Self {
        Self {
            one: Lane::new(one.0, one.1),
            other: Lane::new(other.0, other.1),
        }
    }

    /// The next of the first iterator.
    pub(super) fn one(&mut self) -> Option<A::Item> {
        if self.one.at == self.one.batch.len() {
            self.fill();
        }
        self.one.take()
    }

    /// The next of the second iterator.
    pub(super) fn other(&mut self) -> Option<B::Item> {
        if self.other.at == self.other.batch.len() {
            self.fill();
        }
        self.other.take()
    }

    fn fill(&mut self) {
        let (one, other) = (self.one.start(), self.other.start());
        for _ in 0..BATCH {
            self.one.read();
            self.other.read();
        }
        std::hint::black_box((self.one.touch(one), self.other.touch(other)));
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
        let lengths = [0, 1, BATCH - 1, BATCH, BATCH + 1, 5 * BATCH + 3];
        // Taken by turns, one faster than the other, and one after the other.
        for (ones, others, pace) in lengths
            .iter()
            .flat_map(|&a| lengths.map(|b| (a, b)))
            .flat_map(|(a, b)| [1, 3, 100].map(|pace| (a, b, pace)))
        {
            let mut both = Ahead::new((0..ones, |at| *at), (0..others, |at| *at));
            let (mut one, mut other) = (Vec::new(), Vec::new());
            for _ in 0..=ones.max(others) {
                one.extend((0..pace).filter_map(|_| both.one()));
                other.extend(both.other());
            }
            assert_eq!(one, (0..ones).collect::<Vec<_>>());
            assert_eq!(other, (0..others).collect::<Vec<_>>());
        }
    }
}
