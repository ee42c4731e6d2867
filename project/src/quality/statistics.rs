//! The statistics of the columns of a view, by the date on which their rows happened.

use feature::EventDate;
use materializer::{ColumnDay, count_statistics, statistics};

use crate::error::ProjectError;
use crate::project::Project;
use crate::targets::{ViewName, targets_with};

/// Which statistics to show.
#[derive(Clone, Debug)]
pub struct ShowStatistics {
    /// Of this view.
    pub view: ViewName,
    /// Of rows that happened on this date; without one, of all.
    pub day: Option<EventDate>,
}

/// The statistics by date and column. Rows that nobody has counted yet are counted first.
pub(crate) async fn show(project: &Project, show: &ShowStatistics) -> Result<Vec<ColumnDay>, ProjectError> {
    let store = project.offline()?;
    let mut found = Vec::new();
    for target in targets_with(&project.registered().await?, std::slice::from_ref(&show.view), |_| true)? {
        count_statistics(&store, &target.view).await?;
        let [all, _] = statistics(&store, &target.view, None).await?;
        found.extend(all.into_iter().filter(|day| show.day.is_none_or(|wanted| wanted == day.date)));
    }
    Ok(found)
}
