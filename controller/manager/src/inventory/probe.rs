//! Whether the kinds of other projects are served; their watches start when they are. I/O: asks the API server's discovery.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;

use super::stores::{Backend, Stores};
use crate::runtime::metrics::Metrics;

/// How often discovery is asked.
const EVERY: Duration = Duration::from_mins(1);
/// How often it is asked while it has not been answered yet.
const UNTIL_ANSWERED: Duration = Duration::from_secs(2);
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The group versions and kinds that a backend must serve.
fn needs(backend: Backend) -> &'static [(&'static str, &'static [&'static str])] {
    match backend {
        Backend::KubeVirt => &[
            ("kubevirt.io/v1", &["virtualmachines", "virtualmachineinstances"]),
            (
                "instancetype.kubevirt.io/v1beta1",
                &["virtualmachineclusterinstancetypes"],
            ),
        ],
        Backend::Cdi => &[("cdi.kubevirt.io/v1beta1", &["datavolumes", "datasources"])],
        Backend::VolSync => &[(
            "volsync.backube/v1alpha1",
            &["replicationsources", "replicationdestinations"],
        )],
        Backend::Snapshots => &[("snapshot.storage.k8s.io/v1", &["volumesnapshots"])],
    }
}

/// Asks for ever which backends are served, and starts the watches of those that are.
pub async fn run(client: Client, stores: Stores, metrics: Arc<Metrics>) {
    loop {
        let mut answered = true;
        for backend in Backend::ALL {
            match is_served(&client, backend).await {
                Some(served) => {
                    if served {
                        stores.start_backend(backend, &client, &metrics);
                    }
                    metrics.backend(backend.name(), served);
                    if stores.set_served(backend, served) {
                        if served {
                            tracing::info!(backend = backend.name(), "the backend is served");
                        } else {
                            tracing::warn!(
                                backend = backend.name(),
                                "the backend is not served: what needs it waits; looking again every minute"
                            );
                        }
                        stores.world.send_modify(|n| *n = n.wrapping_add(1));
                    }
                }
                None => answered = false,
            }
        }
        tokio::time::sleep(if answered { EVERY } else { UNTIL_ANSWERED }).await;
    }
}

/// `None` when discovery did not answer: then nothing is known, and nothing changes.
async fn is_served(client: &Client, backend: Backend) -> Option<bool> {
    for (group_version, plurals) in needs(backend) {
        let ask = client.list_api_group_resources(group_version);
        let served: BTreeSet<String> = match tokio::time::timeout(TIMEOUT, ask).await {
            Ok(Ok(list)) => list.resources.into_iter().map(|resource| resource.name).collect(),
            Ok(Err(kube::Error::Api(status))) if status.is_not_found() => return Some(false),
            Ok(Err(error)) => {
                tracing::warn!(backend = backend.name(), %error, "discovery failed");
                return None;
            }
            Err(_) => {
                tracing::warn!(backend = backend.name(), "discovery did not answer in time");
                return None;
            }
        };
        if !plurals.iter().all(|plural| served.contains(*plural)) {
            return Some(false);
        }
    }
    Some(true)
}
