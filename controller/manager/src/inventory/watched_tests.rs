//! A store never passes for newer than it is.

use super::*;
use crate::runtime::testing::{answer, mock};
use raidc_crds::VirtualServer;
use serde_json::{Value, json};

fn servers(version: &str, status: &Value) -> Value {
    json!({
        "apiVersion": "raidc.dev/v1alpha1", "kind": "VirtualServerList",
        "metadata": {"resourceVersion": version},
        "items": [{
            "apiVersion": "raidc.dev/v1alpha1", "kind": "VirtualServer",
            "metadata": {"name": "web", "namespace": "kuldiga", "uid": "u1", "resourceVersion": version},
            "spec": {"size": "m-4", "image": "debian-13"}, "status": status,
        }],
    })
}

fn site(watched: &Watched<VirtualServer>) -> Option<String> {
    watched.get("kuldiga", "web")?.status.as_ref()?.site.clone()
}

#[tokio::test]
async fn a_stale_successor_never_decides_on_what_it_saw_before() {
    let (client, mut server) = mock();
    let watched = Watched::<VirtualServer>::new();
    let filled = watched.clone().fill(
        client,
        watcher::Config::default(),
        |_| {},
        None,
        Arc::new(Metrics::new()),
    );
    let filled = tokio::spawn(filled);
    let (_, path, _) = answer(&mut server, 200, &servers("5", &Value::Null)).await;
    assert!(path.contains("limit=500"), "{path}");
    // The watch is taken and says nothing, while another replica gives the server its place.
    let (watch, _silent) = server.next_request().await.expect("a watch");
    let query = watch.uri().query().unwrap_or_default().to_owned();
    assert!(
        query.contains("watch=true") && query.contains("timeoutSeconds=60"),
        "{query}"
    );
    assert!(watched.is_synced(), "it looks as if all were read");
    assert_eq!(site(&watched), None);

    let ticket = watched.freshness.renew();
    assert!(!watched.freshness.is_renewed(ticket));
    let (_, path, _) = answer(&mut server, 200, &servers("9", &json!({"site": "talsi"}))).await;
    assert!(
        !path.contains("resourceVersion="),
        "only the newest will do: {path}"
    );
    let _watch = server.next_request().await.expect("a watch of the new list");
    assert!(watched.freshness.is_renewed(ticket));
    assert_eq!(site(&watched).as_deref(), Some("talsi"));
    filled.abort();
}

#[tokio::test]
async fn a_kind_that_may_no_longer_be_listed_is_never_taken_for_one_that_stands_still() {
    let (client, mut server) = mock();
    let watched = Watched::<VirtualServer>::new();
    let filled = watched.clone().fill(
        client,
        watcher::Config::default(),
        |_| {},
        None,
        Arc::new(Metrics::new()),
    );
    let filled = tokio::spawn(filled);
    let refused = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "message": "no", "code": 403});
    answer(&mut server, 403, &refused).await;
    // Tried again after a moment, which is when the failure has surely been noted.
    let (_, again) = server.next_request().await.expect("another try");
    assert!(watched.freshness.failing_for().is_some() && !watched.is_synced());
    let list = serde_json::to_vec(&servers("5", &Value::Null)).expect("JSON");
    again.send_response(http::Response::new(kube::client::Body::from(list)));
    let _watch = server.next_request().await.expect("a watch");
    assert!(watched.freshness.failing_for().is_none() && watched.is_synced());
    filled.abort();
}
