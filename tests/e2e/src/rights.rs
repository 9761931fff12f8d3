//! The rights that the operator has, against those that it used by the API server's audit log. No I/O.

use raidc_controller::runtime::rights::RIGHTS;
use raidc_controller::runtime::rights::Scope;
use raidc_lab::AuditEntry;
use std::collections::BTreeSet;

/// Group, resource with its subresource, verb.
pub type Used = (String, String, String);

/// Rights that a whole main job does not use: group, resource, verb, and what each is for. Whatever is used after all has to leave
/// this list, so that it only ever gets shorter.
pub const SPARE: [(&str, &str, &str, &str); 8] = [
    ("raidc.dev", "sites", "get", MALFORMED),
    ("raidc.dev", "racks", "get", MALFORMED),
    ("raidc.dev", "replicationpolicies", "get", MALFORMED),
    ("raidc.dev", "tenants", "get", MALFORMED),
    ("raidc.dev", "virtualservers", "get", MALFORMED),
    ("raidc.dev", "colocations", "get", MALFORMED),
    ("raidc.dev", "failovers", "get", MALFORMED),
    ("raidc.dev", "drills", "get", MALFORMED),
];
/// Rights that a main job uses or not, as things happen to fall out.
const SOMETIMES: [(&str, &str, &str, &str); 1] = [("", "persistentvolumeclaims", "delete", COLLECTED)];
/// The tests of bad input show it for one kind, and the code is the same for all.
const MALFORMED: &str = "an object that cannot be read is looked at again before it is told so";
/// A claim normally goes with its DataVolume, which owns it, and often before the operator comes to it.
const COLLECTED: &str =
    "CDI may be set to remove a DataVolume that has done its work: its claim is then deleted by itself";

fn is_among(rights: &[(&str, &str, &str, &str)], (group, resource, verb): &Used) -> bool {
    rights
        .iter()
        .any(|(g, r, v, _)| g == group && r == resource && v == verb)
}

/// What was asked for and granted.
#[must_use]
pub fn used(entries: &[AuditEntry]) -> BTreeSet<Used> {
    let mut used = BTreeSet::new();
    for entry in entries.iter().filter(|e| !e.resource.is_empty() && e.code < 400) {
        let mut resource = entry.resource.clone();
        if !entry.subresource.is_empty() {
            resource = format!("{resource}/{}", entry.subresource);
        }
        // Server-side apply of what is not there yet needs `create` besides `patch`, and is logged as a patch.
        if entry.verb == "patch" && entry.code == 201 {
            used.insert((entry.group.clone(), resource.clone(), "create".to_owned()));
        }
        used.insert((entry.group.clone(), resource, entry.verb.clone()));
    }
    used
}

/// What the operator may do, by its own table, which is what the chart grants where consolidations are only proposed
/// (`tests/chart/tests/rights.rs` compares the two).
#[must_use]
pub fn granted() -> BTreeSet<Used> {
    of(|scope| scope != Scope::Execute)
}

/// What it may do besides where consolidations are carried out.
#[must_use]
pub fn granted_to_move() -> BTreeSet<Used> {
    of(|scope| scope == Scope::Execute)
}

fn of(wanted: impl Fn(Scope) -> bool) -> BTreeSet<Used> {
    RIGHTS
        .iter()
        .filter(|right| wanted(right.scope))
        .flat_map(|right| {
            right.verbs.iter().map(|verb| {
                (
                    right.group.to_owned(),
                    right.resource.to_owned(),
                    (*verb).to_owned(),
                )
            })
        })
        .collect()
}

/// What is granted and was not used, what was used and is not granted by the table, and what is spared and was used: each is wrong.
#[must_use]
pub fn differences(used: &BTreeSet<Used>) -> Vec<String> {
    let granted = granted();
    let say =
        |what: &str, (group, resource, verb): &Used| format!("{what}: {verb} {resource} of \"{group}\"");
    let never = granted
        .difference(used)
        .filter(|r| !is_among(&SPARE, r) && !is_among(&SOMETIMES, r))
        .map(|r| say("granted and never used", r));
    let beyond = used
        .difference(&granted)
        .map(|r| say("used and not in the table", r));
    let rotten = used
        .iter()
        .filter(|r| is_among(&SPARE, r))
        .map(|r| say("spared and used", r));
    never.chain(beyond).chain(rotten).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_that_is_not_used_is_never_overlooked() {
        let mut all = granted();
        all.retain(|right| !is_among(&SPARE, right));
        assert_eq!(differences(&all), Vec::<String>::new());
        all.retain(|right| !is_among(&SOMETIMES, right));
        assert_eq!(differences(&all), Vec::<String>::new());
        let one = (String::new(), "namespaces".to_owned(), "delete".to_owned());
        assert!(all.remove(&one));
        assert_eq!(
            differences(&all),
            ["granted and never used: delete namespaces of \"\""]
        );
        all.insert(one);
        all.insert(("apps".to_owned(), "deployments".to_owned(), "list".to_owned()));
        assert_eq!(
            differences(&all),
            ["used and not in the table: list deployments of \"apps\""]
        );
    }
}
