//! Filling a host with the sizes that suit what is left of it. No I/O.
//!
//! Servers of one size lie in one pile, the next in turn on top. A host takes from the pile whose direction (cores to
//! memory) is nearest to what it has left, the larger of two alike, until nothing fits: so that neither measure is left
//! over alone. Research weighed the fourth power of the cosine against the size; here the square of the sine and a
//! little for size order the sizes alike, in integers.

use crate::engine::Engine;
use crate::pattern::{Room, Size, pattern};
use crate::score::{self, Direction};
use crate::world::{Amount, Class, DIMS, World};

/// Servers of one size that are looked at before a host is taken to have no room for that size: more than one,
/// because groups may keep the first away.
const TRIES: usize = 4;

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

/// Whether a host that takes a server of one class takes one of the other, as far as classes say.
fn alike(a: &Class, b: &Class) -> bool {
    let asked = |class: &Class| (class.demand, class.copies, class.warm, class.stores);
    asked(a) == asked(b) && a.spread == b.spread
}

/// All piles.
pub(crate) struct Piles {
    list: Vec<Pile>,
    /// The capacity that directions and sizes were last worked out for.
    capacity: Amount,
    inverse: Amount,
}

impl Piles {
    /// Piles of these servers.
    pub(crate) fn new(world: &World<'_>, servers: impl Iterator<Item = usize>) -> Self {
        let mut of_class: Vec<Vec<usize>> = vec![Vec::new(); world.classes.len()];
        for server in servers {
            of_class[world.servers[server].class].push(server);
        }
        // Where they may be was asked before: classes that differ in nothing else lie in one pile.
        let mut piles: Vec<(&Class, Pile)> = Vec::new();
        for (class, servers) in world.classes.iter().zip(of_class) {
            if servers.is_empty() {
                continue;
            }
            if let Some((_, pile)) = piles.iter_mut().find(|(other, _)| alike(class, other)) {
                pile.servers.extend(servers);
                continue;
            }
            let pile = Pile {
                demand: class.demand,
                servers,
                direction: Direction::default(),
                size: 0,
                refused: false,
            };
            piles.push((class, pile));
        }
        let mut piles: Vec<Pile> = piles.into_iter().map(|(_, pile)| pile).collect();
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
        let sizes: Vec<Size> = self.list.iter().map(Pile::as_size).collect();
        for at in pattern(&sizes, room) {
            self.list[at].give(|server| put(engine, server));
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
        let mut emptied = false;
        while let Some(at) = self.best(free(engine), capacity) {
            let pile = &mut self.list[at];
            pile.refused = !pile.give(|server| put(engine, server));
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
        let mut best: Option<(i64, usize)> = None;
        for (at, pile) in self.list.iter().enumerate() {
            if pile.refused || pile.demand[0] > free[0] || pile.demand[1] > free[1] {
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
