//! A planner that keeps its books between events: one server comes or goes in microseconds. No I/O.
//!
//! [`plan()`](crate::plan()) decides about a whole fleet and needs milliseconds. A [`Planner`] is for whoever admits
//! one server at a time and cannot wait for that: it keeps the books and the index, and a server that comes touches
//! only what it needs. What it decides is what `plan` would adopt: hand [`Planner::fleet`] to `plan` at any time, and
//! nothing moves.

use rustc_hash::FxHashMap;

use crate::admit;
use crate::colocate::Space;
use crate::engine::{self, Engine};
use crate::fleet::{Fleet, Placement, Server};
use crate::ids::ServerId;
use crate::index::Index;
use crate::place::{self, Wish};
use crate::plan::{PlanOptions, ServerPlan};
use crate::protect;
use crate::quota::{self, Use};
use crate::reason::{Waiting, WaitingOn};
use crate::report;
use crate::state::{Books, Slot};
use crate::why;
use crate::world::{self, World};

/// Books that stay open. See the head of this file.
pub struct Planner<'f> {
    world: World<'f>,
    books: Books,
    space: Space,
    index: Index,
    used: Use,
    options: PlanOptions,
    /// By identity. Only ever looked up, never walked.
    known: FxHashMap<ServerId, usize>,
    /// Servers that came after the fleet was read. Walked only into a sorted map.
    came: FxHashMap<ServerId, Server>,
    /// Places in the books whose server has gone.
    free: Vec<usize>,
}

impl<'f> Planner<'f> {
    /// Reads `fleet`, plans it, and keeps the books open. Servers that wait then are not remembered: admit them again.
    pub fn new(fleet: &'f Fleet, options: &PlanOptions) -> Self {
        let mut world = world::build(fleet);
        let mut engine = engine::run(&mut world, options);
        let used = admit::in_use(&engine);
        let books = std::mem::take(&mut engine.books);
        let space = std::mem::take(&mut engine.space);
        let index = std::mem::take(&mut engine.index);
        drop(engine);
        let mut known = FxHashMap::default();
        let mut free = Vec::new();
        for (at, id) in world.ids.iter().enumerate() {
            if books.slots[at].is_placed() {
                known.insert(id.clone(), at);
            } else {
                free.push(at);
            }
        }
        let mut planner = Self {
            world,
            books,
            space,
            index,
            used,
            options: options.clone(),
            known,
            came: FxHashMap::default(),
            free: Vec::new(),
        };
        for at in free {
            planner.forget(at);
        }
        for class in &planner.world.classes {
            planner.index.prepare(&planner.world, &planner.books, class);
        }
        planner
    }

    /// Finds a place for one server with everything that its policy asks, within its tenant's quota, and books it.
    ///
    /// When there is no room the reserves are packed anew once, which moves no server; if that does not help, nothing
    /// is changed and the reason is returned. The caller decides who comes next: nobody waits in here.
    ///
    /// # Errors
    ///
    /// Why it finds no place; `Malformed` also when a server of this identity has one already.
    pub fn admit(&mut self, id: ServerId, server: Server) -> Result<ServerPlan, Box<Waiting>> {
        let refused = |on| Err(Box::new(Waiting::on(on)));
        if self.known.contains_key(&id) {
            return refused(WaitingOn::Malformed {
                field: "name".to_owned(),
                message: "is that of a server that has a place already".to_owned(),
            });
        }
        let new = Server {
            current: None,
            granted: None,
            released: false,
            ..server
        };
        let at = world::add_server(&mut self.world, self.free.pop(), &id, &new);
        if at == self.books.slots.len() {
            self.books.slots.push(Slot::default());
        }
        let dense = &self.world.servers[at];
        let amounts = quota::of_server(dense);
        let (tenant, malformed) = (dense.tenant, dense.malformed.clone());
        if let Some(on) = malformed {
            self.forget(at);
            return refused(*on);
        }
        if let Err(on) = self.used.check(&self.world, tenant, &amounts) {
            let on = why::too_large(&self.world, &self.books, at).unwrap_or(on);
            self.forget(at);
            return refused(on);
        }
        let wish = Wish::new(&self.world);
        let Some(slot) = place::find(&self.world, &self.books, &mut self.index, at, &wish) else {
            return self.admit_with_room(at, id, new);
        };
        self.books.put(&self.world, at, &slot);
        self.used.add(tenant, &amounts);
        Ok(self.remember(at, id, new))
    }

