//! Which servers have data, by what lies in the cluster and not by what a status says of it. No I/O.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use kube::{Resource, ResourceExt};
use raidc_crds::{VirtualServer, names};

use super::translate::Seen;

/// Claims and DataVolumes, looked up by server. The index is made when it is first asked for, which is seldom.
pub struct Data<'s> {
    seen: &'s Seen,
    index: OnceCell<Option<Index<'s>>>,
}

/// What lies in the cluster.
#[derive(Default)]
struct Index<'s> {
    /// UIDs of servers that something is labelled with.
    uids: BTreeSet<&'s str>,
    /// Namespace and name of what says of no server that it is its own.
    unlabelled: BTreeSet<(&'s str, &'s str)>,
}

impl<'s> Data<'s> {
    /// Of what was seen.
    #[must_use]
    pub fn of(seen: &'s Seen) -> Self {
        Self {
            seen,
            index: OnceCell::new(),
        }
    }

    /// Whether a disk of the server is there, or is being made, or may be: while claims cannot be read, every server has data. A status
    /// lists the disks that a server is to have, so that it proves nothing here.
    #[must_use]
    pub fn is_there(&self, server: &VirtualServer) -> bool {
        let Some(index) = self.index.get_or_init(|| Index::of(self.seen)) else {
            return true;
        };
        let (namespace, name) = (server.namespace().unwrap_or_default(), server.name_any());
        let disks = server.spec.disks.iter().map(|disk| disk.name.as_str());
        let labelled = server
            .meta()
            .uid
            .as_deref()
            .is_some_and(|uid| index.uids.contains(uid));
        labelled
            || std::iter::once(names::ROOT_DISK).chain(disks).any(|disk| {
                let claim = names::disk_claim(&name, disk);
                index.unlabelled.contains(&(namespace.as_str(), claim.as_str()))
            })
    }
}

impl<'s> Index<'s> {
    /// `None` while it is not known what there is.
    fn of(seen: &'s Seen) -> Option<Self> {
        let mut index = Self::default();
        for claim in seen.claims.as_ref()? {
            index.add(claim.as_ref());
        }
        for volume in seen.data_volumes.as_ref()? {
            index.add(volume.as_ref());
        }
        Some(index)
    }

    fn add<K: Resource>(&mut self, object: &'s K) {
        let meta = object.meta();
        let labels = meta.labels.as_ref();
        if let Some(uid) = labels.and_then(|labels| labels.get(names::SERVER_UID_LABEL)) {
            self.uids.insert(uid);
        } else if let (Some(namespace), Some(name)) = (meta.namespace.as_deref(), meta.name.as_deref()) {
            self.unlabelled.insert((namespace, name));
        }
    }
}
