//! A server from its addresses to its end: bound, then running, then stopped without losing a
//! request that it had taken on.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use online::Reader;
use proto::feast::serving::serving_service_server::SERVICE_NAME as FEAST_SERVICE_NAME;
use proto::v1::feature_store_server::SERVICE_NAME;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::connections::Connections;
use crate::error::ServeError;
use crate::gate::Gate;
use crate::grpc;
use crate::http;
use crate::serve::{Answering, Spoken, serve};
use crate::server_fault::ServerFault;
use crate::serving::Serving;
use crate::tls::Tls;

/// Where a server listens. Port 0 takes a free one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Addresses {
    /// Of gRPC.
    pub grpc: SocketAddr,
    /// Of HTTP.
    pub http: SocketAddr,
}

/// How a server ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// Everything in flight was answered.
    Drained,
    /// Some requests or connections were still open when the time to drain was up.
    CutOff,
}

/// A server that has its addresses and answers nothing yet.
pub struct Server<R> {
    serving: Arc<Serving<R>>,
    grpc: TcpListener,
    http: TcpListener,
    bound: Addresses,
    tls: Option<Arc<Tls>>,
}

impl<R: Reader + 'static> Server<R> {
    /// Takes both addresses.
    pub async fn bind(addresses: Addresses, serving: Serving<R>) -> Result<Self, ServeError> {
        let (grpc, grpc_address) = listen(addresses.grpc).await?;
        let (http, http_address) = listen(addresses.http).await?;
        let bound = Addresses { grpc: grpc_address, http: http_address };
        Ok(Self { serving: Arc::new(serving), grpc, http, bound, tls: None })
    }

    /// The same, over TLS alone.
    #[must_use]
    pub fn with_tls(self, tls: Arc<Tls>) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// The addresses that were taken.
    pub fn addresses(&self) -> Addresses {
        self.bound
    }

    /// What gives all metrics, as Prometheus reads them, as long as the server is there.
    pub fn metrics(&self) -> impl Fn() -> String + Send + Sync + 'static {
        let serving = Arc::clone(&self.serving);
        move || serving.exposition()
    }

    /// Answers until `shutdown` comes. Then health says so first, no connection is taken on any
    /// more, and what is in flight is answered, as far as the time to drain goes.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<Ended, ServeError> {
        let limits = *self.serving.limits();
        let (stop, stopped) = watch::channel(false);
        let stopping = Arc::new(AtomicBool::new(false));
        let (health, health_service) = tonic_health::server::health_reporter();
        set_health(&health, ServingStatus::Serving).await;

        let mut protocols = JoinSet::new();
        let gate = Arc::new(Gate::new(Arc::clone(&self.serving)));
        let counts = self.serving.connections();
        let over = |listener| Connections::new(listener, limits, Arc::clone(counts));
        let routes = grpc::routes(&self.serving, health_service)?.prepare().into_axum_router();
        let answering = |routes| Answering { routes, gate: Arc::clone(&gate), tls: self.tls.clone() };
        protocols.spawn(serve(Spoken::Http2, over(self.grpc), answering(routes), stopped.clone()));
        let routes = http::routes(Arc::clone(&self.serving), Arc::clone(&stopping));
        protocols.spawn(serve(Spoken::Http1, over(self.http), answering(routes), stopped));
        let serving = Arc::clone(&self.serving);
        // In a task of its own, wherever this is awaited: what waits in the queue of the workers is measured there alone.
        let mut overload = JoinSet::new();
        let overloaded = Arc::clone(&serving);
        overload.spawn(async move { overloaded.overload().watch(limits.target_wait).await });

        let watched = async {
            loop {
                report(&health, serving.health_changed().await).await;
            }
        };
        tokio::select! {
            () = shutdown => {}
            () = watched => {}
            // Without it nothing would be refused early.
            Some(ended) = overload.join_next() => return Err(ServerFault::Stopped(reason(ended)).into()),
            Some(ended) = protocols.join_next() => return Err(ServerFault::Stopped(reason(ended)).into()),
        }
        stopping.store(true, Ordering::Relaxed);
        set_health(&health, ServingStatus::NotServing).await;
        // Both protocols have a receiver until they have ended.
        stop.send_replace(true);
        let drain = async { while protocols.join_next().await.is_some() {} };
        match timeout(limits.drain_timeout, drain).await {
            Ok(()) => Ok(Ended::Drained),
            Err(_) => {
                protocols.shutdown().await;
                Ok(Ended::CutOff)
            }
        }
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |source| ServerFault::Bind { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

async fn report(health: &HealthReporter, is_ill: bool) {
    let status = if is_ill { ServingStatus::NotServing } else { ServingStatus::Serving };
    set_health(health, status).await;
}

async fn set_health(health: &HealthReporter, status: ServingStatus) {
    for service in ["", SERVICE_NAME, FEAST_SERVICE_NAME] {
        health.set_service_status(service, status).await;
    }
}

fn reason(ended: Result<(), tokio::task::JoinError>) -> String {
    match ended {
        Ok(()) => "a task ended by itself".to_owned(),
        Err(error) => error.to_string(),
    }
}
