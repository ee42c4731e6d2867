//! The first answered read of a service: whoever keeps definitions is notified before it is answered, as what was
//! read never changes from then on.

use std::future::Future;
use std::pin::Pin;

use feature::ServicePlan;

/// Why a first read is not recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotRecorded {
    /// What was read is not what is defined any more.
    Moved(String),
    /// It could not be written down: reads go on, and the next one is reported.
    Failed(String),
}

/// Resolves once it is recorded that what a plan names is used.
pub type BeginningUse = Pin<Box<dyn Future<Output = Result<(), NotRecorded>> + Send>>;

/// Notified of the first answered read of each plan. A plan whose hash is empty is of views alone.
pub type BeginUse = Box<dyn Fn(&ServicePlan) -> BeginningUse + Send + Sync>;
