//! How a request is answered, whatever protocol it came over: in its turn and in its time, by the service that it names,
//! for who may read it.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use access::Action;
use feature::{Micros, excerpt};
use futures::FutureExt;
use online::{OnlineError, Reader};
use read::{
    FeatureRequest, Features, Moment, ReadAt, ReadError, ReadFailure, ReadResult, RequestColumn,
    ValidatedRequest,
};
use tokio::time::timeout_at;

use super::Serving;
use crate::breakers;
use crate::call::Call;
use crate::catalog::Services;
use crate::code::Code;
use crate::error::ServeError;
use crate::first_use::NotRecorded;
use crate::metrics::Stage;
use crate::notice::Notice;
use crate::request_fault::RequestFault;
use crate::served::Served;
use crate::server_fault::ServerFault;

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

impl<R: Reader> Serving<R> {
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
