//! What kind of lab is wanted. No I/O.

use std::path::PathBuf;

use crate::error::LabError;
use crate::fleet::{FleetSpec, Profile};
use crate::parts::repository;
use crate::sim::Delays;

/// What [`Lab::up`](crate::Lab::up) is asked for.
#[derive(Clone, Debug)]
pub struct LabOptions {
    /// Names the lab's folder; 1 to 40 of a-z, 0-9 and `-`.
    pub name: String,
    /// Which controllers are real.
    pub profile: Profile,
    /// The hardware to play.
    pub fleet: FleetSpec,
    /// The lab's folder; by default `.lab/<name>` in this repository.
    pub dir: Option<PathBuf>,
    /// Leave the folder (logs, audit log, etcd's data) when the lab ends. After a panic it is left anyway.
    pub keep: bool,
    /// How long simulated phases take.
    pub delays: Delays,
}

impl LabOptions {
    /// The example fleet on the full profile, in the default folder, gone when the lab ends.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            profile: Profile::default(),
            fleet: FleetSpec::example(),
            dir: None,
            keep: false,
            delays: Delays::default(),
        }
    }

    /// With another profile.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// With another fleet.
    #[must_use]
    pub fn fleet(mut self, fleet: FleetSpec) -> Self {
        self.fleet = fleet;
        self
    }

    /// The lab's folder.
    pub fn folder(&self) -> PathBuf {
        self.dir.clone().unwrap_or_else(|| default_folder(&self.name))
    }

    /// Checks the name and the fleet.
    pub fn validate(&self) -> Result<(), LabError> {
        check_name(&self.name)?;
        Ok(self.fleet.validate()?)
    }
}

/// Where all labs of this repository lie.
pub(crate) fn labs_folder() -> PathBuf {
    repository().join(".lab")
}

/// Where the lab of that name lies unless told otherwise.
pub(crate) fn default_folder(name: &str) -> PathBuf {
    labs_folder().join(name)
}

/// A name is a folder's name, so it must not lead anywhere else.
pub(crate) fn check_name(name: &str) -> Result<(), LabError> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=40).contains(&name.len()) && name.chars().all(good) {
        Ok(())
    } else {
        Err(LabError::Name(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_lead_out_of_the_labs_folder() {
        for bad in ["", "..", "a/b", "A", "x.y", &"x".repeat(41)] {
            assert!(LabOptions::new(bad).validate().is_err(), "{bad}");
        }
        assert!(LabOptions::new("demo-1").validate().is_ok());
    }
}
