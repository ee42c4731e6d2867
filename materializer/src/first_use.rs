//! The first use of a view: whoever keeps definitions is told before the first row is written under one, as
//! it never changes from then on, and may refuse.

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
    /// In a sentence.
    pub why: String,
    /// Whether asking again may be of use.
    pub may_pass: bool,
}

/// Resolves once it is recorded that the view is used.
pub type BeginningUse = Pin<Box<dyn Future<Output = Result<(), NotUsable>> + Send>>;

type Begin = dyn Fn(&View) -> BeginningUse + Send + Sync;

/// Who is told of first uses; nobody by default.
#[derive(Clone, Default)]
pub struct FirstUse {
    begin: Option<Arc<Begin>>,
    /// The views that were told of.
    begun: Arc<Mutex<BTreeSet<VersionId>>>,
}

impl FirstUse {
    /// Tells this of the first use of each view.
    pub fn told(begin: impl Fn(&View) -> BeginningUse + Send + Sync + 'static) -> FirstUse {
        FirstUse { begin: Some(Arc::new(begin)), begun: Arc::default() }
    }

    /// Returns once the view is known as used. Asked before each write, it tells of the first only.
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
        f.debug_struct("FirstUse").field("is_told", &self.begin.is_some()).finish_non_exhaustive()
    }
}
