//! Nothing is written needlessly, without the claim, or to another object than was meant.

use super::*;
use crate::inventory::stores::Stores;
use crate::reconcile::status::{self, Outcome};
use crate::runtime::clock::SystemClock;
use crate::runtime::context::Decision;
use crate::runtime::testing::{answer, ctx, mock};
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

#[tokio::test]
async fn what_the_live_object_has_is_never_applied_again() {
    let (client, mut server) = mock();
    let ctx = ctx(client, Stores::default(), Decision::default());
    let live = site(&Value::Null);
    let same = ctx
        .writer
        .apply_over("raidc/site", &live, Some(&live))
        .await
        .unwrap();
    assert_eq!(same, Applied::Unchanged);
    let mut drifted = live.clone();
    drifted.spec.ceiling_percent = 10;
    let reply = serde_json::to_value(&live).unwrap();
    let apply = ctx.writer.apply_over("raidc/site", &live, Some(&drifted));
    let (applied, (_, path, body)) = tokio::join!(apply, answer(&mut server, 200, &reply));
    assert!(matches!(applied.unwrap(), Applied::Written(_)));
    assert!(path.contains("force=true"));
    assert!(body.get("status").is_none() && body["metadata"].get("resourceVersion").is_none());
}
