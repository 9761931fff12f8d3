//! A device never moves because its Colocation lost its status, and nobody gets by it what was not granted.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::translate::tests::{made, rack, world};
use super::super::translate::translate;
use super::*;

/// A colocation `fw` with devices of these units and watts, without a status.
fn anew(uid: &str, devices: &[(&str, i64, i64)]) -> Arc<Colocation> {
    let devices: Vec<Value> = devices
        .iter()
        .map(|(name, units, watts)| json!({"name": name, "units": units, "watts": watts}))
        .collect();
    made(json!({
        "apiVersion": "raidc.dev/v1alpha1", "kind": "Colocation",
        "metadata": {"name": "fw", "namespace": "kuldiga", "uid": uid}, "spec": {"devices": devices},
    }))
}

/// A world in which rack `kuldiga-r1` says that device `a` of `fw` (2 units, 120 W) is at unit 7.
fn remembering(uid: &str, state: &str) -> Seen {
    let mut seen = world();
    let mut body =
        serde_json::to_value(rack("kuldiga-r1", "kuldiga", &json!({"units": 20})).as_ref()).expect("JSON");
    body["status"] = json!({"observedGeneration": 1, "reservations": [{
        "namespace": "kuldiga", "colocation": "fw", "device": "a", "uid": uid,
        "lowestUnit": 7, "units": 2, "watts": 120, "state": state,
    }]});
    seen.racks[0] = made(body);
    let mut tenant = serde_json::to_value(seen.tenants[0].as_ref()).expect("JSON");
    tenant["spec"]["services"] = json!(["VirtualServers", "Colocation"]);
    tenant["spec"]["quota"]["watts"] = json!(200);
    seen.tenants[0] = made(tenant);
    seen
}

/// Where device `a` of `fw` is taken to be.
fn found(seen: &Seen) -> Option<(String, i64)> {
    let (fleet, _) = translate(seen);
    let fw = &fleet.colocations[&ColocationId::new("kuldiga", "fw")];
    let at = fw.current.get("a")?;
    Some((at.rack.to_string(), at.lowest_unit))
}

fn there() -> (String, i64) {
    ("kuldiga-r1".to_owned(), 7)
}

#[test]
fn a_colocation_that_lost_its_status_never_moves() {
    let mut seen = remembering("u1", "Reserved");
    // What it draws counts in full now, whatever was granted: it is bolted in.
    seen.colocations = vec![anew("u1", &[("a", 2, 900), ("b", 1, 50)])];
    assert_eq!(found(&seen), Some(there()));
    seen.colocations = vec![anew("u1", &[("a", 3, 120)])];
    assert_eq!(found(&seen), None, "another device under its name");
}

#[test]
fn a_colocation_that_is_made_again_never_moves_and_never_gets_more_than_it_had() {
    for state in ["Reserved", "Released"] {
        let mut seen = remembering("u1", state);
        seen.colocations = vec![anew("u2", &[("a", 2, 120)])];
        assert_eq!(found(&seen), Some(there()), "{state}");
        for (why, devices) in [
            ("more watts", &[("a", 2, 121)][..]),
            ("one more device", &[("a", 2, 120), ("b", 1, 50)]),
            ("higher", &[("a", 3, 120)]),
        ] {
            seen.colocations = vec![anew("u2", devices)];
            assert_eq!(found(&seen), None, "{why}");
        }
    }
}

#[test]
fn what_was_released_is_never_taken_from_who_has_it_or_beyond_the_quota() {
    let other = |lowest: i64, watts: i64| -> Arc<Colocation> {
        made(json!({
            "apiVersion": "raidc.dev/v1alpha1", "kind": "Colocation",
            "metadata": {"name": "other", "namespace": "kuldiga", "uid": "u9"},
            "spec": {"devices": [{"name": "x", "units": 1, "watts": watts}]},
            "status": {"observedGeneration": 1, "devices": [
                {"name": "x", "site": "kuldiga", "rack": "kuldiga-r1", "lowestUnit": lowest, "units": 1, "feeds": ["a"]}]},
        }))
    };
    let with = |other: Arc<Colocation>| {
        let mut seen = remembering("u1", "Released");
        seen.colocations = vec![anew("u2", &[("a", 2, 120)]), other];
        found(&seen)
    };
    assert_eq!(with(other(9, 80)), Some(there()));
    assert_eq!(with(other(8, 80)), None, "its upper unit is another's");
    assert_eq!(with(other(9, 81)), None, "201 W of 200 W");
}

#[test]
fn a_device_that_was_given_up_is_never_had_back_without_being_asked_for_anew() {
    let mut seen = remembering("u1", "Released");
    seen.colocations = vec![anew("u1", &[("a", 2, 120)])];
    assert_eq!(found(&seen), None);
}
