//! /healthz, /readyz and /metrics. I/O: listens.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::metrics::Metrics;
use crate::inventory::stores::Stores;

/// What the pages are made from.
#[derive(Clone)]
struct Shown {
    stores: Stores,
    metrics: Arc<Metrics>,
}

/// Serves until `stop` says so.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(
    address: SocketAddr,
    stores: Stores,
    metrics: Arc<Metrics>,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let app = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_text))
        .with_state(Shown { stores, metrics });
    axum::serve(listener, app)
        .with_graceful_shutdown(async move {
            drop(stop.wait_for(|stop| *stop).await);
        })
        .await
}

/// Ready means that every cache has been read; a standby is as ready as a leader.
async fn readyz(State(shown): State<Shown>) -> (StatusCode, String) {
    let waiting = shown.stores.unsynced();
    if waiting.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not read yet: {}\n", waiting.join(", ")),
        )
    }
}

async fn metrics_text(State(shown): State<Shown>) -> impl IntoResponse {
    (
        [(
            header::CONTENT_TYPE,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        )],
        shown.metrics.text(),
    )
}
