//! The few fields of other projects' objects that we set or read; every other field is ignored on reading. No I/O.
//!
//! Never send one of these by replace: what is not modelled here would be dropped. Server-side apply only.

pub mod cdi;
pub mod kubevirt;
pub mod migration;
pub mod volsync;
