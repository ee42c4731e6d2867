//! Whether a file is quarantined: all of it is read and validated before its first row is loaded, and what is counted of
//! it is checked against what the view expects of a batch. Only views that expect something read their files twice.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use arrow::array::AsArray;
use arrow::datatypes::{Int8Type, Int32Type, TimestampMicrosecondType};
use feature::{BatchCheck, BatchExpectation, EventDate, Field, Micros, Position, Span, Value, View};
use futures::TryStreamExt;
use monitor::{BatchFacts, BatchVerdict};
use offline::{EVENT_TIME, Log, OfflineError, POSITION_KIND, POSITION_MAJOR, QuarantinedBatch};
use roaring::RoaringTreemap;
use serde_json::{Value as Json, json};
use transform::value_at;

use super::batch_source::RowReader;
use super::file_validator::{FileValidator, ValidatedRows, WaitingRows};
use super::repeats::Repeats;
use crate::error::MaterializerError;
use crate::rows::dead_letter;

/// Refused rows that are kept as examples of a quarantined batch.
const EXAMPLES: usize = 20;

const HOURS_OF_A_WEEK: i64 = 7 * 24;

/// How many rows happened in each hour, counted from 1970.
pub(super) type Hours = BTreeMap<i64, u64>;

/// An entity and an event time.
type Moment = (Vec<Value>, i64);

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
    /// The first accepted row of each entity and event time; empty unless the log is not to have them.
    first_rows: BTreeMap<Moment, u64>,
    /// The accepted rows that have those of an earlier row of the file.
    repeats: RoaringTreemap,
    /// Those that have those of a row of the log, or of an earlier file of the same load.
    repeats_of_log: RoaringTreemap,
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
    let mut first_rows: BTreeMap<Moment, u64> = BTreeMap::new();
    let mut checked = CheckedFile {
        facts: BatchFacts::begun_at(validator.started_at),
        hours: Hours::new(),
        first_rows: BTreeMap::new(),
        repeats: RoaringTreemap::new(),
        repeats_of_log: RoaringTreemap::new(),
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
        add_hours(&mut checked.hours, &accepted.event_times);
        if !view.is_static {
            let newest = accepted.event_times.iter().max().and_then(|time| Micros::new(*time).ok());
            facts.newest = facts.newest.max(newest);
        }
        if is_unique || in_log {
            for (row, (event_time, position)) in
                accepted.event_times.iter().zip(&accepted.positions).enumerate()
            {
                let (_, _, number) = position.parts();
                let moment = (validator.key(&accepted.rows, row), *event_time);
                let Entry::Vacant(vacant) = first_rows.entry(moment) else {
                    checked.repeats.insert(number);
                    checked.show(
                        number,
                        "it has the entity and event time of an earlier row of the file",
                        || {
                            let row = (number - rows.first_row) as usize;
                            dead_letter::shown_row(validator.transform.input(), &rows.batch, row)
                        },
                    );
                    continue;
                };
                vacant.insert(number);
            }
        }
        let more = dead_letters.into_iter().take(EXAMPLES.saturating_sub(checked.examples.len()));
        checked.examples.extend(
            more.map(|bad| json!({"row": bad.position.parts().2, "detail": bad.detail, "values": bad.row})),
        );
    }
    checked.facts.repeated = checked.repeats.len();
    if in_log {
        checked.first_rows = first_rows;
    }
    Ok(checked)
}

/// What a file is compared with beside itself.
pub(super) struct Compared<'a> {
    pub(super) view: &'a View,
    pub(super) log: &'a Log,
    /// The hours of the rows of earlier files of the same load that are not in the log yet.
    pub(super) uncommitted: &'a [&'a Hours],
    /// The numbers under which the log has rows of this file.
    pub(super) own: &'a BTreeSet<u32>,
}

/// What earlier files of a load have whose rows are not in the log.
#[derive(Default)]
pub(super) struct EarlierFiles {
    pub(super) hours: Hours,
    moments: BTreeSet<Moment>,
}

