//! The hosts of a zone in the order in which they suit one question, kept from question to question. No I/O.
//!
//! A question is "where would a server of this size run" or "where would it be reserved, its primary being in that
//! zone". For each there is a tournament over the zone's hosts: every leaf holds the score of a host that has room, and
//! every node the better of its two children, so that the best host is at the root and one host that changes costs a
//! path to the root. The books keep a journal of the hosts that were touched; a tournament reads what it has missed when
//! it is asked, so that what is never asked costs nothing.
//!
//! A small zone ([`SMALL`]) keeps no tournaments: to walk its hosts once costs less than to bring up to date what was
//! missed since this size was last asked for, and it costs the same for the hundredth size as for the first.
//!
//! Scores hold only what depends on the host alone. Watts of the rack, groups and ceilings are asked of each host as it
//! comes up, best first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use crate::score::Standing;
use crate::standings::{Lost, Standings};
use crate::state::Books;
use crate::world::{Amount, Class, DIMS, World};

/// A host that cannot take the server.
pub(crate) const NONE: i64 = i64::MAX;

/// Zones of up to this many hosts are walked. A host that is walked costs some nanoseconds, one whose score has to be
/// mended in a tournament some twenty times as much.
const SMALL: usize = 1024;

/// Most leaves kept over all questions, 16 bytes each: beyond it everything is forgotten and asked anew.
const MOST_LEAVES: usize = 1 << 22;

/// A tournament that has missed more touches than this many per host of its zone is filled anew.
const REPLAYED: usize = 4;

/// What is asked of a zone's hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Question {
    /// Running a server of this size.
    Primary { demand: Amount },
    /// A reserve for one of this size whose primary is in zone `lost`.
    Backup { demand: Amount, lost: usize, warm: bool },
}

