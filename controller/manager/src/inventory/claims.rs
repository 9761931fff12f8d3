//! What can be read off a claim and its volume: bound or not, how large, of which kind, and at which sites it really lies. No I/O.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::core::v1::NodeSelectorTerm;
use k8s_openapi::api::core::v1::PersistentVolume;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::ResourceExt as _;
use raidc_crds::names::SERVER_UID_LABEL;
use raidc_crds::names::SITE_LABEL;

/// A claim and the volume behind it.
#[derive(Clone, Debug)]
pub struct ClaimSeen {
    /// The claim.
    pub claim: Arc<PersistentVolumeClaim>,
    /// Its volume, when it is bound and the volume has been seen.
    pub volume: Option<Arc<PersistentVolume>>,
    /// Every node, where the volume says its place by nodes and not by sites; else none.
    pub nodes: Vec<Arc<Node>>,
}

impl ClaimSeen {
    /// A claim with what is seen of its volume; `nodes` is only asked where the volume says its place by them.
    pub fn new(
        claim: Arc<PersistentVolumeClaim>,
        volume: Option<Arc<PersistentVolume>>,
        nodes: impl FnOnce() -> Vec<Arc<Node>>,
    ) -> Self {
        let mut seen = Self {
            claim,
            volume,
            nodes: Vec::new(),
        };
        let by_nodes = |terms: &[NodeSelectorTerm]| terms.iter().any(|term| sites_named(term).is_none());
        if seen.terms().is_some_and(by_nodes) {
            seen.nodes = nodes();
        }
        seen
    }

    /// Bound to a volume, says Kubernetes.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.phase() == Some("Bound")
    }

    /// Its volume is gone: `Lost` never comes back by itself.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.phase() == Some("Lost")
    }

    fn phase(&self) -> Option<&str> {
        self.claim.status.as_ref()?.phase.as_deref()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.claim.metadata.name.as_deref().unwrap_or_default()
    }

    /// UID of the server that it belongs to, as its label says.
    #[must_use]
    pub fn server_uid(&self) -> Option<&str> {
        self.claim
            .metadata
            .labels
            .as_ref()?
            .get(SERVER_UID_LABEL)
            .map(String::as_str)
    }

    /// What it asks for, as written, and in MiB rounded up.
    #[must_use]
    pub fn request(&self) -> Option<(&str, i64)> {
        let spec = self.claim.spec.as_ref()?;
        let asked = spec.resources.as_ref()?.requests.as_ref()?.get("storage")?;
        Some((asked.0.as_str(), mib(asked)?))
    }

    /// The larger of what it asks for and what it has, in MiB rounded up.
    #[must_use]
    pub fn mib(&self) -> Option<i64> {
        let status = self.claim.status.as_ref();
        let has = status.and_then(|s| s.capacity.as_ref()?.get("storage").and_then(mib));
        self.request().map(|(_, mib)| mib).max(has)
    }

    /// `Block` or `Filesystem`; Kubernetes' own default is `Filesystem`.
    #[must_use]
    pub fn volume_mode(&self) -> &str {
        self.claim
            .spec
            .as_ref()
            .and_then(|s| s.volume_mode.as_deref())
            .unwrap_or("Filesystem")
    }

    /// Name of its StorageClass.
    #[must_use]
    pub fn class(&self) -> Option<&str> {
        self.claim.spec.as_ref()?.storage_class_name.as_deref()
    }

    /// The volume, if the claim is bound and the volume is really the one of this claim.
    fn own_volume(&self) -> Option<&PersistentVolume> {
        let volume = self.volume.as_deref()?;
        let of = volume.spec.as_ref()?.claim_ref.as_ref()?;
        let same = of.uid.is_some() && of.uid == self.claim.metadata.uid;
        (self.is_bound() && same).then_some(volume)
    }

    /// Where the volume can be reached, in Kubernetes' words: alternatives.
    fn terms(&self) -> Option<&[NodeSelectorTerm]> {
        let affinity = self.own_volume()?.spec.as_ref()?.node_affinity.as_ref()?;
        Some(&affinity.required.as_ref()?.node_selector_terms)
    }

    /// The sites at which the volume can be reached, from its own node affinity: as that names them, or, where it names nodes (by
    /// `kubernetes.io/hostname` or a label of its driver), those of the nodes. `None` is unknown: not bound, not seen, a volume that
    /// does not say, or nodes that are not there or belong to no site.
    #[must_use]
    pub fn sites(&self) -> Option<BTreeSet<String>> {
        let mut sites = BTreeSet::new();
        for term in self.terms()? {
            // Terms are alternatives: one of which nothing is known may be anywhere.
            sites.extend(sites_named(term).or_else(|| sites_of_nodes(term, &self.nodes))?);
        }
        (!sites.is_empty()).then_some(sites)
    }

    /// Its volume is there and does not say at which site it lies.
    #[must_use]
    pub fn is_untold(&self) -> bool {
        self.own_volume().is_some() && self.sites().is_none()
    }

    /// Whether the volume stays when its claim goes. `None` is unknown.
    #[must_use]
    pub fn is_retained(&self) -> Option<bool> {
        let policy = self
            .own_volume()?
            .spec
            .as_ref()?
            .persistent_volume_reclaim_policy
            .as_deref()?;
        Some(policy == "Retain")
    }
}

