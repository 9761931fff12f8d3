//! Plays VolSync's rsync-TLS movers, whose Jobs, claims, services and keys VolSync's own manager makes: a source and its
//! destination meet, the data goes over, both end. Writes pod status and what the receiving volume holds.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::SimError;
use super::csi::content::volume_of;
use super::engine::{Change, Context, Keeper, Kind, Next, Seen, claims_of, destination_address};
use super::faults::Reach;
use super::guest::{WRITTEN, Written};
use super::pod_status;
use super::value::{Key, Look};

/// VolSync's label of a mover's pods.
const COMPONENT: &str = "app.kubernetes.io/component";
const RSYNC: &str = "rsync-tls-mover";
/// The label that says whose pod it is: the direction, then the owner's name.
const NAME: &str = "app.kubernetes.io/name";
/// How often a sending end looks again for its destination: services found by name in DNS tell nothing.
const SEARCH: Duration = Duration::from_secs(2);

/// Whether a pod is one end of a transfer, which does not end by itself.
pub(crate) fn is_rsync(pod: &Seen) -> bool {
    pod.label(COMPONENT) == RSYNC
}

/// Keeps the sending ends: they decide when a transfer is done.
pub(crate) struct Movers {
    context: Arc<Context>,
}

impl Movers {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    fn up(&self, pod: &Seen) -> Option<&str> {
        let node = pod.text("/spec/nodeName");
        let site = self.context.places.site_of(node)?;
        let runs = pod.text("/status/phase") == "Running" && !pod.deleting();
        (runs && self.context.faults().host(site, node) == Reach::On).then_some(site)
    }

    /// The receiving end that listens at the address of a sending one.
    fn listener(&self, source: &Seen) -> Option<Seen> {
        let address = destination_address(source)?;
        let world = &self.context.world;
        let services = world.find(Kind::Service, "address", address);
        let service = services
            .into_iter()
            .next()
            .or_else(|| world.get(Kind::Service, &service_name(address)?))?;
        let ns = service.key().ns;
        let selector = service.at("/spec/selector").as_object()?;
        let pods = world.find(Kind::Pod, "service", selector.get(NAME)?.as_str()?);
        pods.into_iter().find(|pod| {
            pod.key().ns == ns
                && selector.iter().all(|(name, value)| value == pod.label(name))
                && self.up(pod).is_some()
        })
    }

    fn volume(&self, pod: &Seen) -> Option<Seen> {
        let claim = claims_of(pod).first().map(|name| Key::new(&pod.key().ns, name))?;
        volume_of(&self.context, &claim)
    }

    async fn end(&self, pod: &Seen, ok: bool, reason: &str) -> Result<(), SimError> {
        let status = pod_status::ended(pod, ok, reason, Timestamp::now());
        self.context.merge_status(Kind::Pod, pod, status).await
    }
}

impl Keeper for Movers {
    const NAME: &'static str = "volsync/movers";

    fn concerned(&self, change: &Change) -> Vec<Key> {
        let world = &self.context.world;
        let sources = |pods: Vec<Seen>| {
            pods.iter()
                .filter(|pod| is_source(pod))
                .map(|pod| pod.key())
                .collect()
        };
        match change {
            Change::Object {
                kind: Kind::Pod, key, ..
            } => match change.object() {
                Some(pod) if is_source(pod) => vec![key.clone()],
                Some(pod) if is_rsync(pod) => senders_to(&self.context, pod),
                _ => vec![],
            },
            Change::Object { .. } => vec![],
            Change::Faults => sources(world.all(Kind::Pod)),
        }
    }