    /// As [`Planner::admit`], when there is no room as things are.
    fn admit_with_room(&mut self, at: usize, id: ServerId, new: Server) -> Result<ServerPlan, Box<Waiting>> {
        let structural = why::structural(&self.world, &self.books, at).is_some();
        if !structural {
            self.with_engine(|engine| {
                engine.starving.push(at);
                admit::make_room(engine);
            });
        }
        if self.books.slots[at].is_placed() {
            self.used.add(
                self.world.servers[at].tenant,
                &quota::of_server(&self.world.servers[at]),
            );
            return Ok(self.remember(at, id, new));
        }
        let waiting = why::primary(&self.world, &mut self.books, at);
        self.forget(at);
        Err(Box::new(waiting))
    }

    /// Takes a server out of the books. Returns whether it was there.
    pub fn remove(&mut self, id: &ServerId) -> bool {
        let Some(at) = self.known.remove(id) else {
            return false;
        };
        self.came.remove(id);
        let amounts = quota::of_server(&self.world.servers[at]);
        self.used.take(self.world.servers[at].tenant, &amounts);
        let was = self.books.lift(&self.world, at);
        self.forget(at);
        // A host that falls asleep with it can no longer be the reserve of one that must start at once.
        let asleep = |host: usize| self.books.warm[host] > 0 && !self.books.is_on(&self.world, host);
        if was.primary.is_some_and(asleep) {
            self.with_engine(protect::protect_running);
        }
        true
    }

    /// Packs all reserves anew: no server moves and no data is copied. Returns whether every server kept a reserve;
    /// when not, nothing is changed.
    pub fn repack(&mut self) -> bool {
        self.with_engine(|engine| crate::reserves::repack(engine).is_some())
    }

    /// Servers that have a place.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether no server has a place.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The fleet as it is now: every server that has a place, with that place as its present one.
    pub fn fleet(&self) -> Fleet {
        let mut fleet = self.world.fleet.clone();
        fleet.servers.retain(|id, _| self.known.contains_key(id));
        fleet
            .servers
            .extend(self.came.iter().map(|(id, server)| (id.clone(), server.clone())));
        for (id, server) in &mut fleet.servers {
            if let Some(&at) = self.known.get(id)
                && let Some(placement) = self.placement(at)
            {
                server.current = Some(placement);
                server.granted = Some(self.world.servers[at].granted());
                server.released = false;
            }
        }
        fleet
    }

    /// The options it was opened with.
    pub fn options(&self) -> &PlanOptions {
        &self.options
    }

    fn placement(&self, at: usize) -> Option<Placement> {
        let (world, slot) = (&self.world, &self.books.slots[at]);
        let host = &world.hosts[slot.primary?];
        let copies = slot.copies.iter().map(|&site| world.sites[site].name.clone());
        Some(Placement {
            site: world.sites[host.site].name.clone(),
            rack: world.racks[host.rack].name.clone(),
            host: Some(host.name.clone()),
            backup: slot.backup.map(|backup| world.hosts[backup].name.clone()),
            copy_sites: copies.collect(),
        })
    }

    fn remember(&mut self, at: usize, id: ServerId, new: Server) -> ServerPlan {
        self.known.insert(id.clone(), at);
        self.came.insert(id, new);
        report::server(&self.world, &self.books, at)
    }

    fn forget(&mut self, at: usize) {
        world::forget_server(&mut self.world, at);
        self.free.push(at);
    }

    /// Lends the books to the steps that a plan is made of.
    fn with_engine<T>(&mut self, work: impl FnOnce(&mut Engine<'_, 'f>) -> T) -> T {
        let mut engine = Engine::with(
            &self.world,
            std::mem::take(&mut self.books),
            std::mem::take(&mut self.space),
            std::mem::take(&mut self.index),
        );
        let result = work(&mut engine);
        self.books = std::mem::take(&mut engine.books);
        self.space = std::mem::take(&mut engine.space);
        self.index = std::mem::take(&mut engine.index);
        result
    }
}
