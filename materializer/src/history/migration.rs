//! A backfill as a migration: the history of a view is loaded date by date. The rows of a date are one commit, together
//! with a mark of the date, and are checked before it; a date that fails its checks is set aside, and the others go on.
//! Online rows are written once, when every date is in the log.
//!
//! | file | what it decides |
//! |---|---|
//! | `next_step.rs` | what is done next, from the state of each date |
//! | `log_state.rs` | what the log records, which decides what is done already |
//! | `dates.rs` | how many rows the source has of each date |
//! | `delay.rs` | after which delay history counts as available |
//! | `file_reading.rs`, `group.rs`, `date_rows.rs` | files read side by side, and their rows by date within a bound of memory |
//! | `observation.rs`, `checks.rs` | what a date must look like |
//! | `date_load.rs`, `date_reading.rs`, `date_commit.rs` | the load itself |
//! | `pace.rs` | how fast rows are read |
//! | `whole_files.rs` | which files are not what the view expects of each as a whole |
//! | `watch.rs` | what a backfill is to do, and what it reports |

mod checks;
mod date_commit;
mod date_load;
mod date_reading;
mod date_rows;
mod dates;
mod delay;
mod file_reading;
mod group;
mod log_state;
mod next_step;
mod observation;
mod pace;
mod watch;
mod whole_files;

use std::sync::Arc;

use feature::View;
use offline::{Log, OfflineError};
use online::Mender;

pub use checks::ColumnSummary;
pub use date_rows::DateReport;
pub use delay::{DELAY_PERCENTILE, HistoryDelay, MeasuredDelay};
pub use log_state::MigrationState;
pub(crate) use log_state::history_end;
pub use next_step::{DateOrder, StopRequest};
pub use pace::Pace;
pub use watch::{Migration, MigrationEnd, MigrationEvent, MigrationReport, MigrationWatch};

use crate::error::MaterializerError;
use crate::history::loaded_files::has_first_load;
use crate::markers::{self, MIGRATION_LOADED, MIGRATION_WHOLE};
use crate::materializer::{Materializer, Target};
use crate::stream_start;
use date_load::DateLoad;

/// How often a load is decided again because another writer committed in between.
const TRIES: usize = 20;

/// Refuses a view whose history is loaded as a whole: that of a source without an event time, and a derived one.
pub fn check_has_dates(target: &Target) -> Result<(), MaterializerError> {
    let view = target.view.id.clone();
    match &target.input {
        Some(input) => Err(MaterializerError::MigrationOfDerived { view, input: input.view.id.clone() }),
        None if target.view.is_static => Err(MaterializerError::MigrationOfStatic { view }),
        None => Ok(()),
    }
}

impl<W: Mender> Materializer<W> {
    /// Loads the history of a view date by date, or goes on with that, until it is done or requested to stop.
    pub async fn migrate(
        &self,
        target: &Target,
        migration: &Migration,
        watch: &dyn MigrationWatch,
    ) -> Result<MigrationReport, MaterializerError> {
        let view = &target.view;
        check_has_dates(target)?;
        let mut report = MigrationReport::new();
        let mut tries = 0;
        loop {
            tries += 1;
            match DateLoad::run(self, target, migration, watch, &mut report).await {
                Err(MaterializerError::Offline(error @ OfflineError::Conflict { .. })) if tries < TRIES => {
                    tracing::debug!("{}: {error}", view.id);
                }
                Err(error) => return Err(error),
                Ok(end) => {
                    report.end = end;
                    report.log_version = self.offline.log(view).await?.version();
                    report.entities = self.online.stats(&view.id).await?.rows;
                    return Ok(report);
                }
            }
        }
    }

    /// How far the newest backfill by dates of a view is, by its log; `None` if none ever began.
    pub async fn migration_state(
        &self,
        view: &Arc<View>,
    ) -> Result<Option<MigrationState>, MaterializerError> {
        MigrationState::of(&self.offline.log(view).await?).await
    }

    /// Ends a backfill by dates that no process executes. What is loaded stays in the log.
    pub async fn cancel_migration(&self, view: &Arc<View>, number: u64) -> Result<(), MaterializerError> {
        let mut log = self.offline.log(view).await?;
        // One that never wrote anything is not in the log.
        match MigrationState::of(&log).await? {
            Some(state) if state.number == number && state.is_under_way() => {
                log_state::cancel(&mut log, number).await
            }
            _ => Ok(()),
        }
    }
}

/// Refuses another load of a view while its dates are being loaded; a load that goes on from what is in the log also after
/// that was cancelled.
pub(crate) async fn refuse_beside(log: &Log, needs_history: bool) -> Result<(), MaterializerError> {
    match MigrationState::of(log).await? {
        Some(state) if state.is_under_way() || (needs_history && !state.is_whole) => {
            Err(MaterializerError::MigrationUnfinished {
                view: log.view().id.clone(),
                is_cancelled: state.is_cancelled,
            })
        }
        _ => Ok(()),
    }
}

/// Whether nothing of a view is to be online yet: its first history is being loaded by dates, or that was cancelled, and no
/// stream began.
pub async fn is_offline_first(log: &Log) -> Result<bool, MaterializerError> {
    let is_done = markers::read(log, MIGRATION_WHOLE).await?.is_some();
    let is_online = is_done || has_first_load(log).await? || stream_start::recorded(log).await?.is_some();
    Ok(!is_online && MigrationState::of(log).await?.is_some())
}

/// The markers with which a whole load ends that also did what was left of a cancelled backfill by dates.
pub(super) async fn made_whole(log: &Log) -> Result<Vec<offline::Marker>, MaterializerError> {
    let state = MigrationState::of(log).await?.filter(|state| !state.is_whole);
    let markers = state.into_iter().flat_map(|state| {
        [MIGRATION_LOADED, MIGRATION_WHOLE].map(|key| markers::marker(key, state.number as i64))
    });
    Ok(markers.collect())
}
