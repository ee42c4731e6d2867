//! What all faces share: the catalog, the store, the clock, and the bounds of one server.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use feature::Micros;
use futures::FutureExt;
use online::Reader;
use tokio::time::timeout_at;

use crate::admission::Admission;
use crate::answered::Answered;
use crate::availability::Availability;
use crate::call::Call;
use crate::catalog::Catalog;
use crate::error::{Code, ServeError};
use crate::excerpt::excerpt;
use crate::given::GivenColumn;
use crate::limits::Limits;
use crate::metrics::{Exposition, Face, Metrics, Sample, SampleKind, ServiceMetrics, Stage};
use crate::question::{Asked, Question};
use crate::reader::{FeatureReader, Moment};

/// What whoever wires a server adds to its metrics.
type Samples = Box<dyn Fn() -> Vec<Sample> + Send + Sync>;

/// Everything that answering a request takes.
pub struct Serving<R> {
    catalog: Arc<Catalog>,
    store: R,
    clock: fn() -> Micros,
    limits: Limits,
    admission: Admission,
    availability: Availability,
    metrics: Arc<Metrics>,
    of_views: Arc<ServiceMetrics>,
    samples: Option<Samples>,
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
            availability: Availability::default(),
            metrics: Arc::default(),
            of_views: Arc::default(),
            samples: None,
        }
    }

    /// Shows these values too on the page of metrics. They are asked for whenever it is read.
    #[must_use]
    pub fn with_samples(self, samples: impl Fn() -> Vec<Sample> + Send + Sync + 'static) -> Self {
        Self { samples: Some(Box::new(samples)), ..self }
    }

    /// The bounds that it keeps.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub(crate) fn availability(&self) -> &Availability {
        &self.availability
    }

    /// What is counted for reads of views that no service names.
    pub(crate) fn of_views(&self) -> &Arc<ServiceMetrics> {
        &self.of_views
    }

    /// A request that begins now; its caller waits this long, or does not say.
    pub(crate) fn begin(&self, face: Face, waits: Option<std::time::Duration>) -> Call {
        let most = self.limits.request_timeout;
        Call::begin(face, &self.metrics, waits.map_or(most, |waits| waits.min(most)))
    }

    /// The features that a request asks for, at the moment that it names, or now.
    pub(crate) async fn features<C: GivenColumn>(
        &self,
        call: &Call,
        service: &str,
        asked: Asked<C>,
        at: Option<Micros>,
    ) -> Result<Answered, ServeError> {
        let answer = async {
            let reader = self.catalog.services().find(service)?;
            call.is_of(reader.metrics());
            let question = reader.question(asked, &self.limits)?;
            self.read(call, &reader, &question, at).await
        };
        self.admitted(call, service, answer).await
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
            let _place = self.admission.enter().await?;
            call.end_of(Stage::Wait);
            answer.await
        };
        let answer = timeout_at(call.deadline(), AssertUnwindSafe(in_turn).catch_unwind()).await;
        let answer = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(panic)) => Err(ServeError::Broken(reason(&*panic))),
            Err(_) => Err(call.late()),
        };
        if let Err(error) = &answer
            && matches!(error.code(), Code::Internal | Code::Unavailable)
        {
            tracing::warn!(service = %excerpt(service, 80), %error, "a request is not answered");
        }
        answer
    }

    /// Reads what a question asks for.
    pub(crate) async fn read(
        &self,
        call: &Call,
        reader: &FeatureReader,
        question: &Question,
        at: Option<Micros>,
    ) -> Result<Answered, ServeError> {
        call.asks_about(question.rows());
        let moment = at.map_or_else(|| Moment::Now((self.clock)()), Moment::At);
        let end_of = |stage| call.end_of(stage);
        let features = reader.read_in_stages(&self.store, question, moment, &end_of).await;
        if features.as_ref().is_err_and(|error| error.code() == Code::Unavailable) {
            self.availability.doubt();
        }
        features
    }

    /// Probes the store whenever there is a doubt, and now and then, until what is known about it has
    /// changed. Gives whether it is gone.
    pub(crate) async fn store_changed(&self) -> bool {
        loop {
            self.availability.doubted().await;
            let services = self.catalog.services();
            let lookup = services.readers().flat_map(|reader| &reader.plan().lookups).next();
            let view = lookup.map(|lookup| lookup.view.id.clone());
            drop(services);
            if self.availability.probe(&self.store, view.as_ref()).await {
                return self.availability.is_gone();
            }
        }
    }

    /// All metrics, as Prometheus reads them.
    pub(crate) fn exposition(&self) -> String {
        let mut page = Exposition::default();
        let services = self.catalog.services();
        let readers =
            services.readers().map(|reader| (reader.plan().id.to_string(), reader.metrics().as_ref()));
        let of_views = ("views".to_owned(), self.of_views.as_ref());
        self.metrics.expose(&mut page, readers.chain([of_views]).collect());
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
                "twinstore_serve_store_up",
                "1 where the last probe of the online store was answered, else 0",
                f64::from(u8::from(!self.availability.is_gone())),
            ),
        ];
        let more = self.samples.as_ref().map(|samples| samples()).unwrap_or_default();
        own.iter().chain(&more).for_each(|sample| page.alone(sample));
        page.into_text()
    }
}

/// What a panic says.
fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it panicked").to_owned()
}
