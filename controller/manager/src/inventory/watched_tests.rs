//! A store never passes for newer than it is, and what is known of an object is never lost because a later state of it does not match
//! the schema.

use raidc_crds::{Colocation, VirtualServer};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::*;
use crate::runtime::testing::{answer, mock};

/// The colocation `fw` with a device of this draw.
fn fw(uid: &str, watts: &Value) -> Guarded<Colocation> {
    serde_json::from_value(json!({
        "apiVersion": "raidc.dev/v1alpha1", "kind": "Colocation",
        "metadata": {"name": "fw", "namespace": "kuldiga", "uid": uid, "managedFields": []},
        "spec": {"devices": [{"name": "a", "units": 1, "watts": watts}]},
    }))
    .expect("it is guarded")
}

/// A store that has followed these events.
fn after(events: Vec<watcher::Event<Guarded<Colocation>>>) -> Watched<Colocation> {
    let watched = Watched::<Colocation>::new();
    let mut writer = watched
        .writer
        .lock()
        .expect("not poisoned")
        .take()
        .expect("a writer");
    let mut listed = Broken::new();
    for event in events {
        watched.take(&mut writer, &mut listed, event, |_| {});
    }
    watched
}

/// Watts of the device, as the object is now and as it was last read.
fn told(watched: &Watched<Colocation>) -> Vec<(Value, Option<i64>)> {
    let told = watched.unreadable().into_iter().map(|one| {
        assert!(one.object["metadata"].get("managedFields").is_none());
        let last = one.last.map(|last| last.spec.devices[0].watts);
        (one.object["spec"]["devices"][0]["watts"].clone(), last)
    });
    told.collect()
}

#[test]
fn what_cannot_be_read_any_more_is_kept_as_it_is_and_as_it_was() {
    use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
    let good = || fw("u1", &json!(120));
    let bad = || fw("u1", &json!("many"));
    let kept = vec![(json!("many"), Some(120))];
    let first = vec![Init, InitApply(good()), InitDone, Apply(bad())];
    let watched = after(first.clone());
    assert_eq!(told(&watched), kept);
    assert!(watched.list().is_empty() && watched.malformed().len() == 1);
    let with = |more: Vec<watcher::Event<_>>| after(first.iter().cloned().chain(more).collect());
    assert_eq!(told(&with(vec![Apply(bad())])), kept, "worse still");
    assert_eq!(
        told(&with(vec![Init, InitApply(bad()), InitDone])),
        kept,
        "listed anew"
    );
    assert_eq!(
        told(&after(vec![
            Init,
            InitApply(good()),
            InitDone,
            Init,
            InitApply(bad()),
            InitDone
        ])),
        kept
    );
    let another = with(vec![Init, InitApply(fw("u2", &json!("many"))), InitDone]);
    assert_eq!(told(&another), [(json!("many"), None)], "another of its name");
    assert_eq!(
        told(&after(vec![Init, InitApply(bad()), InitDone])),
        [(json!("many"), None)]
    );
    for end in [Apply(good()), Delete(bad()), Delete(good())] {
        assert!(told(&with(vec![end])).is_empty(), "nothing of it is left over");
    }
}

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

/// A store of servers and the task that fills it from `client`, which ends when it is aborted.
fn watching(client: Client) -> (Watched<VirtualServer>, JoinHandle<()>) {
    let watched = Watched::<VirtualServer>::new();
    let config = watcher::Config::default();
    let filled = watched
        .clone()
        .fill(client, config, |_| {}, None, Arc::new(Metrics::new()));
    (watched, tokio::spawn(filled))
}

fn site(watched: &Watched<VirtualServer>) -> Option<String> {
    watched.get("kuldiga", "web")?.status.as_ref()?.site.clone()
}

#[tokio::test]
async fn a_stale_successor_never_decides_on_what_it_saw_before() {
    let (client, mut server) = mock();
    let (watched, filled) = watching(client);
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
    let (watched, filled) = watching(client);
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
