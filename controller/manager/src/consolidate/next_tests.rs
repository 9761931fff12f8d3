//! What a consolidation does next: whatever is not certain stops it, and nothing that was done is forgotten.

use raidc_planner::{Host, Placement};
use serde_json::{Value, json};

use super::*;
use crate::certify::worlds;
use crate::executors::{Owner, migration};

pub(crate) const NOW: i64 = 2_000_000_000;

pub(crate) fn limits() -> Limits {
    Limits {
        moves_per_hour: 2,
        rest: SignedDuration::from_hours(12),
        rest_after_failure: SignedDuration::from_hours(48),
        least_watts: 50,
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW).expect("a time")
}

fn from<K: serde::de::DeserializeOwned>(value: Value) -> Arc<K> {
    Arc::new(serde_json::from_value(value).expect("an object"))
}

fn id(name: &str) -> ServerId {
    ServerId::new("kuldiga", name)
}

/// Each server where the decision has it, running, and free to move.
pub(crate) fn sight(decision: Decision) -> Sight {
    let mut sight = Sight {
        kubevirts: vec![from(json!({
            "apiVersion": "kubevirt.io/v1", "kind": "KubeVirt", "metadata": {"name": "kubevirt"}, "spec": {},
        }))],
        ..Sight::default()
    };
    for (id, server) in &decision.fleet.servers {
        let uid = format!("uid-{}", id.name);
        let meta = |uid: &str, labels: Value| json!({"name": *id.name, "namespace": *id.namespace, "uid": uid, "labels": labels});
        let labels = json!({"raidc.dev/server": *id.name, "raidc.dev/server-uid": uid});
        let node = server.current.as_ref().and_then(|current| current.host.clone());
        sight.servers.insert(
            id.clone(),
            from(json!({
                "apiVersion": "raidc.dev/v1alpha1", "kind": "VirtualServer",
                "metadata": meta(&uid, json!({})), "spec": {"image": "debian-13", "size": "s-1"},
            })),
        );
        sight.machines.insert(
            id.clone(),
            from(json!({
                "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine",
                "metadata": meta(&format!("vm-{}", id.name), labels.clone()), "spec": {},
            })),
        );
        let run = json!({
            "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance",
            "metadata": meta(&format!("run-{}", id.name), labels), "spec": {},
            "status": {
                "phase": "Running",
                "nodeName": node.map(|node| node.to_string()),
                "conditions": [{"type": "LiveMigratable", "status": "True"}],
            },
        });
        sight.instances.insert(id.clone(), from(run));
    }
    sight.decision = Arc::new(decision);
    sight
}

/// An order of ours for that server, so many minutes old.
pub(crate) fn order(
    server: &str,
    from_host: &str,
    to: &str,
    phase: &str,
    minutes: i64,
) -> Arc<VirtualMachineInstanceMigration> {
    let uid = format!("uid-{server}");
    let owner = Owner {
        namespace: "kuldiga",
        name: server,
        uid: &uid,
    };
    let mut body = migration::migration(owner, &format!("run-{server}"), from_host, to);
    let began = now() - SignedDuration::from_mins(minutes);
    body["metadata"]["creationTimestamp"] = json!(began.to_string());
    body["metadata"]["uid"] = json!(format!("order-{server}-{minutes}"));
    body["status"] = json!({"phase": phase});
    from(body)
}

fn change_instance(sight: &mut Sight, name: &str, change: impl FnOnce(&mut VirtualMachineInstance)) {
    let instance = sight.instances.get_mut(&id(name)).expect("an instance");
    change(Arc::make_mut(instance));
}

fn reason(sight: &Sight) -> &'static str {
    next(sight, &limits(), now()).map_or_else(|still| still.reason, |_| "moved")
}

#[test]
fn a_host_that_could_be_emptied_within_its_rack_never_stays_on() {
    let step = next(&sight(worlds::scattered()), &limits(), now()).expect("a move");
    assert_eq!(step.watts, 100);
    assert_ne!(step.from, step.to);
    for host in [&step.from, &step.to] {
        assert!(host.as_str().starts_with("talsi-"), "{host}");
    }
    assert_eq!(step.server_uid, format!("uid-{}", step.server.name));
    assert_eq!(step.instance_uid, format!("run-{}", step.server.name));
}

