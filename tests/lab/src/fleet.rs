//! What hardware a lab plays: sites, racks and hosts. Plain data with checks; reads a fleet's file, else no I/O.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::error::LabError;

/// Who plays the controllers between the API server and the hardware.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Profile {
    /// KubeVirt's own virt-api and virt-controller and VolSync's own manager run; only hardware is simulated.
    #[default]
    Full,
    /// The simulator also plays virt-controller and VolSync's manager: for runs of thousands of servers.
    Light,
}

/// The data centres of a lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FleetSpec {
    /// Sites, in the order in which their nodes are created.
    pub sites: Vec<SiteSpec>,
}

/// One data centre. Its name is the value of the node label `topology.kubernetes.io/zone`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SiteSpec {
    /// DNS label, unique in the fleet.
    pub name: String,
    /// `StorageClass` whose volumes live at this site only.
    pub storage_class: String,
    /// Racks; a site without racks has no hosts.
    pub racks: Vec<RackSpec>,
}

/// One rack of equal hosts. Its name is the value of the node label `raidc.dev/rack`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RackSpec {
    /// DNS label, unique in the fleet (not only in the site).
    pub name: String,
    /// Number of hosts.
    pub hosts: u32,
    /// CPU cores of each host.
    pub cores: u32,
    /// Memory of each host in GiB.
    pub memory_gib: u32,
    /// Watts that each host draws when idle.
    pub idle_watts: u32,
    /// Watts that each host draws at full load; not less than `idle_watts`.
    pub max_watts: u32,
}

/// Why a fleet cannot be played.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FleetError {
    /// No site at all.
    #[error("the fleet has no sites; name at least one under `sites`")]
    Empty,
    /// A name is not a DNS label.
    #[error(
        "`{0}` is no DNS label: use 1 to 40 of a-z, 0-9 and `-`, starting and ending with a letter or digit"
    )]
    BadName(String),
    /// Two sites, two racks or two storage classes share a name.
    #[error("the name `{0}` is used twice; names of sites and of racks are unique in the fleet")]
    Duplicate(String),
    /// A rack draws less at full load than idle.
    #[error("rack `{0}`: maxWatts is below idleWatts; swap them or correct one")]
    Watts(String),
    /// A rack of hosts without cores or memory.
    #[error("rack `{0}`: a host needs at least 1 core and 1 GiB")]
    NoCapacity(String),
}

impl FleetSpec {
    /// The fleet of `examples/`: Ventspils, Kuldīga, Talsi and Liepāja with two racks of four hosts each.
    pub fn example() -> Self {
        let sites = ["ventspils", "kuldiga", "talsi", "liepaja"];
        Self {
            sites: sites
                .into_iter()
                .map(|name| SiteSpec::sized(name, 2, 4, 32, 256))
                .collect(),
        }
    }

    /// `sites` equal sites (`site-1` …) of `racks` racks of `hosts` hosts with `cores` cores and `gib` GiB each.
    pub fn sized(sites: u32, racks: u32, hosts: u32, cores: u32, gib: u32) -> Self {
        let site = |i| SiteSpec::sized(&format!("site-{i}"), racks, hosts, cores, gib);
        Self {
            sites: (1..=sites).map(site).collect(),
        }
    }

