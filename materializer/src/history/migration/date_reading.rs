//! The rows of dates read within the bounds of memory and rate, until they are to be committed or the backfill is
//! to stop.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use feature::EventDate;
use offline::{BatchGuard, BatchPoint};
use online::Mender;

use super::date_load::DateLoad;
use super::date_rows::GroupRows;
use super::file_reading::{self, FileToRead, FileWork};
use super::group::Group;
use super::watch::MigrationWatch;
use crate::blocking;
use crate::error::MaterializerError;
use crate::history::file_validator::FileValidator;
use crate::history::files_to_load::FileToLoad;
use crate::history::loaded_files;
use crate::history::loaded_rows::LoadedRows;
use crate::materializer::Target;

/// How often a wait for the rate is looked up from, to see whether the backfill is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(200);

impl<W: Mender> DateLoad<'_, W> {
    /// Reads the rows of these dates; `None` if it is to stop before that.
    pub(super) async fn read(
        &mut self,
        dates: Vec<EventDate>,
    ) -> Result<Option<GroupRows>, MaterializerError> {
        let wanted: Arc<BTreeSet<EventDate>> = Arc::new(dates.iter().copied().collect());
        self.check_unchanged(&wanted)?;
        let work = self.work(&wanted).await?;
        let waiting_before = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let jobs = self.migration.jobs.get();
        let columns = self.transform.input();
        let mut batches = file_reading::read(&self.batch_source, columns, work, &self.waiting, jobs);
        let Target { view, source, .. } = self.target.clone();
        let old = self.previous.as_ref().map(|previous| previous.view().as_ref());
        let mut group = Group::new(&view, old, &self.matched, dates, self.migration.max_memory);
        let mut appender = None;
        while let Some(rows) = batches.recv().await {
            let rows = rows?;
            let (next, read) = blocking::run(move || {
                let read = group.add(rows);
                (group, read)
            })
            .await?;
            group = next;
            let read = read?;
            self.watch.rows_read(read);
            if let Some(date) = group.too_large() {
                if appender.is_none() {
                    appender = Some(self.log.appender().await?);
                }
                if let Some(appender) = &mut appender {
                    date.write(&source, &view, appender).await?;
                }
            }
            let wait = self.bucket.as_mut().map(|bucket| bucket.take(read, (self.materializer.clock)()));
            if sleep_or_stop(wait.unwrap_or_default(), self.watch).await {
                return Ok(None);
            }
        }
        BatchPoint::Read.pass();
        let written = match appender {
            Some(mut appender) => {
                if let Some(date) = group.only_date() {
                    date.write(&source, &view, &mut appender).await?;
                }
                Some(appender.finish().await?)
            }
            None => None,
        };
        if !group.given_up.is_empty() {
            // Their rows are read again, and counted then.
            *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = waiting_before;
        }
        self.check_unchanged(&wanted)?;
        if group.rows_read > 0 {
            // A quarter more, as rows of other dates may be longer.
            self.bytes_a_row = (group.most_bytes * 5 / 4).div_ceil(group.rows_read).max(1);
        }
        for (name, count) in std::mem::take(&mut group.warned) {
            *self.report.warned.entry(name).or_default() += count;
        }
        Ok(Some(GroupRows { dates: group.into_dates(), written }))
    }

    /// The files that have rows of these dates, each with what its rows are validated by.
    async fn work(&self, wanted: &Arc<BTreeSet<EventDate>>) -> Result<Vec<FileWork>, MaterializerError> {
        let mut work: BTreeMap<(BTreeSet<String>, usize), FileWork> = BTreeMap::new();
        for index in self.files_of(wanted) {
            let Some(file) = self.files.get(index) else { continue };
            let expired_before = file.expired_before(&self.log).await?;
            let FileToLoad { file, number, counted_in, .. } = file;
            let started_at = loaded_files::started_at(&self.log, &self.dead_letters, *number).await?;
            let validator = FileValidator {
                target: self.target.clone(),
                transform: self.transform.clone(),
                forgotten: self.forgotten.clone(),
                origin: file.name.clone(),
                number: *number,
                known: self.known.get(number).cloned().unwrap_or_default(),
                expired_before,
                repeats: self.repeats.get(number).cloned().unwrap_or_default(),
                started_at: started_at.unwrap_or(self.begun.started_at),
                without: None,
                range: self.migration.range,
                dates: Some(wanted.clone()),
                stream_start: self.stream_start,
                is_first: false,
                is_history: true,
            };
            // Files with rows of the same others know together which of them are loaded.
            let alone = if file.replaces.is_empty() { index } else { usize::MAX };
            let key = (file.replaces.clone(), alone);
            let together = match work.entry(key) {
                Entry::Occupied(there) => there.into_mut(),
                Entry::Vacant(vacant) => {
                    let loaded_rows = match counted_in.as_slice() {
                        [] => None,
                        numbers => Some(LoadedRows::read(&self.log, &self.target.view, numbers).await?),
                    };
                    vacant.insert(FileWork { files: Vec::new(), loaded_rows })
                }
            };
            together.files.push(FileToRead { index, file: file.clone(), validator });
        }
        Ok(work.into_values().collect())
    }

    fn files_of(&self, wanted: &BTreeSet<EventDate>) -> Vec<usize> {
        let has_rows = |dates: &BTreeMap<EventDate, u64>| dates.keys().any(|date| wanted.contains(date));
        let files = self.dates.files.iter().enumerate().filter(|(_, dates)| has_rows(dates));
        files.map(|(index, _)| index).collect()
    }

    /// Nothing of a file is committed unless it is still the one whose content was taken before it was read.
    fn check_unchanged(&self, wanted: &BTreeSet<EventDate>) -> Result<(), MaterializerError> {
        self.check_files(self.files_of(wanted).into_iter().filter_map(|index| self.files.get(index)))
    }

    /// The load of a file that changed or went after its dates were loaded is not one of what is there now.
    pub(super) fn check_all_unchanged(&self) -> Result<(), MaterializerError> {
        self.check_files(self.files.iter())
    }

    fn check_files<'f>(&self, files: impl Iterator<Item = &'f FileToLoad>) -> Result<(), MaterializerError> {
        let mut changed = Vec::new();
        for file in files {
            let path = &file.file.path;
            let is_gone = path.try_exists().is_ok_and(|exists| !exists);
            if (is_gone || !file.content.is_still_of(&file.file)?) && BatchGuard::Content.is_on() {
                changed.push(format!("`{}`", path.display()));
            }
        }
        match changed.is_empty() {
            true => Ok(()),
            false => Err(MaterializerError::MigrationSourceChanged {
                view: self.target.view.id.clone(),
                files: changed,
            }),
        }
    }
}

/// Waits for so long. Gives whether the backfill is to stop, at the latest after a moment.
async fn sleep_or_stop(mut wait: Duration, watch: &dyn MigrationWatch) -> bool {
    loop {
        if watch.request().is_some() {
            return true;
        }
        if wait.is_zero() {
            return false;
        }
        let part = wait.min(LOOK_EVERY);
        tokio::time::sleep(part).await;
        wait -= part;
    }
}
