//! The planner between events, as the rows use it: one thin place to change when its interface does. No I/O.

use std::time::Duration;

use crate::stopwatch::time;
use raidc_planner::{
    Consolidation, ConsolidationOptions, Fault, Fleet, Plan, PlanOptions, Planner, Server, ServerId,
    confirm_waiting, consolidate,
};

/// The planner with its books.
pub(crate) struct Engine<'f>(Planner<'f>);

impl<'f> Engine<'f> {
    /// Opens the books for a fleet that is placed already.
    pub(crate) fn new(fleet: &'f Fleet) -> Self {
        Self(Planner::new(fleet, &PlanOptions::default()))
    }

    /// Admits one server: how long it took, and whether it has a place.
    pub(crate) fn admit(&mut self, id: &ServerId, server: &Server) -> (Duration, bool) {
        let (id, server) = (id.clone(), server.clone());
        let mut placed = false;
        let took = time(|| placed = self.0.admit(id, server).is_ok());
        (took, placed)
    }

    /// Takes a server out.
    pub(crate) fn remove(&mut self, id: &ServerId) -> bool {
        self.0.remove(id)
    }

    /// Packs the reserves anew; moves no server.
    pub(crate) fn repack(&mut self) {
        self.0.repack();
    }

    /// The fleet with the decisions in it.
    pub(crate) fn fleet(&self) -> Fleet {
        self.0.fleet()
    }
}

/// Proposes fewer powered hosts by at most so many moves.
pub(crate) fn fewer_hosts(fleet: &Fleet, plan: &Plan, moves: usize) -> Consolidation {
    let options = ConsolidationOptions {
        max_moves: i64::try_from(moves).unwrap_or(i64::MAX),
        ..ConsolidationOptions::default()
    };
    consolidate(fleet, plan, &options)
}

/// What is wrong with the reasons that a plan gives to those that wait.
pub(crate) fn wrong_reasons(fleet: &Fleet, plan: &Plan) -> Vec<Fault> {
    confirm_waiting(fleet, plan)
}
