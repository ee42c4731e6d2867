//! A project as its operators look at it: every view and service with its objective, its delays, its newest load, what is
//! known of its quality and of its version before, worst first; and everything about one of them.
//!
//! An [`Observer`] is opened once and reads definitions again only when they have changed. What it gathers is bounded: a
//! few queries of the registry for all views together, and of stored data only what is kept beside it, one view at a time.

mod condition;
mod feature_detail;
mod observer;
mod service_detail;
mod summary;
mod view_detail;
mod view_quality;

pub use feature_detail::{FeatureDetail, FeatureVersion, GivenBy};
pub use observer::Observer;
pub use service_detail::ServiceDetail;
pub use summary::{
    NewestLoad, Overview, ParitySummary, PipelineKind, ServiceSummary, StageDelay, ViewSummary,
};
pub use view_detail::ViewDetail;
pub use view_quality::{DriftedColumn, ViewQuality};

use feature::VersionId;

use crate::error::ProjectError;
use crate::project::Project;

/// The project at a glance, with the quality of all views.
pub(crate) async fn overview(project: &Project) -> Result<Overview, ProjectError> {
    let mut observer = Observer::open(project).await?;
    let mut overview = observer.overview().await?;
    let stored = overview.views.iter().filter(|view| view.entity.is_some());
    let views: Vec<VersionId> = stored.map(|view| view.id.clone()).collect();
    for view in views {
        let quality = observer.quality_of(&view).await;
        overview.note_quality(&view, quality);
    }
    overview.worst_first();
    Ok(overview)
}
