//! What there is: the only place where API objects become the planner's words.

pub mod adopt;
pub mod probe;
pub mod stores;
pub mod translate;
pub mod watched;
