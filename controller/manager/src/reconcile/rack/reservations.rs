//! Which units of a rack are whose, as its status keeps it for the day on which a Colocation has lost its own. No I/O.

use kube::ResourceExt;
use raidc_crds::Rack;
use raidc_crds::rack::{Reservation, ReservationState};
use raidc_planner::{ColocationId, RackName};

use crate::Decision;

/// As many as the schema lets a rack list; a rack has fewer units.
const LISTED: usize = 64;

/// What the plan has in the rack, and what stood there of Colocations that are gone, as long as its units and watts are nobody else's.
/// `there` gives the UID of a Colocation that exists.
pub(super) fn of(
    rack: &Rack,
    decision: &Decision,
    there: impl Fn(&str, &str) -> Option<String>,
) -> Vec<Reservation> {
    let name = RackName::from(rack.name_any());
    let before = rack.status.as_ref().map(|status| status.reservations.as_slice());
    let before = before.unwrap_or_default();
    if !decision.faults.is_empty() {
        // The plan before this one is shown, which may not be the one that the Colocations have.
        return before.to_vec();
    }
    let mut all = reserved(&name, decision, before, &there);
    let headroom = decision
        .plan
        .racks
        .get(&name)
        .map_or(0, |ledger| ledger.headroom_watts);
    let mut left = headroom;
    for old in before {
        let is_listed = all.iter().any(|new| is_same(new, old));
        if is_listed || there(&old.namespace, &old.colocation).is_some() || !is_free(rack, &all, old) {
            continue;
        }
        if old.watts <= left {
            left -= old.watts;
            all.push(Reservation {
                state: ReservationState::Released,
                ..old.clone()
            });
        }
    }
    all.truncate(LISTED);
    all.sort_by(|a, b| {
        (a.lowest_unit, &a.namespace, &a.colocation).cmp(&(b.lowest_unit, &b.namespace, &b.colocation))
    });
    all
}

/// What the plan has in the rack.
fn reserved(
    name: &RackName,
    decision: &Decision,
    before: &[Reservation],
    there: &impl Fn(&str, &str) -> Option<String>,
) -> Vec<Reservation> {
    let mut all = Vec::new();
    for (id, places) in &decision.plan.colocations {
        for place in places.iter().filter(|place| place.rack == *name) {
            let known = before.iter().find(|old| is_of(old, id, &place.device));
            // One that has just been deleted is in this plan and not in the next.
            let uid = there(&id.namespace, &id.name).or_else(|| known.map(|old| old.uid.clone()));
            let Some(uid) = uid else { continue };
            let devices = decision.fleet.colocations.get(id).map(|known| &known.devices);
            let device = devices
                .into_iter()
                .flatten()
                .find(|device| device.name == place.device);
            all.push(Reservation {
                namespace: id.namespace.to_string(),
                colocation: id.name.to_string(),
                device: place.device.clone(),
                uid,
                lowest_unit: place.lowest_unit,
                units: place.units,
                watts: device.map_or(0, |device| device.watts),
                state: ReservationState::Reserved,
            });
        }
    }
    all
}

fn is_of(reservation: &Reservation, id: &ColocationId, device: &str) -> bool {
    let names = (reservation.namespace.as_str(), reservation.colocation.as_str());
    names == (&*id.namespace, &*id.name) && reservation.device == device
}

fn is_same(a: &Reservation, b: &Reservation) -> bool {
    (&a.namespace, &a.colocation, &a.device) == (&b.namespace, &b.colocation, &b.device)
}

