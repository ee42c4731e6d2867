//! What streams say of themselves, over HTTP in the text format of Prometheus.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use feature::VersionId;
use materializer::Watch;
use tokio::net::TcpListener;

use crate::failure::Failure;

/// The lines that say types, once for all views.
pub const TYPES: &str = "# TYPE twinstore_stream_seconds histogram\n";

/// Listens at an address.
pub async fn bind(address: &str) -> Result<TcpListener, Failure> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| Failure::new(format!("--metrics {address}: {error}: name a free HOST:PORT")))
}

/// Answers `/metrics` until it is dropped.
pub async fn serve(listener: TcpListener, watched: Vec<(VersionId, Arc<Watch>)>) {
    let said = move || {
        let views: String = watched.iter().map(|(view, watch)| watch.prometheus(view)).collect();
        std::future::ready(format!("{TYPES}{views}"))
    };
    let routes = Router::new().route("/metrics", get(said));
    if let Err(error) = axum::serve(listener, routes).await {
        tracing::warn!("metrics are not served any more: {error}");
    }
}
