//! A view freed of rows that are older than its retention: first its log, in one commit, then the online rows of entities
//! that have no others, then its statistics.
//!
//! It takes a turn, as a load does, in the commit that drops the rows: a load that was under way starts over, and one that
//! finds the turn unsettled brings the online store to what the log has. What was loaded stays known, since the counters of
//! files and offsets are not rows.

use std::collections::HashSet;
use std::sync::Arc;

use feature::{EntityKey, Micros, Span, View};
use futures::TryStreamExt;
use offline::{Added, BatchPoint, EXPIRED_BEFORE, Log, OfflineError};
use online::{Layout, Mender, PackedRow, Read};
use serde::Serialize;

use crate::error::MaterializerError;
use crate::fold::again;
use crate::fold::ahead::{Ahead, Reached};
use crate::fold::entities;
use crate::history::refuse_beside;
use crate::load_lock::LoadLock;
use crate::load_turn::LoadTurn;
use crate::markers::{self, LOAD_READS};
use crate::materializer::Materializer;

/// How often it is begun again because others commit meanwhile.
const TRIES: usize = 20;
/// Entities whose online rows are read at a time.
const AT_ONCE: usize = 1000;

/// What was dropped of a view, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExpiredOfView {
    /// The midnight before which rows are older than the retention.
    pub before: Option<Micros>,
    /// The first date that goes.
    pub first: Option<Micros>,
    /// The last one.
    pub last: Option<Micros>,
    /// Dates that go.
    pub dates: u64,
    /// Files with their rows.
    pub files: u64,
    /// Rows.
    pub rows: u64,
    /// The size of the files. They lie there until a vacuum.
    pub bytes: u64,
    /// Online rows of entities that have no others.
    pub online_rows: u64,
    /// Statistics of these dates and of those before.
    pub statistics: u64,
}

impl ExpiredOfView {
    fn of(before: Micros, files: &Added) -> Self {
        let dates = files.dates();
        Self {
            before: Some(before),
            first: dates.first().copied(),
            last: dates.last().copied(),
            dates: dates.len() as u64,
            files: files.len() as u64,
            rows: files.rows(),
            bytes: files.bytes(),
            online_rows: 0,
            statistics: 0,
        }
    }
}

/// The midnight before which every row is older than a retention at a moment: whole dates go.
pub fn expired_before(retention: Span, now: Micros) -> Micros {
    let kept_from = now.get().saturating_sub(retention.micros());
    Micros::new(feature::floor(kept_from, Span::DAY)).unwrap_or(Micros::MIN)
}

impl<W: Mender> Materializer<W> {
    /// What [`Materializer::expire`] would drop.
    pub async fn expiring(
        &self,
        view: &Arc<View>,
        before: Micros,
    ) -> Result<ExpiredOfView, MaterializerError> {
        let log = self.offline.log(view).await?;
        Ok(ExpiredOfView::of(before, &log.files_before(before)))
    }

    /// Drops the dates of a view's log that lie before a midnight, and what both stores have of them alone. Interrupted
    /// anywhere, it goes on when it is repeated.
    pub async fn expire(&self, view: &Arc<View>, before: Micros) -> Result<ExpiredOfView, MaterializerError> {
        for _ in 1..TRIES {
            match self.try_expire(view, before).await {
                Err(MaterializerError::Offline(error @ OfflineError::Conflict { .. })) => {
                    tracing::debug!("{}: {error}", view.id);
                }
                done => return done,
            }
        }
        self.try_expire(view, before).await
    }

