//! The order of planning: adopt what is, mend what is wrong, protect, admit, until nothing changes. No I/O.
//!
//! Each step only ever improves one thing (fewer homeless, less overload, more protected, more admitted) and puts
//! nothing where it does not fit, so that the loop ends; and the state in which it ends depends only on where things
//! are, not on how they came there, so that planning again from there changes nothing.

use crate::admit;
use crate::adopt;
use crate::colocate::Space;
use crate::eject;
use crate::index::Index;
use crate::mend;
use crate::place::{self, Wish};
use crate::plan::{MoveReason, PlanOptions};
use crate::protect;
use crate::reason::{Growth, Waiting};
use crate::state::{Books, Slot};
use crate::world::{self, World};

/// Most rounds of the loop. Two or three are usual; the bound only keeps an unforeseen cycle from being endless.
const MAX_ROUNDS: usize = 64;

/// Everything that changes while planning.
pub(crate) struct Engine<'w, 'f> {
    pub(crate) world: &'w World<'f>,
    pub(crate) books: Books,
    pub(crate) space: Space,
    /// Per server: why its primary moved.
    pub(crate) moved: Vec<Option<MoveReason>>,
    /// Per server: why its reserve moved.
    pub(crate) backup_moved: Vec<Option<MoveReason>>,
    /// Servers with a place before and none now, in turn order.
    pub(crate) homeless: Vec<usize>,
    /// New servers that wait, with their reasons.
    pub(crate) waiting: Vec<(usize, Waiting)>,
    /// Servers that ask for more than they have, with the reasons why that waits.
    pub(crate) growths: Vec<(usize, Growth)>,
    /// Whether servers may be granted more than they have.
    pub(crate) grows: bool,
    /// The hosts by how they suit the questions asked so far.
    pub(crate) index: Index,
    /// Servers that found no room in the last walk over the queue, though they could have had some.
    pub(crate) starving: Vec<usize>,
    /// Moves left of the budget.
    pub(crate) moves_left: i64,
    /// Whether running servers may be moved to make room (`PlanOptions::make_room_by_moves`).
    pub(crate) room_by_moves: bool,
}

impl<'w, 'f> Engine<'w, 'f> {
    /// Empty books but for the devices that stand in the racks.
    pub(crate) fn new(world: &'w World<'f>, options: &PlanOptions) -> Self {
        let mut books = Books::new(world);
        let space = Space::adopt(world, &mut books);
        Self {
            moves_left: options.max_moves.max(0),
            room_by_moves: options.make_room_by_moves,
            grows: true,
            ..Self::with(world, books, space, Index::default())
        }
    }

    /// Going on with books that were kept.
    pub(crate) fn with(world: &'w World<'f>, books: Books, space: Space, index: Index) -> Self {
        let servers = world.servers.len();
        Self {
            world,
            books,
            space,
            moved: vec![None; servers],
            backup_moved: vec![None; servers],
            homeless: Vec::new(),
            waiting: Vec::new(),
            growths: Vec::new(),
            grows: false,
            index,
            starving: Vec::new(),
            moves_left: i64::MAX,
            room_by_moves: false,
        }
    }
}

/// Plans: the final state of the books. A server that is granted a larger size is of that size in `world` afterwards.
pub(crate) fn run<'w, 'f>(world: &'w mut World<'f>, options: &PlanOptions) -> Engine<'w, 'f> {
    let mut engine = Engine::new(world, options);
    adopt::adopt(&mut engine);
    let mut kept = engine.keep();
    for _ in 0..MAX_ROUNDS {
        let mut engine = kept.open(world);
        let changed = round(&mut engine);
        kept = engine.keep();
        for server in kept.books.grown.drain() {
            world::grow(world, server);
        }
        if !changed {
            break;
        }
    }
    let mut engine = kept.open(world);
    admit::explain_waiting(&mut engine);
    engine
}

/// One round. Returns whether anything changed.
fn round(engine: &mut Engine<'_, '_>) -> bool {
    let mut changed = mend::rehouse(engine);
    changed |= mend::drain(engine);
    changed |= mend::relieve(engine);
    changed |= mend::separate(engine);
    changed |= protect::protect(engine);
    changed |= admit::admit(engine);
    // Only from a state that nothing else would change, so that planning again from there tries the same.
    changed || admit::make_room(engine) || eject::make_room(engine)
}

/// An engine between two rounds, when the world may change.
struct Kept {
    books: Books,
    space: Space,
    moved: Vec<Option<MoveReason>>,
    backup_moved: Vec<Option<MoveReason>>,
    homeless: Vec<usize>,
    waiting: Vec<(usize, Waiting)>,
    growths: Vec<(usize, Growth)>,
    grows: bool,
    index: Index,
    starving: Vec<usize>,
    moves_left: i64,
    room_by_moves: bool,
}

impl Kept {
    fn open<'w, 'f>(self, world: &'w World<'f>) -> Engine<'w, 'f> {
        Engine {
            world,
            books: self.books,
            space: self.space,
            moved: self.moved,
            backup_moved: self.backup_moved,
            homeless: self.homeless,
            waiting: self.waiting,
            growths: self.growths,
            grows: self.grows,
            index: self.index,
            starving: self.starving,
            moves_left: self.moves_left,
            room_by_moves: self.room_by_moves,
        }
    }
}

impl Engine<'_, '_> {
    fn keep(self) -> Kept {
        Kept {
            books: self.books,
            space: self.space,
            moved: self.moved,
            backup_moved: self.backup_moved,
            homeless: self.homeless,
            waiting: self.waiting,
            growths: self.growths,
            grows: self.grows,
            index: self.index,
            starving: self.starving,
            moves_left: self.moves_left,
            room_by_moves: self.room_by_moves,
        }
    }

    /// Notes why a server moves: the first reason stands, unless that was only to make room.
    pub(crate) fn say_moved(&mut self, server: usize, reason: MoveReason) {
        let said = &mut self.moved[server];
        if said.is_none_or(|said| said == MoveReason::MakesRoom) {
            *said = Some(reason);
        }
    }

    /// As [`Engine::say_moved`], of a reserve.
    pub(crate) fn say_backup_moved(&mut self, server: usize, reason: MoveReason) {
        let said = &mut self.backup_moved[server];
        if said.is_none_or(|said| said == MoveReason::MakesRoom) {
            *said = Some(reason);
        }
    }

    /// The best place for `server`, which is not in the books.
    pub(crate) fn find(&mut self, server: usize, wish: &Wish) -> Option<Slot> {
        place::find(self.world, &self.books, &mut self.index, server, wish)
    }
}
