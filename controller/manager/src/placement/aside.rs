//! A plan that breaks a rule is made again without those that would be new: the rest goes on. No I/O.
//!
//! Such a plan is a defect of the planner, and what has a place stays counted whatever happens. Only demands without a place are set
//! aside: first those that the checker named, then, as it may name a rack or a site and not who came there, all of them.

use std::collections::BTreeSet;

use raidc_planner::{DemandId, Fault, Fleet, Plan, PlanOptions};

use crate::inventory::translate::{Note, Notes};

/// What came of planning.
pub(super) struct Made {
    /// The fleet that the plan is of: without what was set aside.
    pub(super) fleet: Fleet,
    /// The plan.
    pub(super) plan: Plan,
    /// What the checker found in `plan`. With anything in it nothing is carried out.
    pub(super) faults: Vec<Fault>,
    /// What the checker found in the plan of the whole fleet; empty when that is `plan`.
    pub(super) avoided: Vec<Fault>,
    /// Demands that were set aside, and what they are told.
    pub(super) aside: Vec<(DemandId, Note)>,
    /// The fleet as it was seen, where something of it was set aside.
    whole: Option<Fleet>,
}

impl Made {
    /// Whether this is what came of planning that fleet.
    pub(super) fn is_for(&self, fleet: &Fleet) -> bool {
        self.whole.as_ref().unwrap_or(&self.fleet) == fleet
    }
}

/// Plans, and has the plan checked; where it breaks a rule, once more without whom that may be due to.
pub(super) fn plan(fleet: Fleet, options: &PlanOptions) -> Made {
    let judge = |fleet: &Fleet, plan: &Plan| raidc_planner::check(fleet, plan);
    around(fleet, |fleet| raidc_planner::plan(fleet, options), judge)
}

fn around(
    fleet: Fleet,
    decide: impl Fn(&Fleet) -> Plan,
    judge: impl Fn(&Fleet, &Plan) -> Vec<Fault>,
) -> Made {
    let plan = decide(&fleet);
    let faults = judge(&fleet, &plan);
    if !faults.is_empty() {
        let fresh = fresh(&fleet);
        let named: BTreeSet<&DemandId> = fresh.iter().filter(|id| names(&faults, id)).collect();
        let all: BTreeSet<&DemandId> = fresh.iter().collect();
        let twice = named.len() == all.len();
        for out in [named, all].into_iter().skip(usize::from(twice)) {
            if out.is_empty() {
                continue;
            }
            let less = without(&fleet, &out);
            let plan = decide(&less);
            if judge(&less, &plan).is_empty() {
                let aside = out.into_iter().map(|id| (id.clone(), told(&faults))).collect();
                return Made {
                    fleet: less,
                    plan,
                    faults: Vec::new(),
                    avoided: faults,
                    aside,
                    whole: Some(fleet),
                };
            }
        }
    }
    Made {
        fleet,
        plan,
        faults,
        avoided: Vec::new(),
        aside: Vec::new(),
        whole: None,
    }
}

/// Adds what was set aside to what is not planned.
pub(super) fn tell(aside: &[(DemandId, Note)], notes: &mut Notes) {
    for (id, note) in aside {
        match id {
            DemandId::Server(id) => drop(notes.servers.insert(id.clone(), note.clone())),
            DemandId::Colocation(id) => drop(notes.colocations.insert(id.clone(), note.clone())),
        }
    }
}

/// Demands that have no place, or not all of it.
fn fresh(fleet: &Fleet) -> BTreeSet<DemandId> {
    let servers = fleet
        .servers
        .iter()
        .filter(|(_, server)| server.current.is_none());
    let servers = servers.map(|(id, _)| DemandId::Server(id.clone()));
    let colocations = fleet.colocations.iter().filter(|(_, colocation)| {
        let stands = |device: &raidc_planner::Device| colocation.current.contains_key(&device.name);
        !colocation.devices.iter().all(stands)
    });
    servers
        .chain(colocations.map(|(id, _)| DemandId::Colocation(id.clone())))
        .collect()
}

fn names(faults: &[Fault], id: &DemandId) -> bool {
    let what = match id {
        DemandId::Server(id) => format!("server/{id}"),
        DemandId::Colocation(id) => format!("colocation/{id}"),
    };
    faults.iter().any(|fault| fault.what == what)
}

