//! What every request passes before its body is read, in both protocols: its deadline, who sends it and whether they have
//! taken their share, whether the server is overloaded, and space for its body. What does not pass costs next to nothing.
//!
//! A request with a large body is answered outside the tasks of the runtime: what is parsed and computed for it holds
//! up nobody else.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;

use access::{Action, Identity, Priority, Resource};
use axum::Router;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Request, header};
use axum::response::Response;
use feature::TraceParent;
use online::Reader;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};
use tonic::codegen::Service;

use crate::bodies::{Held, HeldBody, SMALL_BYTES};
use crate::call::Arrived;
use crate::code::Code;
use crate::error::ServeError;
use crate::feast;
use crate::grpc::{self, to_status};
use crate::http;
use crate::limits::Limits;
use crate::metrics::Protocol;
use crate::server_fault::ServerFault;
use crate::serving::Serving;

/// gRPC's own services, of health and reflection: their bodies are not read here.
const OWN_OF_GRPC: &str = "/grpc.";
/// What everybody may read.
const HEALTH: &str = "/health";
const HEALTH_OF_GRPC: &str = "/grpc.health.";
/// How a browser sends a token: as a password, for any user.
const LOGIN: HeaderValue = HeaderValue::from_static("Basic realm=\"twinstore\", charset=\"UTF-8\"");

/// The gate of a server.
pub(crate) struct Gate<R> {
    serving: Arc<Serving<R>>,
    /// Requests with large bodies that are answered at once.
    large: Arc<Semaphore>,
}

