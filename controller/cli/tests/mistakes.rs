//! Mistakes in files and on the command line: each is named, with its place, and ends with 1, never with 0 or 2. Runs the command.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]
#![allow(clippy::too_many_lines, reason = "a table of cases is one thing")]

mod support;

use support::{file, raidc, with_examples};

const SERVER: &str =
    "apiVersion: raidc.dev/v1alpha1\nkind: VirtualServer\nmetadata: {name: a, namespace: kuldiga}\n";

#[test]
fn no_mistake_in_a_document_passes_or_is_left_without_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    for (what, text, want) in [
        ("no YAML", "a: [1\n".to_owned(), ", document 1: is no YAML"),
        ("a key twice", "a: 1\na: 2\n".to_owned(), "line 2"),
        ("no object", "- 1\n".to_owned(), "document 1: is no Kubernetes object"),
        ("values of a chart", "replicas: 2\n".to_owned(), "apiVersion and kind are missing"),
        ("a kind of ours that is none", "apiVersion: raidc.dev/v1alpha1\nkind: Server\n".to_owned(), "Server is not known: the kinds of"),
        ("another version", "apiVersion: raidc.dev/v1\nkind: Site\n".to_owned(), "raidc.dev/v1 Site is not known"),
        ("no name", "apiVersion: raidc.dev/v1alpha1\nkind: Site\nspec: {}\n".to_owned(), "without metadata.name"),
        ("no namespace", SERVER.replace(", namespace: kuldiga", "") + "spec: {size: m-4, image: x}\n", "says no namespace"),
        ("an unknown field", format!("{SERVER}spec: {{size: m-4, image: x, polcy: gold}}\n"), "spec.polcy: there is no such field"),
        ("a wrong type", format!("{SERVER}spec: {{size: m-4, image: x, tier: first}}\n"), "spec.tier: is \"first\"; a whole number is wanted"),
        ("On without quotes", format!("{SERVER}spec: {{size: m-4, image: x, power: On}}\n"), "\"On\" or \"Off\" in quotation marks"),
        ("a CEL rule", format!("{SERVER}spec: {{image: x}}\n"), "say either size or resources"),
        ("a name", SERVER.replace("name: a", "name: 9a") + "spec: {size: m-4, image: x}\n", "begins with a letter"),
        ("twice", format!("{SERVER}spec: {{size: m-4, image: x}}\n---\n{SERVER}spec: {{size: m-8, image: x}}\n"), "document 2: VirtualServer kuldiga/a: is written twice, first in"),
        ("a host without size", "apiVersion: v1\nkind: Node\nmetadata: {name: h}\n".to_owned(), "status.allocatable.cpu"),
        ("a size that is none", "apiVersion: instancetype.kubevirt.io/v1beta1\nkind: VirtualMachineClusterInstancetype\nmetadata: {name: m}\nspec: {cpu: {guest: many}}\n".to_owned(), "invalid type"),
    ] {
        let path = file(&folder, "input.yaml", &text);
        let ran = raidc(&with_examples(&["plan"], &["-f", path.to_str().expect("letters")]));
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{what}");
        assert!(ran.err.contains(want), "{what}: {}", ran.err);
        assert!(ran.err.contains("input.yaml, document "), "{what}: {}", ran.err);
    }
}

#[test]
fn all_mistakes_are_named_not_only_the_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!("{SERVER}spec: {{size: 1, image: 2}}\n---\nx: 1\n");
    let path = file(&folder, "input.yaml", &text);
    let ran = raidc(&["plan", "-f", path.to_str().expect("letters")]);
    assert!(ran.err.starts_with("raidc: 3 mistakes"), "{}", ran.err);
}

#[test]
fn a_wrong_command_line_never_looks_like_a_change() {
    for arguments in [
        &["plan"][..],
        &["plan", "-f"],
        &["plan", "-f", "/nonexistent"],
        &["plan", "-f", "docs"],
        &["plan", "-f", "examples", "--fleet", "a", "--cluster"],
        &["plan", "-f", "examples", "--delete", "server/kuldiga/nobody"],
        &["plan", "-f", "examples", "--delete", "banana/x"],
        &["explain", "server/nobody", "-n", "kuldiga", "-f", "examples"],
        &["explain", "site/talsi", "-f", "examples"],
        &["explain", "server/x", "-f", "examples"],
        &["simulate", "--lose", "talsi", "-f", "examples"],
        &["simulate", "--lose", "site/riga", "-f", "examples"],
        &[
            "simulate",
            "--lose",
            "site/talsi",
            "--lose",
            "site/kuldiga",
            "-f",
            "examples",
        ],
        &["snapshot", "--redact=some", "-f", "examples"],
        &["dance"],
        &[],
    ] {
        let ran = raidc(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{arguments:?}");
        assert!(!ran.err.is_empty(), "{arguments:?}");
    }
    assert_eq!(raidc(&["--help"]).code, 0);
    assert_eq!(raidc(&["--version"]).code, 0);
}

#[test]
fn what_is_not_known_is_said_and_never_guessed() {
    let server = ["explain", "server/kuldiga/map", "-f", "examples/50-kuldiga.yaml"];
    let ran = raidc(&server);
    assert!(ran.out.contains("belongs to no Tenant"), "{}", ran.out);
    let tenants = ["-f", "examples/40-tenants.yaml"];
    let ran = raidc(&[&server[..], &tenants].concat());
    assert!(ran.out.contains("policy silver does not exist"), "{}", ran.out);
    let ran = raidc(&[
        "explain",
        "server/kuldiga/register-web",
        "-f",
        "examples/50-kuldiga.yaml",
        "-f",
        "examples/40-tenants.yaml",
        "-f",
        "examples/30-policies.yaml",
    ]);
    assert!(
        ran.out.contains("size m-4 is not in the catalogue"),
        "{}",
        ran.out
    );
    let ran = raidc(&["plan", "-f", "examples/50-kuldiga.yaml"]);
    assert!(ran.out.contains("no Node is given"), "{}", ran.out);
    assert!(
        ran.out.contains("no VirtualMachineClusterInstancetype is given"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("every image counts as there"), "{}", ran.out);
}
