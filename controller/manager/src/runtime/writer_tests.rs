//! Nothing is written needlessly, without the claim, or to another object than was meant.

use super::*;
use crate::inventory::stores::Stores;
use crate::reconcile::status::{self, Outcome};
use crate::runtime::clock::SystemClock;
use crate::runtime::context::Decision;
use crate::runtime::testing::{Hand, answer, ctx, ctx_at, mock};
use raidc_crds::Site;
use raidc_crds::site::SiteStatus;

fn site(status: &Value) -> Site {
    serde_json::from_value(json!({
        "apiVersion": "raidc.dev/v1alpha1", "kind": "Site",
        "metadata": {"name": "talsi", "uid": "u1", "generation": 3, "resourceVersion": "9"},
        "spec": {"storage": {"class": "fast"}}, "status": status,
    }))
    .unwrap()
}

fn wanted(message: &str) -> SiteStatus {
    SiteStatus {
        observed_generation: 3,
        conditions: Outcome::ready(message).conditions(Some(3), "2026-11-22T00:00:00Z".parse().unwrap()),
        servers: Some(4),
        ..SiteStatus::default()
    }
}

#[tokio::test]
async fn no_write_when_nothing_changes_and_one_when_something_does() {
    let (client, mut server) = mock();
    let ctx = ctx(client, Stores::default(), Decision::default());
    let mut before = serde_json::to_value(wanted("fine")).unwrap();
    before["conditions"][0]["lastTransitionTime"] = json!("2020-01-01T00:00:00Z");
    let object = site(&before);
    // Nobody answers at the other end: a call would fail.
    let wrote = status::write(&ctx, &status::SITE, &object, &wanted("fine"))
        .await
        .unwrap();
    assert!(!wrote, "nothing changed");

    let changed = wanted("better");
    let call = status::write(&ctx, &status::SITE, &object, &changed);
    let reply = serde_json::to_value(&object).unwrap();
    let (wrote, (method, path, body)) = tokio::join!(call, answer(&mut server, 200, &reply));
    assert!(wrote.unwrap());
    assert_eq!(method, "PATCH");
    assert!(
        path.starts_with("/apis/raidc.dev/v1alpha1/sites/talsi/status?"),
        "{path}"
    );
    assert!(path.contains("fieldManager=raidc%2Fsite"), "{path}");
    assert_eq!(body["metadata"]["uid"], "u1");
    assert!(body.get("spec").is_none(), "the spec is the user's");
    // The status of the condition is the same, so that its transition time is.
    assert_eq!(
        body["status"]["conditions"][0]["lastTransitionTime"],
        "2020-01-01T00:00:00Z"
    );
}

#[tokio::test]
async fn words_alone_are_never_written_more_than_once_a_minute_nor_left_old() {
    let (client, mut server) = mock();
    let clock = Hand::new();
    let ctx = ctx_at(client, Stores::default(), Decision::default(), clock.clone());
    let mut held = ctx.words.held();
    let says = |message: &str| site(&serde_json::to_value(wanted(message)).unwrap());
    let (fine, better) = (says("fine"), says("better"));
    let reply = serde_json::to_value(&better).unwrap();
    let call = wanted("better");
    let call = status::write(&ctx, &status::SITE, &fine, &call);
    let (wrote, _) = tokio::join!(call, answer(&mut server, 200, &reply));
    assert!(wrote.unwrap());

    // Nobody answers at the other end: a call would fail.
    clock.pass(20);
    for words in ["best", "better", "best"] {
        assert!(
            !status::write(&ctx, &status::SITE, &better, &wanted(words))
                .await
                .unwrap()
        );
    }
    let look = held.try_recv().unwrap();
    assert_eq!(
        (look.kind.as_str(), look.name.as_str(), look.wait.as_secs()),
        ("Site", "talsi", 40)
    );
    // What is more than words does not wait.
    let more = SiteStatus {
        servers: Some(5),
        ..wanted("best")
    };
    let call = status::write(&ctx, &status::SITE, &better, &more);
    let (wrote, (_, _, body)) = tokio::join!(call, answer(&mut server, 200, &reply));
    assert!(wrote.unwrap());
    assert_eq!(body["status"]["conditions"][0]["message"], "best");

    clock.pass(40);
    let best = wanted("best");
    let call = status::write(&ctx, &status::SITE, &better, &best);
    let (wrote, _) = tokio::join!(call, answer(&mut server, 200, &reply));
    assert!(
        wrote.unwrap(),
        "the look that was asked for finds that it may be written"
    );
}

