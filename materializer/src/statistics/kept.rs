//! The statistics that are kept of a view, merged by date and column.

use std::collections::BTreeMap;
use std::sync::Arc;

use feature::{EventDate, View};
use monitor::Statistics;
use offline::{OfflineError, OfflineStore};

use super::keeping::{Scans, StatisticsKeeper};
use crate::error::MaterializerError;

/// What a column holds of one date.
#[derive(Clone, Debug)]
pub struct ColumnDay {
    /// The date on which its rows happened.
    pub date: EventDate,
    /// The column of the view's log.
    pub column: String,
    /// What was counted.
    pub statistics: Statistics,
}

/// Counts the rows of a log that are not counted yet: first those up to a version, so that they are distinguished from those after it.
pub async fn count_statistics(
    offline: &OfflineStore,
    view: &Arc<View>,
    up_to: Option<u64>,
) -> Result<(), MaterializerError> {
    let mut keeper = StatisticsKeeper::default();
    if let Some(version) = up_to {
        keeper.try_keep(offline, &offline.log_at(view, version).await?, Scans::All).await?;
    }
    keeper.try_keep(offline, &offline.log(view).await?, Scans::All).await
}

/// The statistics of the columns of a view, by date and column: of the rows up to a version of its log, and of those after
/// it; without a version all are in the first.
pub async fn statistics(
    offline: &OfflineStore,
    view: &Arc<View>,
    up_to: Option<u64>,
) -> Result<[Vec<ColumnDay>; 2], MaterializerError> {
    let mut sides: [BTreeMap<(EventDate, String), ColumnDay>; 2] = Default::default();
    for counted in offline.statistics(&view.id).await?.read().await? {
        let statistics = Statistics::read(&counted.sketch).ok_or_else(|| OfflineError::Corrupt {
            what: format!("the statistics of {}", view.id),
            why: format!("those of `{}` on {} cannot be read", counted.column, counted.date),
        })?;
        let [first, second] = &mut sides;
        let side = if up_to.is_none_or(|version| counted.log_version <= version) { first } else { second };
        let key = (counted.date, counted.column.clone());
        match side.get_mut(&key) {
            Some(day) => day.statistics.merge(&statistics),
            None => {
                let (date, column) = (counted.date, counted.column);
                side.insert(key, ColumnDay { date, column, statistics });
            }
        }
    }
    Ok(sides.map(|side| side.into_values().collect()))
}
