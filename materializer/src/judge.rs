//! What becomes of each row of a source's history: taken with its times and position, left out, or
//! refused. Pure: files and stores are elsewhere.

use std::collections::BTreeMap;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, TimestampMicrosecondArray, UInt64Array,
};
use arrow::compute::{filter_record_batch, take_record_batch};
use arrow::datatypes::TimestampMicrosecondType;
use feature::{Micros, Position, Provenance, Source, Span, Value, View};
use offline::{DeadLetter, Facts, log_batch};
use online::PENDING_BOUND;
use transform::{DECLARED_AT, EVENT_TIME, ViewTransform};

use crate::counting::{add_counts, count_refused};
use crate::error::MaterializerError;
use crate::report::LoadReport;
use crate::source_reader::{SourceRows, Unreadable};

/// The event times that a backfill is asked for: from inclusive, to exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventRange {
    /// The first moment; none means from the beginning.
    pub from: Option<Micros>,
    /// The moment before which to stop; none means to the end.
    pub to: Option<Micros>,
}

impl EventRange {
    /// Whether every row is in it.
    pub fn is_all(self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    fn holds(self, event_time: i64) -> bool {
        self.from.is_none_or(|from| from.get() <= event_time)
            && self.to.is_none_or(|to| event_time < to.get())
    }
}

/// The file whose rows are judged, and when its load began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load<'a> {
    pub(crate) source: &'a Source,
    pub(crate) view: &'a View,
    pub(crate) transform: &'a ViewTransform,
    /// The name of the file, for dead letters.
    pub(crate) origin: &'a str,
    /// Its number in positions.
    pub(crate) number: u32,
    /// The recorded start of its load.
    pub(crate) started_at: Micros,
    pub(crate) range: EventRange,
    /// From when the view's stream counts: rows from then on are the stream's.
    pub(crate) stream_from: Option<Micros>,
    /// Whether this is the first load of the view, whose static rows have always been known.
    pub(crate) is_first: bool,
    /// Whether rows are available when the source says so; else when they are written.
    pub(crate) is_history: bool,
}

/// What a load counts.
#[derive(Debug)]
pub(crate) struct Tally<'a> {
    /// For its author.
    pub(crate) report: &'a mut LoadReport,
    /// For each entity the rows that are not visible yet: law 6 bounds them.
    pub(crate) waiting: &'a mut BTreeMap<Vec<Value>, usize>,
}

/// Rows that were taken, before it is known when they became available.
#[derive(Debug)]
pub(crate) struct Taken {
    rows: RecordBatch,
    event_times: Vec<i64>,
    /// When the source says that they were available, where it does.
    declared: Option<Vec<i64>>,
    positions: Vec<Position>,
}

/// When taken rows became available.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Availability {
    /// As the source declares or assumes: history.
    History,
    /// At this moment, after the online write was acknowledged.
    Measured(Micros),
}

