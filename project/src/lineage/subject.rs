//! What a run is about.

use feature::{VersionId, View};
use registry::Job;

/// What a run loads, follows, drops something of, or builds a training set of.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// What it does.
    pub(crate) job: Job,
    /// The view, or the service.
    pub(crate) id: VersionId,
    /// Its semantic hash.
    pub(crate) hash: String,
    /// The file of a training set, as it was named.
    pub(crate) file: Option<String>,
}

impl Subject {
    /// A view that is loaded or followed, or of which something is dropped.
    pub(crate) fn view(job: Job, view: &View) -> Self {
        Self { job, id: view.id.clone(), hash: view.hash.clone(), file: None }
    }
}