/// The fleet without these; of a colocation the devices that stand stay.
fn without(fleet: &Fleet, out: &BTreeSet<&DemandId>) -> Fleet {
    let mut less = fleet.clone();
    for id in out {
        match id {
            DemandId::Server(id) => drop(less.servers.remove(id)),
            DemandId::Colocation(id) => {
                if let Some(colocation) = less.colocations.get_mut(id) {
                    let stands = &colocation.current;
                    colocation
                        .devices
                        .retain(|device| stands.contains_key(&device.name));
                    if colocation.devices.is_empty() {
                        less.colocations.remove(id);
                    }
                }
            }
        }
    }
    less
}

/// What its owner reads. What exactly is wrong may concern another tenant, so that only the log says it.
fn told(faults: &[Fault]) -> Note {
    let rule = faults
        .first()
        .map(|fault| format!("{:?}", fault.rule))
        .unwrap_or_default();
    Note::new(
        "SetAside",
        format!(
            "a plan with it in it broke the rule {rule} in the check that every plan has to pass, so it waits and everything else goes on: this is a defect of RAIDC; tell the platform team, which finds the details in the operator's log"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use raidc_planner::{
        Colocation, ColocationId, Device, DevicePosition, Placement, Rule, Server, ServerId,
    };

    fn fault(what: &str) -> Fault {
        Fault {
            rule: Rule::RackUnits,
            what: what.to_owned(),
            message: "device d shares unit 9 with colocation/talsi/secret".to_owned(),
        }
    }

    /// One server that runs, two that are new, and a colocation of which one device stands.
    fn fleet() -> Fleet {
        let mut fleet = Fleet::default();
        for name in ["runs", "new", "newer"] {
            let server = Server {
                current: (name == "runs").then(Placement::default),
                ..Server::default()
            };
            fleet.servers.insert(ServerId::new("kuldiga", name), server);
        }
        let device = |name: &str| Device {
            name: name.to_owned(),
            ..Device::default()
        };
        let colocation = Colocation {
            devices: vec![device("stands"), device("new")],
            current: [("stands".to_owned(), DevicePosition::default())].into(),
            ..Colocation::default()
        };
        let id = ColocationId::new("kuldiga", "firewalls");
        fleet.colocations.insert(id, colocation);
        fleet
    }

    /// Plans where the checker finds `what` wrong as long as the fleet has `with` in it.
    fn made(what: &str, with: &dyn Fn(&Fleet) -> bool) -> Made {
        let judge = |fleet: &Fleet, _: &Plan| {
            if with(fleet) {
                vec![fault(what)]
            } else {
                Vec::new()
            }
        };
        around(fleet(), |_| Plan::default(), judge)
    }

    fn has(fleet: &Fleet, name: &str) -> bool {
        fleet.servers.contains_key(&ServerId::new("kuldiga", name))
    }

    #[test]
    fn one_faulty_demand_never_stops_the_others() {
        let found = made("server/kuldiga/new", &|fleet| has(fleet, "new"));
        assert_eq!(found.faults, vec![]);
        assert_eq!(found.avoided.len(), 1);
        assert_eq!(found.aside.len(), 1);
        assert!(has(&found.fleet, "runs") && has(&found.fleet, "newer"));
        assert!(found.is_for(&fleet()), "else it is planned anew at every change");
        let mut notes = Notes::default();
        tell(&found.aside, &mut notes);
        let note = &notes.servers[&ServerId::new("kuldiga", "new")];
        assert_eq!(note.reason, "SetAside");
        assert!(!note.message.contains("talsi"), "{}", note.message);
    }

    #[test]
    fn a_fault_that_names_nobody_stops_only_what_is_new() {
        let found = made("rack/talsi-r1", &|fleet| has(fleet, "newer"));
        assert_eq!(found.faults, vec![]);
        assert_eq!(found.aside.len(), 3);
        assert!(has(&found.fleet, "runs"));
        let devices = &found.fleet.colocations[&ColocationId::new("kuldiga", "firewalls")].devices;
        assert_eq!(devices.len(), 1, "what stands in a rack stays counted");
    }

    #[test]
    fn what_has_a_place_is_never_set_aside() {
        let found = made("server/kuldiga/runs", &|fleet| has(fleet, "runs"));
        assert_eq!(found.faults.len(), 1);
        assert!(has(&found.fleet, "new"));
        assert_eq!(found.aside.len(), 0);
    }
}
