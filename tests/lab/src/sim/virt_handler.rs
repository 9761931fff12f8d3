//! Plays virt-handler on every host: boots and ends guests and moves them. Writes VirtualMachineInstances, as the
//! service account of virt-handler on that very host where KubeVirt's webhooks judge it.

use std::sync::Arc;

use jiff::Timestamp;
use kube::Resource;
use kube::api::PostParams;
use kube::core::{DynamicObject, Request};
use serde_json::Value;

use super::engine::{Change, Context, Keeper, Kind, Next, Seen, within};
use super::faults::Reach;
use super::kubelet::{is_launcher, owner};
use super::value::{Key, Look};
use super::{SimError, migration, vmi_status};
use crate::fleet::Profile;

/// Label with the host of a guest.
pub(crate) const NODE_LABEL: &str = "kubevirt.io/nodeName";
/// Pods with this annotation only make a claim bind; no guest runs in them.
const TEMPORARY: &str = "kubevirt.io/ephemeral-provisioning";

/// Keeps the guests.
pub(crate) struct VirtHandler {
    context: Arc<Context>,
}

impl VirtHandler {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    async fn scheduled(&self, vmi: &Seen, node: &str) -> Result<Next, SimError> {
        let Some(pod) = launcher(&self.context, vmi, node) else {
            return Ok(Next::OnChange);
        };
        if vmi.deleting() || pod.deleting() {
            return self.end(vmi, node, true).await;
        }
        if pod.text("/status/phase") != "Running" || pod.condition("ContainersReady") != "True" {
            return Ok(Next::OnChange);
        }
        if let Some(left) = self.context.waiting(vmi.uid(), "boot", self.context.delays.boot) {
            return Ok(Next::After(left));
        }
        let status = vmi_status::running(vmi, &pod, Timestamp::now());
        put(&self.context, vmi, node, status, |_| {}).await?;
        Ok(Next::OnChange)
    }

    async fn running(&self, vmi: &Seen, node: &str) -> Result<Next, SimError> {
        let pod = launcher(&self.context, vmi, node);
        // Without a pod virt-controller declares the guest failed; that is not the host's to say.
        let failed = pod
            .as_ref()
            .is_some_and(|pod| pod.text("/status/phase") == "Failed");
        if failed {
            return self.end(vmi, node, false).await;
        }
        if vmi.deleting() || pod.as_ref().is_some_and(|pod| pod.deleting()) {
            if let Some(left) = self
                .context
                .waiting(vmi.uid(), "guest-stop", self.context.delays.stop)
            {
                return Ok(Next::After(left));
            }
            return self.end(vmi, node, true).await;
        }
        migration::advance(&self.context, vmi).await
    }

    async fn end(&self, vmi: &Seen, node: &str, ok: bool) -> Result<Next, SimError> {
        put(
            &self.context,
            vmi,
            node,
            vmi_status::ended(vmi, ok, Timestamp::now()),
            |_| {},
        )
        .await?;
        Ok(Next::OnChange)
    }
}

impl Keeper for VirtHandler {
    const NAME: &'static str = "virt-handler";

    fn concerned(&self, change: &Change) -> Vec<Key> {
        match change {
            Change::Object {
                kind: Kind::Instance,
                key,
                ..
            } => vec![key.clone()],
            Change::Object {
                kind: Kind::Pod, key, ..
            } => {
                let owner = change
                    .object()
                    .and_then(|pod| owner(pod, "VirtualMachineInstance"));
                owner
                    .map(|owner| Key::new(&key.ns, &owner.name))
                    .into_iter()
                    .collect()
            }
            Change::Object { .. } => vec![],
            Change::Faults => self
                .context
                .world
                .all(Kind::Instance)
                .iter()
                .map(|vmi| vmi.key())
                .collect(),
        }
    }

    async fn look(&self, key: Key) -> Result<Next, SimError> {
        let Some(vmi) = self.context.world.get(Kind::Instance, &key) else {
            return Ok(Next::OnChange);
        };
        let node = vmi.text("/status/nodeName");
        let Some(host) = self.context.places.hosts.get(node) else {
            return Ok(Next::OnChange);
        };
        if self.context.faults().host(&host.site, node) != Reach::On {
            return Ok(Next::OnChange);
        }
        match vmi.text("/status/phase") {
            "Scheduled" => self.scheduled(&vmi, node).await,
            "Running" => self.running(&vmi, node).await,
            _ => Ok(Next::OnChange),
        }
    }
}

/// The pod that carries the guest on a host.
pub(crate) fn launcher(context: &Context, vmi: &Seen, node: &str) -> Option<Seen> {
    let pods = context.world.find(Kind::Pod, "owner", vmi.uid());
    pods.into_iter().find(|pod| {
        is_launcher(pod)
            && pod.text("/spec/nodeName") == node
            && pod.note(TEMPORARY).is_empty()
            && !pod
                .metadata
                .annotations
                .as_ref()
                .is_some_and(|a| a.contains_key(TEMPORARY))
            && pod.text("/status/phase") != "Succeeded"
    })
}

/// Replaces the status of a guest as virt-handler on `node`.
pub(crate) async fn put(
    context: &Context,
    vmi: &Seen,
    node: &str,
    status: Value,
    change: impl FnOnce(&mut DynamicObject),
) -> Result<(), SimError> {
    let mut wanted = DynamicObject::clone(vmi);
    wanted.data["status"] = status;
    change(&mut wanted);
    if wanted == **vmi {
        return Ok(());
    }
    if context.profile == Profile::Light {
        return context.replace(Kind::Instance, &wanted).await;
    }
    let key = vmi.key();
    let what = format!("replacing VirtualMachineInstance {key} as virt-handler on {node}");
    let malformed = |source| SimError::Malformed {
        what: what.clone(),
        source,
    };
    let body = serde_json::to_vec(&wanted).map_err(malformed)?;
    let resource = Kind::Instance.resource();
    let path = DynamicObject::url_path(&resource, Some(key.ns.as_str()));
    let request = Request::new(path).replace(&key.name, &PostParams::default(), body);
    let mut request = request.map_err(|source| SimError::Api {
        what: what.clone(),
        source: Box::new(kube::Error::BuildRequest(source)),
    })?;
    let headers = request.headers_mut();
    let values = [
        (
            "impersonate-user",
            "system:serviceaccount:kubevirt:kubevirt-handler",
        ),
        ("impersonate-group", "system:serviceaccounts"),
        ("impersonate-group", "system:serviceaccounts:kubevirt"),
        ("impersonate-group", "system:authenticated"),
        ("impersonate-extra-authentication.kubernetes.io%2fnode-name", node),
    ];
    for (name, value) in values {
        // A node's name is a DNS name and so always a legal header value.
        if let Ok(value) = value.parse() {
            headers.append(name, value);
        }
    }
    let answer = within(what, context.handler.request::<DynamicObject>(request)).await?;
    context.learned(Kind::Instance, answer);
    Ok(())
}
