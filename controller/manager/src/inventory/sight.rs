//! How much of the world has been read, and how freshly: on what may be decided. No I/O of its own; waits for the watches.
//!
//! Three questions with three answers. What has not been read at all: that is what readiness shows. Without what nothing may be
//! decided: that gates the lease and the placement loop, so that a replica which cannot see never leads. And what was read before
//! this replica led: that is read anew once, because a watch that has fallen silent looks like a world that stands still.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::freshness::Followed;
use super::stores::{AllSynced, Stores};

/// How often the stores are looked at while something is waited for.
const LOOK: Duration = Duration::from_millis(100);

/// One store, and whether it counts for a decision.
struct Part<'a> {
    kind: &'static str,
    store: &'a dyn Followed,
    /// Placement reads it, so that nothing is decided before it has been read.
    needed: bool,
    /// It is read anew when this replica begins to lead.
    renewed: bool,
}

impl Stores {
    fn parts(&self) -> Vec<Part<'_>> {
        let part = |kind, store, needed| Part {
            kind,
            store,
            needed,
            renewed: true,
        };
        let mut parts = vec![
            part("Site", &self.sites as &dyn Followed, true),
            part("Rack", &self.racks, true),
            part("ReplicationPolicy", &self.policies, true),
            part("Tenant", &self.tenants, true),
            part("VirtualServer", &self.virtual_servers, true),
            part("Colocation", &self.colocations, true),
            part("Node", &self.nodes, true),
            part("Failover", &self.failovers, false),
            part("Drill", &self.drills, false),
            part("Namespace", &self.namespaces, false),
            part("RoleBinding", &self.role_bindings, false),
            part("NetworkPolicy", &self.network_policies, false),
            part("StorageClass", &self.storage_classes, false),
            part("PersistentVolume", &self.persistent_volumes, false),
            part("PersistentVolumeClaim", &self.pvcs, false),
            // Much the largest list, and it only says what others take of the nodes, which a moment changes by little.
            Part {
                renewed: false,
                ..part("Pod", &self.pods, true)
            },
        ];
        if self.kubevirt.is_served() {
            let kubevirt = self.kubevirt.unchecked();
            parts.push(part("VirtualMachine", &kubevirt.vms, false));
            parts.push(part("VirtualMachineInstance", &kubevirt.vmis, false));
            parts.push(part(
                "VirtualMachineClusterInstancetype",
                &kubevirt.instancetypes,
                false,
            ));
            if self.moves.wanted {
                // A machine under way takes room at two hosts: that none is under way cannot be assumed.
                parts.push(part(
                    "VirtualMachineInstanceMigration",
                    &self.moves.migrations,
                    true,
                ));
            }
        }
        if self.cdi.is_served() {
            let cdi = self.cdi.unchecked();
            parts.push(part("DataVolume", &cdi.datavolumes, false));
            parts.push(part("DataSource", &cdi.datasources, false));
        }
        if self.volsync.is_served() {
            let volsync = self.volsync.unchecked();
            parts.push(part("ReplicationSource", &volsync.sources, false));
            parts.push(part("ReplicationDestination", &volsync.destinations, false));
        }
        parts
    }

    /// Kinds whose first list has not been read to its end, and projects of which it is not known whether they are served.
    #[must_use]
    pub fn unsynced(&self) -> Vec<&'static str> {
        let unasked = [
            (
                "KubeVirt",
                self.kubevirt.is_settled() || self.kubevirt.is_served(),
            ),
            ("CDI", self.cdi.is_settled() || self.cdi.is_served()),
            ("VolSync", self.volsync.is_settled() || self.volsync.is_served()),
            (
                "KubeVirt's settings",
                !(self.moves.wanted && self.kubevirt.is_served()) || self.moves.all_synced(),
            ),
        ];
        let unread = self.parts().into_iter().map(|p| (p.kind, p.store.is_synced()));
        unread
            .chain(unasked)
            .filter_map(|(kind, read)| (!read).then_some(kind))
            .collect()
    }

    /// Those without which nothing may be decided.
    #[must_use]
    pub fn unread(&self) -> Vec<&'static str> {
        let parts = self.parts().into_iter();
        parts
            .filter(|p| p.needed && !p.store.is_synced())
            .map(|p| p.kind)
            .collect()
    }

    /// Kinds that decisions need and whose watch has failed for longer than `most` without a word since.
    #[must_use]
    pub fn lost(&self, most: Duration) -> Vec<&'static str> {
        let parts = self.parts().into_iter();
        parts
            .filter(|p| p.needed && p.store.freshness().failing_for().is_some_and(|long| long > most))
            .map(|p| p.kind)
            .collect()
    }

    /// Waits until everything has been read; once what decisions need has been, no longer than `patience` for the rest. What is then
    /// still unread counts as unknown: who needs it says so, and the others go on.
    pub async fn until_read(&self, patience: Duration) {
        while !self.unread().is_empty() {
            sleep(LOOK).await;
        }
        let deadline = Instant::now() + patience;
        loop {
            let unsynced = self.unsynced();
            if unsynced.is_empty() {
                return;
            }
            if Instant::now() >= deadline {
                tracing::warn!(
                    kinds = unsynced.join(", "),
                    "these cannot be read: what needs them waits, and the rest goes on"
                );
                return;
            }
            sleep(LOOK).await;
        }
    }

    /// Reads everything anew that has been read at all, and waits until that is done.
    ///
    /// # Errors
    /// The kinds that have not been read anew `within` this time: what is known of them may be of any age.
    pub async fn renew(&self, within: Duration) -> Result<(), Vec<&'static str>> {
        let asked: Vec<(Part<'_>, u64)> = self
            .parts()
            .into_iter()
            .filter(|p| p.renewed && p.store.is_synced())
            .map(|p| {
                let ticket = p.store.freshness().renew();
                (p, ticket)
            })
            .collect();
        let deadline = Instant::now() + within;
        loop {
            let old: Vec<_> = asked
                .iter()
                .filter(|(p, ticket)| !p.store.freshness().is_renewed(*ticket))
                .map(|(p, _)| p.kind)
                .collect();
            if old.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(old);
            }
            sleep(LOOK).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::stores::{CdiStores, Optional};
    use crate::inventory::watched::Watched;
    use crate::runtime::writer::Object;

    fn none<K: Object>() -> Watched<K> {
        Watched::holding([])
    }

    /// Everything that placement needs has been read, and nothing else.
    fn needed() -> Stores {
        Stores {
            sites: none(),
            racks: none(),
            policies: none(),
            tenants: none(),
            virtual_servers: none(),
            colocations: none(),
            nodes: none(),
            pods: none(),
            ..Stores::default()
        }
    }

    #[tokio::test]
    async fn a_kind_that_decides_nothing_never_stops_what_does() {
        let stores = Stores {
            cdi: Optional::served_by(CdiStores::default()),
            ..needed()
        };
        assert_eq!(stores.unread(), Vec::<&str>::new());
        let unsynced = stores.unsynced();
        for kind in ["Drill", "DataVolume", "KubeVirt"] {
            assert!(unsynced.contains(&kind), "{unsynced:?}");
        }
        // It ends, although they are never read.
        stores.until_read(Duration::ZERO).await;
        assert!(
            stores.cdi.get().is_none(),
            "what is not read is unknown, and not empty"
        );
    }

    #[tokio::test]
    async fn nobody_ever_leads_who_cannot_see_what_decides() {
        let stores = Stores {
            nodes: Watched::default(),
            ..needed()
        };
        assert_eq!(stores.unread(), ["Node"]);
        let waited = stores.until_read(Duration::ZERO);
        let waited = tokio::time::timeout(Duration::from_millis(300), waited).await;
        assert!(waited.is_err(), "it went on without nodes");
    }

    #[tokio::test]
    async fn what_cannot_be_read_anew_is_never_taken_for_new() {
        // Nobody fills these stores, like a list that is never answered.
        let old = needed().renew(Duration::ZERO).await.unwrap_err();
        assert!(old.contains(&"VirtualServer") && old.contains(&"Node"), "{old:?}");
        assert!(!old.contains(&"Pod") && !old.contains(&"Drill"), "{old:?}");
    }
}