#[test]
fn nothing_moves_to_another_site_for_the_sake_of_watts() {
    // A proposal would take these to where their copies are.
    assert_eq!(reason(&sight(worlds::steady())), "NothingToGain");
}

#[test]
fn nothing_moves_while_anything_moves_or_the_plan_does_not_know_where_something_is() {
    let mut ours = sight(worlds::scattered());
    for phase in ["", "Pending", "Running"] {
        ours.migrations = vec![order("a", "talsi-h1", "talsi-h2", phase, 1)];
        assert_eq!(reason(&ours), "UnderWay", "{phase}");
    }
    let mut others = sight(worlds::scattered());
    others.migrations = vec![from(json!({
        "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstanceMigration",
        "metadata": {"name": "evacuation", "namespace": "elsewhere"}, "spec": {"vmiName": "x"},
    }))];
    assert_eq!(reason(&others), "UnderWay");
    let mut arrived = sight(worlds::scattered());
    arrived.migrations = vec![order("a", "talsi-h1", "talsi-h2", "Succeeded", 1)];
    change_instance(&mut arrived, "a", |run| {
        run.status.as_mut().expect("a status").node_name = Some("talsi-h2".to_owned());
    });
    assert_eq!(reason(&arrived), "NotInThePlanYet");
}

#[test]
fn nothing_moves_while_something_is_wrong() {
    let mut decision = worlds::scattered();
    if let Some(host) = decision.fleet.hosts.get_mut(&"saldus-h1".into()) {
        host.usable = HostUse::NotReady;
    }
    assert_eq!(reason(&sight(decision)), "NoMoment");
}

#[test]
fn nothing_moves_where_a_new_host_would_ask_for_a_restart() {
    let mut staged = sight(worlds::scattered());
    Arc::make_mut(&mut staged.kubevirts[0])
        .spec
        .configuration
        .vm_rollout_strategy = Some("Stage".to_owned());
    assert_eq!(reason(&staged), "NoLiveUpdate");
    staged.kubevirts.clear();
    assert_eq!(reason(&staged), "KubeVirtUnreadable");
}

#[test]
fn no_budget_is_ever_exceeded() {
    let mut spent = sight(worlds::scattered());
    // Of servers that are gone by now: the budget is the fleet's.
    spent.migrations = vec![
        order("x", "h", "i", "Succeeded", 10),
        order("y", "h", "i", "Failed", 59),
    ];
    assert_eq!(reason(&spent), "BudgetSpent");
    spent.migrations[1] = order("y", "h", "i", "Failed", 61);
    assert_eq!(reason(&spent), "moved");
}

#[test]
fn a_server_that_moved_lately_is_never_moved_again_and_after_a_failure_even_less() {
    let both = |phase: &str, hours: i64| {
        let mut sight = sight(worlds::scattered());
        // Back where they were, by whatever hand.
        sight.migrations = ["a", "b"]
            .map(|name| order(name, "talsi-h2", "talsi-h1", phase, hours * 60))
            .to_vec();
        reason(&sight)
    };
    assert_eq!(both("Failed", 11), "NothingToGain");
    assert_eq!(both("Failed", 47), "NothingToGain");
    assert_eq!(both("Failed", 49), "moved");
    assert_eq!(both("Succeeded", 11), "NothingToGain");
    let mut later = sight(worlds::scattered());
    later.migrations = ["a", "b"]
        .map(|name| order(name, "elsewhere", "gone", "Succeeded", 13 * 60))
        .to_vec();
    assert_eq!(reason(&later), "moved");
}

