//! A read of features, as its caller puts it together.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::answer::Features;
use crate::error::Error;
use crate::requests::Wanted;
use crate::session::{Allowed, Session};
use crate::values::{Values, to_micros};

/// A read of the features of one service for a batch of entities. All columns have the same number of rows.
///
/// Dropping the future of [`FeaturesRequest::read`] gives the requests up; nothing is left behind.
#[derive(Clone, Debug)]
#[must_use = "nothing is read before `read`"]
pub struct FeaturesRequest {
    session: Arc<Session>,
    wanted: Wanted,
    allowed: Allowed,
}

impl FeaturesRequest {
    pub(crate) fn new(session: Arc<Session>, service: String) -> Self {
        Self { session, wanted: Wanted { service, ..Wanted::default() }, allowed: Allowed::default() }
    }

    /// Reads these features alone.
    pub fn only(mut self, features: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.wanted.features.extend(features.into_iter().map(Into::into));
        self
    }

    /// A join key, by the name that the service gives it: one value for each entity. The features of a null key are
    /// [`NotFound`](crate::Status::NotFound).
    pub fn keys(mut self, name: impl Into<String>, values: impl Into<Values>) -> Self {
        self.wanted.entities.push((name.into(), values.into()));
        self
    }

    /// A request column: what on-demand features read besides the store.
    pub fn request(mut self, name: impl Into<String>, values: impl Into<Values>) -> Self {
        self.wanted.request.push((name.into(), values.into()));
        self
    }

    /// Reads as of this moment. The online store answers from the moment on that each view was last written.
    pub fn at(mut self, moment: SystemTime) -> Self {
        self.wanted.at_us = Some(to_micros(moment));
        self
    }

    /// Demands the version that a model was trained on: `service_hash` of the training set's manifest. A server refuses another
    /// version, with [`FailedPrecondition`](crate::Code::FailedPrecondition).
    pub fn trained_on(mut self, service_hash: impl Into<String>) -> Self {
        self.wanted.trained_on = Some(service_hash.into());
        self
    }

    /// How long the read may take, with all that is repeated in it.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.allowed.deadline = Some(deadline);
        self
    }

    /// How long ago an answer from the cache may have been requested. A cache never gives older ones than its own bound
    /// allows; with zero this read is answered by a server.
    pub fn max_staleness(mut self, staleness: Duration) -> Self {
        self.allowed.staleness = Some(staleness);
        self
    }

    /// Reads the features.
    pub async fn read(self) -> Result<Features, Error> {
        self.session.read(self.wanted, self.allowed).await
    }
}
