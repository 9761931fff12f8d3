//! Proof that what is in the cluster survives every single loss: the cluster's objects as a fleet, the plan that keeps them
//! where they are, and the independent checker over both. Reads the API server.

use crate::cluster::Cluster;
use crate::error::Error;
use crate::recount::list;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::ResourceExt;
use kube::api::ListParams;
use raidc_controller::foreign::cdi::DataSource;
use raidc_controller::foreign::kubevirt::VirtualMachineClusterInstancetype;
use raidc_controller::inventory::translate::Seen;
use raidc_controller::inventory::translate::translate;
use raidc_planner::Fleet;
use raidc_planner::Plan;
use raidc_planner::PlanOptions;
use raidc_planner::ServerId;
use std::sync::Arc;

/// What was proven.
pub struct Proof {
    /// The cluster as a fleet.
    pub fleet: Fleet,
    /// The plan that leaves everything where it is.
    pub plan: Plan,
    /// How many single losses were checked.
    pub scenarios: usize,
}

/// Reads the cluster and proves it.
///
/// # Errors
/// When the plan would move anything, when a recorded place differs from the plan's, or when the checker finds a fault.
pub async fn verify(cluster: &Cluster) -> Result<Proof, Error> {
    let (fleet, _) = translate(&seen(cluster).await?);
    let plan = raidc_planner::plan(&fleet, &PlanOptions::default());
    if let Some(first) = plan.moves.first() {
        return Err(Error::Wrong(format!(
            "{} moves are planned although nothing changed; first: {first:?}",
            plan.moves.len()
        )));
    }
    for (id, server) in &fleet.servers {
        let (Some(current), Some(planned)) = (&server.current, plan.servers.get(id)) else {
            continue;
        };
        let same = current.host.as_ref() == Some(&planned.placement.host)
            && current.backup.as_ref() == planned.backup.as_ref().map(|spot| &spot.host)
            && current.copy_sites == planned.copy_sites;
        if !same {
            return Err(Error::Wrong(format!(
                "{id} is recorded at {current:?} and planned at {planned:?}"
            )));
        }
    }
    let mut faults = raidc_planner::check(&fleet, &plan);
    faults.extend(raidc_planner::confirm_waiting(&fleet, &plan));
    if let Some(first) = faults.first() {
        return Err(Error::Wrong(format!(
            "the checker found {} faults; first: {first:?}",
            faults.len()
        )));
    }
    if let Some(broken) = plan.scenarios.iter().find(|s| s.stranded > 0) {
        return Err(Error::Wrong(format!(
            "{} servers have no place after {:?}",
            broken.stranded, broken.scenario
        )));
    }
    let scenarios = plan.scenarios.len();
    Ok(Proof {
        fleet,
        plan,
        scenarios,
    })
}

async fn seen(cluster: &Cluster) -> Result<Seen, Error> {
    let machines = list::<raidc_controller::foreign::kubevirt::VirtualMachine>(cluster).await?;
    let sizes = list::<VirtualMachineClusterInstancetype>(cluster).await?;
    let images = list::<DataSource>(cluster).await?;
    let running = ListParams::default().fields("status.phase!=Succeeded,status.phase!=Failed");
    let pods: Api<Pod> = Api::all(cluster.client());
    Ok(Seen {
        sites: arcs(list(cluster).await?),
        racks: arcs(list(cluster).await?),
        policies: arcs(list(cluster).await?),
        tenants: arcs(list(cluster).await?),
        servers: arcs(list(cluster).await?),
        colocations: arcs(list(cluster).await?),
        nodes: arcs(list(cluster).await?),
        pods: arcs(pods.list(&running).await.map_err(Error::api("list pods"))?.items),
        vms: Some(
            machines
                .into_iter()
                .map(|vm| {
                    (
                        ServerId::new(vm.namespace().unwrap_or_default(), vm.name_any()),
                        Arc::new(vm),
                    )
                })
                .collect(),
        ),
        sizes: Some(
            sizes
                .into_iter()
                .map(|size| (size.name_any(), Arc::new(size)))
                .collect(),
        ),
        images: Some(images.into_iter().map(|image| image.name_any()).collect()),
        ..Seen::default()
    })
}

fn arcs<T>(items: Vec<T>) -> Vec<Arc<T>> {
    items.into_iter().map(Arc::new).collect()
}
