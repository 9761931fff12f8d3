//! Switches that fail the simulated hardware: a ConfigMap which the simulator watches. Talks to the API server.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt as _};

use crate::error::LabError;
use crate::fleet::FleetSpec;

pub use crate::sim::faults::{CONFIG_KEY, CONFIG_MAP, Faults as FaultSet, NAMESPACE};

/// Reads groups of sites from `a,b/c,d`; an empty text heals.
pub fn parse_partition(groups: &str) -> Vec<Vec<String>> {
    let names = |group: &str| -> Vec<String> {
        group
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    };
    groups
        .split('/')
        .map(names)
        .filter(|group| !group.is_empty())
        .collect()
}

fn from_config_map(map: &ConfigMap) -> Result<FaultSet, serde_json::Error> {
    let text = map.data.as_ref().and_then(|data| data.get(CONFIG_KEY));
    text.map_or_else(|| Ok(FaultSet::default()), |text| serde_json::from_str(text))
}

/// Turns faults of one lab on and off. Every call takes effect when the simulator sees it, which is soon, not at once.
#[derive(Clone)]
pub struct Faults {
    maps: Api<ConfigMap>,
    fleet: FleetSpec,
}

/// Tries to write against others who write at the same time.
const ATTEMPTS: usize = 10;

impl Faults {
    /// For the lab that `client` talks to.
    pub fn new(client: Client, fleet: FleetSpec) -> Self {
        Self {
            maps: Api::namespaced(client, NAMESPACE),
            fleet,
        }
    }

    /// The faults that are on.
    pub async fn current(&self) -> Result<FaultSet, LabError> {
        Ok(self.read().await?.1)
    }

    /// Cuts a site's power.
    pub async fn site_off(&self, site: &str) -> Result<(), LabError> {
        self.known_site(site)?;
        self.change(|set| _ = set.site_off.insert(site.to_owned())).await
    }

    /// Gives a site its power back.
    pub async fn site_on(&self, site: &str) -> Result<(), LabError> {
        self.known_site(site)?;
        self.change(|set| _ = set.site_off.remove(site)).await
    }

    /// Cuts a host's power.
    pub async fn node_off(&self, node: &str) -> Result<(), LabError> {
        self.known_node(node)?;
        self.change(|set| _ = set.node_off.insert(node.to_owned())).await
    }

    /// Gives a host its power back.
    pub async fn node_on(&self, node: &str) -> Result<(), LabError> {
        self.known_node(node)?;
        self.change(|set| _ = set.node_off.remove(node)).await
    }

    /// Cuts the network between groups of sites; no groups heal it.
    pub async fn partition(&self, groups: &[Vec<String>]) -> Result<(), LabError> {
        for site in groups.iter().flatten() {
            self.known_site(site)?;
        }
        let groups: Vec<BTreeSet<String>> = groups
            .iter()
            .map(|group| group.iter().cloned().collect())
            .collect();
        self.change(|set| set.partition.clone_from(&groups)).await
    }

    /// Makes the import of a DataVolume fail: `namespace/name`, or `*` for all.
    pub async fn import_error(&self, volume: &str) -> Result<(), LabError> {
        self.change(|set| _ = set.import_error.insert(volume.to_owned()))
            .await
    }

    /// Keeps a copy from getting done: `namespace/name` of the ReplicationSource, or `*` for all.
    pub async fn sync_stuck(&self, source: &str) -> Result<(), LabError> {
        self.change(|set| _ = set.sync_stuck.insert(source.to_owned()))
            .await
    }

    /// Turns every fault off.
    pub async fn clear(&self) -> Result<(), LabError> {
        self.change(|set| *set = FaultSet::default()).await
    }

    async fn read(&self) -> Result<(ConfigMap, FaultSet), LabError> {
        let map = self
            .maps
            .get(CONFIG_MAP)
            .await
            .map_err(LabError::api("show the faults"))?;
        let set = from_config_map(&map).map_err(|error| LabError::Late {
            what: format!("a readable ConfigMap {NAMESPACE}/{CONFIG_MAP}"),
            after: std::time::Duration::ZERO,
            last: error.to_string(),
        })?;
        Ok((map, set))
    }

    /// Changes any of the switches; the change is made anew when someone else changed them at the same time.
    pub async fn change(&self, change: impl Fn(&mut FaultSet)) -> Result<(), LabError> {
        let mut attempt = 1;
        loop {
            let (mut map, mut set) = self.read().await?;
            let before = set.clone();
            change(&mut set);
            if set == before {
                return Ok(());
            }
            map.data
                .get_or_insert_default()
                .insert(CONFIG_KEY.to_owned(), text(&set));
            let name = map.name_any();
            match self.maps.replace(&name, &PostParams::default(), &map).await {
                Ok(_) => return Ok(()),
                Err(kube::Error::Api(status)) if status.code == 409 && attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(LabError::api("take the fault")(error)),
            }
        }
    }

    fn known_site(&self, name: &str) -> Result<(), LabError> {
        if self.fleet.has_site(name) {
            return Ok(());
        }
        let known: Vec<&str> = self.fleet.sites.iter().map(|site| site.name.as_str()).collect();
        Err(LabError::NoSuch {
            kind: "site",
            name: name.to_owned(),
            known: known.join(", "),
        })
    }

    fn known_node(&self, name: &str) -> Result<(), LabError> {
        let racks = || self.fleet.sites.iter().flat_map(|site| &site.racks);
        if racks().any(|rack| rack.host_names().any(|host| host == name)) {
            return Ok(());
        }
        let known = |rack: &crate::fleet::RackSpec| format!("{}-h1 … -h{}", rack.name, rack.hosts);
        let known: Vec<String> = racks().map(known).collect();
        Err(LabError::NoSuch {
            kind: "node",
            name: name.to_owned(),
            known: known.join(", "),
        })
    }
}

/// The ConfigMap's text.
pub(crate) fn text(set: &FaultSet) -> String {
    serde_json::json!(set).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_partition_is_groups_of_sites_and_nothing_is_none() {
        assert_eq!(parse_partition("a,b/ c"), [vec!["a", "b"], vec!["c"]]);
        assert!(parse_partition("").is_empty());
    }

    #[test]
    fn switches_round_trip_under_the_names_that_the_simulator_reads() {
        let json = r#"{"siteOff": ["talsi"], "nodeOff": [], "partition": [["talsi"], ["ventspils", "kuldiga"]],
                       "importError": ["ns/root", "*"], "syncStuck": []}"#;
        let map = |text: &str| ConfigMap {
            data: Some(BTreeMap::from([(CONFIG_KEY.to_owned(), text.to_owned())])),
            ..ConfigMap::default()
        };
        let set = from_config_map(&map(json)).expect("the contract");
        assert!(set.site_off.contains("talsi") && set.partition.len() == 2 && set.import_error.contains("*"));
        assert_eq!(from_config_map(&map(&text(&set))).expect("own output"), set);
        assert_ne!(set, FaultSet::default());
        assert_eq!(
            from_config_map(&ConfigMap::default()).expect("nothing is off"),
            FaultSet::default()
        );
        assert!(from_config_map(&map("[")).is_err());
    }
}
