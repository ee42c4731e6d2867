//! What gRPC and HTTP share: the catalog, the store, the clock, and the bounds of one server.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use feature::Micros;
use futures::FutureExt;
use online::Reader;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::catalog::Catalog;
use crate::error::{Code, ServeError};
use crate::excerpt::excerpt;
use crate::features::Features;
use crate::given::GivenColumn;
use crate::limits::Limits;
use crate::question::Asked;
use crate::reader::Moment;

/// Everything that answering a request takes.
pub struct Serving<R> {
    catalog: Arc<Catalog>,
    store: R,
    clock: fn() -> Micros,
    limits: Limits,
    in_flight: Semaphore,
}

impl<R: Reader> Serving<R> {
    /// Serves the services of a catalog from a store; `clock` says what now is.
    pub fn new(catalog: Arc<Catalog>, store: R, clock: fn() -> Micros, limits: Limits) -> Self {
        Self { catalog, store, clock, limits, in_flight: Semaphore::new(limits.max_in_flight) }
    }

    /// The bounds that it keeps.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The features that a request asks for, at the moment that it names, or now. A request that
    /// panics is refused alone: nothing that it touched outlives it.
    pub async fn features<C: GivenColumn>(
        &self,
        service: &str,
        asked: Asked<C>,
        at: Option<Micros>,
    ) -> Result<Features, ServeError> {
        let _permit = self
            .in_flight
            .try_acquire()
            .map_err(|_| ServeError::Busy { limit: self.limits.max_in_flight })?;
        let limit = self.limits.request_timeout;
        let answer = AssertUnwindSafe(self.answer(service, asked, at)).catch_unwind();
        let answer = match timeout(limit, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(panic)) => Err(ServeError::Broken(reason(&*panic))),
            Err(_) => Err(ServeError::Late { millis: limit.as_millis() }),
        };
        if let Err(error) = &answer
            && matches!(error.code(), Code::Internal | Code::Unavailable)
        {
            tracing::warn!(service = %excerpt(service, 80), %error, "a request is not answered");
        }
        answer
    }

    async fn answer<C: GivenColumn>(
        &self,
        service: &str,
        asked: Asked<C>,
        at: Option<Micros>,
    ) -> Result<Features, ServeError> {
        let reader = self.catalog.services().find(service)?;
        let question = reader.question(asked, &self.limits)?;
        let moment = at.map_or_else(|| Moment::Now((self.clock)()), Moment::At);
        reader.read(&self.store, &question, moment).await
    }
}

/// What a panic says.
fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it panicked").to_owned()
}