/// The sites that a term names; `None` when it says more, or nothing, about them.
fn sites_named(term: &NodeSelectorTerm) -> Option<BTreeSet<String>> {
    let mut all = term.match_expressions.iter().flatten();
    let site = all.find(|e| e.key == SITE_LABEL && e.operator == "In")?;
    let sites: BTreeSet<String> = site.values.iter().flatten().cloned().collect();
    let more = term.match_expressions.iter().flatten().count() > 1
        || term
            .match_fields
            .as_ref()
            .is_some_and(|fields| !fields.is_empty());
    // Whatever else it asks for, it is at the one site.
    (!more || sites.len() == 1).then_some(sites)
}

/// The sites of the nodes that a term means; `None` when one that it names is not there, or one that it means belongs to no site.
fn sites_of_nodes(term: &NodeSelectorTerm, nodes: &[Arc<Node>]) -> Option<BTreeSet<String>> {
    let label = |node: &Node, key: &str| node.labels().get(key).cloned();
    let name = |node: &Node, key: &str| (key == "metadata.name").then(|| node.name_any());
    let labels = term.match_expressions.iter().flatten().map(|e| (e, true));
    let fields = term.match_fields.iter().flatten().map(|e| (e, false));
    let mut meant: Vec<&Node> = nodes.iter().map(AsRef::as_ref).collect();
    for (e, is_label) in labels.chain(fields) {
        let value = |node: &Node| {
            if is_label {
                label(node, &e.key)
            } else {
                name(node, &e.key)
            }
        };
        let values = e.values.as_deref().unwrap_or_default();
        let listed = |node: &Node| value(node).is_some_and(|value| values.contains(&value));
        match e.operator.as_str() {
            "In" => {
                let is_there =
                    |wanted: &String| nodes.iter().any(|node| value(node).as_ref() == Some(wanted));
                if !values.iter().all(is_there) {
                    return None;
                }
                meant.retain(|node| listed(node));
            }
            "NotIn" => meant.retain(|node| !listed(node)),
            "Exists" => meant.retain(|node| value(node).is_some()),
            "DoesNotExist" => meant.retain(|node| value(node).is_none()),
            _ => return None,
        }
    }
    let sites: Option<BTreeSet<String>> = meant.into_iter().map(|node| label(node, SITE_LABEL)).collect();
    sites.filter(|sites| !sites.is_empty())
}

