//! Whether a file is quarantined: all of it is read and validated before its first row is loaded, and what is counted of
//! it is checked against what the view expects of a batch. Only views that expect something read their files twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use arrow::array::AsArray;
use arrow::datatypes::{Int8Type, Int32Type, TimestampMicrosecondType};
use feature::{BatchCheck, EventDate, Field, Micros, Position, Span, Value, View};
use futures::TryStreamExt;
use monitor::{BatchFacts, BatchVerdict};
use offline::{EVENT_TIME, Log, OfflineError, POSITION_KIND, POSITION_MAJOR, QuarantinedBatch};
use serde_json::{Value as Json, json};
use transform::value_at;

use super::batch_source::RowReader;
use super::file_validator::{FileValidator, ValidatedRows, WaitingRows};
use crate::error::MaterializerError;

/// Refused rows that are kept as examples of a quarantined batch.
const EXAMPLES: usize = 20;

const HOURS_OF_A_WEEK: i64 = 7 * 24;

/// How many rows happened in each hour, counted from 1970.
pub(super) type Hours = BTreeMap<i64, u64>;

/// Whether files of a view are compared with the rows of a week before.
pub(super) fn compares_weeks(view: &View) -> bool {
    let of_last_week = |check: BatchCheck| matches!(check, BatchCheck::OfLastWeek { .. });
    !view.is_static && view.batches.expectations.iter().any(|one| of_last_week(one.check))
}

/// Counts rows that happened at these times.
pub(super) fn add_hours(hours: &mut Hours, event_times: &[i64]) {
    for time in event_times {
        *hours.entry(time.div_euclid(Span::HOUR.micros())).or_default() += 1;
    }
}

/// What was read of a file.
pub(super) struct CheckedFile {
    facts: BatchFacts,
    /// The hours of the accepted rows.
    hours: Hours,
    /// The entity and event time of each accepted row; empty unless the log is not to have them.
    seen: BTreeSet<(Vec<Value>, i64)>,
    examples: Vec<Json>,
}

/// Reads a file to its end. Blocks.
pub(super) fn read(
    mut reader: Box<dyn RowReader>,
    validator: &FileValidator,
) -> Result<CheckedFile, MaterializerError> {
    let view = &validator.target.view;
    let waiting = Mutex::new(WaitingRows::new());
    let is_checked = |check| view.batches.expectations.iter().any(|one| one.check == check);
    let (is_unique, in_log) = (is_checked(BatchCheck::Unique), is_checked(BatchCheck::UniqueInLog));
    let mut seen: BTreeSet<(Vec<Value>, i64)> = BTreeSet::new();
    let mut checked = CheckedFile {
        facts: BatchFacts::begun_at(validator.started_at),
        hours: Hours::new(),
        seen: BTreeSet::new(),
        examples: Vec::new(),
    };
    while let Some(rows) = reader.next_rows()? {
        let ValidatedRows { accepted, dead_letters, counts, .. } = validator.validate(&rows, &waiting)?;
        let facts = &mut checked.facts;
        facts.rows += counts.rows.read - counts.rows.filtered;
        facts.accepted += counts.rows.accepted;
        facts.failing += counts.rows.against_batch;
        for (name, rows) in counts.rows.against_batch_by {
            *facts.failing_by.entry(name).or_default() += rows;
        }
        for (row, event_time) in accepted.event_times.iter().enumerate() {
            if is_unique || in_log {
                let is_new = seen.insert((validator.key(&accepted.rows, row), *event_time));
                facts.repeated += u64::from(!is_new);
            }
        }
        add_hours(&mut checked.hours, &accepted.event_times);
        if !view.is_static {
            let newest = accepted.event_times.iter().max().and_then(|time| Micros::new(*time).ok());
            facts.newest = facts.newest.max(newest);
        }
        let more = dead_letters.into_iter().take(EXAMPLES.saturating_sub(checked.examples.len()));
        checked.examples.extend(
            more.map(|bad| json!({"row": bad.position.parts().2, "detail": bad.detail, "values": bad.row})),
        );
    }
    if in_log {
        checked.facts.repeated_in_log = checked.facts.repeated;
        checked.seen = seen;
    }
    Ok(checked)
}

impl CheckedFile {
    /// Whether the log is not to have its rows.
    pub(super) fn is_to_be_new(&self) -> bool {
        !self.seen.is_empty()
    }

