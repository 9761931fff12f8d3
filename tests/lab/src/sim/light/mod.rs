//! The light profile: virt-controller and VolSync's manager are played as well, for thousands of servers.

mod apart;
mod bind;
pub(super) mod destination;
pub(super) mod instance;
pub(super) mod machine;
mod machine_status;
pub(super) mod migration;
mod render;
mod schedule;
pub(super) mod source;
