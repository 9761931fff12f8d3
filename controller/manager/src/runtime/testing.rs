//! What unit tests share: a context whose API server is a mock. Test builds only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use tokio::sync::watch;
use tower_test::mock::Handle;

use super::backoff::Backoff;
use super::clock::{Clock, SystemClock};
use super::config::Config;
use super::context::{Ctx, Decision};
use super::events::Events;
use super::lease::Claim;
use super::metrics::Metrics;
use super::sent::Sent;
use super::words::Words;
use super::writer::Writer;
use crate::inventory::stores::Stores;

/// The other end of a mock client.
pub(crate) type Server = Handle<Request<Body>, Response<Body>>;

/// A client and what it talks to.
pub(crate) fn mock() -> (Client, Server) {
    let (service, server) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    (Client::new(service, "default"), server)
}

/// A context that leads for an hour, over `stores` and with `decision` as the last one.
pub(crate) fn ctx(client: Client, stores: Stores, decision: Decision) -> Arc<Ctx> {
    ctx_at(client, stores, decision, Arc::new(SystemClock))
}

/// A clock that only the test moves.
pub(crate) struct Hand(Instant, AtomicU64);

impl Hand {
    /// One that stands.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Instant::now(), AtomicU64::new(0)))
    }

    /// So much later.
    pub(crate) fn pass(&self, seconds: u64) {
        self.1.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> Instant {
        self.0 + Duration::from_secs(self.1.load(Ordering::SeqCst))
    }
}

/// The same with a clock of the test's own.
pub(crate) fn ctx_at(client: Client, stores: Stores, decision: Decision, clock: Arc<dyn Clock>) -> Arc<Ctx> {
    let claim = Claim::default();
    claim.extend(clock.monotonic() + Duration::from_hours(1));
    let metrics = Arc::new(Metrics::new());
    let writer = Writer::new(client.clone(), claim, Arc::clone(&clock), Arc::clone(&metrics));
    let (sender, plan) = watch::channel(Arc::new(decision));
    // The channel must stay open as it does in the operator.
    std::mem::forget(sender);
    let (sender, verdict) = watch::channel(Arc::default());
    std::mem::forget(sender);
    Arc::new(Ctx {
        recorder: Events::new(client.clone(), "test", writer.clone()),
        client,
        clock,
        writer,
        stores,
        plan,
        verdict,
        metrics,
        backoff: Backoff::default(),
        config: Arc::new(Config::from_defaults()),
        sent: Sent::default(),
        words: Words::default(),
    })
}

/// Answers one request with `body` and returns what was asked: method, path with query, and the JSON that was sent.
pub(crate) async fn answer(
    server: &mut Server,
    status: u16,
    body: &serde_json::Value,
) -> (String, String, serde_json::Value) {
    let next = tokio::time::timeout(Duration::from_secs(5), server.next_request()).await;
    let (request, reply) = next.expect("a request within five seconds").expect("a request");
    let (parts, sent) = request.into_parts();
    let sent = sent.collect_bytes().await.expect("a body");
    let response = Response::builder()
        .status(status)
        .body(Body::from(serde_json::to_vec(body).expect("JSON")))
        .expect("a response");
    reply.send_response(response);
    let path = parts
        .uri
        .path_and_query()
        .map_or(String::new(), ToString::to_string);
    (
        parts.method.to_string(),
        path,
        serde_json::from_slice(&sent).unwrap_or(serde_json::Value::Null),
    )
}