#[tokio::test]
async fn an_edge_is_told_once_and_never_again_while_it_lasts() {
    let (client, mut server) = mock();
    let ctx = ctx(client, Stores::default(), Decision::default());
    let object = site(&serde_json::to_value(wanted("fine")).unwrap());
    let stalled = SiteStatus {
        conditions: Outcome::stalled("UnknownStorageClass", "create it")
            .conditions(Some(3), "2026-11-22T00:00:00Z".parse().unwrap()),
        ..wanted("")
    };
    let call = status::write(&ctx, &status::SITE, &object, &stalled);
    let written = serde_json::to_value(&object).unwrap();
    let answers = async {
        let status = answer(&mut server, 200, &written).await;
        (status, answer(&mut server, 201, &json!({"metadata": {}})).await)
    };
    let (wrote, ((method, _, _), (verb, path, event))) = tokio::join!(call, answers);
    assert!(wrote.unwrap());
    assert_eq!((method.as_str(), verb.as_str()), ("PATCH", "POST"));
    assert!(
        path.starts_with("/apis/events.k8s.io/v1/namespaces/default/events"),
        "{path}"
    );
    assert_eq!(
        (&event["type"], &event["reason"]),
        (&json!("Warning"), &json!("UnknownStorageClass"))
    );
    assert_eq!(
        (&event["action"], &event["note"]),
        (&json!("Ready"), &json!("create it"))
    );
    // The watch has not shown it yet: nobody answers at the other end, and a call would fail.
    assert!(
        !status::write(&ctx, &status::SITE, &object, &stalled)
            .await
            .unwrap()
    );
    let seen = site(&serde_json::to_value(&stalled).unwrap());
    assert!(!status::write(&ctx, &status::SITE, &seen, &stalled).await.unwrap());
}

#[tokio::test]
async fn another_managers_part_is_never_sent() {
    let server: raidc_crds::VirtualServer = serde_json::from_value(json!({
        "apiVersion": "raidc.dev/v1alpha1", "kind": "VirtualServer",
        "metadata": {"name": "web", "namespace": "n"}, "spec": {"size": "m", "image": "i"},
        "status": {"observedGeneration": 1, "site": "talsi", "rack": "r1", "conditions": [
            {"type": "Placed", "status": "True", "reason": "Placed", "message": "", "lastTransitionTime": "2020-01-01T00:00:00Z"},
            {"type": "Ready", "status": "True", "reason": "AsAsked", "message": "", "lastTransitionTime": "2020-01-01T00:00:00Z"},
        ]},
    }))
    .unwrap();
    let have = serde_json::to_value(&server).unwrap()["status"].clone();
    let everything =
        json!({"site": "kuldiga", "node": "k1", "observedGeneration": 1, "conditions": have["conditions"]});
    let sent = status::SERVER.change(&have, &everything).unwrap();
    assert_eq!(sent["node"], "k1");
    assert!(sent.get("site").is_none());
    assert_eq!(sent["conditions"].as_array().unwrap().len(), 1);
    let sent = status::SERVER_PLACEMENT.change(&have, &everything).unwrap();
    assert_eq!(sent["site"], "kuldiga");
    assert!(sent.get("rack").is_none() && sent.get("node").is_none());
}

#[tokio::test]
async fn an_expired_claim_refuses_writes() {
    let (client, _server) = mock();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let claim = Claim::default();
    let writer = Writer::new(
        client,
        claim.clone(),
        Arc::clone(&clock),
        Arc::new(Metrics::new()),
    );
    let object = site(&Value::Null);
    for _ in 0..2 {
        let refused = [
            writer.apply("raidc/site", &object).await.map(|_| ()),
            writer
                .apply_status("raidc/site", &object, json!({}), None)
                .await
                .map(|_| ()),
            writer.delete(&object).await,
            writer.add_finalizer(&object, "raidc.dev/site").await,
        ];
        assert!(
            refused
                .iter()
                .all(|result| matches!(result, Err(Error::NotLeader)))
        );
        claim.extend(clock.monotonic());
    }
}

