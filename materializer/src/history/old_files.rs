//! How old the rows of new files are. Rows that are loaded now are known from now on: a file whose newest row no read
//! of today reaches would be seen by no label at all, so it is refused as history; of others it is reported how old
//! they are.

use std::collections::BTreeMap;

use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use feature::{Fold, Micros, Span, View};
use transform::{EVENT_TIME, ViewTransform};

use super::batch_source::BatchSource;
use super::counted_times::CountedTimes;
use super::files_to_load::FileToLoad;
use super::load_report::QuarantineReport;
use crate::error::MaterializerError;
use crate::materializer::Target;

/// How far back a read of the view sees: its ttl or the longest window, with its hop. `None` if it sees everything.
fn reach(view: &View) -> Option<Span> {
    let of = |feature: &feature::Feature| match &feature.fold {
        Fold::Latest { .. } => view.ttl,
        Fold::Aggregate { window, .. } => window.as_ref().map(|window| window.length().plus(window.hop())),
    };
    let reaches: Option<Vec<Span>> = view.features.iter().map(of).collect();
    reaches.and_then(|reaches| reaches.into_iter().max())
}

/// When the rows of each file happened, by the file's number.
pub(crate) type TimesOfFiles = BTreeMap<u32, CountedTimes>;

/// Refuses files whose newest row the view does not see any more. Else returns when the rows of the others happened. Blocks:
/// reads all of them.
pub(crate) fn check(
    target: &Target,
    batch_source: &dyn BatchSource,
    files: &[FileToLoad],
    now: Micros,
) -> Result<TimesOfFiles, MaterializerError> {
    let reach = reach(&target.view);
    let mut times = TimesOfFiles::new();
    let mut old = Vec::new();
    for file in files {
        let of_file = times.entry(file.number).or_insert_with(|| CountedTimes::of_one_in(files.len()));
        let Some(newest) = newest(target, batch_source, file, of_file)? else { continue };
        if reach.is_some_and(|reach| newest.saturating_add(reach) < now) {
            let shown = match target.input {
                Some(_) => file.file.name.clone(),
                None => format!("`{}`", file.file.path.display()),
            };
            old.push(format!("{shown}, whose newest row is of {newest}"));
        }
    }
    match reach {
        Some(reach) if !old.is_empty() => {
            Err(MaterializerError::History { view: target.view.id.clone(), files: old, reach })
        }
        _ => Ok(times),
    }
}

/// The newest event of the file's rows that pass the view's `where`. Counts when all of them happened.
fn newest(
    target: &Target,
    batch_source: &dyn BatchSource,
    file: &FileToLoad,
    counted: &mut CountedTimes,
) -> Result<Option<Micros>, MaterializerError> {
    let Target { view, source, .. } = target;
    let only_times = View {
        keys: Vec::new(),
        key_expressions: Vec::new(),
        columns: Vec::new(),
        features: Vec::new(),
        expectations: Vec::new(),
        ..(**view).clone()
    };
    let transform = ViewTransform::compile(source, &only_times)?;
    let mut reader = batch_source.open(transform.input(), &file.file, None)?;
    let mut newest = None;
    while let Some(read) = reader.next_rows()? {
        let rows = transform.apply(&read.batch)?.rows;
        let times = rows.column_by_name(EVENT_TIME);
        let times = times.and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
        let times = times.ok_or_else(|| {
            MaterializerError::invariant(&view.id, "a transform of event times gave no event times")
        })?;
        for time in times.values() {
            newest = newest.max(Some(*time));
            counted.add(*time);
        }
    }
    let moment = |newest| {
        Micros::new(newest)
            .map_err(|_| MaterializerError::invariant(&view.id, "a transformed event time is out of range"))
    };
    newest.map(moment).transpose()
}

/// When the median row happened of the files that a load did not quarantine; `None` if they have no rows.
pub(crate) fn median(files: &TimesOfFiles, quarantined: &[QuarantineReport]) -> Option<Micros> {
    let mut times = CountedTimes::default();
    let is_loaded = |number: u32| !quarantined.iter().any(|file| file.batch == number);
    for (_, of_file) in files.iter().filter(|(number, _)| is_loaded(**number)) {
        times.add_all(of_file);
    }
    times.median()
}