#[test]
fn no_server_that_cannot_move_live_is_ever_moved() {
    let stuck = |change: &dyn Fn(&mut VirtualMachineInstance)| {
        let mut sight = sight(worlds::scattered());
        for name in ["a", "b"] {
            change_instance(&mut sight, name, change);
        }
        reason(&sight)
    };
    let status = |run: &mut VirtualMachineInstance| run.status.clone().expect("a status");
    assert_eq!(
        stuck(
            &|run| run.status = Some(crate::foreign::kubevirt::VirtualMachineInstanceStatus {
                conditions: vec![],
                ..status(run)
            })
        ),
        "NothingToGain"
    );
    assert_eq!(
        stuck(
            &|run| run.status = Some(crate::foreign::kubevirt::VirtualMachineInstanceStatus {
                phase: Some("Scheduling".to_owned()),
                ..status(run)
            })
        ),
        "NothingToGain"
    );
    assert_eq!(
        stuck(
            &|run| run.status = Some(crate::foreign::kubevirt::VirtualMachineInstanceStatus {
                evacuation_node_name: Some("h".to_owned()),
                ..status(run)
            })
        ),
        "NothingToGain"
    );
    assert_eq!(
        stuck(&|run| {
            run.metadata.labels = None;
        }),
        "NothingToGain"
    );
    let mut off = sight(worlds::scattered());
    off.instances.clear();
    assert_eq!(reason(&off), "NothingToGain");
    let mut restart = sight(worlds::scattered());
    for machine in restart.machines.values_mut() {
        Arc::make_mut(machine).status = Some(crate::foreign::kubevirt::VirtualMachineStatus {
            conditions: vec![crate::foreign::kubevirt::LooseCondition {
                type_: "RestartRequired".to_owned(),
                status: "True".to_owned(),
                ..Default::default()
            }],
            ..Default::default()
        });
    }
    assert_eq!(reason(&restart), "NothingToGain");
}

#[test]
fn nothing_moves_to_or_from_a_host_that_is_not_what_the_plan_has() {
    let mut elsewhere = sight(worlds::scattered());
    change_instance(&mut elsewhere, "a", |run| {
        run.status.as_mut().expect("a status").node_name = Some("talsi-h2".to_owned());
    });
    assert_eq!(reason(&elsewhere), "NothingToGain");
}

#[test]
fn a_saving_that_is_not_worth_it_is_never_taken() {
    let limits = Limits {
        least_watts: 101,
        ..limits()
    };
    let still = next(&sight(worlds::scattered()), &limits, now()).expect_err("too little");
    assert_eq!(still.reason, "NothingToGain");
}

/// Two servers in one rack, each on a host of its own, and the rack without watts for a third.
#[test]
fn nothing_gives_way_while_a_server_counts_at_both_hosts() {
    let mut fleet = worlds::empty();
    // Room for both on one host, but not for one of them twice in the rack's watts.
    for (name, host) in [("a", "talsi-h1"), ("b", "talsi-h2")] {
        let alone = raidc_planner::Server {
            copies: 1,
            cpu_milli: 12_000,
            current: Some(Placement {
                site: "talsi".into(),
                rack: "talsi-r1".into(),
                host: Some(host.into()),
                ..Placement::default()
            }),
            ..worlds::server()
        };
        fleet.servers.insert(id(name), alone);
    }
    for site in fleet.sites.values_mut() {
        site.cpu_overcommit_percent = 100;
        site.ceiling_percent = 100;
    }
    let tight = |watts: i64| {
        let mut fleet = fleet.clone();
        if let Some(rack) = fleet.racks.get_mut(&"talsi-r1".into()) {
            for feed in &mut rack.feeds {
                feed.watts = watts;
            }
        }
        for host in fleet.hosts.values_mut() {
            *host = Host {
                idle_watts: 100,
                max_watts: 420,
                ..host.clone()
            };
        }
        reason(&sight(worlds::decided(fleet, 1)))
    };
    assert_eq!(tight(2_000), "moved");
    // 200 W for two hosts that are on and 10 W for each core: 440 W now, 560 W meanwhile, of which four fifths of a feed count.
    assert_eq!(tight(600), "NoRoomMeanwhile");
}

#[test]
fn an_order_never_goes_while_it_carries_something_and_never_stays_for_ever() {
    let all = [
        order("a", "h", "i", "Succeeded", 11 * 60),
        order("b", "h", "i", "Succeeded", 13 * 60),
        order("c", "h", "i", "Failed", 13 * 60),
        order("d", "h", "i", "Failed", 49 * 60),
        order("e", "h", "i", "Running", 99 * 60),
    ];
    let gone = |limits: &Limits| {
        let over = over(&all, limits, now());
        over.iter()
            .filter_map(|order| moving::read(order))
            .map(|m| m.server.name.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(gone(&limits()), ["b", "d"]);
    let short = Limits {
        rest: SignedDuration::from_mins(1),
        rest_after_failure: SignedDuration::from_mins(1),
        ..limits()
    };
    let young = over(&[order("a", "h", "i", "Succeeded", 30)], &short, now());
    assert_eq!(young, vec![], "it still counts against the budget");
}
