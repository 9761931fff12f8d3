//! A gate between a controller and the API server: lets a counted number of writes through and then nothing more, or keeps what
//! watches have to say back, so that the controller acts on what was. Listens on loopback.
//!
//! A controller that is killed once its last allowed write has landed, and before it hears so, is one that died between that call
//! and the next: nothing outlives it but what is in the cluster.

use crate::error::Error;
use axum::body::Body;
use axum::extract::Request;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use futures::StreamExt as _;
use http::Method;
use http::StatusCode;
use http::header;
use kube::Client;
use kube::Config;
use kube::config::KubeConfigOptions;
use kube::config::Kubeconfig;
use serde_json::json;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Largest body of one request: etcd takes 1.5 MiB.
const BODY: usize = 4 << 20;
/// As good as no limit.
pub const ALL: i64 = i64::MAX;

/// What a gate does just now.
#[derive(Clone, Debug, Default)]
struct Now {
    /// Nothing passes any more.
    closed: bool,
    /// Watches of these kinds tell nothing new.
    held: &'static [&'static str],
    /// What an answer is to tell, and whether one has.
    expected: (String, bool),
    /// The last writes that passed, as `PATCH /apis/…`.
    passed: Vec<String>,
}

struct Shared {
    client: Client,
    left: AtomicI64,
    now: watch::Sender<Now>,
}

/// See the head of this file. Dropping it ends it.
pub struct Gate {
    shared: Arc<Shared>,
    server: JoinHandle<()>,
    kubeconfig: PathBuf,
}

impl Gate {
    /// Opens a gate before the API server of `kubeconfig`, with the rights of that file. `writes` may pass; writes to leases,
    /// events and what is derived of the whole fleet (the status of sites, racks and policies) are not counted.
    pub async fn open(kubeconfig: &Path, name: &str, writes: i64) -> Result<Self, Error> {
        let wrong = |e: kube::config::KubeconfigError| Error::Wrong(format!("{}: {e}", kubeconfig.display()));
        let file = Kubeconfig::read_from(kubeconfig).map_err(wrong)?;
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
            .await
            .map_err(wrong)?;
        let client = Client::try_from(config).map_err(Error::api("make the gate's client"))?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(Error::file("127.0.0.1:0"))?;
        let address = listener.local_addr().map_err(Error::file("127.0.0.1:0"))?;
        let path = kubeconfig.with_file_name(format!("gate-{name}.kubeconfig"));
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "gate",
            "clusters": [{"name": "gate", "cluster": {"server": format!("http://{address}")}}],
            "users": [{"name": "gate", "user": {}}],
            "contexts": [{"name": "gate", "context": {"cluster": "gate", "user": "gate"}}],
        });
        std::fs::write(&path, text.to_string()).map_err(Error::file(&path))?;
        let shared = Arc::new(Shared {
            client,
            left: AtomicI64::new(writes),
            now: watch::channel(Now::default()).0,
        });
        let app = axum::Router::new().fallback(pass).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            // It ends with the gate.
            let _ended = axum::serve(listener, app).await;
        });
        Ok(Self {
            shared,
            server,
            kubeconfig: path,
        })
    }

    /// The kubeconfig of what is to go through the gate.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Waits until the last allowed write has landed.
    pub async fn closed(&self) {
        // The sender is ours: the wait cannot fail.
        let mut now = self.shared.now.subscribe();
        let _seen = now.wait_for(|now| now.closed).await;
    }

    /// Lets nothing more pass.
    pub fn close(&self) {
        self.shared.now.send_modify(|now| now.closed = true);
    }

    /// Keeps back what watches of these kinds (`/virtualservers`) tell, and lets all others go on in their order.
    pub fn hold(&self, kinds: &'static [&'static str]) {
        self.shared.now.send_modify(|now| now.held = kinds);
    }

    /// From now on looks out for an answer that tells of `word`. Choose one that an object says several times: it may be cut in two.
    pub fn expect(&self, word: &str) {
        self.shared
            .now
            .send_modify(|now| now.expected = (word.to_owned(), false));
    }

    /// Waits until an answer has told of the expected word.
    pub async fn told(&self) {
        let mut now = self.shared.now.subscribe();
        let _seen = now.wait_for(|now| now.expected.1).await;
    }

    /// The writes that passed, in their order, as `PATCH /apis/…`; those that are not counted too.
    #[must_use]
    pub fn passed(&self) -> Vec<String> {
        self.shared.now.borrow().passed.clone()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.close();
        self.server.abort();
    }
}

