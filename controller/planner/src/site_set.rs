//! A set of sites: a few names in order, in one piece of memory. No I/O.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::ids::SiteName;

/// Names of sites, ascending, each once. In serialised form it is a list.
///
/// Every server has one to three of these with a few names in each, and with very many servers a plan waits for memory. A
/// `BTreeSet` takes 24 bytes and a node with room for eleven names beside it; a slice takes 16 bytes, and 16 for each name.
/// To change it is to copy it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Vec<SiteName>")]
pub struct SiteSet(Box<[SiteName]>);

impl SiteSet {
    /// Adds a site; false when it is there already.
    pub fn insert(&mut self, site: SiteName) -> bool {
        let Err(at) = self.0.binary_search(&site) else {
            return false;
        };
        let mut sites = std::mem::take(&mut self.0).into_vec();
        sites.insert(at, site);
        self.0 = sites.into_boxed_slice();
        true
    }
}

impl Deref for SiteSet {
    type Target = [SiteName];

    fn deref(&self) -> &[SiteName] {
        &self.0
    }
}

impl From<Vec<SiteName>> for SiteSet {
    fn from(mut sites: Vec<SiteName>) -> Self {
        sites.sort_unstable();
        sites.dedup();
        Self(sites.into_boxed_slice())
    }
}

impl<const N: usize> From<[SiteName; N]> for SiteSet {
    fn from(sites: [SiteName; N]) -> Self {
        Vec::from(sites).into()
    }
}

impl FromIterator<SiteName> for SiteSet {
    fn from_iter<I: IntoIterator<Item = SiteName>>(sites: I) -> Self {
        sites.into_iter().collect::<Vec<_>>().into()
    }
}

impl IntoIterator for SiteSet {
    type Item = SiteName;
    type IntoIter = std::vec::IntoIter<SiteName>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_vec().into_iter()
    }
}

impl<'a> IntoIterator for &'a SiteSet {
    type Item = &'a SiteName;
    type IntoIter = std::slice::Iter<'a, SiteName>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> SiteSet {
        names.iter().copied().map(SiteName::from).collect()
    }

    #[test]
    fn order_and_repetition_never_make_two_sets_of_one() {
        let two = set(&["b", "a", "b"]);
        assert_eq!(two, set(&["a", "b"]));
        assert_eq!(two.len(), 2);
        assert_ne!(two, set(&["a"]));
    }

    #[test]
    fn a_site_that_comes_never_hides_repeats_or_disorders_another() {
        let mut sites = set(&["b"]);
        assert!(sites.insert("c".into()) && sites.insert("a".into()) && !sites.insert("b".into()));
        assert_eq!(sites, set(&["a", "b", "c"]));
    }

    #[test]
    fn a_list_out_of_order_is_never_believed_to_be_in_order() {
        let read: SiteSet = serde_json::from_str(r#"["talsi", "kuldiga", "talsi"]"#).unwrap();
        assert_eq!(read, set(&["kuldiga", "talsi"]));
        assert_eq!(serde_json::to_string(&read).unwrap(), r#"["kuldiga","talsi"]"#);
    }
}
