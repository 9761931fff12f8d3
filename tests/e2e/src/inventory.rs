//! What there is of everything that the controller makes, and what there should be: by what each thing is for, so that the same thing
//! under a second name counts twice. Talks to the API server.

use crate::cluster::Cluster;
use crate::error::Error;
use crate::recount::View;
use crate::recount::list;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::ResourceExt;
use raidc_controller::executors::MANAGED_BY;
use raidc_controller::executors::MANAGED_BY_LABEL;
use raidc_controller::foreign::cdi::DataVolume;
use raidc_controller::foreign::kubevirt::VirtualMachine;
use raidc_controller::foreign::volsync::ReplicationDestination;
use raidc_controller::foreign::volsync::ReplicationSource;
use raidc_crds::names::COPY_SITE_LABEL;
use raidc_crds::names::DISK_LABEL;
use raidc_crds::names::ROOT_DISK;
use raidc_crds::names::SERVER_LABEL;
use raidc_crds::names::TENANT_LABEL;
use raidc_crds::replication_policy::ReplicationMode;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// Roles that each tenant's people get, and the namespace of the catalogue for the last (empty: the tenant's own).
const ROLES: [(&str, &str); 3] = [
    ("raidc-tenant-admin", ""),
    ("raidc-tenant-viewer", ""),
    ("raidc-catalogue-reader", "raidc-images"),
];
/// Network policies of a tenant's namespace.
const WALLS: [&str; 3] = ["raidc-default-deny", "raidc-allow-dns", "raidc-allow-namespace"];

/// Everything that bears our label, as what it is for; what is there twice is twice in the list.
pub async fn ours(cluster: &Cluster) -> Result<Vec<String>, Error> {
    let mut all = Vec::new();
    all.extend(list::<Namespace>(cluster).await?.iter().filter_map(|o| {
        let tenant = o.labels().get(TENANT_LABEL).filter(|_| made(o))?;
        Some(format!("namespace {} of {tenant}", o.name_any()))
    }));
    all.extend(list::<RoleBinding>(cluster).await?.iter().filter_map(|o| {
        let tenant = o.labels().get(TENANT_LABEL).filter(|_| made(o))?;
        Some(format!("{} of {tenant} in {}", o.role_ref.name, space(o)))
    }));
    all.extend(list::<NetworkPolicy>(cluster).await?.iter().filter_map(|o| {
        let tenant = o.labels().get(TENANT_LABEL).filter(|_| made(o))?;
        Some(format!("{} of {tenant} in {}", o.name_any(), space(o)))
    }));
    let machines = list::<VirtualMachine>(cluster).await?;
    all.extend(machines.iter().filter(|o| made(*o)).map(|o| of("machine", o)));
    let volumes = list::<DataVolume>(cluster).await?;
    all.extend(volumes.iter().filter(|o| made(*o)).map(|o| of("disk", o)));
    let sources = list::<ReplicationSource>(cluster).await?;
    all.extend(sources.iter().filter(|o| made(*o)).map(|o| of("source", o)));
    let destinations = list::<ReplicationDestination>(cluster).await?;
    all.extend(
        destinations
            .iter()
            .filter(|o| made(*o))
            .map(|o| of("destination", o)),
    );
    Ok(all)
}

fn made(object: &impl ResourceExt) -> bool {
    object
        .labels()
        .get(MANAGED_BY_LABEL)
        .is_some_and(|by| by == MANAGED_BY)
}

fn space(object: &impl ResourceExt) -> String {
    object.namespace().unwrap_or_default()
}

/// `kind namespace/server`, and the disk and the site of the copy where it is for one.
fn of(kind: &str, object: &impl ResourceExt) -> String {
    let label = |label: &str| object.labels().get(label).map_or("", String::as_str);
    let (disk, site) = (label(DISK_LABEL), label(COPY_SITE_LABEL));
    for_server(kind, &space(object), label(SERVER_LABEL), disk, site)
}

fn for_server(kind: &str, namespace: &str, server: &str, disk: &str, site: &str) -> String {
    format!("{kind} {namespace}/{server} {disk} {site}")
        .trim_end()
        .to_owned()
}

/// What there should be for these tenants and servers: one namespace, its bindings and walls per tenant; one machine per server; one
/// disk per disk; and per disk and copy of an asynchronous policy one source and one destination.
#[must_use]
pub fn wanted(view: &View) -> BTreeSet<String> {
    let mut want = BTreeSet::new();
    for tenant in &view.tenants {
        let name = tenant.name_any();
        let own = tenant.spec.namespace.clone().unwrap_or_else(|| name.clone());
        want.insert(format!("namespace {own} of {name}"));
        for (role, place) in ROLES {
            let place = if place.is_empty() { &own } else { place };
            want.insert(format!("{role} of {name} in {place}"));
        }
        want.extend(WALLS.map(|wall| format!("{wall} of {name} in {own}")));
    }
    for server in &view.servers {
        let (namespace, name) = (space(server), server.name_any());
        want.insert(for_server("machine", &namespace, &name, "", ""));
        let status = server.status.clone().unwrap_or_default();
        let sent = view.policies.iter().any(|policy| {
            Some(policy.name_any()) == status.policy && policy.spec.mode == Some(ReplicationMode::Async)
        });
        let disks = server.spec.disks.iter().map(|disk| disk.name.as_str());
        for disk in std::iter::once(ROOT_DISK).chain(disks) {
            want.insert(for_server("disk", &namespace, &name, disk, ""));
            for site in status.copy_sites.iter().filter(|_| sent) {
                want.insert(for_server("source", &namespace, &name, disk, site));
                want.insert(for_server("destination", &namespace, &name, disk, site));
            }
        }
    }
    want
}

