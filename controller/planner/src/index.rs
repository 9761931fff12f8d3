//! The hosts of a zone in the order in which they suit one question, kept from question to question. No I/O.
//!
//! A question is "where would a server of this size run" or "where would it be reserved, its primary being in that
//! zone". For each there is a tournament over the zone's hosts: every leaf holds the score of a host that has room, and
//! every node the better of its two children, so that the best host is at the root and one host that changes costs a
//! path to the root. The books keep a journal of the hosts that were touched; a tournament reads what it has missed when
//! it is asked, so that what is never asked costs nothing.
//!
//! Scores hold only what depends on the host alone. Watts of the rack, groups and ceilings are asked of each host as it
//! comes up, best first.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::score;
use crate::state::Books;
use crate::world::{Amount, DIMS, World};

/// A host that cannot take the server.
const NONE: i64 = i64::MAX;

/// Most leaves kept over all questions, 16 bytes each: beyond it everything is forgotten and asked anew.
const MOST_LEAVES: usize = 1 << 22;

/// What is asked of a zone's hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Question {
    /// Running a server of this size.
    Primary { demand: Amount },
    /// A reserve for one of this size whose primary is in zone `lost`.
    Backup { demand: Amount, lost: usize, warm: bool },
}

impl Question {
    /// The score of a host that has room for it by itself; lower is better.
    fn score(self, world: &World<'_>, books: &Books, host: usize) -> i64 {
        let dense = &world.hosts[host];
        if !dense.open {
            return NONE;
        }
        match self {
            Self::Primary { demand } => {
                let (used, most) = (books.used[host], books.most_reserved[host]);
                if (0..DIMS).any(|d| demand[d] > dense.capacity[d] - used[d] - most[d]) {
                    return NONE;
                }
                score::primary(world, books, demand, host)
            }
            Self::Backup { demand, lost, warm } => {
                if warm && !books.is_on_now(world, host) {
                    return NONE;
                }
                let used = books.used[host];
                let here = &world.zones[dense.zone].scenarios;
                for f in &world.zones[lost].scenarios {
                    let reserved = books.reserved[host * books.scenarios + *f];
                    let full = (0..DIMS).any(|d| demand[d] > dense.capacity[d] - used[d] - reserved[d]);
                    if full && !here.contains(f) {
                        return NONE;
                    }
                }
                score::backup(world, books, demand, host, world.zones[lost].site)
            }
        }
    }
}

/// The tournament of one question over one zone.
#[derive(Clone, Debug)]
struct Tournament {
    /// Nodes from 1; the leaf of the zone's host number i is at `leaves + i`.
    nodes: Vec<i64>,
    leaves: usize,
    /// How much of the journal it has read.
    read: usize,
}

impl Tournament {
    fn new(hosts: usize) -> Self {
        let leaves = hosts.next_power_of_two();
        Self {
            nodes: vec![NONE; 2 * leaves],
            leaves,
            read: 0,
        }
    }

    fn fill(&mut self, scores: impl Iterator<Item = i64>) {
        for (leaf, score) in self.nodes[self.leaves..].iter_mut().zip(scores) {
            *leaf = score;
        }
        for node in (1..self.leaves).rev() {
            self.nodes[node] = self.nodes[2 * node].min(self.nodes[2 * node + 1]);
        }
    }

    fn set(&mut self, at: usize, score: i64) {
        let mut node = self.leaves + at;
        if self.nodes[node] == score {
            return;
        }
        self.nodes[node] = score;
        while node > 1 {
            node /= 2;
            let least = self.nodes[2 * node].min(self.nodes[2 * node + 1]);
            if self.nodes[node] == least {
                return;
            }
            self.nodes[node] = least;
        }
    }

