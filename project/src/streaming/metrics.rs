//! What streams say of themselves, over HTTP in the text format of Prometheus.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;

use super::stream_status::StreamStatus;
use crate::background::{self, noticed};
use crate::error::ProjectError;

/// Listens at an address.
pub(super) async fn bind(address: &str) -> Result<TcpListener, ProjectError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| ProjectError::Metrics { address: address.to_owned(), source })
}

/// Answers `/metrics` until it is dropped.
pub(super) async fn serve(listener: TcpListener, stream_status: Arc<StreamStatus>) {
    let exposition = move || std::future::ready(stream_status.prometheus() + &background::exposition());
    let routes = Router::new().route("/metrics", get(exposition));
    let serving = async { axum::serve(listener, routes).await };
    if let Some(Err(error)) = noticed("metrics are not served", serving).await {
        tracing::warn!("metrics are not served any more: {error}");
    }
}
