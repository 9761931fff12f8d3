//! Objects → fleet, plan and the checker's verdict, with the operator's own translation and planner. No I/O.

use raidc_controller::inventory::translate::{Notes, Seen, translate};
use raidc_planner::{Fleet, MoveKind, Plan, PlanOptions, check};

use crate::objects::Objects;

/// As the operator plans: moving a running server would be a planned failover, which this version does not carry out.
pub const OPTIONS: PlanOptions = PlanOptions {
    max_moves: 0,
    make_room_by_moves: false,
};

/// A fleet with everything that is said about it.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// What the planner looks at.
    pub fleet: Fleet,
    /// What could not be translated.
    pub notes: Notes,
    /// What the planner answers.
    pub plan: Plan,
    /// What the checker has against it.
    pub faults: Vec<String>,
    /// Objects that cannot be read.
    pub broken: Vec<String>,
}

impl World {
    /// Plans `objects` as the operator would.
    #[must_use]
    pub fn of(objects: &Objects, image_namespace: &str) -> Self {
        let (seen, broken) = objects.seen(image_namespace);
        Self::planned(&seen, broken, None)
    }

    /// Plans `objects`, as they would be when what `before` says has been carried out: only what the change does is then a move.
    #[must_use]
    pub fn after(before: &Self, objects: &Objects, image_namespace: &str) -> Self {
        let (seen, broken) = objects.seen(image_namespace);
        Self::planned(&seen, broken, Some(before))
    }

    /// The fleet as it is once what is decided has been carried out.
    #[must_use]
    pub fn carried(&self) -> Fleet {
        let mut fleet = self.fleet.clone();
        self.carry(&mut fleet);
        fleet
    }

    fn carry(&self, fleet: &mut Fleet) {
        let mut carried = self.plan.clone();
        // A server whose data is at one site is not simply started at another: it stays recorded where it was.
        for change in &self.plan.moves {
            if change.kind == MoveKind::Primary && change.from.site != change.to.site {
                carried.servers.remove(&change.server);
            }
        }
        carried.feed_back(fleet);
    }

    fn planned(seen: &Seen, broken: Vec<String>, before: Option<&Self>) -> Self {
        let (mut fleet, notes) = translate(seen);
        if let Some(before) = before {
            before.carry(&mut fleet);
        }
        let plan = raidc_planner::plan(&fleet, &OPTIONS);
        let faults = check(&fleet, &plan).iter().map(ToString::to_string).collect();
        Self {
            fleet,
            notes,
            plan,
            faults,
            broken,
        }
    }
}