impl Load<'_> {
    /// Judges a batch of the source whose first row has this number in the file. `is_known` says of
    /// a row's number whether the log has it already.
    pub(crate) fn judge(
        &self,
        source_rows: &SourceRows,
        is_known: impl Fn(u64) -> bool,
        Tally { report, waiting }: Tally<'_>,
    ) -> Result<(Taken, Vec<DeadLetter>), MaterializerError> {
        let first_row = source_rows.first_row;
        let (batch, numbers, unreadable) = self.wanted(source_rows, is_known, report)?;
        let number_of = |row: usize| numbers.get(row).copied().unwrap_or(first_row + row as u64);
        let position = |row: usize| Position::History { file: self.number, row: number_of(row) };
        let made = self.transform.apply(&batch)?;
        report.rows_read += (batch.num_rows() + unreadable.len()) as u64;
        report.filtered += made.filtered;
        report.null_keys += made.null_keys;
        add_counts(&mut report.warned, made.warned);
        let mut letters: Vec<DeadLetter> = made
            .bad
            .iter()
            .map(|bad| {
                let row = bad.row as usize;
                self.letter(&batch, row, position(row), bad.reason.kind(), bad.reason.to_string())
            })
            .collect();
        letters.extend(unreadable.into_iter().map(|bad| DeadLetter {
            position: Position::History { file: self.number, row: first_row + bad.row as u64 },
            origin: self.origin.to_owned(),
            reason: "undecodable".to_owned(),
            detail: bad.detail(),
            row: bad.shown.clone(),
        }));
        let event_times = self.event_times(&made.rows);
        let declared = made.rows.column_by_name(DECLARED_AT).filter(|_| self.is_history).map(micros);
        let limit = self.started_at.saturating_add(self.source.max_ahead).get();
        let visible_at = |row: usize| {
            let declared = declared.as_ref().and_then(|declared| declared.get(row)).copied();
            event_times.get(row).copied().unwrap_or(0).max(declared.unwrap_or(i64::MIN))
        };
        let origins: Vec<usize> = made.origins.iter().map(|row| *row as usize).collect();
        let mut good: Vec<bool> = (0..made.rows.num_rows()).map(|row| visible_at(row) <= limit).collect();
        for (row, origin) in origins.iter().enumerate().filter(|(row, _)| good.get(*row) == Some(&false)) {
            let detail = format!(
                "it is visible from {}, more than {} ahead of the start of its load at {}",
                Micros::new(visible_at(row)).unwrap_or(Micros::MAX),
                self.source.max_ahead,
                self.started_at
            );
            letters.push(self.letter(&batch, *origin, position(*origin), "too_far_ahead", detail));
        }
        let delay = self.source.assumed_delay.filter(|_| self.is_history).map_or(0, Span::micros);
        let waits = |row: usize| visible_at(row).saturating_add(delay) > self.started_at.get();
        for (row, origin) in origins.iter().enumerate().filter(|(row, _)| waits(*row)) {
            let Some(good) = good.get_mut(row).filter(|good| **good) else { continue };
            let count = waiting.entry(self.key(&made.rows, row)).or_insert(0);
            *count += 1;
            if *count > PENDING_BOUND {
                *good = false;
                let detail = format!("{PENDING_BOUND} rows of its entity wait to become visible already");
                letters.push(self.letter(&batch, *origin, position(*origin), "too_many_waiting", detail));
            }
        }
        letters.sort_by_key(|letter| letter.position);
        count_refused(&mut report.refused, &letters);
        let keep =
            |values: &[i64]| values.iter().zip(&good).filter(|(_, good)| **good).map(|(v, _)| *v).collect();
        let taken = Taken {
            rows: filter_record_batch(&made.rows, &BooleanArray::from(good.clone()))?,
            event_times: keep(&event_times),
            declared: declared.as_deref().map(keep),
            positions: origins
                .iter()
                .zip(&good)
                .filter(|(_, good)| **good)
                .map(|(row, _)| position(*row))
                .collect(),
        };
        Ok((taken, letters))
    }

    /// The join keys of a transformed row.
    fn key(&self, rows: &RecordBatch, row: usize) -> Vec<Value> {
        let value = |key: &feature::Field| {
            let column = rows.column_by_name(key.name.as_str());
            column.map_or(Value::Null, |column| transform::value_at(column.as_ref(), row, key.data_type))
        };
        self.view.keys.iter().map(value).collect()
    }

    /// The rows in the range that the log does not have, and their numbers where they are not all; and those of
    /// them that cannot be read.
    fn wanted<'r>(
        &self,
        rows: &'r SourceRows,
        is_known: impl Fn(u64) -> bool,
        report: &mut LoadReport,
    ) -> Result<(RecordBatch, Vec<u64>, Vec<&'r Unreadable>), MaterializerError> {
        let SourceRows { first_row, batch, unreadable } = rows;
        let times = match self.range.is_all() && self.stream_from.is_none() {
            true => None,
            false => self.transform.event_times(batch)?,
        };
        let times = times.as_ref().and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
        // A row that does not say when it happened is judged where the range has no beginning.
        let in_range = |row: usize| match times {
            Some(times) if times.is_valid(row) => self.range.holds(times.value(row)),
            _ => self.range.from.is_none(),
        };
        let is_of_stream = |row: usize| match (self.stream_from, times) {
            (Some(from), Some(times)) => times.is_valid(row) && times.value(row) >= from.get(),
            _ => false,
        };
        let mut bad = unreadable.iter().peekable();
        let (mut wanted, mut refused) = (Vec::with_capacity(batch.num_rows()), Vec::new());
        for row in 0..batch.num_rows() {
            let unreadable = bad.next_if(|bad| bad.row == row);
            if !in_range(row) {
                report.outside_range += 1;
                continue;
            }
            if is_of_stream(row) {
                report.of_stream += 1;
                continue;
            }
            match (is_known(first_row + row as u64), unreadable) {
                (true, _) => report.rows_known += 1,
                (false, Some(unreadable)) => refused.push(unreadable),
                (false, None) => wanted.push(row as u64),
            }
        }
        if wanted.len() == batch.num_rows() {
            return Ok((batch.clone(), Vec::new(), refused));
        }
        let rows = take_record_batch(batch, &UInt64Array::from(wanted.clone()))?;
        Ok((rows, wanted.into_iter().map(|row| first_row + row).collect(), refused))
    }

    fn event_times(&self, rows: &RecordBatch) -> Vec<i64> {
        match rows.column_by_name(EVENT_TIME) {
            Some(times) => micros(times),
            None if self.is_first => vec![Micros::MIN.get(); rows.num_rows()],
            None => vec![self.started_at.get(); rows.num_rows()],
        }
    }

    fn letter(
        &self,
        batch: &RecordBatch,
        row: usize,
        position: Position,
        reason: &str,
        detail: String,
    ) -> DeadLetter {
        let values: serde_json::Map<String, serde_json::Value> = self
            .transform
            .input()
            .iter()
            .filter_map(|field| {
                let column = batch.column_by_name(field.name.as_str())?;
                let value = transform::value_at(column.as_ref(), row, field.data_type);
                let text = (!value.is_null()).then(|| value.to_string());
                Some((
                    field.name.to_string(),
                    text.map_or(serde_json::Value::Null, serde_json::Value::String),
                ))
            })
            .collect();
        let mut text = serde_json::Value::Object(values).to_string();
        text.truncate(text.floor_char_boundary(DeadLetter::MAX_ROW_BYTES));
        DeadLetter { position, origin: self.origin.to_owned(), reason: reason.to_owned(), detail, row: text }
    }
}

