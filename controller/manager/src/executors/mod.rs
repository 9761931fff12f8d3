//! One file per outside thing: each turns a decision into the body that is applied. Nothing here decides. No I/O.
//!
//! Bodies are plain JSON of exactly the fields that we own, so that what is applied and what is compared with the live
//! object are the same thing.

pub mod cdi;
pub mod kubevirt;
pub mod migration;
pub mod tenancy;
pub mod volsync;

use raidc_crds::names::DISK_LABEL;
use raidc_crds::names::SERVER_LABEL;
use raidc_crds::names::SERVER_UID_LABEL;
use serde_json::Map;
use serde_json::Value;
use sha2::Digest as _;
use sha2::Sha256;

/// Label that says which program made an object, in Kubernetes' own words.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY_LABEL`] on everything that we make.
pub const MANAGED_BY: &str = "raidc";

/// A server by what names its children: namespace, name and UID (a name can be used again).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner<'a> {
    /// Namespace of the server and of all its children.
    pub namespace: &'a str,
    /// Name of the server.
    pub name: &'a str,
    /// UID of the server.
    pub uid: &'a str,
}

impl Owner<'_> {
    /// Labels of everything that we make for this server. Nothing is copied from the server: copied tracking labels make
    /// GitOps tools prune our objects.
    #[must_use]
    pub fn labels(&self) -> Map<String, Value> {
        [
            (MANAGED_BY_LABEL, MANAGED_BY),
            (SERVER_LABEL, self.name),
            (SERVER_UID_LABEL, self.uid),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), Value::from(value)))
        .collect()
    }

    /// The same, and the disk's name.
    #[must_use]
    pub fn disk_labels(&self, disk: &str) -> Map<String, Value> {
        let mut labels = self.labels();
        labels.insert(DISK_LABEL.to_owned(), Value::from(disk));
        labels
    }
}

/// An amount in MiB as Kubernetes itself would write it (`1024` is `1Gi`): admission webhooks rewrite quantities to that form,
/// and a spelling of our own would look like drift for ever.
#[must_use]
pub fn canonical_mib(mib: i64) -> String {
    const UNITS: [(i64, &str); 3] = [(1 << 30, "Pi"), (1 << 20, "Ti"), (1 << 10, "Gi")];
    if mib != 0 {
        for (size, unit) in UNITS {
            if mib % size == 0 {
                return format!("{}{unit}", mib / size);
            }
        }
    }
    format!("{mib}Mi")
}

/// The SHA-256 of a text.
pub(crate) fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_never_spelt_in_a_way_that_a_webhook_rewrites() {
        assert_eq!(canonical_mib(0), "0Mi");
        assert_eq!(canonical_mib(1), "1Mi");
        assert_eq!(canonical_mib(1024), "1Gi");
        assert_eq!(canonical_mib(1536), "1536Mi");
        assert_eq!(canonical_mib(200 * 1024), "200Gi");
        assert_eq!(canonical_mib(2 * 1024 * 1024), "2Ti");
    }
}
