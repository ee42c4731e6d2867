//! Which dates the files of a source have rows of, and how many: one pass over their event times. What is read of a file
//! later is compared with it, so that a source which changed meanwhile shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::TimestampMicrosecondType;
use feature::{EventDate, Micros, View};
use transform::ViewTransform;

use crate::blocking;
use crate::error::MaterializerError;
use crate::history::batch_source::BatchSource;
use crate::history::event_range::EventRange;
use crate::history::files_to_load::FileToLoad;
use crate::materializer::Target;

/// The rows of a source by date.
#[derive(Clone, Debug, Default)]
pub(super) struct SourceDates {
    /// For each file its rows by date.
    pub(super) files: Vec<BTreeMap<EventDate, u64>>,
    /// The last event time that is not after the limit.
    pub(super) last: Option<Micros>,
}

impl SourceDates {
    /// Counts the rows of files whose event times are in a range. A row after `limit` is not history's last: it is too
    /// far ahead to be taken.
    pub(super) async fn of(
        target: &Target,
        batch_source: &Arc<dyn BatchSource>,
        files: &[FileToLoad],
        range: EventRange,
        limit: Micros,
    ) -> Result<Self, MaterializerError> {
        let transform = Arc::new(event_times_only(target)?);
        let mut dates = Self::default();
        for file in files {
            let (batch_source, file, transform) = (batch_source.clone(), file.clone(), transform.clone());
            let counted =
                blocking::run(move || count(batch_source.as_ref(), &file, &transform, range, limit)).await?;
            let (counts, last) = counted?;
            dates.files.push(counts);
            dates.last = dates.last.max(last);
        }
        Ok(dates)
    }

    /// The rows of each date in all files.
    pub(super) fn all(&self) -> BTreeMap<EventDate, u64> {
        let mut all = BTreeMap::new();
        for (date, rows) in self.files.iter().flatten() {
            *all.entry(*date).or_default() += rows;
        }
        all
    }
}

/// A transform that reads the event times of the source alone, whatever the view's `where` says.
fn event_times_only(target: &Target) -> Result<ViewTransform, MaterializerError> {
    let Target { view, source, .. } = target;
    let only_times = View {
        keys: Vec::new(),
        key_expressions: Vec::new(),
        filter: None,
        columns: Vec::new(),
        features: Vec::new(),
        expectations: Vec::new(),
        ..(**view).clone()
    };
    Ok(ViewTransform::compile(source, &only_times)?)
}

/// The rows of one file by date, and its last event time. Blocks.
fn count(
    batch_source: &dyn BatchSource,
    file: &FileToLoad,
    transform: &ViewTransform,
    range: EventRange,
    limit: Micros,
) -> Result<(BTreeMap<EventDate, u64>, Option<Micros>), MaterializerError> {
    let mut reader = batch_source.open(transform.input(), &file.file, None)?;
    let mut counts: BTreeMap<EventDate, u64> = BTreeMap::new();
    let mut last = None;
    while let Some(rows) = reader.next_rows()? {
        let times = transform.event_times(&rows.batch)?;
        let times = times.as_ref().and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
        for row in 0..rows.batch.num_rows() {
            let time = times.filter(|times| times.is_valid(row)).map(|times| times.value(row));
            if !range.contains_row(time) {
                continue;
            }
            *counts.entry(EventDate::of(time)).or_default() += 1;
            let valid = time.and_then(|time| Micros::new(time).ok());
            last = last.max(valid.filter(|time| *time <= limit));
        }
    }
    Ok((counts, last))
}
