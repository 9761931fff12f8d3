//! Starting KubeVirt's and VolSync's own controllers and waiting until they act. Runs processes and talks to the API
//! server.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::Client;
use kube::api::{Api, ListParams};

use crate::access::Access;
use crate::error::{LabError, chain};
use crate::ports::Ports;
use crate::supervisor::Supervisor;
use crate::waiting::until;
use crate::{kubevirt, volsync};

/// What their start needs.
pub(crate) struct Controllers<'a> {
    pub(crate) access: &'a Access,
    pub(crate) client: &'a Client,
    pub(crate) supervisor: &'a Supervisor,
}

impl Controllers<'_> {
    /// Starts them side by side and waits for all of them.
    pub(crate) async fn start(&self, taken: &mut Ports) -> Result<(), LabError> {
        let (access, parts, pki) = (self.access, &self.access.parts, &self.access.pki);
        volsync::configure(self.client, parts).await?;
        let (api, controller, manager) = tokio::try_join!(
            access.service_account_kubeconfig(kubevirt::NAMESPACE, kubevirt::API_ACCOUNT),
            access.service_account_kubeconfig(kubevirt::NAMESPACE, kubevirt::CONTROLLER_ACCOUNT),
            access.service_account_kubeconfig(volsync::NAMESPACE, volsync::ACCOUNT),
        )?;
        let (api_at, controller_at, manager_at) = (taken.take()?, taken.take()?, taken.take()?);
        self.supervisor
            .start(kubevirt::virt_api(parts, pki, &api, api_at))?;
        self.supervisor
            .start(kubevirt::virt_controller(parts, pki, &controller, controller_at))?;
        self.supervisor
            .start(volsync::manager(parts, &manager, manager_at))?;
        self.listening("virt-api", api_at).await?;
        kubevirt::connect(self.client, parts, pki, api_at).await?;
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