/// Whether a request changes something that a server, tenant or colocation is made of.
fn counts(method: &Method, path: &str) -> bool {
    const DERIVED: [&str; 3] = ["/sites/", "/racks/", "/replicationpolicies/"];
    let derived = path.starts_with("/apis/raidc.dev/") && DERIVED.iter().any(|kind| path.contains(kind));
    let aside = ["/leases", "/events", "/selfsubject"]
        .iter()
        .any(|kind| path.contains(kind));
    is_write(method) && !derived && !aside
}

fn is_write(method: &Method) -> bool {
    ![Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

async fn pass(State(gate): State<Arc<Shared>>, request: Request) -> Response {
    if gate.now.borrow().closed {
        return never().await;
    }
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let watches = request
        .uri()
        .query()
        .is_some_and(|query| query.contains("watch=true") || query.contains("watch=1"));
    let number = if counts(&method, &path) {
        let left = gate.left.fetch_sub(1, Ordering::AcqRel);
        if left <= 0 {
            return never().await;
        }
        Some(left)
    } else {
        None
    };
    let answer = match forward(&gate.client, request).await {
        Ok(answer) => answer,
        Err(error) => return (StatusCode::BAD_GATEWAY, error).into_response(),
    };
    if is_write(&method) {
        let line = format!("{method} {path} {}", answer.status().as_u16());
        gate.now.send_modify(|now| now.passed.push(line));
    }
    if number == Some(1) {
        gate.now.send_modify(|now| now.closed = true);
        return never().await;
    }
    told(&gate, watches.then_some(path), answer)
}

/// What somebody waits for whose connection has died without a word.
async fn never() -> Response {
    std::future::pending().await
}

async fn forward(client: &Client, request: Request) -> Result<Response, String> {
    let (mut parts, body) = request.into_parts();
    // Both are of the connection to the gate; the client sets its own.
    parts.headers.remove(header::HOST);
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.uri = parts
        .uri
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str)
        .parse()
        .map_err(|e| format!("{e}"))?;
    let body = axum::body::to_bytes(body, BODY)
        .await
        .map_err(|e| e.to_string())?;
    let request = http::Request::from_parts(parts, kube::client::Body::from(body.to_vec()));
    let answer = client.send(request).await.map_err(|e| e.to_string())?;
    let (mut parts, body) = answer.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::TRANSFER_ENCODING);
    Ok(Response::from_parts(parts, Body::new(body)))
}

/// The answer, part by part, as the gate lets the watches of `watched` tell.
fn told(gate: &Arc<Shared>, watched: Option<String>, answer: Response) -> Response {
    let (parts, body) = answer.into_parts();
    let gate = Arc::clone(gate);
    let stream = body.into_data_stream().then(move |part| {
        let (gate, watched) = (Arc::clone(&gate), watched.clone());
        async move {
            if let Some(path) = watched {
                let mut now = gate.now.subscribe();
                let free = |now: &Now| !now.held.iter().any(|kind| path.ends_with(kind));
                // When the gate has gone, so has who listens.
                let _open = now.wait_for(free).await;
            }
            if let Ok(bytes) = &part {
                let text = String::from_utf8_lossy(bytes);
                gate.now.send_if_modified(|now| {
                    let (word, told) = &mut now.expected;
                    let tells = !*told && !word.is_empty() && text.contains(word.as_str());
                    *told |= tells;
                    tells
                });
            }
            part
        }
    });
    Response::from_parts(parts, Body::from_stream(stream))
}