#[tokio::test]
async fn no_answer_is_unknown_and_never_failed() {
    let (client, mut server) = mock();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let claim = Claim::default();
    let writer = Writer::new(
        client,
        claim.clone(),
        Arc::clone(&clock),
        Arc::new(Metrics::new()),
    );
    // No call outlasts the claim, so that a short claim is a short wait.
    claim.extend(clock.monotonic() + Duration::from_millis(200));
    let object = site(&Value::Null);
    // The request is taken and never answered.
    let (written, taken) = tokio::join!(writer.apply("raidc/site", &object), server.next_request());
    assert!(matches!(written, Err(Error::Unknown { .. })), "{written:?}");
    assert!(taken.is_some());
}

#[tokio::test]
async fn an_object_made_anew_under_the_same_name_is_never_deleted() {
    let (client, mut server) = mock();
    let ctx = ctx(client, Stores::default(), Decision::default());
    let mut other = serde_json::to_value(site(&Value::Null)).unwrap();
    other["metadata"]["uid"] = json!("u2");
    let old = site(&Value::Null);
    let (deleted, (method, ..)) = tokio::join!(ctx.writer.delete(&old), answer(&mut server, 200, &other));
    assert_eq!((deleted.is_ok(), method.as_str()), (true, "GET"));

    // The same object is deleted as it was just read, and no other version of it.
    let same = serde_json::to_value(&old).unwrap();
    let both = async {
        answer(&mut server, 200, &same).await;
        answer(&mut server, 200, &json!({"kind": "Status", "status": "Success"})).await
    };
    let (deleted, (method, _, body)) = tokio::join!(ctx.writer.delete(&old), both);
    assert_eq!((deleted.is_ok(), method.as_str()), (true, "DELETE"));
    assert_eq!(
        body["preconditions"],
        json!({"uid": "u1", "resourceVersion": "9"})
    );
}

/// The body that is sent when `object` is applied over `live`.
async fn sent_over<K: Object>(object: &K, live: Option<&K>) -> Option<Value> {
    let (client, mut server) = mock();
    let ctx = ctx(client, Stores::default(), Decision::default());
    let reply = to_json(object).unwrap();
    let apply = ctx.writer.apply_over("raidc/server", object, live);
    let asked = async {
        let next = tokio::time::timeout(Duration::from_millis(200), server.next_request()).await;
        let (request, answer) = next.ok()??;
        let body = request.into_body().collect_bytes().await.unwrap();
        answer.send_response(http::Response::new(kube::client::Body::from(
            serde_json::to_vec(&reply).unwrap(),
        )));
        Some(serde_json::from_slice(&body).unwrap())
    };
    let (applied, sent) = tokio::join!(apply, asked);
    assert_eq!(matches!(applied.unwrap(), Applied::Unchanged), sent.is_none());
    sent
}

/// The live object after `body` was applied to it, with what others keep there.
fn live_after<K: Object>(body: &Value) -> K {
    let mut live = body.clone();
    live["metadata"]["uid"] = json!("u1");
    live["metadata"]["labels"]["theirs"] = json!("stays");
    serde_json::from_value(live).unwrap()
}

#[tokio::test]
async fn what_the_live_object_has_is_never_applied_again() {
    let wanted = site(&Value::Null);
    let first = sent_over(&wanted, None).await.unwrap();
    assert!(first.get("status").is_none() && first["metadata"].get("resourceVersion").is_none());
    let live: Site = live_after(&first);
    assert_eq!(sent_over(&wanted, Some(&live)).await, None);
    let mut drifted = live.clone();
    drifted.spec.ceiling_percent = 10;
    assert!(sent_over(&wanted, Some(&drifted)).await.is_some());
    // One of an earlier version of ours has no mark and is applied once.
    let mut unmarked = live;
    unmarked.metadata.annotations = None;
    assert_eq!(sent_over(&wanted, Some(&unmarked)).await, Some(first));
}

