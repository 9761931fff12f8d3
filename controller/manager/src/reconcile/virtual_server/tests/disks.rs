//! A disk is never taken over, never made anew and never left behind.

use super::*;

#[test]
fn a_disk_of_an_earlier_server_is_never_taken_over() {
    let mut w = world();
    w.disks[0].claim = Some(bound("web-root", "another-uid", &["kuldiga"]));
    let s = server(&minimal(), &placed());
    let found = refuse(&s, &w);
    assert_eq!((found.reason.as_str(), found.stalled), ("DiskNameTaken", true));
    // Nor told as its own: when it has gone, as asked, it must not be missed.
    let protected = crate::reconcile::virtual_server::protected(&s, &w, now());
    let told = report(&s, &w, Some(&found), &[], &protected, now()).status;
    assert_eq!(told["disks"][0]["state"], "NameTaken");
    w.disks[0].claim = Some(bound("web-root", UID, &["kuldiga"]));
    assert!(validate(&s, &w).is_ok(), "handed over by the label");
}

#[test]
fn two_servers_never_write_to_one_disk_though_their_names_meet() {
    // Server web-archive with disk data, and this one with disk archive-data, from before such names were refused.
    let mut w = world();
    w.neighbours.insert("another-uid".into(), "web-archive".into());
    w.disks.push(disk("archive-data", "10Gi"));
    let spec =
        json!({"size": "m-4", "image": "debian-13", "disks": [{"name": "archive-data", "size": "10Gi"}]});
    let s = server(&spec, &placed());
    let theirs = of(json!({"metadata": {"name": "web-archive-data", "labels":
        {"raidc.dev/server-uid": "another-uid"}}, "spec": {}}));
    let refused = |w: &World| {
        let found = refuse(&s, w);
        assert_eq!((found.reason.as_str(), found.stalled), ("DiskNameTaken", true));
        assert!(
            found.message.contains("a disk of server web-archive:"),
            "{}",
            found.message
        );
        assert!(
            !found.message.contains("delete"),
            "it is the disk of a server that lives: {}",
            found.message
        );
    };
    w.disks[1].volume = theirs.clone();
    refused(&w);
    w.disks[1].claim = Some(bound("web-archive-data", "another-uid", &["kuldiga"]));
    refused(&w);
    // Its label was changed by hand while the other server is here.
    w.disks[1].claim = Some(bound("web-archive-data", UID, &["kuldiga"]));
    refused(&w);
    w.neighbours.clear();
    assert!(
        validate(&s, &w).is_ok(),
        "handed over, and the server that it was filled for is gone"
    );
}

#[test]
fn a_recreated_server_never_boots_from_a_disk_whose_claim_is_still_to_come() {
    let mut w = world();
    w.disks[0].volume = of(
        json!({"metadata": {"name": "web-root", "labels": {"raidc.dev/server-uid": "another-uid"}},
        "spec": {}, "status": {"phase": "ImportInProgress"}}),
    );
    let found = refuse(&server(&minimal(), &placed()), &w);
    assert_eq!((found.reason.as_str(), found.stalled), ("DiskNameTaken", true));
    assert!(found.message.contains("DataVolume web-root"), "{}", found.message);
}

#[test]
fn a_disk_that_was_ready_is_never_made_anew() {
    let mut status = placed();
    status["disks"] = json!([{"name": "root", "claim": "web-root", "state": "Ready"}]);
    let s = server(&minimal(), &status);
    assert_eq!(refuse(&s, &world()).reason, "DiskLost");
    let all = conditions(&s, &world());
    assert!(has(&all, "Stalled", "True", "DiskLost"), "{all:?}");
}

#[test]
fn a_machine_is_never_sent_away_from_its_disks() {
    let mut w = running();
    w.disks[0].claim = Some(bound("web-root", UID, &["liepaja"]));
    assert_eq!(
        refuse(&server(&minimal(), &placed()), &w).reason,
        "DisksElsewhere"
    );
}

#[test]
fn a_disk_is_made_once() {
    let s = server(&minimal(), &placed());
    let step = |w: &World| build(&validate(&s, w).expect("valid"), "raidc-images").disks[0].clone();
    let mut w = world();
    let DiskStep::Make(body) = step(&w) else {
        panic!("it is not made");
    };
    assert_eq!(body["spec"]["storage"]["storageClassName"], "fast-kuldiga");
    w.disks[0].volume = volume("web-root", "ImportInProgress");
    assert_eq!(step(&w), DiskStep::Wait);
    w.disks[0].volume = None;
    w.disks[0].claim = Some(bound("web-root", UID, &["kuldiga"]));
    assert!(
        matches!(step(&w), DiskStep::Keep(_)),
        "a claim without a DataVolume is kept"
    );
}

#[test]
fn a_disk_grows_only_where_its_class_lets_it_and_says_so_where_not() {
    let s = server(
        &json!({"size": "m-4", "image": "debian-13", "rootDisk": {"size": "40Gi"}}),
        &placed(),
    );
    let mut w = running();
    w.disks[0].size = raidc_crds::Quantity("40Gi".into());
    let asked = |w: &World| match &build(&validate(&s, w).expect("valid"), "i").disks[0] {
        DiskStep::Keep(body) => body["spec"]["resources"]["requests"]["storage"].clone(),
        other => panic!("{other:?}"),
    };
    w.disks[0].can_grow = Some(true);
    assert_eq!(asked(&w), "40Gi");
    w.disks[0].can_grow = Some(false);
    assert_eq!(asked(&w), "20Gi");
    let all = conditions(&s, &w);
    assert!(has(&all, "Stalled", "True", "DiskCannotGrow"), "{all:?}");
}
