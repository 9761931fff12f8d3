//! Plays CDI's controller and importers: there is no Go module of it to run.

pub(super) mod catalogue;
pub(super) mod datavolume;
mod plan;