/// Whether each wanted thing is there exactly once, and nothing else.
///
/// # Errors
/// With what is missing, too much, or there more than once.
pub fn exactly_once(want: &BTreeSet<String>, have: &[String]) -> Result<(), Error> {
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for one in have {
        *counted.entry(one).or_default() += 1;
    }
    let missing: Vec<_> = want
        .iter()
        .filter(|one| !counted.contains_key(one.as_str()))
        .collect();
    let surplus: Vec<_> = counted.keys().filter(|one| !want.contains(**one)).collect();
    let twice: Vec<_> = counted.iter().filter(|(_, count)| **count > 1).collect();
    if missing.is_empty() && surplus.is_empty() && twice.is_empty() {
        Ok(())
    } else {
        Err(Error::Wrong(format!(
            "missing: {missing:?}; more than asked for: {surplus:?}; more than once: {twice:?}"
        )))
    }
}

/// A machine or disk by UID, and where it is.
pub type Things = BTreeMap<String, String>;

/// Every server's machine (with what pins it to its place) and every disk's volume, by UID.
pub async fn things(cluster: &Cluster) -> Result<Things, Error> {
    let mut all = Things::new();
    for machine in list::<VirtualMachine>(cluster).await? {
        let name = format!("machine {}/{}", space(&machine), machine.name_any());
        let spec = serde_json::to_value(&machine.spec).map_err(|e| Error::Wrong(e.to_string()))?;
        let affinity = &spec["template"]["spec"]["affinity"];
        let place = &affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        if !place.is_object() {
            return Err(Error::Wrong(format!("{name} has no place: {spec}")));
        }
        all.insert(machine.uid().unwrap_or_default(), format!("{name} {place}"));
    }
    for claim in list::<PersistentVolumeClaim>(cluster).await? {
        if claim.labels().contains_key(SERVER_LABEL) {
            let volume = claim.spec.as_ref().and_then(|s| s.volume_name.clone());
            let name = format!("disk {}/{}", space(&claim), claim.name_any());
            all.insert(claim.uid().unwrap_or_default(), format!("{name} {volume:?}"));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a test may fail loudly")]

    use super::*;
    use serde_json::json;

    fn view(copies: &[&str]) -> View {
        let typed = |body| serde_json::from_value(body).expect("a server");
        View {
            sites: vec![],
            racks: vec![],
            policies: vec![
                serde_json::from_value(json!({"metadata": {"name": "silver"}, "spec": {"copies": 2, "mode": "Async", "rpo": "15m"}}))
                    .expect("a policy"),
            ],
            tenants: vec![
                serde_json::from_value(
                    json!({"metadata": {"name": "t"}, "spec": {"displayName": "T", "defaultPolicy": "silver"}}),
                )
                .expect("a tenant"),
            ],
            servers: vec![typed(
                json!({"metadata": {"name": "web", "namespace": "t"},
                "spec": {"size": "s", "image": "i", "disks": [{"name": "data", "size": "1Gi"}]},
                "status": {"observedGeneration": 1, "policy": "silver", "copySites": copies}}),
            )],
            colocations: vec![],
            nodes: vec![],
            volumes: vec![],
        }
    }

    #[test]
    fn a_copy_that_was_made_twice_is_never_overlooked() {
        let want = wanted(&view(&["b"]));
        assert_eq!(want.len(), 1 + 3 + 3 + 1 + 2 + 2 + 2);
        let mut have: Vec<String> = want.iter().cloned().collect();
        exactly_once(&want, &have).expect("all is there");
        // Both ends, so that there are as many sources as destinations.
        have.extend(["source t/web data b", "destination t/web data b"].map(str::to_owned));
        let said = exactly_once(&want, &have).expect_err("twice").to_string();
        assert!(
            said.contains("more than once: [(\"destination t/web data b\", 2)"),
            "{said}"
        );
    }

    #[test]
    fn a_copy_at_a_site_that_holds_none_is_never_overlooked() {
        let have: Vec<String> = wanted(&view(&["b"])).into_iter().collect();
        let said = exactly_once(&wanted(&view(&["c"])), &have)
            .expect_err("elsewhere")
            .to_string();
        assert!(
            said.contains("source t/web root b") && said.contains("missing"),
            "{said}"
        );
        let said = exactly_once(&wanted(&view(&["b", "c"])), &have).expect_err("one too few");
        assert!(said.to_string().contains("destination t/web root c"), "{said}");
    }

    #[test]
    fn a_wall_of_a_tenant_that_is_gone_is_never_overlooked() {
        let want = wanted(&view(&[]));
        let have: Vec<String> = want
            .iter()
            .filter(|one| !one.starts_with("raidc-default-deny"))
            .cloned()
            .collect();
        assert!(exactly_once(&want, &have).is_err());
    }
}
