//! API objects → the planner's fleet, and what could not be translated. No I/O.

use std::collections::BTreeMap;

use raidc_planner::{ColocationId, ServerId};

/// Why an object was not given to the planner, or a node is not used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// One word in PascalCase: the condition's reason.
    pub reason: &'static str,
    /// What, why and what to do.
    pub message: String,
}

/// What could not be translated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Servers that are not given to the planner (or only with their last known size, when they have a place), and why.
    pub servers: BTreeMap<ServerId, Note>,
    /// Colocations that are not given to the planner, and why.
    pub colocations: BTreeMap<ColocationId, Note>,
}
