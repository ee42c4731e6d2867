//! Whether the online rows of a view are the fold of a prefix of this log.
//!
//! The commit up to which rows are folded is noted beside them. A log that does not have that commit is older than the
//! online store, or another one; an online store that lacks rows which were committed since is older than the log. Either
//! happens when one of the two is restored from a copy. The note may lag behind what is online, after a process was
//! killed: so what was committed since is looked for online before anything is said. A store of an earlier release has no
//! note, and gets one when it is written next.

use std::sync::Arc;

use feature::{EntityKey, Position, VersionId, View};
use offline::{Log, OfflineStore};
use online::{FoldedCommit, Layout, Mender, PackedRow, Positions, Read};

use super::entities::Folded;
use crate::blocking;
use crate::error::MaterializerError;
use crate::history::MigrationState;
use crate::load_turn::online_may_lack_rows;

/// Entities that are looked for online of the rows that were committed last.
const SAMPLE: usize = 64;

/// Refuses a log that is not the one which the online rows of the view were folded from, or an online store that is older
/// than it.
pub async fn check_prefix<W: Mender>(
    offline: &OfflineStore,
    online: &W,
    view: &Arc<View>,
) -> Result<(), MaterializerError> {
    // Read before the log is: a commit that is noted is there.
    let Some(noted) = online.folded_commit(&view.id).await? else { return Ok(()) };
    // Nearly always: nothing was committed since, and the log is not opened for this.
    let (logs, id) = (offline.clone(), view.id.clone());
    if blocking::run(move || logs.ends_with(&id, noted.version, noted.checksum)).await? {
        return Ok(());
    }
    let log = offline.log(view).await?;
    check_log(&log, noted).await?;
    match lacks_rows(&log, online, noted).await? {
        true => Err(MaterializerError::OnlineBehindLog { view: view.id.clone(), folded: noted.version }),
        false => Ok(()),
    }
}

/// Refuses a log that does not have the noted commit.
pub(crate) async fn check_log(log: &Log, noted: FoldedCommit) -> Result<(), MaterializerError> {
    let view = log.view().id.clone();
    if log.version().is_none_or(|version| version < noted.version) {
        let (folded, found) = (noted.version, log.version());
        return Err(MaterializerError::LogBehindOnline { view, folded, found });
    }
    match log.commit_checksum(noted.version).await? {
        Some(checksum) if checksum != noted.checksum => {
            Err(MaterializerError::OtherLog { view, version: noted.version })
        }
        _ => Ok(()),
    }
}

/// Whether rows that were committed after the noted commit are not online.
pub(crate) async fn lacks_rows<W: Mender>(
    log: &Log,
    online: &W,
    noted: FoldedCommit,
) -> Result<bool, MaterializerError> {
    let added = log.added_since(noted.version).await?;
    if added.is_empty() || is_going_online(log).await? {
        return Ok(false);
    }
    let view = log.view();
    let layout = Layout::new(view);
    let (keys, newest): (Vec<EntityKey>, Vec<Position>) =
        log.newest_rows(&added, SAMPLE).await?.into_iter().unzip();
    let is_kept = view.retention.is_none_or(|retention| retention.online.is_none());
    for found in online.read(&[Read { view: &view.id, keys: &keys }]).await? {
        for (row, position) in found.rows().zip(&newest) {
            let is_there = match row {
                Some(row) => has(view, &PackedRow::new(&layout, row)?.positions()?, *position, noted),
                // Rows that are no longer kept online may be gone.
                None => !is_kept,
            };
            if !is_there {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether an online row has folded the row at a position, which was committed after the noted commit.
fn has(view: &View, folded: &Positions, position: Position, noted: FoldedCommit) -> bool {
    match position {
        Position::Stream { .. } if !view.is_derived() => folded.holds(position),
        _ => folded.history().is_some_and(|history| Folded::version_of(history) > noted.version),
    }
}

/// Whether a load is running or was interrupted whose rows come online at its end, or with the next load.
async fn is_going_online(log: &Log) -> Result<bool, MaterializerError> {
    let is_in_part = MigrationState::of(log).await?.is_some_and(|state| !state.is_whole);
    Ok(is_in_part || online_may_lack_rows(log).await?)
}

/// Notes that all rows of this snapshot of the log are online.
pub(crate) async fn note<W: Mender>(log: &Log, online: &W) -> Result<(), MaterializerError> {
    note_under(log, online, &log.view().id).await
}

/// Notes of the rows under an id that this snapshot of the log is folded in them.
pub(crate) async fn note_under<W: Mender>(
    log: &Log,
    online: &W,
    under: &VersionId,
) -> Result<(), MaterializerError> {
    let Some(version) = log.version() else { return Ok(()) };
    let Some(checksum) = log.commit_checksum(version).await? else { return Ok(()) };
    Ok(online.note_folded_commit(under, FoldedCommit { version, checksum }).await?)
}
