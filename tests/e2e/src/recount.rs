//! A recount of the racks' watts and of the copies from the cluster's objects, by none of the controller's code. Reads the
//! API server.

use crate::cluster::Cluster;
use crate::error::Error;
use crate::servers;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::core::v1::PersistentVolume;
use kube::Api;
use kube::Resource;
use kube::ResourceExt;
use kube::api::ListParams;
use raidc_crds::Colocation;
use raidc_crds::Rack;
use raidc_crds::ReplicationPolicy;
use raidc_crds::Site;
use raidc_crds::Tenant;
use raidc_crds::VirtualServer;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// What the cluster holds, read once.
pub struct View {
    /// Sites by name.
    pub sites: Vec<Site>,
    /// Racks by name.
    pub racks: Vec<Rack>,
    /// Policies by name.
    pub policies: Vec<ReplicationPolicy>,
    /// Tenants by name.
    pub tenants: Vec<Tenant>,
    /// Servers by namespace and name.
    pub servers: Vec<VirtualServer>,
    /// Colocations by namespace and name.
    pub colocations: Vec<Colocation>,
    /// Nodes by name.
    pub nodes: Vec<Node>,
    /// Volumes by name.
    pub volumes: Vec<PersistentVolume>,
}

impl View {
    /// Reads everything.
    pub async fn read(cluster: &Cluster) -> Result<Self, Error> {
        Ok(Self {
            sites: list(cluster).await?,
            racks: list(cluster).await?,
            policies: list(cluster).await?,
            tenants: list(cluster).await?,
            servers: servers::all(cluster).await?,
            colocations: list(cluster).await?,
            nodes: list(cluster).await?,
            volumes: list(cluster).await?,
        })
    }
}

/// Everything of one kind, sorted by namespace and name.
pub async fn list<K>(cluster: &Cluster) -> Result<Vec<K>, Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let api: Api<K> = Api::all(cluster.client());
    let what = format!("list {}", K::plural(&()));
    let mut items = api
        .list(&ListParams::default())
        .await
        .map_err(Error::api(what))?
        .items;
    items.sort_by_key(|item| (item.namespace(), item.name_any()));
    Ok(items)
}

/// What may go down together with a place: the shared risks of its site and, where the rack is known, of the rack.
#[must_use]
pub fn risks(view: &View, site: &str, rack: Option<&str>) -> Vec<String> {
    let of_site = view
        .sites
        .iter()
        .filter(|s| s.name_any() == site)
        .flat_map(|s| s.spec.shared_risks.clone());
    let of_rack = view
        .racks
        .iter()
        .filter(|r| rack.is_some_and(|name| r.name_any() == name))
        .flat_map(|r| r.spec.shared_risks.clone());
    of_site.chain(of_rack).collect()
}

/// Copies and reserves that share a site or a risk, of a site or of a rack, with their original, as `server: why`. Data lies at a
/// site; a server runs, and would start again, in a rack.
#[must_use]
pub fn shared(view: &View) -> Vec<String> {
    let mut wrong = Vec::new();
    for server in &view.servers {
        let Some(status) = &server.status else { continue };
        let Some(site) = &status.site else { continue };
        let name = format!("{}/{}", server.namespace().unwrap_or_default(), server.name_any());
        let ignores = view.policies.iter().any(|p| {
            Some(p.name_any()) == status.policy
                && p.spec.shared_risks == raidc_crds::replication_policy::SharedRiskRule::Ignore
        });
        let mine = risks(view, site, status.rack.as_deref());
        let copies = status.copy_sites.iter().map(|copy| (copy, None));
        let reserve = status.reserved.iter().map(|r| (&r.site, Some(r.rack.as_str())));
        for (other, rack) in copies.chain(reserve) {
            if other == site {
                wrong.push(format!("{name}: a copy or its reserve at its own site {site}"));
            }
            let theirs = risks(view, other, rack);
            if let Some(risk) = mine.iter().find(|r| theirs.contains(r) && !ignores) {
                let at = rack.unwrap_or(other);
                wrong.push(format!("{name}: {site} and {at} share {risk}"));
            }
        }
    }
    wrong
}