impl Taken {
    /// The keys and columns of the rows.
    pub(crate) fn rows(&self) -> &RecordBatch {
        &self.rows
    }

    /// When each happened.
    pub(crate) fn event_times(&self) -> &[i64] {
        &self.event_times
    }

    /// The rows for which this holds.
    pub(crate) fn only(self, keep: &BooleanArray) -> Result<Self, MaterializerError> {
        fn kept<T>(values: Vec<T>, keep: &BooleanArray) -> Vec<T> {
            values
                .into_iter()
                .zip(keep)
                .filter_map(|(value, keep)| (keep == Some(true)).then_some(value))
                .collect()
        }
        Ok(Self {
            rows: filter_record_batch(&self.rows, keep)?,
            event_times: kept(self.event_times, keep),
            declared: self.declared.map(|declared| kept(declared, keep)),
            positions: kept(self.positions, keep),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.positions.len()
    }

    /// The rows as the log holds them, and how many of them are late.
    pub(crate) fn log_batch(
        &self,
        source: &Source,
        view: &View,
        availability: Availability,
    ) -> Result<(RecordBatch, u64), MaterializerError> {
        let delay = source.assumed_delay.map_or(0, Span::micros);
        let available_at: Vec<i64> = match (availability, &self.declared) {
            (Availability::Measured(at), _) if view.is_static => self
                .event_times
                .iter()
                .map(|event| if *event == Micros::MIN.get() { *event } else { at.get() })
                .collect(),
            (Availability::Measured(at), _) => vec![at.get(); self.len()],
            (Availability::History, _) if view.is_static => self.event_times.clone(),
            (Availability::History, Some(declared)) => declared.clone(),
            (Availability::History, None) => {
                self.event_times.iter().map(|event| (event + delay).min(Micros::MAX.get())).collect()
            }
        };
        let (provenance, assumed_delay) = match (availability, &self.declared) {
            (Availability::Measured(_), _) => (Provenance::Measured, None),
            (Availability::History, Some(_)) => (Provenance::Declared, None),
            (Availability::History, None) => (Provenance::Simulated, source.assumed_delay),
        };
        let lateness = source.allowed_lateness.map(Span::micros);
        let late: Vec<bool> = self
            .event_times
            .iter()
            .zip(&available_at)
            .map(|(event, available)| {
                lateness.is_some_and(|lateness| available - event > lateness) && !view.is_static
            })
            .collect();
        let late_rows = late.iter().filter(|late| **late).count() as u64;
        let facts = Facts {
            event_times: TimestampMicrosecondArray::from(self.event_times.clone()),
            available_at: TimestampMicrosecondArray::from(available_at),
            provenance,
            assumed_delay,
            positions: self.positions.clone(),
            late: BooleanArray::from(late),
            deleted: BooleanArray::from(vec![false; self.len()]),
        };
        Ok((log_batch(view, &self.rows, facts)?, late_rows))
    }
}

/// A column of moments, in microseconds; nothing where it is none.
pub(crate) fn micros(column: &ArrayRef) -> Vec<i64> {
    column
        .as_primitive_opt::<TimestampMicrosecondType>()
        .map(|times| times.values().to_vec())
        .unwrap_or_default()
}
