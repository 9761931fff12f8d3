//! Nodes → the planner's hosts, and why the other nodes are not used. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Node, Taint};
use kube::ResourceExt;
use raidc_crds::{Rack, names};
use raidc_planner::{Fleet, Host, HostName, HostUse, RackName, SiteName};

use super::amounts::{self, Round, mib, milli};
use super::pods;
use super::translate::{NodeNote, Note, Notes, Seen};

/// Two racks say that a node is in them: the reason on the node's Site and on both Racks.
const CLAIMED: &str = "ClaimedByTwoRacks";
/// Taints that Kubernetes puts on nodes that it does not hear of or that are starting, and takes off by itself.
const PASSING_TAINTS: [&str; 4] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/network-unavailable",
    "node.cloudprovider.kubernetes.io/uninitialized",
];
/// The most cores (in thousandths) and memory (in MiB) that are believed of a node, as the planner believes them.
const MAX_CPU: i64 = 1_000_000_000;
const MAX_MIB: i64 = 1 << 40;
/// KubeVirt's label of nodes that can run its machines.
const SCHEDULABLE_LABEL: &str = "kubevirt.io/schedulable";

/// Adds every node that belongs to a rack to the fleet; says of the others, and of those that take nothing new, why.
pub(crate) fn add(seen: &Seen, fleet: &mut Fleet, notes: &mut Notes) {
    let racks: BTreeMap<String, &Rack> = seen.racks.iter().map(|r| (r.name_any(), r.as_ref())).collect();
    let claims = claims(&racks);
    let taken = pods::taken(seen, fleet);
    let recorded = recorded(fleet);
    for node in &seen.nodes {
        let name = HostName::from(node.name_any());
        let place = place(node, &racks, &claims, fleet);
        let taken = taken.get(name.as_str()).copied().unwrap_or_default();
        let mut host = Host {
            cpu_milli: allocatable(node, "cpu", milli),
            memory_mib: allocatable(node, "memory", mib),
            taken_cpu_milli: taken.cpu_milli,
            taken_memory_mib: taken.memory_mib,
            kept_on: taken.keeps_on,
            ..Host::default()
        };
        let sized = is_sized(&host);
        if !sized {
            size_by_what_it_carries(&mut host, recorded.get(&name));
        }
        match place {
            Ok((site, rack)) => {
                let readiness = readiness(node, seen.sizes.is_some());
                let readiness = match readiness {
                    Ok(()) | Err((HostUse::Cordoned, _)) if !sized => Err((HostUse::Unknown, no_size(&name))),
                    said => said,
                };
                host.powered = !matches!(readiness, Err((HostUse::NotReady | HostUse::Unknown, _)));
                host.usable = match readiness {
                    Ok(()) => HostUse::Usable,
                    Err((usable, note)) => {
                        let site = Some(site.clone());
                        notes.nodes.insert(name.clone(), NodeNote { site, note });
                        usable
                    }
                };
                draw(&mut host, name.as_str(), racks.get(rack.as_str()).copied(), sized);
                (host.site, host.rack) = (site, rack);
                fleet.hosts.insert(name, host);
            }
            Err(misplaced) => {
                // What is recorded on it stays recorded, at the place where it was recorded.
                let recorded = recorded.get(&name).map(|carried| carried.at.clone());
                let anchor = recorded.or(misplaced.anchor);
                if misplaced.note.reason == CLAIMED
                    && let Some(label) = node.labels().get(names::RACK_LABEL)
                {
                    for rack in claiming(name.as_str(), label, &claims) {
                        notes
                            .racks
                            .entry(RackName::from(rack))
                            .or_insert_with(|| misplaced.note.clone());
                    }
                }
                notes.nodes.insert(
                    name.clone(),
                    NodeNote {
                        site: misplaced.site,
                        note: misplaced.note,
                    },
                );
                if let Some((site, rack)) = anchor {
                    host.usable = HostUse::Unknown;
                    draw(&mut host, name.as_str(), racks.get(rack.as_str()).copied(), sized);
                    (host.site, host.rack) = (site, rack);
                    fleet.hosts.insert(name, host);
                }
            }
        }
    }
}

/// Racks by the nodes that they list.
fn claims<'a>(racks: &BTreeMap<String, &'a Rack>) -> BTreeMap<&'a str, BTreeSet<String>> {
    let mut claims: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (name, rack) in racks {
        for host in &rack.spec.hosts {
            claims.entry(&host.node).or_default().insert(name.clone());
        }
    }
    claims
}

/// What is recorded on a host.
struct Carried {
    /// Where it was then.
    at: (SiteName, RackName),
    /// Virtual cores of the servers there, in thousandths.
    cpu_milli: i64,
    /// Their memory with overhead, in MiB.
    memory_mib: i64,
}

