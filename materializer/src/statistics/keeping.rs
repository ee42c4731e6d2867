//! Statistics on their way into the table: in memory until the rows that they count are committed, then kept in one
//! commit that says up to which version of the log all rows are counted.
//!
//! Rows are known by the files that hold them. Rows of other writers that are not counted, and rows of a commit of which
//! it was not known whether it was made, are counted from the log, date by date, if they are few. Where they are not, nothing
//! is counted until somebody who asks has had them counted.

use std::collections::HashSet;

use arrow::array::RecordBatch;
use feature::View;
use futures::TryStreamExt;
use offline::{DELETED, Log, OfflineError, OfflineStore, StatisticsTable, Uncounted, Written};

use super::by_date::StatisticsByDate;
use crate::error::MaterializerError;

/// Statistics in memory; with more, what they count is counted again from the log, date by date.
const MOST_IN_MEMORY: usize = 4000;
/// Rows of one load that are counted as they are written; counting more would hold the load up, so those are counted from
/// the log once somebody asks.
const MOST_ROWS_OF_A_LOAD: u64 = 100_000;
/// Commits that are looked through for rows that nobody counted.
const MOST_COMMITS: u64 = 10_000;
/// How often the table is written again because others counted meanwhile.
const TRIES: usize = 20;

/// Which rows that nobody counted are counted from the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scans {
    /// As many as one load counts; where there are more, nothing is counted any more until somebody had all counted.
    Few,
    /// All of them.
    All,
}

/// Statistics of rows that are committed, and not kept yet.
#[derive(Debug)]
pub(crate) struct StatisticsKeeper {
    pending: StatisticsByDate,
    /// Whether they count exactly the rows in these files; else those are counted from the log.
    is_kept: bool,
    /// How many more rows are counted as they are written.
    left: u64,
    /// The files that hold the rows that they count.
    files: HashSet<String>,
    /// The version up to which all rows were counted when there were too many others; `None` if there were not.
    gave_up_at: Option<u64>,
}

impl Default for StatisticsKeeper {
    fn default() -> Self {
        Self {
            pending: StatisticsByDate::default(),
            is_kept: true,
            left: u64::MAX,
            files: HashSet::new(),
            gave_up_at: None,
        }
    }
}

impl StatisticsKeeper {
    /// Of a load.
    pub(crate) fn of_load() -> Self {
        Self { left: MOST_ROWS_OF_A_LOAD, ..Self::default() }
    }

    /// How many more rows are counted as they are written.
    pub(crate) fn left(&self) -> u64 {
        if self.is_kept { self.left } else { 0 }
    }

    /// Counts nothing more until all rows up to another version than this one are counted.
    fn give_up(&mut self, counted_up_to: u64) {
        *self = Self { is_kept: false, gave_up_at: Some(counted_up_to), ..Self::default() };
    }

    /// Counts rows that are about to be committed.
    pub(crate) fn count(&mut self, view: &View, batch: &RecordBatch) {
        match self.left().checked_sub(batch.num_rows() as u64) {
            Some(left) => {
                self.left = left;
                self.pending.add(view, batch, None);
                self.bound();
            }
            None => self.forget(),
        }
    }

    /// One that counts as many more rows as this one may, to be merged into it.
    pub(crate) fn part(&self) -> Self {
        Self { left: self.left(), ..Self::default() }
    }

    /// Takes what a part has counted of rows that are about to be committed.
    pub(crate) fn merge(&mut self, part: Self) {
        match self.is_kept && part.is_kept {
            true => {
                self.left = part.left;
                self.pending.merge(part.pending);
                self.bound();
            }
            false => self.forget(),
        }
    }

    /// The rows that were counted are committed in these files.
    pub(crate) fn committed(&mut self, written: &Written) {
        if self.is_kept {
            self.files.extend(written.file_names().map(str::to_owned));
        }
    }

    /// It is not known whether rows that were counted are committed: all are counted from the log.
    pub(crate) fn forget(&mut self) {
        (self.is_kept, self.pending) = (false, StatisticsByDate::default());
        self.files.clear();
    }

    fn bound(&mut self) {
        if self.pending.len() > MOST_IN_MEMORY {
            self.forget();
        }
    }

    /// Keeps what is counted. A failure leaves it to be counted later, and is only logged: the rows are committed.
    pub(crate) async fn keep(&mut self, offline: &OfflineStore, log: &Log, scans: Scans) {
        let kept = self.try_keep(offline, log, scans).await;
        if let Err(error) = kept {
            tracing::info!("{}: its statistics are not up to date: {error}", log.view().id);
        }
    }

    /// The same, with what failed. The snapshot of the log stays what it is: a stream decides on it.
    pub(crate) async fn try_keep(
        &mut self,
        offline: &OfflineStore,
        log: &Log,
        scans: Scans,
    ) -> Result<(), MaterializerError> {
        let view = log.view().clone();
        let mut table = offline.statistics(&view.id).await?;
        let counted_up_to = table.counted_up_to().await?;
        if scans == Scans::Few && self.gave_up_at == Some(counted_up_to) {
            return Ok(());
        }
        if scans == Scans::Few && log.version().unwrap_or(0).saturating_sub(counted_up_to) > MOST_COMMITS {
            self.give_up(counted_up_to);
            return Ok(());
        }
        if !self.is_kept {
            *self = Self::default();
        }
        for tries in 1..=TRIES {
            table.refresh().await?;
            let Some(uncounted) = table.uncounted(log, &self.files).await? else {
                // Another process counted them.
                *self = Self::default();
                continue;
            };
            if self.files.is_empty() && uncounted.by_date.is_empty() {
                return Ok(());
            }
            let rows = uncounted.by_date.values().filter_map(|added| Some(log.added(added)?.rows()));
            if scans == Scans::Few && rows.sum::<u64>() > MOST_ROWS_OF_A_LOAD {
                self.give_up(table.counted_up_to().await?);
                return Ok(());
            }
            match self.write(&mut table, log, &uncounted, &view).await {
                Err(MaterializerError::Offline(OfflineError::Conflict { .. })) if tries < TRIES => {}
                done => {
                    *self = Self::default();
                    return done;
                }
            }
        }
        Ok(())
    }

    async fn write(
        &self,
        table: &mut StatisticsTable,
        log: &Log,
        uncounted: &Uncounted,
        view: &View,
    ) -> Result<(), MaterializerError> {
        let mut writer = table.writer(uncounted.version).await?;
        writer.write(&self.pending.counted(view)).await?;
        let columns: Vec<&str> =
            view.columns.iter().map(|column| column.name.as_str()).chain([DELETED]).collect();
        for (date, added) in &uncounted.by_date {
            let day = date.parse::<feature::EventDate>().map(feature::EventDate::number);
            let day = day.ok().and_then(|day| i32::try_from(day).ok());
            let Some(day) = day else {
                return Err(MaterializerError::invariant(&view.id, "a file of its log has no date"));
            };
            let mut counted = StatisticsByDate::default();
            let mut batches = log.scan_added(added, &columns)?;
            while let Some(batch) = batches.try_next().await.map_err(OfflineError::from)? {
                counted.add(view, &batch, Some(day));
            }
            writer.write(&counted.counted(view)).await?;
        }
        Ok(writer.commit().await?)
    }
}
