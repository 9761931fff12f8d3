//! Filling a host with the sizes that suit what is left of it. No I/O.
//!
//! Servers of one size lie in one pile, the next in turn on top. A host takes from the pile whose direction (cores to
//! memory) is nearest to what it has left, the larger of two alike, until nothing fits: so that neither measure is left
//! over alone. Research weighed the fourth power of the cosine against the size; here the square of the sine and a
//! little for size order the sizes alike, in integers.
//!
//! *Very many sizes* ([`MANY`]) cost no more per host than that: patterns are made of a sample of them, and a size that a
//! host refuses says the same of all but clearly smaller ones.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::engine::Engine;
use crate::fleet::Spread;
use crate::pattern::{Room, Size, pattern};
use crate::score::{self, Direction};
use crate::world::{Amount, Class, DIMS, World};

/// Servers of one size that are looked at before a host is taken to have no room for that size: more than one,
/// because groups may keep the first away.
const TRIES: usize = 4;

/// Piles that are all looked at for every host. Catalogues are smaller; where every server has a size of its own, most are
/// much like others.
const MANY: usize = 128;

/// Servers of one size.
struct Pile {
    demand: Amount,
    /// The next in turn last.
    servers: Vec<usize>,
    /// How the size looks on the host that is being filled.
    direction: Direction,
    size: i64,
    /// The host that is being filled has refused it.
    refused: bool,
}

impl Pile {
    /// Hands the next server to `put`, or one after it if that is refused. Returns whether one was taken.
    fn give(&mut self, mut put: impl FnMut(usize) -> bool) -> bool {
        let first = self.servers.len().saturating_sub(TRIES);
        let found = (first..self.servers.len())
            .rev()
            .find(|&at| put(self.servers[at]));
        if let Some(at) = found {
            self.servers.remove(at);
        }
        found.is_some()
    }

    fn as_size(&self) -> Size {
        Size {
            demand: self.demand,
            direction: self.direction,
            share: self.size,
            waiting: self.servers.len(),
        }
    }
}

/// What is true of all classes in one pile: a host that takes a server of one takes one of the other, as far as classes say.
type Alike = (Amount, i64, bool, bool, Spread);

fn alike(class: &Class) -> Alike {
    (class.demand, class.copies, class.warm, class.stores, class.spread)
}

/// All piles.
pub(crate) struct Piles {
    list: Vec<Pile>,
    /// The capacity that directions and sizes were last worked out for.
    capacity: Amount,
    inverse: Amount,
    /// Cores above which the host that is being filled takes none, in thousandths.
    most_cores: i64,
}

impl Piles {
    /// Piles of these servers.
    pub(crate) fn new(world: &World<'_>, servers: impl Iterator<Item = usize>) -> Self {
        let mut of_class: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for server in servers {
            of_class.entry(world.class_of(server)).or_default().push(server);
        }
        // Where they may be was asked before: classes that differ in nothing else lie in one pile. Only ever looked up.
        let mut known: FxHashMap<Alike, usize> = FxHashMap::default();
        let mut piles: Vec<Pile> = Vec::new();
        for (class, servers) in of_class {
            let class = &world.classes[class];
            let at = *known.entry(alike(class)).or_insert(piles.len());
            if let Some(pile) = piles.get_mut(at) {
                pile.servers.extend(servers);
                continue;
            }
            piles.push(Pile {
                demand: class.demand,
                servers,
                direction: Direction::default(),
                size: 0,
                refused: false,
            });
        }
        for pile in &mut piles {
            pile.servers
                .sort_unstable_by_key(|&v| std::cmp::Reverse(world.turn(v)));
        }
        // By size, so that ties between classes do not hang on who came first.
        piles.sort_by_key(|pile| pile.demand);
        Self {
            list: piles,
            capacity: [0; DIMS],
            inverse: [0; DIMS],
            most_cores: i64::MAX,
        }
    }

    /// Nobody is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// As [`Piles::fill`], by a [`pattern()`] first: for hosts that will be on, where what is left costs watts.
    pub(crate) fn fill_well(
        &mut self,
        capacity: Amount,
        engine: &mut Engine<'_, '_>,
        free: impl Fn(&Engine<'_, '_>) -> Amount,
        mut put: impl FnMut(&mut Engine<'_, '_>, usize) -> bool,
    ) {
        self.look(capacity);
        let room = Room {
            capacity,
            inverse: self.inverse,
            free: free(engine),
        };
        // The largest always, and every so many below it.
        let step = self.list.len().div_ceil(MANY).max(1);
        let mut sample: Vec<usize> = (0..self.list.len()).rev().step_by(step).collect();
        sample.reverse();
        let sizes: Vec<Size> = sample.iter().map(|&at| self.list[at].as_size()).collect();
        for at in pattern(&sizes, room) {
            self.list[sample[at]].give(|server| put(engine, server));
        }
        self.list.retain(|pile| !pile.servers.is_empty());
        self.fill(capacity, engine, free, put);
    }

    /// Fills a host of this capacity: `free` says what it has left, `put` puts a server there if it may.
    pub(crate) fn fill(
        &mut self,
        capacity: Amount,
        engine: &mut Engine<'_, '_>,
        free: impl Fn(&Engine<'_, '_>) -> Amount,
        mut put: impl FnMut(&mut Engine<'_, '_>, usize) -> bool,
    ) {
        self.look(capacity);
        let (mut emptied, many) = (false, self.list.len() > MANY);
        while let Some(at) = self.best(free(engine), capacity) {
            let pile = &mut self.list[at];
            pile.refused = !pile.give(|server| put(engine, server));
            if pile.refused && many {
                // By an eighth less each time: a host is asked some tens of times at most.
                self.most_cores = pile.demand[0] - pile.demand[0] / 8 - 1;
            }
            if pile.servers.is_empty() {
                pile.refused = true;
                emptied = true;
            }
        }
        if emptied {
            self.list.retain(|pile| !pile.servers.is_empty());
        }
    }

    /// Turns to another host.
    fn look(&mut self, capacity: Amount) {
        let same = self.capacity == capacity;
        self.most_cores = i64::MAX;
        self.inverse = score::inverse(capacity);
        for pile in &mut self.list {
            pile.refused = false;
            if !same {
                pile.direction = Direction::of(pile.demand, capacity, self.inverse);
                let size = |d: usize| (pile.demand[d] << 12) / capacity[d].max(1);
                pile.size = size(0).max(size(1));
            }
        }
        self.capacity = capacity;
    }

    /// The pile that suits what is left best; of equals the first.
    fn best(&self, free: Amount, capacity: Amount) -> Option<usize> {
        let left = score::shares(free, capacity, self.inverse);
        let most = free[0].min(self.most_cores);
        let mut best: Option<(i64, usize)> = None;
        for (at, pile) in self.list.iter().enumerate() {
            // They come in the order of their cores.
            if pile.demand[0] > most {
                break;
            }
            if pile.refused || pile.demand[1] > free[1] {
                continue;
            }
            let cost = 4 * score::misfit_of(left, pile.direction) - pile.size;
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, at));
            }
        }
        best.map(|(_, at)| at)
    }
}
