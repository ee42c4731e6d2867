//! Files read and validated side by side, on threads that may block. Each batch is handed over divided by date; a reader
//! waits until there is space for it.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use feature::{EventDate, Field};
use offline::DeadLetter;
use tokio::sync::mpsc;

use crate::error::MaterializerError;
use crate::history::batch_source::BatchSource;
use crate::history::file_validator::{DateCounts, FileValidator, ValidatedRows, WaitingRows};
use crate::history::loaded_rows::LoadedRows;
use crate::history::source_file::SourceFile;
use crate::rows::accepted::AcceptedRows;

/// Batches of each reader that wait to be taken.
const BATCHES_AHEAD: usize = 2;

/// Files that are read one after the other.
pub(super) struct FileWork {
    pub(super) files: Vec<FileToRead>,
    /// For files that hold rows of others: the rows that the log has of them.
    pub(super) loaded_rows: Option<LoadedRows>,
}

/// A file that is read.
pub(super) struct FileToRead {
    /// Its index among the files of the backfill.
    pub(super) index: usize,
    pub(super) file: SourceFile,
    pub(super) validator: FileValidator,
}

/// Rows of one batch of a file, by date.
pub(super) struct DatedRows {
    /// The index of the file.
    pub(super) file: usize,
    pub(super) counts: BTreeMap<EventDate, DateCounts>,
    pub(super) accepted: Vec<(EventDate, AcceptedRows)>,
    pub(super) refused: Vec<(EventDate, DeadLetter)>,
    pub(super) warned: BTreeMap<String, u64>,
}

/// Where the rows of files come from. Readers end once this is dropped.
pub(super) type Batches = mpsc::Receiver<Result<DatedRows, MaterializerError>>;

/// Reads files with so many threads.
pub(super) fn read(
    batch_source: &Arc<dyn BatchSource>,
    columns: &[Field],
    work: Vec<FileWork>,
    waiting: &Arc<Mutex<WaitingRows>>,
    jobs: usize,
) -> Batches {
    // However many jobs are named, a thread without a file has nothing to do.
    let readers = jobs.min(work.len());
    let (sender, receiver) = mpsc::channel(readers.max(1) * BATCHES_AHEAD);
    let work = Arc::new(Mutex::new(VecDeque::from(work)));
    for _ in 0..readers {
        let (batch_source, columns) = (batch_source.clone(), columns.to_vec());
        let (work, waiting, sender) = (work.clone(), waiting.clone(), sender.clone());
        tokio::task::spawn_blocking(move || {
            loop {
                let next = work.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some(next) = next else { return };
                let each = |rows| sender.blocking_send(rows).is_ok();
                let names =
                    next.files.iter().map(|file| file.file.name.clone()).collect::<Vec<_>>().join("`, `");
                let read = || read_files(batch_source.as_ref(), &columns, next, &waiting, &each);
                if let Err(error) = whole(&names, read) {
                    each(Err(error));
                    return;
                }
            }
        });
    }
    receiver
}

/// A panic is an error: without one, the rows that were not read would look like the end of the files.
fn whole(names: &str, read: impl FnOnce() -> Result<(), MaterializerError>) -> Result<(), MaterializerError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        let why =
            "reading these files ended by a fault of twinstore: report this with the log of the command";
        Err(MaterializerError::File { path: format!("`{names}`"), problems: vec![why.to_owned()] })
    })
}

/// Reads files one after the other, until `each` says that nobody takes their rows any more.
fn read_files(
    batch_source: &dyn BatchSource,
    columns: &[Field],
    mut work: FileWork,
    waiting: &Mutex<WaitingRows>,
    each: &impl Fn(Result<DatedRows, MaterializerError>) -> bool,
) -> Result<(), MaterializerError> {
    for FileToRead { index, file, validator } in &work.files {
        let mut reader = batch_source.open(columns, file, None)?;
        while let Some(rows) = reader.next_rows()? {
            let mut validated = validator.validate(&rows, waiting)?;
            if let Some(loaded_rows) = &mut work.loaded_rows {
                validated = validated.without_loaded(&validator.target.view, loaded_rows)?;
            }
            if !validated.by_date.is_empty()
                && !each(Ok(divided(*index, rows.first_row, validated, validator)?))
            {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// A validated batch, divided by date.
fn divided(
    file: usize,
    first_row: u64,
    validated: ValidatedRows,
    validator: &FileValidator,
) -> Result<DatedRows, MaterializerError> {
    let ValidatedRows { accepted, dead_letters, by_date, dates, counts } = validated;
    let mut rows: BTreeMap<EventDate, Vec<usize>> = BTreeMap::new();
    for (row, time) in accepted.event_times.iter().enumerate() {
        rows.entry(EventDate::of(Some(*time))).or_default().push(row);
    }
    let accepted = match rows.len() {
        1 => rows.into_keys().map(|date| (date, accepted.clone())).collect(),
        _ => rows
            .into_iter()
            .map(|(date, rows)| Ok((date, accepted.taken(&rows)?)))
            .collect::<Result<_, MaterializerError>>()?,
    };
    let date_of = |dead_letter: &DeadLetter| {
        let (_, _, row) = dead_letter.position.parts();
        usize::try_from(row - first_row).ok().and_then(|row| dates.get(row)).copied()
    };
    let lost = || {
        MaterializerError::invariant(&validator.target.view.id, "a refused row comes from none of the batch")
    };
    let refused = dead_letters
        .into_iter()
        .map(|dead_letter| Ok((date_of(&dead_letter).ok_or_else(lost)?, dead_letter)))
        .collect::<Result<_, MaterializerError>>()?;
    Ok(DatedRows { file, counts: by_date, accepted, refused, warned: counts.rows.warned })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_panics_is_an_error_and_not_the_end_of_its_files() {
        assert!(whole("a", || Ok(())).is_ok());
        let error = whole("a.csv", || panic!("out of luck")).unwrap_err().to_string();
        assert!(error.contains("a.csv") && error.contains("a fault of twinstore"), "{error}");
    }
}