/// What servers are recorded on each host, and where.
fn recorded(fleet: &Fleet) -> BTreeMap<HostName, Carried> {
    let mut recorded: BTreeMap<HostName, Carried> = BTreeMap::new();
    for server in fleet.servers.values() {
        let Some(current) = &server.current else { continue };
        let Some(host) = &current.host else { continue };
        let at = (current.site.clone(), current.rack.clone());
        let carried = recorded.entry(host.clone()).or_insert(Carried {
            at: at.clone(),
            cpu_milli: 0,
            memory_mib: 0,
        });
        carried.at = at;
        carried.cpu_milli = carried.cpu_milli.saturating_add(server.cpu_milli);
        let memory = server.memory_mib.saturating_add(server.overhead_mib);
        carried.memory_mib = carried.memory_mib.saturating_add(memory);
    }
    recorded
}

/// Whether what the node says that it offers can be true, as the planner judges it.
fn is_sized(host: &Host) -> bool {
    (1..=MAX_CPU).contains(&host.cpu_milli) && (1..=MAX_MIB).contains(&host.memory_mib)
}

/// A node that does not say what it offers (its kubelet has just registered it anew, say) is not nothing: it is as large as what is
/// there, so that nothing of it is forgotten and nothing new fits.
fn size_by_what_it_carries(host: &mut Host, carried: Option<&Carried>) {
    let (cpu, memory) = carried.map_or((0, 0), |carried| (carried.cpu_milli, carried.memory_mib));
    host.cpu_milli = host.taken_cpu_milli.saturating_add(cpu).clamp(1, MAX_CPU);
    host.memory_mib = host.taken_memory_mib.saturating_add(memory).clamp(1, MAX_MIB);
}

fn no_size(name: &HostName) -> Note {
    Note::new(
        "CapacityUnknown",
        format!(
            "node {name} does not say how many cores and how much memory it offers (status.allocatable), so it takes nothing new and counts with its nameplate: see \"kubectl describe node {name}\""
        ),
    )
}

/// Every rack that says a node is in it, and the one that its label names.
fn claiming(node: &str, label: &str, claims: &BTreeMap<&str, BTreeSet<String>>) -> BTreeSet<String> {
    let mut claiming = claims.get(node).cloned().unwrap_or_default();
    claiming.insert(label.to_owned());
    claiming
}

/// A node whose place cannot be told.
struct Misplaced {
    /// The Site that names it.
    site: Option<SiteName>,
    /// Where its draw counts all the same.
    anchor: Option<(SiteName, RackName)>,
    /// Why.
    note: Note,
}

fn place(
    node: &Node,
    racks: &BTreeMap<String, &Rack>,
    claims: &BTreeMap<&str, BTreeSet<String>>,
    fleet: &Fleet,
) -> Result<(SiteName, RackName), Misplaced> {
    let name = node.name_any();
    let site_label = node.labels().get(names::SITE_LABEL);
    let rack_label = node.labels().get(names::RACK_LABEL);
    let labelled_site = site_label
        .map(|site| SiteName::from(site.as_str()))
        .filter(|site| fleet.sites.contains_key(site));
    let rack = rack_label.and_then(|rack| racks.get(rack));
    let rack_site = rack.map(|rack| SiteName::from(rack.spec.site.as_str()));
    let anchor = rack_label
        .zip(rack_site.clone())
        .map(|(rack, site)| (site, RackName::from(rack.as_str())));
    // The site that the label names, else that of the rack: somebody should read it.
    let site = labelled_site
        .clone()
        .or_else(|| rack_site.clone().filter(|site| fleet.sites.contains_key(site)));
    let refuse = |reason: &'static str, message: String| {
        Err(Misplaced {
            site: site.clone(),
            anchor: anchor.clone(),
            note: Note::new(reason, message),
        })
    };
    let Some(site_name) = site_label else {
        return refuse(
            "NoSiteLabel",
            format!(
                "node {name} has no label {}: set it to the name of its Site",
                names::SITE_LABEL
            ),
        );
    };
    let Some(labelled_site) = labelled_site else {
        return refuse(
            "UnknownSite",
            format!(
                "node {name} is labelled {}={site_name} and there is no such Site: correct the label or create the Site",
                names::SITE_LABEL
            ),
        );
    };
    let Some(rack_name) = rack_label else {
        return refuse(
            "NoRackLabel",
            format!(
                "node {name} has no label {}: set it to the name of its Rack",
                names::RACK_LABEL
            ),
        );
    };
    let Some(rack_site) = rack_site else {
        return refuse(
            "UnknownRack",
            format!(
                "node {name} is labelled {}={rack_name} and there is no such Rack: correct the label or create the Rack",
                names::RACK_LABEL
            ),
        );
    };
    if rack_site != labelled_site {
        return refuse(
            "RackOfOtherSite",
            format!(
                "node {name} is labelled with site {labelled_site} and rack {rack_name}, which stands in {rack_site}: correct one of the labels"
            ),
        );
    }
    let claiming = claiming(&name, rack_name, claims);
    if claiming.len() > 1 {
        let all: Vec<&str> = claiming.iter().map(String::as_str).collect();
        return refuse(
            CLAIMED,
            format!(
                "node {name} belongs to the racks {} by their spec.hosts and its label: leave it in one of them",
                all.join(" and ")
            ),
        );
    }
    Ok((labelled_site, RackName::from(rack_name.as_str())))
}

