//! What is known of an object is never lost because a later state of it does not match the schema.

use raidc_crds::Colocation;
use serde_json::json;

use super::*;

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
