//! What is said of a server whose host or site has fallen silent.

use super::*;
use crate::inventory::silence::Silence;
use crate::inventory::watched::Watched;
use crate::reconcile::virtual_server::silent::SilentHost;

fn silent(silence: Silence) -> SilentHost {
    SilentHost {
        node: "kuldiga-r1-h1".into(),
        has_run: true,
        silence,
        since: "2026-11-22T11:48:10Z".parse().ok(),
    }
}

/// The machine of a host that is not heard of: KubeVirt repeats its last words, and Kubernetes has marked the pod as not ready.
fn last_seen_running() -> World {
    let mut world = running();
    world.machine = of(json!({"metadata": {"name": "web", "generation": 2}, "spec": {},
        "status": {"created": true, "printableStatus": "Running", "desiredGeneration": 2}}));
    world.instance = of(json!({"metadata": {"name": "web"}, "spec": {}, "status": {
        "phase": "Running", "nodeName": "kuldiga-r1-h1", "conditions": [{"type": "Ready", "status": "False"}]}}));
    world.told.site = Some(State::Active);
    world
}

fn ready(server: &VirtualServer, world: &World) -> (String, String, String) {
    let protected = crate::reconcile::virtual_server::protected(server, world, now());
    let status = report(server, world, None, &[], &protected, now()).status;
    let list = status["conditions"].as_array().cloned().unwrap_or_default();
    let ready = list.into_iter().find(|c| c["type"] == "Ready").expect("Ready");
    let text = |key: &str| ready[key].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"), text("message"))
}

#[test]
fn a_server_on_a_silent_host_never_says_that_it_starts() {
    let server = server(&minimal(), &placed());
    let mut world = last_seen_running();
    world.silent = Some(silent(Silence::Unheard));
    let (status, reason, message) = ready(&server, &world);
    assert_eq!((status.as_str(), reason.as_str()), ("False", "HostUnreadable"));
    for part in [
        "host kuldiga-r1-h1 at site kuldiga has not been heard of since 2026-11-22 11:48 UTC",
        "is not known",
        "without a Failover",
        "kubectl describe node kuldiga-r1-h1",
        "node.kubernetes.io/out-of-service",
    ] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
    assert!(
        !message.contains("KubeVirt says") && !message.contains("starting"),
        "{message}"
    );
    // What was said of it before the host fell silent is no news of how it is now.
    world = running();
    world.silent = Some(silent(Silence::Unheard));
    let (status, reason, message) = ready(&server, &world);
    assert_eq!((status.as_str(), reason.as_str()), ("False", "HostUnreadable"));
    assert!(message.contains("it ran when last seen"), "{message}");
    world.silent = Some(silent(Silence::Gone));
    let (_, reason, message) = ready(&server, &world);
    assert_eq!(reason, "HostUnreadable");
    assert!(message.contains("no longer in the cluster"), "{message}");
    assert!(!message.contains("out-of-service"), "{message}");
}

#[test]
fn a_silent_host_never_speaks_for_a_server_that_answers_or_is_not_there() {
    let server = server(&minimal(), &placed());
    // Its kubelet speaks, and says that something is wrong with the node: what it says of the machine is news.
    let mut world = running();
    world.silent = Some(silent(Silence::NotReady));
    assert_eq!(ready(&server, &world).1, "Running");
    world = last_seen_running();
    world.silent = Some(silent(Silence::NotReady));
    let (_, reason, message) = ready(&server, &world);
    assert_eq!(reason, "HostUnreadable");
    assert!(message.contains("has not been ready since"), "{message}");
    // The host where it is to be is silent, and the machine has no run yet: Kubernetes finds it another one of the rack.
    world.instance = None;
    world.silent = Some(SilentHost {
        has_run: false,
        ..silent(Silence::Unheard)
    });
    assert_eq!(ready(&server, &world).1, "Starting");
}

#[test]
fn a_dark_site_names_the_host_since_when_and_what_to_do() {
    let server = server(&minimal(), &placed());
    let mut world = last_seen_running();
    world.told.site = Some(State::Unknown);
    world.silent = Some(silent(Silence::Unheard));
    let (status, reason, message) = ready(&server, &world);
    assert_eq!((status.as_str(), reason.as_str()), ("False", "HostsUnreadable"));
    for part in [
        "host kuldiga-r1-h1 at site kuldiga has not been heard of since 2026-11-22 11:48 UTC, and no host of site kuldiga is ready",
        "without a Failover",
        "kubectl describe site kuldiga",
    ] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
}

#[tokio::test]
async fn a_host_is_never_called_silent_while_its_node_answers() {
    let node = |ready: &str| {
        let body = json!({"metadata": {"name": "kuldiga-r1-h1"}, "status": {"conditions": [
            {"type": "Ready", "status": ready, "lastTransitionTime": "2026-11-22T11:48:10Z"}]}});
        serde_json::from_value::<k8s_openapi::api::core::v1::Node>(body).expect("a node")
    };
    let server = server(&minimal(), &placed());
    let gathered = |nodes| {
        let stores = crate::inventory::stores::Stores {
            nodes,
            ..Default::default()
        };
        let (client, _server) = crate::runtime::testing::mock();
        let ctx = crate::runtime::testing::ctx(client, stores, crate::Decision::default());
        crate::reconcile::virtual_server::gather::gather(&ctx, &server).silent
    };
    assert_eq!(gathered(Watched::holding([node("True")])), None);
    let expected = Some(SilentHost {
        has_run: false,
        ..silent(Silence::Unheard)
    });
    assert_eq!(gathered(Watched::holding([node("Unknown")])), expected);
    assert_eq!(
        gathered(Watched::default()),
        None,
        "nodes that were not read are not gone"
    );
}