    /// What follows for the file, by its view and by what the log has of a week before. `uncommitted` are the hours of the
    /// rows of earlier files of the same load that are not in the log yet, and `own` the numbers under which the log has
    /// rows of this file.
    pub(super) async fn verdict(
        &mut self,
        (view, log): (&View, &Log),
        uncommitted: &[&Hours],
        own: &[u32],
    ) -> Result<BatchVerdict, MaterializerError> {
        if compares_weeks(view) {
            let in_log = rows_a_week_before(&self.hours, log).await?;
            let counted = |hours: &Hours| -> u64 {
                let of_hour = |hour: &i64| hours.get(&(hour - HOURS_OF_A_WEEK)).copied().unwrap_or(0);
                self.hours.keys().map(of_hour).sum()
            };
            self.facts.last_week = Some(in_log + uncommitted.iter().copied().map(counted).sum::<u64>());
        }
        if self.is_to_be_new() {
            let seen = std::mem::take(&mut self.seen);
            self.facts.repeated_in_log += rows_in_log(seen, own, view, log).await?;
        }
        Ok(BatchVerdict::of(&self.facts, &view.batches))
    }

    /// The batch that is set aside by this verdict.
    pub(super) fn quarantined(
        self,
        number: u32,
        (origin, content): (&str, i64),
        verdict: &BatchVerdict,
        recorded_at: Micros,
    ) -> QuarantinedBatch {
        let CheckedFile { facts, examples, .. } = self;
        QuarantinedBatch {
            number,
            origin: origin.to_owned(),
            content,
            rows: facts.rows,
            failing: verdict.failing,
            why: verdict.reasons.join("; "),
            examples: Json::Array(examples).to_string(),
            recorded_at,
        }
    }
}

/// Of how many of these entities and event times the log has a row of another file. Further rows of one were counted before.
async fn rows_in_log(
    mut seen: BTreeSet<(Vec<Value>, i64)>,
    own: &[u32],
    view: &View,
    log: &Log,
) -> Result<u64, MaterializerError> {
    let dates: BTreeSet<EventDate> = seen.iter().map(|(_, at)| EventDate::of(Some(*at))).collect();
    let keys = view.keys.iter().map(|key| key.name.as_str());
    let columns: Vec<&str> = keys.chain([EVENT_TIME, POSITION_KIND, POSITION_MAJOR]).collect();
    let mut found = 0;
    for date in dates {
        let mut batches = log.scan_date(&date.to_string(), &columns)?;
        while let Some(batch) = batches.try_next().await.map_err(OfflineError::from)? {
            let [times, kinds, files] =
                [EVENT_TIME, POSITION_KIND, POSITION_MAJOR].map(|name| batch.column_by_name(name));
            let Some(((times, kinds), files)) = times.zip(kinds).zip(files) else {
                return Err(MaterializerError::invariant(&view.id, "a scan of the log gave no positions"));
            };
            let (kinds, files) = (kinds.as_primitive::<Int8Type>(), files.as_primitive::<Int32Type>());
            for (row, at) in times.as_primitive::<TimestampMicrosecondType>().values().iter().enumerate() {
                let is_of_file = kinds.value(row) == Position::KIND_HISTORY as i8;
                if is_of_file && own.contains(&(files.value(row) as u32)) {
                    continue;
                }
                let value = |key: &Field| {
                    let column = batch.column_by_name(key.name.as_str());
                    column.map_or(Value::Null, |column| value_at(column.as_ref(), row, key.data_type))
                };
                let entity = (view.keys.iter().map(value).collect(), *at);
                found += u64::from(seen.remove(&entity));
            }
        }
    }
    Ok(found)
}

/// How many rows the log has of these hours a week before.
async fn rows_a_week_before(hours: &Hours, log: &Log) -> Result<u64, MaterializerError> {
    let hour = Span::HOUR.micros();
    let wanted: BTreeSet<i64> = hours.keys().map(|at| at - HOURS_OF_A_WEEK).collect();
    let dates: BTreeSet<EventDate> = wanted.iter().map(|at| EventDate::of(Some(at * hour))).collect();
    let mut rows = 0;
    for date in dates {
        let mut batches = log.scan_date(&date.to_string(), &[EVENT_TIME])?;
        while let Some(batch) = batches.try_next().await.map_err(OfflineError::from)? {
            let times = batch.column(0).as_primitive::<TimestampMicrosecondType>().values();
            rows += times.iter().filter(|time| wanted.contains(&time.div_euclid(hour))).count() as u64;
        }
    }
    Ok(rows)
}
