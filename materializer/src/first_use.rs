//! The uses of a view: the keeper of definitions is called before each write of a view's rows. It records the first use,
//! from which on the definition never changes, and refuses a view that is not to be written, such as a retired one.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use feature::View;

use crate::error::MaterializerError;

/// Why a view cannot be used as it stands here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotUsable {
    /// In one sentence.
    pub why: String,
    /// Whether trying again may help.
    pub may_pass: bool,
    /// Whether its version is retired, so that nothing is to be stored of it.
    pub is_retired: bool,
}

/// Resolves once it is recorded that the view is used.
pub type BeginningUse = Pin<Box<dyn Future<Output = Result<(), NotUsable>> + Send>>;

type Begin = dyn Fn(&View) -> BeginningUse + Send + Sync;

/// A callback for uses; none by default.
#[derive(Clone, Default)]
pub struct FirstUse {
    begin: Option<Arc<Begin>>,
}

impl FirstUse {
    /// Calls this before each write of a view's rows; it answers from memory where it can.
    pub fn notify(begin: impl Fn(&View) -> BeginningUse + Send + Sync + 'static) -> FirstUse {
        FirstUse { begin: Some(Arc::new(begin)) }
    }

    /// Returns once the view is recorded as used. Called before each write.
    pub(crate) async fn begin(&self, view: &View) -> Result<(), MaterializerError> {
        let Some(begin) = &self.begin else { return Ok(()) };
        let refused = |NotUsable { why, may_pass, is_retired }| MaterializerError::NotUsable {
            view: view.id.clone(),
            why,
            may_pass,
            is_retired,
        };
        begin(view).await.map_err(refused)
    }
}

impl fmt::Debug for FirstUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstUse").field("notifies", &self.begin.is_some()).finish_non_exhaustive()
    }
}
