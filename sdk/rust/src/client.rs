//! The client: what reads and pushes begin with.

use std::sync::Arc;

use crate::features_request::FeaturesRequest;
use crate::push_request::PushRequest;
use crate::session::Session;
use crate::statistics::Statistics;

/// A client of one or more servers of one project. A clone is the same client: connections, cache and budget are shared. They
/// end with the last clone.
#[derive(Clone, Debug)]
pub struct Client {
    session: Arc<Session>,
}

impl Client {
    pub(crate) fn new(session: Session) -> Self {
        Self { session: Arc::new(session) }
    }

    /// Reads features of a service: `name` for the version that is live, `name@version` for exactly that one.
    pub fn features(&self, service: impl Into<String>) -> FeaturesRequest {
        FeaturesRequest::new(Arc::clone(&self.session), service.into())
    }

    /// Pushes rows into a source.
    pub fn push(&self, source: impl Into<String>) -> PushRequest {
        PushRequest::new(Arc::clone(&self.session), source.into())
    }

    /// What the client did since it was built.
    pub fn statistics(&self) -> Statistics {
        self.session.caller.counters.read()
    }
}