/// Whether virtual servers may start there.
fn readiness(node: &Node, kubevirt: bool) -> Result<(), (HostUse, Note)> {
    let name = node.name_any();
    let ready = node
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten())
        .find(|condition| condition.type_ == "Ready")
        .map_or("Unknown", |condition| condition.status.as_str());
    match ready {
        "True" => {}
        "False" => {
            let message =
                format!("node {name} says that it is not ready: see \"kubectl describe node {name}\"");
            return Err((HostUse::NotReady, Note::new("NotReady", message)));
        }
        _ => {
            let message = format!(
                "node {name} has not been heard of, so what runs there is not known: see \"kubectl describe node {name}\""
            );
            return Err((HostUse::Unknown, Note::new("ReadinessUnknown", message)));
        }
    }
    let schedulable = node.labels().get(SCHEDULABLE_LABEL).map(String::as_str);
    if schedulable == Some("false") || (kubevirt && schedulable.is_none()) {
        let message =
            format!("KubeVirt does not run on node {name}: its virt-handler there has not reported");
        return Err((HostUse::NotReady, Note::new("NoKubeVirt", message)));
    }
    let spec = node.spec.as_ref();
    if spec.and_then(|spec| spec.unschedulable) == Some(true) {
        let message =
            format!("node {name} is cordoned: \"kubectl uncordon {name}\" lets it take servers again");
        return Err((HostUse::Cordoned, Note::new("Cordoned", message)));
    }
    let taints = || {
        let taints = spec.and_then(|spec| spec.taints.as_ref());
        let keeps_off = |taint: &&Taint| taint.effect != "PreferNoSchedule";
        taints.into_iter().flatten().filter(keeps_off)
    };
    // Kubernetes takes these off some seconds after the node is ready again: until then it is as unready as before.
    if let Some(taint) = taints().find(|taint| PASSING_TAINTS.contains(&taint.key.as_str())) {
        let message = format!(
            "node {name} still has the taint {}, which goes by itself when the node is ready",
            taint.key
        );
        return Err((HostUse::NotReady, Note::new("NotReady", message)));
    }
    if let Some(taint) = taints().next() {
        let message = format!(
            "node {name} has the taint {}, which keeps virtual servers off",
            taint.key
        );
        return Err((HostUse::Cordoned, Note::new("Tainted", message)));
    }
    Ok(())
}

fn allocatable(
    node: &Node,
    resource: &str,
    read: fn(&k8s_openapi::apimachinery::pkg::api::resource::Quantity, Round) -> Option<i64>,
) -> i64 {
    let status = node.status.as_ref();
    amounts::of(
        status.and_then(|status| status.allocatable.as_ref()),
        resource,
        read,
        Round::Down,
    )
}

/// Watts from the rack's list, else its defaults, else the nameplate of a common server. One of which the size is not known may
/// be loaded in any way: it counts with the most that it may draw.
fn draw(host: &mut Host, name: &str, rack: Option<&Rack>, sized: bool) {
    let spec = rack.map(|rack| &rack.spec);
    let listed = spec.and_then(|spec| spec.hosts.iter().find(|listed| listed.node == name));
    let defaults = spec.and_then(|spec| spec.host_defaults.as_ref());
    let given = |watts: &i64| *watts > 0;
    let idle = listed
        .and_then(|listed| listed.idle_watts)
        .or(defaults.map(|defaults| defaults.idle_watts))
        .filter(given);
    let most = listed
        .and_then(|listed| listed.max_watts)
        .or(defaults.map(|defaults| defaults.max_watts))
        .filter(given);
    host.watts_known = idle.is_some() && most.is_some();
    host.max_watts = most
        .or(idle.filter(|w| *w > names::UNKNOWN_HOST_WATTS))
        .unwrap_or(names::UNKNOWN_HOST_WATTS);
    // Unknown idle draw counts as much as the most that it may draw.
    host.idle_watts = idle
        .filter(|_| sized)
        .unwrap_or(host.max_watts)
        .min(host.max_watts);
}

/// The most that a host which a rack lists may draw, in watts.
pub(super) fn nameplate(rack: &Rack, node: &str) -> i64 {
    let mut host = Host::default();
    draw(&mut host, node, Some(rack), true);
    host.max_watts
}