    /// Reads a fleet from a YAML or JSON file and checks it.
    pub fn read(path: &Path) -> Result<Self, LabError> {
        let text = std::fs::read_to_string(path).map_err(LabError::file("read", path))?;
        let fleet: Self = serde_saphyr::from_str(&text).map_err(|error| LabError::FleetFile {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        fleet.validate()?;
        Ok(fleet)
    }

    /// Number of hosts in the whole fleet.
    pub fn hosts(&self) -> u64 {
        self.sites
            .iter()
            .flat_map(|site| &site.racks)
            .map(|rack| u64::from(rack.hosts))
            .sum()
    }

    /// Whether a site of that name exists.
    pub fn has_site(&self, name: &str) -> bool {
        self.sites.iter().any(|site| site.name == name)
    }

    /// Checks names and figures.
    pub fn validate(&self) -> Result<(), FleetError> {
        if self.sites.is_empty() {
            return Err(FleetError::Empty);
        }
        let (mut sites, mut racks) = (BTreeSet::new(), BTreeSet::new());
        for site in &self.sites {
            check_name(&site.name, &mut sites)?;
            if !is_label(&site.storage_class) {
                return Err(FleetError::BadName(site.storage_class.clone()));
            }
            for rack in &site.racks {
                check_name(&rack.name, &mut racks)?;
                if rack.max_watts < rack.idle_watts {
                    return Err(FleetError::Watts(rack.name.clone()));
                }
                if rack.hosts > 0 && (rack.cores == 0 || rack.memory_gib == 0) {
                    return Err(FleetError::NoCapacity(rack.name.clone()));
                }
            }
        }
        Ok(())
    }
}

impl SiteSpec {
    /// A site of `racks` equal racks `<name>-r1` … and the storage class `fast-<name>`.
    pub fn sized(name: &str, racks: u32, hosts: u32, cores: u32, gib: u32) -> Self {
        let rack = |i| RackSpec {
            name: format!("{name}-r{i}"),
            hosts,
            cores,
            memory_gib: gib,
            idle_watts: 120,
            max_watts: 480,
        };
        Self {
            name: name.to_owned(),
            storage_class: format!("fast-{name}"),
            racks: (1..=racks).map(rack).collect(),
        }
    }
}

impl RackSpec {
    /// Names of the hosts, which are the names of their nodes: `<rack>-h1` ….
    pub fn host_names(&self) -> impl Iterator<Item = String> + '_ {
        (1..=self.hosts).map(|i| format!("{}-h{i}", self.name))
    }
}

fn check_name<'a>(name: &'a str, seen: &mut BTreeSet<&'a str>) -> Result<(), FleetError> {
    if !is_label(name) {
        return Err(FleetError::BadName(name.to_owned()));
    }
    if !seen.insert(name) {
        return Err(FleetError::Duplicate(name.to_owned()));
    }
    Ok(())
}

/// A DNS label short enough that a host's name made of it stays one.
fn is_label(name: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    name.len() <= 40
        && edge(name.chars().next())
        && edge(name.chars().last())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_four_sites_of_eight_hosts() {
        let fleet = FleetSpec::example();
        assert_eq!(fleet.validate(), Ok(()));
        assert_eq!(fleet.sites.len(), 4);
        assert_eq!(fleet.hosts(), 32);
        assert_eq!(
            fleet.sites[2].racks[1].host_names().last().as_deref(),
            Some("talsi-r2-h4")
        );
        assert_eq!(fleet.sites[3].storage_class, "fast-liepaja");
        assert!(fleet.has_site("kuldiga") && !fleet.has_site("riga"));
    }

    #[test]
    fn a_sized_fleet_has_the_asked_for_hosts() {
        let fleet = FleetSpec::sized(5, 3, 7, 16, 64);
        assert_eq!(fleet.validate(), Ok(()));
        assert_eq!(fleet.hosts(), 105);
        assert_eq!(
            (fleet.sites[4].racks[2].cores, fleet.sites[4].racks[2].memory_gib),
            (16, 64)
        );
    }

    #[test]
    fn a_fleet_that_cannot_be_played_is_refused() {
        assert_eq!(FleetSpec { sites: vec![] }.validate(), Err(FleetError::Empty));
        let broken = |change: fn(&mut FleetSpec)| {
            let mut fleet = FleetSpec::example();
            change(&mut fleet);
            fleet.validate()
        };
        assert_eq!(
            broken(|f| f.sites[0].name = "Ventspils".into()),
            Err(FleetError::BadName("Ventspils".into()))
        );
        assert_eq!(
            broken(|f| f.sites[0].name = "-a".into()),
            Err(FleetError::BadName("-a".into()))
        );
        assert_eq!(
            broken(|f| f.sites[0].name = String::new()),
            Err(FleetError::BadName(String::new()))
        );
        assert_eq!(
            broken(|f| f.sites[1].name = "talsi".into()),
            Err(FleetError::Duplicate("talsi".into()))
        );
        assert_eq!(
            broken(|f| f.sites[1].racks[0].name = "talsi-r1".into()),
            Err(FleetError::Duplicate("talsi-r1".into()))
        );
        assert_eq!(
            broken(|f| f.sites[1].racks[0].max_watts = 1),
            Err(FleetError::Watts("kuldiga-r1".into()))
        );
        assert_eq!(
            broken(|f| f.sites[1].racks[0].cores = 0),
            Err(FleetError::NoCapacity("kuldiga-r1".into()))
        );
    }

    #[test]
    fn yaml_round_trips_and_unknown_fields_are_refused() {
        let fleet = FleetSpec::sized(1, 1, 2, 4, 8);
        let yaml = serde_saphyr::to_string(&fleet).expect("plain data");
        assert!(yaml.contains("memoryGib: 8"), "{yaml}");
        assert_eq!(
            serde_saphyr::from_str::<FleetSpec>(&yaml).expect("own output"),
            fleet
        );
        assert!(serde_saphyr::from_str::<FleetSpec>("sites: []\ncolour: red\n").is_err());
    }
}
