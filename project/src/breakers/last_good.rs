//! The last moment before what a rule found. A moment is one of reading: what was readable then was answered last, whenever
//! its events happened.

use std::sync::Arc;

use feature::{EventDate, Micros, Span, VersionId, View};
use offline::OfflineStore;
use online::Reader;

use crate::error::ProjectError;
use crate::project::Project;
use crate::slo::before;

/// From when on the newest rows of a view were readable; `None` where it has none.
pub(super) async fn newest_readable(
    project: &Project,
    view: &VersionId,
) -> Result<Option<Micros>, ProjectError> {
    Ok(project.online().await?.stats(view).await?.applied_at)
}

/// The last moment at which no row of a date was readable, at the earliest the date's beginning; `None` where the log has no
/// row of it.
pub(super) async fn before_date(
    store: &OfflineStore,
    view: &Arc<View>,
    date: EventDate,
) -> Result<Option<Micros>, ProjectError> {
    let first = store.log(view).await?.first_available_of(&date.to_string()).await?;
    Ok(first.map(|first| before(first, Span::MICROSECOND).max(date.start().unwrap_or(Micros::MIN))))
}
