//! The commit of a date, after its checks; and the end of a load: the log is declared whole, then everything goes online.

use std::collections::BTreeMap;

use feature::{EventDate, Micros, OnFailure, Span, counted};
use offline::{BatchPoint, Marker, Written};
use online::Mender;

use super::checks::{ColumnSummary, Reference, check_counts, check_refused, check_rows};
use super::date_load::DateLoad;
use super::date_rows::DateRows;
use super::log_state;
use super::next_step::DateState;
use super::observation::Observation;
use super::watch::{MigrationEnd, MigrationEvent};
use crate::error::MaterializerError;
use crate::fold::{prefix, sync};
use crate::history::event_range::EventRange;
use crate::history::files_to_load::FileToLoad;
use crate::history::load_report::FileRead;
use crate::history::loaded_files;
use crate::markers::{self, LOAD_READS, MIGRATION, MIGRATION_LOADED, MIGRATION_WHOLE};

impl<W: Mender> DateLoad<'_, W> {
    /// Commits the rows of a date, or sets it aside. `written` are its files, if it was too large for memory.
    pub(super) async fn settle_date(
        &mut self,
        date: EventDate,
        expected: u64,
        mut rows: DateRows,
        written: Option<Written>,
    ) -> Result<DateState, MaterializerError> {
        let mut reasons = self.check_columns(date, &mut rows.observation).await?;
        reasons.extend(self.check_rows(date, &rows).await?);
        reasons.extend(self.check_bad_share(date, &rows).or_else(|| self.check_refused(date, &rows)));
        let written = match written {
            Some(written) => written,
            None => {
                let mut appender = self.log.appender().await?;
                if reasons.is_empty() {
                    rows.write(&self.target.source, &self.target.view, &mut appender).await?;
                }
                appender.finish().await?
            }
        };
        if reasons.is_empty() {
            reasons = check_counts(expected, rows.counts, rows.written);
        }
        let mut report = rows.report();
        if !reasons.is_empty() {
            self.report.failed.insert(date, reasons.clone());
            self.watch.report(MigrationEvent::Failed(date, report, reasons)).await;
            return Ok(DateState::Failed);
        }
        self.commit(date, &rows, &written).await?;
        for summary in &report.columns {
            self.remember(summary);
        }
        let newest = rows.newest.and_then(|time| Micros::new(time).ok());
        self.report.newest_event_time = self.report.newest_event_time.max(newest);
        report.files = self.files_with(date);
        self.count_files(&report.files);
        self.report.failed.remove(&date);
        self.report.loaded.insert(date, report.clone());
        self.watch.report(MigrationEvent::Loaded(date, report)).await;
        BatchPoint::DateKept.pass();
        Ok(DateState::Done)
    }

    /// Why too many rows of a date fail expectations that quarantine: a date is the batch of this load.
    fn check_bad_share(&self, date: EventDate, rows: &DateRows) -> Option<String> {
        let view = &self.target.view;
        let failing = rows.counts.against_batch;
        let checked = rows.counts.accepted + rows.counts.refused;
        let most = view.batches.max_bad_share();
        let is_over = failing as f64 > most * checked as f64 && !self.migration.accepted.contains(&date);
        is_over.then(|| {
            let quarantining = view.expectations.iter().filter(|one| one.on_failure == OnFailure::Quarantine);
            let names = quarantining.map(|one| format!("the expectation `{}`", one.name));
            format!(
                "{failing} of its {} fail {}, and {}% may",
                counted(checked, "row"),
                names.collect::<Vec<_>>().join(" or "),
                100.0 * most
            )
        })
    }

    /// Why too many rows of a date are refused, whatever the reason. Rows without a date are refused always.
    fn check_refused(&self, date: EventDate, rows: &DateRows) -> Option<String> {
        let is_checked = date.start().is_some() && !self.migration.accepted.contains(&date);
        is_checked.then(|| check_refused(rows.counts, &rows.report().refused)).flatten()
    }

    /// Why the columns of a date do not look as they are expected to.
    async fn check_columns(
        &self,
        date: EventDate,
        observation: &mut Observation,
    ) -> Result<Vec<String>, MaterializerError> {
        if self.migration.accepted.contains(&date) {
            return Ok(Vec::new());
        }
        let (olds, reference) = match &self.previous {
            Some(previous) => {
                let olds = observation.add_old(previous, date, &self.matched).await?;
                (olds, Some(Reference::Version(previous.view().id.clone())))
            }
            None => (Vec::new(), None),
        };
        Ok(observation.check(&olds, reference.as_ref(), &self.before))
    }

    /// Why the date has too few rows beside the version before, if that selects the same rows of the same source. What
    /// its stream brought is not there yet, and of a range the dates at its ends are not whole.
    async fn check_rows(
        &self,
        date: EventDate,
        rows: &DateRows,
    ) -> Result<Option<String>, MaterializerError> {
        let Some(previous) = self.previous.as_ref().filter(|_| !self.migration.accepted.contains(&date))
        else {
            return Ok(None);
        };
        let (old, new) = (previous.view(), &self.target.view);
        let Some(start) = date.start() else { return Ok(None) };
        let end = start.saturating_add(Span::DAY);
        let EventRange { from, to } = self.migration.range;
        let is_whole = from.is_none_or(|from| from <= start) && to.is_none_or(|to| to >= end);
        let is_history = self.stream_start.is_none_or(|stream_start| stream_start >= end);
        if (&old.source, &old.filter) != (&new.source, &new.filter) || !is_whole || !is_history {
            return Ok(None);
        }
        let before = previous.rows_of_date(&date.to_string()).await?;
        Ok(check_rows(rows.counts.accepted + rows.counts.known, before, &old.id))
    }

    /// Writes the refused rows of a date, then commits its accepted ones together with its mark.
    async fn commit(
        &mut self,
        date: EventDate,
        rows: &DateRows,
        written: &Written,
    ) -> Result<(), MaterializerError> {
        let mut markers = vec![log_state::date_loaded(&self.log, self.migration.number, date).await?];
        let mut of_dead_letters = Vec::new();
        for index in &rows.files {
            let Some(file) = self.files.get(*index) else { continue };
            let begun = self.begun_markers(file).await?;
            of_dead_letters.extend(loaded_files::refused(file.number, file.content, begun.1));
            if self.recorded.insert(*index) {
                markers.extend(begun.0);
            }
        }
        if !rows.dead_letters.is_empty() {
            let now = (self.materializer.clock)();
            self.dead_letters.append(rows.dead_letters.clone(), now, &of_dead_letters).await?;
            BatchPoint::Refused.pass();
            markers.extend(markers::refused(&self.log).await?);
        }
        self.materializer.first_use.begin(&self.target.view).await?;
        self.materializer.offline.check_forgotten(&self.forgotten, &self.log)?;
        self.log.commit(written, &markers, &LOAD_READS).await?;
        Ok(())
    }

    /// The markers of the commit with the first rows of a file, and when its load began.
    async fn begun_markers(&self, file: &FileToLoad) -> Result<(Vec<Marker>, Micros), MaterializerError> {
        let recorded = loaded_files::started_at(&self.log, &self.dead_letters, file.number).await?;
        let started_at = recorded.unwrap_or(self.begun.started_at);
        let mut markers = loaded_files::begun(&file.file, file.number, file.content, started_at).to_vec();
        markers.push(loaded_files::of_backfill(file.number));
        markers.push(loaded_files::fingerprint(&file.file, file.content));
        Ok((markers, started_at))
    }

    fn remember(&mut self, summary: &ColumnSummary) {
        match self.before.iter_mut().find(|before| before.column == summary.column) {
            Some(before) => before.merge(summary),
            None => self.before.push(summary.clone()),
        }
    }

    /// The files that have rows of a date.
    pub(super) fn files_with(&self, date: EventDate) -> Vec<FileRead> {
        let with_rows = |(file, dates): (&FileToLoad, &BTreeMap<EventDate, u64>)| {
            let rows = *dates.get(&date)?;
            Some(FileRead { name: file.file.name.clone(), content: file.content.hash, rows })
        };
        self.files.iter().zip(&self.dates.files).filter_map(with_rows).collect()
    }

    fn count_files(&mut self, files: &[FileRead]) {
        for file in files {
            match self.report.files_read.iter_mut().find(|read| read.name == file.name) {
                Some(read) => read.rows += file.rows,
                None => self.report.files_read.push(file.clone()),
            }
        }
    }

    /// Records in the log that all dates are in it, and if that is all of the source, that its files are loaded.
    pub(super) async fn record_whole(&mut self) -> Result<(), MaterializerError> {
        self.check_all_unchanged()?;
        let mut markers = vec![markers::marker(MIGRATION_LOADED, self.migration.number as i64)];
        if self.migration.range.is_all() {
            for (index, file) in self.files.iter().enumerate() {
                if !self.recorded.contains(&index) {
                    markers.extend(self.begun_markers(file).await?.0);
                }
                markers.push(loaded_files::completed(file.number));
            }
            markers.push(loaded_files::first_load());
            markers.extend(self.begun.table_version.map(loaded_files::table_version));
            self.report.table_version = self.begun.table_version;
        }
        self.log.appender().await?.commit(&markers, &LOAD_READS).await?;
        Ok(())
    }

    /// Writes the online rows of the whole log, and records that everything is done.
    pub(super) async fn go_online(&mut self) -> Result<MigrationEnd, MaterializerError> {
        self.watch.report(MigrationEvent::GoingOnline).await;
        let (online, clock) = (&self.materializer.online, self.materializer.clock);
        self.report.entities_written += if self.turn.follows_unsettled() {
            self.turn.end(&mut self.log, online, clock).await?
        } else {
            let written = sync::sync(&mut self.log, online, clock).await?;
            self.turn.settle(&mut self.log).await?;
            written
        };
        BatchPoint::Settled.pass();
        self.log.refresh().await?;
        let whole = markers::marker(MIGRATION_WHOLE, self.migration.number as i64);
        self.log.appender().await?.commit(&[whole], &[MIGRATION]).await?;
        prefix::note(&self.log, online).await?;
        Ok(MigrationEnd::Whole)
    }
}
