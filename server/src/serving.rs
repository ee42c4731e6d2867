//! What all protocols share: the catalog, the store, the clock, and the bounds of one server.

mod answering;
mod metrics_page;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use access::{Action, Missing, Resource, Unauthenticated};
use exposition::Sample;
use feature::{Micros, VersionId, excerpt};
use online::Reader;

pub use self::answering::{Answered, ServiceRequest};
use crate::access_control::AccessControl;
use crate::access_fault::AccessFault;
use crate::admission::Admission;
use crate::availability::Availability;
use crate::bodies::Bodies;
use crate::breakers::Breakers;
use crate::call::{Call, Calls};
use crate::catalog::Catalog;
use crate::code::Code;
use crate::connections::ConnectionCounts;
use crate::error::ServeError;
use crate::first_use::BeginUse;
use crate::limits::Limits;
use crate::metrics::{DeprecatedCounts, PushCounts, ServiceMetrics};
use crate::overload::Overload;
use crate::pages::Pages;
use crate::push::Sink;
use crate::request_traces::RequestTraces;
use crate::sampling::Sampling;

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
    calls: Calls,
    of_views: Arc<ServiceMetrics>,
    of_pushes: Arc<ServiceMetrics>,
    counts: PushCounts,
    sink: Option<Arc<dyn Sink>>,
    access: Option<Arc<AccessControl>>,
    sampling: Option<Arc<Sampling>>,
    pages: Option<Arc<dyn Pages>>,
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
            calls: Calls::new(limits.request_timeout),
            of_views: Arc::default(),
            of_pushes: Arc::default(),
            counts: PushCounts::default(),
            sink: None,
            access: None,
            sampling: None,
            pages: None,
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
                let missing = Missing::of_roles(&caller.roles);
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
        Self { calls: self.calls.recorded(traces), ..self }
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

    /// How requests become calls.
    pub(crate) fn calls(&self) -> &Calls {
        &self.calls
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

    /// Whether requests are not answered, as the store refuses them, or is silent and nothing stands in for it.
    pub(crate) fn is_ill(&self) -> bool {
        let stands_in = || self.stand_in.as_ref().is_some_and(|stands_in| stands_in());
        self.availability.is_gone() && (self.availability.refusal().is_some() || !stands_in())
    }

    /// Why requests are not answered, while health says so.
    pub(crate) fn illness(&self) -> String {
        let silent = || "the online store does not answer".to_owned();
        self.availability.refusal().unwrap_or_else(silent)
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
                    tracing::warn!("{}", self.illness());
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
}
