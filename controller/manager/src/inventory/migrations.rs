//! The watches that only carrying out consolidations needs: live migrations, and KubeVirt's own settings. I/O: starts the watches.

use std::sync::Arc;

use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use raidc_crds::names;
use raidc_planner::{HostName, ServerId};
use std::collections::BTreeMap;
use tokio::sync::watch;

use super::moving::{self, Moving};
use super::stores::{AllSynced, Spawner, Stores};
use super::trim::keep;
use super::watched::Watched;
use crate::foreign::migration::{KubeVirt, VirtualMachineInstanceMigration};
use crate::runtime::metrics::Metrics;

/// What is watched only where consolidations are carried out. Clones share the stores.
#[derive(Clone, Default)]
pub struct MigrationStores {
    /// Whether consolidations are carried out at all.
    pub wanted: bool,
    /// Live migrations, whoever ordered them.
    pub migrations: Watched<VirtualMachineInstanceMigration>,
    /// KubeVirt itself.
    pub kubevirts: Watched<KubeVirt>,
}

impl AllSynced for MigrationStores {
    fn all_synced(&self) -> bool {
        self.migrations.is_synced() && self.kubevirts.is_synced()
    }
}

impl MigrationStores {
    /// Stores that are filled once KubeVirt is served.
    #[must_use]
    pub fn wanted(wanted: bool) -> Self {
        Self {
            wanted,
            ..Self::default()
        }
    }

    /// Starts the watches, where they are wanted; does nothing for those that run already.
    pub(super) fn start(&self, client: &Client, metrics: &Arc<Metrics>, world: &watch::Sender<u64>) {
        if self.wanted {
            let spawn = Spawner { client, metrics };
            let all = watcher::Config::default;
            spawn.watch(&self.migrations, all(), keep, Some(world.clone()));
            spawn.watch(&self.kubevirts, all(), keep, None);
        }
    }
}

impl Stores {
    /// Migrations that consolidations began, the oldest first.
    pub(super) fn moving(&self) -> Vec<Moving> {
        let mut all: Vec<Moving> = self
            .moves
            .migrations
            .list()
            .iter()
            .filter_map(|migration| moving::read(migration))
            .collect();
        all.sort_by_key(|moving| moving.began);
        all
    }

    /// UID of the server and node of every machine that runs; nothing unless consolidations are carried out.
    pub(super) fn runs(&self) -> BTreeMap<ServerId, (String, HostName)> {
        let kubevirt = self.kubevirt.get().filter(|_| self.moves.wanted);
        let Some(kubevirt) = kubevirt else {
            return BTreeMap::new();
        };
        let run = |vmi: Arc<crate::foreign::kubevirt::VirtualMachineInstance>| {
            let id = ServerId::new(vmi.namespace()?, vmi.name_any());
            let uid = vmi.labels().get(names::SERVER_UID_LABEL)?.clone();
            let node = vmi.status.as_ref()?.node_name.as_deref()?;
            Some((id, (uid, node.into())))
        };
        kubevirt.vmis.list().into_iter().filter_map(run).collect()
    }
}