    /// The best of those that `good` accepts, with its score; of equals the first.
    fn best(&self, mut good: impl FnMut(usize) -> bool) -> Option<(i64, usize)> {
        // Nodes that may hide the next best, by score, then by their first leaf, so that equals come in order.
        let mut open: BinaryHeap<Reverse<(i64, usize, usize)>> = BinaryHeap::new();
        open.push(Reverse((self.nodes[1], 0, 1)));
        while let Some(Reverse((score, first, node))) = open.pop() {
            if score == NONE {
                return None;
            }
            if node >= self.leaves {
                if good(first) {
                    return Some((score, first));
                }
                continue;
            }
            // Leaves below a node at this depth.
            let below = self.leaves >> node.ilog2();
            let (left, right) = (2 * node, 2 * node + 1);
            open.push(Reverse((self.nodes[left], first, left)));
            open.push(Reverse((self.nodes[right], first + below / 2, right)));
        }
        None
    }
}

/// All tournaments that were asked for so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    /// Only ever looked up, never walked: its order is of no account.
    known: HashMap<(Question, usize), Tournament>,
    leaves: usize,
}

impl Index {
    /// The host of `zone` that suits best among those that `good` accepts, with its score; of equals the first.
    pub(crate) fn best(
        &mut self,
        world: &World<'_>,
        books: &Books,
        zone: usize,
        question: Question,
        mut good: impl FnMut(usize) -> bool,
    ) -> Option<(i64, usize)> {
        let hosts = &world.zones[zone].hosts;
        if self.leaves + hosts.len() > MOST_LEAVES {
            self.known.clear();
            self.leaves = 0;
        }
        let fresh = || Tournament::new(hosts.len());
        let mut new = false;
        let tournament = self.known.entry((question, zone)).or_insert_with(|| {
            new = true;
            fresh()
        });
        if new {
            self.leaves += hosts.len();
        }
        let missed = books.journal.since(tournament.read);
        match missed {
            Some(missed) if !new && missed.len() <= hosts.len() => {
                for &host in missed {
                    if world.hosts[host].zone == zone {
                        tournament.set(
                            world.hosts[host].place_in_zone,
                            question.score(world, books, host),
                        );
                    }
                }
            }
            _ => tournament.fill(hosts.iter().map(|&host| question.score(world, books, host))),
        }
        tournament.read = books.journal.end();
        tournament
            .best(|at| good(hosts[at]))
            .map(|(score, at)| (score, hosts[at]))
    }
}

/// The hosts that were touched, in order. Not part of the state: two books are equal whatever their journals say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    touched: Vec<usize>,
    /// How many were dropped from the front.
    dropped: usize,
}

/// Entries kept: a reader that has missed more starts afresh.
const MOST_ENTRIES: usize = 1 << 16;

impl Journal {
    /// Notes that something about the host has changed.
    pub(crate) fn touch(&mut self, host: usize) {
        if self.touched.len() >= MOST_ENTRIES {
            self.dropped += self.touched.len();
            self.touched.clear();
        }
        self.touched.push(host);
    }

    fn end(&self) -> usize {
        self.dropped + self.touched.len()
    }

    /// What came after `read`; `None` when that is no longer known.
    fn since(&self, read: usize) -> Option<&[usize]> {
        self.touched.get(read.checked_sub(self.dropped)?..)
    }
}

impl PartialEq for Journal {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Journal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_is_never_hidden_and_equals_come_in_order() {
        let mut tournament = Tournament::new(5);
        tournament.fill([7, 3, NONE, 3, 1].into_iter());
        let mut seen = Vec::new();
        assert_eq!(
            tournament.best(|at| {
                seen.push(at);
                false
            }),
            None
        );
        assert_eq!(seen, [4, 1, 3, 0]);
        tournament.set(4, NONE);
        tournament.set(2, 3);
        assert_eq!(tournament.best(|_| true), Some((3, 1)));
        tournament.set(1, 8);
        assert_eq!(tournament.best(|_| true), Some((3, 2)));
    }

    #[test]
    fn a_journal_never_forgets_silently() {
        let mut journal = Journal::default();
        journal.touch(4);
        let read = journal.end();
        for host in 0..MOST_ENTRIES {
            journal.touch(host);
        }
        assert_eq!(journal.since(read), None);
        let read = journal.end();
        journal.touch(9);
        assert_eq!(journal.since(read), Some(&[9][..]));
    }
}
