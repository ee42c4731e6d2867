//! What all protocols share: the catalog, the store, the clock, and the bounds of one server.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use access::{Action, Missing, Resource, Unauthenticated};
use exposition::{Page, Sample, SampleKind};
use feature::{Micros, VersionId, excerpt};
use futures::FutureExt;
use online::{OnlineError, Reader};
use read::{
    FeatureRequest, Features, Moment, ReadAt, ReadError, ReadFailure, ReadResult, RequestColumn,
    ValidatedRequest,
};
use tokio::time::timeout_at;

use crate::access_control::AccessControl;
use crate::access_fault::AccessFault;
use crate::admission::Admission;
use crate::availability::Availability;
use crate::bodies::Bodies;
use crate::breakers::{self, Breakers};
use crate::call::{Arrived, Call};
use crate::catalog::{Catalog, Services};
use crate::code::Code;
use crate::connections::ConnectionCounts;
use crate::error::ServeError;
use crate::first_use::{BeginUse, NotRecorded};
use crate::limits::Limits;
use crate::metrics::{DeprecatedCounts, Metrics, Protocol, PushCounts, ServiceMetrics, Stage};
use crate::notice::Notice;
use crate::overload::Overload;
use crate::pages::Pages;
use crate::push::Sink;
use crate::request_fault::RequestFault;
use crate::request_traces::RequestTraces;
use crate::sampling::Sampling;
use crate::served::Served;
use crate::server_fault::ServerFault;

/// Since when, and why, changes of the definitions cannot be followed.
type Unfollowed = Box<dyn Fn() -> Option<(Micros, String)> + Send + Sync>;

/// What whoever wires a server adds to its metrics.
type Samples = Box<dyn Fn() -> Vec<Sample> + Send + Sync>;
/// Whole families of metrics that are added, as Prometheus reads them.
type MoreText = Box<dyn Fn() -> String + Send + Sync>;

/// Whether something answers instead of a store that is gone.
type StandIn = Box<dyn Fn() -> bool + Send + Sync>;

/// The views whose streams do not bring all rows, each with the reason.
type Degraded = Box<dyn Fn() -> Vec<(VersionId, String)> + Send + Sync>;

/// A request for features of a service.
#[derive(Clone, Debug)]
pub struct ServiceRequest<C> {
    /// The service, by `name` or `name@version`.
    pub service: String,
    /// Which of its features, of which entities.
    pub request: FeatureRequest<C>,
    /// The moment to read at; `None` for now.
    pub at: Option<Micros>,
    /// The semantic hash of the service that the caller's model was trained on, if another is to be refused.
    pub trained_on: Option<String>,
}

/// The answer to a request of the same process.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The features.
    pub features: Features,
    /// That something in it is deprecated.
    pub notice: Option<Arc<Notice>>,
}

/// Everything that answering a request takes.
pub struct Serving<R> {
    catalog: Arc<Catalog>,
    store: R,
    clock: fn() -> Micros,
    limits: Limits,
    admission: Admission,
    bodies: Bodies,
    breakers: Breakers,
    overload: Overload,
    connections: Arc<ConnectionCounts>,
    availability: Availability,
    metrics: Arc<Metrics>,
    of_views: Arc<ServiceMetrics>,
    of_pushes: Arc<ServiceMetrics>,
    counts: PushCounts,
    sink: Option<Arc<dyn Sink>>,
    access: Option<Arc<AccessControl>>,
    sampling: Option<Arc<Sampling>>,
    pages: Option<Arc<dyn Pages>>,
    traces: Option<Arc<dyn RequestTraces>>,
    more: Option<MoreText>,
    samples: Option<Samples>,
    stand_in: Option<StandIn>,
    degraded: Option<Degraded>,
    begin_use: Option<BeginUse>,
    unfollowed: Option<Unfollowed>,
    deprecated: DeprecatedCounts,
    /// Reads that found a row that is not what was written, or that lost ones may have been.
    damaged: AtomicU64,
}

