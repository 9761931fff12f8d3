//! What a Site says: never more than is known of it. No I/O.

use super::*;
use crate::certify::worlds::steady;
use serde_json::json;

fn class(name: &str, policy: Option<&str>) -> Arc<StorageClass> {
    let body = json!({"metadata": {"name": name}, "provisioner": "p", "reclaimPolicy": policy});
    Arc::new(serde_json::from_value(body).expect("a class"))
}

/// Judges a site whose class is `class`; `named`: it names a transfer class, which is `transfer`.
fn judge(
    class: Option<Arc<StorageClass>>,
    named: bool,
    transfer: Option<Arc<StorageClass>>,
) -> (Status, &'static str) {
    let mut storage = json!({"class": "fast"});
    if named {
        storage["transferClass"] = json!("scratch");
    }
    let body = json!({"metadata": {"name": "talsi"}, "spec": {"storage": storage}});
    let site: Site = serde_json::from_value(body).expect("a site");
    let seen = Seen {
        decision: Arc::default(),
        verdict: Arc::default(),
        missing: vec![],
        class,
        transfer_class: transfer,
    };
    let (status, reason, message) = left_behind(&site, &seen);
    let told = status != Status::False || message.contains("spec.storage.transferClass");
    assert!(told, "{message}");
    (status, reason)
}

#[test]
fn volumes_never_pile_up_unsaid() {
    let keeps = || Some(class("fast", Some("Retain")));
    let scratch = |policy| Some(class("scratch", policy));
    assert_eq!(judge(keeps(), false, None), (Status::False, "NoTransferClass"));
    let both = judge(keeps(), true, scratch(Some("Retain")));
    assert_eq!(both, (Status::False, "TransferClassRetains"));
    let absent = judge(keeps(), true, None);
    assert_eq!(absent, (Status::False, "UnknownTransferClass"));
    assert_eq!(judge(None, false, None), (Status::Unknown, "UnknownStorageClass"));
    // Kubernetes' own default is Delete.
    for policy in [Some("Delete"), None] {
        let passing = judge(keeps(), true, scratch(policy));
        assert_eq!(passing, (Status::True, "TransferClassDeletes"));
        let deletes = judge(Some(class("fast", policy)), false, None);
        assert_eq!(deletes, (Status::True, "ClassDeletes"));
    }
}

/// A site of [`steady`] and what is said of it.
fn said(name: &str, state: &str, decision: &Decision) -> (Outcome, SiteStatus) {
    let body = json!({"metadata": {"name": name}, "spec": {"storage": {"class": "fast"}, "state": state}});
    let site: Site = serde_json::from_value(body).expect("a site");
    let seen = Seen {
        decision: Arc::new(decision.clone()),
        verdict: Arc::default(),
        missing: vec![],
        class: Some(class("fast", None)),
        transfer_class: None,
    };
    let outcome = validate(&site, &seen);
    let status = report(&site, &seen, &outcome, Timestamp::UNIX_EPOCH);
    (outcome, status)
}

fn survives(status: &SiteStatus) -> (&str, &str) {
    let found = status.conditions.iter().find(|c| c.type_ == SURVIVES_SITE_LOSS);
    found.map_or(("", ""), |c| (&c.status, &c.reason))
}

fn ready(status: &SiteStatus) -> (&str, &str) {
    let found = status.conditions.iter().find(|c| c.type_ == condition::READY);
    found.map_or(("", ""), |c| (&c.status, &c.reason))
}

#[test]
fn a_site_that_cannot_be_read_is_never_shown_as_empty_nor_counted_on() {
    let mut decision = steady();
    let (of, to) = decision
        .plan
        .servers
        .values()
        .find_map(|server| Some((server.placement.site.clone(), server.backup.clone()?.site)))
        .expect("a server with a reserve");
    let (_, before) = said(of.as_str(), "Active", &decision);
    assert_eq!(survives(&before), ("True", "EveryServerHasAPlace"));
    assert!(said(to.as_str(), "Active", &decision).1.used_percent.is_some());

    decision.fleet.sites.get_mut(&to).expect("the site").state = State::Unknown;
    let (_, lost) = said(to.as_str(), "Active", &decision);
    assert_eq!(ready(&lost), ("False", "HostsUnreadable"));
    assert_eq!(
        (lost.used_percent, lost.cores_milli, lost.memory_mib),
        (None, None, None)
    );
    let (_, relies) = said(of.as_str(), "Active", &decision);
    assert_eq!(survives(&relies), ("Unknown", "ReserveUnreadable"));
}

#[test]
fn a_drained_site_that_is_switched_off_never_waits_for_its_hosts() {
    let mut decision = steady();
    let empty = SiteName::from("talsi");
    decision
        .plan
        .servers
        .retain(|_, server| server.placement.site != empty);
    decision.plan.sites.get_mut(&empty).expect("its ledger").servers = 0;
    decision.fleet.sites.get_mut(&empty).expect("the site").state = State::Unknown;
    let (_, drained) = said("talsi", "Draining", &decision);
    assert_eq!(ready(&drained).0, "True");
    let (_, asked_for) = said("talsi", "Cordoned", &decision);
    assert_eq!(ready(&asked_for), ("False", "HostsUnreadable"));
}