fn mib(quantity: &Quantity) -> Option<i64> {
    raidc_crds::Quantity(quantity.0.clone()).mib().ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// A bound claim of `uid`'s server with a volume at `sites` (none: a volume that does not say).
    pub(crate) fn bound(name: &str, server_uid: &str, sites: &[&str]) -> ClaimSeen {
        let claim = json!({
            "metadata": {"name": name, "namespace": "kuldiga", "uid": format!("uid-{name}"),
                "labels": {"raidc.dev/server-uid": server_uid}},
            "spec": {"volumeName": format!("pv-{name}"), "volumeMode": "Block", "storageClassName": "fast",
                "resources": {"requests": {"storage": "20Gi"}}},
            "status": {"phase": "Bound", "capacity": {"storage": "20Gi"}},
        });
        let terms: Vec<_> = sites
            .iter()
            .map(
                |site| json!({"matchExpressions": [{"key": SITE_LABEL, "operator": "In", "values": [site]}]}),
            )
            .collect();
        let mut volume = json!({
            "metadata": {"name": format!("pv-{name}")},
            "spec": {"claimRef": {"uid": format!("uid-{name}")}, "persistentVolumeReclaimPolicy": "Retain"},
        });
        if !terms.is_empty() {
            volume["spec"]["nodeAffinity"] = json!({"required": {"nodeSelectorTerms": terms}});
        }
        ClaimSeen {
            claim: Arc::new(serde_json::from_value(claim).expect("a claim")),
            volume: Some(Arc::new(serde_json::from_value(volume).expect("a volume"))),
            nodes: Vec::new(),
        }
    }

    /// A bound claim with a volume at `term`, of a cluster with the nodes `k1`, `k2` (at kuldiga), `t1` (at talsi) and `x1` (nowhere).
    fn at(term: &serde_json::Value) -> ClaimSeen {
        let mut volume =
            PersistentVolume::clone(bound("a", "u", &["talsi"]).volume.as_ref().expect("a volume"));
        let affinity = json!({"required": {"nodeSelectorTerms": [term]}});
        if let Some(spec) = volume.spec.as_mut() {
            spec.node_affinity = Some(serde_json::from_value(affinity).expect("an affinity"));
        }
        let node = |name: &str, site: Option<&str>| {
            let labels =
                json!({"kubernetes.io/hostname": name, "topology.topolvm.io/node": name, SITE_LABEL: site});
            let labels = labels
                .as_object()
                .expect("labels")
                .iter()
                .filter(|(_, v)| !v.is_null());
            let labels: serde_json::Map<_, _> = labels.map(|(k, v)| (k.clone(), v.clone())).collect();
            Arc::new(
                serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}}))
                    .expect("a node"),
            )
        };
        let at = [
            ("k1", Some("kuldiga")),
            ("k2", Some("kuldiga")),
            ("t1", Some("talsi")),
            ("x1", None),
        ];
        let nodes = || at.map(|(name, site)| node(name, site)).to_vec();
        ClaimSeen::new(bound("a", "u", &[]).claim, Some(Arc::new(volume)), nodes)
    }

    #[test]
    fn a_volume_that_names_nodes_is_never_put_at_a_site_that_they_do_not_prove() {
        let labels = |key: &str, operator: &str, values: &[&str]| json!({"key": key, "operator": operator, "values": values});
        let by = |expressions: &[serde_json::Value]| {
            let claim = at(&json!({"matchExpressions": expressions}));
            claim.sites().map(|sites| sites.into_iter().collect::<Vec<_>>())
        };
        let host = "kubernetes.io/hostname";
        let (kuldiga, both) = (
            Some(vec!["kuldiga".to_owned()]),
            Some(vec!["kuldiga".to_owned(), "talsi".to_owned()]),
        );
        assert_eq!(by(&[labels(host, "In", &["k1"])]), kuldiga);
        assert_eq!(
            by(&[labels("topology.topolvm.io/node", "In", &["k1", "t1"])]),
            both
        );
        assert_eq!(
            by(&[
                labels(SITE_LABEL, "In", &["kuldiga", "talsi"]),
                labels(host, "In", &["k2"])
            ]),
            kuldiga
        );
        assert_eq!(
            by(&[
                labels(SITE_LABEL, "In", &["kuldiga"]),
                labels(host, "In", &["gone"])
            ]),
            kuldiga
        );
        assert_eq!(by(&[labels(host, "NotIn", &["x1", "t1"])]), kuldiga);
        for unknown in [&["gone"][..], &["k1", "gone"], &["x1"], &["k1", "x1"]] {
            assert_eq!(by(&[labels(host, "In", unknown)]), None, "{unknown:?}");
            assert!(at(&json!({"matchExpressions": [labels(host, "In", unknown)]})).is_untold());
        }
        assert_eq!(by(&[labels("memory", "Gt", &["1"])]), None);
        let field = at(&json!({"matchFields": [labels("metadata.name", "In", &["t1"])]}));
        assert_eq!(field.sites(), Some(["talsi".to_owned()].into()));
    }

    #[test]
    fn a_place_is_never_taken_from_anything_but_the_volume_itself() {
        let sites = |claim: &ClaimSeen| claim.sites().map(|s| s.into_iter().collect::<Vec<_>>());
        assert_eq!(sites(&bound("a", "u", &["talsi"])), Some(vec!["talsi".into()]));
        assert_eq!(
            sites(&bound("a", "u", &["talsi", "kuldiga"])),
            Some(vec!["kuldiga".into(), "talsi".into()])
        );
        assert_eq!(sites(&bound("a", "u", &[])), None);
        let mut other = bound("a", "u", &["talsi"]);
        other.volume = bound("b", "u", &["talsi"]).volume;
        assert_eq!(sites(&other), None, "a volume of another claim says nothing");
        let mut unseen = bound("a", "u", &["talsi"]);
        unseen.volume = None;
        assert_eq!(sites(&unseen), None);
    }

    #[test]
    fn nothing_is_called_retained_that_is_not() {
        let mut claim = bound("a", "u", &["talsi"]);
        assert_eq!(claim.is_retained(), Some(true));
        let mut volume = PersistentVolume::clone(claim.volume.as_ref().expect("a volume"));
        if let Some(spec) = volume.spec.as_mut() {
            spec.persistent_volume_reclaim_policy = Some("Delete".into());
        }
        claim.volume = Some(Arc::new(volume));
        assert_eq!(claim.is_retained(), Some(false));
        claim.volume = None;
        assert_eq!(claim.is_retained(), None);
    }

    #[test]
    fn sizes_are_the_larger_of_asked_and_given() {
        let claim = bound("a", "u", &[]);
        assert_eq!(claim.request(), Some(("20Gi", 20 * 1024)));
        assert_eq!(claim.mib(), Some(20 * 1024));
        assert_eq!((claim.volume_mode(), claim.class()), ("Block", Some("fast")));
    }
}
