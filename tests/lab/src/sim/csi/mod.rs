//! Plays a CSI driver with its provisioner and snapshotter: volumes that live at one site, or at two at once.

pub(super) mod classes;
pub(super) mod content;
pub(super) mod provision;
pub(super) mod reclaim;
pub(super) mod snapshot;