impl Question {
    /// The score of a host of this standing that has room for it by itself; lower is better. May be anything from
    /// `below` on when it is not below that.
    pub(crate) fn score(
        self,
        books: &Books,
        host: usize,
        standing: &Standing,
        lost: &Lost,
        below: i64,
    ) -> i64 {
        match self {
            Self::Primary { demand } => {
                if demand[0] > standing.free[0] || demand[1] > standing.free[1] {
                    return NONE;
                }
                standing.primary(demand, below)
            }
            Self::Backup { demand, warm, .. } => {
                if demand[0] > standing.unused[0]
                    || demand[1] > standing.unused[1]
                    || warm && !standing.on_now
                {
                    return NONE;
                }
                let reserved = &books.reserved[host * books.scenarios..(host + 1) * books.scenarios];
                for &f in &lost.scenarios {
                    if (0..DIMS).any(|d| demand[d] > standing.unused[d] - reserved[f][d]) {
                        return NONE;
                    }
                }
                let [cpu, memory] = reserved[lost.site];
                standing.backup([cpu + demand[0], memory + demand[1]], below)
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
    /// Per host: the touch after which its score was worked out.
    seen: Vec<u32>,
    /// How much of the journal it has read.
    read: usize,
}

impl Tournament {
    fn new(hosts: usize) -> Self {
        let leaves = hosts.next_power_of_two();
        Self {
            nodes: vec![NONE; 2 * leaves],
            leaves,
            seen: vec![0; hosts],
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
        // The first is nearly always good: straight down to it.
        let score = self.nodes[1];
        if score == NONE {
            return None;
        }
        let mut node = 1;
        while node < self.leaves {
            node = 2 * node + usize::from(self.nodes[2 * node] != score);
        }
        if good(node - self.leaves) {
            return Some((score, node - self.leaves));
        }
        let refused = node - self.leaves;
        // Nodes that may hide the next best, by score, then by their first leaf, so that equals come in order.
        let mut open: BinaryHeap<Reverse<(i64, usize, usize)>> = BinaryHeap::new();
        open.push(Reverse((self.nodes[1], 0, 1)));
        while let Some(Reverse((score, first, node))) = open.pop() {
            if score == NONE {
                return None;
            }
            if node >= self.leaves {
                if first != refused && good(first) {
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
#[derive(Clone, Debug)]
pub(crate) struct Index {
    /// Only ever looked up, never walked: its order is of no account.
    known: FxHashMap<(Question, usize), Tournament>,
    leaves: usize,
    /// By zone. Only ever looked up, as well.
    small: FxHashMap<usize, Standings>,
    /// Zones of up to this many hosts are walked.
    walked: usize,
}

impl Default for Index {
    fn default() -> Self {
        Self::walking(SMALL)
    }
}

impl Index {
    /// An index that walks zones of up to so many hosts.
    pub(crate) fn walking(hosts: usize) -> Self {
        Self {
            known: FxHashMap::default(),
            leaves: 0,
            small: FxHashMap::default(),
            walked: hosts,
        }
    }

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
        if hosts.len() <= self.walked {
            let standings = self
                .small
                .entry(zone)
                .or_insert_with(|| Standings::new(world, books, zone));
            standings.read(world, books, zone);
            return standings.best(books, hosts, question, &Lost::of(world, zone, question), good);
        }
        self.read(world, books, zone, question)
            .best(|at| good(hosts[at]))
            .map(|(score, at)| (score, hosts[at]))
    }

    /// Works out what sites of this class will be asked, so that the first to come need not wait for it.
    pub(crate) fn prepare(&mut self, world: &World<'_>, books: &Books, class: &Class) {
        let allowed = |site: &usize| {
            class
                .reach
                .allowed
                .as_ref()
                .is_none_or(|sites| sites.contains(site))
        };
        let sites = (0..world.sites.len()).filter(|site| world.sites[*site].open && allowed(site));
        let zones: Vec<usize> = sites
            .flat_map(|site| world.sites[site].zones.iter().copied())
            .collect();
        let walked = self.walked;
        let large = |zone: &&usize| world.zones[**zone].hosts.len() > walked;
        let demand = class.demand;
        for &zone in zones.iter().filter(large) {
            self.read(world, books, zone, Question::Primary { demand });
            let others = zones
                .iter()
                .filter(|&&lost| world.zones[lost].site != world.zones[zone].site);
            for &lost in others.filter(|_| class.copies > 1) {
                let warm = class.warm;
                self.read(world, books, zone, Question::Backup { demand, lost, warm });
            }
        }
    }

    /// The tournament of a question, up to date.
    fn read(&mut self, world: &World<'_>, books: &Books, zone: usize, question: Question) -> &Tournament {
        let hosts = &world.zones[zone].hosts;
        if self.leaves + hosts.len() > MOST_LEAVES {
            self.known.clear();
            self.leaves = 0;
        }
        let lost = Lost::of(world, zone, question);
        let score = |host: usize| question.score(books, host, &Standing::of(world, books, host), &lost, NONE);
        let mut new = false;
        let tournament = self.known.entry((question, zone)).or_insert_with(|| {
            new = true;
            Tournament::new(hosts.len())
        });
        if new {
            self.leaves += hosts.len();
        }
        match books.journal.since(zone, tournament.read) {
            Some(missed) if !new && missed.len() <= REPLAYED * hosts.len() => {
                for &host in missed {
                    let at = world.hosts[host].place_in_zone;
                    let touches = books.journal.touches(host);
                    // The same few hosts are touched again and again.
                    if tournament.seen[at] != touches {
                        tournament.seen[at] = touches;
                        tournament.set(at, score(host));
                    }
                }
            }
            _ => {
                for (seen, &host) in tournament.seen.iter_mut().zip(hosts) {
                    *seen = books.journal.touches(host);
                }
                tournament.fill(hosts.iter().map(|&host| score(host)));
            }
        }
        tournament.read = books.journal.end(zone);
        tournament
    }
}

/// The hosts that were touched, per zone in order. Not part of the state: two books are equal whatever their journals
/// say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    zones: Vec<Entries>,
    /// Per host, how often it was touched.
    touches: Vec<u32>,
}

/// Those of one zone.
#[derive(Clone, Debug, Default)]
struct Entries {
    touched: Vec<usize>,
    /// How many were dropped from the front.
    dropped: usize,
}

/// Entries kept per zone: a reader that has missed more starts afresh.
const MOST_ENTRIES: usize = 1 << 14;

impl Journal {
    /// Notes that something about the host has changed.
    pub(crate) fn touch(&mut self, zone: usize, host: usize) {
        if self.zones.len() <= zone {
            self.zones.resize_with(zone + 1, Entries::default);
        }
        if self.touches.len() <= host {
            self.touches.resize(host + 1, 0);
        }
        self.touches[host] = self.touches[host].wrapping_add(1);
        let entries = &mut self.zones[zone];
        if entries.touched.len() >= MOST_ENTRIES {
            entries.dropped += entries.touched.len();
            entries.touched.clear();
        }
        entries.touched.push(host);
    }

    fn touches(&self, host: usize) -> u32 {
        self.touches.get(host).copied().unwrap_or(0)
    }

    pub(crate) fn end(&self, zone: usize) -> usize {
        let entries = self.zones.get(zone);
        entries.map_or(0, |entries| entries.dropped + entries.touched.len())
    }

    /// What came after `read`; `None` when that is no longer known.
    pub(crate) fn since(&self, zone: usize, read: usize) -> Option<&[usize]> {
        let Some(entries) = self.zones.get(zone) else {
            return Some(&[]);
        };
        entries.touched.get(read.checked_sub(entries.dropped)?..)
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
        journal.touch(1, 4);
        let read = journal.end(1);
        for host in 0..MOST_ENTRIES {
            journal.touch(1, host);
        }
        assert_eq!(journal.since(1, read), None);
        let read = journal.end(1);
        journal.touch(1, 9);
        assert_eq!(journal.since(1, read), Some(&[9][..]));
        assert_eq!(journal.since(0, 0), Some(&[][..]));
    }
}
