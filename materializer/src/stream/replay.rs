//! Dead letters of a stream validated again, after what made them bad is repaired: rows that are good now go into
//! both stores under their old positions.
//!
//! Their offsets are below those that the online rows have folded, so they no longer go the way of the stream: their
//! entities are folded again from the log and from them, as in a sync, and the position of history records that.

use std::collections::{BTreeMap, BTreeSet};

use feature::VersionId;
use offline::{DeadLetter, DeadLetters, Log, OfflineError};
use online::Mender;
use roaring::RoaringTreemap;
use serde::Serialize;

use super::record_validator::{Before, RecordValidator, ValidatedRecords};
use crate::error::MaterializerError;
use crate::fold::online_first::OnlineFirst;
use crate::fold::prefix;
use crate::load_lock::LoadLock;
use crate::load_turn::LoadTurn;
use crate::lost_tables::check_dead_letters;
use crate::materializer::{Materializer, Target};
use crate::rows::accepted::AcceptedRows;
use crate::rows::dead_letter;
use crate::rows::record::Record;
use crate::stream_start;

/// How often a replay starts over because another writer committed in between.
const TRIES: usize = 100;

/// The outcome for dead letters that were validated again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplayReport {
    /// The view.
    pub view: VersionId,
    /// Dead letters that are not settled: their rows are not in the log.
    pub dead_letters: u64,
    /// Dead letters that were too long to be kept whole, or are of history, and cannot be validated again.
    pub not_replayable: u64,
    /// Rows that are good now, and in both stores.
    pub replayed: u64,
    /// Rows that are still bad, by reason.
    pub still_refused: BTreeMap<String, u64>,
    /// Rows that do not pass the view's `where`, now that they can be read.
    pub filtered: u64,
    /// Rows with a null in their key, left out likewise.
    pub null_keys: u64,
    /// Rows of forgotten entities, left out likewise.
    pub forgotten: u64,
}

/// The dead letters whose rows the log does not have, one for each position, in their order.
pub async fn unsettled(
    log: &Log,
    dead_letters: Vec<DeadLetter>,
) -> Result<Vec<DeadLetter>, MaterializerError> {
    let mut newest: BTreeMap<(u8, u32, u64), DeadLetter> = BTreeMap::new();
    for dead_letter in dead_letters {
        newest.insert(dead_letter.position.parts(), dead_letter);
    }
    let mut settled = BTreeSet::new();
    log.for_each_position(|parts| {
        if newest.contains_key(&parts) {
            settled.insert(parts);
        }
    })
    .await?;
    newest.retain(|parts, _| !settled.contains(parts));
    Ok(newest.into_values().collect())
}

/// How many rows were refused and are not in the log, whatever their number: positions alone are read, and kept as bitmaps.
pub async fn count_unsettled(log: &Log, dead_letters: &DeadLetters) -> Result<u64, MaterializerError> {
    check_dead_letters(log, dead_letters).await?;
    let mut open: BTreeMap<(u8, u32), RoaringTreemap> = BTreeMap::new();
    dead_letters
        .for_each_position(|(kind, major, minor)| {
            open.entry((kind, major)).or_default().insert(minor);
        })
        .await?;
    if open.is_empty() {
        return Ok(0);
    }
    log.for_each_position(|(kind, major, minor)| {
        if let Some(open) = open.get_mut(&(kind, major)) {
            open.remove(minor);
        }
    })
    .await?;
    Ok(open.values().map(RoaringTreemap::len).sum())
}

impl<W: Mender> Materializer<W> {
    /// Validates the dead letters of a view's stream again. A stream of the view may go on meanwhile.
    pub async fn replay_refused(
        &self,
        target: &Target,
        limit: usize,
    ) -> Result<ReplayReport, MaterializerError> {
        for _ in 0..TRIES {
            if let Some(report) = self.try_replay(target, limit).await? {
                return Ok(report);
            }
        }
        Err(MaterializerError::OnlineConflict { view: target.view.id.clone() })
    }

    /// `None` if another writer committed in between.
    async fn try_replay(
        &self,
        target: &Target,
        limit: usize,
    ) -> Result<Option<ReplayReport>, MaterializerError> {
        let view = &target.view;
        let mut validator = RecordValidator::new(target, &self.project, self.schema_registry.as_ref())?;
        let _lock = LoadLock::acquire(&self.offline.log(view).await?).await?;
        let mut log = self.offline.log(view).await?;
        let dead_letters = self.offline.dead_letters(&view.id).await?;
        check_dead_letters(&log, &dead_letters).await?;
        let dead_letters = dead_letters.read(limit).await?;
        let dead_letters = unsettled(&log, dead_letters).await?;
        let records: Vec<Record> = dead_letters.iter().filter_map(dead_letter::record).collect();
        let forgotten = self.offline.forgotten_as_of(&log).await?;
        let before = Before {
            refused: &BTreeSet::new(),
            start: stream_start::find(&log, &target.source).await?,
            forgotten: &forgotten,
        };
        validator.prepare(&records).await?;
        let ValidatedRecords { accepted, counts, .. } = validator.validate(&records, &before)?;
        let report = ReplayReport {
            view: view.id.clone(),
            dead_letters: dead_letters.len() as u64,
            not_replayable: (dead_letters.len() - records.len()) as u64,
            replayed: accepted.len() as u64,
            still_refused: counts.refused,
            filtered: counts.filtered,
            null_keys: counts.null_keys,
            forgotten: counts.forgotten,
        };
        if accepted.len() == 0 {
            return Ok(Some(report));
        }
        match self.replay(target, &validator, &accepted, &mut log).await {
            Ok(()) => Ok(Some(report)),
            Err(MaterializerError::Offline(OfflineError::Conflict { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A conflict if another load or replay committed in between.
    async fn replay(
        &self,
        target: &Target,
        validator: &RecordValidator,
        accepted: &AcceptedRows,
        log: &mut Log,
    ) -> Result<(), MaterializerError> {
        let view = &target.view;
        prefix::check_prefix(&self.offline, &self.online, view).await?;
        let mut turn = LoadTurn::next(log).await?;
        turn.take(log, &[]).await?;
        let (batch, _) = validator.log_batch(accepted, (self.clock)())?;
        let first = OnlineFirst::write(log, &self.online, self.clock, &[batch]).await?;
        let stamp = (self.clock)();
        self.online.replace(&view.id, &[], Some(stamp)).await?;
        let (batch, _) = validator.log_batch(accepted, stamp)?;
        let mut appender = log.appender().await?;
        appender.write(batch);
        let rows = appender.finish().await?;
        first.commit(log, &rows, &[], turn.settling()).await?;
        turn.end(log, &self.online, self.clock).await?;
        prefix::note(log, &self.online).await
    }
}
