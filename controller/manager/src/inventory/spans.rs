//! At which sites the volumes of synchronous servers really lie, so that copies are planned where the data is. No I/O.
//!
//! A synchronous copy is made by the storage and not by us: where it lies is what the bound volume says, whatever was decided. What
//! was decided may be another thing, once a site was drained and taken back, or a policy was changed and changed back.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim};
use kube::ResourceExt;
use raidc_crds::{VirtualServer, names};
use raidc_planner::{Fleet, Placement, SiteName, State};

use super::claims::ClaimSeen;
use super::translate::Seen;

/// Sites with a copy that a status has room for.
const MAX_COPY_SITES: usize = 4;

/// Nodes by the value of one of their labels.
type ByValue<'s> = HashMap<&'s str, Vec<&'s Arc<Node>>>;

/// Volumes, looked up by server. The index is made when it is first asked for, which is when there is a synchronous server.
pub(crate) struct Spans<'s> {
    seen: &'s Seen,
    index: OnceCell<Option<Index<'s>>>,
    /// By the keys that volumes name: thousands of volumes each name a few nodes of a thousand.
    nodes: RefCell<HashMap<String, ByValue<'s>>>,
}

/// What is there, by name.
struct Index<'s> {
    claims: HashMap<(&'s str, &'s str), &'s Arc<PersistentVolumeClaim>>,
    volumes: HashMap<&'s str, &'s Arc<PersistentVolume>>,
}

impl<'s> Spans<'s> {
    /// Of what was seen.
    pub(crate) fn of(seen: &'s Seen) -> Self {
        Self {
            seen,
            index: OnceCell::new(),
            nodes: RefCell::default(),
        }
    }

    /// Takes the sites of the server's volumes for those of its copies, of which its policy wants `copies` with the original.
    ///
    /// What is recorded stays where it is true and enough, where nothing is known, where the volumes span nothing (they are to be made
    /// anew, and an earlier copy may be what is recorded), and while a person empties the sites that they span.
    pub(crate) fn correct(
        &self,
        server: &VirtualServer,
        current: &mut Placement,
        copies: i64,
        fleet: &Fleet,
    ) {
        let Some(mut spanned) = self.sites(server) else {
            return;
        };
        // A volume that cannot be reached from where the server is, is told by the server's own condition.
        if !spanned.remove(&current.site) {
            return;
        }
        let recorded = &current.copy_sites;
        let is_enough = i64::try_from(recorded.len()).is_ok_and(|n| n.saturating_add(1) >= copies);
        if is_enough && recorded.iter().all(|site| spanned.contains(site)) {
            return;
        }
        let stays = |site: &&SiteName| {
            let site = fleet.sites.get(*site);
            site.is_some_and(|site| !matches!(site.state, State::Draining | State::Fenced))
        };
        if !spanned.iter().any(|site| stays(&site)) {
            return;
        }
        let true_ones = recorded.iter().filter(|site| spanned.contains(*site));
        let others = spanned
            .iter()
            .filter(stays)
            .filter(|site| !recorded.contains(*site));
        let told = true_ones.chain(others).take(MAX_COPY_SITES).cloned().collect();
        current.copy_sites = told;
    }

    /// The sites at which all its disks are that were made; `None` while one of them cannot be told.
    fn sites(&self, server: &VirtualServer) -> Option<BTreeSet<SiteName>> {
        let index = self.index.get_or_init(|| Index::of(self.seen)).as_ref()?;
        let (namespace, name) = (server.namespace()?, server.name_any());
        let disks = server.spec.disks.iter().map(|disk| disk.name.as_str());
        let mut common: Option<BTreeSet<String>> = None;
        for disk in std::iter::once(names::ROOT_DISK).chain(disks) {
            let claim_name = names::disk_claim(&name, disk);
            // One that is still to be made holds nothing.
            let Some(claim) = index.claims.get(&(namespace.as_str(), claim_name.as_str())) else {
                continue;
            };
            let volume = claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref());
            let volume = index.volumes.get(volume?)?;
            let seen = ClaimSeen::new(Arc::clone(claim), Some(Arc::clone(volume)), || {
                self.nodes_of(volume)
            });
            if seen.server_uid() != server.metadata.uid.as_deref() {
                return None;
            }
            let sites = seen.sites()?;
            common = Some(match common {
                Some(before) => before.intersection(&sites).cloned().collect(),
                None => sites,
            });
        }
        Some(common?.iter().map(|site| SiteName::from(site.as_str())).collect())
    }

    /// The nodes that a volume's affinity can mean, or all where that cannot be told from the labels that it lists.
    fn nodes_of(&self, volume: &PersistentVolume) -> Vec<Arc<Node>> {
        let affinity = volume.spec.as_ref().and_then(|spec| spec.node_affinity.as_ref());
        let terms = affinity.and_then(|affinity| affinity.required.as_ref());
        let mut found: Vec<Arc<Node>> = Vec::new();
        for term in terms.iter().flat_map(|terms| &terms.node_selector_terms) {
            let listed = term
                .match_expressions
                .iter()
                .flatten()
                .find(|e| e.operator == "In");
            let Some(listed) = listed else {
                return self.seen.nodes.clone();
            };
            let mut by_key = self.nodes.borrow_mut();
            let by_value = by_key
                .entry(listed.key.clone())
                .or_insert_with(|| by_value(&self.seen.nodes, &listed.key));
            let values = listed.values.iter().flatten();
            let meant = values.filter_map(|value| by_value.get(value.as_str())).flatten();
            found.extend(meant.map(|node| Arc::clone(node)));
        }
        found
    }
}

fn by_value<'s>(nodes: &'s [Arc<Node>], key: &str) -> ByValue<'s> {
    let mut by_value = ByValue::new();
    for node in nodes {
        if let Some(value) = node.labels().get(key) {
            by_value.entry(value).or_default().push(node);
        }
    }
    by_value
}

impl<'s> Index<'s> {
    /// `None` while it is not known what there is.
    fn of(seen: &'s Seen) -> Option<Self> {
        let claims = seen.claims.as_ref()?.iter();
        let volumes = seen.volumes.as_ref()?.iter();
        let claims = claims.filter_map(|claim| {
            let (namespace, name) = (&claim.metadata.namespace, &claim.metadata.name);
            Some(((namespace.as_deref()?, name.as_deref()?), claim))
        });
        let volumes = volumes.filter_map(|volume| Some((volume.metadata.name.as_deref()?, volume)));
        Some(Self {
            claims: claims.collect(),
            volumes: volumes.collect(),
        })
    }
}

#[cfg(test)]
#[path = "spans_tests.rs"]
mod tests;
