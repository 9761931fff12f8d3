//! Starting KubeVirt's and VolSync's own controllers and waiting until they act. Runs processes and talks to the API
//! server.

use std::path::{Path, PathBuf};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::Client;
use kube::api::{Api, ListParams};

use crate::certs::Pki;
use crate::error::{LabError, chain};
use crate::lab::service_account_kubeconfig;
use crate::parts::Parts;
use crate::ports::Ports;
use crate::supervisor::Supervisor;
use crate::waiting::until;
use crate::{kubevirt, volsync};

/// What their start needs.
pub(crate) struct Controllers<'a> {
    pub(crate) client: &'a Client,
    pub(crate) parts: &'a Parts,
    pub(crate) pki: &'a Pki,
    pub(crate) dir: &'a Path,
    pub(crate) supervisor: &'a Supervisor,
    pub(crate) api_port: u16,
}

impl Controllers<'_> {
    async fn account(&self, namespace: &str, name: &str) -> Result<PathBuf, LabError> {
        service_account_kubeconfig(self.client, self.dir, self.pki, self.api_port, namespace, name).await
    }

    /// Starts the real controllers side by side and waits for all of them.
    pub(crate) async fn start(&self, ports: &mut Ports) -> Result<(), LabError> {
        volsync::configure(self.client, self.parts).await?;
        let api = self.account(kubevirt::NAMESPACE, kubevirt::API_ACCOUNT).await?;
        let controller = self
            .account(kubevirt::NAMESPACE, kubevirt::CONTROLLER_ACCOUNT)
            .await?;
        let manager = self.account(volsync::NAMESPACE, volsync::ACCOUNT).await?;
        let (api_at, controller_at, manager_at) = (ports.take()?, ports.take()?, ports.take()?);
        self.supervisor
            .start(kubevirt::virt_api(self.parts, self.pki, &api, api_at))?;
        self.supervisor.start(kubevirt::virt_controller(
            self.parts,
            self.pki,
            &controller,
            controller_at,
        ))?;
        self.supervisor
            .start(volsync::manager(self.parts, &manager, manager_at))?;
        self.listening("virt-api", api_at).await?;
        kubevirt::connect(self.client, self.parts, self.pki, api_at).await?;
        self.aggregated().await?;
        self.listening("virt-controller", controller_at).await?;
        self.leading("virt-controller").await?;
        self.listening("volsync", manager_at).await
    }

    async fn listening(&self, name: &str, port: u16) -> Result<(), LabError> {
        until(
            &format!("{name} on port {port}"),
            || self.supervisor.check_part(name),
            || async {
                let open = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
                open.map(drop).map_err(|error| error.to_string())
            },
        )
        .await
    }

    /// Waits until the API server has reached virt-api's own APIs.
    async fn aggregated(&self) -> Result<(), LabError> {
        let services: Api<APIService> = Api::all(self.client.clone());
        until(
            "virt-api behind the API server",
            || self.supervisor.check(),
            || async {
                let list = services
                    .list(&ListParams::default())
                    .await
                    .map_err(|error| chain(&error))?;
                let kubevirts = list.items.iter().filter(|service| {
                    let spec = service.spec.as_ref();
                    spec.and_then(|spec| spec.service.as_ref()).is_some()
                });
                for service in kubevirts {
                    let conditions = service
                        .status
                        .as_ref()
                        .and_then(|status| status.conditions.as_ref());
                    let available =
                        conditions.and_then(|all| all.iter().find(|one| one.type_ == "Available"));
                    match available {
                        Some(one) if one.status == "True" => {}
                        Some(one) => return Err(one.message.clone().unwrap_or_default()),
                        None => return Err("not yet tried".to_owned()),
                    }
                }
                Ok(())
            },
        )
        .await
    }

    /// Waits until a controller holds its lease, after which it has started its caches.
    async fn leading(&self, lease: &str) -> Result<(), LabError> {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), kubevirt::NAMESPACE);
        until(
            &format!("{lease} being the leader"),
            || self.supervisor.check_part(lease),
            || async {
                let lease = leases.get_opt(lease).await.map_err(|error| chain(&error))?;
                let holder = lease
                    .and_then(|lease| lease.spec)
                    .and_then(|spec| spec.holder_identity);
                holder
                    .filter(|holder| !holder.is_empty())
                    .map(drop)
                    .ok_or_else(|| "no holder".to_owned())
            },
        )
        .await
    }
}