impl<R: Reader + 'static> Gate<R> {
    pub fn new(serving: Arc<Serving<R>>) -> Self {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        Self { serving, large: Arc::new(Semaphore::new(cores.max(2))) }
    }

    /// The bounds of the server.
    pub fn limits(&self) -> &Limits {
        self.serving.limits()
    }

    /// Answers a request whose head came then by these routes, if it passes.
    pub async fn answer(
        &self,
        mut routes: Router,
        mut request: Request<Body>,
        at: Instant,
        certificate: &[String],
    ) -> Result<Response, Infallible> {
        let Some(protocol) = protocol(&request) else {
            return match self.look(&request, certificate) {
                Ok(caller) => {
                    request.extensions_mut().insert(Arrived { at, waits: None, trace: None, caller });
                    routes.call(request).await
                }
                Err(error) => Ok(refused_look(&request, &error)),
            };
        };
        let waits = match protocol {
            Protocol::Grpc | Protocol::FeastGrpc => {
                self.serving.overload().waited(at.elapsed());
                grpc::waits(request.headers())
            }
            // What is wrong with the header is said by the route.
            Protocol::Http | Protocol::FeastHttp => http::waits(request.headers()).ok().flatten(),
        };
        let trace = self.serving.calls().are_recorded().then(|| trace(request.headers())).flatten();
        let mut arrived = Arrived { at, waits, trace, caller: None };
        let (parts, HeldBody { bytes, held }) = match self.pass(request, &mut arrived, certificate).await {
            Ok(passed) => passed,
            Err(error) => return Ok(self.refusal(protocol, &arrived, &error)),
        };
        let is_large = bytes.len() > SMALL_BYTES;
        let mut request = Request::from_parts(parts, Body::from(bytes));
        request.extensions_mut().insert(arrived.clone());
        let answered = if is_large {
            self.apart(routes, request, held, &arrived).await
        } else {
            let answered = routes.call(request).await.map_err(|never| match never {});
            drop(held);
            answered
        };
        Ok(answered.unwrap_or_else(|error| self.refusal(protocol, &arrived, &error)))
    }

    /// Whether a request passes that reads what there is and how it is, and who sends it. Health is for everybody.
    fn look(
        &self,
        request: &Request<Body>,
        certificate: &[String],
    ) -> Result<Option<Arc<Identity>>, ServeError> {
        let Some(access) = self.serving.access() else { return Ok(None) };
        let path = request.uri().path();
        if path == HEALTH || path.starts_with(HEALTH_OF_GRPC) {
            return Ok(None);
        }
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let caller = access.authenticate(request.headers(), certificate, reads)?;
        access.takes_request(&caller)?;
        access.permit(Some(&caller), Action::Describe, &Resource::project())?;
        Ok(Some(caller))
    }

    async fn pass(
        &self,
        request: Request<Body>,
        arrived: &mut Arrived,
        certificate: &[String],
    ) -> Result<(Parts, HeldBody), ServeError> {
        let allowed = self.serving.calls().allowed(arrived);
        if arrived.at.elapsed() >= allowed {
            return Err(ServerFault::Late { millis: allowed.as_millis() }.into());
        }
        if let Some(access) = self.serving.access() {
            let caller = access.authenticate(request.headers(), certificate, false)?;
            access.takes_request(&caller)?;
            arrived.caller = Some(caller);
        }
        let priority = arrived.caller.as_ref().map_or(Priority::Normal, |caller| caller.share.priority);
        if self.serving.overload().refuses(priority) {
            return Err(ServerFault::Queued { millis: self.limits().target_wait.as_millis() }.into());
        }
        let (parts, body) = request.into_parts();
        let deadline = arrived.at + allowed;
        let body = self.serving.bodies().read(&parts.headers, body, arrived.at, deadline).await?;
        Ok((parts, body))
    }

    /// Answers a request on a thread of its own, of which there are few.
    async fn apart(
        &self,
        mut routes: Router,
        request: Request<Body>,
        held: Held,
        arrived: &Arrived,
    ) -> Result<Response, ServeError> {
        let allowed = self.serving.calls().allowed(arrived);
        let permit = timeout_at(arrived.at + allowed, Arc::clone(&self.large).acquire_owned()).await;
        let permit = permit.map_err(|_| ServerFault::Late { millis: allowed.as_millis() })?;
        let runtime = Handle::current();
        let answering = spawn_blocking(move || {
            let response = runtime.block_on(routes.call(request));
            // Also where its caller is gone meanwhile, there are no more than these, and its bytes count.
            drop((permit, held));
            response
        });
        match answering.await {
            Ok(response) => response.map_err(|never| match never {}),
            Err(error) => Err(ServerFault::Broken(format!("its thread ended: {error}")).into()),
        }
    }

    /// Counts a request that is refused, and says so as its protocol does.
    fn refusal(&self, protocol: Protocol, arrived: &Arrived, error: &ServeError) -> Response {
        self.serving.calls().begin(protocol, arrived).refused(error.code());
        match protocol {
            Protocol::Grpc | Protocol::FeastGrpc => to_status(error).into_http(),
            Protocol::Http => http::refusal(http::status(error.code()), error),
            Protocol::FeastHttp => feast::refusal_response(error),
        }
    }
}

/// The trace that a caller is in. A header that is malformed is passed over.
fn trace(headers: &HeaderMap) -> Option<TraceParent> {
    TraceParent::parse(headers.get(TraceParent::HEADER)?.to_str().ok()?)
}

/// Says why a request may not look, so that a browser lets its user log in.
fn refused_look(request: &Request<Body>, error: &ServeError) -> Response {
    if is_grpc(request) {
        return to_status(error).into_http();
    }
    let mut response = http::refusal(http::status(error.code()), error);
    if error.code() == Code::Unauthenticated {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, LOGIN);
    }
    response
}

fn is_grpc(request: &Request<Body>) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// How a request came that has a body to read; `None` of one that passes as it is.
fn protocol(request: &Request<Body>) -> Option<Protocol> {
    let path = request.uri().path();
    if request.method() != Method::POST || path.starts_with(OWN_OF_GRPC) {
        return None;
    }
    Some(match (is_grpc(request), path) {
        (true, path) if path.starts_with("/feast.") => Protocol::FeastGrpc,
        (true, _) => Protocol::Grpc,
        (false, path) if path.starts_with("/v1/") => Protocol::Http,
        (false, _) => Protocol::FeastHttp,
    })
}
