//! The statistics of the columns of a view, by the date on which their rows happened.

use feature::EventDate;
use materializer::{ColumnDay, count_statistics, statistics};

use crate::error::ProjectError;
use crate::project::Project;
use crate::targets::{ViewName, named_view};

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
    let (store, registered) = (project.offline()?, project.registered().await?);
    let view = named_view(&registered, &show.view)?;
    project.check_logs_of_registered(&registered).await?;
    count_statistics(&store, &view, None).await?;
    let [mut days, _] = statistics(&store, &view, None).await?;
    days.retain(|day| show.day.is_none_or(|wanted| wanted == day.date));
    Ok(days)
}
