//! One protocol on its listener: each connection in a task of its own, until the server stops.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use online::Reader;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::access_control::CertificateNames;
use crate::connections::{Connection, Connections, Tracked};
use crate::gate::Gate;
use crate::tls::{Tls, names_of};

/// How often a silent connection of HTTP/2 is checked, and how long its answer may take.
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of the heads of a request.
const HEAD_BYTES: usize = 32 << 10;
/// Streams that a peer may reset before they are taken on, and errors of its own that it may make, before the
/// connection is ended: the bound against rapid resets.
const RESET_STREAMS: usize = 20;
const FAULTY_STREAMS: usize = 256;

/// What a listener speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Spoken {
    /// HTTP/2, as gRPC does.
    Http2,
    /// HTTP/1.1.
    Http1,
}

/// What the requests of all connections are answered by.
pub(crate) struct Answering<R> {
    pub routes: Router,
    pub gate: Arc<Gate<R>>,
    /// `None` where connections are not encrypted.
    pub tls: Option<Arc<Tls>>,
}

impl<R> Clone for Answering<R> {
    fn clone(&self) -> Self {
        Self { routes: self.routes.clone(), gate: Arc::clone(&self.gate), tls: self.tls.clone() }
    }
}

/// Answers what comes in until the server stops, and then what is in flight.
pub(crate) async fn serve<R: Reader + 'static>(
    spoken: Spoken,
    connections: Connections,
    answering: Answering<R>,
    stopped: watch::Receiver<bool>,
) {
    let builder = builder(spoken, &answering.gate);
    let book = connections.book();
    let mut open = JoinSet::new();
    let mut stop = stopped.clone();
    let accepting = async {
        loop {
            // Nothing may interrupt this: a connection that waits for space would be lost.
            let connection = connections.next().await;
            // What has ended is forgotten.
            while let Some(ended) = open.try_join_next() {
                book.note(&ended);
            }
            open.spawn(begin(spoken, builder.clone(), connection, answering.clone(), stopped.clone()));
        }
    };
    tokio::select! {
        () = accepting => {}
        () = book.watch(spoken == Spoken::Http1) => {}
        () = stop_requested(&mut stop) => {}
    }
    // From now on nobody can connect.
    drop(connections);
    while let Some(ended) = open.join_next().await {
        book.note(&ended);
    }
}

fn builder<R: Reader + 'static>(spoken: Spoken, gate: &Gate<R>) -> Builder<TokioExecutor> {
    let builder = Builder::new(TokioExecutor::new());
    match spoken {
        Spoken::Http1 => {
            let mut builder = builder.http1_only();
            builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HEAD_BYTES);
            builder
        }
        Spoken::Http2 => {
            let mut builder = builder.http2_only();
            let limits = gate.limits();
            let streams = limits.max_in_flight.saturating_add(limits.max_waiting);
            builder
                .http2()
                .timer(TokioTimer::new())
                .keep_alive_interval(Some(KEEPALIVE))
                .keep_alive_timeout(KEEPALIVE_TIMEOUT)
                .max_concurrent_streams(u32::try_from(streams).unwrap_or(u32::MAX))
                .max_header_list_size(HEAD_BYTES as u32)
                .max_pending_accept_reset_streams(Some(RESET_STREAMS))
                .max_local_error_reset_streams(Some(FAULTY_STREAMS));
            builder
        }
    }
}

/// Begins a connection, with TLS where it has that, within the time that a head has.
async fn begin<R: Reader + 'static>(
    spoken: Spoken,
    builder: Builder<TokioExecutor>,
    connection: Connection,
    answering: Answering<R>,
    stopped: watch::Receiver<bool>,
) {
    let tracked = connection.tracked();
    let Some(tls) = &answering.tls else {
        let peer = Peer { tracked, certificate: Arc::default() };
        return converse(builder, connection, peer, answering, stopped).await;
    };
    let handshake = tls.acceptor(spoken == Spoken::Http2).accept(connection);
    let open = Arc::clone(&tracked.open);
    let encrypted = tokio::select! {
        encrypted = timeout(answering.gate.limits().head_timeout, handshake) => encrypted,
        () = open.ended() => return,
    };
    // Who speaks no TLS, shows no good certificate or takes too long ends its own connection alone.
    let Ok(Ok(encrypted)) = encrypted else { return };
    tracked.is_encrypted();
    let shown = encrypted.get_ref().1.peer_certificates().and_then(|shown| shown.first());
    let peer = Peer { tracked, certificate: names_of(shown) };
    converse(builder, encrypted, peer, answering, stopped).await;
}

/// Whose connection it is.
struct Peer {
    tracked: Tracked,
    certificate: CertificateNames,
}

/// Answers the requests of a connection until it ends, or the server does and they are answered.
async fn converse<R: Reader + 'static>(
    builder: Builder<TokioExecutor>,
    connection: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: Peer,
    answering: Answering<R>,
    mut stopped: watch::Receiver<bool>,
) {
    let Peer { tracked, certificate } = peer;
    let Answering { routes, gate, .. } = answering;
    let open = Arc::clone(&tracked.open);
    let service = service_fn(move |request: Request<Incoming>| {
        let (routes, gate, request_in_progress) = (routes.clone(), Arc::clone(&gate), tracked.request());
        // A request of HTTP/2 goes on in a task of its own, which may wait for a thread.
        let (arrived, certificate) = (Instant::now(), Arc::clone(&certificate));
        async move {
            let response = gate.answer(routes, request.map(Body::new), arrived, &certificate).await;
            drop(request_in_progress);
            response
        }
    });
    let served = builder.serve_connection(TokioIo::new(connection), service);
    tokio::pin!(served);
    // What a peer does wrong on its connection ends it, and is nobody else's concern.
    tokio::select! {
        _ = served.as_mut() => return,
        () = open.ended() => return,
        () = stop_requested(&mut stopped) => served.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = served.as_mut() => {}
        () = open.ended() => {}
    }
}

/// Resolves once the server is stopped, or is gone.
async fn stop_requested(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
