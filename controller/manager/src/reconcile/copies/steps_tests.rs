//! Pairs of VolSync: what must never be made too early or taken away too soon.

use super::*;
use crate::inventory::claims::tests::bound;
use serde_json::json;

const OWNER: Owner<'static> = Owner {
    namespace: "kuldiga",
    name: "web",
    uid: "u-1",
};
const NOW: &str = "2026-11-22T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().expect("a time")
}

fn target(site: &'static str) -> Target<'static> {
    Target {
        site,
        class: "fast",
        snapshot_class: None,
    }
}

fn pair(site: &'static str) -> Pair<'static> {
    Pair {
        owner: OWNER,
        disk: "root",
        site,
    }
}

fn ask<'a>(claim: Option<&'a ClaimSeen>, sites: &[&'static str]) -> Ask<'a> {
    Ask {
        owner: OWNER,
        disks: vec![DiskAsk { name: "root", claim }],
        targets: sites.iter().map(|site| target(site)).collect(),
        snapshot_class: None,
        transfer_class: None,
        rpo_seconds: 900,
        complete: true,
    }
}

/// A pair at `site` as VolSync leaves it; `synced` with a finished transfer.
fn add(seen: &mut Seen, site: &'static str, uid: &str, synced: bool) {
    let pair = Pair {
        owner: Owner { uid, ..OWNER },
        disk: "root",
        site,
    };
    let mut destination = pair.destination(&Destination {
        mib: 20 * 1024,
        volume_mode: "Block",
        class: "fast",
        snapshot_class: None,
    });
    destination["metadata"]["creationTimestamp"] = json!("2026-11-22T08:00:00Z");
    destination["status"] = json!({"rsyncTLS": {"address": "10.96.0.9", "keySecret": "key"}});
    let schedule = pair.schedule(900);
    let mut source = pair.source(&Source {
        claim: "web-root",
        address: "10.96.0.9",
        port: None,
        key_secret: "key",
        snapshot_class: None,
        transfer_class: None,
        schedule: schedule.as_deref(),
    });
    if synced {
        source["status"] = json!({"lastSyncTime": "2026-11-22T11:50:00Z", "lastSyncDuration": "5s"});
        destination["status"]["lastSyncTime"] = json!("2026-11-22T11:50:01Z");
        destination["status"]["latestImage"] = json!({"kind": "VolumeSnapshot", "name": "x"});
    }
    seen.sources.insert(
        pair.name(),
        Arc::new(serde_json::from_value(source).expect("source")),
    );
    seen.destinations.insert(
        pair.name(),
        Arc::new(serde_json::from_value(destination).expect("destination")),
    );
}

fn drops(steps: &[Step]) -> Vec<String> {
    steps
        .iter()
        .filter_map(|s| match s {
            Step::DropSource(n) | Step::DropDestination(n) => Some(n.clone()),
            _ => None,
        })
        .collect()
}

#[test]
fn nothing_is_copied_before_the_disk_is_there() {
    assert_eq!(steps(&ask(None, &["talsi"]), &Seen::default(), now()), vec![]);
}

#[test]
fn a_source_never_comes_before_the_destination_listens() {
    let claim = bound("web-root", "u-1", &["kuldiga"]);
    let first = steps(&ask(Some(&claim), &["talsi"]), &Seen::default(), now());
    assert!(matches!(first.as_slice(), [Step::Destination(_)]), "{first:?}");
    let mut seen = Seen::default();
    add(&mut seen, "talsi", "u-1", false);
    seen.sources.clear();
    let second = steps(&ask(Some(&claim), &["talsi"]), &seen, now());
    assert!(
        matches!(second.as_slice(), [Step::Destination(_), Step::Source(_)]),
        "{second:?}"
    );
}

#[test]
fn the_old_copy_never_goes_before_the_new_one_is_complete() {
    let claim = bound("web-root", "u-1", &["kuldiga"]);
    let mut seen = Seen::default();
    add(&mut seen, "talsi", "u-1", true);
    let moving = ask(Some(&claim), &["liepaja"]);
    assert_eq!(drops(&steps(&moving, &seen, now())), Vec::<String>::new());
    add(&mut seen, "liepaja", "u-1", false);
    assert_eq!(drops(&steps(&moving, &seen, now())), Vec::<String>::new());
    add(&mut seen, "liepaja", "u-1", true);
    let old = pair("talsi").name();
    assert_eq!(drops(&steps(&moving, &seen, now())), vec![old.clone(), old]);
}

#[test]
fn nothing_goes_while_the_plan_is_short_of_sites() {
    let claim = bound("web-root", "u-1", &["kuldiga"]);
    let mut seen = Seen::default();
    add(&mut seen, "talsi", "u-1", true);
    let short = Ask {
        complete: false,
        ..ask(Some(&claim), &[])
    };
    assert_eq!(steps(&short, &seen, now()), vec![]);
}

#[test]
fn a_pair_of_an_earlier_server_is_never_taken_over() {
    let claim = bound("web-root", "u-1", &["kuldiga"]);
    let mut seen = Seen::default();
    add(&mut seen, "talsi", "u-0", true);
    assert!(seen.copy(&pair("talsi")).source.is_none());
    let found = steps(&ask(Some(&claim), &["talsi"]), &seen, now());
    let name = pair("talsi").name();
    assert_eq!(
        found,
        vec![Step::DropSource(name.clone()), Step::DropDestination(name)]
    );
}

#[test]
fn what_is_as_wanted_needs_no_step_that_differs() {
    let claim = bound("web-root", "u-1", &["kuldiga"]);
    let mut seen = Seen::default();
    add(&mut seen, "talsi", "u-1", true);
    for step in steps(&ask(Some(&claim), &["talsi"]), &seen, now()) {
        let (Step::Source(body) | Step::Destination(body)) = step else {
            panic!("{step:?}");
        };
        let live = match body["kind"].as_str() {
            Some("ReplicationSource") => serde_json::to_value(&*seen.sources[&pair("talsi").name()]),
            _ => serde_json::to_value(&*seen.destinations[&pair("talsi").name()]),
        };
        assert!(
            crate::runtime::covers::covers(&live.expect("json"), &body),
            "{body} would be written again"
        );
    }
}
