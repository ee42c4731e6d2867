//! What streams say of themselves, over HTTP in the text format of Prometheus.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;

use super::stream_status::StreamStatus;
use crate::error::ProjectError;

/// Listens at an address.
pub(super) async fn bind(address: &str) -> Result<TcpListener, ProjectError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| ProjectError::Metrics { address: address.to_owned(), source })
}

/// Answers `/metrics` until it is dropped.
pub(super) async fn serve(listener: TcpListener, stream_status: Arc<StreamStatus>) {
    let routes = Router::new().route("/metrics", get(move || std::future::ready(stream_status.prometheus())));
    if let Err(error) = axum::serve(listener, routes).await {
        tracing::warn!("metrics are not served any more: {error}");
    }
}