impl<R: Reader> Serving<R> {
    /// Serves the services of a catalog from a store; `clock` says what now is.
    pub fn new(catalog: Arc<Catalog>, store: R, clock: fn() -> Micros, limits: Limits) -> Self {
        Self {
            catalog,
            store,
            clock,
            limits,
            admission: Admission::new(&limits),
            bodies: Bodies::new(&limits),
            breakers: Breakers::default(),
            overload: Overload::default(),
            connections: Arc::default(),
            availability: Availability::default(),
            metrics: Arc::default(),
            of_views: Arc::default(),
            of_pushes: Arc::default(),
            counts: PushCounts::default(),
            sink: None,
            access: None,
            sampling: None,
            pages: None,
            traces: None,
            more: None,
            samples: None,
            stand_in: None,
            degraded: None,
            begin_use: None,
            unfollowed: None,
            deprecated: DeprecatedCounts::default(),
            damaged: AtomicU64::new(0),
        }
    }

    /// Keeps to these openings of circuit breakers.
    #[must_use]
    pub fn with_breakers(self, breakers: Breakers) -> Self {
        Self { breakers, ..self }
    }

    /// Shows these values too on the page of metrics. They are computed whenever it is read.
    #[must_use]
    pub fn with_samples(self, samples: impl Fn() -> Vec<Sample> + Send + Sync + 'static) -> Self {
        Self { samples: Some(Box::new(samples)), ..self }
    }

    /// Asks this, while the store is gone, whether something answers instead of it. As long as it does,
    /// health says that requests are answered.
    #[must_use]
    pub fn with_stand_in(self, stand_in: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { stand_in: Some(Box::new(stand_in)), ..self }
    }

    /// Asks this which views do not get all of their rows, and why: health says so.
    #[must_use]
    pub fn with_degraded(
        self,
        degraded: impl Fn() -> Vec<(VersionId, String)> + Send + Sync + 'static,
    ) -> Self {
        Self { degraded: Some(Box::new(degraded)), ..self }
    }

    pub(crate) fn degraded(&self) -> Vec<(VersionId, String)> {
        self.degraded.as_ref().map(|degraded| degraded()).unwrap_or_default()
    }

    /// Shows these families too, behind all others, as they are. They are computed whenever it is read.
    #[must_use]
    pub fn with_families(self, more: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self { more: Some(Box::new(more)), ..self }
    }

    /// Asks this whether changes of the definitions cannot be followed, since when, and why: health says so, and reads
    /// go on by what was known.
    #[must_use]
    pub fn with_unfollowed(
        self,
        unfollowed: impl Fn() -> Option<(Micros, String)> + Send + Sync + 'static,
    ) -> Self {
        Self { unfollowed: Some(Box::new(unfollowed)), ..self }
    }

    /// Since when, and why, changes of the definitions cannot be followed.
    pub(crate) fn unfollowed(&self) -> Option<(Micros, String)> {
        self.unfollowed.as_ref().and_then(|unfollowed| unfollowed())
    }

    /// Tells this of the first answered read of each service and of each set of views.
    #[must_use]
    pub fn with_first_use(self, begin_use: BeginUse) -> Self {
        Self { begin_use: Some(begin_use), ..self }
    }

    /// Takes pushed rows, and hands them to this sink.
    #[must_use]
    pub fn with_sink(self, sink: Arc<dyn Sink>) -> Self {
        Self { sink: Some(sink), ..self }
    }

    /// Answers nobody who is not known, and nothing that they may not read.
    #[must_use]
    pub fn with_access(self, access: Arc<AccessControl>) -> Self {
        Self { access: Some(access), ..self }
    }

    /// Who may be answered; `None` where everybody is.
    pub(crate) fn access(&self) -> Option<&AccessControl> {
        self.access.as_deref()
    }