impl EarlierFiles {
    /// Adds a file that is loaded.
    pub(super) fn add(&mut self, file: CheckedFile) {
        for (hour, rows) in file.hours {
            *self.hours.entry(hour).or_default() += rows;
        }
        self.moments.extend(file.first_rows.into_keys());
    }
}

/// Whether rows that repeat others are refused.
pub(super) fn refuses_repeats(view: &View) -> bool {
    let refuses = |one: &BatchExpectation| {
        one.quarantines && matches!(one.check, BatchCheck::Unique | BatchCheck::UniqueInLog)
    };
    view.batches.expectations.iter().any(refuses)
}

impl CheckedFile {
    /// Whether the log is not to have its rows.
    pub(super) fn is_to_be_new(&self) -> bool {
        !self.first_rows.is_empty()
    }

    /// Counts the rows that an earlier file of the same load has.
    pub(super) fn find_in(&mut self, earlier: &EarlierFiles) {
        let found = self.first_rows.iter().filter(|(moment, _)| earlier.moments.contains(*moment));
        self.repeats_of_log.extend(found.map(|(_, number)| *number));
    }

    /// Leaves its single rows out of what is checked: of a backfill by dates these count against their date.
    pub(super) fn forget_failing_rows(&mut self) {
        self.facts.failing = 0;
        self.facts.failing_by.clear();
    }

    /// Its rows that are refused because they repeat others, where the file itself is loaded.
    pub(super) fn repeats(&self, view: &View) -> Repeats {
        let refusing = view.batches.expectations.iter().filter(|one| one.quarantines);
        let rows = refusing.filter_map(|one| match one.check {
            BatchCheck::Unique => Some((one.name.clone(), self.repeats.clone())),
            BatchCheck::UniqueInLog => Some((one.name.clone(), &self.repeats | &self.repeats_of_log)),
            BatchCheck::Rows { .. } | BatchCheck::OfLastWeek { .. } | BatchCheck::NewestWithin(_) => None,
        });
        Repeats::new(rows.filter(|(_, rows)| !rows.is_empty()).collect())
    }

    /// Shows a row among the examples, while these are few.
    fn show(&mut self, row: u64, why: &str, values: impl FnOnce() -> String) {
        if self.examples.len() < EXAMPLES {
            self.examples.push(json!({"row": row, "detail": why, "values": values()}));
        }
    }

    /// What follows for the file, by its view and by what it is compared with.
    pub(super) async fn verdict(
        &mut self,
        Compared { view, log, uncommitted, own }: Compared<'_>,
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
            for (moment, row) in rows_in_log(&self.first_rows, own, view, log).await? {
                self.repeats_of_log.insert(row);
                self.show(row, "the log has a row of its entity and event time", || {
                    shown_moment(view, &moment)
                });
            }
            self.facts.repeated_in_log = (&self.repeats | &self.repeats_of_log).len();
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

fn shown_moment(view: &View, (key, at): &Moment) -> String {
    let keys = view.keys.iter().zip(key).map(|(field, value)| (field.name.to_string(), value.to_string()));
    let time = Micros::new(*at).ok().map(|at| ("event_time".to_owned(), at.to_string()));
    Json::Object(keys.chain(time).map(|(name, value)| (name, value.into())).collect()).to_string()
}

/// Those of these rows of whose entity and event time the log has a row of another file. Further rows of one were counted
/// before.
async fn rows_in_log(
    first_rows: &BTreeMap<Moment, u64>,
    own: &BTreeSet<u32>,
    view: &View,
    log: &Log,
) -> Result<BTreeMap<Moment, u64>, MaterializerError> {
    let dates: BTreeSet<EventDate> = first_rows.keys().map(|(_, at)| EventDate::of(Some(*at))).collect();
    let keys = view.keys.iter().map(|key| key.name.as_str());
    let columns: Vec<&str> = keys.chain([EVENT_TIME, POSITION_KIND, POSITION_MAJOR]).collect();
    let mut found = BTreeMap::new();
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
                let moment = (view.keys.iter().map(value).collect(), *at);
                if let Some(number) = first_rows.get(&moment) {
                    found.insert(moment, *number);
                }
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