    async fn look(&self, key: Key) -> Result<Next, SimError> {
        let context = &self.context;
        let Some(source) = context.world.get(Kind::Pod, &key) else {
            return Ok(Next::OnChange);
        };
        let Some(from) = self.up(&source) else {
            return Ok(Next::OnChange);
        };
        if owner_of(context, &source).is_some_and(|owner| context.faults().sync_hangs(&owner)) {
            return Ok(Next::OnChange);
        }
        let listener = self.listener(&source);
        let to = listener.as_ref().and_then(|pod| self.up(pod));
        let (Some(listener), Some(_)) = (&listener, to.filter(|to| context.faults().linked(from, to))) else {
            // The real one gives up after five tries; VolSync's Job then starts another.
            return match context.waiting(source.uid(), "connect", context.delays.connect) {
                Some(left) => Ok(Next::After(left.min(SEARCH))),
                None => self.end(&source, false, "Error").await.map(|()| Next::OnChange),
            };
        };
        if let Some(left) = context.waiting(source.uid(), "sync", context.delays.sync) {
            return Ok(Next::After(left));
        }
        let (Some(have), Some(copy)) = (self.volume(&source), self.volume(listener)) else {
            return Err(SimError::Gone(format!(
                "the volume of mover {key} or of its destination"
            )));
        };
        // A clone or snapshot is frozen; sent directly, the data is as old as the transfer.
        let written = Written::of(&have).frozen(Timestamp::now());
        let patch = json!({"metadata": {"annotations": {WRITTEN: written.note()}}});
        context.merge(Kind::Volume, &copy, patch).await?;
        self.end(listener, true, "Completed").await?;
        self.end(&source, true, "Completed").await?;
        Ok(Next::OnChange)
    }
}

fn is_source(pod: &Seen) -> bool {
    is_rsync(pod) && destination_address(pod).is_some()
}

/// A service by its name in DNS: `name.namespace.svc…`.
fn service_name(address: &str) -> Option<Key> {
    let mut parts = address.split('.');
    let (name, ns) = (parts.next()?, parts.next()?);
    (parts.next() == Some("svc")).then(|| Key::new(ns, name))
}

/// The ReplicationSource that a mover works for: the one in its namespace that sends to the same address.
fn owner_of(context: &Context, pod: &Seen) -> Option<Key> {
    let ns = pod.key().ns;
    let sources = context
        .world
        .find(Kind::ReplicationSource, "address", destination_address(pod)?);
    sources.iter().map(|source| source.key()).find(|key| key.ns == ns)
}

/// Sending pods that may have waited for a receiving one: those at the address of its service.
fn senders_to(context: &Context, listener: &Seen) -> Vec<Key> {
    let ns = listener.key().ns;
    let services = context.world.all(Kind::Service);
    let own = services.iter().filter(|service| {
        let selector = service.at("/spec/selector").as_object();
        service.key().ns == ns
            && selector
                .is_some_and(|s| !s.is_empty() && s.iter().all(|(name, value)| value == listener.label(name)))
    });
    let senders = own.flat_map(|service| {
        context
            .world
            .find(Kind::Pod, "address", service.text("/spec/clusterIP"))
    });
    senders.map(|pod| pod.key()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::value::object;

    fn pod(env: serde_json::Value, component: &str) -> Seen {
        Arc::new(object(json!({
            "metadata": {"name": "p", "namespace": "t", "labels": {
                COMPONENT: component, NAME: "src-web"}},
            "spec": {"containers": [{"name": "rsync-tls", "env": env}]},
        })))
    }

    #[test]
    fn the_two_ends_are_told_apart() {
        let source = pod(
            json!([{"name": "DESTINATION_ADDRESS", "value": "10.96.0.7"}]),
            RSYNC,
        );
        assert!(is_source(&source) && is_rsync(&source));
        assert!(!is_source(&pod(json!([]), RSYNC)) && is_rsync(&pod(json!([]), RSYNC)));
        assert!(!is_rsync(&pod(json!([]), "restic-mover")));
    }

    #[test]
    fn a_service_is_found_by_its_dns_name() {
        assert_eq!(
            service_name("dst.t.svc.cluster.local"),
            Some(Key::new("t", "dst"))
        );
        assert_eq!(service_name("10.96.0.7"), None);
    }
}
