//! What can be read off a claim and its volume: bound or not, how large, of which kind, and at which sites it really lies. No I/O.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::PersistentVolume;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use raidc_crds::names::SERVER_UID_LABEL;
use raidc_crds::names::SITE_LABEL;

/// A claim and the volume behind it.
#[derive(Clone, Debug)]
pub struct ClaimSeen {
    /// The claim.
    pub claim: Arc<PersistentVolumeClaim>,
    /// Its volume, when it is bound and the volume has been seen.
    pub volume: Option<Arc<PersistentVolume>>,
}

impl ClaimSeen {
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

    /// The sites at which the volume can be reached, from its own node affinity. `None` is unknown: not bound, not seen, or a volume
    /// that does not say.
    #[must_use]
    pub fn sites(&self) -> Option<BTreeSet<String>> {
        let affinity = self.own_volume()?.spec.as_ref()?.node_affinity.as_ref()?;
        let terms = &affinity.required.as_ref()?.node_selector_terms;
        let mut sites = BTreeSet::new();
        for term in terms {
            // Terms are alternatives: one that does not speak of sites allows every site, so nothing is known.
            let zone = term
                .match_expressions
                .iter()
                .flatten()
                .find(|e| e.key == SITE_LABEL && e.operator == "In")?;
            sites.extend(zone.values.iter().flatten().cloned());
        }
        (!sites.is_empty()).then_some(sites)
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
        }
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
