//! What each command says about the examples, word for word. Runs the command; writes `tests/data/golden` with `UPDATE_GOLDEN=1`.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]
#![allow(clippy::too_many_lines, reason = "a table of cases is one thing")]

mod support;

use std::path::Path;

use support::{EXAMPLES, raidc, snapshot, with_examples};

const CHANGE: &str = "controller/cli/tests/data/change.yaml";
const CROWD: &str = "controller/cli/tests/data/crowd.yaml";
const BREAKER: &str = "controller/cli/tests/data/breaker.yaml";

/// Compares, or accepts. The exit code is the first line.
fn golden(name: &str, arguments: &[&str], wrong: &mut Vec<String>) {
    let ran = raidc(arguments);
    let said = format!("exit {}\n{}{}", ran.code, ran.out, ran.err);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/golden/{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &said).expect("golden output written");
    } else if std::fs::read_to_string(&path).unwrap_or_default() != said {
        wrong.push(format!("{name} now says:\n{said}"));
    }
}

#[test]
fn no_command_says_anything_else_about_the_examples() {
    let folder = tempfile::tempdir().expect("a folder");
    let fleet = snapshot(&folder);
    let fleet = fleet.to_str().expect("a path in letters");
    let mut wrong = Vec::new();
    let mut check = |name: &str, arguments: &[&str]| golden(name, arguments, &mut wrong);
    check("plan-examples", &with_examples(&["plan"], &[]));
    check("plan-nothing", &["plan", "-f", "examples", "--fleet", fleet]);
    check(
        "plan-change",
        &[
            "plan",
            "-f",
            CHANGE,
            "--fleet",
            fleet,
            "--delete",
            "server/liepaja/archive",
            "--delete",
            "node/talsi-r2-h2",
        ],
    );
    check(
        "plan-change-json",
        &["plan", "-o", "json", "-f", CHANGE, "--fleet", fleet],
    );
    check(
        "plan-site-gone",
        &["plan", "--fleet", fleet, "--delete", "site/liepaja"],
    );
    check(
        "plan-all",
        &[
            "plan",
            "--all",
            "-f",
            "examples/60-colocations.yaml",
            "--fleet",
            fleet,
        ],
    );
    check(
        "explain-placed",
        &[
            "explain",
            "server/register-db-a",
            "-n",
            "kuldiga",
            "--fleet",
            fleet,
        ],
    );
    check(
        "explain-waits",
        &["explain", "server/saldus/giant", "-f", CHANGE, "--fleet", fleet],
    );
    check(
        "explain-unknown-size",
        &["explain", "server/saldus/odd", "-f", CHANGE, "--fleet", fleet],
    );
    check(
        "explain-colocation",
        &["explain", "colo/kuldiga/firewalls", "--fleet", fleet],
    );
    check(
        "simulate-site",
        &["simulate", "--lose", "site/ventspils", "--fleet", fleet],
    );
    check(
        "simulate-risk",
        &[
            "simulate",
            "--lose",
            "risk/carrier/kurzeme-ring",
            "--fleet",
            fleet,
        ],
    );
    check(
        "simulate-panel",
        &["simulate", "--lose", "panel/talsi/talsi-a", "--fleet", fleet],
    );
    check(
        "explain-json",
        &[
            "explain",
            "server/saldus/giant",
            "-o",
            "json",
            "-f",
            CHANGE,
            "--fleet",
            fleet,
        ],
    );
    check(
        "simulate-json",
        &[
            "simulate",
            "--lose",
            "rack/talsi-r1",
            "-o",
            "json",
            "--fleet",
            fleet,
        ],
    );
    check("drain-host", &["drain", "node/talsi-r1-h1", "--fleet", fleet]);
    check("drain-nothing", &["drain", "node/talsi-r2-h4", "--fleet", fleet]);
    check("drain-rack", &["drain", "rack/talsi-r1", "--fleet", fleet]);
    check("drain-site", &["drain", "site/talsi", "--fleet", fleet]);
    check(
        "drain-json",
        &["drain", "node/talsi-r1-h1", "-o", "json", "--fleet", fleet],
    );
    check(
        "drain-blocked",
        &[
            "drain",
            "site/talsi",
            "--fleet",
            fleet,
            "--delete",
            "site/liepaja",
        ],
    );
    check("drain-unknown", &["drain", "rack/talsi-r9", "--fleet", fleet]);
    check(
        "drain-server",
        &["drain", "server/saldus/website", "--fleet", fleet],
    );
    check("plan-breaker", &["plan", "-f", BREAKER, "--fleet", fleet]);
    check(
        "simulate-breaker",
        &[
            "simulate",
            "--lose",
            "site/ventspils",
            "-f",
            BREAKER,
            "--fleet",
            fleet,
        ],
    );
    check("plan-crowd", &["plan", "-f", CROWD, "--fleet", fleet]);
    check(
        "plan-crowd-json",
        &["plan", "-o", "json", "-f", CROWD, "--fleet", fleet],
    );
    check(
        "explain-crowd",
        &["explain", "server/kuldiga/maps-b", "-f", CROWD, "--fleet", fleet],
    );
    check(
        "simulate-crowd",
        &["simulate", "--lose", "site/talsi", "-f", CROWD, "--fleet", fleet],
    );
    let some = [
        "-f",
        "examples/40-tenants.yaml",
        "-f",
        "examples/50-saldus.yaml",
        "-f",
        "examples/60-colocations.yaml",
    ];
    check("snapshot", &[&["snapshot"], &some[..]].concat());
    check(
        "snapshot-redacted",
        &[&["snapshot", "--redact"], &some[..]].concat(),
    );
    check(
        "snapshot-redacted-all",
        &[&["snapshot", "--redact=all", "-o", "json"], &some[..]].concat(),
    );
    assert!(
        wrong.is_empty(),
        "{}\n(UPDATE_GOLDEN=1 accepts what is said now)",
        wrong.join("\n")
    );
}