/// What one rack may draw and draws, recounted, in watts.
#[derive(Debug, PartialEq, Eq)]
pub struct Recount {
    /// After the loss of the strongest panel, derated.
    pub capacity: i64,
    /// Hosts that are on, the servers on them, devices, other occupants.
    pub committed: i64,
}

/// Recounts every rack from specs, nodes and the places in the servers' status.
#[must_use]
pub fn racks(view: &View) -> BTreeMap<String, Recount> {
    view.racks
        .iter()
        .map(|rack| {
            (
                rack.name_any(),
                Recount {
                    capacity: capacity(rack),
                    committed: committed(view, rack),
                },
            )
        })
        .collect()
}

fn capacity(rack: &Rack) -> i64 {
    let mut panels: BTreeMap<String, i64> = BTreeMap::new();
    for feed in &rack.spec.feeds {
        let mut watts = i64::from(feed.volts) * i64::from(feed.amps);
        if feed.phases == 3 {
            watts = watts * 1732 / 1000;
        }
        let panel = feed
            .panel
            .clone()
            .unwrap_or_else(|| format!("feed {}", feed.name));
        *panels.entry(panel).or_default() += watts;
    }
    let total: i64 = panels.values().sum();
    let lost = if panels.len() > 1 {
        panels.values().copied().max().unwrap_or(0)
    } else {
        0
    };
    let derated = (total - lost) * i64::from(rack.spec.derate_percent) / 100;
    rack.spec.max_watts.map_or(derated, |limit| limit.min(derated))
}

fn committed(view: &View, rack: &Rack) -> i64 {
    let name = rack.name_any();
    let overcommit = view
        .sites
        .iter()
        .find(|s| s.name_any() == rack.spec.site)
        .map_or(100, |s| i128::from(s.spec.cpu_overcommit_percent));
    let mut milliwatts: i128 = 0;
    for node in view
        .nodes
        .iter()
        .filter(|n| n.labels().get("raidc.dev/rack") == Some(&name))
    {
        let given = rack.spec.hosts.iter().find(|h| h.node == node.name_any());
        let defaults = rack.spec.host_defaults.as_ref();
        let unknown = raidc_crds::names::UNKNOWN_HOST_WATTS;
        let idle = given
            .and_then(|h| h.idle_watts)
            .or(defaults.map(|d| d.idle_watts))
            .unwrap_or(unknown);
        let most = given
            .and_then(|h| h.max_watts)
            .or(defaults.map(|d| d.max_watts))
            .unwrap_or(unknown);
        milliwatts += i128::from(idle) * 1000;
        let cores = node
            .status
            .as_ref()
            .and_then(|s| s.allocatable.as_ref())
            .and_then(|a| a.get("cpu"))
            .and_then(|q| q.0.parse::<i128>().ok())
            .unwrap_or(0);
        let virtual_milli = (cores * 1000 * overcommit / 100).max(1);
        for server in &view.servers {
            let Some(status) = &server.status else { continue };
            if status.host.as_deref() == Some(node.name_any().as_str()) {
                let asked = i128::from(status.cores_milli.unwrap_or(0));
                milliwatts += (i128::from(most - idle) * 1000 * asked + virtual_milli - 1) / virtual_milli;
            }
        }
    }
    let devices: i64 = view
        .colocations
        .iter()
        .flat_map(|c| {
            let places = c
                .status
                .iter()
                .flat_map(|s| &s.devices)
                .filter(|p| p.rack == name);
            places
                .filter_map(|p| c.spec.devices.iter().find(|d| d.name == p.name))
                .map(|d| d.watts)
                .collect::<Vec<_>>()
        })
        .sum();
    let others: i64 = rack.spec.occupied.iter().map(|o| o.watts).sum::<i64>() + listed_elsewhere(view, rack);
    i64::try_from((milliwatts + 999) / 1000).unwrap_or(i64::MAX) + devices + others
}

