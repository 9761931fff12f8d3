//! What is sent to a cluster: nothing without being asked, and only lists when asked. Listens on 127.0.0.1; runs the command.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use support::{file, raidc, raidc_with, snapshot, with_examples};

/// An API server that knows lists, and remembers what it was asked.
struct Server {
    asked: Arc<Mutex<Vec<String>>>,
    kubeconfig: PathBuf,
}

/// Answers by path: status and body. What is not there is not served.
type Answers = BTreeMap<String, (u16, String)>;

impl Server {
    fn start(folder: &tempfile::TempDir, answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&asked);
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream, &answers, &heard);
            }
        });
        let kubeconfig = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]\n\
             contexts: [{{name: c, context: {{cluster: c, user: u, namespace: kuldiga}}}}]\nusers: [{{name: u, user: {{}}}}]\n"
        );
        let kubeconfig = file(folder, "kubeconfig", &kubeconfig);
        Self { asked, kubeconfig }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("not poisoned").clone()
    }
}

fn answer(mut stream: TcpStream, answers: &Answers, heard: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().expect("a stream"))
        .lines()
        .map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    for line in lines {
        if line.is_empty() {
            break;
        }
    }
    heard.lock().expect("not poisoned").push(first.clone());
    let path = first
        .split(' ')
        .nth(1)
        .and_then(|path| path.split('?').next())
        .unwrap_or_default();
    let missing = (404, status(404, "NotFound"));
    let (code, body) = answers.get(path).unwrap_or(&missing);
    // A client that has gone away has seen enough.
    drop(write!(
        stream,
        "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    ));
}

fn status(code: u16, reason: &str) -> String {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": reason, "reason": reason, "code": code}).to_string()
}

/// The lists of a cluster that holds the examples.
fn lists() -> Answers {
    let ran = raidc(&with_examples(&["snapshot", "-o", "json"], &[]));
    let list: Value = serde_json::from_str(&ran.out).expect("JSON");
    let mut items: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for item in list["items"].as_array().expect("items") {
        let kind = item["kind"].as_str().expect("a kind");
        items.entry(kind.to_owned()).or_default().push(item.clone());
    }
    raidc_cli::kinds::Kind::ALL
        .into_iter()
        .map(|kind| {
            let (group, version, name, plural) = kind.api();
            let path = match (group, name) {
                ("", _) => format!("/api/{version}/{plural}"),
                (_, "DataSource") => format!("/apis/{group}/{version}/namespaces/raidc-images/{plural}"),
                _ => format!("/apis/{group}/{version}/{plural}"),
            };
            let list = json!({
                "apiVersion": kind.api_version(), "kind": format!("{name}List"), "metadata": {"resourceVersion": "1"},
                "items": items.remove(name).unwrap_or_default(),
            });
            (path, (200, list.to_string()))
        })
        .collect()
}

#[test]
fn nothing_is_sent_to_a_cluster_unless_it_was_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let fleet = snapshot(&folder);
    let fleet = fleet.to_str().expect("letters");
    let server = Server::start(&folder, lists());
    for arguments in [
        with_examples(&["plan"], &[]),
        vec!["plan", "-f", "examples", "--fleet", fleet],
        vec!["explain", "server/kuldiga/map", "--fleet", fleet],
        with_examples(&["explain", "server/kuldiga/map"], &[]),
        vec!["simulate", "--lose", "site/talsi", "--fleet", fleet],
        vec!["snapshot", "--redact", "--fleet", fleet],
        vec!["--help"],
        vec!["plan"],
    ] {
        raidc_with(&server.kubeconfig, &arguments);
        assert_eq!(server.asked(), [] as [&str; 0], "{arguments:?}");
    }
    // The same server does hear what is meant for it.
    assert_eq!(raidc_with(&server.kubeconfig, &["snapshot"]).code, 0);
    assert!(!server.asked().is_empty());
}

#[test]
fn a_cluster_is_only_ever_listed_and_says_the_same_as_its_snapshot() {
    let folder = tempfile::tempdir().expect("a folder");
    let fleet = snapshot(&folder);
    let server = Server::start(&folder, lists());
    let taken = raidc_with(&server.kubeconfig, &["snapshot"]);
    assert_eq!(taken.out, std::fs::read_to_string(&fleet).expect("the snapshot"));
    let change = ["plan", "-f", "controller/cli/tests/data/change.yaml"];
    let online = raidc_with(&server.kubeconfig, &[&change[..], &["--cluster"]].concat());
    let offline = raidc(&[&change[..], &["--fleet", fleet.to_str().expect("letters")]].concat());
    assert_eq!(online.out.replace("the cluster", "the snapshot"), offline.out);
    assert_eq!((online.code, offline.code), (2, 2));
    // The namespace of the context is the one that is meant.
    let explained = raidc_with(&server.kubeconfig, &["explain", "server/map"]);
    assert!(
        explained.out.starts_with("VirtualServer kuldiga/map"),
        "{}{}",
        explained.out,
        explained.err
    );
    let asked = server.asked();
    assert!(asked.len() >= 30, "{asked:?}");
    for line in asked {
        assert!(line.starts_with("GET ") && !line.contains("watch="), "{line}");
        assert!(!line.contains("secrets"), "{line}");
    }
}

#[test]
fn a_missing_right_is_never_taken_for_an_empty_cluster() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut answers = lists();
    for path in ["/api/v1/nodes", "/apis/raidc.dev/v1alpha1/sites"] {
        answers.insert(path.to_owned(), (403, status(403, "Forbidden")));
    }
    let server = Server::start(&folder, answers);
    let ran = raidc_with(&server.kubeconfig, &["explain", "server/map"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(
        ran.err.contains("list sites.raidc.dev, list nodes"),
        "{}",
        ran.err
    );
}

#[test]
fn a_cluster_without_raidc_or_a_backend_is_told_apart_from_an_empty_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder, Answers::new());
    let ran = raidc_with(&server.kubeconfig, &["snapshot"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("does not serve sites.raidc.dev"), "{}", ran.err);
    let mut answers = lists();
    answers.retain(|path, _| !path.contains("kubevirt.io/v1beta1/virtualmachineclusterinstancetypes"));
    let server = Server::start(&folder, answers);
    let ran = raidc_with(&server.kubeconfig, &["explain", "server/register-web"]);
    assert!(
        ran.out.contains("KubeVirt is not installed"),
        "{}{}",
        ran.out,
        ran.err
    );
}

#[test]
fn a_cluster_that_does_not_answer_is_unknown_and_no_plan_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]\n\
         contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\nusers: [{{name: u, user: {{}}}}]\n"
    );
    let kubeconfig = file(&folder, "kubeconfig", &kubeconfig);
    let ran = raidc_with(&kubeconfig, &["simulate", "--lose", "site/talsi"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("could not be read (sites)"), "{}", ran.err);
    let ran = raidc(&["simulate", "--lose", "site/talsi"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("no cluster can be reached by the kubeconfig"),
        "{}",
        ran.err
    );
}