#[test]
fn the_order_of_files_and_documents_never_matters() {
    let forwards = raidc(&with_examples(&["plan"], &[]));
    let backwards = raidc(&["plan", EXAMPLES[2], EXAMPLES[3], EXAMPLES[0], EXAMPLES[1]]);
    assert_eq!(forwards.out, backwards.out);
    assert_eq!(forwards.code, 2);
}

#[test]
fn a_fleet_planned_twice_is_never_a_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let fleet = snapshot(&folder);
    let fleet = fleet.to_str().expect("a path in letters");
    let ran = raidc(&["plan", "-f", fleet, "--fleet", fleet]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    // A snapshot of a snapshot is the same snapshot, in YAML and in JSON.
    let again = raidc(&["snapshot", "--fleet", fleet]);
    assert_eq!(again.out, std::fs::read_to_string(fleet).expect("the snapshot"));
    let json = raidc(&["snapshot", "-o", "json", "--fleet", fleet]);
    let json = support::file(&folder, "fleet.json", &json.out);
    let again = raidc(&["snapshot", "--fleet", json.to_str().expect("a path in letters")]);
    assert_eq!(again.out, std::fs::read_to_string(fleet).expect("the snapshot"));
}

#[test]
fn what_is_left_out_is_only_taken_away_when_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let fleet = snapshot(&folder);
    let fleet = fleet.to_str().expect("a path in letters");
    let one = "apiVersion: raidc.dev/v1alpha1\nkind: VirtualServer\nmetadata: {name: website, namespace: saldus}\nspec: {size: s-2, image: debian-13, \
               purpose: municipal website}\n";
    let one = support::file(&folder, "one.yaml", one);
    let one = one.to_str().expect("a path in letters");
    let kept = raidc(&["plan", "-f", one, "--fleet", fleet]);
    assert_eq!(kept.code, 0, "{}", kept.out);
    let pruned = raidc(&["plan", "-f", one, "--fleet", fleet, "--prune"]);
    assert_eq!(pruned.code, 2);
    assert!(pruned.out.contains("- saldus/museum"), "{}", pruned.out);
    assert!(
        !pruned.out.contains("- kuldiga/"),
        "another namespace is never pruned: {}",
        pruned.out
    );
}

#[test]
fn a_redacted_snapshot_never_holds_a_name_or_a_free_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let fleet = snapshot(&folder);
    let fleet = fleet.to_str().expect("a path in letters");
    let names = raidc(&["snapshot", "--redact", "--fleet", fleet]).out;
    for word in [
        "register-db",
        "municipality",
        "ssh-",
        "-it",
        "school",
        "saldus",
        "e-diary",
        "fw-a",
    ] {
        assert!(!names.contains(word), "{word} is in the redacted snapshot");
    }
    assert!(
        names.contains("ventspils-r1-h1"),
        "hosts keep their names unless all is asked for"
    );
    let all = raidc(&["snapshot", "--redact=all", "--fleet", fleet])
        .out
        .to_lowercase();
    for word in [
        "kuldiga",
        "talsi",
        "liepaja",
        "ventspils",
        "kurzeme",
        "debian",
        "silver",
        "m-16",
        "switch",
    ] {
        assert!(!all.contains(word), "{word} is in the snapshot without names");
    }
}
