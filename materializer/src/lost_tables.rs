//! Tables beside a log that are gone, though the log says that something lies in them: a folder that was deleted, or a copy
//! that was restored in part. A view of which nothing was ever refused or quarantined has none of them.

use std::sync::Arc;

use feature::View;
use offline::{DeadLetters, Log, OfflineStore};

use crate::error::MaterializerError;
use crate::markers::{self, QUARANTINED_UP_TO, REFUSED};

/// Refuses to go on where a log says that rows were refused, and the table of dead letters is gone.
pub async fn check_dead_letters(log: &Log, dead_letters: &DeadLetters) -> Result<(), MaterializerError> {
    if dead_letters.is_there() || markers::read(log, REFUSED).await?.is_none() {
        return Ok(());
    }
    Err(MaterializerError::DeadLettersAreGone { view: log.view().id.clone() })
}

/// The same of the table that describes quarantined files.
pub async fn check_quarantine(offline: &OfflineStore, log: &Log) -> Result<(), MaterializerError> {
    let view = &log.view().id;
    let quarantined = markers::read(log, QUARANTINED_UP_TO).await?.unwrap_or(0);
    if quarantined == 0 || offline.quarantine(view).await?.is_there() {
        return Ok(());
    }
    Err(MaterializerError::QuarantineIsGone { view: view.clone() })
}

/// What is gone beside the log of a view. What cannot be read says so by itself.
pub async fn lost_tables(offline: &OfflineStore, view: &Arc<View>) -> Vec<MaterializerError> {
    let Ok(log) = offline.log(view).await else { return Vec::new() };
    let of_dead_letters = async {
        let dead_letters = offline.dead_letters(&view.id).await?;
        check_dead_letters(&log, &dead_letters).await
    };
    let checked = [of_dead_letters.await, check_quarantine(offline, &log).await];
    checked.into_iter().filter_map(Result::err).filter(MaterializerError::is_of_lost_table).collect()
}
