//! The first use of a view: the keeper of definitions is notified before the first row of a view is written, because
//! its definition never changes from then on, and may refuse.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use feature::{VersionId, View};

use crate::error::MaterializerError;

/// Why a view cannot be used as it stands here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotUsable {
    /// In one sentence.
    pub why: String,
    /// Whether trying again may help.
    pub may_pass: bool,
}

/// Resolves once it is recorded that the view is used.
pub type BeginningUse = Pin<Box<dyn Future<Output = Result<(), NotUsable>> + Send>>;

type Begin = dyn Fn(&View) -> BeginningUse + Send + Sync;

/// A callback for first uses; none by default.
#[derive(Clone, Default)]
pub struct FirstUse {
    begin: Option<Arc<Begin>>,
    /// The views whose use is recorded.
    begun: Arc<Mutex<BTreeSet<VersionId>>>,
}

impl FirstUse {
    /// Calls this at the first use of each view.
    pub fn notify(begin: impl Fn(&View) -> BeginningUse + Send + Sync + 'static) -> FirstUse {
        FirstUse { begin: Some(Arc::new(begin)), begun: Arc::default() }
    }

    /// Returns once the view is recorded as used. Called before each write; only the first one notifies.
    pub(crate) async fn begin(&self, view: &View) -> Result<(), MaterializerError> {
        let Some(begin) = &self.begin else { return Ok(()) };
        if self.begun.lock().unwrap_or_else(PoisonError::into_inner).contains(&view.id) {
            return Ok(());
        }
        let refused = |NotUsable { why, may_pass }| MaterializerError::NotUsable {
            view: view.id.clone(),
            why,
            may_pass,
        };
        begin(view).await.map_err(refused)?;
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).insert(view.id.clone());
        Ok(())
    }
}

impl fmt::Debug for FirstUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstUse").field("notifies", &self.begin.is_some()).finish_non_exhaustive()
    }
}