/// Whether nothing has been put at the units since.
fn is_free(rack: &Rack, all: &[Reservation], old: &Reservation) -> bool {
    let spec = &rack.spec;
    let occupied = spec.occupied.iter().map(|o| (o.lowest_unit, o.units));
    let hosts = spec.hosts.iter().filter_map(|h| Some((h.lowest_unit?, h.units)));
    let fixed = occupied
        .chain(hosts)
        .map(|(at, units)| (i64::from(at), i64::from(units)));
    let apart = |(at, units): (i64, i64)| at + units <= old.lowest_unit || old.lowest_unit + old.units <= at;
    fixed
        .chain(all.iter().map(|new| (new.lowest_unit, new.units)))
        .all(apart)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::translate::tests::{made, rack, world};
    use crate::inventory::translate::translate;
    use raidc_crds::Colocation;
    use serde_json::{Value, json};
    use std::sync::Arc;

    /// Rack `kuldiga-r1` with these reservations, and a decision about a world with these colocations.
    fn decided(before: &Value, colocations: Vec<Arc<Colocation>>) -> (Rack, Decision) {
        let mut body =
            serde_json::to_value(rack("kuldiga-r1", "kuldiga", &json!({})).as_ref()).expect("JSON");
        body["status"] = json!({"observedGeneration": 1, "reservations": before});
        let rack: Arc<Rack> = made(body);
        let mut seen = world();
        seen.racks[0] = Arc::clone(&rack);
        let mut tenant = serde_json::to_value(seen.tenants[0].as_ref()).expect("JSON");
        tenant["spec"]["services"] = json!(["Colocation"]);
        seen.tenants[0] = made(tenant);
        seen.colocations = colocations;
        let (fleet, notes) = translate(&seen);
        let plan = raidc_planner::plan(&fleet, &crate::placement::OPTIONS);
        let decision = Decision {
            fleet,
            plan,
            notes,
            sequence: 1,
            ..Decision::default()
        };
        (Rack::clone(&rack), decision)
    }

    fn colocation(lowest: i64) -> Arc<Colocation> {
        made(json!({
            "apiVersion": "raidc.dev/v1alpha1", "kind": "Colocation",
            "metadata": {"name": "new", "namespace": "kuldiga", "uid": "u2"},
            "spec": {"devices": [{"name": "x", "units": 1, "watts": 80}]},
            "status": {"observedGeneration": 1, "devices": [
                {"name": "x", "site": "kuldiga", "rack": "kuldiga-r1", "lowestUnit": lowest, "units": 1, "feeds": ["a"]}]},
        }))
    }

    fn old(watts: i64) -> Value {
        json!([{"namespace": "kuldiga", "colocation": "fw", "device": "a", "uid": "u1", "lowestUnit": 7, "units": 2,
            "watts": watts, "state": "Reserved"}])
    }

    fn told(reservations: &[Reservation]) -> Vec<(&str, i64, ReservationState)> {
        reservations
            .iter()
            .map(|r| (r.device.as_str(), r.lowest_unit, r.state))
            .collect()
    }

    #[test]
    fn what_stood_in_a_rack_is_never_forgotten_while_its_place_is_nobody_elses() {
        let gone =
            |namespace: &str, name: &str| (namespace == "kuldiga" && name == "new").then(|| "u2".to_owned());
        let (reserved, released) = (ReservationState::Reserved, ReservationState::Released);
        let (rack, decision) = decided(&old(120), vec![colocation(1)]);
        let now = of(&rack, &decision, gone);
        assert_eq!(told(&now), [("x", 1, reserved), ("a", 7, released)]);
        assert_eq!(
            (now[0].uid.as_str(), now[0].watts, now[1].uid.as_str()),
            ("u2", 80, "u1")
        );
        // The same again: nothing is written for nothing.
        let (rack, decision) = decided(&json!(now), vec![colocation(1)]);
        assert_eq!(of(&rack, &decision, gone), now);
        for (why, watts, lowest) in [
            ("its units are another's", 120, 8),
            ("its watts are gone", 1_000_000, 1),
        ] {
            let (rack, decision) = decided(&old(watts), vec![colocation(lowest)]);
            assert_eq!(
                told(&of(&rack, &decision, gone)),
                [("x", lowest, reserved)],
                "{why}"
            );
        }
        // Its Colocation is there and has it no more.
        let (rack, decision) = decided(&old(120), vec![]);
        assert_eq!(of(&rack, &decision, |_, _| Some("u1".to_owned())), []);
    }
}
