//! The task against an API server that is played: what is sent, and what never is.

use serde_json::json;

use super::*;
use crate::inventory::stores::Stores;
use crate::runtime::testing;

fn step() -> Step {
    Step {
        server: ServerId::new("kuldiga", "web"),
        server_uid: "uid-web".to_owned(),
        instance_uid: "run-web".to_owned(),
        from: "talsi-h2".into(),
        to: "talsi-h1".into(),
        watts: 100,
    }
}

fn order() -> serde_json::Value {
    let owner = Owner {
        namespace: "kuldiga",
        name: "web",
        uid: "uid-web",
    };
    migration::migration(owner, "run-web", "talsi-h2", "talsi-h1")
}

fn conflict() -> serde_json::Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "AlreadyExists", "code": 409, "message": "it is there"})
}

#[tokio::test]
async fn an_order_is_never_given_before_the_api_server_has_shown_that_it_understands_it() {
    let (client, mut server) = testing::mock();
    let mut task = Consolidator::new(testing::ctx(client, Stores::default(), Decision::default()));
    let giving = tokio::spawn(async move { task.order(&step()).await });
    let mut dropped = order();
    dropped["spec"] = json!({"vmiName": "web"});
    let (method, path, body) = testing::answer(&mut server, 201, &dropped).await;
    assert_eq!(method, "POST");
    assert!(path.contains("dryRun=All"), "{path}");
    assert_eq!(body["spec"], order()["spec"]);
    let still = giving.await.expect("an end").expect_err("nothing is ordered");
    assert_eq!(still.reason, "KubeVirtTooOld");
    // Nothing further was asked: the client is gone with the task.
    assert!(server.next_request().await.is_none());
}

#[tokio::test]
async fn an_order_that_was_given_before_is_never_given_again_or_changed() {
    let (client, mut server) = testing::mock();
    let mut task = Consolidator::new(testing::ctx(client, Stores::default(), Decision::default()));
    let giving = tokio::spawn(async move {
        let given = task.order(&step()).await;
        (given, task.ordered.is_some())
    });
    testing::answer(&mut server, 201, &order()).await;
    let (method, path, body) = testing::answer(&mut server, 409, &conflict()).await;
    assert_eq!(method, "POST");
    assert!(!path.contains("dryRun"), "{path}");
    assert_eq!(body["metadata"]["name"], order()["metadata"]["name"]);
    let (given, waits) = giving.await.expect("an end");
    assert_eq!(given, Ok(()));
    assert!(waits, "it waits for the watch to show it");
}

#[tokio::test]
async fn nothing_is_ordered_by_a_replica_that_does_not_lead() {
    let (client, mut server) = testing::mock();
    let ctx = testing::ctx(client.clone(), Stores::default(), Decision::default());
    let mut ctx = Arc::try_unwrap(ctx).unwrap_or_else(|_| unreachable!("nobody else holds it"));
    let claim = crate::runtime::lease::Claim::default();
    ctx.writer =
        crate::runtime::writer::Writer::new(client, claim, Arc::clone(&ctx.clock), Arc::clone(&ctx.metrics));
    let mut task = Consolidator::new(Arc::new(ctx));
    let still = task.order(&step()).await.expect_err("not the leader");
    assert_eq!(still.reason, "Refused");
    drop(task);
    assert!(server.next_request().await.is_none());
}
