//! Where things are: hosts, their sites and racks, and the storage classes of sites. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use super::csi::classes::SCRATCH;
use super::engine::Seen;
use super::value::Look;
use crate::fleet::FleetSpec;

/// Node label that names the site.
pub(crate) const ZONE: &str = "topology.kubernetes.io/zone";
/// Node label that names the rack.
pub(crate) const RACK: &str = "raidc.dev/rack";
/// Provisioner of every simulated storage class.
pub const PROVISIONER: &str = "sim.csi.raidc.dev";

/// One host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) site: String,
    pub(crate) rack: String,
    pub(crate) cores: u32,
    pub(crate) memory_gib: u32,
    pub(crate) idle_watts: u32,
    pub(crate) max_watts: u32,
    /// Loopback address, so that nothing ever waits for an answer from outside.
    pub(crate) address: String,
}

/// One storage class: the sites that hold every volume of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Storage {
    pub(crate) sites: BTreeSet<String>,
}

/// The fleet, by name.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) hosts: BTreeMap<String, Host>,
    pub(crate) classes: BTreeMap<String, Storage>,
}

impl Places {
    /// From a fleet that was validated.
    pub(crate) fn new(fleet: &FleetSpec) -> Self {
        let mut hosts = BTreeMap::new();
        let mut classes = BTreeMap::new();
        for (site_no, site) in fleet.sites.iter().enumerate() {
            for (rack_no, rack) in site.racks.iter().enumerate() {
                for (host_no, name) in rack.host_names().enumerate() {
                    let host = Host {
                        site: site.name.clone(),
                        rack: rack.name.clone(),
                        cores: rack.cores,
                        memory_gib: rack.memory_gib,
                        idle_watts: rack.idle_watts,
                        max_watts: rack.max_watts,
                        address: format!(
                            "127.{}.{}.{}",
                            site_no % 250 + 1,
                            rack_no % 256,
                            host_no % 254 + 1
                        ),
                    };
                    hosts.insert(name, host);
                }
            }
            let local = Storage {
                sites: BTreeSet::from([site.name.clone()]),
            };
            classes.insert(site.storage_class.clone(), local);
            for other in fleet.sites.iter().filter(|other| other.name > site.name) {
                let both = Storage {
                    sites: BTreeSet::from([site.name.clone(), other.name.clone()]),
                };
                classes.insert(format!("sync-{}-{}", site.name, other.name), both);
            }
        }
        Self { hosts, classes }
    }

    /// The sites of a class, or of the class that it is the short-lived twin of.
    pub(crate) fn storage(&self, class: &str) -> Option<&Storage> {
        self.classes.get(class.strip_suffix(SCRATCH).unwrap_or(class))
    }

    /// A host that could use a volume of a class, for volumes that are made before anyone uses them.
    pub(crate) fn host_for(&self, class: &str, usable: impl Fn(&str, &Host) -> bool) -> Option<&str> {
        let storage = self.storage(class)?;
        let mut hosts = self.hosts.iter();
        let found = hosts.find(|(name, host)| storage.sites.contains(&host.site) && usable(name, host));
        found.map(|(name, _)| name.as_str())
    }

    /// Site of a host.
    pub(crate) fn site_of(&self, node: &str) -> Option<&str> {
        self.hosts.get(node).map(|host| host.site.as_str())
    }
}

/// Sites at which a PersistentVolume can be used, from its node affinity.
pub(crate) fn sites_of_volume(volume: &Seen) -> BTreeSet<String> {
    let terms = volume.list("/spec/nodeAffinity/required/nodeSelectorTerms");
    let expressions = terms
        .iter()
        .flat_map(|t| t["matchExpressions"].as_array().into_iter().flatten());
    expressions
        .filter(|e| e["key"] == ZONE)
        .flat_map(|e| e["values"].as_array().into_iter().flatten())
        .filter_map(|v| v.as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_sites_has_one_synchronous_class() {
        let places = Places::new(&FleetSpec::example());
        assert_eq!(places.hosts.len(), 32);
        assert_eq!(places.classes.len(), 4 + 6);
        let pair = places
            .classes
            .get("sync-kuldiga-ventspils")
            .expect("names in order");
        assert_eq!(pair.sites.len(), 2);
        assert!(!places.classes.contains_key("sync-ventspils-kuldiga"));
    }

    #[test]
    fn no_two_hosts_share_an_address() {
        let places = Places::new(&FleetSpec::sized(4, 8, 40, 16, 64));
        let addresses: BTreeSet<_> = places.hosts.values().map(|h| &h.address).collect();
        assert_eq!(addresses.len(), places.hosts.len());
    }

    #[test]
    fn a_volume_is_never_made_where_its_class_is_not() {
        let places = Places::new(&FleetSpec::example());
        let host = places.host_for("fast-talsi", |_, _| true).expect("a host");
        assert_eq!(places.site_of(host), Some("talsi"));
        assert_eq!(
            places.host_for("fast-talsi", |name, _| !name.starts_with("talsi")),
            None
        );
        let host = places
            .host_for("fast-talsi-scratch", |_, _| true)
            .expect("a host");
        assert_eq!(places.site_of(host), Some("talsi"));
        assert_eq!(places.host_for("unknown", |_, _| true), None);
    }
}
