//! A view freed of a forgotten entity: its rows are taken out of the log, then out of the online store.
//!
//! The entity is in the list of the forgotten before this begins, so whoever decides on a commit from then on leaves its
//! rows out. Whoever decided before has a conflict: a load, because its turn is over; a stream and a compaction, because a
//! counter moved. The counter moves once more at the end, for a compaction that read a file before it was written again.

use std::collections::HashSet;
use std::sync::Arc;

use feature::{EntityKey, View};
use offline::{BatchPoint, FORGOTTEN, FORGOTTEN_WHOLE, ForgetRows, OfflineError, SearchedTable};
use online::Mender;
use serde::Serialize;

use crate::error::MaterializerError;
use crate::fold::{again, rebuild};
use crate::load_lock::LoadLock;
use crate::load_turn::LoadTurn;
use crate::markers;
use crate::materializer::Materializer;

/// How often the last counter is moved because others commit meanwhile.
const TRIES: usize = 100;

/// What was done in one view.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ForgottenOfView {
    /// What was found in its log.
    pub log: SearchedTable,
    /// Online rows that were removed.
    pub online_rows: u64,
    /// Whether its statistics were removed, to be counted again.
    pub statistics_removed: bool,
}

impl<W: Mender> Materializer<W> {
    /// Takes the rows of forgotten entities out of both stores. `key` is the one that is forgotten now; without one, rows
    /// that were made of its rows are taken out, and all online rows of the view are written again.
    pub async fn forget(
        &self,
        view: &Arc<View>,
        key: Option<&EntityKey>,
        forget: ForgetRows,
    ) -> Result<ForgottenOfView, MaterializerError> {
        let number = i64::try_from(forget.list.number()).unwrap_or(i64::MAX);
        let _lock = LoadLock::acquire(&self.offline.log(view).await?).await?;
        let mut log = self.offline.log(view).await?;
        if log.version().is_none() {
            return Ok(ForgottenOfView::default());
        }
        let turn = loop {
            log.refresh().await?;
            let mut turn = LoadTurn::next(&log).await?;
            match turn.take(&mut log, &[markers::marker(FORGOTTEN, number)]).await {
                Ok(()) => break turn,
                // Another writer took it: one of them always makes progress.
                Err(OfflineError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        };
        let mut done = ForgottenOfView {
            log: self.offline.forget_rows(view, forget).await?,
            ..ForgottenOfView::default()
        };
        BatchPoint::RowsForgotten.pass();
        let is_changed = done.log.rows > 0 || turn.follows_unsettled();
        // What was opened before has read files as they were.
        let mut log = self.offline.log(view).await?;
        match key {
            Some(key) => {
                let keys = HashSet::from([key.clone()]);
                done.online_rows = again::fold_again(&mut log, &self.online, keys, self.clock).await?;
            }
            None if is_changed => {
                let before = self.online.stats(&view.id).await?.rows;
                let entities = rebuild::rebuild(&mut log, &self.online, self.clock).await?;
                done.online_rows = before.saturating_sub(entities);
            }
            None => {}
        }
        BatchPoint::OnlineForgotten.pass();
        if is_changed {
            done.statistics_removed = self.offline.forget_statistics(&view.id).await?;
        }
        let whole = [markers::marker(FORGOTTEN_WHOLE, number)];
        for left in (0..TRIES).rev() {
            log.refresh().await?;
            match log.appender().await?.commit(&whole, &[]).await {
                Err(OfflineError::Conflict { .. }) if left > 0 => {}
                committed => {
                    committed?;
                    break;
                }
            }
        }
        turn.end(&mut log, &self.online, self.clock).await?;
        Ok(done)
    }
}