#[tokio::test]
async fn what_we_no_longer_want_is_never_left_behind() {
    use crate::executors::{Owner, kubevirt, volsync};
    use crate::foreign::kubevirt::VirtualMachine;
    use crate::foreign::volsync::ReplicationSource;
    let owner = Owner {
        namespace: "kuldiga",
        name: "registry",
        uid: "0b9b4e3e-6a53-4f0f-8f5d-0d5f3a9c2f11",
    };
    let copies = ["talsi".to_owned()];
    let machine = |apart, copy_sites| -> VirtualMachine {
        serde_json::from_value(kubevirt::machine(&kubevirt::Machine {
            owner,
            on: true,
            size: kubevirt::Size::Instancetype("m-4"),
            disks: vec![],
            first_boot: kubevirt::FirstBoot::Keys(&[]),
            networks: vec![],
            site: "kuldiga",
            rack: "kuldiga-r1",
            host: None,
            backup: None,
            copy_sites,
            epoch: 1,
            apart,
        }))
        .unwrap()
    };
    let apart = kubevirt::ApartFrom {
        group: "registry-db",
        domain: None,
    };
    let first = sent_over(&machine(Some(apart), &copies), None).await.unwrap();
    let live = live_after(&first);
    assert_eq!(sent_over(&machine(Some(apart), &copies), Some(&live)).await, None);
    let sent = sent_over(&machine(None, &[]), Some(&live)).await.unwrap();
    assert!(
        sent.pointer("/spec/template/spec/affinity/podAntiAffinity")
            .is_none()
    );
    assert!(
        sent["metadata"]["annotations"]
            .get(raidc_crds::names::COPY_SITES_ANNOTATION)
            .is_none()
    );
    assert!(
        sent.pointer("/spec/template/metadata/annotations").is_none(),
        "a mark on the template would ask for a restart"
    );

    let source = |schedule, transfer_class| -> ReplicationSource {
        let pair = volsync::Pair {
            owner,
            disk: "root",
            site: "talsi",
        };
        serde_json::from_value(pair.source(&volsync::Source {
            claim: "registry-root",
            address: "10.0.0.1",
            port: None,
            key_secret: "key",
            snapshot_class: None,
            transfer_class,
            schedule,
        }))
        .unwrap()
    };
    let first = sent_over(&source(Some("3-59/6 * * * *"), Some("scratch")), None).await;
    let live = live_after(&first.unwrap());
    let sent = sent_over(&source(None, None), Some(&live)).await.unwrap();
    assert!(sent["spec"].get("trigger").is_none());
    assert!(sent["spec"]["rsyncTLS"].get("storageClassName").is_none());
}

#[tokio::test]
async fn a_hole_in_a_tenants_wall_is_never_left_open() {
    use crate::executors::tenancy::network_policies;
    use k8s_openapi::api::networking::v1::NetworkPolicy;
    let holes = [
        json!({"podSelector": {}, "policyTypes": ["Egress", "Ingress"], "ingress": [{}]}),
        json!({"podSelector": {"matchLabels": {"app": "none"}}, "policyTypes": ["Egress", "Ingress"]}),
    ];
    let [deny, ..] = network_policies("kuldiga", "kuldiga");
    let wanted: NetworkPolicy = serde_json::from_value(deny).unwrap();
    let mut marked = to_json(&wanted).unwrap();
    applied::mark(&mut marked);
    for hole in holes {
        let (client, mut server) = mock();
        let ctx = ctx(client, Stores::default(), Decision::default());
        // As the API server gives it back: without empty lists.
        let mut live: NetworkPolicy = serde_json::from_value(marked.clone()).unwrap();
        live.spec =
            serde_json::from_value(json!({"podSelector": {}, "policyTypes": ["Egress", "Ingress"]})).unwrap();
        let writer = &ctx.writer;
        let unchanged = writer
            .apply_exactly_over("raidc/tenant", &wanted, Some(&live))
            .await;
        assert_eq!(unchanged.unwrap(), Applied::Unchanged);
        live.spec = serde_json::from_value(hole).unwrap();
        let apply = writer.apply_exactly_over("raidc/tenant", &wanted, Some(&live));
        let (applied, (method, _, body)) = tokio::join!(apply, answer(&mut server, 200, &marked));
        assert!(matches!(applied.unwrap(), Applied::Written(_)));
        assert_eq!((method.as_str(), &body["spec"]["ingress"]), ("PATCH", &json!([])));
    }
}
