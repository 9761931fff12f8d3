//! The status that a kubelet reports for a pod in each phase. No I/O.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::addresses;
use super::engine::Seen;
use super::value::{Look, hash, rfc3339, with_condition};

/// All containers run.
pub(crate) fn running(pod: &Seen, host_address: &str, now: Timestamp) -> Value {
    let at = rfc3339(now);
    let done =
        json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": at, "finishedAt": at}});
    let up = json!({"running": {"startedAt": at}});
    let address = addresses::pod(pod.uid());
    let mut status = json!({
        "phase": "Running",
        "hostIP": host_address,
        "hostIPs": [{"ip": host_address}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": at,
        "containerStatuses": containers(pod, "/spec/containers", |_| up.clone(), true, 0),
        "conditions": conditions(pod, true, now),
    });
    if !pod.list("/spec/initContainers").is_empty() {
        // A container that restarts always is a sidecar: it goes on.
        let state = |c: &Value| {
            if c["restartPolicy"] == "Always" {
                up.clone()
            } else {
                done.clone()
            }
        };
        status["initContainerStatuses"] = containers(pod, "/spec/initContainers", state, true, 0);
    }
    status
}

/// All containers have ended.
pub(crate) fn ended(pod: &Seen, ok: bool, reason: &str, now: Timestamp) -> Value {
    let began = pod.text("/status/startTime");
    let state = json!({"terminated": {
        "exitCode": i32::from(!ok),
        "reason": reason,
        "startedAt": if began.is_empty() { rfc3339(now) } else { began.to_owned() },
        "finishedAt": rfc3339(now),
    }});
    json!({
        "phase": if ok { "Succeeded" } else { "Failed" },
        "containerStatuses": containers(pod, "/spec/containers", |_| state.clone(), false, restarts(pod)),
        "conditions": conditions(pod, false, now),
    })
}

/// The containers were started again after their host was.
pub(crate) fn restarted(pod: &Seen, now: Timestamp) -> Value {
    let up = json!({"running": {"startedAt": rfc3339(now)}});
    json!({
        "phase": "Running",
        "containerStatuses": containers(pod, "/spec/containers", |_| up.clone(), true, restarts(pod) + 1),
        "conditions": conditions(pod, true, now),
    })
}

/// Conditions of a pod whose containers run or have ended; readiness gates count as kubelet counts them.
pub(crate) fn conditions(pod: &Seen, alive: bool, now: Timestamp) -> Vec<Value> {
    let gates_open = pod.list("/spec/readinessGates").iter().all(|gate| {
        gate["conditionType"]
            .as_str()
            .is_some_and(|name| pod.condition(name) == "True")
    });
    let condition = |kind: &str, ok: bool, reason: &str| {
        let mut condition =
            json!({"type": kind, "status": if ok { "True" } else { "False" }, "lastProbeTime": null});
        if !ok {
            condition["reason"] = reason.into();
        }
        condition
    };
    let why = if alive {
        "ReadinessGatesNotReady"
    } else {
        "PodCompleted"
    };
    let wanted = [
        condition("PodReadyToStartContainers", alive, why),
        condition("Initialized", true, ""),
        condition("Ready", alive && gates_open, why),
        condition("ContainersReady", alive, why),
    ];
    let now_have = pod.list("/status/conditions").to_vec();
    wanted
        .into_iter()
        .fold(now_have, |all, wanted| with_condition(&all, wanted, now))
}

/// Whether the reported readiness is what the gates say.
pub(crate) fn readiness_is_stale(pod: &Seen, now: Timestamp) -> bool {
    let wanted = conditions(pod, true, now);
    let ready = wanted
        .iter()
        .find(|c| c["type"] == "Ready")
        .and_then(|c| c["status"].as_str());
    ready != Some(pod.condition("Ready")) || pod.condition("ContainersReady") != "True"
}

fn restarts(pod: &Seen) -> i64 {
    let counts = pod.list("/status/containerStatuses").iter();
    counts
        .filter_map(|c| c["restartCount"].as_i64())
        .max()
        .unwrap_or_default()
}

fn containers(pod: &Seen, path: &str, state: impl Fn(&Value) -> Value, ready: bool, restarts: i64) -> Value {
    let status = |c: &Value| {
        let (name, image) = (
            c["name"].as_str().unwrap_or_default(),
            c["image"].as_str().unwrap_or_default(),
        );
        json!({
            "name": name,
            "image": image,
            "imageID": format!("sim://{:016x}", hash(image)),
            "containerID": format!("sim://{:016x}", hash(&format!("{}/{name}/{restarts}", pod.uid()))),
            "ready": ready,
            "started": ready,
            "restartCount": restarts,
            "state": state(c),
            "lastState": {},
        })
    };
    pod.list(path).iter().map(status).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::value::object;
    use std::sync::Arc;

    fn pod(gate: Option<&str>) -> Seen {
        let mut pod = json!({
            "metadata": {"name": "p", "namespace": "t", "uid": "u"},
            "spec": {"containers": [{"name": "compute", "image": "launcher:1"}],
                     "readinessGates": [{"conditionType": "kubevirt.io/virtual-machine-unpaused"}]},
            "status": {"conditions": [{"type": "PodScheduled", "status": "True"}]},
        });
        if let Some(status) = gate {
            let condition = json!({"type": "kubevirt.io/virtual-machine-unpaused", "status": status});
            pod["status"]["conditions"]
                .as_array_mut()
                .expect("a list")
                .push(condition);
        }
        Arc::new(object(pod))
    }

    fn ready(status: &Value) -> &str {
        let conditions = status["conditions"].as_array().expect("conditions");
        conditions
            .iter()
            .find(|c| c["type"] == "Ready")
            .and_then(|c| c["status"].as_str())
            .expect("ready")
    }

    #[test]
    fn a_pod_is_not_ready_before_its_gates_are_open() {
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(ready(&running(&pod(None), "127.1.0.1", now)), "False");
        assert_eq!(ready(&running(&pod(Some("False")), "127.1.0.1", now)), "False");
        let open = running(&pod(Some("True")), "127.1.0.1", now);
        assert_eq!((ready(&open), &open["phase"]), ("True", &json!("Running")));
        assert_eq!(open["containerStatuses"][0]["ready"], json!(true));
    }

    #[test]
    fn what_the_scheduler_said_is_kept() {
        let status = ended(&pod(None), false, "Error", Timestamp::UNIX_EPOCH);
        assert_eq!(status["conditions"][0]["type"], "PodScheduled");
        assert_eq!((&status["phase"], ready(&status)), (&json!("Failed"), "False"));
    }
}
