//! Copies are planned where the data is, also after what was decided had changed and changed back.

use raidc_crds::Site;
use raidc_planner::{PlanOptions, plan};
use serde_json::{Value, json};

use super::*;
use crate::inventory::claims::tests::bound;
use crate::inventory::translate::tests::{id, labels, made, node, placed, rack, site, world};
use crate::inventory::translate::translate;

/// The server `web` at kuldiga with gold's two synchronous copies, and volumes at `spanned`; its status records a copy at `recorded`.
fn gold(recorded: &[&str], spanned: &[&str]) -> Seen {
    let mut seen = world();
    seen.sites.push(site("liepaja"));
    seen.racks.push(rack("liepaja-r1", "liepaja", &json!({})));
    seen.nodes.push(node("l1", &labels("liepaja", "liepaja-r1")));
    seen.policies = vec![made(json!({
        "apiVersion": "raidc.dev/v1alpha1", "kind": "ReplicationPolicy", "metadata": {"name": "silver"},
        "spec": {"copies": 2, "mode": "Sync",
            "sync": {"storageClasses": [{"class": "spanning", "sites": ["kuldiga", "talsi", "liepaja"]}]}},
    }))];
    let mut server = placed("web", "kuldiga", "kuldiga-r1", "k1");
    server["status"]["copySites"] = json!(recorded);
    seen.servers = vec![made(server)];
    lies_at(&mut seen, spanned);
    seen
}

/// As [`bound`], but with one term that lists all sites: every one of them has a replica.
fn lies_at(seen: &mut Seen, sites: &[&str]) {
    let claim = bound("web-root", "web", &sites[..1]);
    let mut volume = serde_json::to_value(claim.volume.as_deref().expect("a volume")).expect("JSON");
    volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"] =
        json!([{"matchExpressions": [{"key": names::SITE_LABEL, "operator": "In", "values": sites}]}]);
    seen.claims = Some(vec![claim.claim]);
    seen.volumes = Some(vec![made(volume)]);
}

fn told(seen: &Seen) -> Vec<String> {
    let (fleet, _) = translate(seen);
    let current = fleet.servers[&id("web")].current.clone().expect("a place");
    current.copy_sites.iter().map(ToString::to_string).collect()
}

fn planned(seen: &Seen) -> Vec<String> {
    let (fleet, _) = translate(seen);
    let plan = plan(&fleet, &PlanOptions::default());
    assert_eq!(raidc_planner::check(&fleet, &plan), vec![]);
    let server = &plan.servers[&id("web")];
    let backup = server.backup.as_ref().map(|spot| spot.site.to_string());
    let copies: Vec<String> = server.copy_sites.iter().map(ToString::to_string).collect();
    assert_eq!(backup.as_ref(), copies.first(), "the reserve is where a copy is");
    copies
}

fn in_state(seen: &mut Seen, name: &str, state: &str) {
    for site in &mut seen.sites {
        if site.name_any() == name {
            let mut body: Value = serde_json::to_value(site.as_ref()).expect("JSON");
            body["spec"]["state"] = json!(state);
            *site = made::<Site>(body);
        }
    }
}

#[test]
fn a_synchronous_copy_is_never_planned_where_no_data_is_after_its_site_came_back() {
    // While talsi was drained, the copy was decided for liepaja; the storage has never made one there.
    let mut seen = gold(&["liepaja"], &["kuldiga", "talsi"]);
    assert_eq!(planned(&seen), ["talsi"]);
    // While a person empties talsi, that stands.
    in_state(&mut seen, "talsi", "Draining");
    assert_eq!(told(&seen), ["liepaja"]);
    assert_eq!(planned(&seen), ["liepaja"]);
}

#[test]
fn a_synchronous_copy_is_never_planned_where_no_data_is_after_its_policy_came_back() {
    // The policy was bronze for a while, and nothing was recorded.
    assert_eq!(planned(&gold(&[], &["kuldiga", "talsi"])), ["talsi"]);
    assert_eq!(planned(&gold(&[], &["kuldiga", "liepaja"])), ["liepaja"]);
}

#[test]
fn what_is_recorded_is_never_changed_where_it_is_true_or_nothing_is_known() {
    // Both have the data: the recorded one stays.
    assert_eq!(
        told(&gold(&["talsi"], &["kuldiga", "liepaja", "talsi"])),
        ["talsi"]
    );
    // The volume is not of one that spans: it is to be made anew, and the asynchronous copy that there was is at talsi.
    assert_eq!(told(&gold(&["talsi"], &["kuldiga"])), ["talsi"]);
    // It cannot be reached from where the server is.
    assert_eq!(told(&gold(&["talsi"], &["liepaja"])), ["talsi"]);
    let wrong = || gold(&["liepaja"], &["kuldiga", "talsi"]);
    let mut seen = wrong();
    seen.volumes = None;
    assert_eq!(told(&seen), ["liepaja"], "volumes that are not read say nothing");
    seen = wrong();
    seen.claims = Some(vec![bound("web-root", "another", &["kuldiga"]).claim]);
    assert_eq!(
        told(&seen),
        ["liepaja"],
        "the claim of another server says nothing"
    );
    seen = wrong();
    seen.policies = world().policies;
    assert_eq!(
        told(&seen),
        ["liepaja"],
        "an asynchronous copy has a volume of its own"
    );
}

#[test]
fn one_disk_that_lies_elsewhere_is_never_overlooked() {
    let mut seen = gold(&["liepaja"], &["kuldiga", "talsi"]);
    let mut server = serde_json::to_value(seen.servers[0].as_ref()).expect("JSON");
    server["spec"]["disks"] = json!([{"name": "data", "size": "10Gi"}]);
    seen.servers = vec![made(server)];
    // Not made yet.
    assert_eq!(told(&seen), ["talsi"]);
    // Only at its own site: nothing spans both disks.
    let data = bound("web-data", "web", &["kuldiga"]);
    seen.claims.as_mut().expect("claims").push(data.claim);
    assert_eq!(told(&seen), ["liepaja"], "its volume is not seen");
    let volume = data.volume.expect("a volume");
    seen.volumes.as_mut().expect("volumes").push(volume);
    assert_eq!(told(&seen), ["liepaja"]);
}

#[test]
fn volumes_that_name_nodes_are_found_at_the_sites_of_these() {
    let mut seen = gold(&["liepaja"], &["kuldiga", "talsi"]);
    let volume = seen.volumes.as_ref().expect("volumes")[0].as_ref();
    let mut volume = serde_json::to_value(volume).expect("JSON");
    let key = "kubernetes.io/hostname";
    volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"] =
        json!([{"matchExpressions": [{"key": key, "operator": "In", "values": ["k1", "t1"]}]}]);
    seen.volumes = Some(vec![made(volume)]);
    let name = |node: &Arc<Node>| {
        let mut labels = json!(node.labels());
        labels[key] = json!(node.name_any());
        crate::inventory::translate::tests::node(&node.name_any(), &labels)
    };
    seen.nodes = seen.nodes.iter().map(name).collect();
    assert_eq!(told(&seen), ["talsi"]);
    seen.nodes.retain(|node| node.name_any() != "t1");
    assert_eq!(told(&seen), ["liepaja"], "a node that is not there says nothing");
}