    async fn try_expire(&self, view: &Arc<View>, before: Micros) -> Result<ExpiredOfView, MaterializerError> {
        let _lock = LoadLock::acquire(&self.offline.log(view).await?).await?;
        let mut log = self.offline.log(view).await?;
        let due = log.files_before(before);
        let mut done = ExpiredOfView::of(before, &due);
        if log.version().is_none() {
            return Ok(done);
        }
        refuse_beside(&log, false).await?;
        let mut turn = LoadTurn::next(&log).await?;
        if !due.is_empty() {
            // Never back: what an earlier retention dropped stays dropped.
            let before = before.max(log.expired_before().await?.unwrap_or(before));
            let expired = markers::marker(EXPIRED_BEFORE, before.get());
            let moved: Vec<_> = turn.marker().into_iter().chain([expired]).collect();
            log.drop_files(&due, &moved, &LOAD_READS).await?;
            turn.mark_taken();
            BatchPoint::Expired.pass();
            done.online_rows = self.drop_unseen(&mut log, &due, before).await?;
            BatchPoint::OnlineExpired.pass();
        } else if turn.follows_unsettled() {
            turn.take(&mut log, &[]).await?;
        }
        if let Some(before) = log.expired_before().await? {
            done.statistics = self.offline.statistics(&view.id).await?.drop_before(before).await?;
        }
        turn.end(&mut log, &self.online, self.clock).await?;
        Ok(done)
    }

    /// Removes the online rows of entities that have no row since a midnight, then writes those of which the log still has
    /// rows that wait. Gives how many are gone.
    async fn drop_unseen(
        &self,
        log: &mut Log,
        dropped: &Added,
        before: Micros,
    ) -> Result<u64, MaterializerError> {
        let view = log.view().clone();
        let Some(online) = view.retention.and_then(|retention| retention.online) else { return Ok(0) };
        // Rows before the midnight are as if they had never been.
        let at = before.saturating_add(online);
        let layout = Layout::new(&view);
        let columns: Vec<&str> = view.keys.iter().map(|key| key.name.as_str()).collect();
        let mut unseen: Vec<(EntityKey, Vec<u8>)> = Vec::new();
        let mut looked: HashSet<EntityKey> = HashSet::new();
        let mut reached = Reached::by(log, &layout);
        let mut batches = log.scan_added(dropped, &columns)?;
        while let Some(batch) = batches.try_next().await.map_err(OfflineError::from)? {
            let keys = entities::keys(&view, &[batch])?;
            let keys: Vec<EntityKey> = keys.into_iter().filter(|key| looked.insert(key.clone())).collect();
            for keys in keys.chunks(AT_ONCE) {
                let found = self.online.read(&[Read { view: &view.id, keys }]).await?;
                for (key, row) in keys.iter().zip(found.iter().flat_map(|found| found.rows())) {
                    let Some(bytes) = row else { continue };
                    // One that cannot be read is mended by a rebuild.
                    let row = PackedRow::new(&layout, bytes).and_then(|row| row.answer_some(&[], at));
                    let is_unseen = row.is_ok_and(|answer| answer.times.is_none());
                    // One that a stream has not committed yet is the stream's.
                    if is_unseen && reached.ahead(bytes).await? == Ahead::No {
                        unseen.push((key.clone(), bytes.to_vec()));
                    }
                }
            }
        }
        drop(batches);
        let removed = self.online.remove(&view.id, &unseen).await?;
        let keys: HashSet<EntityKey> = unseen.into_iter().map(|(key, _)| key).collect();
        let back = again::fold_present(log, &self.online, keys, self.clock).await?;
        Ok(removed.saturating_sub(back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_dates_go_and_no_row_that_is_not_older_than_the_retention() {
        let moment = |text: &str| text.parse::<Micros>().unwrap();
        let retention: Span = "90d".parse().unwrap();
        let before = |now: &str| expired_before(retention, moment(now)).to_string();
        assert_eq!(before("2026-04-01"), "2026-01-01T00:00:00Z");
        assert_eq!(before("2026-04-01T23:59:59Z"), "2026-01-01T00:00:00Z");
        assert_eq!(before("2026-03-31T23:59:59Z"), "2025-12-31T00:00:00Z");
        let long: Span = "3000000d".parse().unwrap();
        assert_eq!(expired_before(long, moment("2026-04-01")), Micros::MIN);
    }
}