    /// Refuses a call whose caller may not do this with all of these.
    pub(crate) fn permit<'a>(
        &self,
        call: &Call,
        action: Action,
        resources: impl IntoIterator<Item = &'a Resource>,
    ) -> Result<(), ServeError> {
        let Some(access) = self.access() else { return Ok(()) };
        for resource in resources {
            access.permit(call.caller(), action, resource)?;
        }
        Ok(())
    }

    /// The refusal of a name that is not there: to who may not look at what there is, as that of one which they may not
    /// use, so that nothing is learned from it.
    pub(crate) fn unknown(&self, call: &Call, action: Action, name: &str, error: ServeError) -> ServeError {
        const LONGEST_CHARS: usize = 80;
        let Some(access) = self.access().filter(|_| error.code() == Code::NotFound) else { return error };
        match call.caller() {
            None => AccessFault::from(Unauthenticated::Missing).into(),
            Some(caller) if access.describes(Some(caller)) => error,
            Some(caller) => {
                let missing = match caller.roles.is_empty() {
                    true => Missing::Role,
                    false => Missing::Grant { roles: caller.roles.iter().cloned().collect() },
                };
                access.denied(caller, action, excerpt(name, LONGEST_CHARS).into_owned(), missing).into()
            }
        }
    }

    /// Takes on a call for so many entities or rows, from the share of its caller.
    pub(crate) fn takes_on(&self, call: &Call, keys: usize) -> Result<(), ServeError> {
        call.asks_about(keys);
        match (self.access(), call.caller()) {
            (Some(access), Some(caller)) => Ok(access.takes_keys(caller, keys)?),
            _ => Ok(()),
        }
    }

    /// Takes a sample of what is served as of now.
    #[must_use]
    pub fn with_sampling(self, sampling: Arc<Sampling>) -> Self {
        Self { sampling: Some(sampling), ..self }
    }

    /// Records requests there, as far as it wants them.
    #[must_use]
    pub fn with_traces(self, traces: Arc<dyn RequestTraces>) -> Self {
        Self { traces: Some(traces), ..self }
    }

    /// Whether requests may be recorded.
    pub(crate) fn has_traces(&self) -> bool {
        self.traces.is_some()
    }

    /// Shows these pages to people.
    #[must_use]
    pub fn with_pages(self, pages: Arc<dyn Pages>) -> Self {
        Self { pages: Some(pages), ..self }
    }

    pub(crate) fn pages(&self) -> Option<&dyn Pages> {
        self.pages.as_deref()
    }

    pub(crate) fn sink(&self) -> Option<&dyn Sink> {
        self.sink.as_deref()
    }

    /// The bounds that it keeps.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The services that it serves.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// What is counted for reads of views that no service names.
    pub(crate) fn of_views(&self) -> &Arc<ServiceMetrics> {
        &self.of_views
    }

    /// What is counted for pushes.
    pub(crate) fn of_pushes(&self) -> &Arc<ServiceMetrics> {
        &self.of_pushes
    }

    /// The rows that were pushed.
    pub(crate) fn counts(&self) -> &PushCounts {
        &self.counts
    }

    /// A request that has arrived.
    pub(crate) fn begin(&self, protocol: Protocol, arrived: &Arrived) -> Call {
        let call = Call::begin(protocol, &self.metrics, self.allowed(arrived), arrived);
        match &self.traces {
            Some(traces) if traces.records(arrived.trace.as_ref()) => {
                call.traced(Arc::clone(traces), arrived.trace)
            }
            _ => call,
        }
    }

    /// How long the answer to a request may take.
    pub(crate) fn allowed(&self, arrived: &Arrived) -> Duration {
        let most = self.limits.request_timeout;
        arrived.waits.map_or(most, |waits| waits.min(most))
    }

    /// The bodies of requests.
    pub(crate) fn bodies(&self) -> &Bodies {
        &self.bodies
    }

    /// Whether requests come faster than they are answered.
    pub(crate) fn overload(&self) -> &Overload {
        &self.overload
    }

    /// What is counted of connections.
    pub(crate) fn connections(&self) -> &Arc<ConnectionCounts> {
        &self.connections
    }

    /// Answers a request of the same process by the rules of those that come over a network. It waits for no turn, has
    /// no deadline, and is not counted.
    pub async fn answer<C: RequestColumn + Clone>(
        &self,
        service_request: ServiceRequest<C>,
    ) -> Result<Answered, ServeError> {
        let ServiceRequest { service, request, at, trained_on } = service_request;
        let services = self.catalog.services();
        let served = services.answering(&service, &request.entities)?;
        refuse_another(&services, &served, trained_on.as_deref())?;
        let request = served.reader().validate(request, self.limits.max_entities)?;
        let now = (self.clock)();
        let moment = at.map_or(Moment::Now(now), Moment::At);
        let openings = self.breakers.at(now).await;
        let at = ReadAt { moment, openings: &openings };
        let features = served.reader().read(&self.store, &request, at).await?;
        self.begin_use(&served).await?;
        Ok(Answered { features, notice: served.notice().cloned() })
    }

    /// The features that a request asks for, at the moment that it names, or now.
    pub(crate) async fn features<C: RequestColumn + Clone>(
        &self,
        call: &Call,
        service_request: ServiceRequest<C>,
    ) -> Result<ReadResult, ServeError> {
        let ServiceRequest { service, request, at, trained_on } = service_request;
        let answer = async {
            let services = self.catalog.services();
            let served = services.answering(&service, &request.entities);
            let served = served.map_err(|error| self.unknown(call, Action::ReadOnline, &service, error))?;
            self.permit(call, Action::ReadOnline, served.resources())?;
            call.is_of(served.metrics());
            refuse_another(&services, &served, trained_on.as_deref())?;
            let request = served.reader().validate(request, self.limits.max_entities)?;
            self.read(call, &served, &request, at).await
        };
        self.admitted(call, &service, answer).await
    }

    /// Answers a request in its turn and its time. One that panics is refused alone: nothing that it
    /// touched outlives it.
    pub(crate) async fn admitted<T>(
        &self,
        call: &Call,
        service: &str,
        answer: impl Future<Output = Result<T, ServeError>>,
    ) -> Result<T, ServeError> {
        let in_turn = async {
            call.in_time()?;
            let _permit = self.admission.enter().await?;
            call.in_time()?;
            call.end_of(Stage::Wait);
            answer.await
        };
        let answer = timeout_at(call.deadline(), AssertUnwindSafe(in_turn).catch_unwind()).await;
        let answer = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(panic)) => Err(ServerFault::Broken(reason(&*panic)).into()),
            Err(_) => Err(call.late()),
        };
        if let Err(error) = &answer
            && matches!(error.code(), Code::Internal | Code::Unavailable)
        {
            tracing::warn!(service = %excerpt(service, 80), %error, "a request is not answered");
        }
        answer
    }

    /// Reads what a request asks for.
    pub(crate) async fn read(
        &self,
        call: &Call,
        served: &Served,
        request: &ValidatedRequest,
        at: Option<Micros>,
    ) -> Result<ReadResult, ServeError> {
        self.takes_on(call, request.rows())?;
        let now = (self.clock)();
        let moment = at.map_or(Moment::Now(now), Moment::At);
        let end_of = |stage| {
            call.end_of(Stage::of_read(stage));
            call.in_time().is_ok()
        };
        let openings = self.breakers.at(now).await;
        let read_at = ReadAt { moment, openings: &openings };
        let features = served.reader().read_in_stages(&self.store, request, read_at, &end_of).await;
        let features = features.map_err(|error| match error {
            ReadError::Failed(ReadFailure::GivenUp) => call.late(),
            error => error.into(),
        });
        if features.as_ref().is_err_and(|error| error.code() == Code::Unavailable) {
            self.availability.doubt();
        }
        if let Err(ServeError::Server(ServerFault::Read(ReadFailure::Store(
            OnlineError::Damaged { .. } | OnlineError::DamagedRow { .. } | OnlineError::LostRows { .. },
        )))) = &features
        {
            self.damaged.fetch_add(1, Ordering::Relaxed);
        }
        let features = features?;
        self.begin_use(served).await?;
        call.is_answered_by(served, breakers::said(features.openings()));
        // A read as of a named moment is no consumer's.
        if at.is_none() {
            served.watched().inspect(|watched| watched.count(&features));
            self.sampling.as_ref().inspect(|sampling| sampling.look_at(&features));
        }
        if let Some(notice) = served.notice() {
            self.deprecated.answered(served.plan(), notice);
        }
        Ok(features)
    }

    /// Has it recorded that what was read is used, the first time.
    async fn begin_use(&self, served: &Served) -> Result<(), ServeError> {
        let Some(begin_use) = self.begin_use.as_ref().filter(|_| !served.is_used()) else { return Ok(()) };
        match begin_use(served.plan()).await {
            Ok(()) => served.begin_use(),
            Err(NotRecorded::Moved(why)) => return Err(ServerFault::Moved { why }.into()),
            Err(NotRecorded::Failed(why)) => {
                tracing::warn!("{}: its first use is not recorded: {why}", served.plan().id);
            }
        }
        Ok(())
    }

    /// Whether requests are not answered, as the store is gone and nothing stands in for it.
    pub(crate) fn is_ill(&self) -> bool {
        self.availability.is_gone() && !self.stand_in.as_ref().is_some_and(|stands_in| stands_in())
    }

    /// Probes the store whenever there is a doubt, and now and then, until health has changed. Gives
    /// whether it is ill.
    pub(crate) async fn health_changed(&self) -> bool {
        loop {
            self.availability.doubted().await;
            let services = self.catalog.services();
            let lookup = services.readers().flat_map(|reader| &reader.plan().lookups).next();
            let view = lookup.map(|lookup| lookup.view.id.clone());
            drop(services);
            if self.availability.probe(&self.store, view.as_ref()).await {
                if self.availability.is_gone() {
                    tracing::warn!("the online store does not answer");
                } else {
                    tracing::info!("the online store answers again");
                }
            }
            let is_ill = self.is_ill();
            if self.availability.tell(is_ill) {
                return is_ill;
            }
        }
    }

    /// All metrics, as Prometheus reads them.
    pub(crate) fn exposition(&self) -> String {
        let mut page = Page::default();
        let services = self.catalog.services();
        let readers =
            services.readers().map(|reader| (reader.plan().id.to_string(), reader.metrics().as_ref()));
        let of_views = ("views".to_owned(), self.of_views.as_ref());
        let of_pushes = ("pushes".to_owned(), self.of_pushes.as_ref());
        self.metrics.expose(&mut page, readers.chain([of_views, of_pushes]).collect());
        self.counts.expose(&mut page);
        self.deprecated.expose(&mut page);
        let gauge = |name, help, value| Sample { name, help, kind: SampleKind::Gauge, value };
        let own = [
            gauge(
                "twinstore_serve_in_flight",
                "Requests that are answered now",
                self.admission.in_flight() as f64,
            ),
            gauge(
                "twinstore_serve_waiting",
                "Requests that wait until others are answered",
                self.admission.waiting() as f64,
            ),
            gauge(
                "twinstore_serve_body_bytes",
                "Bytes of request bodies that are held now",
                self.bodies.bytes() as f64,
            ),
            gauge(
                "twinstore_serve_delay_seconds",
                "How long requests waited for a thread, in the last window",
                self.overload.delay_s(),
            ),
            gauge(
                "twinstore_serve_refused_share",
                "The share of requests that is refused because the server is overloaded",
                self.overload.share(),
            ),
            gauge(
                "twinstore_serve_connections",
                "Connections that are open now, over both protocols",
                self.connections.open() as f64,
            ),
            Sample {
                name: "twinstore_serve_connections_ended_total",
                help: "Connections that the server ended: idle ones, slow ones, and those beyond a bound",
                kind: SampleKind::Counter,
                value: self.connections.ended() as f64,
            },
            Sample {
                name: "twinstore_serve_connections_broken_total",
                help: "Connections that ended by a fault of the server",
                kind: SampleKind::Counter,
                value: self.connections.broken() as f64,
            },
            gauge(
                "twinstore_serve_store_up",
                "1 where the last probe of the online store was answered, else 0",
                f64::from(u8::from(!self.availability.is_gone())),
            ),
            gauge(
                "twinstore_serve_registry_up",
                "1 where changes of the registry are followed, else 0",
                f64::from(u8::from(self.unfollowed().is_none())),
            ),
            Sample {
                name: "twinstore_serve_damaged_rows_total",
                help: "Requests that were refused because an online row is damaged or lost",
                kind: SampleKind::Counter,
                value: self.damaged.load(Ordering::Relaxed) as f64,
            },
        ];
        let more = self.samples.as_ref().map(|samples| samples()).unwrap_or_default();
        own.iter().chain(&more).for_each(|sample| page.alone(sample));
        let more = self.more.as_ref().map(|more| more()).unwrap_or_default();
        page.into_text() + &more
    }
}

/// Refuses to answer by another version than the one that a model was trained on.
fn refuse_another(
    services: &Services,
    served: &Served,
    trained_on: Option<&str>,
) -> Result<(), RequestFault> {
    const LONGEST_CHARS: usize = 80;
    let plan = served.plan();
    match trained_on {
        Some(trained_on) if trained_on != plan.hash => Err(RequestFault::OtherThanTrained {
            service: plan.id.clone(),
            hash: plan.hash.clone(),
            trained_on: excerpt(trained_on, LONGEST_CHARS).into_owned(),
            same: services.trained_on(&plan.id.name, trained_on).cloned(),
        }),
        _ => Ok(()),
    }
}

/// What a panic says.
fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it panicked").to_owned()
}
