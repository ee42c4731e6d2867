//! Refused rows judged once more, after what made them bad is mended: those that are good now go into
//! both stores under the positions that they always had.
//!
//! Their offsets lie below what the online rows hold, so they are no stream any more: their entities are
//! folded anew from the log and from them, as a sync does, and the position of history says so.

use std::collections::{BTreeMap, BTreeSet};

use feature::VersionId;
use offline::{DeadLetter, Log, OfflineError};
use online::Mender;
use serde::Serialize;

use super::judge::{Before, Judge, Judgement, Taken};
use super::letter;
use super::protocol::Record;
use crate::error::MaterializerError;
use crate::history::{Materializer, Target};
use crate::load_lock::LoadLock;
use crate::online_first::OnlineFirst;
use crate::seam;
use crate::turn::Turn;

/// How often a replay is begun anew because another writer came between.
const TRIES: usize = 100;

/// What became of refused rows that were judged once more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplayReport {
    /// The view.
    pub view: VersionId,
    /// Letters that are not settled: their rows are not in the log.
    pub letters: u64,
    /// Letters that were too long to be kept whole, or of history, and cannot be judged again.
    pub not_replayable: u64,
    /// Rows that are good now, and in both stores.
    pub replayed: u64,
    /// Rows that are still bad, by reason.
    pub still_refused: BTreeMap<String, u64>,
    /// Rows that do not pass the view's `where`, now that they can be read.
    pub filtered: u64,
    /// Rows with a null in their key, left out likewise.
    pub null_keys: u64,
}

/// The letters whose rows the log does not have, one for each position, in their order.
pub async fn unsettled(log: &Log, letters: Vec<DeadLetter>) -> Result<Vec<DeadLetter>, MaterializerError> {
    let mut newest: BTreeMap<(u8, u32, u64), DeadLetter> = BTreeMap::new();
    for letter in letters {
        newest.insert(letter.position.parts(), letter);
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

impl<W: Mender> Materializer<W> {
    /// Judges the refused rows of a view's stream once more. A stream of the view may go on meanwhile.
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

    /// None where another writer came between.
    async fn try_replay(
        &self,
        target: &Target,
        limit: usize,
    ) -> Result<Option<ReplayReport>, MaterializerError> {
        let view = &target.view;
        let mut judge = Judge::new(target, &self.project, self.schema_registry.as_ref())?;
        let _lock = LoadLock::take(&self.offline.log(view).await?).await?;
        let mut log = self.offline.log(view).await?;
        let letters = self.offline.dead_letters(&view.id).await?.read(limit).await?;
        let letters = unsettled(&log, letters).await?;
        let records: Vec<Record> = letters.iter().filter_map(letter::record).collect();
        let before = Before { refused: &BTreeSet::new(), start: seam::find(&log, &target.source).await? };
        judge.prepare(&records).await?;
        let Judgement { taken, counts, .. } = judge.judge(&records, &before)?;
        let report = ReplayReport {
            view: view.id.clone(),
            letters: letters.len() as u64,
            not_replayable: (letters.len() - records.len()) as u64,
            replayed: taken.len() as u64,
            still_refused: counts.refused,
            filtered: counts.filtered,
            null_keys: counts.null_keys,
        };
        if taken.len() == 0 {
            return Ok(Some(report));
        }
        match self.replay(target, &judge, &taken, &mut log).await {
            Ok(()) => Ok(Some(report)),
            Err(MaterializerError::Offline(OfflineError::Conflict { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A conflict where another load or replay came between.
    async fn replay(
        &self,
        target: &Target,
        judge: &Judge,
        taken: &Taken,
        log: &mut Log,
    ) -> Result<(), MaterializerError> {
        let view = &target.view;
        let mut turn = Turn::next(log).await?;
        turn.take(log, &[]).await?;
        let (batch, _) = judge.log_batch(taken, (self.clock)())?;
        let first = OnlineFirst::write(log, &self.online, self.clock, &[batch]).await?;
        let stamp = (self.clock)();
        self.online.replace(&view.id, &[], Some(stamp)).await?;
        let (batch, _) = judge.log_batch(taken, stamp)?;
        let mut appender = log.appender().await?;
        appender.write(batch).await?;
        let rows = appender.finish().await?;
        first.commit(log, &rows, &[], turn.settling()).await?;
        turn.end(log, &self.online, self.clock).await?;
        Ok(())
    }
}