/// Hosts that a rack lists and that no node with its label is: they may be on, and count with the most that they may draw.
fn listed_elsewhere(view: &View, rack: &Rack) -> i64 {
    let name = rack.name_any();
    let here = |node: &str| {
        let mut nodes = view.nodes.iter();
        nodes.any(|n| n.name_any() == node && n.labels().get("raidc.dev/rack") == Some(&name))
    };
    let defaults = rack.spec.host_defaults.as_ref();
    let listed = rack.spec.hosts.iter().filter(|h| !here(&h.node));
    listed
        .map(|h| {
            h.max_watts
                .or(defaults.map(|d| d.max_watts))
                .unwrap_or(raidc_crds::names::UNKNOWN_HOST_WATTS)
        })
        .sum()
}

/// Compares the racks' status with the recount.
///
/// # Errors
/// With the first rack that differs.
pub fn compare(view: &View) -> Result<(), Error> {
    let counted = racks(view);
    for rack in &view.racks {
        let name = rack.name_any();
        let Some(power) = rack.status.as_ref().and_then(|s| s.power.clone()) else {
            return Err(Error::Wrong(format!("rack {name} says nothing about its watts")));
        };
        let said = Recount {
            capacity: power.capacity_watts,
            committed: power.committed_watts,
        };
        if counted.get(&name) != Some(&said) {
            return Err(Error::Wrong(format!(
                "rack {name} says {said:?}, a recount gives {:?}",
                counted.get(&name)
            )));
        }
        let headroom = power.capacity_watts - power.committed_watts - power.reserved_watts;
        // Two sums are rounded up: a rack that is full to the last watt is not overloaded.
        let headroom = if (-2..0).contains(&headroom) { 0 } else { headroom };
        if headroom != power.headroom_watts {
            return Err(Error::Wrong(format!(
                "rack {name}: headroom {} is not {headroom}",
                power.headroom_watts
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a test may fail loudly")]

    use super::*;
    use serde_json::Value;
    use serde_json::json;

    fn typed<K: DeserializeOwned>(body: Value) -> K {
        serde_json::from_value(body).expect("an object")
    }

    /// A server in rack `a-1` at `a` with a copy at `b` and its reserve in `b-1`; the racks' and site b's risks as given.
    fn view(of_a: &[&str], of_b: &[&str], of_site: &[&str]) -> View {
        let site = |name: &str, risks: &[&str]| {
            typed(
                json!({"metadata": {"name": name}, "spec": {"storage": {"class": "x"}, "sharedRisks": risks}}),
            )
        };
        let rack = |name: &str, site: &str, risks: &[&str]| {
            typed(
                json!({"metadata": {"name": name}, "spec": {"site": site, "units": 42, "sharedRisks": risks,
            "feeds": [{"name": "a", "volts": 230, "amps": 16}]}}),
            )
        };
        View {
            sites: vec![site("a", &[]), site("b", of_site)],
            racks: vec![rack("a-1", "a", of_a), rack("b-1", "b", of_b)],
            policies: vec![],
            tenants: vec![],
            servers: vec![typed(
                json!({"metadata": {"name": "web", "namespace": "n"}, "spec": {"size": "s", "image": "i"},
                "status": {"observedGeneration": 1, "site": "a", "rack": "a-1", "copySites": ["b"],
                    "reserved": {"site": "b", "rack": "b-1", "host": "h"}}}),
            )],
            colocations: vec![],
            nodes: vec![],
            volumes: vec![],
        }
    }

    #[test]
    fn a_risk_that_two_racks_share_is_never_overlooked() {
        assert_eq!(shared(&view(&["ring"], &["other"], &[])), Vec::<String>::new());
        assert_eq!(
            shared(&view(&["ring"], &["ring"], &[])),
            ["n/web: a and b-1 share ring"]
        );
        // A rack and a whole site.
        assert_eq!(
            shared(&view(&["ring"], &[], &["ring"])).len(),
            2,
            "the copy and the reserve"
        );
    }
}
