//! What a server's conditions say of what it does: Ready is as asked, and protection never feeds it.

use super::*;

#[test]
fn a_server_without_a_place_never_blames_its_disks() {
    let waiting = server(&minimal(), &json!({"observedGeneration": -1}));
    let all = conditions(&waiting, &world());
    assert!(has(&all, "Provisioned", "False", "NotPlaced"), "{all:?}");
    let all = conditions(&server(&minimal(), &placed()), &world());
    assert!(has(&all, "Provisioned", "False", "DisksNotReady"), "{all:?}");
    // A disk that has vanished is told, place or none.
    let disks =
        json!({"observedGeneration": 3, "disks": [{"name": "root", "claim": "web-root", "state": "Ready"}]});
    let all = conditions(&server(&minimal(), &disks), &world());
    assert!(has(&all, "Provisioned", "False", "DisksNotReady"), "{all:?}");
}

#[test]
fn ready_is_as_asked_and_never_more() {
    let on = server(&minimal(), &placed());
    let all = conditions(&on, &running());
    assert!(has(&all, "Ready", "True", "Running"), "{all:?}");
    assert!(has(&all, "Provisioned", "True", "Provisioned"), "{all:?}");
    assert!(
        has(&all, "Protected", "Unknown", "NoEvidence"),
        "no evidence of a copy yet: {all:?}"
    );
    assert!(
        !all.iter()
            .any(|(kind, ..)| kind == "Reconciling" || kind == "Stalled")
    );

    let mut starting = running();
    starting.instance = None;
    let all = conditions(&on, &starting);
    assert!(
        has(&all, "Ready", "False", "Starting") && has(&all, "Reconciling", "True", "Starting"),
        "{all:?}"
    );

    let off = server(
        &json!({"size": "m-4", "image": "debian-13", "power": "Off"}),
        &placed(),
    );
    assert!(has(&conditions(&off, &running()), "Ready", "False", "Stopping"));
    let mut stopped = running();
    stopped.instance = None;
    stopped.machine =
        of(json!({"metadata": {"name": "web"}, "spec": {}, "status": {"printableStatus": "Stopped"}}));
    assert!(has(&conditions(&off, &stopped), "Ready", "True", "Stopped"));
}

#[test]
fn a_server_at_a_site_that_nobody_can_read_is_never_ready_whether_it_ran_or_not() {
    let on = server(&minimal(), &placed());
    let off = server(
        &json!({"size": "m-4", "image": "debian-13", "power": "Off"}),
        &placed(),
    );
    let mut dark = running();
    let mut stopped = running();
    stopped.instance = None;
    stopped.machine =
        of(json!({"metadata": {"name": "web"}, "spec": {}, "status": {"printableStatus": "Stopped"}}));
    for (state, reason) in [(State::Unknown, "HostsUnreadable"), (State::Fenced, "SiteFenced")] {
        stopped.told.site = Some(state);
        for asked in [&on, &off] {
            let all = conditions(asked, &stopped);
            assert!(has(&all, "Ready", "False", reason), "{all:?}");
            assert!(has(&all, "Reconciling", "True", reason), "{all:?}");
        }
    }
    dark.told.site = Some(State::Unknown);
    let all = conditions(&on, &dark);
    assert!(has(&all, "Ready", "False", "HostsUnreadable"), "{all:?}");

    // A site whose object is not understood has hosts that answer, and the other states are no loss.
    dark.sites.remove("kuldiga");
    assert!(!has(&conditions(&on, &dark), "Ready", "False", "HostsUnreadable"));
    for state in [State::Active, State::Cordoned, State::Draining] {
        stopped.told.site = Some(state);
        assert!(has(&conditions(&off, &stopped), "Ready", "True", "Stopped"));
    }
}

#[test]
fn a_single_copy_is_never_called_protected_nor_an_error() {
    let mut w = running();
    w.policy = policy(&json!({"copies": 1}));
    let all = conditions(&server(&minimal(), &placed()), &w);
    assert!(has(&all, "Protected", "False", "NotRequested"), "{all:?}");
    assert!(has(&all, "Ready", "True", "Running"), "{all:?}");
}

#[test]
fn a_reserve_that_cannot_be_had_is_never_called_protection() {
    let mut w = running();
    w.told.unprotected = Some(Waiting::on(WaitingOn::NoSecondSite { copies: 2, sites: 1 }));
    let all = conditions(&server(&minimal(), &placed()), &w);
    assert!(has(&all, "Protected", "False", "NoSecondSite"), "{all:?}");
    assert!(
        has(&all, "Ready", "True", "Running"),
        "protection never feeds Ready: {all:?}"
    );
}

#[test]
fn a_status_of_an_earlier_generation_is_never_believed() {
    let mut w = running();
    w.machine = of(json!({"metadata": {"name": "web", "generation": 3}, "spec": {},
        "status": {"created": true, "ready": true, "desiredGeneration": 2}}));
    assert_eq!(run(w.machine.as_deref(), w.instance.as_deref()), Run::Between);
    assert_eq!(run(None, None), Run::Between, "nothing seen is not stopped");
    assert_eq!(
        run(running().machine.as_deref(), running().instance.as_deref()),
        Run::Running
    );
}

#[test]
fn a_running_server_keeps_its_facts_when_its_policy_disappears() {
    let mut w = running();
    w.policy = None;
    let s = server(&minimal(), &placed());
    let valid = validate(&s, &w);
    let protected = crate::reconcile::virtual_server::protected(&s, &w, now());
    let found = report(&s, &w, valid.as_ref().err(), &[], &protected, now()).status;
    assert_eq!(found["node"], "kuldiga-r1-h1");
    assert_eq!(found["addresses"], json!(["10.0.0.7", "fd00::7"]));
    assert_eq!(found["disks"][0]["state"], "Ready");
    let all = conditions(&s, &w);
    assert!(has(&all, "Stalled", "True", "UnknownPolicy"), "{all:?}");
}

#[test]
fn an_import_that_fails_again_and_again_is_told_to_a_person() {
    let mut w = world();
    w.disks[0].volume = of(
        json!({"metadata": {"name": "web-root", "labels": {"raidc.dev/server-uid": UID}}, "spec": {}, "status": {
        "phase": "ImportInProgress", "restartCount": 5,
        "conditions": [{"type": "Running", "status": "False", "message": "no such image"}]}}),
    );
    let all = conditions(&server(&minimal(), &placed()), &w);
    assert!(has(&all, "Stalled", "True", "DiskFailed"), "{all:?}");
}

#[test]
fn an_import_that_succeeded_in_the_end_is_never_told_as_a_failure() {
    let mut w = running();
    w.disks[0].volume = of(json!({"metadata": {"name": "web-root"}, "spec": {}, "status": {
        "phase": "Succeeded", "restartCount": 5,
        "conditions": [{"type": "Running", "status": "False", "message": "Import Complete"}]}}));
    let all = conditions(&server(&minimal(), &placed()), &w);
    assert!(has(&all, "Ready", "True", "Running"), "{all:?}");
}

#[test]
fn the_same_world_gives_the_same_status() {
    let s = server(&minimal(), &placed());
    let w = running();
    let once = || {
        let protected = crate::reconcile::virtual_server::protected(&s, &w, now());
        report(&s, &w, None, &[], &protected, now()).status
    };
    assert_eq!(once(), once());
    let changed = crate::reconcile::status::SERVER.change(&once(), &once());
    assert_eq!(
        changed, None,
        "a status that is there already would be written again"
    );
}
